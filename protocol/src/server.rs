//! Messages from the server to the game.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Id;
use crate::state::TagKind;

/// Any message that the server may send, told apart by its `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Answers `hello`.
    Welcome(Welcome),
    /// Answers `ping`.
    Pong(Pong),
    /// Asks for an agent's present state.
    GetAgentState(GetAgentState),
    /// A turn begins.
    AgentTurnStarted(AgentTurnStarted),
    /// A tag begins.
    AgentTagOpen(AgentTagOpen),
    /// More text of an open tag.
    AgentTagChunk(AgentTagChunk),
    /// A tag ends.
    AgentTagClose(AgentTagClose),
    /// A turn ended before its time.
    AgentTurnInterrupted(AgentTurnInterrupted),
    /// A turn came to its end.
    AgentTurnFinished(AgentTurnFinished),
    /// A message of the game has been committed.
    Stored(Stored),
    /// An event will not get a turn.
    EventDropped(EventDropped),
    /// Something went wrong.
    Error(ErrorMessage),
}

impl ServerMessage {
    /// The message as a frame's text. [`crate::write_chunk`] does the same for chunks, faster.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Every key is a string, so there is nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Answers `hello`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Welcome {
    /// The protocol's version that the server speaks.
    pub protocol: String,
    /// The server's name and version.
    pub server: String,
    /// The play session.
    pub session_id: Id,
    /// The limits in force.
    pub limits: Limits,
}

/// The limits in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Longest message that the server reads, in bytes.
    pub max_message_bytes: u64,
    /// Longest frame that the server sends, in bytes.
    pub max_frame_bytes: u64,
    /// Most agents of one connection.
    pub max_agents: u64,
    /// Most events that wait for one agent.
    pub max_waiting: u64,
    /// How long the server waits for an agent's state, in milliseconds.
    pub state_timeout_ms: u64,
    /// How long an agent counts as speaking after its turn's end, in milliseconds.
    pub result_timeout_ms: u64,
    /// How long the server waits for a sign of life, in milliseconds.
    pub ping_timeout_ms: u64,
}

/// Answers `ping`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pong {
    /// The nonce of the `ping`, unchanged.
    #[serde(default, skip_serializing_if = "is_absent")]
    pub nonce: Option<Value>,
    /// The server's clock, in milliseconds since 1970.
    pub server_time: i64,
}

/// Asks for an agent's present state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetAgentState {
    /// To be repeated in the answer.
    pub request_id: Id,
    /// The agent.
    pub agent_id: Id,
    /// The event that the turn is for.
    pub event_id: Id,
}

/// What a turn came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A language model speaks.
    Llm,
    /// The built-in actor speaks.
    Scripted,
    /// The turn answers the results of the turn before it.
    ToolFollowUp,
}

/// A turn begins; `seq` 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentTurnStarted {
    /// The agent.
    pub agent_id: Id,
    /// The turn.
    pub turn_id: Id,
    /// The frame's number in the turn.
    pub seq: u64,
    /// The first event of the turn.
    pub event_id: Id,
    /// All events that this turn answers; empty for a follow-up.
    pub event_ids: Vec<Id>,
    /// The model that is asked.
    pub model: String,
    /// What the turn came from.
    pub origin: Origin,
}

/// A tag begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentTagOpen {
    /// The agent.
    pub agent_id: Id,
    /// The turn.
    pub turn_id: Id,
    /// The frame's number in the turn.
    pub seq: u64,
    /// The tag's number in the turn, from 0.
    pub tag_id: u32,
    /// The tag around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<u32>,
    /// The tag's name, as the vocabulary spells it.
    pub tag: Id,
    /// What the tag is to the game.
    pub kind: TagKind,
    /// Its attributes, as strings, in the order in which they were written.
    #[schemars(schema_with = "crate::schema::texts")]
    pub attributes: Map<String, Value>,
    /// The model's id of a native call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The arguments of a native call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Map<String, Value>>,
}

/// More text of an open tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentTagChunk {
    /// The agent.
    pub agent_id: Id,
    /// The turn.
    pub turn_id: Id,
    /// The frame's number in the turn.
    pub seq: u64,
    /// The tag.
    pub tag_id: u32,
    /// The text; never empty.
    pub text: String,
}

/// A tag ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentTagClose {
    /// The agent.
    pub agent_id: Id,
    /// The turn.
    pub turn_id: Id,
    /// The frame's number in the turn.
    pub seq: u64,
    /// The tag.
    pub tag_id: u32,
    /// The tag's name.
    pub tag: Id,
    /// `false` where the server closed it for the model.
    pub complete: bool,
}

