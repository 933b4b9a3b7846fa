//! The vocabulary as a prompt tells it: a line `- <speech to="…">…</speech>: said aloud.` for each
//! tag, and below it one for each attribute. A prompt that tells of no tags is answered in those of
//! a game that defines none, unless it asks for plain words, as the prompt of a chat does.

use std::sync::Arc;

use crate::tags::{AttributeDef, AttributeType, Content, Kind, TagDef, Vocabulary};

/// What the end of a chat's system message says.
const PLAIN_WORDS: &str = "and as nobody else: what";

/// Reads the tags out of a system message.
pub fn vocabulary(system: &str) -> Vocabulary {
    let mut tags: Vec<TagDef> = Vec::new();
    for line in system.lines() {
        if let Some(rest) = line.strip_prefix("- <") {
            tags.extend(tag(rest));
        } else if let (Some(rest), Some(tag)) = (line.strip_prefix("  - "), tags.last_mut()) {
            tag.attributes.extend(attribute(rest));
        }
    }
    if tags.is_empty() {
        let plain = system.contains(PLAIN_WORDS);
        return if plain { Vocabulary::none() } else { Vocabulary::standard() };
    }
    // An impossible name can't stand in a prompt of ours; with any other the usual tags will do.
    Vocabulary::new(tags).unwrap_or_else(|_| Vocabulary::standard())
}

/// After `- <`: `name attribute="…">…</name>: said aloud; …. Description`.
fn tag(rest: &str) -> Option<TagDef> {
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '>'))?;
    let (name, _) = rest.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
    let (form, told) = rest.split_once(">: ")?;
    let kind = [
        ("said aloud", Kind::Speech),
        ("calls a tool", Kind::Tool),
        ("for your thoughts", Kind::Hidden),
    ];
    let kind = kind.iter().find(|(words, _)| told.starts_with(words));
    let empty = form.ends_with('/') && !form.contains("</");
    let content = if empty { Content::None } else { Content::Text };
    let description = told.split_once(". ").map(|(_, description)| description.to_owned());
    let kind = kind.map_or(Kind::Action, |(_, kind)| *kind);
    Some(TagDef {
        name: Arc::from(name),
        description,
        kind,
        content,
        contains: None,
        attributes: Vec::new(),
        interruptible: true,
    })
}

/// After `  - `: `name (required; one of "a", "b"): description`.
fn attribute(rest: &str) -> Option<AttributeDef> {
    let (name, told) = rest.split_once(" (")?;
    let (notes, _) = told.split_once(')').unwrap_or((told, ""));
    let values = notes.split_once("one of ").map(|(_, values)| values);
    let values = values.map(|values| serde_json::from_str(&format!("[{values}]")));
    let value_type = if notes.contains("a whole number") {
        AttributeType::Integer
    } else if notes.contains("a number") {
        AttributeType::Number
    } else if notes.contains("true or false") {
        AttributeType::Boolean
    } else {
        AttributeType::String
    };
    Some(AttributeDef {
        name: name.to_owned(),
        description: None,
        value_type,
        values: values.and_then(Result::ok).unwrap_or_default(),
        required: notes.starts_with("required"),
    })
}
