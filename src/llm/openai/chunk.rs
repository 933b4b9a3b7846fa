//! The chunks of a streamed answer as providers really send them. The client library's own types
//! refuse too many of them (an unknown `service_tier`, a tool call without `index`, an error object
//! among the chunks), so every field here is optional and none of an unexpected type is fatal.

use std::borrow::Cow;

use serde_json::Value;

use crate::llm::exchange::lenient::{lenient, lenient_objects, present};

/// One `data:` line, or the whole of an answer that was not streamed. What every chunk repeats is
/// read where it lies.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Chunk<'a> {
    #[serde(deserialize_with = "lenient", borrow)]
    pub model: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "lenient")]
    pub choices: Option<Vec<Choice>>,
    #[serde(deserialize_with = "lenient")]
    pub usage: Option<WireUsage>,
    #[serde(deserialize_with = "present")]
    pub error: Option<Value>,
    /// vLLM puts its error flat into the chunk: `{"object":"error","message":…,"code":400}`.
    #[serde(deserialize_with = "lenient", borrow)]
    pub object: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "present")]
    pub message: Option<Value>,
    #[serde(deserialize_with = "present")]
    pub code: Option<Value>,
    /// Groq's own field.
    #[serde(deserialize_with = "lenient")]
    pub x_groq: Option<GroqExtra>,
}

/// Where Groq puts the usage of a stream, and why it broke one off.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct GroqExtra {
    #[serde(deserialize_with = "lenient")]
    pub usage: Option<WireUsage>,
    #[serde(deserialize_with = "present")]
    pub error: Option<Value>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Choice {
    #[serde(deserialize_with = "lenient")]
    pub index: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub delta: Option<Piece>,
    /// In place of `delta` where the answer was not streamed.
    #[serde(deserialize_with = "lenient")]
    pub message: Option<Piece>,
    #[serde(deserialize_with = "lenient")]
    pub finish_reason: Option<String>,
    #[serde(deserialize_with = "present")]
    pub error: Option<Value>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Piece {
    #[serde(deserialize_with = "present")]
    pub content: Option<Value>,
    #[serde(deserialize_with = "lenient")]
    pub reasoning: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub reasoning_content: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub tool_calls: Option<Vec<CallPiece>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct CallPiece {
    #[serde(deserialize_with = "lenient")]
    pub index: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub function: Option<Function>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Function {
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    /// JSON text; some servers send the object itself.
    #[serde(deserialize_with = "present")]
    pub arguments: Option<Value>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct WireUsage {
    #[serde(deserialize_with = "lenient")]
    pub prompt_tokens: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub completion_tokens: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub prompt_tokens_details: Option<PromptDetails>,
    /// DeepSeek's name for cached tokens.
    #[serde(deserialize_with = "lenient")]
    pub prompt_cache_hit_tokens: Option<f64>,
    /// OpenRouter, in US dollars.
    #[serde(deserialize_with = "lenient")]
    pub cost: Option<f64>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct PromptDetails {
    #[serde(deserialize_with = "lenient")]
    pub cached_tokens: Option<f64>,
}

lenient_objects!(Choice, Piece, CallPiece, Function, WireUsage, PromptDetails, GroqExtra);
