//! What an agent puts on record for people and replay.

use std::sync::Arc;

use dramatis_protocol::{CancelTurn, DropReason, ErrorMessage, Id};

use super::Agent;
use crate::record::{Occurrence, PastTurn, ToolAnswer, TurnRecord, TurnResult};
use crate::turn_log::{LogEntry, Logged};

impl Agent {
    pub(super) fn log_event(&self, event: &Occurrence) {
        self.log(Logged::Event(event.clone()));
    }

    pub(super) fn log_notification(&self, notification: &Occurrence) {
        self.log(Logged::Notification(notification.clone()));
    }

    pub(super) fn log_dropped(&self, event_id: &Id, reason: DropReason) {
        self.log(Logged::EventDropped { event_id: event_id.clone(), reason });
    }

    pub(super) fn log_turn_started(&self, turn: &PastTurn, model: &str) {
        self.log(Logged::TurnStarted {
            turn_id: turn.turn_id.clone(),
            event_ids: turn.event_ids.clone(),
            origin: turn.origin,
            model: model.to_owned(),
        });
    }

    /// What the running turn's model is sent.
    pub(super) fn log_model_input(&self) {
        let Some(running) = &self.running else { return };
        self.log(Logged::ModelInput {
            turn_id: running.turn_id().clone(),
            model: running.model.clone(),
            messages: Arc::clone(running.generation.messages()),
            tools: running.generation.tools().to_vec(),
        });
    }

    pub(super) fn log_record(&self, record: TurnRecord) {
        self.log(Logged::TurnRecord(Box::new(record)));
    }

    pub(super) fn log_result(&self, turn_id: &Id, result: &TurnResult) {
        self.log(Logged::Result { turn_id: turn_id.clone(), result: result.clone() });
    }

    pub(super) fn log_tool_answers(&self, turn_id: &Id, answers: &[ToolAnswer]) {
        self.log(Logged::ToolAnswers { turn_id: turn_id.clone(), answers: answers.to_vec() });
    }

    pub(super) fn log_cancel(&self, cancel: &CancelTurn) {
        tracing::debug!(agent = %self.agent_id, turn = ?cancel.turn_id, reason = ?cancel.reason,
            "the game cancels");
    }

    pub(super) fn log_error(&self, error: &ErrorMessage) {
        self.log(Logged::Fault {
            turn_id: error.turn_id.clone(),
            message: format!("{}: {}", error.code, error.message),
        });
    }

    fn log(&self, what: Logged) {
        let Self { services, session_id, agent_id, .. } = self;
        let time = services.clock.wall();
        services.log.note(LogEntry::new(time, session_id.clone(), agent_id.clone(), what));
    }
}
