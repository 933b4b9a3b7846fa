//! The agent's state as a game sends it: dossier, vocabulary, tools and settings.
//!
//! A state is read whole or not at all. Whether the tags make a good vocabulary together
//! (alike names, say) is the tag parser's business.

use serde_json::Value;

use super::fields::{Fields, Item, Reading};
use super::values::{any, boolean, id, integer, name, name_like, number, one_of, scalar, text};
use crate::state::{
    AgentState, AttributeDefinition, AttributeType, DossierSection, PromptPart, TagContent,
    TagDefinition, TagKind, ToolDefinition,
};

const KINDS: &[(&str, TagKind)] = &[
    ("speech", TagKind::Speech),
    ("action", TagKind::Action),
    ("tool", TagKind::Tool),
    ("hidden", TagKind::Hidden),
];

const CONTENTS: &[(&str, TagContent)] = &[("text", TagContent::Text), ("none", TagContent::None)];

const ATTRIBUTE_TYPES: &[(&str, AttributeType)] = &[
    ("string", AttributeType::String),
    ("integer", AttributeType::Integer),
    ("number", AttributeType::Number),
    ("boolean", AttributeType::Boolean),
];

/// The warmest that providers take.
const MAX_TEMPERATURE: f64 = 2.0;

pub(super) fn agent_state(item: Item<'_>) -> Reading<AgentState> {
    item.object(|f| {
        Ok(AgentState {
            name: f.need("name", name)?,
            character_id: f.get("character_id", id)?,
            world_id: f.get("world_id", id)?,
            rules: f.get("rules", |item| item.list(id))?.unwrap_or_default(),
            dossier: f.get("dossier", dossier)?.unwrap_or_default(),
            prompt_parts: f.get("prompt_parts", |item| item.list(part))?.unwrap_or_default(),
            tags: f.get("tags", tags)?.unwrap_or_default(),
            tools: f.get("tools", |item| item.list(tool))?.unwrap_or_default(),
            stray_text: f.get("stray_text", name)?,
            model: f.get("model", name)?,
            temperature: f.get("temperature", |item| number(item, 0.0, MAX_TEMPERATURE))?,
            max_tokens: f.get("max_tokens", at_least_one)?,
            history_turns: f.get("history_turns", integer)?,
            lore_results: f.get("lore_results", integer)?,
            memory_results: f.get("memory_results", integer)?,
        })
    })
}

fn at_least_one(item: Item<'_>) -> Reading<u32> {
    if item.value().as_f64() == Some(0.0) {
        return Err(item.wrong("a whole number from 1"));
    }
    integer(item)
}

/// Headings are the game's own words: as the keys of an object, or in a list.
fn dossier(item: Item<'_>) -> Reading<Vec<DossierSection>> {
    match item.value() {
        Value::Object(_) => item.entries(|title, item| {
            Ok(DossierSection { title: title.to_owned(), content: section(item)? })
        }),
        Value::Array(_) => item.list(|item| {
            item.object(|f| {
                let title = f.need("title", text)?;
                Ok(DossierSection { title, content: f.need("content", section)? })
            })
        }),
        _ => Err(item.wrong("an object with a section under each heading, or a list of sections")),
    }
}

fn section(item: Item<'_>) -> Reading<Value> {
    match item.value() {
        Value::Array(_) | Value::Object(_) => any(item),
        _ => scalar(item).map(Value::String),
    }
}

fn part(item: Item<'_>) -> Reading<PromptPart> {
    item.object(|f| Ok(PromptPart { title: f.need("title", text)?, text: f.need("text", text)? }))
}

pub(super) fn tags(item: Item<'_>) -> Reading<Vec<TagDefinition>> {
    item.list(|item| {
        item.object(|f| {
            Ok(TagDefinition {
                name: f.need("name", tag_name)?,
                description: f.get("description", text)?,
                kind: f.get("kind", |item| one_of(item, KINDS))?.unwrap_or_default(),
                content: f.get("content", |item| one_of(item, CONTENTS))?.unwrap_or_default(),
                contains: f.get("contains", |item| item.list(tag_name))?,
                attributes: f.get("attributes", attributes)?.unwrap_or_default(),
                interruptible: f.get("interruptible", boolean)?.unwrap_or(true),
            })
        })
    })
}

/// The tag dialect's rule for names.
fn tag_name(item: Item<'_>) -> Reading<String> {
    name_like(
        item,
        |name| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(is_name_char)
        },
        "a tag's name (a letter or _, then letters, digits and _ . : -)",
    )
}

const fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')
}

fn attributes(item: Item<'_>) -> Reading<Vec<AttributeDefinition>> {
    item.list(|item| {
        item.object(|f| {
            Ok(AttributeDefinition {
                name: f.need("name", attribute_name)?,
                description: f.get("description", text)?,
                value_type: f
                    .get("type", |item| one_of(item, ATTRIBUTE_TYPES))?
                    .unwrap_or_default(),
                values: f.get("values", |item| item.list(scalar))?.unwrap_or_default(),
                required: f.get("required", boolean)?.unwrap_or(false),
            })
        })
    })
}

/// Whatever the tag parser could read as one attribute's name.
fn attribute_name(item: Item<'_>) -> Reading<String> {
    name_like(
        item,
        |name| {
            !name.contains(|c: char| c.is_whitespace() || c.is_control())
                && !name.contains(['=', '/', '<', '>', '"', '\''])
        },
        "an attribute's name (no white space, quotes, or = / < >)",
    )
}

/// Flat, or as `{"type": "function", "function": {…}}`.
fn tool(item: Item<'_>) -> Reading<ToolDefinition> {
    item.object(|f| {
        f.get("type", |item| one_of(item, &[("function", ())]))?;
        match f.get("function", |item| item.object(function))? {
            Some(tool) => Ok(tool),
            None => function(f),
        }
    })
}

fn function(f: &mut Fields<'_>) -> Reading<ToolDefinition> {
    Ok(ToolDefinition {
        name: f.need("name", |item| {
            name_like(
                item,
                |name| name.chars().all(is_name_char),
                "a tool's name (letters, digits and _ . : -)",
            )
        })?,
        description: f.get("description", text)?,
        parameters: f.get("parameters", |item| match item.value() {
            Value::Object(_) => any(item),
            _ => Err(item.wrong("an object, the JSON Schema of the arguments")),
        })?,
    })
}
