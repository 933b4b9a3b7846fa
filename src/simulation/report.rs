//! What came of a scenario: every turn with its times as the game saw them, what was interrupted,
//! which tools ran, and what was against the protocol or the scenario's expectations.

use dramatis_protocol::{ContextTotals, Id, InterruptReason, Origin, Timings, Usage, Warnings};
use serde::Serialize;
use serde_json::Value;

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// The model came to its end.
    Finished {
        /// Its finish reason.
        reason: String,
        /// Whether the player cut what was still being shown.
        cut_by_player: bool,
    },
    /// The server ended it.
    Interrupted {
        /// Why.
        reason: InterruptReason,
    },
}

/// A tool that the game ran.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolRun {
    /// The tool.
    pub tool: String,
    /// What it was given.
    pub input: String,
    /// Whether it did what it was asked.
    pub ok: bool,
    /// Its answer.
    pub output: Value,
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TurnReport {
    /// The agent.
    pub agent_id: Id,
    /// The agent's name.
    pub agent: String,
    /// The turn.
    pub turn_id: Id,
    /// What it came from.
    pub origin: Origin,
    /// The model that played.
    pub model: String,
    /// Milliseconds from the event (in a follow-up: the tool's answer) to the first tag.
    pub first_tag_ms: Option<u64>,
    /// To the first piece of speech.
    pub first_speech_ms: Option<u64>,
    /// To the turn's end.
    pub total_ms: u64,
    /// The server's own measure.
    pub timings: Timings,
    /// How it ended.
    pub end: End,
    /// Speech that was shown.
    pub heard: String,
    /// Characters of speech that came.
    pub forwarded_chars: usize,
    /// Tools that ran.
    pub tools: Vec<ToolRun>,
    /// What it used, where known.
    pub usage: Option<Usage>,
    /// What its prompt was made of, where the server tells.
    pub context: Option<ContextTotals>,
    /// What was repaired.
    pub warnings: Warnings,
}

impl TurnReport {
    /// Whether it broke off.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        !matches!(self.end, End::Finished { cut_by_player: false, .. })
    }
}

/// Everything that came of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The scenario's title.
    pub title: String,
    /// The play session.
    pub session_id: String,
    /// The turns, in the order in which they ended.
    pub turns: Vec<TurnReport>,
    /// How many events were sent.
    pub events: usize,
    /// How many notifications were sent.
    pub notifications: usize,
    /// Results that the server has committed.
    pub stored: usize,
    /// Events that got no turn, with the reason.
    pub dropped: Vec<String>,
    /// Errors of the server, breaches of the protocol, expectations that were not met.
    pub errors: Vec<String>,
    /// Milliseconds from the first step to the last.
    pub total_ms: u64,
}

impl Report {
    /// The report of this and then another, under the title of the first.
    #[must_use]
    pub fn and_then(mut self, next: Self) -> Self {
        self.turns.extend(next.turns);
        self.events += next.events;
        self.notifications += next.notifications;
        self.stored += next.stored;
        self.dropped.extend(next.dropped);
        self.errors.extend(next.errors);
        self.total_ms += next.total_ms;
        self
    }

    /// Turns that broke off.
    pub fn interruptions(&self) -> impl Iterator<Item = &TurnReport> {
        self.turns.iter().filter(|turn| turn.is_cut())
    }

    /// Tools that ran, with their turns.
    pub fn tools(&self) -> impl Iterator<Item = (&TurnReport, &ToolRun)> {
        self.turns.iter().flat_map(|turn| turn.tools.iter().map(move |tool| (turn, tool)))
    }
}
