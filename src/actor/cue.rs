//! A [`Cue`] guessed from the messages of a request, for who has nothing else: the mock server, and
//! requests without a cue. It reads what our own prompts write and makes do with any other.

use std::sync::Arc;

use dramatis_protocol::Id;
use serde_json::Value;

use crate::llm::{Cue, CueSection};
use crate::record::{Message, Role, ToolAnswer};
use crate::tags::{AttributeDef, Content, Kind, TagDef, Vocabulary};

/// Reads the messages.
#[must_use]
pub fn cue_from_messages(messages: &[Message]) -> Cue {
    let system = messages.iter().find(|message| message.role == Role::System);
    let system = system.map(|message| message.content.as_str()).unwrap_or_default();
    let name = agent_name(system).unwrap_or("Somebody");
    let last = messages.iter().rev().find(|message| message.role == Role::User);
    let spoken = last.and_then(|message| last_line(&message.content));
    let (speaker, text) = spoken.map(speaker_and_text).unwrap_or_default();
    Cue {
        agent: name.to_lowercase().replace(' ', "_"),
        name: name.to_owned(),
        sections: sections(system),
        speaker: speaker.map(str::to_owned),
        event_type: None,
        text: (!text.is_empty()).then(|| text.to_owned()),
        observations: Vec::new(),
        tool_answers: tool_answers(messages),
        past_turns: messages.iter().filter(|it| it.role == Role::Assistant).count(),
        vocabulary: Arc::new(default_vocabulary()),
    }
}

/// From a line `You are <name>.`, or one that goes on after the name.
fn agent_name(system: &str) -> Option<&str> {
    let rest = system.lines().find_map(|line| line.trim().strip_prefix("You are "))?;
    let name = rest.split(['.', ',', ';', '(']).next()?.trim();
    // `You are the assistant that …` names nobody.
    let named = name.chars().next().is_some_and(char::is_uppercase);
    (named && name.len() <= 64).then_some(name)
}

/// The texts under headings such as `## Goals` or `### GOALS ###`.
fn sections(system: &str) -> Vec<CueSection> {
    let mut sections: Vec<CueSection> = Vec::new();
    for line in system.lines() {
        if line.starts_with('#') {
            let title = line.trim_matches(['#', ' ']).to_owned();
            sections.push(CueSection { title, text: String::new() });
        } else if let Some(section) = sections.last_mut() {
            section.text.push_str(line);
            section.text.push('\n');
        }
    }
    sections
}

/// The newest thing stands last.
fn last_line(content: &str) -> Option<&str> {
    content.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// `Mira: Hello`, `Mira says: "Hello"`, `[greeting] Mira: Hello`, or the text alone.
fn speaker_and_text(line: &str) -> (Option<&str>, &str) {
    let line = line.trim_start_matches(['-', '*', ' ']);
    let bracket = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let line = bracket.map_or(line, |(_, rest)| rest.trim());
    let Some((before, after)) = line.split_once(": ") else { return (None, unquoted(line)) };
    let name = ["says", "said", "asks", "speaks", "shouts", "whispers"]
        .iter()
        .find_map(|verb| before.trim_end_matches(" to you").strip_suffix(verb))
        .unwrap_or(before)
        .trim();
    let named = name.chars().next().is_some_and(char::is_uppercase)
        && name.split_whitespace().count() <= 3
        && !name.contains(['.', '!', '?', '"']);
    if named { (Some(name), unquoted(after)) } else { (None, unquoted(line)) }
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '“', '”'])
}

/// Tool messages after the last thing that the agent said.
fn tool_answers(messages: &[Message]) -> Vec<ToolAnswer> {
    let mut answers: Vec<ToolAnswer> = Vec::new();
    let newest = messages.iter().rev().take_while(|message| message.role == Role::Tool);
    for message in newest {
        let id = message.tool_call_id.clone();
        let calls = messages.iter().rev().flat_map(|message| &message.tool_calls);
        let call = calls.into_iter().find(|call| Some(&call.id) == id.as_ref());
        let output = serde_json::from_str(&message.content);
        let output = output.unwrap_or_else(|_| Value::String(message.content.clone()));
        let failed = output.get("ok").and_then(Value::as_bool) == Some(false);
        answers.push(ToolAnswer {
            turn_id: Id::from(""),
            tag_id: 0,
            tool: Id::from(call.map_or("tool", |call| call.name.as_str())),
            call_id: id,
            ok: !failed,
            output,
        });
    }
    answers.reverse();
    answers
}

/// The tags of a game that defines none, which is also what a prompt's reader can't be sure of.
fn default_vocabulary() -> Vocabulary {
    let tag = |name: &str, kind, content, attributes: Vec<AttributeDef>| TagDef {
        name: Arc::from(name),
        description: None,
        kind,
        content,
        contains: None,
        attributes,
        interruptible: true,
    };
    let name = || vec![AttributeDef { name: "name".to_owned(), ..AttributeDef::default() }];
    let tags = vec![
        tag("speech", Kind::Speech, Content::Text, Vec::new()),
        tag("action", Kind::Action, Content::Text, name()),
        tag("emotion", Kind::Action, Content::None, name()),
        tag("think", Kind::Hidden, Content::Text, Vec::new()),
    ];
    // These names are possible ones, so that the empty vocabulary never stands in for them.
    Vocabulary::new(tags).unwrap_or_else(|_| Vocabulary::standard())
}
