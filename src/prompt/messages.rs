//! The messages themselves: one system message, then user and assistant strictly in turn, with the
//! provider's own tool messages where a turn answers native calls.

use std::collections::HashSet;

use dramatis_protocol::Id;
use serde_json::json;

use crate::record::{Message, Role, ToolAnswer};

use super::quote;
use super::reply::Reply;

/// One thing that the agent perceived.
#[derive(Debug, Clone)]
pub struct Line {
    /// As it is told.
    pub text: String,
    /// The tool's answer, if it is one.
    pub answer: Option<ToolAnswer>,
}

impl Line {
    /// Its length in a prompt.
    pub fn chars(&self) -> usize {
        self.text.chars().count() + 1
    }
}

/// A past turn as lines and a reply.
#[derive(Debug)]
pub struct Turn {
    /// The turn.
    pub turn_id: Id,
    /// What stood in its user message.
    pub input: Vec<String>,
    /// What became of it.
    pub reply: Reply,
}

impl Turn {
    /// Its length in a prompt.
    pub fn chars(&self) -> usize {
        let lines = self.input.iter().chain(&self.reply.notes);
        lines.map(|line| line.chars().count() + 1).sum::<usize>()
            + self.reply.text.chars().count()
            + self.reply.calls.iter().map(|(_, call)| call.arguments.chars().count()).sum::<usize>()
    }
}

/// A message's length.
pub fn chars(message: &Message) -> usize {
    message.content.chars().count()
        + message.tool_calls.iter().map(|call| call.arguments.chars().count()).sum::<usize>()
}

/// What stands in the last user message.
#[derive(Debug)]
pub struct Now<'a> {
    /// How things stand.
    pub context: &'a str,
    /// What is perceived.
    pub input: &'a [Line],
    /// Stands where there is nothing else to tell.
    pub goes_on: &'a str,
}

/// Puts everything in its place. In a follow-up the answers to native calls are tool messages; when
/// nothing else is left to tell, the present situation stands in the user message before the call.
pub fn assemble(
    system: String,
    mut turns: Vec<Turn>,
    now: &Now<'_>,
    follow_up: bool,
) -> Vec<Message> {
    let Now { context, input, goes_on } = *now;
    let mut messages = Messages { all: vec![Message::text(Role::System, system)], goes_on };
    let last = if follow_up { turns.pop() } else { None };
    let notes = messages.past(turns);
    let Some(last) = last else {
        let lines: Vec<_> = input.iter().map(|line| line.text.clone()).collect();
        messages.now(&notes, context, &lines);
        return messages.all;
    };
    let (answers, rest) = split_answers(&last, input);
    if answers.is_empty() || !rest.is_empty() || !last.reply.notes.is_empty() {
        messages.user(&notes);
        messages.user(&last.input);
        messages.goes_on();
        let notes = messages.answered(last.reply, answers);
        messages.now(&notes, context, &rest);
    } else {
        messages.now(&notes, context, &last.input);
        messages.answered(last.reply, answers);
    }
    messages.all
}

/// The answers to the native calls of a turn, and the lines of everything else.
fn split_answers<'a>(last: &Turn, input: &'a [Line]) -> (Vec<&'a ToolAnswer>, Vec<String>) {
    let mut answers = Vec::new();
    let mut rest = Vec::new();
    let mut open: HashSet<u32> = last.reply.calls.iter().map(|(tag_id, _)| *tag_id).collect();
    for Line { text, answer } in input {
        match answer {
            Some(answer) if answer.turn_id == last.turn_id && open.remove(&answer.tag_id) => {
                answers.push(answer);
            }
            _ => rest.push(text.clone()),
        }
    }
    (answers, rest)
}

struct Messages<'a> {
    all: Vec<Message>,
    goes_on: &'a str,
}

impl Messages<'_> {
    /// Past turns, oldest first; returns the notes on the newest, which stand in what follows.
    fn past(&mut self, turns: Vec<Turn>) -> Vec<String> {
        let mut notes = Vec::new();
        for turn in turns {
            self.user(&notes);
            self.user(&turn.input);
            if !turn.reply.text.is_empty() {
                self.goes_on();
                self.all.push(Message::text(Role::Assistant, turn.reply.text));
            }
            notes = turn.reply.notes;
        }
        notes
    }

    /// What is so and happens now.
    fn now(&mut self, notes: &[String], context: &str, lines: &[String]) {
        self.user(notes);
        if !context.is_empty() {
            self.line(context);
        }
        if lines.is_empty() {
            self.line(self.goes_on);
        }
        self.user(lines);
    }

    /// The turn whose calls are answered, with the answers; returns the notes on it.
    fn answered(&mut self, reply: Reply, answers: Vec<&ToolAnswer>) -> Vec<String> {
        if !reply.text.is_empty() || !reply.calls.is_empty() {
            let mut message = Message::text(Role::Assistant, reply.text);
            message.tool_calls = reply.calls.iter().map(|(_, call)| call.clone()).collect();
            self.all.push(message);
        }
        for answer in answers {
            let call = reply.calls.iter().find(|(tag_id, _)| *tag_id == answer.tag_id);
            let output = if answer.ok {
                quote::json(&answer.output)
            } else {
                quote::json(&json!({ "ok": false, "output": answer.output }))
            };
            let mut message = Message::text(Role::Tool, output);
            message.tool_call_id = call.map(|(_, call)| call.id.clone());
            self.all.push(message);
        }
        reply.notes
    }

    /// Adds lines to the user message that is being written, or begins one.
    fn user(&mut self, lines: &[String]) {
        for line in lines {
            self.line(line);
        }
    }

    fn line(&mut self, line: &str) {
        match self.all.last_mut() {
            Some(message) if message.role == Role::User => {
                message.content.push('\n');
                message.content.push_str(line);
            }
            _ => self.all.push(Message::text(Role::User, line)),
        }
    }

    /// Something must stand between two messages of the character.
    fn goes_on(&mut self) {
        if self.all.last().is_none_or(|message| message.role != Role::User) {
            self.line(self.goes_on);
        }
    }
}
