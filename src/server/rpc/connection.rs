//! One client's connection, from its first frame to its last: one task that reads, does, listens to the
//! reply under way and sends, whatever is possible first.

use std::time::Duration;

use axum::Error;
use axum::extract::ws::{Message, WebSocket};
use dramatis_protocol::Id;
use dramatis_protocol::rpc::{ChatEnd, FaultCode, RpcFrame, RpcPayload, Update};
use futures::StreamExt;
use futures::stream::SplitStream;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite;

use super::chosen::Chosen;
use super::command::Command;
use super::doing::{self, Done};
use super::incoming::{self, Meaningless, Sent};
use super::outgoing::{Outgoing, Stuck};
use super::turn::{Turn, next_change, tell_end};
use crate::chat::{CancelReason, Chats, End, Stage};
use crate::server::Doors;
use crate::server::entrance::{Pace, Seat, Turned};
use crate::turn::outbox::Closing;

/// How often the server pings.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long the last words of a turn may take when the server goes down.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long a client may take to read the server's last words before the socket is dropped.
const LINGER: Duration = Duration::from_secs(1);

/// Longest name of a client, in bytes.
const CLIENT_BYTES: usize = 256;

/// Something that is to be said as soon as the reply under way is over.
struct Said {
    session: Id,
    stage: Stage,
    text: String,
    sender: Option<String>,
}

/// A connection that was let in.
struct Connection<'a> {
    doors: &'a Doors,
    chats: &'a Chats,
    client: Option<String>,
    chosen: Chosen,
    out: Outgoing,
    turn: Option<Turn>,
    queued: Option<Said>,
    pace: Pace,
    heard: Instant,
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    socket: WebSocket,
    doors: Doors,
    admission: Result<Seat, Turned>,
    client: Option<String>,
) {
    let (sink, mut stream) = socket.split();
    let mut out = Outgoing::new(sink);
    let refusal = match admission {
        Ok(Seat { place, authorized: true }) => {
            let mut connection = Connection::new(&doors, client, out);
            let closing = connection.converse(&mut stream).await;
            let Connection { out, .. } = connection;
            if let Some(closing) = closing {
                out.close(closing).await;
                linger(&mut stream).await;
            }
            return drop(place);
        }
        Ok(_) => Turned {
            message: "no token came: send it in the Authorization header or as ?token=".to_owned(),
            is_full: false,
            closing: Closing::UNAUTHORIZED,
        },
        Err(turned) => turned,
    };
    tracing::warn!("a client was refused: {}", refusal.message);
    let code = if refusal.is_full { FaultCode::Overloaded } else { FaultCode::Unauthorized };
    out.push(&RpcFrame::error(code, refusal.message));
    out.close(refusal.closing).await;
    linger(&mut stream).await;
}

impl<'a> Connection<'a> {
    fn new(doors: &'a Doors, client: Option<String>, out: Outgoing) -> Self {
        Self {
            doors,
            chats: &doors.chats,
            client,
            chosen: Chosen::default(),
            out,
            turn: None,
            queued: None,
            pace: Pace::new(doors.access.max_events_per_second),
            heard: Instant::now(),
        }
    }

    /// Goes on until the client leaves; otherwise, how it is to be closed.
    async fn converse(&mut self, stream: &mut SplitStream<WebSocket>) -> Option<Closing> {
        self.welcome().await;
        let ping_timeout = Duration::from_millis(self.doors.access.limits.ping_timeout_ms);
        let mut ping = interval(PING_EVERY.min(ping_timeout / 3));
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.tick().await;
        let closing = loop {
            let all_sent = self.out.is_empty();
            tokio::select! {
                biased;
                () = self.doors.stopping.cancelled() => break Some(self.go_down().await),
                sent = self.out.send(), if !all_sent => match sent {
                    Ok(()) => {}
                    Err(Stuck::TooSlow) => break Some(Closing::TOO_SLOW),
                    Err(Stuck::Broken) => break None,
                },
                () = next_change(self.turn.as_mut()), if all_sent => self.take_turn().await,
                frame = stream.next(), if self.out.has_room() => match self.receive(frame).await {
                    Next::Goes => {}
                    Next::Left => break None,
                    Next::Closes(closing) => break Some(closing),
                },
                _ = ping.tick() => {
                    if self.heard.elapsed() > ping_timeout {
                        break None;
                    }
                    self.out.ping();
                }
            }
        };
        if let Some(session) = &self.chosen.session_id {
            self.chats.rest(session);
        }
        closing
    }

    async fn welcome(&mut self) {
        let ready = Update { status: Some("ok".to_owned()), ..Update::default() };
        let payload = RpcPayload { content: "✓ Engine ready.".into(), metadata: ready };
        self.out.push(&RpcFrame::SystemUpdate(payload));
        if self.client.as_ref().is_some_and(|id| id.is_empty() || id.len() > CLIENT_BYTES) {
            let message = "\"client\" must have 1 to 256 bytes: what you choose is not kept";
            self.out.push(&RpcFrame::error(FaultCode::InvalidMessage, message));
            self.client = None;
        }
        if let Some(client) = &self.client {
            match self.chats.client(client).await {
                Ok(chosen) => self.chosen = chosen.unwrap_or_default(),
                Err(error) => tracing::warn!(%error, "what a client has chosen can't be read"),
            }
            self.chosen.forget_lost(self.chats).await;
        }
        self.synchronize().await;
    }

    async fn synchronize(&mut self) {
        let state = self.chosen.sync_state(self.chats).await;
        let payload = RpcPayload { content: "State synchronized".into(), metadata: state };
        self.out.push(&RpcFrame::SyncState(payload));
    }

