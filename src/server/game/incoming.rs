//! The reading half of a game's socket: every frame is read tolerantly and handed to the agent that
//! it is for; what can't be read is answered with an error.

use std::time::Duration;

use axum::Error;
use axum::extract::ws::{Message, WebSocket};
use dramatis_protocol::limits::PROTOCOL_VERSION;
use dramatis_protocol::read::{self, ReadError, Received};
use dramatis_protocol::{
    ClientMessage, ErrorCode, ErrorMessage, Hello, Id, Ping, Pong, ServerMessage, Welcome,
};
use futures::StreamExt;
use futures::stream::SplitStream;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;

use crate::server::Doors;
use crate::server::entrance::Pace;
use crate::turn::agent::AgentMessage;
use crate::turn::outbox::{Closing, OutboxHandle};
use crate::turn::registry::{Attached, Attachment, SessionPlan};

/// What a connection has said about itself so far.
pub(super) struct Reader<'a> {
    doors: &'a Doors,
    outbox: OutboxHandle,
    authorized: bool,
    greeted: bool,
    attachment: Option<Attachment>,
    pace: Pace,
    opened: Instant,
}

/// The connection is over, for a reason that its queue's close frame tells.
struct Over;

/// Reads until it is over, the client leaves, stays silent for too long, or has to be refused.
pub(super) async fn read_all(
    reader: &mut Reader<'_>,
    stream: &mut SplitStream<WebSocket>,
    over: CancellationToken,
) {
    loop {
        // Only here does it stop, so a message in hand is dealt with to its end.
        let next = tokio::select! {
            biased;
            () = over.cancelled() => return,
            next = timeout_at(reader.deadline(), stream.next()) => next,
        };
        let outcome = match next {
            Ok(Some(Ok(Message::Text(text)))) => reader.on_text(&text).await,
            Ok(Some(Ok(Message::Binary(bytes)))) => reader.on_binary(&bytes).await,
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => Ok(()),
            Ok(Some(Ok(Message::Close(_))) | None) => return,
            Ok(Some(Err(error))) => match reader.on_broken_frame(error) {
                Some(over) => Err(over),
                None => return,
            },
            Err(_) if reader.authorized => return,
            Err(_) => Err(reader.refuse(
                "no token came: send it in hello, in the Authorization \
                                         header or as ?token=",
            )),
        };
        if let Err(Over) = outcome {
            // The writing half ends the connection once everything is sent.
            return over.cancelled().await;
        }
    }
}

impl<'a> Reader<'a> {
    pub fn new(doors: &'a Doors, outbox: OutboxHandle, authorized: bool) -> Self {
        Self {
            doors,
            outbox,
            authorized,
            greeted: false,
            attachment: None,
            pace: Pace::new(doors.access.max_events_per_second),
            opened: Instant::now(),
        }
    }

    pub const fn outbox(&self) -> &OutboxHandle {
        &self.outbox
    }

    pub fn take_attachment(&mut self) -> Option<Attachment> {
        self.attachment.take()
    }

    /// When the next sign of life has to come.
    fn deadline(&self) -> Instant {
        if self.authorized {
            Instant::now() + Duration::from_millis(self.doors.access.limits.ping_timeout_ms)
        } else {
            self.opened + self.doors.access.hello_timeout
        }
    }

    async fn on_text(&mut self, text: &str) -> Result<(), Over> {
        self.check_size(text.len())?;
        self.on_frame(read::read(text)).await
    }

    async fn on_binary(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.check_size(bytes.len())?;
        self.on_frame(read::read_bytes(bytes)).await
    }

    fn check_size(&self, length: usize) -> Result<(), Over> {
        let largest = self.doors.access.limits.max_message_bytes;
        if length as u64 <= largest {
            return Ok(());
        }
        let message = format!("a message may have {largest} bytes: send less");
        self.fail(ErrorMessage::new(ErrorCode::TooLarge, message));
        self.outbox.close(Closing::TOO_LARGE);
        Err(Over)
    }

