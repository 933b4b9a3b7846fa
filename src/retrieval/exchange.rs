//! What an agent remembers of a turn: who said what, a line for each, as far as it was really heard
//! and seen. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::record::{Observation, Occurrence, PastTurn, PresentedTag, ToolAnswer, presented};

/// Of a tool's answer, and of the data of an event, so much is remembered, in characters.
const ANSWER_CHARS: usize = 300;

/// What was said in a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoken {
    /// What the agent heard and saw, a line for each, with who it was: `Aldo: Good evening`.
    pub heard: String,
    /// What it said and did, on one line.
    pub answered: String,
}

/// What was said in a turn.
#[must_use]
pub fn of(turn: &PastTurn) -> Spoken {
    let mut heard = String::new();
    for line in turn.input.iter().filter_map(line) {
        // Writing to a string can't fail.
        let _ = writeln!(heard, "{line}");
    }
    heard.truncate(heard.trim_end().len());
    Spoken { heard, answered: answered(turn) }
}

fn line(observation: &Observation) -> Option<String> {
    match observation {
        Observation::Event(event) | Observation::Notification(event) => occurrence(event),
        Observation::ToolAnswer(answer) => Some(tool_answer(answer)),
    }
}

fn occurrence(event: &Occurrence) -> Option<String> {
    let kind = || event.event_type.as_ref().map(|kind| kind.replace(['_', '-'], " "));
    let text = event.text.as_deref().map(one_line).filter(|text| !text.is_empty());
    let text = text.or_else(|| kind().as_deref().map(one_line)).unwrap_or_default();
    let data = event.data.as_ref().map(data).filter(|data| !data.is_empty());
    let data = data.map_or_else(String::new, |data| format!("({data})"));
    let words: Vec<String> = [text, data].into_iter().filter(|it| !it.is_empty()).collect();
    if words.is_empty() {
        return None;
    }
    let actor = event.actor.as_ref();
    let who = actor.and_then(|actor| actor.name.as_deref().or(actor.id.as_deref()));
    let who = who.map(one_line).filter(|who| !who.is_empty()).map(|who| format!("{who}:"));
    Some(who.into_iter().chain(words).collect::<Vec<_>>().join(" "))
}

/// The prompt has shown them, too.
fn data(data: &Value) -> String {
    let mut words = Vec::new();
    texts(data, &mut words);
    words.join(", ").chars().take(ANSWER_CHARS).collect()
}

/// The texts of a value, however deep they lie.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.extend(Some(one_line(text)).filter(|text| !text.is_empty())),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => map.values().for_each(|item| texts(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn tool_answer(answer: &ToolAnswer) -> String {
    let text = match &answer.output {
        Value::String(text) => one_line(text),
        other => other.to_string(),
    };
    let text: String = text.chars().take(ANSWER_CHARS).collect();
    format!("{}: {text}", answer.tool)
}

