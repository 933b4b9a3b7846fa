//! What is written down, one line for each thing: versioned plain data.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use dramatis_protocol::{DropReason, Id, Origin};
use serde::{Deserialize, Serialize};

use crate::record::{Message, Occurrence, ToolAnswer, ToolSpec, TurnRecord, TurnResult};

/// The version of the lines that this program writes.
pub const ENTRY_VERSION: u32 = 1;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// [`ENTRY_VERSION`].
    pub version: u32,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// The play session.
    pub session_id: Id,
    /// The agent.
    pub agent_id: Id,
    /// What happened.
    #[serde(flatten)]
    pub what: Logged,
}

impl LogEntry {
    /// An entry of this version.
    #[must_use]
    pub const fn new(time: DateTime<Utc>, session_id: Id, agent_id: Id, what: Logged) -> Self {
        Self { version: ENTRY_VERSION, time, session_id, agent_id, what }
    }
}

/// Something that happened to an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Logged {
    /// The game told of something to react to.
    Event(Occurrence),
    /// The game told of something to know.
    Notification(Occurrence),
    /// An event will not get a turn.
    EventDropped {
        /// The event.
        event_id: Id,
        /// Why.
        reason: DropReason,
    },
    /// A turn began.
    TurnStarted {
        /// The turn.
        turn_id: Id,
        /// The events that it answers.
        event_ids: Vec<Id>,
        /// What it came from.
        origin: Origin,
        /// The model that is asked.
        model: String,
    },
    /// Exactly what the model was sent.
    ModelInput {
        /// The turn.
        turn_id: Id,
        /// The model that is asked.
        model: String,
        /// The messages.
        messages: Arc<Vec<Message>>,
        /// The tools that it was offered.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tools: Vec<ToolSpec>,
    },
    /// A turn ended: everything about it. On disk its messages and tools stand only in the
    /// [`Logged::ModelInput`] of the same turn; the reader puts them back.
    TurnRecord(Box<TurnRecord>),
    /// The game told what became of a turn.
    Result {
        /// The turn.
        turn_id: Id,
        /// What it told; the last one counts.
        result: TurnResult,
    },
    /// The game's tools answered.
    ToolAnswers {
        /// The turn that called them.
        turn_id: Id,
        /// Their answers.
        answers: Vec<ToolAnswer>,
    },
    /// Something went wrong.
    Fault {
        /// The turn concerned, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn_id: Option<Id>,
        /// What, with the cause.
        message: String,
    },
    /// Entries that should stand here were given up, because the disk was too slow or full.
    Lost {
        /// How many.
        count: u64,
    },
}
