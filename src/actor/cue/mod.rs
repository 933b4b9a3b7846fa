//! A [`Cue`] read back from the messages of a request, for who has nothing else: the mock server,
//! and requests without a cue. It understands what our own prompts write (who the agent is, its
//! tags, who said what) and makes do with any other. It reads the English sentences alone: where a
//! file replaces them, it knows tags and who spoke, but not the agent's name, and takes each line with
//! a dash for an event. `lines` reads the events, `tags` the vocabulary.

mod lines;
mod tags;

use std::sync::Arc;

use dramatis_protocol::Id;
use serde_json::Value;

use self::lines::Told;
use crate::llm::{Cue, CueSection};
use crate::record::{Message, Role, ToolAnswer};

/// Reads the messages.
#[must_use]
pub fn cue_from_messages(messages: &[Message]) -> Cue {
    let system = messages.iter().find(|message| message.role == Role::System);
    let system = system.map(|message| message.content.as_str()).unwrap_or_default();
    let name = agent_name(system).unwrap_or("Somebody");
    let newest = messages.iter().rev().find(|message| message.role == Role::User);
    let newest = newest.map(|message| message.content.as_str()).unwrap_or_default();
    let told = Told::read(newest);
    let mut sections = sections(system);
    sections.extend(self::sections(newest));
    let memories = take_memories(&mut sections);
    let mut tool_answers = tool_messages(messages);
    if tool_answers.is_empty() && told.event.is_none() {
        tool_answers = told.answers;
    }
    let event = told.event.unwrap_or_default();
    Cue {
        agent: name.to_lowercase().replace(' ', "_"),
        name: name.to_owned(),
        sections,
        speaker: event.speaker,
        event_type: event.event_type,
        text: event.text,
        observations: told.observations,
        tool_answers,
        memories,
        past_turns: messages.iter().filter(|it| it.role == Role::Assistant).count(),
        vocabulary: Arc::new(tags::vocabulary(system)),
    }
}

/// From a line `You are <name>.`, or one that goes on after the name.
fn agent_name(system: &str) -> Option<&str> {
    let rest = system.lines().find_map(|line| line.trim().strip_prefix("You are "))?;
    let name = rest.split(['.', ',', ';', '(']).next()?.trim();
    // `You are the assistant that …` names nobody.
    let named =
        name.chars().next().is_some_and(|first| first.is_alphabetic() && !first.is_lowercase());
    (named && name.len() <= 64).then_some(name)
}

/// What stands under the heading of memories, each behind a blank line.
fn take_memories(sections: &mut Vec<CueSection>) -> Vec<String> {
    let is_memory = |section: &CueSection| section.title.starts_with("What you remember");
    let (memories, others) = std::mem::take(sections).into_iter().partition(is_memory);
    *sections = others;
    let memories: Vec<CueSection> = memories;
    let texts = memories.iter().flat_map(|section| section.text.split("\n\n"));
    texts.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// The texts under headings such as `## Goals`. Those like `### RULES ###` are the program's.
fn sections(text: &str) -> Vec<CueSection> {
    let mut sections: Vec<CueSection> = Vec::new();
    let mut ours = true;
    for line in text.lines() {
        if line.starts_with('#') {
            ours = line.trim_end().ends_with('#');
            if !ours {
                let title = line.trim_matches(['#', ' ']).to_owned();
                sections.push(CueSection { title, text: String::new() });
            }
        } else if let Some(section) = sections.last_mut().filter(|_| !ours) {
            section.text.push_str(line);
            section.text.push('\n');
        }
    }
    sections
}

/// Tool messages after the last thing that the agent said.
fn tool_messages(messages: &[Message]) -> Vec<ToolAnswer> {
    let newest = messages.iter().rev().take_while(|message| message.role == Role::Tool);
    let mut answers: Vec<_> = newest
        .map(|message| {
            let id = message.tool_call_id.clone();
            let mut calls = messages.iter().rev().flat_map(|message| &message.tool_calls);
            let call = calls.find(|call| Some(&call.id) == id.as_ref());
            let name = call.map_or("tool", |call| call.name.as_str());
            let output = serde_json::from_str(&message.content);
            let output = output.unwrap_or_else(|_| Value::String(message.content.clone()));
            ToolAnswer { call_id: id, ..answer(name, output) }
        })
        .collect();
    answers.reverse();
    answers
}

/// An answer as far as a prompt tells it: a failure is `{"ok": false, "output": …}`.
fn answer(tool: &str, output: Value) -> ToolAnswer {
    let ok = output.get("ok").and_then(Value::as_bool) != Some(false);
    let output = match output.get("output") {
        Some(inner) if !ok => inner.clone(),
        _ => output,
    };
    let (turn_id, tool) = (Id::from(""), Id::from(tool));
    ToolAnswer { turn_id, tag_id: 0, tool, call_id: None, ok, output }
}

#[cfg(test)]
mod tests;
