//! What the game says to an agent: checked against the agent's turns, remembered, and told to the
//! rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use dramatis_protocol::{
    AgentState, AgentTurnResult, CancelTurn, ErrorCode, ErrorMessage, Id, InteractionEvent,
    NotificationEvent, ServerMessage, Stored, TagKind, ToolResult, ToolResults,
};

use super::super::state::{Event, Input};
use super::writes::{Done, Promise};
use super::{Agent, AgentMessage, Delivery, Services};
use crate::record::{LedgerTag, Observation, Occurrence, ToolAnswer, TurnResult};
use crate::turn::vocabulary::vocabulary_from_wire;

impl Agent {
    pub(super) async fn on_message(&mut self, delivery: Delivery) {
        let message_id = delivery.message_id;
        match delivery.message {
            AgentMessage::Event(event) => self.on_event(*event, message_id).await,
            AgentMessage::Notification(notification) => self.on_notification(*notification),
            AgentMessage::Snapshot(snapshot) => {
                let at_fault = message_id.or_else(|| snapshot.request_id.clone());
                if let Some(state) = self.take_state(snapshot.state, at_fault).await {
                    self.tell(Input::Snapshot { request_id: snapshot.request_id, state });
                }
            }
            AgentMessage::Result(result) => self.on_result(*result, message_id).await,
            AgentMessage::ToolResults(results) => self.on_tool_results(*results, message_id).await,
            AgentMessage::Cancel(cancel) => self.on_cancel(cancel, message_id).await,
        }
    }

    async fn on_event(&mut self, event: InteractionEvent, message_id: Option<Id>) {
        let id = event.event_id.unwrap_or_else(|| self.services.ids.next("event"));
        let state = match event.state {
            None => None,
            Some(state) => {
                let at_fault = message_id.unwrap_or_else(|| id.clone());
                let Some(state) = self.take_state(state, Some(at_fault)).await else { return };
                Some(state)
            }
        };
        let occurrence = Occurrence {
            event_id: Some(id.clone()),
            event_type: event.event_type,
            text: event.text,
            actor: event.actor,
            data: event.data,
        };
        self.log_event(&occurrence);
        let event = Event {
            id,
            occurrence,
            priority: event.priority,
            interrupt: event.interrupt,
            state,
            arrived: self.now(),
            order: self.memory.next_order(),
        };
        self.tell(Input::Event(event));
    }

    fn on_notification(&mut self, notification: NotificationEvent) {
        let occurrence = Occurrence {
            event_id: notification.event_id,
            event_type: notification.event_type,
            text: notification.text,
            actor: notification.actor,
            data: notification.data,
        };
        self.log_notification(&occurrence);
        let order = self.memory.next_order();
        self.observe(order, Observation::Notification(occurrence), None);
    }

    /// A state that can be used, kept as the last known one if it is new.
    async fn take_state(
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
        self.recall(&state).await;
        let state = Arc::new(state);
        self.writes.state(Arc::clone(&state));
        Some(state)
    }

