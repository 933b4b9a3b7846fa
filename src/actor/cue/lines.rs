//! The lines of a user message: `- Mira (player_spoke): "Hello"`, `- In passing: "It rains."`,
//! `- Tool open answered: "done"`. In a message without any such line the last line is what was
//! said.

use serde_json::Value;

use super::answer;
use crate::record::ToolAnswer;

/// What a message tells, in the order of a cue.
#[derive(Debug, Default)]
pub struct Told {
    /// The newest event.
    pub event: Option<Event>,
    /// Everything else that was noticed, as plain sentences.
    pub observations: Vec<String>,
    /// What tools answered.
    pub answers: Vec<ToolAnswer>,
}

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub speaker: Option<String>,
    pub event_type: Option<String>,
    pub text: Option<String>,
}

impl Told {
    /// Reads a message.
    pub fn read(message: &str) -> Self {
        let mut told = Self::default();
        // What stands under headings before the last one is how things are, not what happens.
        let happens = message.rfind("\n###").and_then(|at| message.get(at + 1..));
        let happens = happens.unwrap_or(message).lines().map(str::trim);
        let lines: Vec<&str> = happens.filter(|line| is_told(line)).collect();
        for line in lines.iter().filter_map(|line| line.strip_prefix("- ")) {
            told.line(line);
        }
        if told.event.is_none() && told.answers.is_empty() && told.observations.is_empty() {
            told.event =
                lines.last().map(|line| Event::said(line).unwrap_or_else(|| Event::read(line)));
        }
        told
    }

    fn line(&mut self, line: &str) {
        if let Some(seen) = line.strip_prefix("In passing: ") {
            self.observations.extend(Event::read(seen).plain());
        } else if let Some(answer) = tool_line(line) {
            self.answers.push(answer);
        } else if let Some(before) = self.event.replace(Event::read(line)) {
            self.observations.extend(before.plain());
        }
    }
}

/// Neither a heading nor a note in brackets.
fn is_told(line: &str) -> bool {
    let note = line.starts_with('(') && line.ends_with(')');
    !(line.is_empty() || line.starts_with('#') || note)
}

fn tool_line(line: &str) -> Option<ToolAnswer> {
    let rest = line.strip_prefix("Tool ")?;
    let (name, output, ok) = match rest.split_once(" answered: ") {
        Some((name, output)) => (name, output, true),
        None => {
            rest.split_once(" could not do it: ").map(|(name, output)| (name, output, false))?
        }
    };
    let output = serde_json::from_str(output).unwrap_or_else(|_| Value::String(output.to_owned()));
    Some(ToolAnswer { ok, ..answer(name, output) })
}

impl Event {
    /// What somebody says in a chat of several: `[Mira]: Hello`.
    fn said(line: &str) -> Option<Self> {
        let (who, text) = line.strip_prefix('[')?.split_once("]: ")?;
        Some(Self { speaker: Some(who.to_owned()), event_type: None, text: Some(text.to_owned()) })
    }

    fn read(line: &str) -> Self {
        let line = line.split(" (data: ").next().unwrap_or(line);
        let (head, text) = match line.split_once(": ") {
            _ if line.starts_with('"') => ("", Some(unquoted(line))),
            Some((head, text)) if is_head(head) => (head, Some(unquoted(text))),
            // Not a line of ours: all of it was said.
            _ if !line.ends_with(')') => ("", Some(unquoted(line))),
            _ => (line, None),
        };
        let (who, event_type) = match head.strip_suffix(')').and_then(|it| it.split_once(" (")) {
            Some((who, event_type)) => (who, Some(unquoted(event_type))),
            None => (head, None),
        };
        let who = ["says", "said", "asks", "shouts", "whispers"]
            .iter()
            .find_map(|verb| who.strip_suffix(verb))
            .unwrap_or(who)
            .trim();
        let speaker = (!who.is_empty() && who != "Something happens").then(|| unquoted(who));
        Self { speaker, event_type, text: text.filter(|text| !text.is_empty()) }
    }

    /// `Aldo: Good evening`, or the text or the type alone.
    fn plain(self) -> Option<String> {
        let text = self.text.or(self.event_type)?;
        Some(match self.speaker {
            Some(who) => format!("{who}: {text}"),
            None => text,
        })
    }
}

/// Whether what stands before a colon can be a name, possibly with an event's type.
fn is_head(head: &str) -> bool {
    let name = head.split(" (").next().unwrap_or(head);
    let short = name.split_whitespace().count() <= 3 && !name.contains(['.', '!', '?', ',']);
    let first = name.trim_start_matches('"').chars().next();
    short && first.is_some_and(|first| !first.is_lowercase())
}

/// A text out of its quotes, its escapes undone; otherwise as it is.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let inner = match strings.next() {
        Some(Ok(inner)) => inner,
        _ => text.trim_matches(['"', '“', '”']).to_owned(),
    };
    inner.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
