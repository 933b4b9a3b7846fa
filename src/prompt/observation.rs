//! What an agent perceives, one line each. Everything in such a line that the game or its player
//! worded is quoted.

use std::fmt::Write as _;

use dramatis_protocol::Actor;

use crate::record::{Observation, Occurrence, ToolAnswer};

use super::quote;
use super::sentences::Say;

/// The line of an observation in a user message.
pub fn line(observation: &Observation, say: &Say<'_>) -> String {
    let mut out = "- ".to_owned();
    match observation {
        Observation::Event(event) => occurrence(&mut out, event, &say.own.something_happens, say),
        Observation::Notification(event) => {
            if speaker(event.actor.as_ref()).is_some() {
                out.push_str(&say.own.in_passing);
                out.push_str(": ");
            }
            occurrence(&mut out, event, &say.own.in_passing, say);
        }
        Observation::ToolAnswer(answer) => out.push_str(&tool_answer(answer, say)),
    }
    out
}

/// Who spoke or acted, as the agent knows them.
pub fn speaker(actor: Option<&Actor>) -> Option<&str> {
    let actor = actor?;
    actor
        .name
        .as_deref()
        .or(actor.id.as_deref())
        .filter(|name| !name.chars().all(char::is_whitespace))
}

/// `Aldo (player_spoke): "Good evening" (data: {"place":"bar"})`, less what is not there; `nobody`
/// stands where nobody is named.
fn occurrence(out: &mut String, event: &Occurrence, nobody: &str, say: &Say<'_>) {
    let name = |name| quote::name(name, say);
    let who = speaker(event.actor.as_ref()).map_or_else(|| nobody.into(), name);
    out.push_str(&who);
    // Writing to a string can't fail.
    if let Some(event_type) = &event.event_type {
        let _ = write!(out, " ({})", name(event_type));
    }
    if let Some(text) = &event.text {
        out.reserve(text.len() + 4);
        out.push_str(": ");
        quote::push_quoted(out, text);
    }
    if let Some(data) = &event.data {
        let _ = write!(out, " ({})", say.data(&quote::json(data)));
    }
}

fn tool_answer(answer: &ToolAnswer, say: &Say<'_>) -> String {
    let (tool, output) = (quote::name(&answer.tool, say), quote::json(&answer.output));
    if answer.ok { say.tool_answered(&tool, &output) } else { say.tool_failed(&tool, &output) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dramatis_protocol::Sentences;
    use serde_json::json;

    fn told(observation: &Observation) -> String {
        line(observation, &Say::new(&Sentences::default()))
    }

    fn event(actor: &str, event_type: &str, text: &str) -> Occurrence {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Occurrence {
            actor: some(actor).map(|name| Actor { id: None, name: Some(name) }),
            event_type: some(event_type),
            text: some(text),
            ..Occurrence::default()
        }
    }

    #[test]
    fn an_event_says_who_what_and_which() {
        let check = |event, expected: &str| assert_eq!(told(&Observation::Event(event)), expected);
        check(event("Aldo", "", "Hello!"), r#"- Aldo: "Hello!""#);
        check(event("Aldo", "player_spoke", "Hello!"), r#"- Aldo (player_spoke): "Hello!""#);
        check(event("", "door_opened", ""), "- Something happens (door_opened)");
        check(
            Occurrence { data: Some(json!({"gold": 3})), ..event("", "paid", "") },
            r#"- Something happens (paid) (data: {"gold":3})"#,
        );
        check(
            Occurrence {
                actor: Some(Actor { id: Some("p1".into()), name: None }),
                ..event("", "", "x")
            },
            r#"- p1: "x""#,
        );
    }

    #[test]
    fn notifications_and_answers_are_told_apart_from_events() {
        let check =
            |observation, expected: &str| assert_eq!(told(&observation), expected.to_owned());
        check(
            Observation::Notification(event("", "", "The bell rings.")),
            r#"- In passing: "The bell rings.""#,
        );
        check(Observation::Notification(event("Aldo", "left", "")), "- In passing: Aldo (left)");
        let answer = |ok| {
            Observation::ToolAnswer(ToolAnswer {
                turn_id: "t".into(),
                tag_id: 0,
                tool: "look_up".into(),
                call_id: None,
                ok,
                output: json!("<b>"),
            })
        };
        check(answer(true), "- Tool look_up answered: \"\\u003cb\\u003e\"");
        check(answer(false), "- Tool look_up could not do it: \"\\u003cb\\u003e\"");
    }
}
