//! An agent's turns, from the rules' word that one begins to what is kept of it.

use std::sync::Arc;

use dramatis_protocol::{AgentTurnStarted, Id, InterruptReason, Origin, Timings};
use futures::FutureExt;

use super::super::active_stream::{ActiveStreamController, StreamPlan};
use super::super::ledger::Ledger;
use super::super::outbox::OutboxHandle;
use super::super::state::{Ending, Input, Start};
use super::super::vocabulary::standard_vocabulary;
use super::running::{Running, next_step};
use super::{Agent, Connected, metrics};
use crate::clock::Millis;
use crate::generation::{Form, Generation, GenerationPlan, Step};
use crate::llm::{ErrorKind, LlmError};
use crate::record::{Delta, Observation, PastTurn, TurnEnd};
use crate::tags::{StrayText, Vocabulary};

/// How many deltas that have already arrived are taken in one go.
const STEPS_AT_ONCE: usize = 64;

impl Agent {
    /// Plans the prompt and tells the game that the turn begins. The model is asked when lore and
    /// memories have been looked up.
    pub(super) fn begin_turn(&mut self, start: Start) {
        // Only a game's message begins a turn, so there is a connection.
        let Some(Connected { outbox, .. }) = self.connection.clone() else { return };
        let now = self.now();
        let vocabulary = self.learn_vocabulary(&start.state).unwrap_or_else(|error| {
            // Checked when the state came in; what an older server stored may still surprise.
            tracing::warn!(agent = %self.agent_id, %error, "the stored vocabulary can't be used");
            standard_vocabulary()
        });
        let model = self.model_for(&start);
        self.remember_unconfirmed();
        let input = self.memory.take_input(&start.events);
        let generation = self.prepare_request(&start, &vocabulary, &model, &input);
        let turn = PastTurn {
            turn_id: start.turn_id.clone(),
            origin: self.origin_of(&start, &model),
            event_ids: start.events.iter().map(|event| event.id.clone()).collect(),
            input,
            tags: Vec::new(),
            end: None,
            result: None,
        };
        outbox.with(|outbox| outbox.start(self.announcement(&start, &turn, &model)));
        let plan = self.stream_plan(&start, &model, vocabulary, &generation);
        let mut stream = ActiveStreamController::new(plan, outbox);
        stream.count("stale_state", u64::from(start.stale));
        stream.count("unknown_asset", generation.unknown_assets() as u64);
        self.log_turn_started(&turn, &model);
        self.running = Some(Box::new(Running {
            agent_id: self.agent_id.clone(),
            origin: turn.origin,
            timings: timings_so_far(now, &start),
            started_at: self.services.clock.wall(),
            start,
            model,
            generation,
            stream,
        }));
        self.memory.push(turn.clone(), !self.writes.are_behind());
        self.writes.turn_started(turn);
    }

    /// The state's model, or the server's own.
    fn model_for(&self, start: &Start) -> String {
        // Checked when the state came in; one from the store may be older than the settings.
        let named = start.state.model.as_ref().filter(|model| self.may_play(model));
        named.unwrap_or(&self.services.default_model).clone()
    }

    fn prepare_request(
        &mut self,
        start: &Start,
        vocabulary: &Arc<Vocabulary>,
        model: &str,
        input: &[Observation],
    ) -> Generation {
        self.services.generator.start(GenerationPlan {
            form: Form::Game,
            session_id: &self.session_id,
            agent_id: &self.agent_id,
            state: &start.state,
            vocabulary,
            forgotten: self.memory.forgotten(),
            history: self.memory.turns(),
            input,
            unsettled: &self.writes.unsettled(),
            follow_up: start.follow_up,
            model,
            priority: start.priority,
        })
    }

    fn origin_of(&self, start: &Start, model: &str) -> Origin {
        if start.follow_up {
            Origin::ToolFollowUp
        } else if self.services.generator.is_scripted(model) {
            Origin::Scripted
        } else {
            Origin::Llm
        }
    }

    fn announcement(&self, start: &Start, turn: &PastTurn, model: &str) -> AgentTurnStarted {
        AgentTurnStarted {
            agent_id: self.agent_id.clone(),
            turn_id: turn.turn_id.clone(),
            seq: 0,
            event_id: start.event_id.clone(),
            event_ids: turn.event_ids.clone(),
            model: model.to_owned(),
            origin: turn.origin,
        }
    }

    fn stream_plan(
        &self,
        start: &Start,
        model: &str,
        vocabulary: Arc<Vocabulary>,
        generation: &Generation,
    ) -> StreamPlan {
        let stray_text = start.state.stray_text.as_deref();
        StreamPlan {
            agent_id: self.agent_id.clone(),
            turn_id: start.turn_id.clone(),
            vocabulary,
            tools: generation.tools().to_vec(),
            stray_text: stray_text.map_or_else(StrayText::default, StrayText::from),
            starts_in_reasoning: self.services.reasoning.starts_in_reasoning(model),
        }
    }

