//! The rules themselves: one function for each input.

use std::sync::Arc;

use dramatis_protocol::{AgentState, DropReason, Id, Interrupt, InterruptReason};

use super::event::{push_bounded, sort_waiting};
use super::phase::{Asking, Cut, FollowUp, Phase, Running};
use super::{Calls, Effect, Ending, Event, Start, State};
use crate::clock::Millis;

impl State {
    /// What time alone has brought about.
    pub(super) fn pass_time(&mut self, now: Millis) {
        match &self.phase {
            Phase::Asking(asking)
                if now >= asking.since.saturating_add(self.rules.state_timeout) =>
            {
                self.state_overdue();
            }
            Phase::Running(running)
                if running.cut.as_ref().is_some_and(|cut| now >= cut.deadline) =>
            {
                self.carry_out_cut(now);
            }
            Phase::Presenting { until, .. } if now >= *until => self.become_free(now),
            _ => {}
        }
    }

    pub(super) fn on_event(&mut self, now: Millis, event: Event) {
        if let Some(state) = &event.state {
            self.last_state = Some(Arc::clone(state));
        }
        if self.knows(&event.id) {
            self.drop_event(event.id, DropReason::Duplicate);
            return;
        }
        match &mut self.phase {
            Phase::Idle => self.prepare_with(now, event),
            Phase::Asking(_) => self.join_preparation(event),
            Phase::Running(running) => {
                let yields = running.priority <= event.priority;
                match event.interrupt {
                    Interrupt::Now if running.cut.is_some() => self.join_cut(event),
                    Interrupt::Now if yields => self.interrupt_for(now, event),
                    Interrupt::Now | Interrupt::Queue => self.wait(event),
                    Interrupt::Drop => self.drop_event(event.id, DropReason::Drop),
                }
            }
            Phase::Presenting { .. } => match event.interrupt {
                Interrupt::Now => self.prepare_with(now, event),
                Interrupt::Queue => self.wait(event),
                Interrupt::Drop => self.drop_event(event.id, DropReason::Drop),
            },
        }
    }

    pub(super) fn on_snapshot(&mut self, request_id: Option<Id>, state: Arc<AgentState>) {
        self.last_state = Some(Arc::clone(&state));
        let answers = match &self.phase {
            Phase::Asking(asking) => request_id.is_none_or(|id| id == asking.request_id),
            _ => false,
        };
        if answers {
            self.start_prepared(state, false);
        }
    }

    pub(super) fn on_result(&mut self, now: Millis, turn: &Id) {
        match &mut self.phase {
            Phase::Running(running) if running.turn_id == *turn => running.confirmed = true,
            Phase::Presenting { turn_id, .. } if turn_id == turn => self.become_free(now),
            _ => {}
        }
    }

    pub(super) fn on_tool_answers(
        &mut self,
        now: Millis,
        turn: &Id,
        tag_ids: &[u32],
        follow_up: bool,
    ) {
        if self.calls.turn.as_ref().is_none_or(|newest| newest.turn_id != *turn) {
            return;
        }
        self.calls.answered.extend(tag_ids);
        self.calls.refused |= !follow_up;
        self.follow_up_if_due(now);
    }

    pub(super) fn on_cancel(&mut self, now: Millis, turn: Option<&Id>) {
        let Some(turn) = turn else {
            self.stop_everything(InterruptReason::Cancelled, DropReason::Cancelled);
            return;
        };
        if self.open_turn() == Some(turn) {
            let batch = self.cut(InterruptReason::Cancelled, None);
            self.phase = Phase::Idle;
            self.answer_what_waits(now, batch);
        }
    }

    pub(super) fn on_hold(&mut self, now: Millis, holding: bool) {
        if let Phase::Running(running) = &mut self.phase {
            running.holding = holding;
            if !holding && running.cut.is_some() {
                self.carry_out_cut(now);
            }
        }
    }

    pub(super) fn on_ended(&mut self, now: Millis, ending: Ending) {
        let Phase::Running(running) = &mut self.phase else { return };
        let turn_id = running.turn_id.clone();
        let confirmed = running.confirmed;
        let batch = running.cut.take().map(|cut| cut.batch);
        let still_speaking = ending.finished && ending.any_tag && !confirmed;
        self.calls.ended = ending.finished;
        self.calls.made = ending.calls.into_iter().collect();
        self.phase = Phase::Idle;
        if batch.is_some() || !still_speaking {
            self.answer_what_waits(now, batch.unwrap_or_default());
        } else {
            let until = now.saturating_add(self.presentation_time(ending.speech_chars));
            self.phase = Phase::Presenting { turn_id, until };
        }
        self.follow_up_if_due(now);
    }

