//! What may happen when, and what follows: the rules of one agent's turns as a plain function from
//! (state, input, time) to effects. No async, no clock, no channel.
//!
//! `agent` feeds it what comes from the game, the model and the clock, and carries out the effects
//! in their order. Texts and tags do not pass through here: only what decides about turns does.

mod event;
mod phase;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use dramatis_protocol::{AgentState, DropReason, Id, InterruptReason};

pub use event::Event;
use phase::{FollowUp, Phase};

use crate::clock::{Ids, Millis};

/// The times and sizes that the rules work with.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long a state is awaited; also how long one that came with an event counts as fresh.
    pub state_timeout: Millis,
    /// How long an agent counts as speaking after its turn, at the least.
    pub result_timeout: Millis,
    /// The same for each forwarded character of speech.
    pub result_timeout_per_char: Millis,
    /// The same at the most.
    pub result_timeout_cap: Millis,
    /// How long an uninterruptible tag may hold up an interruption.
    pub hold_timeout: Millis,
    /// Most events that wait, or that one turn answers.
    pub max_waiting: usize,
    /// How many event ids that got a turn are remembered.
    pub known_events: usize,
    /// Most follow-up turns in a row.
    pub max_follow_ups: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            state_timeout: 2_000,
            result_timeout: 15_000,
            result_timeout_per_char: 60,
            result_timeout_cap: 120_000,
            hold_timeout: 2_000,
            max_waiting: 16,
            known_events: 100,
            max_follow_ups: 4,
        }
    }
}

/// How a turn came to its end by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// The model came to its end; otherwise it failed.
    pub finished: bool,
    /// At least one tag was forwarded.
    pub any_tag: bool,
    /// Forwarded characters of speech.
    pub speech_chars: u64,
    /// The tags of kind tool that closed complete.
    pub calls: Vec<u32>,
}

/// What the rules are told.
#[derive(Debug, Clone)]
pub enum Input {
    /// The game reports an event.
    Event(Event),
    /// The game reports the agent's state.
    Snapshot {
        /// The question that it answers, if it says so.
        request_id: Option<Id>,
        /// The state.
        state: Arc<AgentState>,
    },
    /// The game confirmed a turn (which exists).
    Result {
        /// The turn.
        turn_id: Id,
    },
    /// Tools answered calls of a turn (which exist).
    ToolAnswers {
        /// The turn.
        turn_id: Id,
        /// The calls.
        tag_ids: Vec<u32>,
        /// Whether the agent may speak to them.
        follow_up: bool,
    },
    /// The game wants a turn (which exists), or everything, stopped.
    Cancel {
        /// Only this turn.
        turn_id: Option<Id>,
    },
    /// Whether a tag is open that must be finished before an interruption.
    Hold(bool),
    /// The model's reply ended.
    Ended(Ending),
    /// The game's connection ended, or the server goes down.
    Leave {
        /// `true`: the server goes down.
        shutdown: bool,
    },
    /// Time has passed.
    Tick,
}

/// A turn that is to begin.
#[derive(Debug, Clone)]
pub struct Start {
    /// The new turn's id.
    pub turn_id: Id,
    /// The event that it is for: its first, or that of the turn before a follow-up.
    pub event_id: Id,
    /// What it answers; empty for a follow-up.
    pub events: Vec<Event>,
    /// Whether it answers the tools that the turn before it called.
    pub follow_up: bool,
    /// Its priority: the highest of its events, or that of the turn before a follow-up.
    pub priority: i32,
    /// The agent's state.
    pub state: Arc<AgentState>,
    /// Whether the state is an old one because none came in time.
    pub stale: bool,
    /// When its first event came.
    pub arrived: Millis,
    /// When the agent turned to it.
    pub prepared: Millis,
    /// Whether the game was asked for the state.
    pub asked: bool,
}

/// What follows; to be carried out in order.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Ask the game for the agent's state.
    AskState {
        /// The question's id.
        request_id: Id,
        /// The event that the turn is for.
        event_id: Id,
    },
    /// Begin a turn: build its prompt and ask the model.
    Start(Box<Start>),
    /// End the open turn before its time: drop the request, tell the game.
    Cut {
        /// The turn.
        turn_id: Id,
        /// Why.
        reason: InterruptReason,
        /// The newer event.
        by_event_id: Option<Id>,
    },
    /// The event will not get a turn.
    Drop {
        /// The event.
        event_id: Id,
        /// Why.
        reason: DropReason,
    },
    /// The event got no turn but was perceived.
    Observe(Event),
    /// The state did not come and none is known: tell the game.
    StateMissing {
        /// The question that was not answered.
        request_id: Id,
        /// The event that the turn was for.
        event_id: Id,
    },
}

