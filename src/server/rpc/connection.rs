//! One client's connection, from its first frame to its last: one task that reads, does, listens to the
//! reply under way and sends, whatever is possible first. Nothing that waits for the store holds the rest
//! up but reading.

use std::time::Duration;

use axum::Error;
use axum::extract::ws::{Message, WebSocket};
use dramatis_protocol::Id;
use dramatis_protocol::rpc::{ChatEnd, FaultCode, RpcFrame, RpcPayload, Update};
use futures::future::BoxFuture;
use futures::stream::SplitStream;
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite;

use super::chosen::Chosen;
use super::command::Command;
use super::doing::{Doer, Outcome};
use super::incoming::{self, Meaningless, Sent};
use super::outgoing::{Outgoing, Stuck};
use super::turn::{Turn, next_change, tell_end};
use crate::chat::{CancelReason, Stage};
use crate::server::Doors;
use crate::server::entrance::{Pace, Seat, Turned};
use crate::server::socket::{LAST_WORDS, PING_EVERY, linger};
use crate::turn::outbox::Closing;

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
    doer: Doer,
    chosen: Chosen,
    out: Outgoing,
    /// What is being done; nothing is read meanwhile.
    doing: Option<BoxFuture<'static, Outcome>>,
    /// Whether it is to be told how things stand as soon as that is possible.
    to_synchronize: bool,
    turn: Option<Turn>,
    /// Whether it was asked to be cancelled.
    to_cancel: bool,
    queued: Option<Said>,
    pace: Pace,
    heard: Instant,
}

