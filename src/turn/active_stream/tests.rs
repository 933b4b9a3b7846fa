//! What the game is shown of a reply, however the reply is cut.

use std::sync::Arc;

use dramatis_protocol::{
    AgentTurnFinished, AgentTurnStarted, Origin, ServerMessage, TagKind, Timings, Warnings,
};
use proptest::prelude::*;
use serde_json::json;

use super::{ActiveStreamController, StreamPlan};
use crate::llm::ReasoningSeen;
use crate::record::{Delta, ToolCallPiece, ToolSpec};
use crate::tags::StrayText;
use crate::turn::outbox::OutboxHandle;
use crate::turn::vocabulary::vocabulary_from_wire;

struct Stage {
    outbox: OutboxHandle,
    stream: ActiveStreamController,
}

impl Stage {
    fn new(starts_in_reasoning: bool) -> Self {
        let tags = json!([
            {"name": "speech", "kind": "speech"},
            {"name": "vow", "kind": "speech", "interruptible": false},
            {"name": "emotion", "content": "none", "attributes": [{"name": "name"}]},
            {"name": "give", "kind": "tool", "content": "none", "attributes": [{"name": "item"}]},
        ]);
        let tags: Vec<_> = serde_json::from_value(tags).unwrap();
        let tool = ToolSpec { name: "look".to_owned(), description: None, parameters: None };
        let plan = StreamPlan {
            agent_id: "a".into(),
            turn_id: "t".into(),
            vocabulary: Arc::new(vocabulary_from_wire(&tags).unwrap()),
            tools: vec![tool],
            stray_text: StrayText::Auto,
            starts_in_reasoning,
        };
        let outbox = OutboxHandle::default();
        outbox.with(|outbox| {
            outbox.start(AgentTurnStarted {
                agent_id: "a".into(),
                turn_id: "t".into(),
                seq: 0,
                event_id: "e".into(),
                event_ids: Vec::new(),
                model: String::new(),
                origin: Origin::Llm,
            });
        });
        let stage = Self { stream: ActiveStreamController::new(plan, outbox.clone()), outbox };
        stage.take();
        stage
    }

    fn text(&mut self, text: &str) {
        self.stream.take(&Delta::Text(text.to_owned()));
    }

    fn call(&mut self, index: u32, id: &str, name: &str, arguments: &str) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let piece = ToolCallPiece {
            index,
            id: some(id),
            name: some(name),
            arguments: arguments.to_owned(),
            signature: None,
        };
        self.stream.take(&Delta::ToolCall(piece));
    }

    /// What waits, in short.
    fn take(&self) -> String {
        let mut shown = String::new();
        let mut json = String::new();
        while self.outbox.take(&mut json) {
            match serde_json::from_str(&json).unwrap() {
                ServerMessage::AgentTagOpen(open) => {
                    shown.push_str(&format!("<{}:{}", open.tag_id, open.tag));
                    for (name, value) in &open.attributes {
                        shown.push_str(&format!(" {name}={}", value.as_str().unwrap()));
                    }
                    if let Some(call_id) = open.call_id {
                        assert_eq!(open.kind, TagKind::Tool);
                        let arguments = serde_json::to_string(&open.arguments).unwrap();
                        shown.push_str(&format!(" ({call_id} {arguments})"));
                    }
                    shown.push('>');
                }
                ServerMessage::AgentTagChunk(chunk) => shown.push_str(&chunk.text),
                ServerMessage::AgentTagClose(close) => {
                    let cut = if close.complete { "" } else { "!" };
                    shown.push_str(&format!("</{}{cut}>", close.tag_id));
                }
                _ => {}
            }
        }
        shown
    }

    fn finish(mut self) -> (String, Warnings) {
        self.stream.end_of_reply(false);
        self.stream.finish(AgentTurnFinished {
            agent_id: "a".into(),
            turn_id: "t".into(),
            seq: 0,
            finish_reason: "stop".to_owned(),
            model: None,
            usage: None,
            context: None,
            timings: Timings::default(),
            warnings: Warnings::new(),
        });
        (self.take(), self.stream.warnings().clone())
    }
}

