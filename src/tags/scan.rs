//! Where a tag ends, and where its attributes lie: one walk over its bytes, which can stop at any
//! byte and go on when more have come.
//!
//! The scanner is our own because models leave quotes open, write apostrophes in unquoted values and
//! forget the `>`. It only finds places; `attributes` reads what lies there.

use super::bytes::{begins_name, boundary, ends_attribute_name, is_name, is_white};
use super::rules::{Known, Role};
use super::vocabulary::Vocabulary;

/// The longest tag, in bytes.
pub(super) const LIMIT: usize = 1024;

/// What a walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The tag goes on: more must come.
    Undecided,
    /// It is no tag, its `<` is text.
    Text,
    /// It ends; reading goes on at this place.
    Ended(usize),
}

/// A stretch of the tag's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    start: usize,
    end: usize,
}

impl Stretch {
    pub(super) fn of<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// Where one attribute lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// `None`: the value stands directly after the tag's name and belongs to the first attribute.
    pub(super) name: Option<Stretch>,
    /// `None`: a bare name.
    pub(super) value: Option<Stretch>,
}

/// What a tag says besides its name; a bare tag says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said<'a> {
    pub(super) text: &'a str,
    pub(super) attributes: &'a [Place],
    /// `<name/>`.
    pub(super) is_self_closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Name,
    Between,
    AttributeName,
    AfterName,
    BeforeValue,
    Unquoted,
    Quoted,
    /// After `<` in quotes.
    QuotedAngle,
    /// After `</` in quotes.
    QuotedSlash,
    /// Within the name after `</` in quotes.
    QuotedName,
}

/// A tag being walked over. All places count from its `<`.
#[derive(Debug)]
pub(super) struct Scan {
    state: State,
    at: usize,
    /// Where the present name or value begins.
    mark: usize,
    quote: u8,
    /// Where the last `<` in the open quote stands.
    angle: usize,
    /// The first `>` since the quote opened.
    first_end: Option<usize>,
    closing: bool,
    name: Stretch,
    known: Option<Known>,
    attributes: Vec<Place>,
    self_closed: bool,
    malformed: bool,
    overlong: bool,
    #[cfg(test)]
    pub(super) walked: usize,
}

