//! The record of one turn: everything that is needed to read it, to analyse it or to play it again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use dramatis_protocol::{AgentState, Id, Origin, Timings, Warnings};
use serde::{Deserialize, Serialize};

use super::context::ContextReport;
use super::history::{LedgerTag, TurnEnd};
use super::message::{Delta, Message, ToolSpec, Usage};

/// The version that this program writes.
pub const RECORD_VERSION: u32 = 1;

/// A delta and when it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawDelta {
    /// Milliseconds since the request was sent.
    pub at_ms: u64,
    /// What came.
    pub delta: Delta,
}

/// Everything about one turn, hidden text included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The play session.
    pub session_id: Id,
    /// The agent.
    pub agent_id: Id,
    /// The turn.
    pub turn_id: Id,
    /// The events that it answers.
    pub event_ids: Vec<Id>,
    /// What it came from.
    pub origin: Origin,
    /// The model that was asked.
    pub model: String,
    /// The model that answered, if another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// When the turn began.
    pub started_at: DateTime<Utc>,
    /// The state that the game reported.
    pub state: Arc<AgentState>,
    /// Exactly what the model was sent.
    pub messages: Arc<Vec<Message>>,
    /// What those are made of, and what was left out; absent if the turn was cut before the model was
    /// asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Arc<ContextReport>>,
    /// The tools that it was offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// Exactly what came back.
    pub deltas: Vec<RawDelta>,
    /// What was forwarded to the game.
    pub tags: Vec<LedgerTag>,
    /// How it ended.
    pub end: TurnEnd,
    /// What went wrong, in the log's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What was repaired.
    pub warnings: Warnings,
    /// Where its time went.
    pub timings: Timings,
    /// What it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Whether the text was read as beginning inside the model's reasoning.
    #[serde(default)]
    pub starts_in_reasoning: bool,
    /// Whether it was a reply in a chat: there is no game that could confirm it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_chat: bool,
}
