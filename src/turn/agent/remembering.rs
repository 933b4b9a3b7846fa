//! What an agent remembers of its turns once the history doesn't show them any more: a turn is written
//! down when the game has confirmed it, and at the latest when the next one begins. A confirmation that
//! comes later, or once more, takes the place of what was written. A turn that a crash cut has no end
//! and never gets one: what counts is that it isn't under way.

use dramatis_protocol::Id;

use super::Agent;
use crate::record::{PastTurn, TurnResult};
use crate::retrieval::{Exchange, Retriever, exchange};
use crate::store::{Findable, UnwrittenMemory};

impl Agent {
    /// Writes down a turn in memory, unless it is under way.
    pub(super) fn remember(&mut self, turn_id: &Id) {
        let turn = self.memory.turn(turn_id).filter(|turn| !self.is_under_way(turn));
        let Some(text) = turn.map(|turn| self.memory_of(turn)) else { return };
        self.writes.memory(turn_id.clone(), text);
        self.make_vectors();
    }

    /// What is to be remembered of a turn that the game confirms, unless it is under way; `old` is one
    /// that the agent doesn't hold in memory any more.
    pub(super) fn memory_of_confirmed(
        &self,
        turn_id: &Id,
        old: Option<PastTurn>,
        result: &TurnResult,
    ) -> Option<Findable> {
        match old {
            Some(old) => self.memory_of(&PastTurn { result: Some(result.clone()), ..old }),
            None => {
                let turn = self.memory.turn(turn_id).filter(|turn| !self.is_under_way(turn))?;
                self.memory_of(turn)
            }
        }
    }

    /// Writes down the newest turn, if the game has not confirmed it.
    pub(super) fn remember_unconfirmed(&mut self) {
        let newest = self.memory.newest().filter(|turn| turn.result.is_none());
        if let Some(turn_id) = newest.map(|turn| turn.turn_id.clone()) {
            self.remember(&turn_id);
        }
    }

    /// What is to be remembered of the turns that the store lacks.
    pub(super) fn add_memories(&self, unwritten: &mut UnwrittenMemory) {
        let over = unwritten.turns.iter().filter(|turn| !self.is_under_way(turn));
        let memories = over.map(|turn| (turn.turn_id.clone(), self.memory_of(turn)));
        unwritten.memories = memories.collect();
    }

    fn is_under_way(&self, turn: &PastTurn) -> bool {
        self.running.as_ref().is_some_and(|running| *running.turn_id() == turn.turn_id)
    }

    fn memory_of(&self, turn: &PastTurn) -> Option<Findable> {
        self.services.generator.retriever()?;
        let name = self.state.last_state().map_or("", |state| state.name.as_str());
        let spoken = exchange::of(turn);
        Retriever::memory_of(&Exchange {
            session: &self.session_id,
            agent: &self.agent_id,
            turn: &turn.turn_id,
            heard: &spoken.heard,
            name,
            answered: &spoken.answered,
        })
    }

    /// Has the vectors made of what was written down.
    pub(super) fn make_vectors(&self) {
        if let Some(retriever) = self.services.generator.retriever() {
            retriever.remembered(&self.session_id, &self.agent_id);
        }
    }
}
