//! What an agent remembers while its task lives: its last turns, and what it perceived since.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use dramatis_protocol::{AgentState, Id};

use super::super::state::Event;
use crate::record::{AgentHistory, Observation, PastTurn, ToolAnswer};
use crate::store::{MAX_PENDING, UnwrittenMemory};

/// How many turns stay in memory unless the agent's state asks to see more of them in prompts.
pub const TURNS_IN_MEMORY: usize = 40;

/// How many turns stay in memory at the most, whatever a state asks for.
const MAX_TURNS_IN_MEMORY: usize = 1_000;

/// An agent's memory.
#[derive(Debug)]
pub struct Memory {
    turns: VecDeque<PastTurn>,
    pending: Vec<(u64, Observation)>,
    next_order: u64,
    /// How many turns there were before those in memory.
    forgotten: usize,
    /// How many turns stay in memory.
    keep: usize,
}

impl Memory {
    /// What the store knew; `turn_count` counts the turns that it did not hand out as well.
    #[must_use]
    pub fn new(history: AgentHistory, turn_count: u64) -> Self {
        let pending: Vec<_> = (0..).zip(history.pending).collect();
        let turn_count = usize::try_from(turn_count).unwrap_or(usize::MAX);
        Self {
            next_order: pending.len() as u64,
            forgotten: turn_count.saturating_sub(history.turns.len()),
            turns: history.turns.into(),
            pending,
            keep: TURNS_IN_MEMORY,
        }
    }

    /// The place of something that the agent perceives now.
    pub const fn next_order(&mut self) -> u64 {
        let order = self.next_order;
        self.next_order = order.saturating_add(1);
        order
    }

    /// Something that waits for the next turn; the oldest gives way when there is too much. Tells
    /// whether it is the newest: an event that becomes an observation may be older than others.
    pub fn observe(&mut self, order: u64, observation: Observation) -> bool {
        let place = self.pending.partition_point(|(other, _)| *other < order);
        let is_newest = place == self.pending.len();
        self.pending.insert(place, (order, observation));
        let excess = self.pending.len().saturating_sub(MAX_PENDING as usize);
        self.pending.drain(..excess);
        is_newest
    }

    /// What a turn that begins now is told: all that waits and its events, in the order in which
    /// they came.
    pub fn take_input(&mut self, events: &[Event]) -> Vec<Observation> {
        let mut input = std::mem::take(&mut self.pending);
        let events = events.iter();
        input.extend(
            events.map(|event| (event.order, Observation::Event(event.occurrence.clone()))),
        );
        input.sort_by_key(|(order, _)| *order);
        input.into_iter().map(|(_, observation)| observation).collect()
    }

    /// A turn begins. `is_written`: the store has all of those before it; else they stay here, as
    /// long as there is room for them.
    pub fn push(&mut self, turn: PastTurn, is_written: bool) {
        self.turns.push_back(turn);
        let keep = if is_written { self.keep } else { MAX_TURNS_IN_MEMORY };
        let excess = self.turns.len().saturating_sub(keep);
        self.turns.drain(..excess);
        self.forgotten = self.forgotten.saturating_add(excess);
    }

    /// What the store lacks, if these are the turns that it doesn't have as they are.
    #[must_use]
    pub fn unwritten(
        &self,
        turns: &HashSet<Id>,
        state: Option<Arc<AgentState>>,
    ) -> UnwrittenMemory {
        let known = self.turns.iter().take_while(|turn| !turns.contains(&turn.turn_id)).count();
        UnwrittenMemory {
            from: self.forgotten.saturating_add(known) as u64,
            turns: self.turns.iter().skip(known).cloned().collect(),
            memories: Vec::new(),
            pending: self.pending.iter().map(|(_, observation)| observation.clone()).collect(),
            state,
        }
    }

    /// Keeps this many turns from now on. If there were older ones that belong among them, tells how
    /// many turns have to be recalled.
    pub fn keep(&mut self, turns: usize) -> Option<usize> {
        self.keep = turns.clamp(TURNS_IN_MEMORY, MAX_TURNS_IN_MEMORY);
        (self.forgotten > 0 && self.turns.len() < self.keep).then_some(self.keep)
    }

    /// Puts older turns before those in memory; `recalled` ends with turns that are there already.
    pub fn recall(&mut self, recalled: Vec<PastTurn>) {
        let first = self.turns.front().map(|turn| turn.turn_id.clone());
        let older = recalled.into_iter().take_while(|turn| Some(&turn.turn_id) != first.as_ref());
        let older: Vec<_> = older.collect();
        self.forgotten = self.forgotten.saturating_sub(older.len());
        for turn in older.into_iter().rev() {
            self.turns.push_front(turn);
        }
    }

    /// How many turns there were before those in memory.
    #[must_use]
    pub const fn forgotten(&self) -> usize {
        self.forgotten
    }

    /// A turn in memory.
    #[must_use]
    pub fn turn(&self, turn_id: &Id) -> Option<&PastTurn> {
        self.turns.iter().rev().find(|turn| turn.turn_id == *turn_id)
    }

    /// A turn in memory.
    pub fn turn_mut(&mut self, turn_id: &Id) -> Option<&mut PastTurn> {
        self.turns.iter_mut().rev().find(|turn| turn.turn_id == *turn_id)
    }

    /// The newest turn.
    #[must_use]
    pub fn newest(&self) -> Option<&PastTurn> {
        self.turns.back()
    }

    /// The turns, oldest first.
    pub fn turns_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut PastTurn> {
        self.turns.iter_mut()
    }

    /// The turns, oldest first.
    pub fn turns(&mut self) -> &[PastTurn] {
        self.turns.make_contiguous()
    }

    /// Whether a call has an answer already.
    #[must_use]
    pub fn has_answer(&self, turn_id: &Id, tag_id: u32) -> bool {
        let told = self.turns.iter().flat_map(|turn| &turn.input);
        let waiting = self.pending.iter().map(|(_, observation)| observation);
        told.chain(waiting).any(|observation| {
            matches!(observation, Observation::ToolAnswer(ToolAnswer { turn_id: of, tag_id: id, .. })
                if of == turn_id && *id == tag_id)
        })
    }
}