/// Where an agent stands.
#[derive(Debug)]
pub struct State {
    rules: Rules,
    ids: Ids,
    phase: Phase,
    waiting: Vec<Event>,
    known: VecDeque<Id>,
    last_state: Option<Arc<AgentState>>,
    calls: Calls,
    effects: Vec<Effect>,
}

/// The tool calls of the newest turn.
#[derive(Debug, Default)]
struct Calls {
    turn: Option<FollowUp>,
    made: BTreeSet<u32>,
    answered: BTreeSet<u32>,
    ended: bool,
    refused: bool,
    follow_ups: u32,
}

impl Calls {
    fn are_answered(&self) -> bool {
        self.ended && !self.made.is_empty() && self.made.is_subset(&self.answered)
    }

    /// Whether a follow-up may come of them once they are answered.
    fn may_be_followed_up(&self, rules: &Rules) -> bool {
        self.turn.is_some() && !self.refused && self.follow_ups < rules.max_follow_ups
    }

    /// Whether an answer may still bring a follow-up.
    fn are_awaited(&self, rules: &Rules) -> bool {
        let open = self.ended && !self.made.is_empty() && !self.are_answered();
        open && self.may_be_followed_up(rules)
    }
}

impl State {
    /// An agent that nothing has happened to, or one that comes back with what it last knew.
    #[must_use]
    pub fn new(
        rules: Rules,
        ids: Ids,
        last_state: Option<Arc<AgentState>>,
        known: Vec<Id>,
    ) -> Self {
        Self {
            rules,
            ids,
            phase: Phase::Idle,
            waiting: Vec::new(),
            known: known.into(),
            last_state,
            calls: Calls::default(),
            effects: Vec::new(),
        }
    }

    /// Takes an input at a time and tells what follows.
    pub fn handle(&mut self, now: Millis, input: Input) -> Vec<Effect> {
        // A turn that ended, or finished the tag that held it, did so before its time was up.
        if !matches!(input, Input::Ended(_) | Input::Hold(_)) {
            self.pass_time(now);
        }
        match input {
            Input::Event(event) => self.on_event(now, event),
            Input::Snapshot { request_id, state } => self.on_snapshot(request_id, state),
            Input::Result { turn_id } => self.on_result(now, &turn_id),
            Input::ToolAnswers { turn_id, tag_ids, follow_up } => {
                self.on_tool_answers(now, &turn_id, &tag_ids, follow_up);
            }
            Input::Cancel { turn_id } => self.on_cancel(now, turn_id.as_ref()),
            Input::Hold(holding) => self.on_hold(now, holding),
            Input::Ended(ending) => self.on_ended(now, ending),
            Input::Leave { shutdown } => self.on_leave(shutdown),
            Input::Tick => {}
        }
        std::mem::take(&mut self.effects)
    }

    /// When time alone will change something: to be told with [`Input::Tick`].
    #[must_use]
    pub fn deadline(&self) -> Option<Millis> {
        match &self.phase {
            Phase::Asking(asking) => Some(asking.since.saturating_add(self.rules.state_timeout)),
            Phase::Running(running) => running.cut.as_ref().map(|cut| cut.deadline),
            Phase::Presenting { until, .. } if !self.waiting.is_empty() => Some(*until),
            Phase::Presenting { .. } | Phase::Idle => None,
        }
    }

    /// The open turn.
    #[must_use]
    pub const fn open_turn(&self) -> Option<&Id> {
        match &self.phase {
            Phase::Running(running) => Some(&running.turn_id),
            _ => None,
        }
    }

    /// Whether nothing runs, is prepared or waits.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Presenting { .. }) && self.waiting.is_empty()
    }

    /// Whether a follow-up may come of what the game's tools have still to answer.
    #[must_use]
    pub fn awaits_answers(&self) -> bool {
        self.calls.are_awaited(&self.rules)
    }

    /// How many events wait.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The last known state.
    #[must_use]
    pub const fn last_state(&self) -> Option<&Arc<AgentState>> {
        self.last_state.as_ref()
    }
}