/// What follows a frame.
enum Next {
    Goes,
    Left,
    Closes(Closing),
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
            let connection = Connection::new(&doors, client, out);
            if let Some((out, closing)) = connection.converse(&mut stream).await {
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
            doer: Doer { chats: doors.chats.clone(), client },
            chosen: Chosen::default(),
            out,
            doing: None,
            to_synchronize: false,
            turn: None,
            to_cancel: false,
            queued: None,
            pace: Pace::new(doors.access.max_events_per_second),
            heard: Instant::now(),
        }
    }

    /// Goes on until the client leaves; otherwise, what is left to be sent and how it is to be closed.
    async fn converse(
        mut self,
        stream: &mut SplitStream<WebSocket>,
    ) -> Option<(Outgoing, Closing)> {
        self.welcome();
        let closing = self.go_on(stream).await;
        // Whoever leaves cancels.
        self.turn = None;
        if let Some(session) = &self.chosen.session_id {
            self.doer.chats.rest(session);
        }
        Some((self.out, closing?))
    }

    async fn go_on(&mut self, stream: &mut SplitStream<WebSocket>) -> Option<Closing> {
        let ping_timeout = Duration::from_millis(self.doors.access.limits.ping_timeout_ms);
        let mut ping = interval(PING_EVERY.min(ping_timeout / 3));
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.tick().await;
        loop {
            let all_sent = self.out.is_empty();
            let listens = self.doing.is_none() && self.out.has_room();
            tokio::select! {
                biased;
                () = self.doors.stopping.cancelled() => return Some(self.go_down().await),
                sent = self.out.send(), if !all_sent => match sent {
                    Ok(()) => {}
                    Err(Stuck::TooSlow) => return Some(Closing::TOO_SLOW),
                    Err(Stuck::Broken) => return None,
                },
                () = next_change(self.turn.as_mut()), if all_sent => self.take_turn(),
                outcome = next_outcome(self.doing.as_mut()) => self.take_outcome(outcome),
                frame = stream.next(), if listens => match self.receive(frame) {
                    Next::Goes => {}
                    Next::Left => return None,
                    Next::Closes(closing) => return Some(closing),
                },
                _ = ping.tick() => {
                    if self.heard.elapsed() > ping_timeout {
                        return None;
                    }
                    self.out.ping();
                }
            }
        }
    }

    fn welcome(&mut self) {
        let ready = Update { status: Some("ok".to_owned()), ..Update::default() };
        let payload = RpcPayload { content: "✓ Engine ready.".into(), metadata: ready };
        self.out.push(&RpcFrame::SystemUpdate(payload));
        let client = &mut self.doer.client;
        if client.take_if(|id| id.is_empty() || id.len() > CLIENT_BYTES).is_some() {
            let message = "\"client\" must have 1 to 256 bytes: what you choose is not kept";
            self.fail(FaultCode::InvalidMessage, message);
        }
        self.doing = Some(self.doer.clone().arrive().boxed());
    }

    fn receive(&mut self, frame: Option<Result<Message, Error>>) -> Next {
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
        } else {
            self.on_text(&text);
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

    fn on_text(&mut self, text: &str) {
        let sent = incoming::read(text);
        // Whoever wants to stop a reply needn't wait.
        let may_hurry = sent == Ok(Sent::Command(Command::Cancel));
        if let (Err(wait), false) = (self.pace.count(), may_hurry) {
            let message = format!("too much at once: wait {} ms", wait.as_millis().max(1));
            return self.fail(FaultCode::RateLimited, &message);
        }
        match sent {
            Ok(Sent::Command(command)) => self.perform(command),
            Ok(Sent::Prompt { text, sender }) => self.on_prompt(text, sender),
            Err(Meaningless::Invalid(message)) => self.fail(FaultCode::InvalidMessage, &message),
            Err(Meaningless::TooLong(message)) => self.fail(FaultCode::TooLarge, &message),
            Err(Meaningless::Unknown(message)) => self.fail(FaultCode::UnknownCommand, &message),
            Err(Meaningless::Incomplete(message)) => self.tell(&message),
        }
    }

    fn perform(&mut self, command: Command) {
        match (&command, &self.turn) {
            // The turn's end answers it.
            (Command::Cancel, Some(turn)) => {
                turn.cancel(CancelReason::User);
                self.to_cancel = true;
            }
            _ => {
                let done = self.doer.clone().perform(command, self.chosen.clone());
                self.doing = Some(done.boxed());
            }
        }
    }

    fn take_outcome(&mut self, Outcome { chosen, frames }: Outcome) {
        self.doing = None;
        self.chosen = chosen;
        for frame in &frames {
            self.out.push(frame);
        }
        self.go_on_after_all();
    }

    fn on_prompt(&mut self, text: String, sender: Option<String>) {
        let stage = self.chosen.stage(&self.doer.chats);
        let Some((session, stage)) = self.chosen.session_id.clone().zip(stage) else {
            return self.refuse("Prepare the stage first (World, Char, Session).");
        };
        let said = Said { session, stage, text, sender };
        if self.turn.is_none() {
            self.say(said);
        } else if self.queued.is_none() {
            self.queued = Some(said);
        } else {
            self.tell("A message waits for the end of this reply already: send yours after it.");
        }
    }

    fn say(&mut self, said: Said) {
        let Said { session, stage, text, sender } = said;
        match self.doer.chats.say(&session, text, sender, stage.clone()) {
            Ok(listener) => self.turn = Some(Turn::new(listener, stage)),
            Err(_) => self.refuse(
                "Another connection is using this session: wait for the end of its reply, or /cancel it.",
            ),
        }
    }

    /// A prompt that gets no reply has an end, too; but not in the middle of another's reply.
    fn refuse(&mut self, message: &str) {
        self.tell(message);
        if self.turn.is_none() {
            self.end();
        }
    }

    /// The end of a turn of which there is nothing to tell.
    fn end(&mut self) {
        let metadata = ChatEnd::default();
        self.out.push(&RpcFrame::ChatEnd(RpcPayload { content: "".into(), metadata }));
    }

    /// Sends what is new of the reply; at its end, what waits for it is done.
    fn take_turn(&mut self) {
        let end = self.turn.as_mut().and_then(|turn| turn.take(&mut self.out));
        let Some(end) = end else { return };
        self.turn = None;
        if std::mem::take(&mut self.to_cancel) && !end.was_cancelled() {
            self.tell("Nothing is running: the reply had just come to its end.");
        }
        tell_end(&end, &mut self.out);
        self.to_synchronize |= end.has_new_title;
        self.go_on_after_all();
    }

    /// What waited for a reply or a command: how things stand, then what is to be said.
    fn go_on_after_all(&mut self) {
        if self.doing.is_some() {
            return;
        }
        if std::mem::take(&mut self.to_synchronize) {
            let done = self.doer.clone().synchronize(self.chosen.clone());
            self.doing = Some(done.boxed());
        } else if self.turn.is_none()
            && let Some(said) = self.queued.take()
        {
            self.say(said);
        }
    }

    /// The server goes down: the reply under way is kept, and its end told.
    async fn go_down(&mut self) -> Closing {
        if self.queued.take().is_some() {
            self.tell("The server is going down: what you said last was not answered, nor kept.");
        }
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
        if timeout(LAST_WORDS, last).await.is_err() {
            self.fail(FaultCode::Shutdown, "the server is going down, and the reply may be lost");
            self.turn = None;
            self.end();
        }
        Closing::SHUTDOWN
    }

    fn tell(&mut self, message: &str) {
        self.out.push(&RpcFrame::update(format!("✗ {message}")));
    }

    fn fail(&mut self, code: FaultCode, message: &str) {
        self.out.push(&RpcFrame::error(code, message));
    }
}

/// What was being done, when it is done; never, if nothing is. Safe to be dropped.
async fn next_outcome(doing: Option<&mut BoxFuture<'static, Outcome>>) -> Outcome {
    match doing {
        Some(doing) => doing.await,
        None => std::future::pending().await,
    }
}
