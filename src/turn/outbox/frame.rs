//! One place in the queue, and how it becomes a frame.

use dramatis_protocol::{
    AgentTagClose, AgentTagOpen, AgentTurnFinished, AgentTurnInterrupted, AgentTurnStarted, Id,
    ServerMessage, frame,
};

use super::account::{Account, Delivered};

/// What a frame weighs beside its text.
const FLAT_WEIGHT: usize = 128;

/// Text of this many bytes fits a frame however it is escaped.
const SURELY_FITS: usize = 4 * 1024;

/// More text of a tag.
#[derive(Debug)]
pub(super) struct Chunk {
    agent_id: Id,
    turn_id: Id,
    pub tag_id: u32,
    pub text: String,
    /// How much of `text` was taken already.
    taken: usize,
}

impl Chunk {
    pub fn new(agent_id: &Id, turn_id: &Id, tag_id: u32, text: &str) -> Self {
        Self {
            agent_id: agent_id.clone(),
            turn_id: turn_id.clone(),
            tag_id,
            text: text.to_owned(),
            taken: 0,
        }
    }

    /// As much of the rest as one frame holds.
    fn fitting(&self) -> &str {
        let rest = self.rest();
        if rest.len() <= SURELY_FITS {
            return rest;
        }
        frame::split_text(rest, frame::chunk_budget(&self.agent_id, &self.turn_id)).0
    }

    fn rest(&self) -> &str {
        self.text.get(self.taken..).unwrap_or_default()
    }
}

/// How a turn ends.
#[derive(Debug)]
pub enum TurnEndFrame {
    /// It came to its end.
    Finished(AgentTurnFinished),
    /// It was cut.
    Interrupted(AgentTurnInterrupted),
}

impl TurnEndFrame {
    /// The turn.
    #[must_use]
    pub const fn turn_id(&self) -> &Id {
        match self {
            Self::Finished(end) => &end.turn_id,
            Self::Interrupted(end) => &end.turn_id,
        }
    }
}

/// What waits. A turn's frames get their `seq` when they are taken.
#[derive(Debug)]
pub(super) enum Frame {
    Plain(Box<ServerMessage>),
    Started(Box<AgentTurnStarted>),
    Open(Box<AgentTagOpen>),
    Chunk(Chunk),
    Close(Box<AgentTagClose>),
    End(Box<TurnEndFrame>),
}

impl Frame {
    pub fn turn_id(&self) -> Option<&Id> {
        match self {
            Self::Plain(_) => None,
            Self::Started(started) => Some(&started.turn_id),
            Self::Open(open) => Some(&open.turn_id),
            Self::Chunk(chunk) => Some(&chunk.turn_id),
            Self::Close(close) => Some(&close.turn_id),
            Self::End(end) => Some(end.turn_id()),
        }
    }

    pub fn ended_turn(&self) -> Option<&Id> {
        match self {
            Self::End(end) => Some(end.turn_id()),
            _ => None,
        }
    }

    /// What it counts against the queue's capacity.
    pub fn weight(&self) -> usize {
        match self {
            Self::Chunk(chunk) => chunk.rest().len().saturating_add(FLAT_WEIGHT),
            Self::Open(open) if open.arguments.is_some() => FLAT_WEIGHT.saturating_mul(16),
            _ => FLAT_WEIGHT,
        }
    }

    /// Counts it as handed over.
    pub fn count_into(&self, delivered: &mut Delivered) {
        match self {
            Self::Open(open) => delivered.open(&open.tag),
            Self::Chunk(chunk) => delivered.text(chunk.tag_id, chunk.rest().len()),
            Self::Close(close) => delivered.close(close.tag_id),
            Self::Plain(_) | Self::Started(_) | Self::End(_) => {}
        }
    }

    /// Writes it as JSON, or as much of a long chunk as fits a frame; tells the weight of what
    /// remains, 0 for nothing.
    pub fn write(&mut self, json: &mut String, account: Option<&mut Account>) -> usize {
        let Some(account) = account else {
            if let Self::Plain(message) = self {
                json.push_str(&message.to_json());
            }
            return 0;
        };
        let seq = account.next_seq();
        if let Self::Chunk(chunk) = self {
            let fitting = chunk.fitting();
            frame::write_chunk(json, &chunk.agent_id, &chunk.turn_id, seq, chunk.tag_id, fitting);
            let length = fitting.len();
            account.delivered.text(chunk.tag_id, length);
            chunk.taken = chunk.taken.saturating_add(length);
            return if chunk.rest().is_empty() { 0 } else { self.weight() };
        }
        self.count_into(&mut account.delivered);
        if let Some(message) = self.numbered(seq) {
            json.push_str(&message.to_json());
        }
        0
    }

    fn numbered(&self, seq: u64) -> Option<ServerMessage> {
        Some(match self {
            Self::Started(started) => {
                ServerMessage::AgentTurnStarted(AgentTurnStarted { seq, ..(**started).clone() })
            }
            Self::Open(open) => {
                ServerMessage::AgentTagOpen(AgentTagOpen { seq, ..(**open).clone() })
            }
            Self::Close(close) => {
                ServerMessage::AgentTagClose(AgentTagClose { seq, ..(**close).clone() })
            }
            Self::End(end) => match &**end {
                TurnEndFrame::Finished(end) => {
                    ServerMessage::AgentTurnFinished(AgentTurnFinished { seq, ..end.clone() })
                }
                TurnEndFrame::Interrupted(end) => {
                    ServerMessage::AgentTurnInterrupted(AgentTurnInterrupted { seq, ..end.clone() })
                }
            },
            Self::Plain(_) | Self::Chunk(_) => return None,
        })
    }
}
