//! The agent's state, as the game reports it before every turn.

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::Id;
use crate::read::scalar_text;

/// Everything the server needs to know of a character now. Only `name` is required.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AgentState {
    /// The character's name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// The character among the server's assets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub character_id: Option<Id>,
    /// The world among the server's assets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world_id: Option<Id>,
    /// The rules among the server's assets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Id>,
    /// Who the character is, under headings, in the order in which the model reads them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::dossier")]
    pub dossier: Vec<DossierSection>,
    /// What is so right now: scene, goals, surroundings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prompt_parts: Vec<PromptPart>,
    /// The tags that the character may use; empty: speech, action, emotion and think.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagDefinition>,
    /// Tools offered to the model as native function calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::tools")]
    pub tools: Vec<ToolDefinition>,
    /// What becomes of text outside every tag: `auto`, `drop` or a tag's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stray_text: Option<String>,
    /// The model that plays this character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model's temperature, from 0 to 2.
    #[schemars(range(min = 0.0, max = 2.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Longest reply, in tokens.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// How many of the agent's past turns the prompt shows; 20 if absent, 0: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_turns: Option<u32>,
    /// How many pieces of lore are looked up for a turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lore_results: Option<u32>,
    /// How many memories are looked up for a turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_results: Option<u32>,
}

/// One headed section of the dossier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DossierSection {
    /// The heading.
    pub title: String,
    /// Text, a list or a map; numbers and booleans are read as text.
    #[schemars(schema_with = "crate::schema::section_content")]
    pub content: Value,
}

/// A part of the present situation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromptPart {
    /// The heading.
    pub title: String,
    /// The text below it.
    pub text: String,
}

/// What a tag is to the game.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagKind {
    /// Said aloud.
    Speech,
    /// Done or shown.
    #[default]
    Action,
    /// A call of the game's tool; the game answers with `tool_results`.
    Tool,
    /// Kept from the game; only the log has it.
    Hidden,
}

/// Whether a tag holds text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagContent {
    /// It may hold text and other tags.
    #[default]
    Text,
    /// It opens and closes at once.
    None,
}

/// One tag of an agent's vocabulary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TagDefinition {
    /// The tag's name: a letter or `_`, then letters, digits and `_ . : -`.
    #[schemars(length(max = 256), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_.:-]*$"))]
    pub name: String,
    /// What it is for, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is to the game.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: TagKind,
    /// Whether it holds text.
    #[serde(default, skip_serializing_if = "is_default")]
    pub content: TagContent,
    /// The tags that may stand directly inside; absent: every tag of whose name none is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<Vec<String>>,
    /// Its attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AttributeDefinition>,
    /// `false`: a newer event lets it end first, for 2 s at the most.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub interruptible: bool,
}

/// The type that an attribute's value should fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttributeType {
    /// Any text.
    #[default]
    String,
    /// An optional sign and digits.
    Integer,
    /// A JSON number.
    Number,
    /// `true` or `false`, in any case.
    Boolean,
}

/// One attribute of a tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttributeDefinition {
    /// The attribute's name.
    pub name: String,
    /// What it is for, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The type that a value should fit.
    #[serde(default, rename = "type", skip_serializing_if = "is_default")]
    pub value_type: AttributeType,
    /// The values that it may have; empty: any.
    #[serde(default, deserialize_with = "scalars", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::scalars")]
    pub values: Vec<String>,
    /// Whether the model must give it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub required: bool,
}

/// A tool that the model may call natively.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolDefinition {
    /// The tool's name.
    pub name: String,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its arguments, an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub parameters: Option<Value>,
}

const fn yes() -> bool {
    true
}

pub(crate) const fn is_true(truth: &bool) -> bool {
    *truth
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads texts, numbers and truth values as texts, a whole number without its fraction.
fn scalars<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<String>, D::Error> {
    Vec::<Value>::deserialize(source)?
        .iter()
        .map(|value| {
            scalar_text(value).ok_or_else(|| D::Error::custom("expected text or a number"))
        })
        .collect()
}
