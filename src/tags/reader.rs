//! Tells markup from text: finds what may be markup, has it decided, and holds back what can't be
//! decided yet. What becomes of it is `decide`'s part.
//!
//! Whatever a piece leaves undecided is kept in `held` and read again with what comes next; a tag is
//! not walked over twice, because its scan goes on where it stopped.

mod decide;

use std::sync::Arc;

use super::bare::{self, Bare, Step};
use super::bytes::{BACKTICK, SPECIAL, boundary, class};
use super::parser::{End, Options, Summary};
use super::rules::HiddenGroup;
use super::scan::{self, Scan};
use super::text::split_trailing_white;
use super::tree::{Event, Tree};
use super::vocabulary::Vocabulary;
use super::warnings::Warning;

/// More than any construct needs to be decided, with room for one character.
const HELD_LIMIT: usize = scan::LIMIT + 8;

/// Up to this length, looking at each byte is faster than calling `memchr`.
const SHORT: usize = 24;

/// What the output is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Content,
    Comment,
    /// `<?…>` and `<!DOCTYPE…>`.
    Instruction,
    /// After a tag that passed the limit: dropped to the first `>` or `<`.
    Remainder,
    CharacterData,
}

/// The reading of one reply's text.
#[derive(Debug)]
pub(super) struct Reader {
    tree: Tree,
    mode: Mode,
    /// The hidden block that the output is in; its content is raw.
    hidden: Option<HiddenGroup>,
    /// What is undecided; it begins with `<`, `&`, a backtick, or what may end a raw stretch.
    held: String,
    /// Instead of `held`: `<` and at the most a short name.
    bare: Option<Bare>,
    scan: Scan,
    /// Whether stray text stands on the output's present line.
    stray_on_line: bool,
    /// Within reasoning since the beginning.
    awaits_closing_half: bool,
    seen_tag: bool,
    orphan_before_tags: bool,
    #[cfg(test)]
    steps: usize,
}

