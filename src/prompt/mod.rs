//! The messages of a turn, as data: who the character is and how it speaks, what it has lived through,
//! what it is reminded of, how things stand, what happens now; for games, and for chats ([`Form`]),
//! which share everything but the way in which things are told. Pure functions; what has to be looked up
//! comes between [`Draft::new`] and [`Draft::finish`].
//!
//! What stays the same from turn to turn stands first (one system message, then history cut in
//! blocks), what changes stands last, so that a provider's prefix cache holds. Our own words
//! pass `sentences`, which gets them from the assets; all words of others pass `quote`.

use std::sync::Arc;

use dramatis_protocol::AgentState;

use crate::llm::Cue;
use crate::record::{ContextReport, Message, Observation, PastTurn};
use crate::tags::Vocabulary;

mod background;
mod chat;
mod cue;
mod dialect;
mod dossier;
mod draft;
mod messages;
mod observation;
mod question;
mod quote;
mod reminders;
mod reply;
mod section;
mod sentences;
mod system;
mod window;

#[cfg(test)]
mod tests;

pub use background::Background;
pub use draft::Draft;
pub use question::Question;
pub use reminders::Reminders;

/// What a prompt may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptLimits {
    /// Most tokens of all messages together, a token being four characters.
    pub tokens: usize,
    /// How many past turns are shown where the agent's state says nothing.
    pub history_turns: usize,
    /// How many turns leave the window at a time.
    pub block: usize,
    /// How many of the tokens lore and memories may take together; at most half of what the rest
    /// leaves. The history never gets them, so that it stays the same whatever is found.
    pub reminders: usize,
}

impl Default for PromptLimits {
    fn default() -> Self {
        Self { tokens: 16_000, history_turns: 20, block: 10, reminders: 4_000 }
    }
}

/// How a character speaks, and how it is told what happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// It speaks and acts in tags, and perceives what happens line by line, the words of others quoted.
    #[default]
    Game,
    /// It is talked to: both sides write plain text.
    Chat,
}

/// Everything that the messages of one turn are made from.
#[derive(Debug, Clone, Copy)]
pub struct TurnPrompt<'a> {
    /// How things are told.
    pub form: Form,
    /// The agent's id, for the cue.
    pub agent: &'a str,
    /// The state that the game reported for this turn.
    pub state: &'a AgentState,
    /// What the server's assets bring.
    pub background: &'a Background,
    /// The tags that the agent may use.
    pub vocabulary: &'a Arc<Vocabulary>,
    /// The turns in memory, oldest first.
    pub history: &'a [PastTurn],
    /// How many older turns there were before those in memory.
    pub forgotten: usize,
    /// What stands in this turn's user message, in order.
    pub input: &'a [Observation],
    /// Whether this turn answers the tool calls of the last turn in `history`.
    pub follow_up: bool,
    /// What the prompt may hold.
    pub limits: &'a PromptLimits,
}

/// The messages of a turn, and what is known of them.
#[derive(Debug, Clone)]
pub struct Built {
    /// One system message, then user and assistant in turn.
    pub messages: Vec<Message>,
    /// The same as plain data, for the built-in actor.
    pub cue: Cue,
    /// What was included and what found no room.
    pub report: ContextReport,
}
