//! How soon an event or a prompt becomes a request to the provider, on a server that has nothing else to
//! do: with an agent of whom nothing is looked up, and with those that are reminded of lore and memories.

use std::time::Duration;

use tokio::time::sleep;

use super::figures::{Spread, median_spread, now_us};
use super::game::{Game, event, is_end, reminded_event, reminded_prompt, turn_id};
use super::options::Options;
use super::provider::{Provider, Replies};
use super::subject::{Subject, Which};

/// Turns before the first that counts: the history has moved on, and there is much to remember.
const BEFORE: u64 = 300;

/// Turns that count.
const COUNTED: u64 = 400;

/// Between two turns the server comes to rest.
const REST: Duration = Duration::from_millis(5);

/// An event for an agent, with its number.
type Event = fn(usize, u64) -> String;

/// From the event's writing to the arrival of the request.
pub async fn measure(options: &Options) -> anyhow::Result<()> {
    println!("from an event or a prompt to the provider's request, on an idle server (ms)");
    println!("subject                            turns     p50     p99     max");
    let mut all: Vec<(Which, &str, Event)> = Vec::new();
    for which in Which::wanted(options) {
        all.push((which, "", event));
        if which == Which::Server {
            all.push((which, "with lore and memories", reminded_event));
            all.push((Which::Chats, "with lore and memories", |_, number| reminded_prompt(number)));
        }
    }
    for (which, how, event) in all {
        let mut rounds = Vec::new();
        for _ in 0..options.rounds {
            rounds.push(round(options, which, event).await?);
        }
        let spread = median_spread(&rounds);
        println!(
            "{:<31} {:>8} {:>7.2} {:>7.2} {:>7.1}",
            format!("{} {how}", which.name()),
            spread.count,
            spread.p50,
            spread.p99,
            spread.max
        );
    }
    println!();
    Ok(())
}

async fn round(options: &Options, which: Which, event: Event) -> anyhow::Result<Spread> {
    let provider = Provider::start(Replies::AtOnce { pieces: 20 })?;
    let subject = Subject::start(which, options, provider.address).await?;
    let mut game = Game::begin(&subject).await?;
    let mut samples = Vec::new();
    for number in 1..=BEFORE + COUNTED {
        let sent = now_us();
        game.send(&event(0, number)).await?;
        let shown = loop {
            let frame = game.next().await?;
            if is_end(frame) {
                break turn_id(frame).to_owned();
            }
        };
        if which == Which::Server {
            game.confirm(0, &shown).await?;
        }
        if number > BEFORE {
            samples.extend(provider.asked(number).map(|asked| asked.saturating_sub(sent)));
            sleep(REST).await;
        }
    }
    Ok(Spread::of(samples))
}