impl Scan {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Name,
            at: 0,
            mark: 0,
            quote: 0,
            angle: 0,
            first_end: None,
            closing: false,
            name: Stretch { start: 0, end: 0 },
            known: None,
            attributes: Vec::new(),
            self_closed: false,
            malformed: false,
            overlong: false,
            #[cfg(test)]
            walked: 0,
        }
    }

    /// Begins with a tag whose name follows `<` or `</`.
    #[inline]
    pub(super) fn start(&mut self, closing: bool) {
        self.state = State::Name;
        self.mark = if closing { 2 } else { 1 };
        self.at = self.mark;
        self.closing = closing;
        self.known = None;
        self.attributes.clear();
        self.self_closed = false;
        self.malformed = false;
        self.overlong = false;
    }

    /// Forgets the tag, whatever became of it.
    #[inline]
    pub(super) const fn stop(&mut self) {
        self.at = 0;
    }

    /// Whether a tag was begun and not yet decided.
    #[inline]
    pub(super) const fn is_running(&self) -> bool {
        self.at > 0
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.closing
    }

    /// It had to be repaired.
    pub(super) const fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// It passed the limit: what follows to the next `>` or `<` belongs to it and is dropped.
    pub(super) const fn is_overlong(&self) -> bool {
        self.overlong
    }

    /// What its name means; `None`: it is unknown.
    pub(super) const fn known(&self) -> Option<Known> {
        self.known
    }

    pub(super) fn name<'a>(&self, text: &'a str) -> &'a str {
        self.name.of(text)
    }

    /// What the tag says besides its name.
    pub(super) fn said<'a>(&'a self, text: &'a str) -> Said<'a> {
        Said { text, attributes: &self.attributes, is_self_closed: self.self_closed }
    }

    /// Walks on. `text` begins with the tag's `<` and holds what has come since, as before and more.
    pub(super) fn run(&mut self, text: &str, vocabulary: &Vocabulary) -> Verdict {
        #[cfg(test)]
        let before = self.at;
        let verdict = self.run_within_limit(text, vocabulary);
        #[cfg(test)]
        {
            self.walked += self.at - before + 1;
        }
        verdict
    }

    fn run_within_limit(&mut self, text: &str, vocabulary: &Vocabulary) -> Verdict {
        if text.len() <= LIMIT {
            return self.walk(text, vocabulary);
        }
        let stop = boundary(text, LIMIT);
        let within = text.split_at(stop).0;
        match self.walk(within, vocabulary) {
            Verdict::Undecided => self.run_into_limit(within, vocabulary),
            decided => decided,
        }
    }

    /// At the limit what is undecided is read as if `<` followed.
    fn run_into_limit(&mut self, within: &str, vocabulary: &Vocabulary) -> Verdict {
        match self.walk(&format!("{within}<"), vocabulary) {
            Verdict::Undecided => self.end_open_quote(within, within.len()),
            Verdict::Ended(next) => {
                self.overlong = !self.in_quotes();
                Verdict::Ended(next)
            }
            Verdict::Text => Verdict::Text,
        }
    }

    /// The output ends within the tag: with an open quote and a `>` after it, that ends the tag.
    pub(super) fn end_of_output(&mut self, text: &str) -> Option<usize> {
        let cut_short = self.in_quotes() && self.first_end.is_some();
        match cut_short.then(|| self.end_open_quote(text, text.len())) {
            Some(Verdict::Ended(next)) => Some(next),
            _ => None,
        }
    }

    const fn in_quotes(&self) -> bool {
        use State::{Quoted, QuotedAngle, QuotedName, QuotedSlash};
        matches!(self.state, Quoted | QuotedAngle | QuotedSlash | QuotedName)
    }

    fn walk(&mut self, text: &str, vocabulary: &Vocabulary) -> Verdict {
        let bytes = text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            let decided = match self.state {
                State::Name => {
                    self.skip(bytes, |byte| !is_name(byte));
                    if self.at < bytes.len() {
                        self.end_name(text, vocabulary);
                    }
                    None
                }
                State::Between => self.between(bytes, byte, vocabulary),
                State::AttributeName => {
                    self.skip(bytes, ends_attribute_name);
                    self.end_attribute_name(bytes)
                }
                State::AfterName => self.after_name(byte),
                State::BeforeValue => {
                    self.before_value(byte);
                    None
                }
                State::Unquoted => {
                    if !self.unquoted(bytes) {
                        return Verdict::Undecided;
                    }
                    None
                }
                State::Quoted => {
                    self.quoted(bytes);
                    None
                }
                State::QuotedAngle | State::QuotedSlash => {
                    self.quoted_angle(byte);
                    None
                }
                State::QuotedName => self.quoted_name(text, vocabulary),
            };
            if let Some(verdict) = decided {
                return verdict;
            }
        }
        Verdict::Undecided
    }

    /// Goes on to the first byte that `ends` what is being read.
    #[inline]
    fn skip(&mut self, bytes: &[u8], ends: impl Fn(u8) -> bool) {
        while bytes.get(self.at).is_some_and(|&byte| !ends(byte)) {
            self.at += 1;
        }
    }

    fn end_name(&mut self, text: &str, vocabulary: &Vocabulary) {
        self.name = Stretch { start: self.mark, end: self.at };
        self.known = vocabulary.look_up(self.name.of(text));
        self.state = State::Between;
    }

    #[inline]
    fn between(&mut self, bytes: &[u8], byte: u8, vocabulary: &Vocabulary) -> Option<Verdict> {
        match byte {
            b'>' => return Some(self.end(bytes, self.at + 1)),
            b'<' => {
                self.malformed = true;
                return Some(self.end(bytes, self.at));
            }
            b'=' if self.at == self.name.end && self.has_first_attribute(vocabulary) => {
                self.attributes.push(Place { name: None, value: Some(Stretch::default()) });
                self.state = State::BeforeValue;
            }
            b'/' | b'=' => {}
            _ if is_white(byte) => {}
            _ => {
                self.mark = self.at;
                self.state = State::AttributeName;
                return None;
            }
        }
        self.at += 1;
        None
    }

    fn has_first_attribute(&self, vocabulary: &Vocabulary) -> bool {
        match self.known.map(|known| known.role) {
            Some(Role::Tag(tag)) => !vocabulary.tag(tag).1.attributes.is_empty(),
            Some(Role::Hidden(_)) | None => false,
        }
    }

    /// The tag ends before `self.at`.
    fn end(&mut self, bytes: &[u8], next: usize) -> Verdict {
        self.self_closed = bytes.get(self.at - 1) == Some(&b'/') && self.at > self.name.end;
        Verdict::Ended(next)
    }

    fn end_attribute_name(&mut self, bytes: &[u8]) -> Option<Verdict> {
        let &byte = bytes.get(self.at)?;
        let name = Some(Stretch { start: self.mark, end: self.at });
        self.attributes.push(Place { name, value: None });
        self.state = State::AfterName;
        self.after_name(byte)
    }

    fn after_name(&mut self, byte: u8) -> Option<Verdict> {
        match byte {
            b'=' => {
                self.at += 1;
                self.state = State::BeforeValue;
            }
            _ if is_white(byte) => self.at += 1,
            _ if self.known.is_none() && !self.closing => return Some(Verdict::Text),
            _ => self.state = State::Between,
        }
        None
    }

    fn before_value(&mut self, byte: u8) {
        match byte {
            b'"' | b'\'' => {
                self.at += 1;
                self.quote = byte;
                self.first_end = None;
                self.state = State::Quoted;
            }
            b'>' | b'<' => self.end_value(self.at, self.at),
            _ if is_white(byte) => self.at += 1,
            _ => self.state = State::Unquoted,
        }
        self.mark = self.at;
    }

    fn end_value(&mut self, start: usize, end: usize) {
        if let Some(attribute) = self.attributes.last_mut() {
            attribute.value = Some(Stretch { start, end });
        }
        self.state = State::Between;
    }

    /// Walks over an unquoted value; false if the byte after a `/` must be waited for.
    fn unquoted(&mut self, bytes: &[u8]) -> bool {
        let ends = |byte| matches!(byte, b'>' | b'<') || is_white(byte);
        self.skip(bytes, |byte| byte == b'/' || ends(byte));
        match (bytes.get(self.at), bytes.get(self.at + 1)) {
            (None, _) => {}
            (Some(b'/'), None) => return false,
            (Some(b'/'), Some(&after)) if !ends(after) => self.at += 1,
            _ => self.end_value(self.mark, self.at),
        }
        true
    }

    fn quoted(&mut self, bytes: &[u8]) {
        let quote = self.quote;
        self.skip(bytes, |byte| byte == quote || byte == b'>' || byte == b'<');
        match bytes.get(self.at) {
            None => return,
            Some(b'>') => {
                self.first_end.get_or_insert(self.at);
            }
            Some(b'<') => {
                self.angle = self.at;
                self.state = State::QuotedAngle;
            }
            Some(_) => self.end_value(self.mark, self.at),
        }
        self.at += 1;
    }

    fn quoted_angle(&mut self, byte: u8) {
        self.state = match self.state {
            State::QuotedAngle if byte == b'/' => State::QuotedSlash,
            State::QuotedSlash if begins_name(byte) => State::QuotedName,
            _ => State::Quoted,
        };
        if self.state != State::Quoted {
            self.at += 1;
        }
    }

    /// A close tag of the vocabulary shows that the quote was forgotten.
    fn quoted_name(&mut self, text: &str, vocabulary: &Vocabulary) -> Option<Verdict> {
        self.skip(text.as_bytes(), |byte| !is_name(byte));
        if self.at == text.len() {
            return None;
        }
        let name = text.get(self.angle + 2..self.at).unwrap_or_default();
        if vocabulary.look_up(name).is_some() {
            return Some(self.end_open_quote(text, self.angle));
        }
        self.state = State::Quoted;
        None
    }

    /// The quote is never closed: the tag ends at the first `>` since it opened, else at `here`.
    fn end_open_quote(&mut self, text: &str, here: usize) -> Verdict {
        let (state, start) = (self.state, self.mark);
        let (end, next) = match self.first_end {
            Some(first) => {
                let before = text.get(start..first).unwrap_or_default();
                self.self_closed = before.ends_with('/');
                (first - usize::from(self.self_closed), first + 1)
            }
            None => (here, here),
        };
        self.end_value(start, end);
        self.state = state;
        self.malformed = true;
        Verdict::Ended(next)
    }
}
