//! What whoever watches gets to see, and when: one turn's tags and text, one after the other at a
//! reading pace. No clock of its own: time is handed in.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dramatis_protocol::{AgentTagOpen, ContextTotals, Outcome, TagKind, TagOutcome};
use serde_json::Value;
use tokio::time::Instant;

/// How fast a game presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// For each character of text; zero: everything at once.
    pub per_char: Duration,
    /// For each action.
    pub per_action: Duration,
}

impl Pace {
    /// As fast as someone reads.
    pub const READING: Self =
        Self { per_char: Duration::from_millis(30), per_action: Duration::from_millis(700) };
    /// As fast as one can still follow.
    pub const FAST: Self =
        Self { per_char: Duration::from_millis(8), per_action: Duration::from_millis(200) };
    /// Without waiting.
    pub const AT_ONCE: Self = Self { per_char: Duration::ZERO, per_action: Duration::ZERO };

    /// A pause that is `millis` long at reading pace.
    pub(super) fn pause(self, millis: u64) -> Duration {
        let reading = Self::READING.per_char.as_millis().max(1);
        let scaled = u128::from(millis) * self.per_char.as_millis() / reading;
        Duration::from_millis(u64::try_from(scaled).unwrap_or(millis))
    }

    /// How long a reader stays at a character.
    fn at(self, c: char) -> Duration {
        match c {
            '.' | '!' | '?' | '…' | '—' => self.per_char * 8,
            ',' | ';' | ':' => self.per_char * 4,
            _ => self.per_char,
        }
    }
}

/// Something to be shown.
#[derive(Debug, Clone, PartialEq)]
pub enum StageEvent {
    /// Words of the scenario for whoever watches.
    Narration(String),
    /// Someone says or does something to an agent.
    Event {
        /// Who; `None`: it just happens.
        actor: Option<String>,
        /// The agent's name.
        to: String,
        /// What was said.
        text: Option<String>,
        /// What kind of thing it is.
        event_type: Option<String>,
    },
    /// Agents learn something, without a turn.
    Notification {
        /// Their names.
        to: Vec<String>,
        /// What they learn.
        text: String,
    },
    /// An agent's turn begins.
    TurnStarted {
        /// The agent's name.
        agent: String,
        /// The model that plays it.
        model: String,
    },
    /// A tag begins.
    Opened {
        /// The agent's name.
        agent: String,
        /// The tag.
        tag: AgentTagOpen,
    },
    /// More text of a tag.
    Text {
        /// The agent's name.
        agent: String,
        /// What the tag is.
        kind: TagKind,
        /// The text.
        text: String,
    },
    /// A tag has ended.
    Closed {
        /// The agent's name.
        agent: String,
        /// The tag.
        tag: AgentTagOpen,
        /// What became of it.
        outcome: TagOutcome,
    },
    /// The game ran a tool.
    ToolRan {
        /// The agent's name.
        agent: String,
        /// The tool.
        tool: String,
        /// What it was given.
        input: String,
        /// Whether it did what it was asked.
        ok: bool,
        /// Its answer.
        output: Value,
    },
    /// A turn has been shown whole.
    Finished {
        /// The agent's name.
        agent: String,
        /// What its prompt was made of, where the server tells.
        context: Option<ContextTotals>,
    },
    /// A turn broke off.
    Interrupted {
        /// The agent's name.
        agent: String,
        /// Who cut it, or why.
        by: String,
        /// What was heard of it: exactly this enters history.
        heard: String,
        /// What had come already and was never shown.
        unheard: String,
    },
    /// The game is told that something went wrong, or an event got no turn.
    Trouble(String),
}

/// Whoever shows what happens.
pub trait Presenter: Send {
    /// Called for each thing as it is to be shown.
    fn show(&mut self, event: &StageEvent);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Presenter for Silent {
    fn show(&mut self, _event: &StageEvent) {}
}

/// One step of a presentation.
#[derive(Debug)]
pub(super) enum Beat {
    /// A tag begins.
    Open(u32),
    /// Text, from a tag's own.
    Text(u32, String),
    /// A tag has ended.
    Close(u32),
}

/// A tag of the turn that is being presented.
#[derive(Debug)]
pub(super) struct StageTag {
    pub open: AgentTagOpen,
    /// Its own text, as it came.
    pub forwarded: String,
    /// Characters of it that were shown.
    pub shown: usize,
    /// Whether its beginning was shown.
    pub begun: bool,
    /// Whether the model closed it itself.
    pub complete: bool,
    /// What became of it, once its end was shown.
    pub outcome: Option<(Outcome, Option<String>)>,
}

/// A turn that is being presented.
#[derive(Debug)]
pub(super) struct Stage {
    tags: BTreeMap<u32, StageTag>,
    beats: VecDeque<Beat>,
    due: Instant,
    pace: Pace,
    /// Speech that was shown, of all tags.
    heard: String,
}

impl Stage {
    pub fn new(pace: Pace, now: Instant) -> Self {
        Self { tags: BTreeMap::new(), beats: VecDeque::new(), due: now, pace, heard: String::new() }
    }

