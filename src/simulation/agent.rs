//! One character as the game knows it: its state, what it was asked, and the turn that is being
//! presented.

use dramatis_protocol::{
    AgentState, AgentTurnFinished, AgentTurnInterrupted, AgentTurnStarted, ContextTotals, Id,
    Timings, ToolResult, Usage, Warnings,
};
use tokio::time::Instant;

use super::report::{End, ToolRun, TurnReport};
use super::stage::Stage;

/// A character of the game.
#[derive(Debug)]
pub(super) struct Agent {
    pub id: Id,
    pub state: AgentState,
    /// Events that have neither a turn nor been dropped.
    pub waiting: Vec<Id>,
    /// The priority of the newest event.
    pub priority: i32,
    /// When the agent was last asked for something.
    pub asked_at: Instant,
    /// The turn that is open or still being shown.
    pub turn: Option<Turn>,
    /// Since when a turn about tool answers is expected.
    pub follow_up_since: Option<Instant>,
}

impl Agent {
    pub fn new(id: Id, state: AgentState, now: Instant) -> Self {
        let (waiting, turn, follow_up_since) = (Vec::new(), None, None);
        Self { id, state, waiting, priority: 0, asked_at: now, turn, follow_up_since }
    }

    pub fn name(&self) -> String {
        self.state.name.clone()
    }

    /// Whether it has said everything it was asked for.
    pub const fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.turn.is_none() && self.follow_up_since.is_none()
    }
}

/// How the server ended a turn.
#[derive(Debug)]
pub(super) enum Ended {
    Finished(AgentTurnFinished),
    Interrupted(AgentTurnInterrupted),
}

/// A turn, open or still being shown.
#[derive(Debug)]
pub(super) struct Turn {
    pub started: AgentTurnStarted,
    pub stage: Stage,
    pub next_seq: u64,
    /// Tags that are open on the wire.
    pub open: Vec<u32>,
    pub since: Instant,
    pub first_tag_ms: Option<u64>,
    pub first_speech_ms: Option<u64>,
    pub ended: Option<(Ended, u64)>,
    /// Whether the game itself cut it: nothing more of it is shown.
    pub cut: bool,
    pub tools: Vec<ToolRun>,
    pub results: Vec<ToolResult>,
}

impl Turn {
    pub fn new(started: AgentTurnStarted, stage: Stage, since: Instant) -> Self {
        Self {
            started,
            stage,
            next_seq: 1,
            open: Vec::new(),
            since,
            first_tag_ms: None,
            first_speech_ms: None,
            ended: None,
            cut: false,
            tools: Vec::new(),
            results: Vec::new(),
        }
    }

    pub fn elapsed_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.duration_since(self.since).as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether there is nothing left to come and nothing left to show.
    pub fn is_over(&self) -> bool {
        self.ended.is_some() && (self.cut || self.stage.is_done())
    }

    /// Whether the server let it come to its end and the game showed it whole.
    pub const fn is_whole(&self) -> bool {
        matches!(self.ended, Some((Ended::Finished(_), _))) && !self.cut
    }

    /// What its prompt was made of, once the server has told.
    pub fn context(&self) -> Option<&ContextTotals> {
        match &self.ended {
            Some((Ended::Finished(end), _)) => end.context.as_ref(),
            _ => None,
        }
    }

    /// The turn for the report; `None` while it is open.
    pub fn into_report(self, agent: &Agent) -> Option<TurnReport> {
        let context = self.context().cloned();
        let (ended, total_ms) = self.ended?;
        let (end, timings, usage, warnings, model) = facts(ended, self.cut);
        Some(TurnReport {
            agent_id: agent.id.clone(),
            agent: agent.name(),
            turn_id: self.started.turn_id,
            origin: self.started.origin,
            model: model.unwrap_or(self.started.model),
            first_tag_ms: self.first_tag_ms,
            first_speech_ms: self.first_speech_ms,
            total_ms,
            timings,
            end,
            heard: self.stage.heard().to_owned(),
            forwarded_chars: self.stage.forwarded_chars(),
            tools: self.tools,
            usage,
            context,
            warnings,
        })
    }
}

type Facts = (End, Timings, Option<Usage>, Warnings, Option<String>);

fn facts(ended: Ended, cut: bool) -> Facts {
    match ended {
        Ended::Finished(end) => (
            End::Finished { reason: end.finish_reason, cut_by_player: cut },
            end.timings,
            end.usage,
            end.warnings,
            end.model,
        ),
        Ended::Interrupted(end) => {
            (End::Interrupted { reason: end.reason }, end.timings, end.usage, end.warnings, None)
        }
    }
}
