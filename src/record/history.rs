//! What an agent has lived through, as the next prompt needs it: turns with what the player saw of
//! them, and what the agent has perceived since.

use dramatis_protocol::{Actor, Id, InterruptReason, Origin, TagKind, TagOutcome};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An event or a notification, as the game told it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Occurrence {
    /// The event's id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Id>,
    /// What kind of thing happened, in the game's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// What was said, or what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Who said or did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// What a tool of the game answered to a call of the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolAnswer {
    /// The turn that made the call.
    pub turn_id: Id,
    /// The call's tag in that turn.
    pub tag_id: u32,
    /// The tool's name.
    pub tool: Id,
    /// The model's id, for a native call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// Whether the tool did what it was asked.
    pub ok: bool,
    /// Its answer.
    pub output: Value,
}

/// One thing that an agent perceived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Observation {
    /// An event that the agent was asked to react to.
    Event(Occurrence),
    /// Something that it learnt by the way.
    Notification(Occurrence),
    /// The answer of a tool that it called.
    ToolAnswer(ToolAnswer),
}

/// One tag of a reply, as far as it was forwarded to the game.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerTag {
    /// Its number in the turn.
    pub tag_id: u32,
    /// The tag around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<u32>,
    /// Its name, as the vocabulary spells it.
    pub tag: Id,
    /// What it is to the game.
    pub kind: TagKind,
    /// Whether it opens and closes at once.
    #[serde(default)]
    pub empty: bool,
    /// Its attributes, as strings, in the order in which they were written.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// The model's id, for a native call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The arguments, for a native call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Map<String, Value>>,
    /// What its provider sealed it with, for a native call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Its own text (without that of inner tags), as far as it was forwarded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Where inner tags stand: for each child, how many bytes of `text` come before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<(u32, usize)>,
    /// Whether the model closed it itself.
    pub complete: bool,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum TurnEnd {
    /// The model came to its end.
    Finished {
        /// The finish reason, as the wire spells it.
        reason: String,
    },
    /// It was cut.
    Interrupted {
        /// Why.
        reason: InterruptReason,
    },
}

/// What the game confirmed of a turn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TurnResult {
    /// The text of history in the game's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The outcome of each tag; `None`: the game said nothing of tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<TagOutcome>>,
}

/// One turn of an agent: what it perceived, what it answered, what became of that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastTurn {
    /// The turn.
    pub turn_id: Id,
    /// What it came from.
    pub origin: Origin,
    /// The events that it answers, for telling a repeated event.
    pub event_ids: Vec<Id>,
    /// What stood in its user message, in order.
    pub input: Vec<Observation>,
    /// What was forwarded, in order of opening.
    pub tags: Vec<LedgerTag>,
    /// How it ended; `None` while it runs, or if the server went down in its middle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<TurnEnd>,
    /// What the game confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<TurnResult>,
}

/// What an agent has lived through in a play session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentHistory {
    /// Its turns, oldest first.
    pub turns: Vec<PastTurn>,
    /// What it perceived since the last turn began, oldest first.
    pub pending: Vec<Observation>,
}
