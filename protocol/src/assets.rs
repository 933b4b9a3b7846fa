//! The files of designers: worlds, characters, rules and their lorebooks, as types.
//!
//! A file is one YAML document; [`crate::schema::assets`] has its JSON Schema for editors. Unlike
//! messages of games, which are read tolerantly, a file is read strictly: a key that isn't here is
//! most likely a misspelt one. The free place for what other programs want to keep is `extensions`.
//! Sizes are in [`limits`]; whoever reads files holds them.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Id;

/// How much files may hold.
pub mod limits {
    /// Largest file, in bytes.
    pub const MAX_FILE_BYTES: usize = 1024 * 1024;
    /// Most files of a folder of assets.
    pub const MAX_FILES: usize = 4_096;
    /// Most lorebook entries of all files together.
    pub const MAX_ENTRIES: usize = 10_000;
    /// Most keys of an entry, and most secondary keys.
    pub const MAX_KEYS: usize = 256;
    /// Longest key, in bytes of UTF-8.
    pub const MAX_KEY_BYTES: usize = 1_024;
    /// Most keys of all files together that are regular expressions. One that is large when
    /// compiled, as `\w{8}` is, counts as 16.
    pub const MAX_REGEXES: usize = 2_000;
}

/// A world: the place and its ways. `worlds/*.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorldFile {
    /// What games and other files call it: 1 to 256 bytes.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// Facts that anybody may know, as text in paragraphs or as a list of texts. For a turn those
    /// are looked up that fit what was said.
    #[serde(default, skip_serializing_if = "Texts::is_empty")]
    pub lore: Texts,
    /// Where a conversation begins: place, hour, who is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<String>,
    /// What a new chat shows before anybody has spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_message: Option<String>,
    /// What the model is told in every turn of this world: tone, time, customs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The lorebook: texts that wake when one of their keys is mentioned.
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<LoreEntry>,
    /// Anything that other programs keep here; it stays as it is.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub extensions: Map<String, Value>,
}

/// A character. `characters/*.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CharacterFile {
    /// What games and other files call it: 1 to 256 bytes.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// Who the character is and how it talks; the model reads it in every turn.
    pub persona: String,
    /// Facts that only this character knows, as text in paragraphs or as a list of texts. For a turn
    /// those are looked up that fit what was said.
    #[serde(default, skip_serializing_if = "Texts::is_empty")]
    pub lore: Texts,
    /// The character's own lorebook: texts that wake when one of their keys is mentioned.
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<LoreEntry>,
    /// Anything that other programs keep here; it stays as it is.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub extensions: Map<String, Value>,
}

/// A rule that a game or a player switches on and off. `rules/*.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// What games and commands call it: 1 to 256 bytes.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// What the model is told while the rule is active.
    pub prompt: String,
}

/// What every model is told, whatever the world. `system_rules.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemRulesFile {
    /// The rules, as one text or as a list of texts.
    pub rules: Texts,
}

/// A piece of a lorebook: it is told to the model when one of its keys is mentioned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoreEntry {
    /// What reports call it; 1 to 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// A name for whoever edits the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Words of which one must be mentioned. Without any the entry must be `constant`.
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Words that decide as well, as `secondary_logic` says.
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub secondary_keys: Vec<String>,
    /// How the secondary keys decide, where there are any; `and_any` if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub secondary_logic: SecondaryLogic,
    /// Whether the keys of both kinds are regular expressions; no if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub regex: bool,
    /// Whether upper and lower case count; no if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub case_sensitive: bool,
    /// Whether a key counts only as a whole word. If absent: yes for a key whose script puts spaces
    /// between words, no for one of Chinese, Japanese, Thai and their like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_words: Option<bool>,
    /// Whether it is told in every turn, mentioned or not; no if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub constant: bool,
    /// Where it stands among the others that wake: lower is higher up, and so further from the
    /// player's words. 100 if absent.
    #[serde(default = "default_order", skip_serializing_if = "is_default_order")]
    pub order: i64,
    /// What stays when there is no room for all: the lowest is left out first. 0 if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i64,
    /// Whether it is used at all; yes if absent.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
    /// What the model is told.
    pub content: String,
    /// What its text and other entries' texts do to each other; both if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub recursion: Recursion,
    /// Anything that other programs keep here; it stays as it is.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub extensions: Map<String, Value>,
}

