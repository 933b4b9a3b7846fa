//! What lore and memories are looked up for: the words of what happened now, without quotes, names
//! of fields and what else stands around them in the messages.

use serde_json::Value;

use super::section::last_chars;
use crate::record::{LedgerTag, Observation, Occurrence, PastTurn, answered_calls, presented};

/// Longest text that is looked at, in characters: its last ones.
const MOST_CHARS: usize = 4_000;

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// What was said and happened now.
    pub text: String,
    /// The same, and the exchange before it: what it may refer to.
    pub around: String,
}

/// What a turn asks.
pub fn of(history: &[PastTurn], input: &[Observation], follow_up: bool) -> Question {
    let newest = history.last();
    let mut text = String::new();
    // The answer of a tool says little about what is being talked about.
    if follow_up && let Some(turn) = newest {
        hear_all(&mut text, &turn.input);
    }
    hear_all(&mut text, input);
    let mut around = String::new();
    if let Some(turn) = newest {
        hear_all(&mut around, &turn.input);
        say(&mut around, turn, input);
    }
    around.push_str(&text);
    let newest = |text: &str| last_chars(text, MOST_CHARS).to_owned();
    Question { text: newest(&text), around: newest(&around) }
}

fn hear_all(out: &mut String, seen: &[Observation]) {
    for observation in seen {
        match observation {
            Observation::Event(event) | Observation::Notification(event) => hear(out, event),
            Observation::ToolAnswer(answer) => words(out, &answer.output),
        }
    }
}

fn hear(out: &mut String, event: &Occurrence) {
    let text = event.text.as_ref().filter(|text| !text.trim().is_empty());
    match (text, &event.event_type) {
        (Some(text), _) => line(out, text),
        (None, Some(kind)) => line(out, &kind.replace(['_', '-'], " ")),
        (None, None) => {}
    }
    if let Some(data) = &event.data {
        words(out, data);
    }
}

/// What the character itself was heard to say.
fn say(out: &mut String, turn: &PastTurn, since: &[Observation]) {
    let shown = presented(turn, &answered_calls(&turn.turn_id, since));
    if let Some(content) = shown.content {
        line(out, content);
        return;
    }
    for tag in shown.tags.iter().filter(|tag| tag.stands()) {
        line(out, tag.shown);
        attributes(out, tag.tag);
    }
}

fn attributes(out: &mut String, tag: &LedgerTag) {
    tag.attributes.values().for_each(|value| words(out, value));
}

/// The texts of a value, however deep they lie.
fn words(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => line(out, text),
        Value::Array(items) => items.iter().for_each(|item| words(out, item)),
        Value::Object(map) => map.values().for_each(|item| words(out, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_text_says_nothing_and_the_kind_of_event_does() {
        let asked = |text: &str| {
            let event = Occurrence {
                text: Some(text.to_owned()),
                event_type: Some("bell_rings".to_owned()),
                ..Occurrence::default()
            };
            of(&[], &[Observation::Event(event)], false).text
        };
        assert_eq!((&*asked(" "), &*asked("Who rings?")), ("bell rings\n", "Who rings?\n"));
    }
}
