//! The rules that hold between the lines of one transcript.

use std::collections::BTreeMap;

use dramatis_protocol::{
    AgentTagClose, AgentTagOpen, AgentTurnStarted, ClientMessage, DropReason, ErrorCode, Id,
    ReadError, Received, ServerMessage,
};

/// What has been seen of a transcript so far.
#[derive(Default)]
pub struct Rules {
    /// The open turn of each agent.
    open: BTreeMap<Id, Turn>,
    /// How often each event was sent and how often its fate was told.
    events: BTreeMap<Id, (usize, usize)>,
    /// Questions for a state, by their ids, until they are answered.
    questions: BTreeMap<Id, Id>,
    /// Messages that must be answered with `stored`.
    unstored: Vec<Id>,
    /// A message that must be answered with an error next.
    refused: Option<ReadError>,
    ended: Vec<Id>,
}

struct Turn {
    turn_id: Id,
    next_seq: u64,
    next_tag: u32,
    open_tags: Vec<(u32, Id)>,
}

impl Rules {
    pub fn game(&mut self, place: &str, received: Result<Received, ReadError>) {
        assert!(self.refused.is_none(), "{place}: the error before has not been told");
        let Received { message, message_id, unknown_fields } = match received {
            Ok(received) => received,
            Err(error) => return self.refused = Some(error),
        };
        assert_eq!(unknown_fields, Vec::<String>::new(), "{place}");
        match message {
            // A connection is lost without a word; what was open ended with it.
            ClientMessage::Hello(_) => {
                *self = Self { ended: std::mem::take(&mut self.ended), ..Self::default() }
            }
            ClientMessage::InteractionEvent(event) => {
                let event_id = event.event_id.unwrap_or_else(|| panic!("{place}: no event_id"));
                self.events.entry(event_id).or_default().0 += 1;
            }
            ClientMessage::AgentStateSnapshot(snapshot) => {
                let agent = snapshot.request_id.and_then(|id| self.questions.remove(&id));
                assert_eq!(agent, Some(snapshot.agent_id), "{place}: an answer to no question");
            }
            ClientMessage::AgentTurnResult(_) | ClientMessage::ToolResults(_) => {
                self.unstored.extend(message_id);
            }
            _ => {}
        }
    }

    pub fn server(&mut self, place: &str, message: ServerMessage) {
        if let Some(refused) = self.refused.take() {
            assert_eq!(message, ServerMessage::Error(refused.into_message()), "{place}");
            return;
        }
        match message {
            ServerMessage::GetAgentState(question) => {
                self.questions.insert(question.request_id, question.agent_id);
            }
            ServerMessage::AgentTurnStarted(started) => self.started(place, started),
            ServerMessage::AgentTagOpen(tag) => self.opened(place, tag),
            ServerMessage::AgentTagChunk(chunk) => {
                let turn = self.frame(place, &chunk.agent_id, &chunk.turn_id, chunk.seq);
                assert!(turn.open_tags.iter().any(|(id, _)| *id == chunk.tag_id), "{place}");
                assert!(!chunk.text.is_empty(), "{place}");
            }
            ServerMessage::AgentTagClose(tag) => self.closed(place, &tag),
            ServerMessage::AgentTurnFinished(turn) => {
                self.ended(place, &turn.agent_id, &turn.turn_id, turn.seq);
            }
            ServerMessage::AgentTurnInterrupted(turn) => {
                self.ended(place, &turn.agent_id, &turn.turn_id, turn.seq);
            }
            ServerMessage::EventDropped(dropped) => {
                self.fate(place, &dropped.event_id);
                let known = self.events.get(&dropped.event_id).is_some_and(|(sent, _)| *sent > 1);
                assert_eq!(dropped.reason == DropReason::Duplicate, known, "{place}");
            }
            ServerMessage::Stored(stored) => {
                let at = self.unstored.iter().position(|id| *id == stored.in_reply_to);
                self.unstored.remove(at.unwrap_or_else(|| panic!("{place}: nothing to store")));
            }
            ServerMessage::Error(error) => {
                assert_eq!(error.retryable, error.code.retryable(), "{place}");
                if error.code == ErrorCode::StateTimeout {
                    self.questions.clear();
                }
                // What was refused is not stored.
                self.unstored.retain(|id| Some(id) != error.in_reply_to.as_ref());
            }
            ServerMessage::Welcome(_) | ServerMessage::Pong(_) => {}
        }
    }

    pub fn end(&self, place: &str) {
        assert!(self.open.is_empty(), "{place}: a turn is still open");
        assert!(self.unstored.is_empty(), "{place}: not stored: {:?}", self.unstored);
        assert!(self.refused.is_none(), "{place}: an error is missing");
        for (event, (sent, told)) in &self.events {
            assert_eq!(sent, told, "{place}: the fate of {event}");
        }
    }

    fn fate(&mut self, place: &str, event_id: &Id) {
        let (sent, told) = self.events.entry(event_id.clone()).or_default();
        *told += 1;
        assert!(told <= sent, "{place}: {event_id} has more fates than it was sent");
    }

    fn started(&mut self, place: &str, started: AgentTurnStarted) {
        assert_eq!(started.seq, 0, "{place}");
        assert!(started.event_ids.first().is_none_or(|id| *id == started.event_id), "{place}");
        for event in &started.event_ids {
            self.fate(place, event);
        }
        let turn_id = started.turn_id;
        assert!(!self.ended.contains(&turn_id), "{place}: the turn has ended");
        let turn = Turn { turn_id, next_seq: 1, next_tag: 0, open_tags: Vec::new() };
        assert!(self.open.insert(started.agent_id, turn).is_none(), "{place}: two open turns");
    }

    /// Any later frame of a turn.
    fn frame(&mut self, place: &str, agent_id: &Id, turn_id: &Id, seq: u64) -> &mut Turn {
        let turn = self.open.get_mut(agent_id).unwrap_or_else(|| panic!("{place}: no open turn"));
        assert_eq!((&turn.turn_id, turn.next_seq), (turn_id, seq), "{place}");
        turn.next_seq += 1;
        turn
    }

    fn opened(&mut self, place: &str, tag: AgentTagOpen) {
        let turn = self.frame(place, &tag.agent_id, &tag.turn_id, tag.seq);
        assert_eq!(tag.tag_id, turn.next_tag, "{place}");
        assert_eq!(tag.parent_id, turn.open_tags.last().map(|(id, _)| *id), "{place}");
        assert_eq!(tag.call_id.is_some(), tag.arguments.is_some(), "{place}");
        turn.next_tag += 1;
        turn.open_tags.push((tag.tag_id, tag.tag));
    }

    fn closed(&mut self, place: &str, tag: &AgentTagClose) {
        let turn = self.frame(place, &tag.agent_id, &tag.turn_id, tag.seq);
        assert_eq!(turn.open_tags.pop(), Some((tag.tag_id, tag.tag.clone())), "{place}");
    }

    fn ended(&mut self, place: &str, agent_id: &Id, turn_id: &Id, seq: u64) {
        let turn = self.frame(place, agent_id, turn_id, seq);
        assert!(turn.open_tags.is_empty(), "{place}: a tag is still open");
        self.open.remove(agent_id);
        self.ended.push(turn_id.clone());
    }
}
