//! A turn under way: the request to the model, what is shown of the reply, and where the time goes.

use chrono::{DateTime, Utc};
use dramatis_protocol::{
    AgentTurnFinished, AgentTurnInterrupted, ContextTotals, ErrorCode, ErrorMessage, Id,
    InterruptReason, Origin, Timings, Usage, Warnings,
};

use super::super::active_stream::ActiveStreamController;
use super::super::outbox::Keep;
use super::super::state::{Ending, Start};
use crate::clock::Millis;
use crate::generation::{Generation, Step};
use crate::llm::{ErrorKind, LlmError};
use crate::record::{ContextReport, Delta, LedgerTag, RECORD_VERSION, TurnEnd, TurnRecord};

/// A turn under way. Dropping it ends the request to the model.
pub(super) struct Running {
    pub agent_id: Id,
    pub start: Start,
    pub origin: Origin,
    pub model: String,
    pub generation: Generation,
    pub stream: ActiveStreamController,
    pub started_at: DateTime<Utc>,
    pub timings: Timings,
}

/// The next step of the running generation; never, if none runs. Safe to be dropped.
pub(super) async fn next_step(running: Option<&mut Running>) -> Step {
    match running {
        Some(running) => running.generation.next().await,
        None => std::future::pending().await,
    }
}

impl Running {
    pub const fn turn_id(&self) -> &Id {
        &self.start.turn_id
    }

    pub fn tags(&self) -> &[LedgerTag] {
        self.stream.ledger().tags()
    }

    /// The model is asked: where the time went until then is known.
    pub fn note_asked(&mut self) {
        self.timings.retrieval = self.generation.retrieval_ms();
        self.timings.prompt_build = Some(self.generation.prompt_build_ms());
    }

    /// Shows a delta. Tells whether a tag is open that must not be cut, where that has changed.
    pub fn take(&mut self, now: Millis, delta: Delta) -> Option<bool> {
        let held = self.stream.is_holding();
        self.stream.take(&delta);
        if matches!(delta, Delta::Text(_) | Delta::Reasoning(_) | Delta::ToolCall(_)) {
            let since = now.saturating_sub(self.start.arrived);
            self.timings.first_token.get_or_insert(since);
        }
        self.note_shown(now);
        self.generation.keep(delta);
        let holds = self.stream.is_holding();
        (holds != held).then_some(holds)
    }

    /// The reply is whole: the game is told that the turn has come to its end.
    pub fn finish(&mut self, now: Millis, reason: &str) -> Ending {
        self.stream.end_of_reply(reason == "length");
        self.note_shown(now);
        self.note_end(now);
        let answered_by = self.generation.answered_by();
        self.stream.finish(AgentTurnFinished {
            agent_id: self.agent_id.clone(),
            turn_id: self.start.turn_id.clone(),
            seq: 0,
            finish_reason: reason.to_owned(),
            model: answered_by.filter(|model| **model != self.model).cloned(),
            usage: self.usage(),
            context: self.generation.context().map(|context| totals(context)),
            timings: self.timings.clone(),
            warnings: Warnings::new(),
        });
        let ledger = self.stream.ledger();
        Ending {
            finished: true,
            any_tag: self.stream.has_tag(),
            speech_chars: ledger.speech_chars(),
            calls: ledger.completed_calls(),
        }
    }

    /// The reply failed: the game is told what went wrong and that the turn is over.
    pub fn fail(&mut self, now: Millis, reason: InterruptReason, message: ErrorMessage) {
        self.note_end(now);
        let end = self.interrupted(reason, None);
        self.stream.fail(message, end);
    }

    /// The turn is cut: the request to the model ends, what was not handed over yet is taken back.
    pub fn interrupt(&mut self, now: Millis, reason: InterruptReason, by: Option<Id>) {
        self.generation.stop();
        self.note_end(now);
        let end = self.interrupted(reason, by);
        let keep = match reason {
            InterruptReason::NewerEvent => Keep::Uninterruptible,
            _ => Keep::Nothing,
        };
        self.stream.interrupt(end, keep);
    }

    /// What the game is told of a failure of the model.
    pub fn describe(&self, error: &LlmError) -> ErrorMessage {
        let code = match error.kind {
            ErrorKind::Auth => ErrorCode::ProviderAuth,
            ErrorKind::Refused => ErrorCode::ProviderRefused,
            ErrorKind::RateLimited => ErrorCode::ProviderRateLimited,
            ErrorKind::Overloaded => ErrorCode::Overloaded,
            ErrorKind::Timeout | ErrorKind::Provider => ErrorCode::ProviderError,
        };
        let millis = |after: std::time::Duration| u64::try_from(after.as_millis());
        ErrorMessage {
            agent_id: Some(self.agent_id.clone()),
            turn_id: Some(self.start.turn_id.clone()),
            in_reply_to: Some(self.start.event_id.clone()),
            retry_after_ms: error.retry_after.map(|after| millis(after).unwrap_or(u64::MAX)),
            ..ErrorMessage::new(code, error.message.clone())
        }
    }

    /// Everything about the turn. Ends the request to the model if it still runs.
    pub fn into_record(self, session_id: Id, end: TurnEnd, fault: Option<String>) -> TurnRecord {
        let usage = self.generation.usage().cloned();
        let answered_by = self.generation.answered_by().cloned();
        let sent = self.generation.into_sent();
        TurnRecord {
            version: RECORD_VERSION,
            session_id,
            agent_id: self.agent_id,
            turn_id: self.start.turn_id,
            event_ids: self.start.events.iter().map(|event| event.id.clone()).collect(),
            origin: self.origin,
            model: self.model,
            answered_by,
            started_at: self.started_at,
            state: self.start.state,
            messages: sent.messages,
            context: sent.context,
            tools: sent.tools,
            deltas: sent.deltas,
            warnings: self.stream.warnings().clone(),
            starts_in_reasoning: self.stream.starts_in_reasoning(),
            is_chat: false,
            tags: self.stream.into_tags(),
            end,
            fault,
            timings: self.timings,
            usage,
        }
    }

    fn interrupted(&self, reason: InterruptReason, by: Option<Id>) -> AgentTurnInterrupted {
        AgentTurnInterrupted {
            agent_id: self.agent_id.clone(),
            turn_id: self.start.turn_id.clone(),
            seq: 0,
            reason,
            by_event_id: by,
            usage: self.usage(),
            timings: self.timings.clone(),
            warnings: Warnings::new(),
        }
    }

    fn note_shown(&mut self, now: Millis) {
        let since = now.saturating_sub(self.start.arrived);
        if self.stream.has_tag() {
            self.timings.first_tag.get_or_insert(since);
        }
        if self.stream.has_speech() {
            self.timings.first_speech.get_or_insert(since);
        }
    }

    fn note_end(&mut self, now: Millis) {
        self.timings.total = Some(now.saturating_sub(self.start.arrived));
    }

    fn usage(&self) -> Option<Usage> {
        self.generation.usage().cloned().map(Usage::from)
    }
}

/// What the game is told of the prompt.
fn totals(context: &ContextReport) -> ContextTotals {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    ContextTotals {
        tokens: count(context.tokens),
        budget: count(context.budget),
        turns: count(context.turns_shown),
        entries: count(context.lorebook.entries.len()),
        lore: count(context.retrieved.lore.len()),
        memories: count(context.retrieved.memories.len()),
        left_out: count(context.without_room()),
    }
}