    async fn receive(&mut self, frame: Option<Result<Message, Error>>) -> Next {
        self.heard = Instant::now();
        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Next::Goes,
            Some(Ok(Message::Binary(_))) => {
                self.fail(FaultCode::InvalidMessage, "a message must be text, not bytes");
                return Next::Goes;
            }
            Some(Ok(Message::Close(_))) | None => return Next::Left,
            Some(Err(error)) => return self.on_broken_frame(error),
        };
        let largest = self.doors.access.limits.max_message_bytes;
        if text.len() as u64 > largest {
            let message = format!("a message may have {largest} bytes: say less");
            self.fail(FaultCode::TooLarge, &message);
        } else if let Err(wait) = self.pace.count() {
            let message = format!("too much at once: wait {} ms", wait.as_millis());
            self.fail(FaultCode::RateLimited, &message);
        } else {
            self.on_text(&text).await;
        }
        Next::Goes
    }

    fn on_broken_frame(&mut self, error: Error) -> Next {
        match error.into_inner().downcast_ref::<tungstenite::Error>() {
            Some(tungstenite::Error::Capacity(_)) => {
                self.fail(FaultCode::TooLarge, "the message is far too long");
                Next::Closes(Closing::TOO_LARGE)
            }
            Some(tungstenite::Error::Utf8(_)) => Next::Closes(Closing::NOT_UTF8),
            _ => Next::Left,
        }
    }

    async fn on_text(&mut self, text: &str) {
        match incoming::read(text) {
            Ok(Sent::Command(command)) => self.perform(command).await,
            Ok(Sent::Prompt { text, sender }) => self.on_prompt(text, sender),
            Err(Meaningless::Invalid(message)) => self.fail(FaultCode::InvalidMessage, &message),
            Err(Meaningless::Unknown(message)) => self.fail(FaultCode::UnknownCommand, &message),
            Err(Meaningless::Incomplete(message)) => {
                self.out.push(&RpcFrame::update(format!("✗ {message}")));
            }
        }
    }

    async fn perform(&mut self, command: Command) {
        if let (Command::Cancel, Some(turn)) = (&command, &self.turn) {
            // The turn's end answers it.
            return turn.cancel(CancelReason::User);
        }
        let Done { update, changed, history } =
            doing::perform(command, &mut self.chosen, self.chats).await;
        self.out.push(&update);
        if changed {
            self.keep_chosen().await;
            self.synchronize().await;
        }
        if let Some(messages) = history {
            self.out.push(&doing::history(&messages));
        }
    }

    async fn keep_chosen(&mut self) {
        let Some(client) = &self.client else { return };
        if let Err(error) = self.chats.keep_client(client, &self.chosen).await {
            let message = format!("your choice holds, but could not be stored: {error}");
            self.fail(FaultCode::NotStored, &message);
        }
    }

    fn on_prompt(&mut self, text: String, sender: Option<String>) {
        let ready = self.chosen.session_id.clone().zip(self.chosen.stage(self.chats));
        let Some((session, stage)) = ready else {
            return self.refuse("Prepare the stage first (World, Char, Session).");
        };
        let said = Said { session, stage, text, sender };
        if self.turn.is_none() {
            self.say(said);
        } else if self.queued.is_none() {
            self.queued = Some(said);
        } else {
            let message =
                "✗ A message waits for the end of this reply already: send yours after it.";
            self.out.push(&RpcFrame::update(message));
        }
    }

    fn say(&mut self, said: Said) {
        let Said { session, stage, text, sender } = said;
        match self.chats.say(&session, text, sender, stage.clone()) {
            Ok(listener) => self.turn = Some(Turn::new(listener, stage)),
            Err(error) => {
                let message = format!("Another connection is using this session: {error}.");
                self.refuse(&message);
            }
        }
    }

    /// A prompt that gets no reply has an end, too.
    fn refuse(&mut self, message: &str) {
        self.out.push(&RpcFrame::update(format!("✗ {message}")));
        let metadata = ChatEnd::default();
        self.out.push(&RpcFrame::ChatEnd(RpcPayload { content: "".into(), metadata }));
    }

    /// Sends what is new of the reply; at its end, what waits is said.
    async fn take_turn(&mut self) {
        let Some(end) = self.turn.as_mut().and_then(|turn| turn.take(&mut self.out)) else {
            return;
        };
        self.turn = None;
        self.end_turn(&end).await;
        if let Some(said) = self.queued.take() {
            self.say(said);
        }
    }

    async fn end_turn(&mut self, end: &End) {
        tell_end(end, &mut self.out);
        if end.has_new_title {
            self.synchronize().await;
        }
    }

    /// The server goes down: the reply under way is kept, and its end told.
    async fn go_down(&mut self) -> Closing {
        if let Some(turn) = &self.turn {
            turn.cancel(CancelReason::Shutdown);
        }
        let last = async {
            while let Some(turn) = &mut self.turn {
                next_change(Some(turn)).await;
                if let Some(end) = turn.take(&mut self.out) {
                    self.turn = None;
                    tell_end(&end, &mut self.out);
                }
            }
        };
        drop(timeout(LAST_WORDS, last).await);
        Closing::SHUTDOWN
    }

    fn fail(&mut self, code: FaultCode, message: &str) {
        self.out.push(&RpcFrame::error(code, message));
    }
}

/// What follows a frame.
enum Next {
    Goes,
    Left,
    Closes(Closing),
}

/// Keeps the socket until the client has closed it too, for a moment: dropped at once, with unread
/// messages in it, it would take the server's last words along.
async fn linger(stream: &mut SplitStream<WebSocket>) {
    let closed = async { while let Some(Ok(_)) = stream.next().await {} };
    drop(timeout(LINGER, closed).await);
}
