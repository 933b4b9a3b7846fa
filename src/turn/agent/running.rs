//! The turn that an agent runs: from the rules' word that it begins to its last frame.

use std::sync::Arc;

use dramatis_protocol::{
    AgentTurnFinished, AgentTurnInterrupted, AgentTurnStarted, ErrorCode, ErrorMessage, Id,
    InterruptReason, Origin, Timings, Usage,
};
use futures::FutureExt;

use super::super::active_stream::{ActiveStreamController, StreamPlan};
use super::super::clock::Millis;
use super::super::ledger::Ledger;
use super::super::outbox::Keep;
use super::super::state::{Ending, Input, Start};
use super::{Agent, Connected};
use crate::generation::{Generation, GenerationPlan, Step};
use crate::llm::{ErrorKind, LlmError};
use crate::record::{Delta, LedgerTag, PastTurn, TurnEnd, TurnRecord};
use crate::tags::{StrayText, Vocabulary};

/// How many deltas that have already arrived are taken in one go.
const STEPS_AT_ONCE: usize = 64;

/// A turn under way. Dropping it ends the request to the model.
pub(super) struct Running {
    start: Start,
    origin: Origin,
    model: String,
    generation: Generation,
    stream: ActiveStreamController,
    started_at: Millis,
    held: bool,
    timings: Timings,
}

impl Running {
    pub(super) const fn turn_id(&self) -> &Id {
        &self.start.turn_id
    }

    pub(super) fn tags(&self) -> &[LedgerTag] {
        self.stream.ledger().tags()
    }
}

/// The next step of the running generation; never, if none runs. Safe to be dropped.
pub(super) async fn next_step(running: Option<&mut Running>) -> Step {
    match running {
        Some(running) => running.generation.next().await,
        None => std::future::pending().await,
    }
}

impl Agent {
    /// Builds the prompt, asks the model and tells the game that the turn begins.
    pub(super) fn begin_turn(&mut self, start: Start) {
        let Some(connected) = self.connection.clone() else { return };
        let vocabulary = self.learn_vocabulary(&start.state).unwrap_or_else(|error| {
            // Checked when the state came in; what an older server stored may still surprise.
            tracing::warn!(agent = %self.agent_id, %error, "the stored vocabulary can't be used");
            Arc::new(Vocabulary::standard())
        });
        let model =
            start.state.model.clone().unwrap_or_else(|| self.services.default_model.clone());
        let input = self.memory.take_input(&start.events);
        let generation = self.services.generator.start(GenerationPlan {
            agent_id: &self.agent_id,
            state: &start.state,
            vocabulary: &vocabulary,
            forgotten: self.memory.forgotten(),
            history: self.memory.turns(),
            input: &input,
            follow_up: start.follow_up,
            model: &model,
        });
        let origin = if start.follow_up {
            Origin::ToolFollowUp
        } else if self.services.generator.is_scripted(&model) {
            Origin::Scripted
        } else {
            Origin::Llm
        };
        let turn = PastTurn {
            turn_id: start.turn_id.clone(),
            origin,
            event_ids: start.events.iter().map(|event| event.id.clone()).collect(),
            input,
            tags: Vec::new(),
            end: None,
            result: None,
        };
        let mut stream = ActiveStreamController::new(
            StreamPlan {
                agent_id: self.agent_id.clone(),
                turn_id: start.turn_id.clone(),
                vocabulary,
                tools: generation.tools().to_vec(),
                stray_text: start
                    .state
                    .stray_text
                    .as_deref()
                    .map_or_else(Default::default, StrayText::from),
                starts_in_reasoning: false,
            },
            connected.outbox.clone(),
        );
        stream.count("stale_state", u64::from(start.stale));
        let started = AgentTurnStarted {
            agent_id: self.agent_id.clone(),
            turn_id: start.turn_id.clone(),
            seq: 0,
            event_id: start.event_id.clone(),
            event_ids: turn.event_ids.clone(),
            model: model.clone(),
            origin,
        };
        self.log_turn_started(&turn, &model, &generation);
        self.memory.push(turn.clone());
        self.writes.turn_started(turn);
        connected.outbox.with(|outbox| outbox.start(started));
        let started_at = self.now();
        let timings = Timings {
            queue: Some(start.prepared.saturating_sub(start.arrived)),
            state_wait: Some(started_at.saturating_sub(start.prepared)),
            prompt_build: Some(generation.prompt_build_ms()),
            ..Timings::default()
        };
        self.running = Some(Running {
            start,
            origin,
            model,
            generation,
            stream,
            started_at,
            held: false,
            timings,
        });
    }

