//! A log as a text to read: who said what, what was cut off, what the player really saw. A pure
//! function from entries to Markdown.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use dramatis_protocol::{Id, TagKind, TagOutcome};
use serde::Serialize;

use super::entry::{LogEntry, Logged};
use crate::record::{LedgerTag, Occurrence, ToolAnswer, TurnEnd, TurnRecord, TurnResult};

/// How deep tags inside tags are shown.
const MAX_DEPTH: usize = 16;

/// The transcript of one agent's entries, in the order in which they were written. A turn stands
/// where it began, with what the game told of it later.
#[must_use]
pub fn render(entries: &[LogEntry]) -> String {
    let mut writing = Writing { known: Known::gather(entries), text: String::new(), turns: 0 };
    if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
        writing.heading(first, last);
    }
    for entry in entries {
        writing.entry(entry);
    }
    writing.text
}

/// What later entries tell of a turn.
#[derive(Default)]
struct Known<'a> {
    records: HashMap<&'a Id, &'a TurnRecord>,
    results: HashMap<&'a Id, &'a TurnResult>,
    begun: HashSet<&'a Id>,
    /// The agent's name, as its state last gave it.
    name: Option<&'a str>,
}

impl<'a> Known<'a> {
    /// Whether all of it was said in a chat.
    fn is_chat(&self) -> bool {
        !self.records.is_empty() && self.records.values().all(|record| record.is_chat)
    }

    fn gather(entries: &'a [LogEntry]) -> Self {
        let mut known = Self::default();
        for entry in entries {
            match &entry.what {
                Logged::TurnRecord(record) => {
                    known.records.insert(&record.turn_id, record);
                    known.name = Some(&record.state.name);
                }
                Logged::Result { turn_id, result } => {
                    known.results.insert(turn_id, result);
                }
                Logged::TurnStarted { turn_id, .. } => {
                    known.begun.insert(turn_id);
                }
                _ => {}
            }
        }
        known
    }
}

struct Writing<'a> {
    known: Known<'a>,
    text: String,
    turns: usize,
}

