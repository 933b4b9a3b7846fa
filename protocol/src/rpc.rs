//! What crosses the socket of the roleplay door, `/ws/rpc`. The frames are those of the Flower Engine,
//! so that its terminal client works with this server; in words they stand in `protocol/rpc.md`.
//!
//! A client sends a prompt or a command as plain text, or as [`Prompt`]. The server sends [`RpcFrame`]s.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::server::Usage;

/// What a client sends, where it isn't plain text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Prompt {
    /// What is said to the character, or a command that begins with `/`.
    pub prompt: String,
    /// Who says it, where several people talk to the character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
}

/// What the server sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", content = "payload", rename_all = "snake_case")]
pub enum RpcFrame<'a> {
    /// Something was done (`✓ …`) or could not be (`✗ …`). The first frame of a connection is one.
    SystemUpdate(RpcPayload<'a, Update>),
    /// How things stand: the second frame, and after everything that changes it.
    SyncState(RpcPayload<'a, SyncState>),
    /// What was said in the session that was begun or taken up again.
    ChatHistory(RpcPayload<'a, History>),
    /// More of the reply; the content is the new text alone.
    ChatChunk(RpcPayload<'a, Chunk<'a>>),
    /// The reply is over, however it ended. The content is empty.
    ChatEnd(RpcPayload<'a, ChatEnd>),
    /// Something went wrong; the content is a sentence for whoever uses the client.
    Error(RpcPayload<'a, Fault>),
}

/// A text and what is to be known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PayloadOf{M}")]
pub struct RpcPayload<'a, M> {
    /// For people.
    pub content: Cow<'a, str>,
    /// For programs.
    pub metadata: M,
}

/// What changed; nothing else is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Update {
    /// `ok` in the first frame of a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The model from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Comes with `model`: somebody chose it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_confirmed: Option<bool>,
    /// The world from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world_id: Option<String>,
    /// The character from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub character_id: Option<String>,
    /// The session from now on; empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The rules that hold from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_rules: Option<Vec<String>>,
}

/// How things stand for this connection, and what there is to choose from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SyncState {
    /// The model that is asked.
    pub model: String,
    /// Whether somebody chose it.
    pub model_confirmed: bool,
    /// The world; empty: none.
    pub world_id: String,
    /// The character; empty: none.
    pub character_id: String,
    /// The session; empty: none.
    pub session_id: String,
    /// All worlds.
    pub available_worlds: Vec<Choice>,
    /// All characters.
    pub available_characters: Vec<Choice>,
    /// All models that are known.
    pub available_models: Vec<ModelChoice>,
    /// All rules.
    pub available_rules: Vec<Choice>,
    /// The rules that hold, in their order.
    pub active_rules: Vec<String>,
    /// The sessions that were spoken in last, the newest first; 15 at most.
    pub available_sessions: Vec<Choice>,
}

/// Something that can be chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// A model that can be chosen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelChoice {
    /// Its id.
    pub id: String,
    /// What people call it, after its provider: `[DeepSeek] DeepSeek Chat`.
    pub name: String,
    /// US dollars for a million tokens of prompts; 0 where nobody has said.
    pub prompt_price: f64,
    /// US dollars for a million tokens of replies; 0 where nobody has said.
    pub completion_price: f64,
}

/// What was said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The last 50 messages, oldest first.
    pub history: Vec<HistoryMessage>,
}

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryMessage {
    /// `user` or `assistant`.
    pub role: String,
    /// Its text; `[name]: ` stands before it where a sender was named.
    pub content: String,
}

/// Beside a piece of a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chunk<'a> {
    /// The model that was asked.
    pub model: Cow<'a, str>,
    /// The reply's tokens a second so far, two decimals; 0 until there are two.
    pub tokens_per_second: f64,
    /// The world.
    pub world_id: Cow<'a, str>,
}

