//! What the prompt of a turn was made of: what went in, what was shortened or left out, and why.
//! Plain data for the log, for `dramatis prompt` and for whoever asks why a character said something.

use serde::{Deserialize, Serialize};

use super::retrieved::{Retrieved, Woken};

/// What became of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is in the prompt as it is.
    Included,
    /// There was room for its beginning only.
    Trimmed,
    /// There was no room for it.
    Dropped,
}

/// A section of the prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionReport {
    /// What it is: `world`, `dossier: Ties`, `memories`.
    pub name: String,
    /// Its tokens in the prompt.
    pub tokens: usize,
    /// The tokens that it would have had; as many if it is whole.
    pub wanted: usize,
    /// What became of it.
    pub fate: Fate,
}

/// What went into a prompt, and what didn't. Tokens are counted as the budget counts them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContextReport {
    /// Most tokens allowed.
    pub budget: usize,
    /// Tokens of all messages.
    pub tokens: usize,
    /// Those of the system message.
    pub system_tokens: usize,
    /// Those of the history.
    pub history_tokens: usize,
    /// Those of the present situation, lore and memories among it.
    pub context_tokens: usize,
    /// Whether the messages pass the budget though all that may be left out was.
    pub over_budget: bool,
    /// All sections of the system message and of the present situation, in the prompt's order.
    pub sections: Vec<SectionReport>,
    /// Past turns shown.
    pub turns_shown: usize,
    /// Past turns left out because only so many are shown.
    pub turns_outside: usize,
    /// Past turns left out because the budget was full.
    pub turns_dropped: usize,
    /// Observations of this turn left out because the budget was full.
    pub observations_dropped: usize,
    /// The entries of lorebooks that were awake; of their texts the beginning.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lorebook: Woken,
    /// The lore and the memories that were looked up; of their texts the beginning.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retrieved: Retrieved,
}

impl ContextReport {
    /// How many things were shortened or left out because there was no room.
    #[must_use]
    pub fn without_room(&self) -> usize {
        let sections = self.sections.iter().filter(|section| section.fate != Fate::Included);
        sections.count()
            + self.turns_dropped
            + self.observations_dropped
            + self.lorebook.no_room.len()
            + self.retrieved.without_room()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
