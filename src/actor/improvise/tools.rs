//! Which tool a text asks for, and with which arguments: tags of kind tool and actions with a
//! purpose of their own, and the native tools of a request.

use serde_json::{Map, Value};

use super::words::{alike, key_words, words};
use crate::llm::Cue;
use crate::record::ToolSpec;
use crate::tags::{AttributeDef, AttributeType, TagDef};

/// From this score on a text is taken to ask for a tool.
const ASKED: usize = 2;

/// What was said, prepared for comparison.
pub struct Wish {
    all: Vec<String>,
    key: Vec<String>,
    text: String,
    speaker: Option<String>,
}

impl Wish {
    pub fn new(cue: &Cue) -> Self {
        let text = cue.text.clone().unwrap_or_default();
        let (all, key) = (words(&text), key_words(&text));
        let speaker = cue.speaker.as_deref().map(str::trim).filter(|speaker| !speaker.is_empty());
        Self { all, key, text, speaker: speaker.map(str::to_owned) }
    }

    /// The tag that was asked for most clearly, with its attributes.
    pub fn tag<'a>(
        &self,
        tags: impl Iterator<Item = &'a TagDef>,
    ) -> Option<(&'a TagDef, Vec<(String, String)>)> {
        let scored =
            tags.map(|tag| (self.score_tag(tag), tag)).filter(|(score, _)| *score >= ASKED);
        // The first of equals.
        let (_, tag) = scored.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        let wanted = tag.attributes.iter().filter(|it| it.required || self.names_value(&it.values));
        Some((tag, wanted.map(|it| (it.name.clone(), self.value(it))).collect()))
    }

    /// The native tool that was asked for most clearly, with its arguments as JSON text.
    pub fn native(&self, tools: &[ToolSpec]) -> Option<(String, String)> {
        let scored = tools.iter().map(|tool| (self.score_native(tool), tool));
        let asked = scored.filter(|(score, _)| *score >= ASKED);
        let (_, tool) = asked.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        let arguments: Map<String, Value> = parameters(tool)
            .into_iter()
            .filter(|it| it.required || self.names_value(&it.values))
            .map(|it| (it.name.clone(), self.json(&it)))
            .collect();
        Some((tool.name.clone(), Value::Object(arguments).to_string()))
    }

    fn score_tag(&self, tag: &TagDef) -> usize {
        let values = tag.attributes.iter().any(|attribute| self.names_value(&attribute.values));
        self.score(&tag.name, tag.description.as_deref(), values)
    }

    fn score_native(&self, tool: &ToolSpec) -> usize {
        let values = parameters(tool).iter().any(|parameter| self.names_value(&parameter.values));
        self.score(&tool.name, tool.description.as_deref(), values)
    }

    /// The verb of a name (`give_item`) or a value decides; the rest of the name and the
    /// description only help.
    fn score(&self, name: &str, description: Option<&str>, names_value: bool) -> usize {
        let spaced = name.replace(['_', '-', '.', ':'], " ");
        let parts = words(&spaced);
        let verb = parts.first().is_some_and(|verb| self.all.iter().any(|word| alike(word, verb)));
        let rest =
            parts.iter().skip(1).filter(|part| self.key.iter().any(|word| alike(word, part)));
        let described = key_words(description.unwrap_or_default());
        let helps = self.key.iter().filter(|word| described.iter().any(|it| alike(it, word)));
        usize::from(verb) * 2 + rest.count() + usize::from(names_value) * 2 + helps.count().min(2)
    }

    /// What was said, less the tool's own name and the empty words.
    pub fn subject(&self, name: &str) -> String {
        let parts = words(&name.replace(['_', '-', '.', ':'], " "));
        let own = |word: &&String| parts.iter().any(|part| alike(part, word));
        let rest: Vec<_> =
            self.key.iter().filter(|word| !own(word)).map(|word| self.as_said(word)).collect();
        if rest.is_empty() { self.text.trim().to_owned() } else { rest.join(" ") }
    }

    fn names_value(&self, values: &[String]) -> bool {
        self.named_value(values).is_some()
    }

    fn named_value<'a>(&self, values: &'a [String]) -> Option<&'a String> {
        values.iter().find(|value| {
            let parts = words(&value.replace(['_', '-'], " "));
            !parts.is_empty() && parts.iter().all(|part| self.all.iter().any(|it| alike(it, part)))
        })
    }

    /// A value for an attribute: one of those it may have, else what fits its type and name.
    pub fn value(&self, attribute: &AttributeDef) -> String {
        if let Some(value) = self.named_value(&attribute.values).or(attribute.values.first()) {
            return value.clone();
        }
        match attribute.value_type {
            AttributeType::Integer | AttributeType::Number => self.number(),
            AttributeType::Boolean => "true".to_owned(),
            AttributeType::String => self.word_for(&attribute.name),
        }
    }

    fn json(&self, attribute: &AttributeDef) -> Value {
        let text = self.value(attribute);
        match attribute.value_type {
            AttributeType::String => Value::String(text),
            _ => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    fn number(&self) -> String {
        let digits = self.all.iter().find_map(|word| word.parse::<u32>().ok());
        let small = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
        let spelt = || self.all.iter().find_map(|word| small.iter().position(|it| it == word));
        digits
            .or_else(|| spelt().and_then(|it| u32::try_from(it + 1).ok()))
            .unwrap_or(1)
            .to_string()
    }

    fn word_for(&self, name: &str) -> String {
        let name = name.to_lowercase();
        let person = ["to", "target", "listener", "who", "player", "recipient", "person"];
        if person.contains(&name.as_str())
            && let Some(speaker) = &self.speaker
        {
            return speaker.clone();
        }
        if matches!(name.as_str(), "text" | "message" | "query" | "question") {
            return self.text.trim().to_owned();
        }
        self.key.last().map_or_else(|| "something".to_owned(), |word| self.as_said(word))
    }

    /// A word as the speaker spelt it: a game looks names up by their letters.
    fn as_said(&self, word: &str) -> String {
        let said = self.text.split(|character: char| !character.is_alphanumeric());
        let mut alike = said.filter(|said| said.to_lowercase() == word);
        alike.next().unwrap_or(word).to_owned()
    }
}

/// The parameters of a native tool as far as its schema is plain.
fn parameters(tool: &ToolSpec) -> Vec<AttributeDef> {
    let schema = tool.parameters.as_ref();
    let required: Vec<&str> = schema
        .and_then(|schema| schema.get("required")?.as_array())
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
    let read = |(name, property): (&String, &Value)| {
        let values = property.get("enum").and_then(Value::as_array);
        let strings = values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let value_type = match property.get("type").and_then(Value::as_str) {
            Some("integer") => AttributeType::Integer,
            Some("number") => AttributeType::Number,
            Some("boolean") => AttributeType::Boolean,
            _ => AttributeType::String,
        };
        AttributeDef {
            name: name.clone(),
            description: None,
            value_type,
            values: strings.collect(),
            required: required.contains(&name.as_str()),
        }
    };
    properties.into_iter().flatten().map(read).collect()
}
