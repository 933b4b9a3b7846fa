//! What the game tells of turns: what was shown, what tools answered. Checked against the turn,
//! remembered and written.

use std::collections::BTreeMap;

use dramatis_protocol::{
    AgentTurnResult, ErrorCode, ErrorMessage, Id, TagKind, ToolResult, ToolResults,
};

use super::super::state::Input;
use super::Agent;
use super::look_up::FoundTurn;
use super::writes::Promise;
use crate::record::{LedgerTag, Observation, PastTurn, ToolAnswer, TurnResult};

/// A turn as far as its results are checked against it.
pub(super) struct KnownTurn {
    tags: Vec<LedgerTag>,
    /// Whether its tags are known: not if the server went down in its middle.
    has_tags: bool,
    /// All of it, where memory doesn't hold it.
    old: Option<PastTurn>,
}

impl KnownTurn {
    fn of(turn: &PastTurn) -> Self {
        Self { tags: turn.tags.clone(), has_tags: turn.end.is_some(), old: None }
    }
}

impl Agent {
    pub(super) fn on_result(
        &mut self,
        result: AgentTurnResult,
        message_id: Option<Id>,
        found: Option<FoundTurn>,
    ) {
        let turn_id = result.turn_id;
        let Some(turn) = self.known_turn(&turn_id, message_id.as_ref(), found) else { return };
        for (index, outcome) in result.tags.iter().flatten().enumerate() {
            if turn.has_tags && turn.tags.iter().all(|tag| tag.tag_id != outcome.tag_id) {
                let message = format!("turn {turn_id} has no tag {}", outcome.tag_id);
                self.refuse(message, format!("tags[{index}].tag_id"), &turn_id, message_id);
                return;
            }
        }
        let promise = self.promise(message_id, &turn_id);
        let result = TurnResult { content: result.content, tags: result.tags };
        self.log_result(&turn_id, &result);
        let in_memory = self.memory.turn_mut(&turn_id);
        let is_in_memory = in_memory.is_some();
        if let Some(turn) = in_memory {
            turn.result = Some(result.clone());
        }
        let memory = self.memory_of_confirmed(&turn_id, turn.old, &result);
        self.writes.result(turn_id.clone(), (result, memory), promise, is_in_memory);
        self.make_vectors();
        self.tell(Input::Result { turn_id });
    }

    pub(super) fn on_tool_results(
        &mut self,
        results: ToolResults,
        message_id: Option<Id>,
        found: Option<FoundTurn>,
    ) {
        let turn_id = results.turn_id;
        let Some(turn) = self.known_turn(&turn_id, message_id.as_ref(), found) else { return };
        let mut answers = BTreeMap::new();
        for (index, result) in results.results.into_iter().enumerate() {
            match answer(&turn.tags, &turn_id, result) {
                Ok(answer) => answers.insert(answer.tag_id, answer),
                Err((field, message)) => {
                    let field = format!("results[{index}].{field}");
                    self.refuse(message, field, &turn_id, message_id);
                    return;
                }
            };
        }
        let tag_ids = answers.keys().copied().collect();
        let mut answers: Vec<ToolAnswer> = answers.into_values().collect();
        self.log_tool_answers(&turn_id, &answers);
        answers.retain(|answer| !self.memory.has_answer(&turn_id, answer.tag_id));
        let mut promise = self.promise(message_id, &turn_id);
        let last = answers.len().saturating_sub(1);
        for (index, answer) in answers.into_iter().enumerate() {
            let order = self.memory.next_order();
            let with_last = if index == last { promise.take() } else { None };
            self.observe(order, Observation::ToolAnswer(answer), with_last);
        }
        self.writes.promise(promise);
        self.tell(Input::ToolAnswers { turn_id, tag_ids, follow_up: results.follow_up });
    }

    /// A turn of this agent; if there is no such turn, the game is told so.
    pub(super) fn known_turn(
        &mut self,
        turn_id: &Id,
        message_id: Option<&Id>,
        found: Option<FoundTurn>,
    ) -> Option<KnownTurn> {
        if let Some(running) = self.running.as_ref().filter(|running| running.turn_id() == turn_id)
        {
            return Some(KnownTurn { tags: running.tags().to_vec(), has_tags: true, old: None });
        }
        let found = match self.memory.turn(turn_id) {
            Some(turn) => Ok(Some(KnownTurn::of(turn))),
            None => found.unwrap_or(Ok(None)).map(|turn| {
                turn.map(|turn| KnownTurn { old: Some(turn.clone()), ..KnownTurn::of(&turn) })
            }),
        };
        let error = match found {
            Ok(Some(known)) => return Some(known),
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

    fn promise(&self, message_id: Option<Id>, turn_id: &Id) -> Option<Promise> {
        let in_reply_to = message_id?;
        Some(Promise { in_reply_to, turn_id: turn_id.clone(), epoch: self.epoch()? })
    }
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
