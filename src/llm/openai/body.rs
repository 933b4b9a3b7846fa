//! A request as an OpenAI-compatible endpoint reads it.

use serde::Serialize;
use serde_json::Value;

use crate::llm::{ProviderSettings, Request};
use crate::record::{Message, Role, ToolCall, ToolSpec};

/// Hosts that want something else than the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `api.openai.com`: its newer models know `max_completion_tokens` alone.
    OpenAi,
    /// `openrouter.ai`: tells what a reply cost, if asked.
    OpenRouter,
    /// Everybody else.
    Common,
}

impl Dialect {
    /// What an endpoint wants.
    pub fn of(endpoint: &ProviderSettings) -> Self {
        match endpoint.host() {
            "api.openai.com" => Self::OpenAi,
            _ if endpoint.is_openrouter() => Self::OpenRouter,
            _ => Self::Common,
        }
    }
}

/// The JSON body.
#[derive(Serialize)]
pub struct Body<'a> {
    model: &'a str,
    messages: Vec<WireMessage<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct UsageOptions {
    include: bool,
}

#[derive(Serialize)]
struct WireMessage<'a> {
    role: Role,
    /// `null` only beside tool calls: some servers refuse an empty text there, others a `null`
    /// anywhere else.
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: OfferedFunction<'a>,
}

#[derive(Serialize)]
struct OfferedFunction<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Value>,
}

impl<'a> Body<'a> {
    /// The body of a request, streaming.
    pub fn new(request: &'a Request, dialect: Dialect) -> Self {
        let limit = |wanted: bool| request.max_tokens.filter(|_| wanted);
        Self {
            model: &request.model,
            messages: request.messages.iter().map(WireMessage::new).collect(),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            temperature: request.temperature,
            max_tokens: limit(dialect != Dialect::OpenAi),
            max_completion_tokens: limit(dialect == Dialect::OpenAi),
            tools: request.tools.iter().map(Tool::new).collect(),
            usage: (dialect == Dialect::OpenRouter).then_some(UsageOptions { include: true }),
        }
    }
}

impl<'a> WireMessage<'a> {
    fn new(message: &'a Message) -> Self {
        let only_calls = message.content.is_empty() && !message.tool_calls.is_empty();
        Self {
            role: message.role,
            content: (!only_calls).then_some(message.content.as_str()),
            tool_calls: message.tool_calls.iter().map(Call::new).collect(),
            tool_call_id: message.tool_call_id.as_deref(),
        }
    }
}

impl<'a> Call<'a> {
    fn new(call: &'a ToolCall) -> Self {
        let function = CalledFunction { name: &call.name, arguments: &call.arguments };
        Self { id: &call.id, r#type: "function", function }
    }
}

impl<'a> Tool<'a> {
    fn new(tool: &'a ToolSpec) -> Self {
        let function = OfferedFunction {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.parameters.as_ref(),
        };
        Self { r#type: "function", function }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_written_as_the_endpoint_wants_it() {
        let call = ToolCall {
            id: "c1".into(),
            name: "give".into(),
            arguments: "{}".into(),
            signature: Some("of another provider".into()),
        };
        let calling = Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "") };
        let answer =
            Message { tool_call_id: Some("c1".into()), ..Message::text(Role::Tool, "done") };
        let tool = ToolSpec {
            name: "give".into(),
            description: None,
            parameters: Some(json!({"type": "object"})),
        };
        let mut request = Request {
            model: "m".into(),
            messages: Arc::new(vec![Message::text(Role::System, "You are Bram."), calling, answer]),
            tools: vec![tool],
            temperature: Some(0.5),
            max_tokens: Some(100),
            priority: 0,
            cue: None,
        };
        let common = serde_json::to_value(Body::new(&request, Dialect::Common)).unwrap();
        let expected = json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "You are Bram."},
                {"role": "assistant", "content": null, "tool_calls": [{"id": "c1",
                    "type": "function", "function": {"name": "give", "arguments": "{}"}}]},
                {"role": "tool", "content": "done", "tool_call_id": "c1"},
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
            "temperature": 0.5,
            "max_tokens": 100,
            "tools": [{"type": "function",
                "function": {"name": "give", "parameters": {"type": "object"}}}],
        });
        assert_eq!(common, expected);

        request.tools.clear();
        let dialect = |base| Dialect::of(&ProviderSettings::new(base, None).unwrap());
        let openai = dialect("https://api.openai.com/v1");
        let openai = serde_json::to_value(Body::new(&request, openai)).unwrap();
        assert_eq!(
            (&openai["max_completion_tokens"], openai.get("max_tokens")),
            (&json!(100), None)
        );
        assert_eq!(openai.get("tools"), None);
        let router = dialect("https://openrouter.ai/api/v1");
        let router = serde_json::to_value(Body::new(&request, router)).unwrap();
        assert_eq!(router["usage"], json!({"include": true}));
    }
}
