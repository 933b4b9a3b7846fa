//! The bytes of a reply with the times at which they are due, all made before the first is sent:
//! while a thousand replies run, each costs one timer and nothing is formatted any more.

use std::io;
use std::time::Duration;

use axum::body::Bytes;

use super::answer::{Answer, Call, Choice, ErrorReport, Function, Said, UsageReport};
use super::wire::ChatRequest;
use crate::actor::fault::Fault;
use crate::actor::plan::{Pace, Plan};
use crate::actor::play::Then;
use crate::record::{Delta, ToolCallPiece};

/// The sizes in which odd chunks are sent: not at the borders of events, nor of characters.
const ODD_BYTES: usize = 7;

/// What some provider was seen to send, and what means nothing.
const ODDITIES: [&str; 6] = [
    "data: {\"choices\":[]}\r\n\r\n",
    "event: ping\nid: 7\ndata:{\"choices\":null,\"usage\":null}\n\n",
    "data: {\"service_tier\":\"new\",\"choices\":[{\"delta\":{\"content\":null}}]}\n\n",
    "data: {\"choices\":[{\"index\":0.0,\"delta\":null,\"finish_reason\":\"\"}]}\n\n",
    "retry: 10\ndata: {\"choices\":\ndata: [{\"delta\":{\"tool_calls\":[]}}]}\n\n",
    ":\n\n\n\n",
];

type Timed = (Duration, io::Result<Bytes>);

/// A reply, ready to be sent.
pub(super) struct Frames {
    pub pieces: Vec<Timed>,
    pub then: Then,
    pub content_type: &'static str,
}

impl Frames {
    pub fn new(request: &ChatRequest, plan: &Plan, pace: Pace, input_tokens: u64) -> Self {
        let timeline = plan.timeline(pace);
        let output_tokens = plan.tokens() as u64;
        let usage = UsageReport {
            prompt_tokens: input_tokens,
            completion_tokens: output_tokens,
            total_tokens: input_tokens + output_tokens,
        };
        let model = request.model.as_deref().unwrap_or(super::MODEL);
        let odd = plan.has(Fault::OddChunks);
        let mut writer = Writer { plan, model, odd, pieces: Vec::new(), at: Duration::ZERO };
        let (then, content_type) = if request.stream && !plan.has(Fault::JsonAnswer) {
            let usage = request.wants_usage().then_some(usage);
            (writer.stream(&timeline, usage), "text/event-stream")
        } else {
            (writer.document(&timeline, usage), "application/json")
        };
        let mut pieces = writer.pieces;
        if plan.has(Fault::OneByte) {
            pieces = cut(pieces, 1);
        } else if odd {
            pieces = cut(pieces, ODD_BYTES);
        }
        Self { pieces, then, content_type }
    }
}

struct Writer<'a> {
    plan: &'a Plan,
    model: &'a str,
    odd: bool,
    pieces: Vec<Timed>,
    /// The time of what is written next.
    at: Duration,
}