    /// Takes a step of the generation, and those that have already arrived behind it.
    pub(super) fn advance(&mut self, step: Step) {
        self.take_step(step);
        for _ in 1..STEPS_AT_ONCE {
            match next_step(self.running.as_mut()).now_or_never() {
                Some(step) => self.take_step(step),
                None => return,
            }
        }
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::Delta(delta) => self.take_delta(delta),
            Step::Finished { reason } => self.finish_turn(reason),
            Step::Failed(error) => self.fail_turn(&error),
        }
    }

    fn take_delta(&mut self, delta: Delta) {
        let now = self.now();
        let Some(running) = &mut self.running else { return };
        running.stream.take(&delta);
        running.note_times(now, &delta);
        running.generation.keep(delta);
        let holding = running.stream.is_holding();
        if running.held != holding {
            running.held = holding;
            self.tell(Input::Hold(holding));
        }
    }

    fn finish_turn(&mut self, reason: String) {
        let now = self.now();
        let Some(mut running) = self.running.take() else { return };
        running.stream.end_of_reply(reason == "length");
        running.note_shown(now);
        let ledger = running.stream.ledger();
        let ending = Ending {
            finished: true,
            any_tag: running.stream.has_tag(),
            speech_chars: ledger.speech_chars(),
            calls: ledger.completed_calls(),
        };
        let timings = running.end_timings(now);
        running.stream.finish(AgentTurnFinished {
            agent_id: self.agent_id.clone(),
            turn_id: running.start.turn_id.clone(),
            seq: 0,
            finish_reason: reason.clone(),
            model: running
                .generation
                .answered_by()
                .filter(|model| **model != running.model)
                .cloned(),
            usage: running.usage(),
            timings: timings.clone(),
            warnings: Default::default(),
        });
        self.end_turn(running, TurnEnd::Finished { reason }, timings, None);
        self.tell(Input::Ended(ending));
    }

    fn fail_turn(&mut self, error: &LlmError) {
        let now = self.now();
        let Some(mut running) = self.running.take() else { return };
        let reason = if error.kind == ErrorKind::Timeout {
            InterruptReason::Timeout
        } else {
            InterruptReason::ProviderError
        };
        let timings = running.end_timings(now);
        let message = self.error_of(error, &running);
        self.log_error(&message);
        let end = self.interrupted(&running, reason, None, timings.clone());
        running.stream.fail(message, end);
        let end = TurnEnd::Interrupted { reason };
        self.end_turn(running, end, timings, Some(error.cause.clone()));
        self.tell(Input::Ended(Ending::default()));
    }

    fn error_of(&self, error: &LlmError, running: &Running) -> ErrorMessage {
        let code = match error.kind {
            ErrorKind::Auth => ErrorCode::ProviderAuth,
            ErrorKind::Refused => ErrorCode::ProviderRefused,
            ErrorKind::RateLimited => ErrorCode::ProviderRateLimited,
            ErrorKind::Timeout | ErrorKind::Provider => ErrorCode::ProviderError,
        };
        let mut message = ErrorMessage::new(code, error.message.clone());
        message.agent_id = Some(self.agent_id.clone());
        message.turn_id = Some(running.start.turn_id.clone());
        message.in_reply_to = Some(running.start.event_id.clone());
        message.retry_after_ms =
            error.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        message
    }

    /// Drops the running generation; what was not handed over yet is taken back.
    pub(super) fn cut_turn(
        &mut self,
        turn_id: &Id,
        reason: InterruptReason,
        by_event_id: Option<Id>,
    ) {
        let now = self.now();
        let Some(mut running) = self.running.take_if(|running| running.turn_id() == turn_id) else {
            return;
        };
        let timings = running.end_timings(now);
        let end = self.interrupted(&running, reason, by_event_id, timings.clone());
        let keep = if reason == InterruptReason::NewerEvent {
            Keep::Uninterruptible
        } else {
            Keep::Nothing
        };
        running.stream.interrupt(end, keep);
        self.end_turn(running, TurnEnd::Interrupted { reason }, timings, None);
    }

    fn interrupted(
        &self,
        running: &Running,
        reason: InterruptReason,
        by_event_id: Option<Id>,
        timings: Timings,
    ) -> AgentTurnInterrupted {
        AgentTurnInterrupted {
            agent_id: self.agent_id.clone(),
            turn_id: running.start.turn_id.clone(),
            seq: 0,
            reason,
            by_event_id,
            usage: running.usage(),
            timings,
            warnings: Default::default(),
        }
    }

    /// The turn is over: remembered, written, logged.
    fn end_turn(
        &mut self,
        running: Running,
        end: TurnEnd,
        timings: Timings,
        fault: Option<String>,
    ) {
        let record = self.record_of(running, end, timings, fault);
        if let Some(turn) = self.memory.turn_mut(&record.turn_id) {
            turn.tags.clone_from(&record.tags);
            turn.end = Some(record.end.clone());
        }
        self.writes.turn_ended(record.turn_id.clone(), record.tags.clone(), record.end.clone());
        self.last_activity = self.now();
        self.log_record(record);
    }

    fn record_of(
        &self,
        running: Running,
        end: TurnEnd,
        timings: Timings,
        fault: Option<String>,
    ) -> TurnRecord {
        let usage = running.generation.usage().cloned();
        let warnings = running.stream.warnings().clone();
        let past = self.services.clock.wall()
            - chrono::TimeDelta::milliseconds(
                i64::try_from(self.now().saturating_sub(running.started_at)).unwrap_or_default(),
            );
        let answered_by = running.generation.answered_by().cloned();
        let sent = running.generation.into_sent();
        TurnRecord {
            version: crate::record::RECORD_VERSION,
            session_id: self.session_id.clone(),
            agent_id: self.agent_id.clone(),
            turn_id: running.start.turn_id,
            event_ids: running.start.events.iter().map(|event| event.id.clone()).collect(),
            origin: running.origin,
            model: running.model,
            answered_by,
            started_at: past,
            state: running.start.state,
            messages: sent.messages,
            tools: sent.tools,
            deltas: sent.deltas,
            tags: running.stream.into_tags(),
            end,
            fault,
            warnings,
            timings,
            usage,
            starts_in_reasoning: false,
        }
    }

    /// The connection broke: what of the last turns had not reached the game was never said.
    pub(super) fn settle_turns(&mut self) {
        let Some(Connected { outbox, .. }) = &self.connection else { return };
        for turn in self.memory.turns_mut().rev() {
            // Frames are taken in order: before a turn that was sent whole, all were.
            let Some(delivered) = outbox.with(|outbox| outbox.settle(&turn.turn_id)) else { break };
            let mut ledger = Ledger::from_tags(std::mem::take(&mut turn.tags));
            ledger.cut(&delivered);
            turn.tags = ledger.into_tags();
            let end = TurnEnd::Interrupted { reason: InterruptReason::Disconnected };
            turn.end = Some(end.clone());
            self.writes.turn_ended(turn.turn_id.clone(), turn.tags.clone(), end);
        }
    }
}

impl Running {
    fn note_times(&mut self, now: Millis, delta: &Delta) {
        if matches!(delta, Delta::Text(_) | Delta::Reasoning(_) | Delta::ToolCall(_)) {
            let since = now.saturating_sub(self.start.arrived);
            self.timings.first_token.get_or_insert(since);
        }
        self.note_shown(now);
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

    fn end_timings(&mut self, now: Millis) -> Timings {
        self.timings.total = Some(now.saturating_sub(self.start.arrived));
        self.timings.clone()
    }

    fn usage(&self) -> Option<Usage> {
        self.generation.usage().map(|usage| Usage {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_input_tokens: usage.cached_input_tokens,
            cost: usage.cost,
        })
    }
}
