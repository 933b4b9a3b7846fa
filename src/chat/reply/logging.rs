//! What a reply puts on record for people and replay: what a turn of a game does, so that logs of chats
//! are read in the same way.

use std::sync::Arc;

use dramatis_protocol::{InterruptReason, Origin, Warnings};

use super::Turn;
use crate::chat::Services;
use crate::chat::conversation;
use crate::chat::end::{End, Outcome};
use crate::llm::LlmError;
use crate::record::{RECORD_VERSION, TurnEnd, TurnRecord};
use crate::turn_log::{LogEntry, Logged};

impl Turn<'_> {
    pub(super) fn log_begin(&self) {
        self.log(Logged::Event(conversation::occurrence(&self.asked.said)));
        self.log(Logged::TurnStarted {
            turn_id: self.reply_id.clone(),
            event_ids: vec![self.asked.said.id.clone()],
            origin: self.origin(),
            model: self.asked.stage.model.clone(),
        });
    }

    pub(super) fn put_on_record(self, end: &End, text: &str) {
        let Services { reasoning, log, clock, .. } = self.services;
        reasoning.note(self.generation.speaker(), self.filter.seen());
        let answered_by = self.generation.answered_by().cloned();
        let is_whole = matches!(end.outcome, Outcome::Finished { .. });
        let (origin, sent) = (self.origin(), self.generation.into_sent());
        let record = TurnRecord {
            version: RECORD_VERSION,
            session_id: self.session.id.clone(),
            agent_id: self.character.id.clone(),
            turn_id: self.reply_id,
            event_ids: vec![self.asked.said.id],
            origin,
            model: self.asked.stage.model,
            answered_by,
            started_at: self.started_at,
            state: self.state,
            messages: sent.messages,
            context: sent.context,
            tools: sent.tools,
            deltas: sent.deltas,
            tags: conversation::spoken(text, is_whole),
            end: turn_end(&end.outcome),
            fault: end.unstored.clone(),
            warnings: Warnings::new(),
            timings: self.timings,
            usage: end.usage.clone(),
            starts_in_reasoning: self.starts_in_reasoning,
            is_chat: true,
        };
        let what = Logged::TurnRecord(Box::new(record));
        log.note(LogEntry::new(clock.wall(), self.session.id, self.character.id.clone(), what));
    }

    fn origin(&self) -> Origin {
        match self.services.generator.is_scripted(&self.asked.stage.model) {
            true => Origin::Scripted,
            false => Origin::Llm,
        }
    }

    fn log(&self, what: Logged) {
        let (session, agent) = (self.session.id.clone(), self.character.id.clone());
        self.services.log.note(LogEntry::new(self.services.clock.wall(), session, agent, what));
    }

    pub(super) fn log_model_input(&self) {
        self.log(Logged::ModelInput {
            turn_id: self.reply_id.clone(),
            model: self.asked.stage.model.clone(),
            messages: Arc::clone(self.generation.messages()),
            tools: Vec::new(),
        });
    }

    pub(super) fn log_fault(&self, error: &LlmError) {
        self.log(Logged::Fault {
            turn_id: Some(self.reply_id.clone()),
            message: format!("{}: {}", error.message, error.cause),
        });
    }
}

fn turn_end(outcome: &Outcome) -> TurnEnd {
    let reason = match outcome {
        Outcome::Finished { reason } => return TurnEnd::Finished { reason: reason.clone() },
        Outcome::Cancelled(reason) => reason.as_interruption(),
        Outcome::Failed { .. } | Outcome::Refused(_) | Outcome::NotStored(_) => {
            InterruptReason::ProviderError
        }
    };
    TurnEnd::Interrupted { reason }
}