    pub(super) fn on_leave(&mut self, shutdown: bool) {
        if shutdown {
            self.stop_everything(InterruptReason::Shutdown, DropReason::Shutdown);
        } else {
            self.stop_everything(InterruptReason::Disconnected, DropReason::Disconnected);
        }
    }

    // --- events ---------------------------------------------------------------------------------

    fn knows(&self, id: &Id) -> bool {
        let preparing = match &self.phase {
            Phase::Asking(asking) => asking.events.as_slice(),
            Phase::Running(Running { cut: Some(cut), .. }) => cut.batch.as_slice(),
            _ => &[],
        };
        let mut on_their_way = self.waiting.iter().chain(preparing);
        self.known.contains(id) || on_their_way.any(|event| event.id == *id)
    }

    fn drop_event(&mut self, event_id: Id, reason: DropReason) {
        self.effects.push(Effect::Drop { event_id, reason });
    }

    fn drop_overloaded(&mut self, event: Option<Event>) {
        if let Some(event) = event {
            self.drop_event(event.id, DropReason::Overloaded);
        }
    }

    fn wait(&mut self, event: Event) {
        let victim = push_bounded(&mut self.waiting, event, self.rules.max_waiting);
        self.drop_overloaded(victim);
    }

    /// What waits, in its order, and behind it the event that takes it along; `None` if the event
    /// itself was one too many.
    fn batch_with(&mut self, event: Event) -> Option<Vec<Event>> {
        let id = event.id.clone();
        self.wait(event);
        let position = self.waiting.iter().position(|event| event.id == id)?;
        let event = self.waiting.remove(position);
        let mut batch = self.take_waiting();
        batch.push(event);
        Some(batch)
    }

    fn take_waiting(&mut self) -> Vec<Event> {
        let mut batch = std::mem::take(&mut self.waiting);
        sort_waiting(&mut batch);
        batch
    }

    // --- preparing a turn -----------------------------------------------------------------------

    fn prepare_with(&mut self, now: Millis, event: Event) {
        if let Some(batch) = self.batch_with(event) {
            self.prepare(now, batch, None);
        }
    }

    fn prepare(&mut self, now: Millis, events: Vec<Event>, follow_up: Option<FollowUp>) {
        let event_id = match (&follow_up, events.first()) {
            (Some(follow_up), _) => follow_up.event_id.clone(),
            (None, Some(event)) => event.id.clone(),
            (None, None) => return,
        };
        let request_id = self.ids.next("state");
        let fresh = self.fresh_state(now, &events);
        let asked = fresh.is_none();
        let asking =
            Asking { request_id: request_id.clone(), events, follow_up, since: now, asked };
        self.phase = Phase::Asking(asking);
        match fresh {
            Some(state) => self.start_prepared(state, false),
            None => self.effects.push(Effect::AskState { request_id, event_id }),
        }
    }

    /// The state that the newest of the events brought along, while it is fresh.
    fn fresh_state(&self, now: Millis, events: &[Event]) -> Option<Arc<AgentState>> {
        let newest = events.iter().max_by_key(|event| event.order)?;
        let age = now.saturating_sub(newest.arrived);
        newest.state.clone().filter(|_| age < self.rules.state_timeout)
    }

    fn join_preparation(&mut self, event: Event) {
        let Phase::Asking(asking) = &mut self.phase else { return };
        if event.interrupt == Interrupt::Drop {
            self.drop_event(event.id, DropReason::Drop);
            return;
        }
        asking.follow_up = None;
        let victim = push_bounded(&mut asking.events, event, self.rules.max_waiting);
        let joined = asking.events.last().and_then(|event| event.state.clone());
        let is_in = victim.as_ref().is_none_or(|victim| {
            asking.events.last().is_some_and(|last| last.order > victim.order)
        });
        self.drop_overloaded(victim);
        if let (true, Some(state)) = (is_in, joined) {
            self.start_prepared(state, false);
        }
    }

    fn state_overdue(&mut self) {
        if let Some(state) = self.last_state.clone() {
            self.start_prepared(state, true);
            return;
        }
        let Phase::Asking(asking) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        let first = asking.events.first().map(|event| event.id.clone());
        if let Some(event_id) = asking.follow_up.map(|turn| turn.event_id).or(first) {
            self.effects.push(Effect::StateMissing { request_id: asking.request_id, event_id });
        }
        for event in asking.events {
            self.effects.push(Effect::Observe(event.clone()));
            self.drop_event(event.id, DropReason::StateTimeout);
        }
    }

