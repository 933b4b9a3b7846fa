//! From chunks to deltas: which piece belongs to which call, what is reasoning, what ends a reply.
//! Pure; the stream that drives it decides what the end of the chunks means.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde_json::Value;

use super::chunk::{CallPiece, Choice, Chunk, Piece, WireUsage};
use crate::llm::exchange::{Decode, Unread};
use crate::record::{Delta, ToolCallPiece, Usage};

/// More calls than this in one reply are a provider's fault, and dropped.
const MAX_CALLS: usize = 64;

const NO_RESOURCE: &str = "insufficient_system_resource";

/// What has been read of one reply.
#[derive(Debug, Default)]
pub struct Decoder {
    asked: String,
    answered_by: Option<String>,
    started: bool,
    /// The id of each call, by index.
    calls: Vec<Option<String>>,
    reason: Option<String>,
    usage: Option<Usage>,
}

/// An error object in place of a chunk.
#[derive(Debug, PartialEq, Eq)]
struct InBandError {
    /// Its code, as an HTTP status; 500 where it has none.
    status: u16,
    /// Its message.
    message: String,
}

impl Decoder {
    /// Begins a reply of the model that was asked for.
    pub fn new(asked: &str) -> Self {
        Self { asked: asked.to_owned(), ..Self::default() }
    }

    fn take_chunk(
        &mut self,
        chunk: Chunk<'_>,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), InBandError> {
        if let Some(error) = chunk.error.as_ref() {
            return Err(InBandError::read(error));
        }
        if chunk.object.as_deref() == Some("error") {
            let code = chunk.code.unwrap_or(Value::Null);
            let message = chunk.message.unwrap_or(Value::Null);
            return Err(InBandError::read(&serde_json::json!({"code": code, "message": message})));
        }
        let extra = chunk.x_groq.unwrap_or_default();
        if let Some(error) = extra.error.as_ref() {
            return Err(InBandError::read(error));
        }
        if self.answered_by.is_none() {
            let model = chunk.model.filter(|model| !model.is_empty() && *model != self.asked);
            self.answered_by = model.map(Cow::into_owned);
        }
        if let Some(usage) = chunk.usage.or(extra.usage) {
            self.usage = Some(read_usage(&usage));
        }
        let first = |choice: &Choice| choice.index.unwrap_or(0.0) == 0.0;
        match chunk.choices.into_iter().flatten().find(first) {
            Some(choice) => self.take_choice(choice, out),
            None => Ok(()),
        }
    }

