//! What an agent remembers of its turns once the history doesn't show them any more: a turn is written
//! down when the game has confirmed it, and at the latest when the next one begins. A confirmation that
//! comes later, or once more, takes the place of what was written.

use dramatis_protocol::Id;

use super::Agent;
use crate::record::PastTurn;
use crate::retrieval::{Exchange, Retriever, exchange};
use crate::store::{Findable, UnwrittenMemory};

impl Agent {
    /// Writes down a turn in memory that has ended.
    pub(super) fn remember(&mut self, turn_id: &Id) {
        let turn = self.memory.turn(turn_id).filter(|turn| turn.end.is_some());
        let Some(text) = turn.and_then(|turn| self.memory_of(turn)) else { return };
        self.writes.memory(turn_id.clone(), text, true);
        self.make_vectors();
    }

    /// Writes down a turn that memory doesn't hold any more.
    pub(super) fn remember_old(&mut self, turn: &PastTurn) {
        let Some(text) = self.memory_of(turn) else { return };
        self.writes.memory(turn.turn_id.clone(), text, false);
        self.make_vectors();
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
        let ended = unwritten.turns.iter().filter(|turn| turn.end.is_some());
        let memories = ended.filter_map(|turn| Some((turn.turn_id.clone(), self.memory_of(turn)?)));
        unwritten.memories = memories.collect();
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

    fn make_vectors(&self) {
        if let Some(retriever) = self.services.generator.retriever() {
            retriever.remembered(&self.session_id, &self.agent_id);
        }
    }
}
