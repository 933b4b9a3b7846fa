//! How soon a newer event ends the turn before it: for the game, and for the provider.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{Instant as Timer, sleep, timeout_at};

use super::figures::{Spread, median_spread, now_us};
use super::game::{Game, event, is_interruption};
use super::options::Options;
use super::provider::{Provider, Replies};
use super::subject::{Subject, Which};

/// Replies side by side.
const STREAMS: usize = 200;

/// Each of them is interrupted this often.
const EVERY: Duration = Duration::from_secs(2);

/// A newer event, when it was sent, and when the game heard of the end.
struct Cut {
    /// The number of the turn that was cut.
    number: u64,
    sent: u64,
    told: u64,
}

/// From the newer event to the game's and the provider's end of the older turn.
pub async fn measure(options: &Options) -> anyhow::Result<()> {
    println!("interruption by a newer event, {STREAMS} streams at 50 pieces a second (ms)");
    println!("subject     cuts   told p50     p99     max   closed p50     p99     max");
    for which in Which::wanted(options) {
        let (mut told, mut closed) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            let (t, c) = round(options, which).await?;
            told.push(t);
            closed.push(c);
        }
        let (told, closed) = (median_spread(&told), median_spread(&closed));
        println!(
            "{:<7} {:>8} {:>10.2} {:>7.2} {:>7.1} {:>12.2} {:>7.2} {:>7.1}",
            which.name(),
            told.count,
            told.p50,
            told.p99,
            told.max,
            closed.p50,
            closed.p99,
            closed.max,
        );
    }
    println!();
    Ok(())
}

async fn round(options: &Options, which: Which) -> anyhow::Result<(Spread, Spread)> {
    let provider = Provider::start(Replies::Paced { every: Duration::from_millis(20) })?;
    let subject = Subject::start(which, options, provider.address).await?;
    let numbers = Arc::new(AtomicU64::new(1));
    let end = Instant::now() + Duration::from_secs(1) + EVERY + options.window;
    let mut games = JoinSet::new();
    for agent in 0..STREAMS {
        let game = Game::connect(subject.address).await?;
        games.spawn(play(game, agent, Arc::clone(&numbers), end));
    }
    let mut cuts = Vec::new();
    while let Some(game) = games.join_next().await {
        cuts.extend(game??);
    }
    sleep(Duration::from_millis(100)).await;
    let told = cuts.iter().map(|cut| cut.told.saturating_sub(cut.sent)).collect();
    let closed =
        cuts.iter().filter_map(|cut| Some(provider.closed(cut.number)?.saturating_sub(cut.sent)));
    Ok((Spread::of(told), Spread::of(closed.collect())))
}

/// Listens, and interrupts now and then; no two games at the same time.
async fn play(
    mut game: Game,
    agent: usize,
    numbers: Arc<AtomicU64>,
    end: Instant,
) -> anyhow::Result<Vec<Cut>> {
    let mut number = numbers.fetch_add(1, Ordering::Relaxed);
    game.send(&event(agent, number)).await?;
    let share = u32::try_from(agent)?;
    let mut next = Timer::now() + Duration::from_secs(1) + EVERY * share / u32::try_from(STREAMS)?;
    let mut cuts = Vec::new();
    while next.into_std() < end {
        while let Ok(frame) = timeout_at(next, game.next()).await {
            frame?;
        }
        let newer = numbers.fetch_add(1, Ordering::Relaxed);
        let sent = now_us();
        game.send(&event(agent, newer)).await?;
        while !is_interruption(game.next().await?) {}
        cuts.push(Cut { number, sent, told: now_us() });
        number = newer;
        next += EVERY;
    }
    Ok(cuts)
}