    fn take_choice(
        &mut self,
        choice: Choice,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), InBandError> {
        if let Some(error) = choice.error.as_ref() {
            return Err(InBandError::read(error));
        }
        if let Some(piece) = choice.delta.or(choice.message) {
            self.take_piece(piece, out);
        }
        match choice.finish_reason {
            Some(reason) if reason == "error" => Err(InBandError {
                status: 500,
                message: "finish_reason \"error\" without an error".to_owned(),
            }),
            // DeepSeek's word for a reply that it broke off.
            Some(reason) if reason == NO_RESOURCE => {
                Err(InBandError { status: 503, message: NO_RESOURCE.to_owned() })
            }
            Some(reason) if !reason.is_empty() => {
                self.reason = Some(reason.chars().take(64).collect());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take_piece(&mut self, piece: Piece, out: &mut VecDeque<Delta>) {
        let reasoning = piece.reasoning.filter(|text| !text.is_empty()).or(piece.reasoning_content);
        let (text, thought) = piece.content.map(split_content).unwrap_or_default();
        for text in [reasoning.unwrap_or_default(), thought] {
            if !text.is_empty() {
                self.push(Delta::Reasoning(text), out);
            }
        }
        if !text.is_empty() {
            self.push(Delta::Text(text), out);
        }
        for call in piece.tool_calls.into_iter().flatten() {
            if let Some(piece) = self.call_piece(call) {
                self.push(Delta::ToolCall(piece), out);
            }
        }
    }

    fn push(&mut self, delta: Delta, out: &mut VecDeque<Delta>) {
        if !self.started {
            self.started = true;
            out.extend(self.answered_by.clone().map(Delta::Model));
        }
        out.push_back(delta);
    }

    fn call_piece(&mut self, call: CallPiece) -> Option<ToolCallPiece> {
        let id = call.id.filter(|id| !id.is_empty());
        let function = call.function.unwrap_or_default();
        let name = function.name.filter(|name| !name.is_empty());
        let arguments = match function.arguments {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
        };
        let index = self.call_index(call.index, id.as_ref(), name.is_some());
        if index >= MAX_CALLS {
            return None;
        }
        if self.calls.len() <= index {
            self.calls.resize(index + 1, None);
        }
        let known = self.calls.get_mut(index)?;
        let new_id = (known.is_none() && id.is_some()).then(|| id.clone()).flatten();
        if new_id.is_some() {
            known.clone_from(&new_id);
        }
        let index = u32::try_from(index).ok()?;
        Some(ToolCallPiece { index, id: new_id, name, arguments, signature: None })
    }

    /// Which call a piece belongs to. Some providers send no index and whole calls; some send index
    /// 0 for each of several; some a new id with every piece of one call. What begins a call has a
    /// name.
    fn call_index(&self, index: Option<f64>, id: Option<&String>, named: bool) -> usize {
        let next = self.calls.len();
        let last = next.saturating_sub(1);
        match index {
            Some(index) => {
                // Truncation is meant: a negative or absurd index becomes 0 or is dropped above.
                let index = index.max(0.0) as usize;
                let taken = self.calls.get(index).is_some_and(Option::is_some);
                let other = self.calls.get(index).is_some_and(|known| known.as_ref() != id);
                if taken && other && id.is_some() && named { next } else { index }
            }
            None => {
                let known = id.and_then(|id| {
                    self.calls.iter().position(|known| known.as_deref() == Some(id.as_str()))
                });
                known.unwrap_or(if named || next == 0 { next } else { last })
            }
        }
    }
}

impl Decode for Decoder {
    fn take(&mut self, data: &[u8], out: &mut VecDeque<Delta>) -> Result<(), Unread> {
        let chunk: Chunk<'_> =
            serde_json::from_slice(data).map_err(|error| Unread::Odd(error.to_string()))?;
        self.take_chunk(chunk, out).map_err(|error| Unread::Error(error.status, error.message))
    }

    fn has_started(&self) -> bool {
        self.started
    }

    fn has_reason(&self) -> bool {
        self.reason.is_some()
    }

    fn finish(&mut self, out: &mut VecDeque<Delta>) {
        if !self.started {
            out.extend(self.answered_by.take().map(Delta::Model));
        }
        out.extend(self.usage.take().map(Delta::Usage));
        let reason = self.reason.take().unwrap_or_else(|| "unknown".to_owned());
        out.push_back(Delta::Finish(reason));
    }
}

impl InBandError {
    fn read(error: &Value) -> Self {
        let code = error.get("code").or_else(|| error.get("status"));
        let kind = error.get("type").and_then(Value::as_str).unwrap_or_default();
        let status = match code {
            Some(Value::Number(code)) => code.as_f64().map(|code| code as u16),
            Some(Value::String(code)) => code.parse().ok().or_else(|| status_of(code)),
            _ => None,
        };
        let status = status
            .filter(|status| (400..600).contains(status))
            .or_else(|| status_of(kind))
            .or_else(|| status_of(error.as_str()?));
        let message = match error.get("message").unwrap_or(error) {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Self { status: status.unwrap_or(500), message }
    }
}

/// The status that goes with a provider's word for an error.
fn status_of(word: &str) -> Option<u16> {
    if word.contains("rate_limit") || word.contains("insufficient_quota") {
        return Some(429);
    }
    match word {
        "invalid_api_key" | "authentication_error" => Some(401),
        "over_capacity" | "overloaded_error" | "service_unavailable" => Some(503),
        "invalid_request_error" => Some(400),
        _ => None,
    }
}

/// Text, and what of a list of parts is reasoning (Mistral's reasoning models send such lists).
fn split_content(content: Value) -> (String, String) {
    let parts = match content {
        Value::String(text) => return (text, String::new()),
        Value::Array(parts) => parts,
        _ => return Default::default(),
    };
    let (mut text, mut thought) = (String::new(), String::new());
    for part in &parts {
        match part.get("text").and_then(Value::as_str) {
            Some(piece) => text.push_str(piece),
            None => collect_text(part.get("thinking"), &mut thought),
        }
    }
    (text, thought)
}

fn collect_text(value: Option<&Value>, out: &mut String) {
    match value {
        Some(Value::String(text)) => out.push_str(text),
        Some(Value::Array(parts)) => {
            for part in parts {
                out.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
            }
        }
        _ => {}
    }
}

fn read_usage(usage: &WireUsage) -> Usage {
    // Counts are far below 2^53, and some servers write them as floats.
    let count = |tokens: Option<f64>| tokens.filter(|tokens| *tokens >= 0.0).map(|it| it as u64);
    let details = usage.prompt_tokens_details.as_ref();
    let cached = details.and_then(|details| details.cached_tokens);
    Usage {
        input_tokens: count(usage.prompt_tokens).unwrap_or(0),
        output_tokens: count(usage.completion_tokens).unwrap_or(0),
        cached_input_tokens: count(cached.or(usage.prompt_cache_hit_tokens)),
        cost: usage.cost.filter(|cost| cost.is_finite() && *cost >= 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the chunks to the end; an error is the last item.
    fn decode(chunks: &[&str]) -> Vec<String> {
        let mut decoder = Decoder::new("asked");
        let mut out = VecDeque::new();
        for chunk in chunks {
            if let Err(error) = decoder.take_chunk(serde_json::from_str(chunk).unwrap(), &mut out) {
                let mut got: Vec<_> = out.iter().map(|delta| format!("{delta:?}")).collect();
                got.push(format!("{} {}", error.status, error.message));
                return got;
            }
        }
        decoder.finish(&mut out);
        out.iter().map(|delta| serde_json::to_string(delta).unwrap()).collect()
    }

    fn check(chunks: &[&str], expected: &[&str]) {
        assert_eq!(decode(chunks), expected, "{chunks:#?}");
    }

    #[test]
    fn text_reasoning_usage_model_and_reason_are_told_apart() {
        check(
            &[
                r#"{"model":"other","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
                r#"{"choices":[{"delta":{"reasoning":"hm","content":null}}]}"#,
                r#"{"choices":[{"delta":{"reasoning_content":"mm","reasoning":""}}]}"#,
                r#"{"choices":[{"delta":{"content":"Hi"},"finish_reason":null}]}"#,
                r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
                r#"{"choices":[],"usage":{"prompt_tokens":7.0,"completion_tokens":2,"cost":0.5,
                    "prompt_tokens_details":{"cached_tokens":3}}}"#,
            ],
            &[
                r#"{"model":"other"}"#,
                r#"{"reasoning":"hm"}"#,
                r#"{"reasoning":"mm"}"#,
                r#"{"text":"Hi"}"#,
                r#"{"usage":{"input_tokens":7,"output_tokens":2,"cached_input_tokens":3,"cost":0.5}}"#,
                r#"{"finish":"stop"}"#,
            ],
        );
    }

    #[test]
    fn fields_of_the_wrong_type_are_absent() {
        check(
            &[
                r#"{"choices":null,"usage":null,"model":7,"error":null,"service_tier":"x"}"#,
                r#"{"choices":[{"index":1,"delta":{"content":"second choice"}}]}"#,
                r#"{"choices":[{"delta":[],"finish_reason":""}],"usage":"none"}"#,
                r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"text":"a"}]},
                    {"type":"text","text":"b"}],"tool_calls":{}}}]}"#,
                r#"[]"#,
                r#"{"choices":[{"message":{"content":"whole"}}]}"#,
            ][..4],
            &[r#"{"reasoning":"a"}"#, r#"{"text":"b"}"#, r#"{"finish":"unknown"}"#],
        );
        check(
            &[r#"{"choices":[{"message":{"content":"whole"},"finish_reason":"length"}]}"#],
            &[r#"{"text":"whole"}"#, r#"{"finish":"length"}"#],
        );
    }

    #[test]
    fn pieces_find_their_call() {
        let chunk =
            |calls: &str| format!(r#"{{"choices":[{{"delta":{{"tool_calls":{calls}}}}}]}}"#);
        let check = |pieces: &[&str], expected: &[&str]| {
            let chunks: Vec<_> = pieces.iter().map(|piece| chunk(piece)).collect();
            let chunks: Vec<_> = chunks.iter().map(String::as_str).collect();
            let mut got = decode(&chunks);
            got.pop();
            let expected: Vec<_> =
                expected.iter().map(|piece| format!(r#"{{"tool_call":{piece}}}"#)).collect();
            assert_eq!(got, expected);
        };
        // As the specification has it.
        check(
            &[
                r#"[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]"#,
                r#"[{"index":0,"function":{"arguments":"{\"x\""}}]"#,
                r#"[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]"#,
                r#"[{"index":0,"function":{"arguments":":1}"}}]"#,
            ],
            &[
                r#"{"index":0,"id":"a","name":"f"}"#,
                r#"{"index":0,"arguments":"{\"x\""}"#,
                r#"{"index":1,"id":"b","name":"g","arguments":"{}"}"#,
                r#"{"index":0,"arguments":":1}"}"#,
            ],
        );
        // Without an index: whole calls, or a continuation.
        check(
            &[
                r#"[{"id":"a","function":{"name":"f","arguments":{"x":1}}}]"#,
                r#"[{"id":"b","function":{"name":"f","arguments":"{"}}]"#,
                r#"[{"function":{"arguments":"}"}}]"#,
                r#"[{"id":"a","function":{"arguments":" "}}]"#,
            ],
            &[
                r#"{"index":0,"id":"a","name":"f","arguments":"{\"x\":1}"}"#,
                r#"{"index":1,"id":"b","name":"f","arguments":"{"}"#,
                r#"{"index":1,"arguments":"}"}"#,
                r#"{"index":0,"arguments":" "}"#,
            ],
        );
        // The same index for different calls; a new id with each piece of one call.
        check(
            &[
                r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]"#,
                r#"[{"index":0,"id":"b","function":{"name":"g","arguments":"{"}}]"#,
                r#"[{"index":1,"id":"c","function":{"arguments":"}"}}]"#,
                r#"[{"index":99999,"id":"d","function":{"name":"h"}}]"#,
            ],
            &[
                r#"{"index":0,"id":"a","name":"f","arguments":"{}"}"#,
                r#"{"index":1,"id":"b","name":"g","arguments":"{"}"#,
                r#"{"index":1,"arguments":"}"}"#,
            ],
        );
    }

    #[test]
    fn an_error_object_has_a_status_whatever_its_shape() {
        for (chunk, expected) in [
            (r#"{"error":{"code":429,"message":"slow"}}"#, "429 slow"),
            (r#"{"error":{"code":"502","message":"bad"}}"#, "502 bad"),
            (r#"{"error":{"code":"rate_limit_exceeded","message":"slow"}}"#, "429 slow"),
            (r#"{"error":{"type":"authentication_error","message":"key"}}"#, "401 key"),
            (r#"{"error":{"code":1,"message":"odd"}}"#, "500 odd"),
            (r#"{"error":"overloaded"}"#, "500 overloaded"),
            (r#"{"object":"error","message":"too long","code":400}"#, "400 too long"),
            (r#"{"x_groq":{"id":"r","error":"over_capacity"}}"#, "503 over_capacity"),
            (
                r#"{"choices":[{"delta":{},"finish_reason":"insufficient_system_resource"}]}"#,
                "503 insufficient_system_resource",
            ),
            (r#"{"choices":[{"error":{"code":503,"message":"m"}}]}"#, "503 m"),
            (
                r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#,
                "500 finish_reason \"error\" without an error",
            ),
        ] {
            check(&[chunk], &[expected]);
        }
    }
}