impl Writing<'_> {
    fn heading(&mut self, first: &LogEntry, last: &LogEntry) {
        let name = self.known.name.unwrap_or(&first.agent_id);
        self.line(&format!("# {}", plain(name)));
        self.line("");
        self.line(&format!(
            "Agent `{}` in the {} session `{}`, {} to {} (UTC).",
            code(&first.agent_id),
            if self.known.is_chat() { "chat" } else { "play" },
            code(&first.session_id),
            first.time.format("%Y-%m-%d %H:%M:%S"),
            last.time.format("%Y-%m-%d %H:%M:%S"),
        ));
        self.line("");
    }

    fn entry(&mut self, entry: &LogEntry) {
        let time = clock(entry.time);
        match &entry.what {
            Logged::Event(event) => {
                self.line(&format!("- {time} {}", occurrence(event, "did something")));
            }
            Logged::Notification(event) => {
                self.line(&format!(
                    "- {time} *noticed:* {}",
                    occurrence(event, "something happened")
                ));
            }
            Logged::EventDropped { event_id, reason } => {
                self.line(&format!(
                    "- {time} *no answer to* `{}`: {}",
                    code(event_id),
                    word(reason)
                ));
            }
            Logged::TurnStarted { turn_id, model, origin, .. } => {
                self.begin_turn(entry.time, turn_id, model, &word(origin));
                match self.known.records.get(turn_id).copied() {
                    Some(record) => self.turn(record),
                    None => self.line(
                        "*Its end is not on record: it still runs, or the server was stopped.*\n",
                    ),
                }
            }
            Logged::TurnRecord(record) if !self.known.begun.contains(&record.turn_id) => {
                let origin = word(&record.origin);
                self.begin_turn(record.started_at, &record.turn_id, &record.model, &origin);
                self.turn(record);
            }
            Logged::ToolAnswers { answers, .. } => {
                for answer in answers {
                    self.line(&format!("- {time} {}", tool_answer(answer)));
                }
            }
            Logged::Fault { message, .. } => {
                self.line(&format!("- {time} **Fault:** {}", plain(message)));
            }
            Logged::Lost { count } => {
                self.line(&format!("- {time} *{count} entries are missing here.*"));
            }
            Logged::ModelInput { .. } | Logged::TurnRecord(_) | Logged::Result { .. } => {}
        }
    }

    fn begin_turn(&mut self, time: DateTime<Utc>, turn_id: &str, model: &str, origin: &str) {
        self.turns += 1;
        let (number, turn_id, model) = (self.turns, code(turn_id), code(model));
        self.line(&format!("\n## Turn {number}, {}\n", clock(time)));
        self.line(&format!("`{turn_id}`, {origin} by `{model}`\n"));
    }

    fn turn(&mut self, record: &TurnRecord) {
        let result = self.known.results.get(&record.turn_id).copied();
        let tags: HashMap<u32, &LedgerTag> =
            record.tags.iter().map(|tag| (tag.tag_id, tag)).collect();
        let outcomes: Option<HashMap<u32, &TagOutcome>> = result
            .and_then(|result| result.tags.as_ref())
            .map(|outcomes| outcomes.iter().map(|outcome| (outcome.tag_id, outcome)).collect());
        // What stands inside a tag was opened right after it.
        for tag in &record.tags {
            let inner = tag.parent_id.is_some();
            if !inner {
                self.line(&format!("- {}", whole(tag, &tags)));
            }
            if let Some(outcomes) = &outcomes {
                let name = if inner { title(tag) + ": " } else { String::new() };
                self.line(&format!("  - {name}{}", outcome(tag, outcomes)));
            }
        }
        if record.tags.is_empty() {
            self.line("- *nothing that the game could show*");
        }
        self.line("");
        if let Some(content) = result.and_then(|result| result.content.as_deref()) {
            self.line(&format!("In the game's words: {}\n", plain(content)));
        }
        self.line(&ending(record, result));
        if let Some(fault) = &record.fault {
            self.line(&format!("\n**Fault:** {}", plain(fault)));
        }
        self.line("");
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// How a turn ended, and where its time and tokens went.
fn ending(record: &TurnRecord, result: Option<&TurnResult>) -> String {
    let mut line = match &record.end {
        TurnEnd::Finished { reason } => format!("*Finished ({}).*", plain(reason)),
        TurnEnd::Interrupted { reason } => format!("*Interrupted ({}).*", word(reason)),
    };
    if result.is_none() && !record.tags.is_empty() && !record.is_chat {
        line.push_str(match record.end {
            TurnEnd::Finished { .. } => " The game told nothing: counts as shown.",
            TurnEnd::Interrupted { .. } => " The game told nothing: counts as cut off.",
        });
    }
    // Writing to a string can't fail.
    if let Some(first) = record.timings.first_speech {
        let _ = write!(line, " First speech after {first} ms.");
    }
    if let Some(total) = record.timings.total {
        let _ = write!(line, " {total} ms in all.");
    }
    if let Some(usage) = &record.usage {
        let _ = write!(line, " {} tokens in, {} out.", usage.input_tokens, usage.output_tokens);
    }
    for (warning, count) in &record.warnings {
        let _ = write!(line, " Warning: {} ({count}).", plain(warning));
    }
    line
}

/// A tag's name and attributes.
fn title(tag: &LedgerTag) -> String {
    let calls = if tag.kind == TagKind::Tool { "*calls* " } else { "" };
    let mut title = format!("{calls}**{}**", plain(&tag.tag));
    // A native call's arguments are whole; its attributes are those that are plain, once more.
    for (name, value) in tag.arguments.as_ref().unwrap_or(&tag.attributes) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // Writing to a string can't fail.
        let _ = write!(title, " {}={}", plain(name), plain(&value));
    }
    title
}

/// A tag with its text.
fn whole(tag: &LedgerTag, all: &HashMap<u32, &LedgerTag>) -> String {
    let inside = inline(tag, all, 0);
    let colon = if inside.is_empty() { "" } else { ": " };
    let cut = if tag.complete { "" } else { " *(cut off)*" };
    format!("{}{colon}{inside}{cut}", title(tag))
}

