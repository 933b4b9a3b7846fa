//! The events of Gemini's stream as they come: every field may be missing or of another type.

use std::borrow::Cow;

use serde_json::Value;

use crate::llm::exchange::lenient::{lenient, lenient_objects, present};

/// One `data:` line.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Chunk<'a> {
    #[serde(deserialize_with = "lenient")]
    pub candidates: Option<Vec<Candidate>>,
    #[serde(deserialize_with = "lenient")]
    pub usage_metadata: Option<UsageMetadata>,
    #[serde(deserialize_with = "lenient")]
    pub prompt_feedback: Option<PromptFeedback>,
    #[serde(deserialize_with = "lenient", borrow)]
    pub model_version: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "lenient", borrow)]
    pub response_id: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "present")]
    pub error: Option<Value>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Candidate {
    #[serde(deserialize_with = "lenient")]
    pub index: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub content: Option<Content>,
    #[serde(deserialize_with = "lenient")]
    pub finish_reason: Option<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Content {
    #[serde(deserialize_with = "lenient")]
    pub parts: Option<Vec<Part>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Part {
    #[serde(deserialize_with = "lenient")]
    pub text: Option<String>,
    /// The text is a summary of what the model thought.
    #[serde(deserialize_with = "lenient")]
    pub thought: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub function_call: Option<FunctionCall>,
    #[serde(deserialize_with = "lenient")]
    pub thought_signature: Option<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct FunctionCall {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(deserialize_with = "present")]
    pub args: Option<Value>,
}

/// How many tokens so far: each event has them, and the last one is right.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UsageMetadata {
    #[serde(deserialize_with = "lenient")]
    pub prompt_token_count: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub candidates_token_count: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub thoughts_token_count: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub cached_content_token_count: Option<f64>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PromptFeedback {
    #[serde(deserialize_with = "lenient")]
    pub block_reason: Option<String>,
}

lenient_objects!(Candidate, Content, Part, FunctionCall, UsageMetadata, PromptFeedback);
