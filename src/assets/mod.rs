//! Worlds, characters, rules and their lorebooks, as designers write them: read from a folder of YAML
//! files or from the binary, checked, and read again when they change; with them the sentences that
//! prompts add, where a folder replaces those.
//!
//! [`Library`] owns the folder and gives out [`Assets`], plain data that never changes. The files'
//! form is [`dramatis_protocol::assets`] and [`dramatis_protocol::sentences`]. An id is only ever looked up in what was read: nothing is
//! opened by an id, whatever it looks like.

mod built_in;
mod folder;
mod keys;
mod library;
mod parse;
mod problem;
#[cfg(test)]
mod tests;
mod watcher;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use dramatis_protocol::assets::{Recursion, SecondaryLogic};
use dramatis_protocol::{Id, Sentences};
use serde_json::{Map, Value};

pub use folder::is_folder_of_assets;
pub use keys::Key;
pub use library::{Library, OpenError};
pub use problem::Problem;
pub use watcher::{WatchError, Watcher};

/// Everything that was read, by id.
#[derive(Debug, Clone, Default)]
pub struct Assets {
    worlds: BTreeMap<Id, Arc<World>>,
    characters: BTreeMap<Id, Arc<Character>>,
    rules: BTreeMap<Id, Arc<Rule>>,
    base_rules: Vec<String>,
    sentences: Arc<Sentences>,
}

/// A world.
#[derive(Debug, Clone)]
pub struct World {
    /// Its id.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// Facts that anybody may know; none is blank.
    pub lore: Vec<String>,
    /// Where a conversation begins.
    pub scene: Option<String>,
    /// What a new chat shows first.
    pub start_message: Option<String>,
    /// What the model is told in every turn.
    pub system_prompt: Option<String>,
    /// The lorebook: what is enabled of it, as the file has it.
    pub entries: Vec<Entry>,
    /// What other programs keep in the file.
    pub extensions: Map<String, Value>,
}

/// A character.
#[derive(Debug, Clone)]
pub struct Character {
    /// Its id.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// Who it is.
    pub persona: String,
    /// Facts that it alone knows; none is blank.
    pub lore: Vec<String>,
    /// Its own lorebook: what is enabled of it, as the file has it.
    pub entries: Vec<Entry>,
    /// What other programs keep in the file.
    pub extensions: Map<String, Value>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// What the model is told while it is active.
    pub prompt: String,
}

/// An entry of a lorebook, ready to be tried on a text. Fields mean what they do in
/// [`dramatis_protocol::assets::LoreEntry`].
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id, where it has one.
    pub id: Option<Id>,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The keys that can be used.
    pub keys: Vec<Key>,
    /// The secondary keys that can be used.
    pub secondary_keys: Vec<Key>,
    /// How those decide.
    pub secondary_logic: SecondaryLogic,
    /// Whether case counts. Regular expressions know it already.
    pub case_sensitive: bool,
    /// Whether a plain key is a whole word; absent: as its script has it.
    pub whole_words: Option<bool>,
    /// Whether it is told in every turn.
    pub constant: bool,
    /// Where it stands; lower is higher up.
    pub order: i64,
    /// The lowest is left out first.
    pub priority: i64,
    /// What the model is told.
    pub content: String,
    /// Whether it wakes others and is woken by them.
    pub recursion: Recursion,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Worlds.
    pub worlds: usize,
    /// Characters.
    pub characters: usize,
    /// Rules, without the base rules.
    pub rules: usize,
    /// Enabled entries of all lorebooks.
    pub entries: usize,
}

impl Entry {
    /// What reports call it: its id, else its name, else its first key.
    #[must_use]
    pub fn label(&self) -> &str {
        let named = self.id.as_deref().or(self.name.as_deref());
        named.or(self.keys.first().map(Key::as_str)).unwrap_or("constant")
    }
}

impl Assets {
    /// A world by its id.
    #[must_use]
    pub fn world(&self, id: &str) -> Option<&Arc<World>> {
        self.worlds.get(id)
    }

    /// A character by its id.
    #[must_use]
    pub fn character(&self, id: &str) -> Option<&Arc<Character>> {
        self.characters.get(id)
    }

    /// A rule by its id.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Arc<Rule>> {
        self.rules.get(id)
    }

    /// All worlds, sorted by id.
    pub fn worlds(&self) -> impl Iterator<Item = &Arc<World>> {
        self.worlds.values()
    }

    /// All characters, sorted by id.
    pub fn characters(&self) -> impl Iterator<Item = &Arc<Character>> {
        self.characters.values()
    }

    /// All rules, sorted by id.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.values()
    }

    /// What every model is told: the folder's `system_rules.yaml`, or ours where there is none.
    #[must_use]
    pub fn base_rules(&self) -> &[String] {
        &self.base_rules
    }

    /// The sentences that prompts add: the folder's `sentences.yaml`, in English what it doesn't name.
    #[must_use]
    pub const fn sentences(&self) -> &Arc<Sentences> {
        &self.sentences
    }

    /// Nothing but these sentences.
    #[cfg(test)]
    pub(crate) fn saying(sentences: Sentences) -> Self {
        Self { sentences: Arc::new(sentences), ..Self::default() }
    }

    /// How much there is.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let of_worlds = self.worlds.values().map(|world| world.entries.len());
        let of_characters = self.characters.values().map(|character| character.entries.len());
        Counts {
            worlds: self.worlds.len(),
            characters: self.characters.len(),
            rules: self.rules.len(),
            entries: of_worlds.chain(of_characters).sum(),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |count: usize, one: &str, more: &str| {
            format!("{count} {}", if count == 1 { one } else { more })
        };
        write!(
            f,
            "{}, {}, {}, {}",
            some(self.worlds, "world", "worlds"),
            some(self.characters, "character", "characters"),
            some(self.rules, "rule", "rules"),
            some(self.entries, "lorebook entry", "lorebook entries"),
        )
    }
}
