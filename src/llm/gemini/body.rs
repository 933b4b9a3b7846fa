//! A request as Gemini reads it: the system instruction apart, turns of `user` and `model`, calls and
//! their results as parts.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::decode::OWN_ID;
use super::signature;
use crate::llm::Request;
use crate::record::{Message, Role, ToolCall, ToolSpec};

/// Newer models refuse a call in the history without the signature of the thoughts behind it. Where
/// none of theirs is known, the API takes this word for "from elsewhere" (ai.google.dev, "Thought
/// signatures").
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The JSON body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tools<'a>>,
    generation_config: GenerationConfig,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Said<'a> {
    Text(&'a str),
    FunctionCall(Call<'a>),
    FunctionResponse(Answer<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(flatten)]
    said: Said<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Serialize)]
struct Call<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    args: Value,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    response: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Function<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Function<'a> {
    name: &'a str,
    /// Required by the API.
    description: &'a str,
    /// `parameters` would take a part of JSON Schema only, and refuse the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    include_thoughts: bool,
}

impl<'a> Body<'a> {
    /// The body of a request.
    pub fn new(request: &'a Request) -> Self {
        let mut contents: Vec<Content<'a>> = Vec::new();
        let mut system = Vec::new();
        for (place, message) in request.messages.iter().enumerate() {
            if message.role == Role::System {
                system.extend(text(message));
                continue;
            }
            let role = if message.role == Role::Assistant { "model" } else { "user" };
            let before = request.messages.get(..place).unwrap_or_default();
            let parts = parts_of(message, before, &request.model);
            // Neighbours of one role are one turn: the answers to calls made at once have to be.
            match contents.last_mut() {
                Some(last) if last.role == Some(role) => last.parts.extend(parts),
                _ if parts.is_empty() => {}
                _ => contents.push(Content { role: Some(role), parts }),
            }
        }
        if contents.is_empty() {
            // There must be something to answer.
            contents.push(Content { role: Some("user"), parts: std::mem::take(&mut system) });
        }
        let functions: Vec<_> = request.tools.iter().map(Function::new).collect();
        Self {
            system_instruction: (!system.is_empty())
                .then_some(Content { role: None, parts: system }),
            contents,
            tools: if functions.is_empty() {
                Vec::new()
            } else {
                vec![Tools { function_declarations: functions }]
            },
            generation_config: GenerationConfig {
                temperature: request.temperature,
                max_output_tokens: request.max_tokens,
                thinking_config: thinks(&request.model)
                    .then_some(ThinkingConfig { include_thoughts: true }),
            },
        }
    }
}

/// Models before 2.5 refuse to be asked for their thoughts, and so do those that aren't Gemini.
fn thinks(model: &str) -> bool {
    let Some(version) = model.strip_prefix("gemini-") else { return false };
    !["1.", "2.0", "pro", "embedding"].iter().any(|old| version.starts_with(old))
}

fn parts_of<'a>(message: &'a Message, before: &'a [Message], model: &str) -> Vec<Part<'a>> {
    if message.role == Role::Tool {
        return answer(message, before).into_iter().collect();
    }
    let calls = message.tool_calls.iter().enumerate().map(|(place, call)| Part {
        said: Said::FunctionCall(Call {
            id: id_of(&call.id),
            name: &call.name,
            args: object(&call.arguments).unwrap_or_default().into(),
        }),
        // The first of several calls carries one for all.
        thought_signature: own_signature(call, model).or((place == 0).then_some(NO_SIGNATURE)),
    });
    text(message).into_iter().chain(calls).collect()
}

fn own_signature<'a>(call: &'a ToolCall, model: &str) -> Option<&'a str> {
    signature::for_model(call.signature.as_deref()?, model)
}

/// An empty text is no part: the API refuses it.
fn text(message: &Message) -> Option<Part<'_>> {
    let is_empty = message.content.is_empty();
    (!is_empty).then(|| Part { said: Said::Text(&message.content), thought_signature: None })
}

/// The result of a call, which goes by the call's name; without a call it is what the user says.
fn answer<'a>(message: &'a Message, before: &'a [Message]) -> Option<Part<'a>> {
    let id = message.tool_call_id.as_deref();
    let mut calls = before.iter().rev().flat_map(|message| &message.tool_calls);
    let call: Option<&ToolCall> = calls.find(|call| Some(call.id.as_str()) == id);
    let Some(call) = call else { return text(message) };
    let response = match object(&message.content) {
        Some(object) => object.into(),
        None => json!({ "result": message.content }),
    };
    let said = Said::FunctionResponse(Answer { id: id_of(&call.id), name: &call.name, response });
    Some(Part { said, thought_signature: None })
}

/// The id that the API gave, if it gave one.
fn id_of(id: &str) -> Option<&str> {
    (!id.is_empty() && !id.starts_with(OWN_ID)).then_some(id)
}

