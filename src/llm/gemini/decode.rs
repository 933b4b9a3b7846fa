//! From Gemini's events to deltas. Pure.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde_json::Value;

use super::chunk::{Candidate, Chunk, FunctionCall, Part, UsageMetadata};
use super::signature;
use crate::llm::exchange::{Decode, Unread};
use crate::record::{Delta, ToolCallPiece, Usage};

/// More calls than this in one reply are a provider's fault, and dropped.
const MAX_CALLS: u32 = 64;

/// The finish reasons that mean that the reply was held back.
const FILTERED: [&str; 8] = [
    "SAFETY",
    "PROHIBITED_CONTENT",
    "BLOCKLIST",
    "RECITATION",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
];

/// What begins the ids of calls to which the API gave none.
pub const OWN_ID: &str = "gemini-call-";

/// What has been read of one reply.
#[derive(Debug, Default)]
pub struct Decoder {
    asked: String,
    answered_by: Option<String>,
    /// Tells the calls of this reply from those of others.
    response_id: Option<String>,
    started: bool,
    calls: u32,
    reason: Option<String>,
    usage: Option<Usage>,
}

impl Decoder {
    /// Begins a reply of the model that was asked for.
    pub fn new(asked: &str) -> Self {
        Self { asked: bare(asked).to_owned(), ..Self::default() }
    }

    fn take_chunk(&mut self, chunk: Chunk<'_>, out: &mut VecDeque<Delta>) -> Result<(), Unread> {
        if let Some(error) = &chunk.error {
            return Err(read_error(error));
        }
        if self.answered_by.is_none() {
            let model = chunk.model_version.as_deref().map(bare);
            let other = model.filter(|model| !model.is_empty() && *model != self.asked);
            self.answered_by = other.map(str::to_owned);
        }
        if self.response_id.is_none() {
            self.response_id = chunk.response_id.map(Cow::into_owned);
        }
        if let Some(usage) = chunk.usage_metadata {
            self.usage = Some(read_usage(&usage));
        }
        let blocked = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason);
        if let Some(reason) = blocked.filter(|reason| !reason.is_empty()) {
            return Err(Unread::Refused(reason));
        }
        let first = |candidate: &Candidate| candidate.index.unwrap_or(0.0) == 0.0;
        if let Some(candidate) = chunk.candidates.into_iter().flatten().find(first) {
            self.take_candidate(candidate, out);
        }
        Ok(())
    }

    fn take_candidate(&mut self, candidate: Candidate, out: &mut VecDeque<Delta>) {
        let parts = candidate.content.and_then(|content| content.parts);
        for part in parts.into_iter().flatten() {
            self.take_part(part, out);
        }
        if let Some(reason) = candidate.finish_reason.filter(|reason| !reason.is_empty()) {
            self.reason = Some(self.reason_of(&reason));
        }
    }

    /// What has neither text nor a call (a signature alone, a picture) means nothing here.
    fn take_part(&mut self, part: Part, out: &mut VecDeque<Delta>) {
        if let Some(text) = part.text.filter(|text| !text.is_empty()) {
            let is_thought = part.thought == Some(true);
            self.push(if is_thought { Delta::Reasoning(text) } else { Delta::Text(text) }, out);
        }
        let signature = part.thought_signature.filter(|signature| !signature.is_empty());
        if let Some(call) = part.function_call.and_then(|call| self.call(call, signature)) {
            self.push(Delta::ToolCall(call), out);
        }
    }

    /// A call comes whole, in one part.
    fn call(&mut self, call: FunctionCall, signature: Option<String>) -> Option<ToolCallPiece> {
        let name = call.name.filter(|name| !name.is_empty())?;
        let index = self.calls;
        if index >= MAX_CALLS {
            return None;
        }
        self.calls += 1;
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| {
            let reply = self.response_id.as_deref().unwrap_or_default();
            format!("{OWN_ID}{reply}{index}")
        });
        let signature = signature.map(|signature| signature::kept(&self.asked, &signature));
        let arguments = call.args.map_or_else(|| "{}".to_owned(), |args| args.to_string());
        Some(ToolCallPiece { index, id: Some(id), name: Some(name), arguments, signature })
    }

    fn push(&mut self, delta: Delta, out: &mut VecDeque<Delta>) {
        if !self.started {
            self.started = true;
            out.extend(self.answered_by.clone().map(Delta::Model));
        }
        out.push_back(delta);
    }

    /// Gemini's word in everybody's; `STOP` is also what it says after calls.
    fn reason_of(&self, word: &str) -> String {
        match word {
            "STOP" if self.calls > 0 => "tool_calls".to_owned(),
            "STOP" => "stop".to_owned(),
            "MAX_TOKENS" => "length".to_owned(),
            word if FILTERED.contains(&word) => "content_filter".to_owned(),
            word => word.chars().take(64).collect(),
        }
    }
}