    pub fn open(&mut self, open: AgentTagOpen, now: Instant) {
        self.arrives(Beat::Open(open.tag_id), now);
        let (forwarded, shown, begun, complete, outcome) = (String::new(), 0, false, false, None);
        let tag = StageTag { open, forwarded, shown, begun, complete, outcome };
        self.tags.insert(tag.open.tag_id, tag);
    }

    pub fn text(&mut self, tag_id: u32, text: &str, now: Instant) {
        if let Some(tag) = self.tags.get_mut(&tag_id) {
            tag.forwarded.push_str(text);
            self.arrives(Beat::Text(tag_id, text.to_owned()), now);
        }
    }

    pub fn close(&mut self, tag_id: u32, complete: bool, now: Instant) {
        if let Some(tag) = self.tags.get_mut(&tag_id) {
            tag.complete = complete;
        }
        self.arrives(Beat::Close(tag_id), now);
    }

    fn arrives(&mut self, beat: Beat, now: Instant) {
        if self.beats.is_empty() {
            self.due = self.due.max(now);
        }
        self.beats.push_back(beat);
    }

    /// When the next beat is due.
    pub fn due(&self) -> Option<Instant> {
        (!self.beats.is_empty()).then_some(self.due)
    }

    /// The next beat, if it is due; text comes character by character.
    pub fn next(&mut self, now: Instant) -> Option<Beat> {
        if self.due > now {
            return None;
        }
        let beat = match self.beats.pop_front()? {
            Beat::Text(tag_id, mut text) if !self.pace.per_char.is_zero() => {
                let rest = text.split_off(text.chars().next().map_or(0, char::len_utf8));
                if !rest.is_empty() {
                    self.beats.push_front(Beat::Text(tag_id, rest));
                }
                Beat::Text(tag_id, text)
            }
            beat => beat,
        };
        self.due += self.length(&beat);
        self.note(&beat);
        Some(beat)
    }

    fn length(&self, beat: &Beat) -> Duration {
        match beat {
            Beat::Text(_, text) => text.chars().last().map_or(Duration::ZERO, |c| self.pace.at(c)),
            Beat::Open(tag_id) => match self.tags.get(tag_id).map(|tag| tag.open.kind) {
                Some(TagKind::Action | TagKind::Tool) => self.pace.per_action,
                _ => Duration::ZERO,
            },
            Beat::Close(_) => Duration::ZERO,
        }
    }

    fn note(&mut self, beat: &Beat) {
        let (Beat::Open(tag_id) | Beat::Text(tag_id, _) | Beat::Close(tag_id)) = beat;
        let Some(tag) = self.tags.get_mut(tag_id) else { return };
        match beat {
            Beat::Open(_) => tag.begun = true,
            Beat::Text(_, text) => {
                tag.shown += text.chars().count();
                if tag.open.kind == TagKind::Speech {
                    self.heard.push_str(text);
                }
            }
            Beat::Close(_) => {
                if tag.open.kind == TagKind::Speech && !self.heard.ends_with(' ') {
                    self.heard.push(' ');
                }
            }
        }
    }

    pub fn tag(&self, tag_id: u32) -> Option<&StageTag> {
        self.tags.get(&tag_id)
    }

    pub fn decide(&mut self, tag_id: u32, outcome: Outcome, detail: Option<String>) {
        if let Some(tag) = self.tags.get_mut(&tag_id) {
            tag.outcome = Some((outcome, detail));
        }
    }

    /// Whether everything that came has been shown.
    pub fn is_done(&self) -> bool {
        self.beats.is_empty()
    }

    /// Speech that was shown.
    pub fn heard(&self) -> &str {
        self.heard.trim_end()
    }

    /// Speech that came and was not shown.
    pub fn unheard(&self) -> String {
        let speech = self.tags.values().filter(|tag| tag.open.kind == TagKind::Speech);
        let rest = speech.map(|tag| tag.forwarded.chars().skip(tag.shown).collect::<String>());
        rest.filter(|rest| !rest.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Characters of speech that came.
    pub fn forwarded_chars(&self) -> usize {
        let speech = self.tags.values().filter(|tag| tag.open.kind == TagKind::Speech);
        speech.map(|tag| tag.forwarded.chars().count()).sum()
    }

    /// What became of each tag that was begun; the others count as skipped.
    pub fn outcomes(&self) -> Vec<TagOutcome> {
        self.tags.values().filter(|tag| tag.begun).map(StageTag::result).collect()
    }

    /// Whether the game has a tag that its player saw, or at least was sent.
    pub fn has_tags(&self) -> bool {
        !self.tags.is_empty()
    }
}

impl StageTag {
    /// What the game tells of the tag.
    pub fn result(&self) -> TagOutcome {
        let (outcome, detail) = self.outcome.clone().unwrap_or((Outcome::Partial, None));
        let holds_text = !self.forwarded.is_empty();
        TagOutcome {
            tag_id: self.open.tag_id,
            outcome,
            presented_chars: holds_text.then(|| u64::try_from(self.shown).unwrap_or(u64::MAX)),
            detail,
        }
    }
}
