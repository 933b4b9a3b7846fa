//! The frames that wait for a client, in their order. Pieces of replies don't wait here: they are taken
//! when everything else is sent. Full, nothing more is read from the client; a client that takes nothing
//! for long is let go.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use dramatis_protocol::rpc::RpcFrame;
use futures::SinkExt;
use futures::stream::SplitSink;
use tokio::time::{Instant, timeout, timeout_at};

use crate::server::socket::{CLOSE_TIMEOUT, WRITE_TIMEOUT};
use crate::turn::outbox::Closing;

/// So many bytes may wait before nothing more is read.
const MOST_WAITING: usize = 256 * 1024;

/// The writing half of a socket.
pub(super) struct Outgoing {
    sink: SplitSink<WebSocket, Message>,
    waiting: VecDeque<Message>,
    bytes: usize,
    /// Whether the socket may hold what was given to it.
    unflushed: bool,
    /// When it took something last, while something waits.
    moved: Instant,
}

/// Why nothing can be sent any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stuck {
    /// The socket is broken.
    Broken,
    /// The client takes nothing.
    TooSlow,
}

impl Outgoing {
    pub fn new(sink: SplitSink<WebSocket, Message>) -> Self {
        let waiting = VecDeque::new();
        Self { sink, waiting, bytes: 0, unflushed: false, moved: Instant::now() }
    }

    /// Puts a frame behind the others.
    pub fn push(&mut self, frame: &RpcFrame<'_>) {
        match serde_json::to_string(frame) {
            Ok(text) => self.add(Message::Text(text.into()), true),
            // Texts and numbers: there is nothing in a frame that JSON doesn't have.
            Err(error) => tracing::error!(%error, "a frame can't be written"),
        }
    }

    /// Asks whether anybody is there.
    pub fn ping(&mut self) {
        self.add(Message::Ping(Bytes::new()), false);
    }

    fn add(&mut self, message: Message, counts: bool) {
        if self.is_empty() {
            self.moved = Instant::now();
        }
        if counts {
            self.bytes = self.bytes.saturating_add(length(&message));
        }
        self.waiting.push_back(message);
    }

    /// Whether everything is sent.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.unflushed
    }

    /// Whether more may be asked for.
    pub const fn has_room(&self) -> bool {
        self.bytes < MOST_WAITING
    }

    /// Sends what waits. Safe to be dropped: what was not taken stays.
    pub async fn send(&mut self) -> Result<(), Stuck> {
        loop {
            let deadline = self.moved + WRITE_TIMEOUT;
            match timeout_at(deadline, poll_fn(|context| self.poll_step(context))).await {
                Err(_) => return Err(Stuck::TooSlow),
                Ok(Err(_)) => return Err(Stuck::Broken),
                Ok(Ok(false)) => return Ok(()),
                Ok(Ok(true)) => self.moved = Instant::now(),
            }
        }
    }

    /// Gives the socket the next frame, or has it send what it holds. `false`: all is sent.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, axum::Error>> {
        if self.waiting.is_empty() {
            ready!(self.sink.poll_flush_unpin(context))?;
            self.unflushed = false;
            return Poll::Ready(Ok(false));
        }
        ready!(self.sink.poll_ready_unpin(context))?;
        if let Some(message) = self.waiting.pop_front() {
            if !matches!(message, Message::Ping(_)) {
                self.bytes = self.bytes.saturating_sub(length(&message));
            }
            self.unflushed = true;
            self.sink.start_send_unpin(message)?;
        }
        Poll::Ready(Ok(true))
    }

    /// Sends what waits, as far as the client takes it in time, and closes.
    pub async fn close(mut self, closing: Closing) {
        drop(timeout(CLOSE_TIMEOUT, self.send()).await);
        let frame = CloseFrame { code: closing.code, reason: closing.reason.into() };
        drop(timeout(CLOSE_TIMEOUT, self.sink.send(Message::Close(Some(frame)))).await);
    }
}

fn length(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    }
}