    fn start_prepared(&mut self, state: Arc<AgentState>, stale: bool) {
        let Phase::Asking(asking) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        let Asking { events, follow_up, since, asked, .. } = asking;
        let turn_id = self.ids.next("turn");
        let of_events = events.iter().map(|event| event.priority).max().unwrap_or_default();
        let priority = follow_up.as_ref().map_or(of_events, |turn| turn.priority);
        let of_first = events.first().map(|event| (event.id.clone(), event.arrived));
        let Some((event_id, arrived)) =
            follow_up.as_ref().map(|turn| (turn.event_id.clone(), since)).or(of_first)
        else {
            return;
        };
        let follow_ups =
            if follow_up.is_some() { self.calls.follow_ups.saturating_add(1) } else { 0 };
        let this = FollowUp { turn_id: turn_id.clone(), event_id: event_id.clone(), priority };
        self.calls = Calls { turn: Some(this), follow_ups, ..Calls::default() };
        self.remember(&events);
        self.phase = Phase::Running(Running {
            turn_id: turn_id.clone(),
            priority,
            holding: false,
            cut: None,
            confirmed: false,
        });
        self.effects.push(Effect::Start(Box::new(Start {
            turn_id,
            event_id,
            events,
            follow_up: follow_up.is_some(),
            priority,
            state,
            stale,
            arrived,
            prepared: since,
            asked,
        })));
    }

    fn remember(&mut self, events: &[Event]) {
        self.known.extend(events.iter().map(|event| event.id.clone()));
        let excess = self.known.len().saturating_sub(self.rules.known_events);
        self.known.drain(..excess);
    }

    // --- interrupting a turn --------------------------------------------------------------------

    fn interrupt_for(&mut self, now: Millis, event: Event) {
        let by = event.id.clone();
        let Some(batch) = self.batch_with(event) else { return };
        let Phase::Running(running) = &mut self.phase else { return };
        let deadline = now.saturating_add(self.rules.hold_timeout);
        running.cut = Some(Cut { by, batch, deadline });
        if !running.holding {
            self.carry_out_cut(now);
        }
    }

    fn join_cut(&mut self, event: Event) {
        let Phase::Running(Running { cut: Some(cut), .. }) = &mut self.phase else { return };
        let victim = push_bounded(&mut cut.batch, event, self.rules.max_waiting);
        self.drop_overloaded(victim);
    }

    fn carry_out_cut(&mut self, now: Millis) {
        let Phase::Running(Running { cut: Some(cut), .. }) = &self.phase else { return };
        let still_there = cut.batch.iter().any(|event| event.id == cut.by);
        let last = cut.batch.last().map(|event| event.id.clone());
        let by = if still_there { Some(cut.by.clone()) } else { last };
        let batch = self.cut(InterruptReason::NewerEvent, by);
        self.phase = Phase::Idle;
        self.answer_what_waits(now, batch);
    }

    /// Ends the open turn; what an interruption had gathered comes back.
    fn cut(&mut self, reason: InterruptReason, by_event_id: Option<Id>) -> Vec<Event> {
        let Phase::Running(running) = &mut self.phase else { return Vec::new() };
        let turn_id = running.turn_id.clone();
        let batch = running.cut.take().map(|cut| cut.batch).unwrap_or_default();
        self.effects.push(Effect::Cut { turn_id, reason, by_event_id });
        self.calls.turn = None;
        batch
    }

    fn stop_everything(&mut self, interrupt: InterruptReason, drop: DropReason) {
        let mut gone = self.cut(interrupt, None);
        if let Phase::Asking(asking) = std::mem::replace(&mut self.phase, Phase::Idle) {
            gone.extend(asking.events);
        }
        gone.append(&mut self.take_waiting());
        self.calls.turn = None;
        for event in gone {
            self.drop_event(event.id, drop);
        }
    }

    // --- after a turn ---------------------------------------------------------------------------

    fn presentation_time(&self, speech_chars: u64) -> Millis {
        let reading = speech_chars.saturating_mul(self.rules.result_timeout_per_char);
        reading.min(self.rules.result_timeout_cap).max(self.rules.result_timeout)
    }

    fn become_free(&mut self, now: Millis) {
        self.phase = Phase::Idle;
        self.answer_what_waits(now, Vec::new());
    }

    /// Turns to what an interruption had gathered and what waits, if anything.
    fn answer_what_waits(&mut self, now: Millis, mut batch: Vec<Event>) {
        let waiting = self.take_waiting();
        for event in waiting {
            let victim = push_bounded(&mut batch, event, self.rules.max_waiting);
            self.drop_overloaded(victim);
        }
        self.prepare(now, batch, None);
    }

    fn follow_up_if_due(&mut self, now: Millis) {
        let at_rest = matches!(self.phase, Phase::Idle | Phase::Presenting { .. });
        if !at_rest || !self.calls.are_answered() {
            return;
        }
        let allowed = self.calls.may_be_followed_up(&self.rules) && self.waiting.is_empty();
        let turn = self.calls.turn.take();
        if let (true, Some(turn)) = (allowed, turn) {
            self.prepare(now, Vec::new(), Some(turn));
        }
    }
}
