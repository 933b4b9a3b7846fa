//! The states that a game reports: checked, remembered, and their vocabulary compiled once.

use std::sync::Arc;

use dramatis_protocol::{AgentState, ErrorCode, ErrorMessage, Id};

use super::{Agent, Services};
use crate::tags::{Vocabulary, VocabularyError};
use crate::turn::vocabulary::{standard_vocabulary, vocabulary_from_wire};

impl Agent {
    /// A state that can be used, written to the store if it is new.
    pub(super) fn take_state(
        &mut self,
        state: AgentState,
        at_fault: Option<Id>,
    ) -> Option<Arc<AgentState>> {
        if let Err((field, problem)) = self.check_state(&state) {
            let mut message = ErrorMessage::new(ErrorCode::BadMessage, problem);
            message.field = Some(field);
            message.in_reply_to = at_fault;
            self.fail(message);
            return None;
        }
        if let Some(known) = self.state.last_state().filter(|known| ***known == state) {
            return Some(Arc::clone(known));
        }
        let state = Arc::new(state);
        self.writes.state(Arc::clone(&state));
        Some(state)
    }

    /// The field at fault, and what is wrong with it.
    fn check_state(&mut self, state: &AgentState) -> Result<(), (String, String)> {
        if let Some(model) = &state.model
            && !self.may_play(model)
        {
            let allowed = self.services.generator.models();
            let problem = format!(
                "model \"{model:.100}\" is not among those that this server allows ({allowed}): \
                 name one of them, or none for the server's own"
            );
            return Err(("state.model".to_owned(), problem));
        }
        let learnt = self.learn_vocabulary(state);
        learnt
            .map(drop)
            .map_err(|error| (format!("state.tags[{}].name", error.index), error.message))
    }

    /// Whether a game may name this model.
    pub(super) fn may_play(&self, model: &str) -> bool {
        let Services { generator, default_model, .. } = &*self.services;
        generator.allows(model, default_model)
    }

    /// Compiles the state's vocabulary, unless it is the one that the agent had before.
    pub(super) fn learn_vocabulary(
        &mut self,
        state: &AgentState,
    ) -> Result<Arc<Vocabulary>, VocabularyError> {
        if state.tags.is_empty() {
            return Ok(standard_vocabulary());
        }
        if let Some((tags, vocabulary)) = &self.vocabulary
            && *tags == state.tags
        {
            return Ok(Arc::clone(vocabulary));
        }
        let vocabulary = Arc::new(vocabulary_from_wire(&state.tags)?);
        self.vocabulary = Some((state.tags.clone(), Arc::clone(&vocabulary)));
        Ok(vocabulary)
    }
}
