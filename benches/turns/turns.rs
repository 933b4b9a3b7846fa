//! Turn after turn: each game confirms what it showed and says the next thing at once. History and
//! log are written as always.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::figures::median;
use super::game::{Game, Meter, event, is_end, turn_id};
use super::options::Options;
use super::provider::{Provider, Replies};
use super::streams::ratio_to;
use super::subject::{Subject, Which};

/// How many games play side by side.
const GAMES: usize = 64;

/// Pieces of each reply.
const PIECES: usize = 20;

/// Long enough for each agent's history to be full.
const WARM_UP: Duration = Duration::from_secs(2);

/// Turns a second.
pub async fn back_to_back(options: &Options) -> anyhow::Result<()> {
    println!("turns back to back: {GAMES} games, {PIECES} pieces a turn, history and log written");
    println!("subject   turns/s    CPU/turn  core used   throughput ratio");
    let mut yardstick = None;
    for which in Which::wanted(options) {
        let mut rounds = Vec::new();
        for _ in 0..options.rounds {
            rounds.push(measure(options, which).await?);
        }
        let turns = median(rounds.iter().map(|(turns, _)| *turns));
        let cpu = median(rounds.iter().map(|(_, cpu)| *cpu));
        println!(
            "{:<7} {turns:>9.0} {cpu:>8.0} µs {:>9.0}% {:>18}",
            which.name(),
            turns * cpu / 1e4,
            ratio_to(&mut yardstick, turns),
        );
    }
    println!();
    Ok(())
}

/// Turns a second, and CPU a turn in µs.
async fn measure(options: &Options, which: Which) -> anyhow::Result<(f64, f64)> {
    let provider = Provider::start(Replies::AtOnce { pieces: PIECES })?;
    let subject = Subject::start(which, options, provider.address).await?;
    let meter = Arc::new(Meter::default());
    let mut games = JoinSet::new();
    for agent in 0..GAMES {
        let game = Game::connect(subject.address).await?;
        games.spawn(play(game, agent, which, Arc::clone(&meter)));
    }
    sleep(WARM_UP).await;
    meter.start();
    let (cpu, began) = (subject.cpu()?, Instant::now());
    sleep(options.window).await;
    let (cpu, seconds) = (subject.cpu()? - cpu, began.elapsed().as_secs_f64());
    let (_, turns, _) = meter.stop();
    if let Some(ended) = games.try_join_next() {
        ended??;
    }
    Ok((turns / seconds, cpu * 1e6 / turns))
}

async fn play(mut game: Game, agent: usize, which: Which, meter: Arc<Meter>) -> anyhow::Result<()> {
    for number in 0.. {
        game.send(&event(agent, number)).await?;
        let shown = loop {
            let frame = game.next().await?;
            if is_end(frame) {
                break turn_id(frame).to_owned();
            }
        };
        meter.count_turn();
        if which == Which::Server {
            game.confirm(agent, &shown).await?;
        }
    }
    Ok(())
}