    fn on_broken_frame(&self, error: Error) -> Option<Over> {
        match error.into_inner().downcast_ref::<tungstenite::Error>() {
            Some(tungstenite::Error::Capacity(_)) => self.check_size(usize::MAX).err(),
            Some(tungstenite::Error::Utf8(_)) => {
                self.outbox.close(Closing::NOT_UTF8);
                Some(Over)
            }
            _ => None,
        }
    }

    async fn on_frame(&mut self, frame: Result<Received, ReadError>) -> Result<(), Over> {
        let Received { message, message_id, unknown_fields } = match frame {
            Ok(received) => received,
            Err(error) if error.close.is_some() => {
                self.fail(error.into_message());
                self.outbox.close(Closing::NOT_UTF8);
                return Err(Over);
            }
            Err(_) if !self.authorized => {
                return Err(self.refuse("the first message must be hello with the token"));
            }
            Err(error) => {
                self.fail(error.into_message());
                return Ok(());
            }
        };
        if !unknown_fields.is_empty() {
            tracing::debug!(fields = ?unknown_fields, "fields without a meaning were passed over");
        }
        match message {
            ClientMessage::Hello(hello) => self.on_hello(hello, message_id).await,
            _ if !self.authorized => {
                Err(self.refuse("the first message must be hello with the token"))
            }
            message => {
                if self.keeps_pace(&message, message_id.as_ref()) {
                    self.on_message(message, message_id).await;
                }
                Ok(())
            }
        }
    }

    /// Whether an event comes within the connection's rate; if not, the game is told when to send it
    /// again.
    fn keeps_pace(&mut self, message: &ClientMessage, message_id: Option<&Id>) -> bool {
        let (agent_id, event_id) = match message {
            ClientMessage::InteractionEvent(event) => (Some(&event.agent_id), &event.event_id),
            ClientMessage::NotificationEvent(event) => (event.agent_ids.first(), &event.event_id),
            _ => return true,
        };
        let Err(wait) = self.pace.count() else { return true };
        let message = format!(
            "a connection may send {} events a second: send this one again later",
            self.doors.access.max_events_per_second
        );
        self.fail(ErrorMessage {
            agent_id: agent_id.cloned(),
            in_reply_to: message_id.or(event_id.as_ref()).cloned(),
            retry_after_ms: u64::try_from(wait.as_millis()).ok().map(|millis| millis + 1),
            ..ErrorMessage::new(ErrorCode::RateLimited, message)
        });
        false
    }

    async fn on_message(&mut self, message: ClientMessage, message_id: Option<Id>) {
        match message {
            // Dealt with before.
            ClientMessage::Hello(_) => {}
            ClientMessage::Ping(ping) => self.on_ping(ping),
            ClientMessage::NotificationEvent(notification) => {
                for agent_id in notification.agent_ids.clone() {
                    let message = AgentMessage::Notification(Box::new(notification.clone()));
                    self.deliver(&agent_id, message, message_id.clone()).await;
                }
            }
            ClientMessage::InteractionEvent(event) => {
                let agent_id = event.agent_id.clone();
                self.deliver(&agent_id, AgentMessage::Event(Box::new(event)), message_id).await;
            }
            ClientMessage::AgentStateSnapshot(snapshot) => {
                let agent_id = snapshot.agent_id.clone();
                self.deliver(&agent_id, AgentMessage::Snapshot(Box::new(snapshot)), message_id)
                    .await;
            }
            ClientMessage::AgentTurnResult(result) => {
                let agent_id = result.agent_id.clone();
                self.deliver(&agent_id, AgentMessage::Result(Box::new(result)), message_id).await;
            }
            ClientMessage::ToolResults(results) => {
                let agent_id = results.agent_id.clone();
                self.deliver(&agent_id, AgentMessage::ToolResults(Box::new(results)), message_id)
                    .await;
            }
            ClientMessage::CancelTurn(cancel) => {
                let agent_id = cancel.agent_id.clone();
                self.deliver(&agent_id, AgentMessage::Cancel(cancel), message_id).await;
            }
        }
    }

