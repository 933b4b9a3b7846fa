//! The tolerant reading of what a game sends.
//!
//! Games write JSON with whatever their engine has: whole numbers as floats, ids as numbers,
//! `null` for what is absent, camel case, fields under `payload`. All of that is read; what
//! can't be read is answered with an [`ErrorMessage`] that names the field and says what to do.
//! Nothing here knows of a turn or a session: whether a message is in place is the server's
//! business.

mod fields;
mod json;
mod messages;
mod state;
#[cfg(test)]
mod tests;
mod types;
mod values;

use serde_json::Value;

use self::fields::{Fault, Fields, Item, Reading};
pub(crate) use self::values::scalar_text;
use self::values::{id, text};
use crate::Id;
use crate::client::ClientMessage;
use crate::limits::close;
use crate::server::{ErrorCode, ErrorMessage};
use crate::state::{AgentState, TagDefinition};

/// A message that could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The message.
    pub message: ClientMessage,
    /// The game's id of the message, which answers name.
    pub message_id: Option<Id>,
    /// The paths of fields that mean nothing here, for the log; the first 32.
    pub unknown_fields: Vec<String>,
}

/// A message that could not be read. The connection lives on unless `close` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReadError {
    /// `bad_json`, `bad_message` or `unknown_type`.
    pub code: ErrorCode,
    /// A sentence that tells what to do.
    pub message: String,
    /// The path of the field at fault, in snake case, `payload` left out.
    pub field: Option<String>,
    /// The message's agent, where it could be read.
    pub agent_id: Option<Id>,
    /// The message's turn, where it could be read.
    pub turn_id: Option<Id>,
    /// The `message_id`, else the `event_id`, `request_id` or `turn_id`.
    pub in_reply_to: Option<Id>,
    /// The close code to end the connection with: 1007 for bytes that aren't UTF-8.
    pub close: Option<u16>,
}

impl ReadError {
    /// The error as the game gets it.
    #[must_use]
    pub fn into_message(self) -> ErrorMessage {
        ErrorMessage {
            field: self.field,
            agent_id: self.agent_id,
            turn_id: self.turn_id,
            in_reply_to: self.in_reply_to,
            ..ErrorMessage::new(self.code, self.message)
        }
    }

    const fn new(code: ErrorCode, message: String) -> Self {
        Self {
            code,
            message,
            field: None,
            agent_id: None,
            turn_id: None,
            in_reply_to: None,
            close: None,
        }
    }

    fn about(self, ids: Ids) -> Self {
        Self { agent_id: ids.agent_id, turn_id: ids.turn_id, in_reply_to: ids.in_reply_to, ..self }
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        Self { field: fault.field, ..Self::new(fault.code, fault.message) }
    }
}

/// Reads a text frame.
///
/// # Errors
/// If it is no message that a game may send.
pub fn read(text: &str) -> Result<Received, ReadError> {
    let value = json::parse(text).map_err(|cause| ReadError::new(ErrorCode::BadJson, cause))?;
    let mut unknown_fields = Vec::new();
    let mut fields = Item::root(value, &mut unknown_fields).fields()?;
    let opened = fields.open_payload();
    let ids = Ids::of(&fields);
    let read = opened.and_then(|()| {
        let message = message(&mut fields)?;
        Ok((message, fields.get("message_id", id)?))
    });
    let (message, message_id) = read.map_err(|fault| ReadError::from(fault).about(ids))?;
    fields.finish();
    Ok(Received { message, message_id, unknown_fields })
}

/// Reads a binary frame, which holds the JSON as UTF-8.
///
/// # Errors
/// As [`read`]; bytes that aren't UTF-8 also end the connection, see [`ReadError::close`].
pub fn read_bytes(bytes: &[u8]) -> Result<Received, ReadError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => read(text),
        Err(cause) => Err(ReadError {
            close: Some(close::NOT_UTF8),
            ..ReadError::new(
                ErrorCode::BadJson,
                format!("the frame is not UTF-8 ({cause}): send JSON as UTF-8 text"),
            )
        }),
    }
}

/// Reads an agent's state by the same rules as in a message; paths begin inside it.
///
/// # Errors
/// If it is no valid state.
pub fn read_agent_state(value: Value) -> Result<AgentState, ReadError> {
    Ok(state::agent_state(Item::root(value, &mut Vec::new()))?)
}

/// Reads a vocabulary, a list of tags, by the same rules as in a state.
///
/// # Errors
/// If it is no valid list of tags.
pub fn read_tags(value: Value) -> Result<Vec<TagDefinition>, ReadError> {
    Ok(state::tags(Item::root(value, &mut Vec::new()))?)
}

/// The ids that an error names, taken before anything is checked.
struct Ids {
    agent_id: Option<Id>,
    turn_id: Option<Id>,
    in_reply_to: Option<Id>,
}

impl Ids {
    fn of(fields: &Fields<'_>) -> Self {
        let at_fault = ["message_id", "event_id", "request_id", "turn_id"];
        Self {
            agent_id: fields.peek_id("agent_id"),
            turn_id: fields.peek_id("turn_id"),
            in_reply_to: at_fault.iter().find_map(|name| fields.peek_id(name)),
        }
    }
}

fn message(f: &mut Fields<'_>) -> Reading<ClientMessage> {
    let kind = f.need("type", text)?;
    Ok(match kind.as_str() {
        "hello" => ClientMessage::Hello(messages::hello(f)?),
        "ping" => ClientMessage::Ping(messages::ping(f)?),
        "interaction_event" => ClientMessage::InteractionEvent(messages::interaction_event(f)?),
        "notification_event" => ClientMessage::NotificationEvent(messages::notification_event(f)?),
        "agent_state_snapshot" => {
            ClientMessage::AgentStateSnapshot(messages::agent_state_snapshot(f)?)
        }
        "agent_turn_result" => ClientMessage::AgentTurnResult(messages::agent_turn_result(f)?),
        "tool_results" => ClientMessage::ToolResults(messages::tool_results(f)?),
        "cancel_turn" => ClientMessage::CancelTurn(messages::cancel_turn(f)?),
        _ => {
            let code = ErrorCode::UnknownType;
            return Err(Fault { code, ..f.fault_in_words("type", types::unknown(&kind)) });
        }
    })
}