impl Decode for Decoder {
    fn take(&mut self, data: &[u8], out: &mut VecDeque<Delta>) -> Result<(), Unread> {
        let odd = |error: serde_json::Error| Unread::Odd(error.to_string());
        // Where something in between has dropped `alt=sse`, all events come as one list.
        if data.trim_ascii_start().starts_with(b"[") {
            let chunks: Vec<Chunk<'_>> = serde_json::from_slice(data).map_err(odd)?;
            return chunks.into_iter().try_for_each(|chunk| self.take_chunk(chunk, out));
        }
        self.take_chunk(serde_json::from_slice(data).map_err(odd)?, out)
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

/// A model's id without the collection that the API puts before it.
pub fn bare(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

fn read_usage(usage: &UsageMetadata) -> Usage {
    // Counts are far below 2^53.
    let count = |tokens: Option<f64>| tokens.filter(|tokens| *tokens >= 0.0).map(|it| it as u64);
    let thoughts = count(usage.thoughts_token_count).unwrap_or(0);
    Usage {
        input_tokens: count(usage.prompt_token_count).unwrap_or(0),
        // Thoughts are paid for like the reply, and not among its candidates' tokens.
        output_tokens: count(usage.candidates_token_count).unwrap_or(0).saturating_add(thoughts),
        cached_input_tokens: count(usage.cached_content_token_count),
        cost: None,
    }
}

/// `{code, message, status}`, the whole of it told: the wait and the quota stand in its details.
fn read_error(error: &Value) -> Unread {
    let code = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let word = error.get("status").and_then(Value::as_str).unwrap_or_default();
    let status = code.filter(|code| (400..600).contains(code)).unwrap_or(match word {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "RESOURCE_EXHAUSTED" => 429,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        _ => 500,
    });
    Unread::Error(status, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the events to the end; an error is the last item.
    fn check(events: &[&str], expected: &[&str]) {
        let mut decoder = Decoder::new("models/asked");
        let mut out = VecDeque::new();
        let mut failed = None;
        for event in events {
            if let Err(error) = decoder.take(event.as_bytes(), &mut out) {
                failed = Some(format!("{error:?}"));
                break;
            }
        }
        if failed.is_none() {
            decoder.finish(&mut out);
        }
        let mut got: Vec<_> =
            out.iter().map(|delta| serde_json::to_string(delta).unwrap()).collect();
        got.extend(failed);
        assert_eq!(got, expected, "{events:#?}");
    }

    fn parts(parts: &str) -> String {
        format!(r#"{{"candidates":[{{"content":{{"role":"model","parts":{parts}}}}}]}}"#)
    }

    #[test]
    fn text_thoughts_calls_usage_and_reason_are_told_apart() {
        check(
            &[
                &parts(r#"[{"text":"I plan.","thought":true}]"#),
                r#"{"candidates":[{"content":{"parts":[{"text":"Good "}]},"index":0}],
                    "usageMetadata":{"promptTokenCount":9},"modelVersion":"models/asked","responseId":"r"}"#,
                &parts(r#"[{"text":"day","thoughtSignature":"AAA="},{"thoughtSignature":"B"}]"#),
                &parts(
                    r#"[{"functionCall":{"name":"give","args":{"item":"ale"}},"thoughtSignature":"Qg=="},
                    {"functionCall":{"id":"c7","name":"take"},"thoughtSignature":""}]"#,
                ),
                r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,
                    "candidatesTokenCount":5,"thoughtsTokenCount":3,"cachedContentTokenCount":4,
                    "totalTokenCount":17}}"#,
            ],
            &[
                r#"{"reasoning":"I plan."}"#,
                r#"{"text":"Good "}"#,
                r#"{"text":"day"}"#,
                r#"{"tool_call":{"index":0,"id":"gemini-call-r0","name":"give","arguments":"{\"item\":\"ale\"}","signature":"asked:Qg=="}}"#,
                r#"{"tool_call":{"index":1,"id":"c7","name":"take","arguments":"{}"}}"#,
                r#"{"usage":{"input_tokens":9,"output_tokens":8,"cached_input_tokens":4}}"#,
                r#"{"finish":"tool_calls"}"#,
            ],
        );
    }

    #[test]
    fn a_reason_is_told_in_everybodys_word() {
        for (word, expected) in [
            ("STOP", "stop"),
            ("MAX_TOKENS", "length"),
            ("SAFETY", "content_filter"),
            ("PROHIBITED_CONTENT", "content_filter"),
            ("BLOCKLIST", "content_filter"),
            ("RECITATION", "content_filter"),
            ("SPII", "content_filter"),
            ("MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"),
            ("OTHER", "OTHER"),
        ] {
            let event = format!(r#"{{"candidates":[{{"finishReason":"{word}"}}]}}"#);
            check(&[&event], &[&format!(r#"{{"finish":"{expected}"}}"#)]);
        }
    }

    #[test]
    fn another_model_is_told_before_its_first_delta() {
        check(
            &[
                r#"{"modelVersion":"other-001"}"#,
                &parts(r#"[{"text":"a"}]"#),
                r#"{"modelVersion":"third"}"#,
            ],
            &[r#"{"model":"other-001"}"#, r#"{"text":"a"}"#, r#"{"finish":"unknown"}"#],
        );
    }

    #[test]
    fn errors_and_refusals_have_a_meaning() {
        check(
            &[r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}"#],
            &[r#"Refused("PROHIBITED_CONTENT")"#],
        );
        for (error, status) in [
            (r#"{"code":503,"message":"m","status":"UNAVAILABLE"}"#, 503),
            (r#"{"code":"x","status":"RESOURCE_EXHAUSTED"}"#, 429),
            (r#"{"status":"UNAUTHENTICATED"}"#, 401),
            (r#"{"code":14}"#, 500),
            (r#""overloaded""#, 500),
        ] {
            let mut decoder = Decoder::new("asked");
            let event = format!(r#"{{"error":{error}}}"#);
            let got = decoder.take(event.as_bytes(), &mut VecDeque::new()).unwrap_err();
            assert!(matches!(got, Unread::Error(code, _) if code == status), "{got:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        check(
            &[
                r#"{"candidates":7,"usageMetadata":[],"modelVersion":null,"promptFeedback":"x"}"#,
                r#"{"candidates":[{"index":1,"content":{"parts":[{"text":"second"}]}}]}"#,
                r#"{"candidates":[null,{"content":{"parts":[7,{"text":3},{"functionCall":{}},
                    {"text":"a","thought":"no"}]},"finishReason":5}]}"#,
                r#"[{"candidates":[{"content":{"parts":[{"text":"b"}]}}]},{}]"#,
            ],
            &[r#"{"text":"a"}"#, r#"{"text":"b"}"#, r#"{"finish":"unknown"}"#],
        );
        let mut decoder = Decoder::new("asked");
        for rubbish in ["", "{", "nothing", "\u{fffd}", "[{}"] {
            let got = decoder.take(rubbish.as_bytes(), &mut VecDeque::new());
            assert!(matches!(got, Err(Unread::Odd(_))), "{rubbish}");
        }
    }
}