impl Reader {
    pub(super) fn new(vocabulary: Arc<Vocabulary>, options: Options) -> Self {
        let in_reasoning = options.starts_in_reasoning;
        let mut tree = Tree::new(vocabulary, options.stray_text);
        if in_reasoning {
            tree.warnings.add(Warning::HiddenReasoning);
        }
        Self {
            tree,
            mode: Mode::Content,
            hidden: in_reasoning.then_some(HiddenGroup::REASONING),
            held: String::new(),
            bare: None,
            scan: Scan::new(),
            stray_on_line: false,
            awaits_closing_half: in_reasoning,
            seen_tag: in_reasoning,
            orphan_before_tags: false,
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Reads a short piece of plain ASCII whose classes of bytes are known.
    #[inline]
    pub(super) fn read_short(&mut self, text: &str, classes: u8, sink: &mut impl FnMut(Event<'_>)) {
        if !self.held.is_empty() || self.bare.is_some() {
            return self.read(text, sink);
        }
        let is_plain = classes & (SPECIAL | BACKTICK) == 0;
        if is_plain && self.mode == Mode::Content && self.hidden.is_none() {
            self.plain(text, sink);
        } else {
            self.read_on(text, sink);
        }
    }

    /// Reads one more piece of clean text.
    pub(super) fn read(&mut self, piece: &str, sink: &mut impl FnMut(Event<'_>)) {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = if self.bare.is_some() {
                let left = self.read_bare(rest.as_bytes(), sink).len();
                rest.split_at(rest.len() - left).1
            } else if !self.held.is_empty() {
                self.resume(rest, sink)
            } else {
                return self.read_on(rest, sink);
            };
        }
    }

    /// Stands in for bytes that are not UTF-8.
    pub(super) fn read_bad(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.tree.warnings.add(Warning::BadUtf8);
        self.read("\u{FFFD}", sink);
    }

    /// Reads text while nothing is held.
    fn read_on(&mut self, mut text: &str, sink: &mut impl FnMut(Event<'_>)) {
        while !text.is_empty() {
            let used = self.advance(text, sink);
            #[cfg(test)]
            {
                self.steps += used;
            }
            text = text.get(used..).unwrap_or_default();
        }
    }

    /// Reads on in a bare tag, if the output is in one; returns what is left of the piece. What is no
    /// bare tag is then held.
    #[inline]
    pub(super) fn read_bare<'a>(
        &mut self,
        piece: &'a [u8],
        sink: &mut impl FnMut(Event<'_>),
    ) -> &'a [u8] {
        let Some(bare) = &mut self.bare else { return piece };
        let rest = match bare.read(piece) {
            Step::Undecided => return &[],
            Step::Ended(at) => {
                let (key, closing) = (bare.key(), bare.is_closing());
                if self.bare_tag(key, closing, sink) {
                    self.bare = None;
                    return piece.get(at + 1..).unwrap_or_default();
                }
                piece.get(at..).unwrap_or_default()
            }
            Step::Other => piece,
        };
        self.spell_bare();
        rest
    }

    /// Holds the text of what is no bare tag.
    fn spell_bare(&mut self) {
        if let Some(bare) = self.bare.take() {
            bare.spell(&mut self.held);
        }
    }

    /// Reads what may be a bare tag; `None`: something else is to be read.
    #[inline]
    fn bare(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> Option<usize> {
        if let Some(whole) = bare::read_whole(text.as_bytes(), &self.tree.vocabulary) {
            self.known_tag(whole.known, whole.closing, sink);
            return Some(whole.length);
        }
        if text.len() > SHORT {
            return None;
        }
        let mut bare = Bare::default();
        match bare.read(text.split_at(1).1.as_bytes()) {
            Step::Undecided => {
                self.bare = Some(bare);
                Some(text.len())
            }
            Step::Ended(at) => self.bare_tag(bare.key(), bare.is_closing(), sink).then_some(at + 2),
            Step::Other => None,
        }
    }

    /// Hands a bare tag to the tree, if it is known.
    #[inline]
    fn bare_tag(&mut self, key: u64, closing: bool, sink: &mut impl FnMut(Event<'_>)) -> bool {
        let Some(known) = self.tree.vocabulary.look_up_key(key) else { return false };
        self.known_tag(known, closing, sink);
        true
    }

    /// Decides what is held with the help of a piece; returns what is left of the piece.
    fn resume<'a>(&mut self, piece: &'a str, sink: &mut impl FnMut(Event<'_>)) -> &'a str {
        let mut held = std::mem::take(&mut self.held);
        let before = held.len();
        let (looked_at, unseen) = piece.split_at(boundary(piece, HELD_LIMIT - before));
        held.push_str(looked_at);
        #[cfg(test)]
        {
            self.steps += if self.scan.is_running() { 0 } else { before + 1 };
        }
        let Some(used) = self.decide(&held, sink) else {
            self.held = held;
            return unseen;
        };
        let rest = match held.get(used..before) {
            Some(again) => {
                self.read_on(again, sink);
                piece
            }
            None => piece.get(used - before..).unwrap_or_default(),
        };
        if self.held.is_empty() {
            held.clear();
            self.held = held;
        }
        rest
    }

    /// Reads up to the next thing that may be markup, and that; returns how much was read.
    fn advance(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> usize {
        let bytes = text.as_bytes();
        let plain = match (self.mode, self.hidden) {
            (Mode::Content, None) => return self.content(text, sink),
            (Mode::Instruction, _) => memchr::memchr(b'>', bytes),
            (Mode::Remainder, _) => memchr::memchr2(b'>', b'<', bytes),
            (Mode::Comment, _) => memchr::memchr(b'-', bytes),
            (Mode::CharacterData, _) => memchr::memchr(b']', bytes),
            (Mode::Content, Some(_)) => memchr::memchr(b'<', bytes),
        };
        let (plain, rest) = text.split_at(plain.unwrap_or(text.len()));
        if self.mode == Mode::CharacterData {
            self.plain(plain, sink);
        } else {
            self.pass_line(plain);
        }
        if rest.is_empty() {
            return text.len();
        }
        match self.decide(rest, sink) {
            Some(used) => plain.len() + used,
            None => {
                self.held.push_str(rest);
                text.len()
            }
        }
    }

    /// As `advance`, where text is neither hidden nor raw.
    #[inline]
    fn content(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> usize {
        let plain = match text.as_bytes() {
            [b'<', ..] => 0,
            _ if self.tree.is_outside() => self.find_outside(text).unwrap_or(text.len()),
            bytes => find_special(bytes).unwrap_or(text.len()),
        };
        let (plain, rest) = text.split_at(plain);
        if !plain.is_empty() {
            self.plain(plain, sink);
        }
        if rest.is_empty() {
            return text.len();
        }
        if rest.starts_with('<')
            && let Some(used) = self.bare(rest, sink)
        {
            return plain.len() + used;
        }
        match self.decide_content(rest, sink) {
            Some(used) => plain.len() + used,
            None => {
                self.held.push_str(rest);
                text.len()
            }
        }
    }

    /// Hands text that is as it came to the tree.
    #[inline]
    fn plain(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        if self.tree.is_outside() {
            self.stray_on_line = !self.is_line_free(text);
        } else {
            self.pass_line(text);
        }
        self.tree.text(text, sink);
    }

    /// The next thing that may be markup outside every tag.
    fn find_outside(&self, text: &str) -> Option<usize> {
        let bytes = text.as_bytes();
        let mut from = 0;
        loop {
            let rest = bytes.get(from..)?;
            let found = if rest.len() <= SHORT {
                rest.iter().position(|&byte| class(byte) & (SPECIAL | BACKTICK) != 0)
            } else {
                memchr::memchr3(b'<', b'&', b'`', rest)
            };
            let at = from + found?;
            let (before, rest) = text.split_at(at);
            if !rest.starts_with('`') || self.is_line_free(before) {
                return Some(at);
            }
            from = at + 1;
        }
    }

    /// Whether no stray text stands on the output's line after `text` outside every tag.
    #[inline]
    fn is_line_free(&self, text: &str) -> bool {
        let (visible, white) = split_trailing_white(text);
        (visible.is_empty() && !self.stray_on_line) || white.contains('\n')
    }

    /// Goes past what is no stray text.
    #[inline]
    fn pass_line(&mut self, text: &str) {
        if self.stray_on_line && memchr::memchr(b'\n', text.as_bytes()).is_some() {
            self.stray_on_line = false;
        }
    }

    pub(super) fn finish(&mut self, end: End, sink: &mut impl FnMut(Event<'_>)) -> Summary {
        if end != End::Interruption {
            self.finish_held(sink);
            if matches!(self.mode, Mode::Comment | Mode::Instruction) {
                self.tree.warnings.add(Warning::CutTag);
            }
            if self.hidden.is_some() && end == End::Model {
                self.tree.warnings.add(Warning::Unclosed);
            }
        }
        self.tree.finish(end, sink);
        Summary {
            warnings: self.tree.warnings,
            no_reasoning: self.awaits_closing_half && end != End::Interruption,
            orphan_before_tags: self.orphan_before_tags,
        }
    }

    fn finish_held(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        loop {
            self.spell_bare();
            let held = std::mem::take(&mut self.held);
            if held.is_empty() {
                break;
            }
            let used = self.decide_at_end(&held, sink);
            self.scan.stop();
            self.read_on(held.get(used..).unwrap_or_default(), sink);
        }
    }
}

#[cfg(test)]
impl Reader {
    pub(super) fn held_back(&self) -> super::parser::HeldBack {
        let mut markup = self.held.clone();
        if let Some(bare) = self.bare {
            bare.spell(&mut markup);
        }
        let (white, stray) = self.tree.held_back();
        super::parser::HeldBack { markup: markup.len(), white, stray }
    }

    pub(super) const fn work(&self) -> usize {
        self.steps + self.scan.walked
    }
}

/// The next thing that may be markup within a tag.
#[inline]
fn find_special(bytes: &[u8]) -> Option<usize> {
    if bytes.len() <= SHORT {
        bytes.iter().position(|&byte| class(byte) & SPECIAL != 0)
    } else {
        memchr::memchr2(b'<', b'&', bytes)
    }
}