    async fn on_hello(&mut self, hello: Hello, message_id: Option<Id>) -> Result<(), Over> {
        if !self.authorized && !self.has_token(&hello) {
            return Err(self.refuse("the token in hello is missing or wrong"));
        }
        self.authorized = true;
        if self.greeted || self.attachment.is_some() {
            let message = "hello comes once, before the first message about an agent";
            self.complain(message, None, message_id);
            return Ok(());
        }
        if let Some(version) =
            hello.protocol.as_ref().filter(|version| **version != PROTOCOL_VERSION)
        {
            let message =
                format!("this server speaks protocol {PROTOCOL_VERSION}, not {version:.100}");
            self.complain(&message, Some("protocol"), message_id.clone());
        }
        if let Some(game) = &hello.game {
            tracing::info!(game = %game, session = ?hello.session_id, "a game says hello");
        }
        let plan = SessionPlan {
            name: hello.session_id,
            fork_of: hello.fork_of,
            resume_after: hello.resume_after,
            forget_others: hello.forget_others,
        };
        self.greeted = self.attach(plan, message_id).await;
        if self.greeted {
            self.welcome();
        }
        Ok(())
    }

    fn has_token(&self, hello: &Hello) -> bool {
        let presented = hello.token.as_deref().unwrap_or_default();
        self.doors.access.token.as_ref().is_none_or(|token| token.matches(presented))
    }

    fn on_ping(&self, ping: Ping) {
        let server_time = chrono::Utc::now().timestamp_millis();
        self.outbox.send(ServerMessage::Pong(Pong { nonce: ping.nonce, server_time }));
    }

    async fn attach(&mut self, plan: SessionPlan, message_id: Option<Id>) -> bool {
        match self.doors.registry.attach(plan, self.outbox.clone()).await {
            Ok(Attached { attachment, complaints }) => {
                for complaint in complaints {
                    self.fail(ErrorMessage { in_reply_to: message_id.clone(), ..complaint });
                }
                self.attachment = Some(attachment);
                true
            }
            Err(error) => {
                self.fail(ErrorMessage { in_reply_to: message_id, ..error });
                false
            }
        }
    }

    fn welcome(&self) {
        let Some(attachment) = &self.attachment else { return };
        self.outbox.send(ServerMessage::Welcome(Welcome {
            protocol: PROTOCOL_VERSION.to_owned(),
            server: concat!("dramatis ", env!("CARGO_PKG_VERSION")).to_owned(),
            session_id: attachment.session_id().clone(),
            limits: self.doors.access.limits.clone(),
        }));
    }

    async fn deliver(&mut self, agent_id: &Id, message: AgentMessage, message_id: Option<Id>) {
        let at_fault = message_id.clone().or_else(|| message.own_id().cloned());
        if self.attachment.is_none() && !self.attach(SessionPlan::default(), at_fault.clone()).await
        {
            return;
        }
        let Some(attachment) = &mut self.attachment else { return };
        if let Err(error) = attachment.deliver(agent_id, message, message_id).await {
            let agent_id = Some(agent_id.clone());
            self.fail(ErrorMessage { agent_id, in_reply_to: at_fault, ..error });
        }
    }

    fn complain(&self, message: &str, field: Option<&str>, message_id: Option<Id>) {
        let mut error = ErrorMessage::new(ErrorCode::BadMessage, message);
        error.field = field.map(str::to_owned);
        error.in_reply_to = message_id;
        self.fail(error);
    }

    fn refuse(&self, message: &str) -> Over {
        tracing::warn!("a game was refused: {message}");
        self.fail(ErrorMessage::new(ErrorCode::Unauthorized, message));
        self.outbox.close(Closing::UNAUTHORIZED);
        Over
    }

    fn fail(&self, error: ErrorMessage) {
        tracing::debug!(code = %error.code, field = ?error.field, "a message was refused");
        self.outbox.send(ServerMessage::Error(error));
    }
}
