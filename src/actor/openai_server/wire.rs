//! A chat completion request, read as tolerantly as a mock may: what it doesn't know it ignores.

use serde::Deserialize;
use serde_json::Value;

use crate::record::{Message, Role, ToolCall, ToolSpec};

/// The fields that matter here.
#[derive(Debug, Deserialize)]
pub(super) struct ChatRequest {
    #[serde(default)]
    pub model: Option<String>,
    messages: Vec<WireMessage>,
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
struct WireMessage {
    role: String,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    tool_calls: Option<Vec<Call>>,
    #[serde(default)]
    tool_call_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Call {
    id: String,
    function: ToolCallFunction,
}

#[derive(Debug, Deserialize)]
struct ToolCallFunction {
    name: String,
    #[serde(default)]
    arguments: String,
}

#[derive(Debug, Deserialize)]
struct Tool {
    function: ToolSpec,
}

impl ChatRequest {
    /// Whether the usage is wanted at the end of a stream.
    pub fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    pub fn messages(&self) -> Vec<Message> {
        self.messages.iter().map(WireMessage::read).collect()
    }

    pub fn tools(&self) -> Vec<ToolSpec> {
        self.tools.iter().flatten().map(|tool| tool.function.clone()).collect()
    }
}

impl WireMessage {
    fn read(&self) -> Message {
        let role = match self.role.as_str() {
            "system" | "developer" => Role::System,
            "assistant" => Role::Assistant,
            "tool" | "function" => Role::Tool,
            _ => Role::User,
        };
        let calls = self.tool_calls.iter().flatten().map(|call| ToolCall {
            id: call.id.clone(),
            name: call.function.name.clone(),
            arguments: call.function.arguments.clone(),
            signature: None,
        });
        Message {
            tool_calls: calls.collect(),
            tool_call_id: self.tool_call_id.clone(),
            ..Message::text(role, self.text())
        }
    }

    /// A text, or the texts of a list of parts.
    fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
                texts.collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        }
    }
}