fn object(json: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(json).ok()
}

impl<'a> Function<'a> {
    fn new(tool: &'a ToolSpec) -> Self {
        Self {
            name: &tool.name,
            description: tool.description.as_deref().unwrap_or(&tool.name),
            parameters_json_schema: tool.parameters.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn request(messages: Vec<Message>) -> Request {
        Request {
            model: "gemini-3-flash-preview".into(),
            messages: Arc::new(messages),
            tools: Vec::new(),
            temperature: None,
            max_tokens: None,
            priority: 0,
            cue: None,
        }
    }

    fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
        ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), signature: None }
    }

    #[test]
    fn a_conversation_is_written_in_geminis_roles() {
        let calls = vec![call("c1", "give", r#"{"item":"ale"}"#), call("gemini-call-1", "nod", "")];
        let calling = Message { tool_calls: calls, ..Message::text(Role::Assistant, "Here.") };
        let answer = |id: &str, text: &str| Message {
            tool_call_id: Some(id.into()),
            ..Message::text(Role::Tool, text)
        };
        let mut request = request(vec![
            Message::text(Role::System, "You are Bram."),
            Message::text(Role::User, "Ale, please."),
            Message::text(Role::User, "And be quick."),
            calling,
            answer("c1", r#"{"ok":true}"#),
            answer("gemini-call-1", "done"),
            answer("lost", "who asked?"),
            Message::text(Role::Assistant, ""),
        ]);
        request.temperature = Some(0.5);
        request.max_tokens = Some(100);
        request.tools = vec![
            ToolSpec {
                name: "give".into(),
                description: Some("Hands it over.".into()),
                parameters: Some(json!({"type": "object"})),
            },
            ToolSpec { name: "nod".into(), description: None, parameters: None },
        ];
        let expected = json!({
            "systemInstruction": {"parts": [{"text": "You are Bram."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Ale, please."}, {"text": "And be quick."}]},
                {"role": "model", "parts": [
                    {"text": "Here."},
                    {"functionCall": {"id": "c1", "name": "give", "args": {"item": "ale"}},
                        "thoughtSignature": NO_SIGNATURE},
                    {"functionCall": {"name": "nod", "args": {}}},
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "c1", "name": "give", "response": {"ok": true}}},
                    {"functionResponse": {"name": "nod", "response": {"result": "done"}}},
                    {"text": "who asked?"},
                ]},
            ],
            "tools": [{"functionDeclarations": [
                {"name": "give", "description": "Hands it over.",
                    "parametersJsonSchema": {"type": "object"}},
                {"name": "nod", "description": "nod"},
            ]}],
            "generationConfig": {"temperature": 0.5, "maxOutputTokens": 100,
                "thinkingConfig": {"includeThoughts": true}},
        });
        assert_eq!(serde_json::to_value(Body::new(&request)).unwrap(), expected);
    }

    #[test]
    fn a_call_goes_back_with_its_signature_and_the_first_never_without_one() {
        let own = |it| Some(signature::kept("gemini-3-flash-preview", it));
        let of_another = Some(signature::kept("gemini-3.1-pro-preview", "a"));
        let check = |signatures: [Option<String>; 2], expected: Value| {
            let calls = signatures
                .map(|signature| ToolCall { signature, ..call("c", "give", "{}") })
                .into();
            let message = Message { tool_calls: calls, ..Message::text(Role::Assistant, "") };
            let body = serde_json::to_value(Body::new(&request(vec![message]))).unwrap();
            let parts = body["contents"][0]["parts"].as_array().unwrap().iter();
            let sent: Vec<_> = parts.map(|part| part["thoughtSignature"].clone()).collect();
            assert_eq!(Value::from(sent), expected);
        };
        check([None, None], json!([NO_SIGNATURE, null]));
        check([own("a"), None], json!(["a", null]));
        check([own("a"), own("b")], json!(["a", "b"]));
        check([None, own("b")], json!([NO_SIGNATURE, "b"]));
        check([of_another.clone(), of_another], json!([NO_SIGNATURE, null]));
    }

    #[test]
    fn there_is_always_something_to_answer() {
        let only_system = request(vec![Message::text(Role::System, "Speak.")]);
        let body = serde_json::to_value(Body::new(&only_system)).unwrap();
        assert_eq!(body["contents"], json!([{"role": "user", "parts": [{"text": "Speak."}]}]));
        assert_eq!(body.get("systemInstruction"), None);
    }

    #[test]
    fn only_models_that_think_are_asked_for_their_thoughts() {
        for (model, expected) in [
            ("gemini-3.1-pro-preview", true),
            ("gemini-2.5-flash", true),
            ("gemini-2.0-flash", false),
            ("gemini-1.5-pro", false),
            ("gemma-3-27b-it", false),
        ] {
            assert_eq!(thinks(model), expected, "{model}");
        }
    }
}