fn counts(expected: &[(&str, u64)]) -> Warnings {
    expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn a_reply_becomes_tags_as_it_comes() {
    let mut stage = Stage::new(false);
    stage.text("<speech>Good ");
    assert_eq!(stage.take(), "<0:speech>Good");
    stage.text("day.</speech><emotion name=joy/>");
    assert_eq!(stage.take(), " day.</0><1:emotion name=joy></1>");
    assert_eq!(stage.stream.ledger().speech_chars(), 9);
    assert_eq!(stage.finish(), (String::new(), Warnings::new()));
}

#[test]
fn a_native_call_becomes_a_tag_when_it_is_whole() {
    let mut stage = Stage::new(false);
    stage.call(0, "c1", "look", "{\"at\":");
    stage.call(0, "", "", "\"door\",\"deep\":[1],\"n\":2}");
    assert_eq!(stage.take(), "");
    stage.call(1, "c2", "look", "");
    let first = "<0:look at=door n=2 (c1 {\"at\":\"door\",\"deep\":[1],\"n\":2})></0>";
    assert_eq!(stage.take(), first);
    assert_eq!(stage.finish(), ("<1:look (c2 {})></1>".to_owned(), Warnings::new()));
}

#[test]
fn a_native_call_waits_for_open_tags_and_shares_their_numbers() {
    let mut stage = Stage::new(false);
    stage.text("<speech>One");
    stage.call(0, "c1", "look", "{}");
    stage.text(" two</speech>");
    stage.call(1, "c2", "look", "{}");
    assert_eq!(stage.take(), "<0:speech>One two</0><1:look (c1 {})></1>");
    stage.text("<speech>three</speech>");
    let (shown, _) = stage.finish();
    assert_eq!(shown, "<2:speech>three</2><3:look (c2 {})></3>");
}

#[test]
fn calls_whose_pieces_come_mixed_are_put_together() {
    let mut stage = Stage::new(false);
    stage.call(0, "c1", "look", "");
    stage.call(1, "c2", "look", "{\"at\":");
    stage.call(0, "", "", "{\"at\":1}");
    stage.call(1, "", "", "2}");
    let (shown, warnings) = stage.finish();
    let both = "<0:look at=1 (c1 {\"at\":1})></0><1:look at=2 (c2 {\"at\":2})></1>";
    assert_eq!((shown.as_str(), warnings), (both, Warnings::new()));
}

#[test]
fn a_call_keeps_its_signature_unless_it_is_absurdly_long() {
    let mut stage = Stage::new(false);
    for (index, length) in [(0, 4), (1, 64 * 1024 + 1)] {
        stage.stream.take(&Delta::ToolCall(ToolCallPiece {
            index,
            name: Some("look".to_owned()),
            signature: Some("s".repeat(length)),
            ..Default::default()
        }));
    }
    stage.stream.end_of_reply(false);
    let tags = stage.stream.into_tags();
    let kept: Vec<_> = tags.iter().map(|tag| tag.signature.as_deref()).collect();
    assert_eq!(kept, [Some("ssss"), None]);
}

#[test]
fn calls_that_cannot_be_are_counted_and_not_shown() {
    let check = |name: &str, arguments: &str| {
        let mut stage = Stage::new(false);
        stage.text("<speech>Hm</speech>");
        stage.call(0, "c1", name, arguments);
        let (shown, warnings) = stage.finish();
        assert_eq!(shown, "<0:speech>Hm</0>");
        assert_eq!(warnings, counts(&[("bad_call", 1)]));
    };
    check("look", "[1]");
    check("look", "{\"at\":");
    check("look", &format!("{{\"at\":\"{}\"}}", "x".repeat(40_000)));
    check("give", "{}");
    check("unheard_of", "{}");
}

#[test]
fn an_empty_reply_and_one_that_shows_nothing_are_told_apart() {
    let (shown, warnings) = Stage::new(false).finish();
    assert_eq!(shown, "");
    assert_eq!(warnings, counts(&[("empty_reply", 1), ("nothing_shown", 1)]));

    let mut stage = Stage::new(false);
    stage.text("<think>hm</think>");
    let (shown, warnings) = stage.finish();
    assert_eq!(shown, "");
    assert_eq!(warnings, counts(&[("hidden_reasoning", 1), ("nothing_shown", 1)]));
}

#[test]
fn a_reply_taken_for_reasoning_is_read_again() {
    let mut stage = Stage::new(true);
    stage.text("<speech>Well met.</speech>");
    assert_eq!(stage.take(), "");
    let (shown, warnings) = stage.finish();
    assert_eq!(shown, "<0:speech>Well met.</0>");
    assert_eq!(warnings, counts(&[("no_reasoning", 1)]));
}

#[test]
fn where_a_model_begins_shows_in_its_reply() {
    use ReasoningSeen::{LoneClosingHalf, NoReasoning, Nothing};
    for (text, in_reasoning, expected) in [
        ("hm</think><speech>Hi.</speech>", false, LoneClosingHalf),
        ("<speech>Hi.</speech></think>", false, Nothing),
        ("<think>hm</think><speech>Hi.</speech>", false, Nothing),
        ("<speech>Hi.</speech>", false, Nothing),
        ("hm</think><speech>Hi.</speech>", true, Nothing),
        ("<speech>Hi.</speech>", true, NoReasoning),
        ("", true, Nothing),
    ] {
        let mut stage = Stage::new(in_reasoning);
        if !text.is_empty() {
            stage.text(text);
        }
        stage.stream.end_of_reply(false);
        assert_eq!(stage.stream.reasoning_seen(), expected, "{text} {in_reasoning}");
    }
}

#[test]
fn a_tag_that_must_not_be_cut_is_noticed() {
    let mut stage = Stage::new(false);
    stage.text("<vow>I");
    assert!(stage.stream.is_holding());
    stage.text(" swear.</vow>");
    assert!(!stage.stream.is_holding());
}

proptest! {
    #[test]
    fn the_cut_of_the_deltas_makes_no_difference(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "<speech>", "</speech>", "words ", "naïve ", "<emotion name=joy/>", "<give item=a/>",
                "<vow>", "</vow>", "&amp;", "<", "</think>", "\n",
            ]),
            0..20,
        ),
        cuts in prop::collection::vec(1..7_usize, 1..40),
    ) {
        let text = parts.concat();
        let mut whole = Stage::new(false);
        if !text.is_empty() {
            whole.text(&text);
        }
        let mut cut = Stage::new(false);
        let mut rest = text.chars();
        for length in cuts.iter().cycle() {
            let piece: String = rest.by_ref().take(*length).collect();
            if piece.is_empty() {
                break;
            }
            cut.text(&piece);
        }
        prop_assert_eq!(cut.finish(), whole.finish());
    }
}