    /// Brings back older turns where the state asks to see more of them than are in memory.
    async fn recall(&mut self, state: &AgentState) {
        let wanted = state.history_turns.and_then(|turns| usize::try_from(turns).ok());
        let Some(turns) = self.memory.keep(wanted.unwrap_or_default()) else { return };
        match self.services.store.load_agent(&self.session_id, &self.agent_id, turns).await {
            Ok(stored) => self.memory.recall(stored.history.turns),
            Err(error) => tracing::error!(agent = %self.agent_id, %error, "no turns are recalled"),
        }
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

    /// Whether a game may name this model: those of the list, the server's own, and the built-in
    /// actor, which costs nothing.
    pub(super) fn may_play(&self, model: &str) -> bool {
        let Services { generator, default_model, .. } = &*self.services;
        model == default_model || generator.is_scripted(model) || generator.models().allows(model)
    }

    /// Compiles the state's vocabulary, unless it is the one that the agent had before.
    pub(super) fn learn_vocabulary(
        &mut self,
        state: &AgentState,
    ) -> Result<Arc<crate::tags::Vocabulary>, crate::tags::VocabularyError> {
        if let Some((tags, vocabulary)) = &self.vocabulary
            && *tags == state.tags
        {
            return Ok(Arc::clone(vocabulary));
        }
        let vocabulary = Arc::new(vocabulary_from_wire(&state.tags)?);
        self.vocabulary = Some((state.tags.clone(), Arc::clone(&vocabulary)));
        Ok(vocabulary)
    }

    async fn on_result(&mut self, result: AgentTurnResult, message_id: Option<Id>) {
        let turn_id = result.turn_id;
        let Some(tags) = self.tags_of(&turn_id, message_id.as_ref()).await else { return };
        for (index, outcome) in result.tags.iter().flatten().enumerate() {
            if tags.iter().all(|tag| tag.tag_id != outcome.tag_id) {
                let message = format!("turn {turn_id} has no tag {}", outcome.tag_id);
                self.refuse(message, format!("tags[{index}].tag_id"), &turn_id, message_id);
                return;
            }
        }
        let promise = promise(message_id, &turn_id);
        let result = TurnResult { content: result.content, tags: result.tags };
        self.log_result(&turn_id, &result);
        if let Some(turn) = self.memory.turn_mut(&turn_id) {
            turn.result = Some(result.clone());
        }
        self.writes.result(turn_id.clone(), result, promise);
        self.tell(Input::Result { turn_id });
    }

    async fn on_tool_results(&mut self, results: ToolResults, message_id: Option<Id>) {
        let turn_id = results.turn_id;
        let Some(tags) = self.tags_of(&turn_id, message_id.as_ref()).await else { return };
        let mut answers = Vec::new();
        for (index, result) in results.results.into_iter().enumerate() {
            match answer(&tags, &turn_id, result) {
                Ok(answer) => answers.push(answer),
                Err((field, message)) => {
                    let field = format!("results[{index}].{field}");
                    self.refuse(message, field, &turn_id, message_id);
                    return;
                }
            }
        }
        self.log_tool_answers(&turn_id, &answers);
        let tag_ids: BTreeSet<u32> = answers.iter().map(|answer| answer.tag_id).collect();
        answers.retain(|answer| !self.memory.has_answer(&turn_id, answer.tag_id));
        let mut promise = promise(message_id, &turn_id);
        let last = answers.len().saturating_sub(1);
        for (index, answer) in answers.into_iter().enumerate() {
            let order = self.memory.next_order();
            let with_last = if index == last { promise.take() } else { None };
            self.observe(order, Observation::ToolAnswer(answer), with_last);
        }
        self.writes.promise(promise);
        self.tell(Input::ToolAnswers {
            turn_id,
            tag_ids: tag_ids.into_iter().collect(),
            follow_up: results.follow_up,
        });
    }

    async fn on_cancel(&mut self, cancel: CancelTurn, message_id: Option<Id>) {
        if let Some(turn_id) = &cancel.turn_id
            && self.tags_of(turn_id, message_id.as_ref()).await.is_none()
        {
            return;
        }
        self.log_cancel(&cancel);
        self.tell(Input::Cancel { turn_id: cancel.turn_id });
    }

    /// What a turn of this agent showed; if there is no such turn, the game is told so.
    async fn tags_of(&mut self, turn_id: &Id, message_id: Option<&Id>) -> Option<Vec<LedgerTag>> {
        if let Some(running) = self.running.as_ref().filter(|running| running.turn_id() == turn_id)
        {
            return Some(running.tags().to_vec());
        }
        if let Some(turn) = self.memory.turn(turn_id) {
            return Some(turn.tags.clone());
        }
        let found = self.services.store.find_turn(&self.session_id, &self.agent_id, turn_id).await;
        let error = match found {
            Ok(Some(turn)) => return Some(turn.tags),
            Ok(None) => {
                let message = format!("agent \"{}\" has no turn {turn_id}", self.agent_id);
                ErrorMessage::new(ErrorCode::UnknownTurn, message)
            }
            Err(error) => {
                tracing::error!(%error, "a turn could not be looked up");
                let message = "the turn could not be looked up in the store: send this again later";
                ErrorMessage::new(ErrorCode::Internal, message)
            }
        };
        self.fail(ErrorMessage {
            field: Some("turn_id".to_owned()),
            turn_id: Some(turn_id.clone()),
            in_reply_to: message_id.or(Some(turn_id)).cloned(),
            ..error
        });
        None
    }

    fn refuse(&mut self, message: String, field: String, turn_id: &Id, message_id: Option<Id>) {
        let mut error = ErrorMessage::new(ErrorCode::BadMessage, message);
        error.field = Some(field);
        error.turn_id = Some(turn_id.clone());
        error.in_reply_to = message_id.or_else(|| Some(turn_id.clone()));
        self.fail(error);
    }

    /// A write is done: whoever waits for it is told.
    pub(super) fn acknowledge(&mut self, done: Done) {
        if let Err(error) = &done.outcome {
            tracing::error!(session = %self.session_id, agent = %self.agent_id, %error,
                "a write failed; the agent goes on from memory");
        }
        let Some(Promise { in_reply_to, turn_id }) = done.promise else { return };
        match done.outcome {
            Ok(()) => self.send(ServerMessage::Stored(Stored { in_reply_to, turn_id })),
            Err(_) => {
                let message =
                    "this could not be stored (see the server's log): send it again later";
                let mut error = ErrorMessage::new(ErrorCode::Internal, message);
                error.in_reply_to = Some(in_reply_to);
                error.turn_id = Some(turn_id);
                self.fail(error);
            }
        }
    }
}

fn promise(message_id: Option<Id>, turn_id: &Id) -> Option<Promise> {
    message_id.map(|in_reply_to| Promise { in_reply_to, turn_id: turn_id.clone() })
}

/// The answer to a call of the turn, or the field at fault and what is wrong with it.
fn answer(
    tags: &[LedgerTag],
    turn_id: &Id,
    result: ToolResult,
) -> Result<ToolAnswer, (&'static str, String)> {
    let (field, name, tag) = match (result.tag_id, &result.call_id) {
        (Some(tag_id), _) => {
            ("tag_id", tag_id.to_string(), tags.iter().find(|tag| tag.tag_id == tag_id))
        }
        (None, call_id) => {
            let called = tags.iter().find(|tag| call_id.is_some() && tag.call_id == *call_id);
            ("call_id", call_id.clone().unwrap_or_default(), called)
        }
    };
    let tag = tag.ok_or_else(|| (field, format!("turn {turn_id} has no call {name}")))?;
    if tag.kind != TagKind::Tool {
        return Err((field, format!("tag {} ({}) is no tool's", tag.tag_id, tag.tag)));
    }
    Ok(ToolAnswer {
        turn_id: turn_id.clone(),
        tag_id: tag.tag_id,
        tool: tag.tag.clone(),
        call_id: tag.call_id.clone(),
        ok: result.ok,
        output: result.output,
    })
}