/// Beside the end of a reply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChatEnd {
    /// The reply's tokens: as the provider counts them, else its pieces.
    pub total_tokens: u64,
    /// What the request used, where the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// Beside an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// What kind of error, for programs.
    pub code: FaultCode,
}

/// What kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultCode {
    /// What was sent is neither a prompt nor a command.
    InvalidMessage,
    /// The command doesn't exist.
    UnknownCommand,
    /// What was sent is too long. The connection goes on, unless it is far too long.
    TooLarge,
    /// More was sent in a second than the server takes.
    RateLimited,
    /// The token is missing or wrong, or a web page comes from a place that isn't allowed.
    Unauthorized,
    /// The server or the provider has as much to do as it takes.
    Overloaded,
    /// The provider's key is missing, wrong or has no credit.
    ProviderAuth,
    /// The provider refused what was said.
    ProviderRefused,
    /// The provider wants fewer requests.
    ProviderRateLimited,
    /// The provider failed in another way.
    ProviderError,
    /// What was said could not be stored.
    NotStored,
    /// The server is going down.
    Shutdown,
}

impl<'a> RpcFrame<'a> {
    /// An update without metadata.
    #[must_use]
    pub fn update(content: impl Into<Cow<'a, str>>) -> Self {
        Self::SystemUpdate(RpcPayload { content: content.into(), metadata: Update::default() })
    }

    /// An error.
    #[must_use]
    pub fn error(code: FaultCode, content: impl Into<Cow<'a, str>>) -> Self {
        Self::Error(RpcPayload { content: content.into(), metadata: Fault { code } })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_stand_in_the_order_that_clients_know() {
        let check = |frame: &RpcFrame<'_>, expected: &str| {
            let text = serde_json::to_string(frame).unwrap();
            assert_eq!(text, expected);
            assert_eq!(&serde_json::from_str::<RpcFrame<'_>>(expected).unwrap(), frame);
        };
        let ready = Update { status: Some("ok".to_owned()), ..Update::default() };
        check(
            &RpcFrame::SystemUpdate(RpcPayload {
                content: "✓ Engine ready.".into(),
                metadata: ready,
            }),
            r#"{"event":"system_update","payload":{"content":"✓ Engine ready.","metadata":{"status":"ok"}}}"#,
        );
        check(
            &RpcFrame::update("✓ Done"),
            r#"{"event":"system_update","payload":{"content":"✓ Done","metadata":{}}}"#,
        );
        let chunk =
            Chunk { model: "m".into(), tokens_per_second: 12.34, world_id: "tavern".into() };
        check(
            &RpcFrame::ChatChunk(RpcPayload { content: "Hm.".into(), metadata: chunk }),
            r#"{"event":"chat_chunk","payload":{"content":"Hm.","metadata":{"model":"m","tokens_per_second":12.34,"world_id":"tavern"}}}"#,
        );
        let end = ChatEnd { total_tokens: 7, usage: None };
        check(
            &RpcFrame::ChatEnd(RpcPayload { content: "".into(), metadata: end }),
            r#"{"event":"chat_end","payload":{"content":"","metadata":{"total_tokens":7}}}"#,
        );
        check(
            &RpcFrame::error(FaultCode::ProviderRateLimited, "Wait."),
            r#"{"event":"error","payload":{"content":"Wait.","metadata":{"code":"provider_rate_limited"}}}"#,
        );
    }

    #[test]
    fn the_state_has_every_key_in_its_order() {
        let state = serde_json::to_value(SyncState::default()).unwrap();
        let keys: Vec<&str> = state.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "model",
            "model_confirmed",
            "world_id",
            "character_id",
            "session_id",
            "available_worlds",
            "available_characters",
            "available_models",
            "available_rules",
            "active_rules",
            "available_sessions",
        ];
        assert_eq!(keys, expected);
        let model = serde_json::to_value(ModelChoice::default()).unwrap();
        let expected = json!({"id": "", "name": "", "prompt_price": 0.0, "completion_price": 0.0});
        assert_eq!(model, expected);
    }
}