/// How secondary keys decide, when a key was mentioned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecondaryLogic {
    /// One of them must be mentioned too.
    #[default]
    AndAny,
    /// All of them must be mentioned too.
    AndAll,
    /// None of them may be mentioned.
    NotAny,
    /// They may not all be mentioned.
    NotAll,
}

/// Whether entries wake each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Recursion {
    /// Whether this entry's text may wake others.
    pub wakes_others: bool,
    /// Whether the texts of others may wake this entry.
    pub woken_by_others: bool,
}

impl Default for Recursion {
    fn default() -> Self {
        Self { wakes_others: true, woken_by_others: true }
    }
}

/// One text, or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Texts {
    /// One text, mostly in paragraphs.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl Texts {
    /// The texts, without those that are blank.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        };
        all.iter().map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
        ]})
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts::One(text.to_owned()))
            }

            // A year needs no quotes.
            fn visit_u64<E: Error>(self, number: u64) -> Result<Texts, E> {
                Ok(Texts::One(number.to_string()))
            }

            fn visit_unit<E: Error>(self) -> Result<Texts, E> {
                Ok(Texts::default())
            }

            fn visit_none<E: Error>(self) -> Result<Texts, E> {
                Ok(Texts::default())
            }

            fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Texts, D::Error> {
                Texts::deserialize(from)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Texts::Many(texts))
            }
        }

        from.deserialize_any(Either)
    }
}

/// A list; a key with nothing behind it, whose items were all commented out, is an empty one.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A map of anything; nothing is an empty one.
fn object<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

const fn default_order() -> i64 {
    100
}

const fn is_default_order(order: &i64) -> bool {
    *order == default_order()
}

const fn yes() -> bool {
    true
}

const fn is_yes(value: &bool) -> bool {
    *value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_absent_has_its_default_and_is_left_out_again() {
        let least = json!({"content": "The bridge is closed at night."});
        let entry: LoreEntry = serde_json::from_value(least.clone()).unwrap();
        assert_eq!((entry.order, entry.priority, entry.enabled), (100, 0, true));
        assert_eq!(entry.secondary_logic, SecondaryLogic::AndAny);
        assert!(entry.recursion.wakes_others && entry.recursion.woken_by_others);
        assert_eq!(serde_json::to_value(&entry).unwrap(), least);
    }

    #[test]
    fn a_file_comes_back_as_it_went_with_what_is_not_ours() {
        let file = json!({
            "id": "maren", "name": "Maren", "persona": "Keeps an inn.",
            "lore": ["She can't swim."],
            "entries": [{"keys": ["oil"], "secondary_logic": "not_any", "secondary_keys": ["lamp"],
                "whole_words": false, "order": 5, "content": "There is a jar.",
                "recursion": {"wakes_others": false, "woken_by_others": true}}],
            "extensions": {"some/program": {"depth": 4, "list": [1, null, "x"]}},
        });
        let read: CharacterFile = serde_json::from_value(file.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), file);
    }

    #[test]
    fn texts_are_one_or_many() {
        let check = |value: Value, expected: &[&str]| {
            let texts: Texts = serde_json::from_value(value).unwrap();
            assert_eq!(texts.iter().collect::<Vec<_>>(), expected);
        };
        check(json!("One.\n\nTwo."), &["One.\n\nTwo."]);
        check(json!(["One.", " ", "Two.\n"]), &["One.", "Two."]);
        check(json!(null), &[]);
        check(json!(1874), &["1874"]);
        for wrong in [json!({"a": 1}), json!([["x"]]), json!(true)] {
            assert!(serde_json::from_value::<Texts>(wrong).is_err());
        }
    }

    #[test]
    fn a_key_that_means_nothing_is_refused() {
        for (kind, wrong) in [
            ("entry", json!({"content": "x", "kyes": []})),
            ("recursion", json!({"content": "x", "recursion": {"wakes": true}})),
        ] {
            assert!(serde_json::from_value::<LoreEntry>(wrong).is_err(), "{kind}");
        }
        let rule = json!({"id": "r", "name": "R", "prompt": "x", "extensions": {}});
        assert!(serde_json::from_value::<RuleFile>(rule).is_err());
    }
}
