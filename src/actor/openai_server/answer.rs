//! What a completion answers, as JSON: a chunk of a stream, or the whole of it.

use serde::Serialize;

/// A chunk, or a document.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    pub id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<u32>,
    pub model: &'a str,
    pub choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
}

/// The only choice.
#[derive(Default, Serialize)]
pub(super) struct Choice<'a> {
    pub index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<Said<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Said<'a>>,
    pub finish_reason: Option<&'a str>,
}

/// A message, or a piece of one.
#[derive(Default, Serialize)]
pub(super) struct Said<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Call<'a>>,
}

/// A tool call, or a piece of one.
#[derive(Serialize)]
pub(super) struct Call<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<&'static str>,
    pub function: Function<'a>,
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    pub arguments: &'a str,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct UsageReport {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
}

#[derive(Serialize)]
pub(super) struct ErrorReport {
    pub code: u16,
    pub message: &'static str,
}
