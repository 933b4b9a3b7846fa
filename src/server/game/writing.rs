//! The writing half of a game's socket: drains the connection's queue, and asks now and then
//! whether anybody is there.

use std::time::Duration;

use axum::Error;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures::SinkExt;
use futures::stream::SplitSink;
use tokio::task::yield_now;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::server::socket::{CLOSE_TIMEOUT, PING_EVERY, WRITE_TIMEOUT};
use crate::turn::outbox::{Closing, OutboxHandle};

/// How much is handed to the socket before it is flushed, in bytes.
const BATCH: usize = 16 * 1024;

/// How often at the most a write waits for all others who are ready.
const ROUNDS: usize = 8;

type Sink = SplitSink<WebSocket, Message>;

/// Why writing stopped.
enum Stop {
    /// The socket is broken.
    Broken,
    /// The client takes nothing.
    TooSlow,
}

/// Writes until the queue is closed or the socket breaks.
pub(super) async fn write_all(mut sink: Sink, outbox: &OutboxHandle, ping_timeout: Duration) {
    let mut ping = interval(PING_EVERY.min(ping_timeout / 3));
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.tick().await;
    let closing = match drain(&mut sink, outbox, &mut ping).await {
        Ok(closing) => closing,
        Err(Stop::TooSlow) => Closing::TOO_SLOW,
        Err(Stop::Broken) => return,
    };
    let frame = CloseFrame { code: closing.code, reason: closing.reason.into() };
    let _ = timeout(CLOSE_TIMEOUT, sink.send(Message::Close(Some(frame)))).await;
}

async fn drain(
    sink: &mut Sink,
    outbox: &OutboxHandle,
    ping: &mut Interval,
) -> Result<Closing, Stop> {
    loop {
        let mut fed = 0_usize;
        let mut json = String::new();
        while fed < BATCH && outbox.take(&mut json) {
            fed = fed.saturating_add(json.len());
            in_time(sink.feed(Message::Text(std::mem::take(&mut json).into()))).await?;
        }
        in_time(sink.flush()).await?;
        if fed >= BATCH {
            continue;
        }
        if let Some(closing) = outbox.closing() {
            return Ok(closing);
        }
        tokio::select! {
            biased;
            () = outbox.changed() => let_others_speak(outbox).await,
            _ = ping.tick() => in_time(sink.send(Message::Ping(Bytes::new()))).await?,
        }
    }
}

/// Whoever else is ready goes first, as long as that brings more: what has arrived already for this
/// client becomes one write instead of many. The end of a turn has nothing to wait for.
async fn let_others_speak(outbox: &OutboxHandle) {
    let mut before = 0;
    for _ in 0..ROUNDS {
        let (waiting, ended) = outbox.look(|it| (it.waiting_bytes(), it.ends_with_an_end()));
        if ended || waiting == before {
            return;
        }
        before = waiting;
        yield_now().await;
    }
}

async fn in_time(write: impl Future<Output = Result<(), Error>>) -> Result<(), Stop> {
    match timeout(WRITE_TIMEOUT, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Stop::Broken),
        Err(_) => Err(Stop::TooSlow),
    }
}
