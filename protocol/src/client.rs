//! Messages from the game to the server.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Id;
use crate::state::{AgentState, is_default, is_true};

/// Any message that a game may send, told apart by its `type`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Authenticates and names the play session.
    Hello(Hello),
    /// Asks for a `pong`.
    Ping(Ping),
    /// Something the agent should react to: starts a turn.
    InteractionEvent(InteractionEvent),
    /// Something the agents should know, without a turn.
    NotificationEvent(NotificationEvent),
    /// The agent's present state, asked for or not.
    AgentStateSnapshot(AgentStateSnapshot),
    /// What the player really saw of a turn.
    AgentTurnResult(AgentTurnResult),
    /// What the game's tools answered.
    ToolResults(ToolResults),
    /// Stop now, start nothing.
    CancelTurn(CancelTurn),
}

impl ClientMessage {
    /// The message as a game sends it, with an id if an answer shall name one.
    #[must_use]
    pub fn to_json(&self, message_id: Option<&str>) -> String {
        #[derive(Serialize)]
        struct Frame<'a> {
            #[serde(flatten)]
            message: &'a ClientMessage,
            #[serde(skip_serializing_if = "Option::is_none")]
            message_id: Option<&'a str>,
        }
        // Every key is a string, so there is nothing that could fail.
        serde_json::to_string(&Frame { message: self, message_id }).unwrap_or_default()
    }
}

/// Optional first message: authenticates where headers can't be set, and names the play session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Hello {
    /// The server's access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The protocol's version that the game speaks; `"1"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The game's name, for the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub game: Option<String>,
    /// The play session to go on with, or to begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Id>,
    /// Begin `session_id` as a copy of this play session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork_of: Option<Id>,
    /// For each agent named, the turn after which its history is taken up again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resume_after: BTreeMap<Id, Id>,
    /// Agents that `resume_after` doesn't name forget everything; `false`: they stay whole.
    #[serde(skip_serializing_if = "is_default")]
    pub forget_others: bool,
}

/// Asks for a `pong` with the same nonce.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Ping {
    /// Any JSON value up to 256 bytes; comes back unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Value>,
}

/// Who did or said something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    /// The game's id of the actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The name that the agent knows the actor by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a newer event does to the turn that runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interrupt {
    /// It interrupts the turn at once.
    #[default]
    Now,
    /// It waits until the turn has been presented.
    Queue,
    /// It is dropped while the agent is busy.
    Drop,
}

/// Something the agent should react to. One of `text`, `event_type` and `data` is needed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("anyOf" = [{"required": ["text"]}, {"required": ["event_type"]}, {"required": ["data"]}]))]
pub struct InteractionEvent {
    /// The agent that reacts.
    pub agent_id: Id,
    /// The game's id of the event; the server makes one up if it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Id>,
    /// What kind of thing happened, in the game's own words (`player_spoke`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// What was said, or what happened, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Who said or did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// Anything else the agent should know of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The agent's state at this moment: spares the server its question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<AgentState>,
    /// Higher goes first; a turn is interrupted only by an equal or higher one.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(range(min = -2_147_483_648_i64, max = 2_147_483_647))]
    pub priority: i32,
    /// What it does to a turn that runs.
    #[serde(skip_serializing_if = "is_default")]
    pub interrupt: Interrupt,
}

/// Something the agents should know: an observation in their history, without a turn.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("anyOf" = [{"required": ["text"]}, {"required": ["event_type"]}, {"required": ["data"]}]))]
#[schemars(transform = crate::schema::notification)]
pub struct NotificationEvent {
    // Once read, it is never empty and names none twice.
    /// The agents that learn of it; `agent_id` beside it may name one more.
    #[schemars(length(min = 1))]
    pub agent_ids: Vec<Id>,
    /// The game's id of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Id>,
    /// What kind of thing happened, in the game's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// What happened, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// Anything else the agents should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// The agent's present state.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AgentStateSnapshot {
    /// The question that this answers; absent: the open one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Id>,
    /// The agent.
    pub agent_id: Id,
    /// Its state.
    pub state: AgentState,
}

/// What became of a tag in the game.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It happened, or was shown, whole.
    Done,
    /// A part of it was shown.
    Partial,
    /// It was passed over.
    Skipped,
    /// The game tried and could not.
    Failed,
    /// It was stopped.
    Cancelled,
}

/// What the game made of one tag of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagOutcome {
    /// The tag's id in its turn.
    pub tag_id: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// How many code points of the tag's own text were shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presented_chars: Option<u64>,
    /// A word of explanation, for the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What the player really saw of a turn, and what really happened. `content`, `tags` or both.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("anyOf" = [{"required": ["content"]}, {"required": ["tags"]}]))]
pub struct AgentTurnResult {
    /// The agent.
    pub agent_id: Id,
    /// The turn.
    pub turn_id: Id,
    /// The text of history, where the game wants to word it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The outcome of each tag; one that is not listed counts as skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<TagOutcome>>,
}

/// What one tool answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("anyOf" = [{"required": ["tag_id"]}, {"required": ["call_id"]}]))]
pub struct ToolResult {
    /// The tag that called the tool; this or `call_id` is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_id: Option<u32>,
    /// The model's id of a native call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The tool's name, for the reader of the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the tool did what it was asked.
    pub ok: bool,
    /// Its answer: any JSON.
    pub output: Value,
}

/// What the game's tools answered.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ToolResults {
    /// The agent.
    pub agent_id: Id,
    /// The turn whose calls these are.
    pub turn_id: Id,
    /// One for each call; they may come in several messages.
    pub results: Vec<ToolResult>,
    /// `false`: the agent shall not speak to the results.
    #[serde(skip_serializing_if = "is_true")]
    pub follow_up: bool,
}

/// Stop now, start nothing.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CancelTurn {
    /// The agent.
    pub agent_id: Id,
    /// Only this turn, if it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<Id>,
    /// Why, for the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
