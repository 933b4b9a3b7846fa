//! What an agent was reminded of in a turn and why, and what was considered and left out: plain data
//! for the prompt and for the log.

use dramatis_protocol::Id;
use serde::{Deserialize, Serialize};

/// Where a piece comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PieceSource {
    /// A chunk of the lore under this name.
    Lore {
        /// The name, as `world:tavern`.
        name: String,
    },
    /// What the agent remembers of one of its turns.
    Memory {
        /// The turn.
        turn_id: Id,
    },
}

/// A place in a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// The place, from 1.
    pub place: usize,
    /// The ranking's own score, higher is better: bm25 for words, the cosine for vectors.
    pub score: f64,
}

/// How well a piece fits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Among those found by words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Ranked>,
    /// Among those found by vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<Ranked>,
    /// Both together: the sum of 1 / (60 + place).
    pub fused: f64,
}

/// A piece of lore or a memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// Its number in the store.
    pub document: i64,
    /// Where the turn that a memory is of stands among the agent's, if they are numbered.
    #[serde(skip)]
    pub position: Option<i64>,
    /// Where it comes from.
    pub source: PieceSource,
    /// Its text; only the beginning of one that was left out.
    pub text: String,
    /// How well it fits.
    pub scores: Scores,
    /// Why it was found, in words.
    pub reason: String,
}

/// Why a piece was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutBecause {
    /// It has too little to do with the question.
    Irrelevant,
    /// The history shows it already.
    Shown,
    /// Better ones were enough.
    Enough,
    /// The prompt had no room for it.
    NoRoom,
}

/// A piece that was considered and left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The piece.
    pub piece: Piece,
    /// Why.
    pub because: LeftOutBecause,
}

/// How it was looked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RetrievalReport {
    /// The terms that the question became.
    pub terms: Vec<String>,
    /// The model that made its vector; none: words alone were looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What was considered and left out, lore before memories, each the best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// What failed on the way; the rest was done without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Retrieved {
    /// Lore, the best first.
    pub lore: Vec<Piece>,
    /// Memories, the best first.
    pub memories: Vec<Piece>,
    /// How it was looked for.
    pub report: RetrievalReport,
}

impl Retrieved {
    /// How many pieces the prompt had no room for.
    #[must_use]
    pub fn without_room(&self) -> usize {
        let left_out = self.report.left_out.iter();
        left_out.filter(|left_out| left_out.because == LeftOutBecause::NoRoom).count()
    }
}

/// Why an entry of a lorebook is awake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum WokenBy {
    /// It always is.
    Constant,
    /// A key was mentioned.
    Key {
        /// The key, as it is written in the book.
        key: String,
        /// The secondary keys that were mentioned, too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        secondary: Vec<String>,
        /// The entry whose text mentions the key; none: what was said does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entry: Option<String>,
    },
}

/// An entry of a lorebook that is awake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WokenEntry {
    /// What the book calls it.
    pub id: String,
    /// Its text.
    pub content: String,
    /// Why it is awake.
    pub by: WokenBy,
}

/// What a lorebook has to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Woken {
    /// In the order of the prompt.
    pub entries: Vec<WokenEntry>,
    /// Awake as well, but there was no room; in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_room: Vec<WokenEntry>,
}