/// Why a turn ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InterruptReason {
    /// A newer event came.
    NewerEvent,
    /// The game cancelled it.
    Cancelled,
    /// The game's connection ended, or another one took the session over.
    Disconnected,
    /// The model took too long.
    Timeout,
    /// The model's provider failed.
    ProviderError,
    /// The server is going down.
    Shutdown,
}

/// Where a turn's time went, in milliseconds; what did not happen is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Timings {
    /// How long the event waited for the agent (a duration).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u64>,
    /// How long the game took to report the state (a duration).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_wait: Option<u64>,
    /// How long lore and memories took (a duration).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<u64>,
    /// How long building the prompt took (a duration).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_build: Option<u64>,
    /// From the event's arrival to the model's first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<u64>,
    /// From the event's arrival to the first tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_tag: Option<u64>,
    /// From the event's arrival to the first piece of speech.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_speech: Option<u64>,
    /// From the event's arrival to the turn's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// What a turn used, as the provider reports it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the reply.
    pub output_tokens: u64,
    /// Those of the prompt that the provider had cached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u64>,
    /// US dollars.
    #[serde(skip_serializing_if = "is_not_finite")]
    pub cost: Option<f64>,
}

/// What a turn's prompt was made of. A token is taken for four characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContextTotals {
    /// Tokens of all messages that the model was sent.
    pub tokens: u64,
    /// The most that they may have.
    pub budget: u64,
    /// Past turns that it was shown.
    pub turns: u64,
    /// Entries of lorebooks that were awake.
    pub entries: u64,
    /// Pieces of lore that were looked up.
    pub lore: u64,
    /// Memories that were looked up.
    pub memories: u64,
    /// How much was shortened or left out because there was no room. The log has what.
    pub left_out: u64,
}

/// How often each kind of repair or oddity occurred; zero counts are left out.
pub type Warnings = BTreeMap<String, u64>;

/// A turn ended before its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentTurnInterrupted {
    /// The agent.
    pub agent_id: Id,
    /// The turn.
    pub turn_id: Id,
    /// The frame's number in the turn.
    pub seq: u64,
    /// Why.
    pub reason: InterruptReason,
    /// The newer event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_event_id: Option<Id>,
    /// What it used, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Where its time went.
    #[serde(default)]
    pub timings: Timings,
    /// What was repaired.
    #[serde(default)]
    pub warnings: Warnings,
}

/// A turn came to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentTurnFinished {
    /// The agent.
    pub agent_id: Id,
    /// The turn.
    pub turn_id: Id,
    /// The frame's number in the turn.
    pub seq: u64,
    /// `stop`, `length`, `tool_calls`, `content_filter`, `unknown`, or the provider's own word.
    pub finish_reason: String,
    /// The model that spoke, if another than announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it used, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What its prompt was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextTotals>,
    /// Where its time went.
    #[serde(default)]
    pub timings: Timings,
    /// What was repaired.
    #[serde(default)]
    pub warnings: Warnings,
}

/// A message of the game has been committed to the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stored {
    /// The `message_id` of what was stored.
    pub in_reply_to: Id,
    /// The turn that it was about.
    pub turn_id: Id,
}

/// Why an event gets no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// It asked to be dropped while the agent is busy.
    Drop,
    /// Too many events wait.
    Overloaded,
    /// The game cancelled it.
    Cancelled,
    /// The agent's state did not come.
    StateTimeout,
    /// The game's connection ended.
    Disconnected,
    /// The server is going down.
    Shutdown,
    /// Something else went wrong; an `error` came before.
    Failed,
    /// An event of this id is known already.
    Duplicate,
}

/// An event will not get a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventDropped {
    /// The agent.
    pub agent_id: Id,
    /// The event.
    pub event_id: Id,
    /// Why.
    pub reason: DropReason,
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The message is no JSON that can be read.
    BadJson,
    /// A field is missing or wrong; `field` names it.
    BadMessage,
    /// The message's `type` is none that a game sends.
    UnknownType,
    /// There is no such turn of this agent.
    UnknownTurn,
    /// The token is missing or wrong.
    Unauthorized,
    /// Another connection took the session over.
    SessionTaken,
    /// The message is too long.
    TooLarge,
    /// Too many messages in too short a time.
    RateLimited,
    /// The server has as much as it can take.
    Overloaded,
    /// The agent's state did not come in time and none was known.
    StateTimeout,
    /// The provider refused the key.
    ProviderAuth,
    /// The provider refused the content.
    ProviderRefused,
    /// The provider is asked too often.
    ProviderRateLimited,
    /// The provider failed.
    ProviderError,
    /// The server failed.
    Internal,
}

