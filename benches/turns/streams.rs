//! Many replies side by side: paced as a provider's, or as fast as the subject takes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::figures::{Spread, median, median_spread};
use super::game::{Game, Meter, event, is_end, prompt};
use super::options::Options;
use super::provider::{Provider, Replies};
use super::subject::{Subject, Which};

/// Fifty tokens a second.
const EVERY: Duration = Duration::from_millis(20);

/// How many replies run side by side in the flood.
const FLOODED: usize = 50;

/// How many pieces a reply of the flood has: well within the limits of a reply.
const FLOOD_PIECES: usize = 5_000;

/// How long everything runs before it counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// What one measurement found.
#[derive(Clone, Copy)]
struct Found {
    latency: Spread,
    pieces_per_second: f64,
    cpu_us: f64,
    cpu_share: f64,
}

/// Replies at the pace of a provider, to games: latency and CPU.
pub async fn paced(options: &Options) -> anyhow::Result<()> {
    println!("streams at 50 pieces a second, a connection each (latency in ms, CPU in µs a piece)");
    show_paced(options, &Which::wanted(options)).await
}

/// The same to people who chat.
pub async fn chats(options: &Options) -> anyhow::Result<()> {
    println!("chats at 50 pieces a second, a connection each (latency in ms, CPU in µs a piece)");
    show_paced(options, &Which::chatting(options)).await
}

async fn show_paced(options: &Options, subjects: &[Which]) -> anyhow::Result<()> {
    println!(
        "streams  subject  pieces/s     p50     p99     max   CPU/piece  core used   CPU ratio"
    );
    for streams in &options.streams {
        let mut yardstick = None;
        for (which, rounds) in
            rounds(options, subjects, *streams, Replies::Paced { every: EVERY }).await?
        {
            let found = medians(&rounds);
            let ratio = ratio_to(&mut yardstick, found.cpu_us);
            println!(
                "{streams:>7}  {:<7} {:>9.0} {:>7.2} {:>7.2} {:>7.1} {:>11.2} {:>9.0}% {ratio:>11}",
                which.name(),
                found.pieces_per_second,
                found.latency.p50,
                found.latency.p99,
                found.latency.max,
                found.cpu_us,
                found.cpu_share * 100.0,
            );
        }
    }
    println!();
    Ok(())
}

/// Replies as fast as they are taken: throughput.
pub async fn saturated(options: &Options) -> anyhow::Result<()> {
    println!("saturation: {FLOODED} replies side by side, as fast as they are taken");
    println!("subject  pieces/s   CPU/piece  core used   throughput ratio");
    let mut yardstick = None;
    let replies = Replies::Flood { pieces: FLOOD_PIECES };
    for (which, rounds) in rounds(options, &Which::wanted(options), FLOODED, replies).await? {
        let found = medians(&rounds);
        println!(
            "{:<7} {:>9.0} {:>11.2} {:>9.0}% {:>18}",
            which.name(),
            found.pieces_per_second,
            found.cpu_us,
            found.cpu_share * 100.0,
            ratio_to(&mut yardstick, found.pieces_per_second),
        );
    }
    println!();
    Ok(())
}

/// The first figure becomes the yardstick of those after it.
pub fn ratio_to(yardstick: &mut Option<f64>, figure: f64) -> String {
    match yardstick {
        Some(yardstick) => format!("{:.2}", figure / *yardstick),
        None => {
            *yardstick = Some(figure);
            String::new()
        }
    }
}

/// Measures the subjects in turn, several times.
async fn rounds(
    options: &Options,
    subjects: &[Which],
    streams: usize,
    replies: Replies,
) -> anyhow::Result<Vec<(Which, Vec<Found>)>> {
    let mut all: Vec<_> = subjects.iter().map(|which| (*which, Vec::new())).collect();
    for _ in 0..options.rounds {
        for (which, rounds) in &mut all {
            rounds.push(measure(options, *which, streams, replies).await?);
        }
    }
    Ok(all)
}

async fn measure(
    options: &Options,
    which: Which,
    streams: usize,
    replies: Replies,
) -> anyhow::Result<Found> {
    let provider = Provider::start(replies)?;
    let subject = Subject::start(which, options, provider.address).await?;
    let meter = Arc::new(Meter::default());
    let mut games = JoinSet::new();
    for agent in 0..streams {
        let game = Game::begin(&subject).await?;
        games.spawn(listen(game, which, agent, Arc::clone(&meter)));
    }
    sleep(WARM_UP).await;
    meter.start();
    let (cpu, began) = (subject.cpu()?, Instant::now());
    sleep(options.window).await;
    let (cpu, seconds) = (subject.cpu()? - cpu, began.elapsed().as_secs_f64());
    let (pieces, _, latency) = meter.stop();
    if let Some(ended) = games.try_join_next() {
        ended??;
    }
    Ok(Found {
        latency,
        pieces_per_second: pieces / seconds,
        cpu_us: cpu * 1e6 / pieces,
        cpu_share: cpu / seconds,
    })
}

/// Asks, listens, and asks again at a reply's end.
async fn listen(
    mut game: Game,
    which: Which,
    agent: usize,
    meter: Arc<Meter>,
) -> anyhow::Result<()> {
    for number in 0.. {
        let asked = if which == Which::Chats { prompt(number) } else { event(agent, number) };
        game.send(&asked).await?;
        loop {
            let frame = game.next().await?;
            meter.count(frame);
            if is_end(frame) {
                break;
            }
        }
    }
    Ok(())
}

fn medians(rounds: &[Found]) -> Found {
    let of = |figure: fn(&Found) -> f64| median(rounds.iter().map(figure));
    let latencies: Vec<_> = rounds.iter().map(|round| round.latency).collect();
    Found {
        latency: median_spread(&latencies),
        pieces_per_second: of(|round| round.pieces_per_second),
        cpu_us: of(|round| round.cpu_us),
        cpu_share: of(|round| round.cpu_share),
    }
}
