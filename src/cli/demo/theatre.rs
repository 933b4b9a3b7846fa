//! A scene in a terminal: who speaks stands at the left in a colour of their own, words come as
//! they are spoken, what is done stands in brackets, and a cut shows where it cut.

use std::io::Write;

use dramatis_protocol::{AgentTagOpen, ContextTotals, Outcome, TagKind, TagOutcome};
use serde_json::Value;

use crate::simulation::{Presenter, Scenario, StageEvent};

/// Where lines end.
const WIDTH: usize = 84;
/// The colours of the characters, in turn.
const COLOURS: [&str; 5] = ["33", "36", "35", "32", "34"];
const BOLD: &str = "1";
const DIM: &str = "2";
const ASIDE: &str = "2;3";
const RED: &str = "31";

/// The terminal as a stage.
pub(super) struct Theatre<'a> {
    out: &'a mut (dyn Write + Send),
    color: bool,
    /// The characters' names, for their colours.
    cast: Vec<String>,
    /// How far lines are indented.
    gutter: usize,
    /// Whose line is open, if any.
    speaker: Option<String>,
    /// The style of the words that are being written.
    style: String,
    /// Letters of a word whose end hasn't come.
    word: String,
    /// Whether a space comes before the next word.
    space: bool,
    /// Where the line stands.
    column: usize,
    /// Whether the open tag has shown text.
    has_text: bool,
    /// Whether it is told what the characters were reminded of.
    tells_reminders: bool,
}

impl<'a> Theatre<'a> {
    pub fn new(out: &'a mut (dyn Write + Send), color: bool, scenario: &Scenario) -> Self {
        let cast: Vec<_> = scenario.agents.values().map(|agent| agent.name.clone()).collect();
        let player = scenario.player.name.clone().unwrap_or_default();
        let widths = cast.iter().chain([&player]).map(|name| name.chars().count());
        let gutter = widths.max().unwrap_or(0) + 4;
        let (style, word) = (String::new(), String::new());
        let (speaker, space, column, has_text) = (None, false, 0, false);
        let tells_reminders = false;
        Self {
            out,
            color,
            cast,
            gutter,
            speaker,
            style,
            word,
            space,
            column,
            has_text,
            tells_reminders,
        }
    }

    /// Tells what the characters were reminded of, too.
    pub fn telling_reminders(mut self, tells: bool) -> Self {
        self.tells_reminders = tells;
        self
    }

    pub fn raise_curtain(&mut self, scenario: &Scenario) {
        self.put("\n  ");
        self.styled(BOLD, &scenario.title);
        self.put("\n\n");
        self.paragraph(2, DIM, &scenario.introduction);
    }

    /// Ends the line that is open.
    pub fn close_line(&mut self) {
        self.end_word();
        self.space = false;
        if self.column > 0 {
            self.put("\n");
            self.column = 0;
        }
    }

    /// Something that is said or done comes: under the name of who says or does it.
    fn line_of(&mut self, who: &str) {
        self.close_line();
        if self.speaker.as_deref() == Some(who) {
            self.put(&" ".repeat(self.gutter));
        } else {
            self.put("\n  ");
            self.styled(&format!("{BOLD};{}", self.colour(who)), who);
            self.put(&" ".repeat(self.gutter.saturating_sub(who.chars().count() + 2)));
            self.speaker = Some(who.to_owned());
        }
        self.column = self.gutter;
    }

    fn colour(&self, who: &str) -> &'static str {
        let place = self.cast.iter().position(|name| name == who);
        place.and_then(|place| COLOURS.get(place % COLOURS.len())).copied().unwrap_or("37")
    }

    /// Words as they come: a line is never broken within one.
    fn words(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() {
                self.end_word();
                self.space = self.column > self.gutter;
            } else {
                self.word.push(c);
            }
        }
    }

    fn end_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        let length = word.chars().count();
        if length == 0 {
            return;
        }
        let space = usize::from(std::mem::take(&mut self.space));
        if self.column + space + length > WIDTH && self.column > self.gutter {
            self.put("\n");
            self.put(&" ".repeat(self.gutter));
            self.column = self.gutter;
        } else {
            self.put(&" ".repeat(space));
            self.column += space;
        }
        let style = self.style.clone();
        self.styled(&style, &word);
        self.column += length;
    }

    /// Text of ours in lines of its own.
    fn paragraph(&mut self, indent: usize, style: &str, text: &str) {
        self.close_line();
        let (gutter, before) =
            (std::mem::replace(&mut self.gutter, indent), std::mem::take(&mut self.style));
        self.put(&" ".repeat(indent));
        self.column = indent;
        style.clone_into(&mut self.style);
        self.words(text);
        self.close_line();
        (self.gutter, self.style) = (gutter, before);
    }

    fn opened(&mut self, agent: &str, tag: &AgentTagOpen) {
        self.line_of(agent);
        self.has_text = false;
        match tag.kind {
            TagKind::Speech => self.colour(agent).clone_into(&mut self.style),
            TagKind::Tool => {
                DIM.clone_into(&mut self.style);
                self.words(&format!("⚙ {}", call(tag)));
            }
            TagKind::Action | TagKind::Hidden => {
                ASIDE.clone_into(&mut self.style);
                self.words(&format!("({}", label(tag)));
            }
        }
    }

    fn text(&mut self, agent: &str, kind: TagKind, text: &str) {
        if self.speaker.as_deref() != Some(agent) {
            self.line_of(agent);
        }
        if kind != TagKind::Speech && !self.has_text {
            self.words(": ");
        }
        self.has_text = true;
        self.words(text);
        self.flush();
    }

    fn closed(&mut self, agent: &str, tag: &AgentTagOpen, outcome: &TagOutcome) {
        if self.speaker.as_deref() != Some(agent) || self.column == 0 {
            return;
        }
        if tag.kind == TagKind::Action {
            self.words(")");
            self.end_word();
            if outcome.outcome == Outcome::Failed {
                RED.clone_into(&mut self.style);
                let why = outcome.detail.as_deref().unwrap_or("it did not work");
                self.words(&format!(" ✗ {why}"));
            }
        }
        self.close_line();
    }

    fn tool_ran(&mut self, agent: &str, ok: bool, output: &Value) {
        self.line_of(agent);
        if ok { DIM } else { RED }.clone_into(&mut self.style);
        self.words(&format!("{} {}", if ok { "  ↳" } else { "  ✗" }, spaced(output)));
        self.close_line();
    }

    fn interrupted(&mut self, by: &str, heard: &str, unheard: &str) {
        self.words("—");
        self.end_word();
        let indent = self.gutter;
        self.paragraph(indent, RED, &format!("╌╌ cut off by {by}"));
        self.fact("heard, and kept in history:", &format!("“{}”", ending(heard)));
        if !unheard.is_empty() {
            let unheard = ending(unheard.trim_start());
            self.fact("had come already, and is forgotten:", &format!("“{unheard}”"));
        }
    }

    fn fact(&mut self, what: &str, text: &str) {
        self.paragraph(self.gutter + 3, DIM, &format!("{what} {text}"));
    }

    fn styled(&mut self, style: &str, text: &str) {
        if self.color && !style.is_empty() {
            self.put(&format!("\u{1b}[{style}m{text}\u{1b}[0m"));
        } else {
            self.put(text);
        }
    }

    /// A terminal that has gone away ends the demo elsewhere: the game plays on to its end.
    fn put(&mut self, text: &str) {
        drop(self.out.write_all(text.as_bytes()));
    }

    fn flush(&mut self) {
        drop(self.out.flush());
    }
}

