//! What something that does nothing costs: the growth of resident memory over a thousand of it.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::game::{Game, event, is_end};
use super::options::Options;
use super::provider::{Provider, Replies};
use super::subject::{Subject, Which};

/// How many of each.
const MANY: usize = 1_000;

/// How long the server may take to settle.
const SETTLE: Duration = Duration::from_secs(1);

/// Memory of connections and agents.
pub async fn measure(options: &Options) -> anyhow::Result<()> {
    let provider = Provider::start(Replies::AtOnce { pieces: 20 })?;
    let subject = Subject::start(Which::Server, options, provider.address).await?;
    // What is allocated once, on first use, is nobody's.
    let mut crowd = Vec::new();
    for agent in 0..20 {
        let mut game = Game::connect(subject.address).await?;
        turn(&mut game, MANY + agent).await?;
        crowd.push(game);
    }
    let mut first = Game::connect(subject.address).await?;
    let start = settled(&subject).await?;
    for _ in 0..MANY {
        let mut game = Game::connect(subject.address).await?;
        game.send(r#"{"type":"hello","protocol":"1"}"#).await?;
        game.next().await?;
        crowd.push(game);
    }
    let connected = settled(&subject).await?;
    for agent in 0..MANY {
        first.send(&format!(
            r#"{{"type":"notification_event","agent_id":"agent-{agent}","text":"It begins to rain."}}"#
        ))
        .await?;
    }
    let woken = settled(&subject).await?;
    for agent in 0..MANY {
        turn(&mut first, agent).await?;
    }
    let spoken = settled(&subject).await?;
    let each = |from: f64, to: f64| (to - from) / MANY as f64;
    println!("resident memory of the server, from the growth over {MANY} (KiB)");
    println!("at the start                             {start:>9.0}");
    println!("an idle connection                       {:>9.1}", each(start, connected));
    println!("an idle agent that noticed something     {:>9.1}", each(connected, woken));
    println!("what a first turn adds to an agent       {:>9.1}", each(woken, spoken));
    println!();
    Ok(())
}

/// One turn from event to end.
async fn turn(game: &mut Game, agent: usize) -> anyhow::Result<()> {
    game.send(&event(agent, agent as u64)).await?;
    timeout(Duration::from_secs(10), async {
        while !is_end(game.next().await?) {}
        Ok(())
    })
    .await?
}

async fn settled(subject: &Subject) -> anyhow::Result<f64> {
    sleep(SETTLE).await;
    subject.rss()
}