impl Writer<'_> {
    fn stream(&mut self, timeline: &[(Duration, Delta)], usage: Option<UsageReport>) -> Then {
        let breaks = [Fault::StallMidway, Fault::ErrorInStream, Fault::Truncated, Fault::Reset];
        let broken = self.plan.faults.iter().find(|fault| breaks.contains(fault)).copied();
        let count = if broken.is_some() { timeline.len().div_ceil(2) } else { timeline.len() };
        self.comment(": PROCESSING\n\n");
        self.said(Said { role: Some("assistant"), content: Some(""), ..Said::default() });
        for (index, (at, delta)) in timeline.iter().take(count).enumerate() {
            self.at = *at;
            self.comment(": keep-alive\n\n");
            self.delta(delta);
            self.oddity(index);
        }
        match broken {
            Some(fault) => self.break_off(fault),
            None => {
                self.end(usage);
                Then::End
            }
        }
    }

    fn break_off(&mut self, fault: Fault) -> Then {
        match fault {
            Fault::StallMidway => return Then::Silence,
            Fault::Reset => {
                self.pieces.push((self.at, Err(io::Error::other("injected reset"))));
            }
            Fault::ErrorInStream => {
                let choice = Choice { finish_reason: Some("error"), ..Choice::default() };
                let error = ErrorReport { code: 502, message: "upstream went away" };
                let json = json(&Answer { error: Some(error), ..self.answer(vec![choice]) });
                self.event(&json);
            }
            // It just ends.
            _ => {}
        }
        Then::End
    }

    fn end(&mut self, usage: Option<UsageReport>) {
        if !self.plan.has(Fault::DoneWithoutReason) {
            let finish_reason = Some(self.plan.finish_reason());
            let choice =
                Choice { delta: Some(Said::default()), finish_reason, ..Choice::default() };
            let json = json(&self.answer(vec![choice]));
            self.event(&json);
        }
        if usage.is_some() {
            let json = json(&Answer { usage, ..self.answer(Vec::new()) });
            self.event(&json);
        }
        self.bytes("data: [DONE]\n\n");
    }

    /// One JSON document, when the last token would have come.
    fn document(&mut self, timeline: &[(Duration, Delta)], usage: UsageReport) -> Then {
        let (mut text, mut reasoning) = (String::new(), String::new());
        let mut calls: Vec<ToolCallPiece> = Vec::new();
        for (at, delta) in timeline {
            self.at = *at;
            match (delta, calls.last_mut()) {
                (Delta::Text(piece), _) => text.push_str(piece),
                (Delta::Reasoning(piece), _) => reasoning.push_str(piece),
                (Delta::ToolCall(piece), Some(last)) if last.index == piece.index => {
                    last.arguments.push_str(&piece.arguments);
                }
                (Delta::ToolCall(piece), _) => calls.push(piece.clone()),
                _ => {}
            }
        }
        let message = Said {
            role: Some("assistant"),
            content: Some(&text),
            reasoning: Some(reasoning.as_str()).filter(|it| !it.is_empty()),
            tool_calls: calls.iter().map(|call| self.call(call)).collect(),
        };
        let finish_reason = Some(self.plan.finish_reason());
        let choice = Choice { message: Some(message), finish_reason, ..Choice::default() };
        let object = Some("chat.completion");
        let answer = Answer { usage: Some(usage), object, ..self.answer(vec![choice]) };
        // Readable, and so with line breaks, as some servers send it.
        let json = serde_json::to_string_pretty(&answer).unwrap_or_default();
        self.bytes(&json);
        Then::End
    }

    fn delta(&mut self, delta: &Delta) {
        let said = match delta {
            Delta::Text(text) => Said { content: Some(text), ..Said::default() },
            Delta::Reasoning(text) => Said { reasoning: Some(text), ..Said::default() },
            Delta::ToolCall(piece) => {
                Said { tool_calls: vec![self.call(piece)], ..Said::default() }
            }
            _ => return,
        };
        self.said(said);
    }

    fn call<'b>(&self, piece: &'b ToolCallPiece) -> Call<'b> {
        Call {
            index: (!self.odd).then_some(piece.index),
            id: piece.id.as_deref(),
            r#type: piece.id.is_some().then_some("function"),
            function: Function { name: piece.name.as_deref(), arguments: &piece.arguments },
        }
    }

    fn said(&mut self, said: Said<'_>) {
        let choice = Choice { delta: Some(said), ..Choice::default() };
        let json = json(&self.answer(vec![choice]));
        self.event(&json);
    }

    fn answer<'b>(&'b self, choices: Vec<Choice<'b>>) -> Answer<'b> {
        Answer {
            id: "chatcmpl-mock",
            object: (!self.odd).then_some("chat.completion.chunk"),
            created: (!self.odd).then_some(0),
            model: self.model,
            choices,
            usage: None,
            error: None,
        }
    }

    fn event(&mut self, json: &str) {
        let end = if self.odd { "\r\n\r\n" } else { "\n\n" };
        self.bytes(&format!("data: {json}{end}"));
    }

    fn comment(&mut self, line: &str) {
        if self.plan.has(Fault::Comments) {
            self.bytes(line);
        }
    }

    fn oddity(&mut self, index: usize) {
        if self.odd
            && let Some(line) = ODDITIES.get(index % ODDITIES.len())
        {
            self.bytes(line);
        }
    }

    fn bytes(&mut self, text: &str) {
        self.pieces.push((self.at, Ok(Bytes::copy_from_slice(text.as_bytes()))));
    }
}

fn json(answer: &Answer<'_>) -> String {
    // Strings and numbers alone: writing them can't fail.
    serde_json::to_string(answer).unwrap_or_default()
}

/// Each piece in pieces of so many bytes.
fn cut(pieces: Vec<Timed>, size: usize) -> Vec<Timed> {
    let mut out = Vec::new();
    for (at, piece) in pieces {
        match piece {
            Ok(bytes) => {
                out.extend(bytes.chunks(size).map(|it| (at, Ok(Bytes::copy_from_slice(it)))));
            }
            Err(error) => out.push((at, Err(error))),
        }
    }
    out
}