impl Presenter for Theatre<'_> {
    fn show(&mut self, event: &StageEvent) {
        match event {
            StageEvent::Narration(text) => {
                self.close_line();
                self.put("\n");
                self.paragraph(2, ASIDE, text);
                self.speaker = None;
            }
            StageEvent::Event { actor, to, text, event_type } => {
                let what = text.as_deref().or(event_type.as_deref()).unwrap_or_default();
                self.line_of(actor.as_deref().unwrap_or("…"));
                DIM.clone_into(&mut self.style);
                self.words(&format!("→ {to}: "));
                self.end_word();
                BOLD.clone_into(&mut self.style);
                self.words(what);
                self.close_line();
            }
            StageEvent::Notification { to, text } => {
                self.close_line();
                self.put("\n");
                self.paragraph(2, ASIDE, text);
                let learn = format!("(a notification: {} will remember it)", to.join(", "));
                self.paragraph(2, DIM, &learn);
                self.speaker = None;
            }
            StageEvent::Opened { agent, tag } => self.opened(agent, tag),
            StageEvent::Text { agent, kind, text } => self.text(agent, *kind, text),
            StageEvent::Closed { agent, tag, outcome } => self.closed(agent, tag, outcome),
            StageEvent::ToolRan { agent, ok, output, .. } => self.tool_ran(agent, *ok, output),
            StageEvent::Interrupted { by, heard, unheard, .. } => {
                self.interrupted(by, heard, unheard);
            }
            StageEvent::Trouble(what) => self.paragraph(2, RED, &format!("✗ {what}")),
            StageEvent::Finished { context: Some(context), .. } if self.tells_reminders => {
                let indent = self.gutter;
                self.paragraph(indent, DIM, &reminded(context));
            }
            StageEvent::TurnStarted { .. } | StageEvent::Finished { .. } => {}
        }
        self.flush();
    }
}

/// `╌╌ reminded of 2 pieces of lore and 1 memory`.
fn reminded(context: &ContextTotals) -> String {
    let some = |count: u64, one: &str, more: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {more}")),
    };
    let lore = context.lore + context.entries;
    let parts = [
        some(lore, "piece of lore", "pieces of lore"),
        some(context.memories, "memory", "memories"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let parts = if parts.is_empty() { "nothing".to_owned() } else { parts.join(" and ") };
    format!("╌╌ reminded of {parts}")
}

/// What a reader is told of an action or an emotion: its values, or its name if it has none.
fn label(tag: &AgentTagOpen) -> String {
    let values: Vec<_> = tag.attributes.values().filter_map(Value::as_str).collect();
    let words = if values.is_empty() { tag.tag.to_string() } else { values.join(" ") };
    words.replace('_', " ")
}

/// `look_up_guest name=Wren`.
fn call(tag: &AgentTagOpen) -> String {
    let given = tag.arguments.as_ref().unwrap_or(&tag.attributes);
    let given = given.iter().map(|(name, value)| match value {
        Value::String(text) => format!(" {name}={text}"),
        other => format!(" {name}={other}"),
    });
    format!("{}{}", tag.tag, given.collect::<String>())
}

/// JSON with room to break lines; an object without its braces.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}: {}", spaced(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The end of a text, from a word on.
fn ending(text: &str) -> String {
    const CHARS: usize = 60;
    let count = text.chars().count();
    if count <= CHARS {
        return text.to_owned();
    }
    let end: String = text.chars().skip(count - CHARS).collect();
    format!("… {}", end.split_once(' ').map_or(end.as_str(), |(_, rest)| rest))
}