    /// Takes a step of the generation, and those that have already arrived behind it.
    pub(super) fn advance(&mut self, step: Step) {
        self.take_step(step);
        for _ in 1..STEPS_AT_ONCE {
            match next_step(self.running.as_deref_mut()).now_or_never() {
                Some(step) => self.take_step(step),
                None => return,
            }
        }
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::Asked => self.note_asked(),
            Step::Delta(delta) => self.take_delta(delta),
            Step::Finished { reason } => self.finish_turn(reason),
            Step::Failed(error) => self.fail_turn(&error),
        }
    }

    fn note_asked(&mut self) {
        if let Some(running) = &mut self.running {
            running.note_asked();
        }
        self.log_model_input();
    }

    fn take_delta(&mut self, delta: Delta) {
        let now = self.now();
        let holding = self.running.as_mut().and_then(|running| running.take(now, delta));
        if let Some(holding) = holding {
            self.tell(Input::Hold(holding));
        }
    }

    fn finish_turn(&mut self, reason: String) {
        let now = self.now();
        let Some(mut running) = self.running.take() else { return };
        let ending = running.finish(now, &reason);
        self.keep_turn(*running, TurnEnd::Finished { reason }, None);
        self.tell(Input::Ended(ending));
    }

    fn fail_turn(&mut self, error: &LlmError) {
        let now = self.now();
        let Some(mut running) = self.running.take() else { return };
        let reason = match error.kind {
            ErrorKind::Timeout => InterruptReason::Timeout,
            _ => InterruptReason::ProviderError,
        };
        let message = running.describe(error);
        tracing::warn!(agent = %self.agent_id, turn = %running.turn_id(), code = %message.code,
            cause = %error.cause, "a turn failed");
        self.log_error(&message);
        running.fail(now, reason, message);
        self.keep_turn(*running, TurnEnd::Interrupted { reason }, Some(error.cause.clone()));
        self.tell(Input::Ended(Ending::default()));
    }

    /// Drops the running generation, tells the game, and keeps what there was.
    pub(super) fn cut_turn(&mut self, turn_id: &Id, reason: InterruptReason, by: Option<Id>) {
        if let Some(running) = self.interrupt_turn(turn_id, reason, by) {
            self.keep_turn(*running, TurnEnd::Interrupted { reason }, None);
        }
    }

    /// Drops the running generation and tells the game; the rest is to be kept.
    pub(super) fn interrupt_turn(
        &mut self,
        turn_id: &Id,
        reason: InterruptReason,
        by: Option<Id>,
    ) -> Option<Box<Running>> {
        let now = self.now();
        let mut running = self.running.take_if(|running| running.turn_id() == turn_id)?;
        running.interrupt(now, reason, by);
        Some(running)
    }

    /// The turn is over: remembered, written, logged.
    pub(super) fn keep_turn(&mut self, running: Running, end: TurnEnd, fault: Option<String>) {
        let speaker = running.generation.speaker();
        self.services.reasoning.note(speaker, running.stream.reasoning_seen());
        let record = running.into_record(self.session_id.clone(), end, fault);
        let mut is_confirmed = false;
        if let Some(turn) = self.memory.turn_mut(&record.turn_id) {
            turn.tags.clone_from(&record.tags);
            turn.end = Some(record.end.clone());
            is_confirmed = turn.result.is_some();
        }
        let (tags, end) = (record.tags.clone(), record.end.clone());
        self.writes.turn_ended(record.turn_id.clone(), tags, end);
        if is_confirmed {
            self.remember(&record.turn_id);
        }
        self.last_activity = self.now();
        metrics::count_turn(&record);
        self.log_record(record);
    }

    /// A connection broke: what had not been taken from its queue was never said.
    pub(super) fn settle_turns(&mut self, outbox: &OutboxHandle) {
        let mut cut = Vec::new();
        for turn in self.memory.turns_mut().filter(|turn| turn.result.is_none()) {
            let delivered = outbox.with(|outbox| outbox.settle(&turn.turn_id));
            let Some(delivered) = delivered else { continue };
            let mut ledger = Ledger::from_tags(std::mem::take(&mut turn.tags));
            ledger.cut(&delivered);
            turn.tags = ledger.into_tags();
            let end = TurnEnd::Interrupted { reason: InterruptReason::Disconnected };
            turn.end = Some(end.clone());
            self.writes.turn_ended(turn.turn_id.clone(), turn.tags.clone(), end);
            cut.push(turn.turn_id.clone());
        }
        // What was written down of them may have been too much.
        cut.iter().for_each(|turn_id| self.remember(turn_id));
    }
}

/// Where the time went before the prompt was planned.
fn timings_so_far(now: Millis, start: &Start) -> Timings {
    Timings {
        queue: Some(start.prepared.saturating_sub(start.arrived)),
        state_wait: start.asked.then(|| now.saturating_sub(start.prepared)),
        ..Timings::default()
    }
}