impl ErrorCode {
    /// Whether trying again later may help.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::Overloaded
                | Self::StateTimeout
                | Self::ProviderRateLimited
                | Self::ProviderError
                | Self::Internal
        )
    }
}

/// Something went wrong. The connection lives on unless a close frame follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorMessage {
    /// What kind of thing went wrong.
    pub code: ErrorCode,
    /// A sentence that tells what to do.
    pub message: String,
    /// The path of the field at fault: `results[0].ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The agent concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<Id>,
    /// The turn concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<Id>,
    /// The `message_id`, else the `event_id`, `request_id` or `turn_id` at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<Id>,
    /// Whether trying again later may help.
    pub retryable: bool,
    /// When to try again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ErrorMessage {
    /// An error that names nothing but its code and a sentence.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
            agent_id: None,
            turn_id: None,
            in_reply_to: None,
            retryable: code.retryable(),
            retry_after_ms: None,
        }
    }
}

/// `null` on the wire would not be the value, but its absence.
fn is_absent(value: &Option<Value>) -> bool {
    value.as_ref().is_none_or(Value::is_null)
}

/// JSON has no word for infinity; serde would write `null`.
fn is_not_finite(value: &Option<f64>) -> bool {
    value.is_none_or(|number| !number.is_finite())
}

impl fmt::Display for ErrorCode {
    /// The code as the wire spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The message is written as `expected` and read back, also with fields that a later
    /// server may add.
    fn check(message: &ServerMessage, expected: &Value) {
        assert_eq!(message.to_json(), expected.to_string());
        let mut wire = expected.clone();
        assert_eq!(&serde_json::from_value::<ServerMessage>(wire.clone()).unwrap(), message);
        wire["added_later"] = json!({"a": null});
        assert_eq!(&serde_json::from_value::<ServerMessage>(wire).unwrap(), message);
    }

    #[test]
    fn what_is_absent_is_left_out() {
        check(
            &ServerMessage::AgentTurnInterrupted(AgentTurnInterrupted {
                agent_id: "a".into(),
                turn_id: "t".into(),
                seq: 1,
                reason: InterruptReason::NewerEvent,
                by_event_id: None,
                usage: None,
                timings: Timings { total: Some(3), ..Timings::default() },
                warnings: Warnings::new(),
            }),
            &json!({"type": "agent_turn_interrupted", "agent_id": "a", "turn_id": "t", "seq": 1,
                "reason": "newer_event", "timings": {"total": 3}, "warnings": {}}),
        );
        check(
            &ServerMessage::AgentTagOpen(AgentTagOpen {
                agent_id: "a".into(),
                turn_id: "t".into(),
                seq: 1,
                tag_id: 0,
                parent_id: None,
                tag: "speech".into(),
                kind: TagKind::Speech,
                attributes: Map::new(),
                call_id: None,
                arguments: None,
            }),
            &json!({"type": "agent_tag_open", "agent_id": "a", "turn_id": "t", "seq": 1,
                "tag_id": 0, "tag": "speech", "kind": "speech", "attributes": {}}),
        );
        check(
            &ServerMessage::Error(ErrorMessage::new(ErrorCode::BadJson, "no")),
            &json!({"type": "error", "code": "bad_json", "message": "no", "retryable": false}),
        );
        check(
            &ServerMessage::Pong(Pong { nonce: None, server_time: 5 }),
            &json!({"type": "pong", "server_time": 5}),
        );
    }

    #[test]
    fn what_would_be_null_is_left_out() {
        let pong = ServerMessage::Pong(Pong { nonce: Some(Value::Null), server_time: 5 });
        assert_eq!(pong.to_json(), r#"{"type":"pong","server_time":5}"#);
        for cost in [f64::NAN, f64::INFINITY] {
            let usage = Usage { cost: Some(cost), ..Usage::default() };
            let written = serde_json::to_value(usage).unwrap();
            assert_eq!(written, json!({"input_tokens": 0, "output_tokens": 0}));
        }
    }

    #[test]
    fn codes_are_spelled_as_on_the_wire() {
        assert_eq!(ErrorCode::ProviderRateLimited.to_string(), "provider_rate_limited");
        assert!(ErrorCode::ProviderRateLimited.retryable());
        assert!(!ErrorCode::ProviderAuth.retryable());
    }
}