fn answered(turn: &PastTurn) -> String {
    let presented = presented(turn, &BTreeSet::new());
    if let Some(content) = presented.content {
        return one_line(content);
    }
    let parts = presented.tags.iter().filter(|tag| tag.stands()).map(part);
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// What was said, or in brackets what was done. A call is told by its answer.
fn part(tag: &PresentedTag<'_>) -> String {
    use dramatis_protocol::TagKind;
    let shown = one_line(tag.shown);
    match tag.tag.kind {
        TagKind::Speech => shown,
        TagKind::Action => {
            let values = tag.tag.attributes.values().filter_map(Value::as_str).map(one_line);
            let words: Vec<String> = values.chain([shown]).filter(|it| !it.is_empty()).collect();
            if words.is_empty() { String::new() } else { format!("({})", words.join(", ")) }
        }
        TagKind::Tool | TagKind::Hidden => String::new(),
    }
}

/// A text on one line, single spaces between its words: words of others don't begin lines of ours.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use dramatis_protocol::{Actor, Origin, Outcome, TagKind, TagOutcome};
    use serde_json::json;

    use super::*;
    use crate::record::{LedgerTag, TurnResult};

    fn tag(tag_id: u32, kind: TagKind, name: &str, text: &str) -> LedgerTag {
        let attributes = json!({ "name": name }).as_object().cloned().unwrap();
        LedgerTag {
            tag_id,
            parent_id: None,
            tag: "t".into(),
            kind,
            empty: false,
            attributes: if name.is_empty() { serde_json::Map::new() } else { attributes },
            call_id: None,
            arguments: None,
            signature: None,
            text: text.to_owned(),
            children: Vec::new(),
            complete: true,
        }
    }

    fn turn() -> PastTurn {
        let says = Occurrence {
            text: Some("Where is\nyour daughter?".to_owned()),
            actor: Some(Actor { id: None, name: Some("Wren".to_owned()) }),
            ..Occurrence::default()
        };
        let rings =
            Occurrence { event_type: Some("bell_rings".to_owned()), ..Occurrence::default() };
        let answer = ToolAnswer {
            turn_id: "t0".into(),
            tag_id: 0,
            tool: "look_up".into(),
            call_id: None,
            ok: true,
            output: json!({"room": 3}),
        };
        PastTurn {
            turn_id: "t1".into(),
            origin: Origin::Llm,
            event_ids: Vec::new(),
            input: vec![
                Observation::ToolAnswer(answer),
                Observation::Notification(rings),
                Observation::Event(says),
            ],
            tags: vec![
                tag(0, TagKind::Hidden, "", "he knows"),
                tag(1, TagKind::Speech, "", "At Harrow Lock. Three years."),
                tag(2, TagKind::Action, "turn_away", "to the window"),
                tag(3, TagKind::Tool, "", "Tilda"),
            ],
            end: None,
            result: None,
        }
    }

    #[test]
    fn a_line_tells_who_said_what_and_hidden_words_are_not_remembered() {
        let spoken = of(&turn());
        let heard = "look_up: {\"room\":3}\nbell rings\nWren: Where is your daughter?";
        assert_eq!(spoken.heard, heard);
        assert_eq!(spoken.answered, "At Harrow Lock. Three years. (turn_away, to the window)");
    }

    #[test]
    fn what_an_event_carries_is_remembered_and_blank_text_is_none() {
        let check =
            |text: Option<&str>, kind: Option<&str>, data: Value, expected: Option<&str>| {
                let event = Occurrence {
                    text: text.map(str::to_owned),
                    event_type: kind.map(str::to_owned),
                    actor: Some(Actor { id: None, name: Some("Wren".to_owned()) }),
                    data: Some(data),
                    ..Occurrence::default()
                };
                assert_eq!(occurrence(&event).as_deref(), expected, "{event:?}");
            };
        let sword = json!({"gift": {"item": "a silver\nsword", "worth": 30}, "to": ["Ned", " "]});
        check(Some("Take it."), None, sword.clone(), Some("Wren: Take it. (a silver sword, Ned)"));
        check(Some(" \n"), Some("gives"), json!(null), Some("Wren: gives"));
        check(
            Some(" "),
            Some("gives-it"),
            sword.clone(),
            Some("Wren: gives it (a silver sword, Ned)"),
        );
        check(Some(""), None, sword, Some("Wren: (a silver sword, Ned)"));
        check(Some(" "), None, json!({"worth": 30}), None);
        let long = format!("Wren: ({})", "x".repeat(ANSWER_CHARS));
        check(None, None, json!("x".repeat(1_000)), Some(&long));
    }

    #[test]
    fn only_what_was_presented_is_remembered() {
        let said = |result| of(&PastTurn { result: Some(result), ..turn() }).answered;
        let cut = TagOutcome {
            tag_id: 1,
            outcome: Outcome::Partial,
            presented_chars: Some(15),
            detail: None,
        };
        assert_eq!(said(TurnResult { content: None, tags: Some(vec![cut]) }), "At Harrow Lock.");
        let words = Some("He\nsaid nothing.".to_owned());
        assert_eq!(said(TurnResult { content: words, tags: None }), "He said nothing.");
        assert_eq!(said(TurnResult { content: None, tags: Some(Vec::new()) }), "");
    }
}