/// A tag's text, with the tags inside it in brackets where they stand.
fn inline(tag: &LedgerTag, all: &HashMap<u32, &LedgerTag>, depth: usize) -> String {
    if depth > MAX_DEPTH {
        return "…".to_owned();
    }
    let mut line = String::new();
    let mut from = 0;
    for (child, at) in &tag.children {
        line.push_str(&plain(tag.text.get(from..*at).unwrap_or_default()));
        from = from.max(*at);
        // Whatever stands inside has a higher number; a ledger in a circle would never end.
        if let Some(child) = all.get(child).filter(|child| child.tag_id > tag.tag_id) {
            let inside = inline(child, all, depth + 1);
            let colon = if inside.is_empty() { "" } else { ": " };
            let _ = write!(line, "\\[{}{colon}{inside}\\]", title(child));
        }
    }
    line.push_str(&plain(tag.text.get(from..).unwrap_or_default()));
    line
}

/// What the game told of a tag, and the part of its text that the player saw.
fn outcome(tag: &LedgerTag, outcomes: &HashMap<u32, &TagOutcome>) -> String {
    let Some(outcome) = outcomes.get(&tag.tag_id) else {
        return "skipped (the game did not list it)".to_owned();
    };
    let mut line = word(&outcome.outcome);
    if let Some(shown) = outcome.presented_chars {
        let all = tag.text.chars().count();
        let shown = usize::try_from(shown).unwrap_or(usize::MAX).min(all);
        let text: String = tag.text.chars().take(shown).collect();
        let _ = write!(line, ", the player saw {shown} of {all} characters");
        if shown > 0 && shown < all {
            let _ = write!(line, ": {}", plain(&text));
        }
    }
    if let Some(detail) = &outcome.detail {
        let _ = write!(line, " ({})", plain(detail));
    }
    line
}

/// What happened, and by whom.
fn occurrence(occurrence: &Occurrence, default: &str) -> String {
    let actor = occurrence.actor.as_ref();
    let actor = actor.and_then(|actor| actor.name.as_deref().or(actor.id.as_deref()));
    let mut line = actor.map(|actor| format!("**{}**", plain(actor))).unwrap_or_default();
    if let Some(kind) = &occurrence.event_type {
        let space = if line.is_empty() { "" } else { " " };
        let _ = write!(line, "{space}({})", plain(kind));
    }
    if let Some(text) = &occurrence.text {
        let colon = if line.is_empty() { "" } else { ": " };
        let _ = write!(line, "{colon}{}", plain(text));
    } else if occurrence.event_type.is_none() {
        let space = if line.is_empty() { "" } else { " " };
        let _ = write!(line, "{space}{default}");
    }
    if let Some(data) = &occurrence.data {
        let _ = write!(line, " `{}`", code(&data.to_string()));
    }
    line
}

fn tool_answer(answer: &ToolAnswer) -> String {
    let verb = if answer.ok { "answered" } else { "failed" };
    let output = answer.output.to_string();
    format!("*the tool* **{}** *{verb}:* `{}`", plain(&answer.tool), code(&output))
}

/// The time of day.
fn clock(time: DateTime<Utc>) -> String {
    time.format("%H:%M:%S").to_string()
}

/// A word of the wire.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// Text that means itself in Markdown, on one line. It never begins a line, so that a `#` or `-`
/// is harmless, and so is a `_` within a word.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut before = ' ';
    while let Some(character) = characters.next() {
        let character = if character.is_control() { ' ' } else { character };
        let special = match character {
            '\\' | '`' | '*' | '[' | ']' | '<' => true,
            '_' => {
                let in_word = |next: &char| next.is_alphanumeric() && before.is_alphanumeric();
                !characters.peek().is_some_and(in_word)
            }
            _ => false,
        };
        if special {
            plain.push('\\');
        }
        if !(before.is_whitespace() && character.is_whitespace()) || plain.is_empty() {
            plain.push(character);
        }
        before = character;
    }
    plain
}

/// Text that can stand between backquotes.
fn code(text: &str) -> String {
    text.replace('`', "'").replace(char::is_control, " ")
}
