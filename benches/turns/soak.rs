//! A thousand agents that go on talking, as long as one likes: what the server holds must not grow,
//! and must be given back when the games have gone. Runs only when it is asked for:
//!
//! ```text
//! cargo bench --bench turns -- soak --seconds 600
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::game::{Game, Meter, event, is_end, turn_id};
use super::options::Options;
use super::provider::{Provider, Replies};
use super::subject::{Subject, Which};

/// How many connections, and how many agents each speaks for.
const GAMES: usize = 10;
const AGENTS: usize = 100;

/// Pieces of each reply.
const PIECES: usize = 20;

/// How long a player takes to answer.
const THINKING: Duration = Duration::from_secs(1);

/// How often the server is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// How long it may take to come to rest.
const REST: Duration = Duration::from_secs(5);

/// How long until the connections to the provider, kept for the next turn, are given up: they rest
/// for a minute, and those that do are looked for once a minute.
const CONNECTIONS_KEPT: Duration = Duration::from_secs(125);

/// Plays for as long as a measurement takes, and prints what the server holds.
pub async fn watch(options: &Options) -> anyhow::Result<()> {
    let provider = Provider::start(Replies::AtOnce { pieces: PIECES })?;
    let subject = Subject::start(Which::Server, options, provider.address).await?;
    println!("{} agents over {GAMES} connections, a turn each {THINKING:?}", GAMES * AGENTS);
    println!(
        "{:>10} {:>10} {:>8} {:>8} {:>8} {:>10}",
        "seconds", "turns", "KiB", "files", "agents", "connections"
    );
    sleep(REST).await;
    look(&subject, 0, 0.0).await?;
    let (meter, stop) = (Arc::new(Meter::default()), CancellationToken::new());
    meter.start();
    let mut games = JoinSet::new();
    for number in 0..GAMES {
        let game = Game::connect(subject.address).await?;
        games.spawn(play(game, number, Arc::clone(&meter), stop.clone()));
    }
    let began = Instant::now();
    while began.elapsed() < options.window {
        sleep(LOOK_EVERY.min(options.window)).await;
        if let Some(ended) = games.try_join_next() {
            ended??;
        }
        look(&subject, began.elapsed().as_secs(), meter.turns()).await?;
    }
    stop.cancel();
    while let Some(ended) = games.join_next().await {
        ended??;
    }
    println!("after the games have gone:");
    for pause in [REST, CONNECTIONS_KEPT] {
        sleep(pause).await;
        look(&subject, began.elapsed().as_secs(), meter.turns()).await?;
    }
    println!();
    Ok(())
}

async fn look(subject: &Subject, seconds: u64, turns: f64) -> anyhow::Result<()> {
    let metrics = metrics(subject).await?;
    let gauge = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or(" ?").trim().to_owned()
    };
    println!(
        "{seconds:>10} {turns:>10.0} {:>8.0} {:>8} {:>8} {:>10}",
        subject.rss()?,
        subject.open_files()?,
        gauge("dramatis_agents "),
        gauge("dramatis_connections "),
    );
    Ok(())
}

async fn metrics(subject: &Subject) -> anyhow::Result<String> {
    let mut socket = TcpStream::connect(subject.address).await?;
    socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.context("no metrics")?;
    Ok(answer)
}

/// A game that speaks to each of its agents again some time after the agent has answered.
async fn play(
    mut game: Game,
    number: usize,
    meter: Arc<Meter>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut events = 0;
    let spread = THINKING / u32::try_from(AGENTS)?;
    let mut due: VecDeque<(Instant, usize)> = (0..AGENTS)
        .map(|agent| (Instant::now() + spread * u32::try_from(agent).unwrap_or(0), agent))
        .collect();
    while !stop.is_cancelled() {
        let next = due.front().map_or_else(|| Instant::now() + THINKING, |(at, _)| *at);
        let Ok(frame) = timeout_at(next, game.next()).await else {
            if let Some((_, agent)) = due.pop_front() {
                events += 1;
                game.send(&event(number * AGENTS + agent, events)).await?;
            }
            continue;
        };
        let frame = frame?;
        if is_end(frame) {
            let shown = turn_id(frame).to_owned();
            let agent = agent_of(frame).context("an end of nobody's turn")?;
            meter.count_turn();
            let id = number * AGENTS + agent;
            game.send(&format!(
                r#"{{"type":"agent_turn_result","agent_id":"agent-{id}","turn_id":"{shown}","tags":[{{"tag_id":0,"outcome":"done"}}]}}"#
            ))
            .await?;
            due.push_back((Instant::now() + THINKING, agent));
        }
    }
    Ok(())
}

/// The agent that a frame is about, by its number in its game.
fn agent_of(frame: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(frame).ok()?;
    let (_, rest) = text.split_once(r#""agent_id":"agent-"#)?;
    let (id, _) = rest.split_once('"')?;
    Some(id.parse::<usize>().ok()? % AGENTS)
}
