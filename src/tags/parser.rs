//! The parser as others see it: bytes in, events out, a summary at the end.

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;

use super::bytes::{UNCLEAN, classes_of};
use super::reader::Reader;
use super::text::{Cleaner, Part};
use super::tree::Event;
use super::vocabulary::Vocabulary;
use super::warnings::WarningCounts;

/// Up to this length of a piece, what can be in it is found out before anything else is done.
const SHORT: usize = 256;

/// What becomes of text outside every tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StrayText {
    /// Spoken where the model doesn't use speech tags.
    #[default]
    Auto,
    /// Dropped.
    Drop,
    /// Always wrapped in the tag of this name; a name that can't hold text counts as [`Self::Auto`].
    Tag(String),
}

impl From<&str> for StrayText {
    fn from(name: &str) -> Self {
        match name {
            "auto" => Self::Auto,
            "drop" => Self::Drop,
            name => Self::Tag(name.to_owned()),
        }
    }
}

impl FromStr for StrayText {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(name.into())
    }
}

/// How a reply is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// What becomes of text outside every tag.
    pub stray_text: StrayText,
    /// The model begins within its reasoning and sends only the closing half of its block.
    pub starts_in_reasoning: bool,
}

/// Why no more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The model ended its reply.
    Model,
    /// The reply was cut at a limit of tokens.
    TokenLimit,
    /// We ended it: what is held back is dropped, and nothing of the end is counted.
    Interruption,
}

/// What the whole reply was like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What was repaired.
    pub warnings: WarningCounts,
    /// The reading began within reasoning whose closing half never came: the text should be read
    /// again without that option. Never set by an interruption.
    pub no_reasoning: bool,
    /// A lone closing half of a hidden tag came before any tag.
    pub orphan_before_tags: bool,
}

/// Reads one reply. Any way of cutting the same bytes gives the same events, neighbouring chunks of
/// a tag joined.
///
/// Held back is only what is undecided: a possible tag (1 KiB), entity, fence, special token,
/// character, white space at a possible end (1,024 bytes a tag), and the first 200 bytes of stray text.
#[derive(Debug)]
pub struct Parser {
    cleaner: Cleaner,
    reader: Reader,
}

impl Parser {
    /// A parser for one reply.
    #[must_use]
    pub fn new(vocabulary: Arc<Vocabulary>, options: Options) -> Self {
        Self { cleaner: Cleaner::default(), reader: Reader::new(vocabulary, options) }
    }

    /// Reads one more piece. Never fails; the work is linear in the piece's length.
    #[inline]
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        if !self.cleaner.is_idle() {
            return self.feed_unclean(bytes, sink);
        }
        let bytes = self.reader.read_bare(bytes, sink);
        if bytes.is_empty() {
            return;
        }
        if bytes.len() <= SHORT {
            let classes = classes_of(bytes);
            if classes & UNCLEAN == 0
                && let Ok(text) = std::str::from_utf8(bytes)
            {
                return self.reader.read_short(text, classes, sink);
            }
        }
        self.feed_unclean(bytes, sink);
    }

    fn feed_unclean(&mut self, bytes: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let reader = &mut self.reader;
        self.cleaner.feed(bytes, &mut |part| read_part(reader, part, sink));
    }

    /// Reads the end. The parser can't be used afterwards.
    pub fn finish(&mut self, end: End, sink: &mut impl FnMut(Event<'_>)) -> Summary {
        if end != End::Interruption {
            let reader = &mut self.reader;
            self.cleaner.finish(&mut |part| read_part(reader, part, sink));
        }
        self.reader.finish(end, sink)
    }
}

/// How much is held back, in bytes.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct HeldBack {
    pub(super) markup: usize,
    pub(super) white: usize,
    pub(super) stray: usize,
}

#[cfg(test)]
impl Parser {
    pub(super) fn held_back(&self) -> HeldBack {
        self.reader.held_back()
    }

    /// How many bytes of tags were walked over, and how many steps there were besides.
    pub(super) const fn work(&self) -> usize {
        self.reader.work()
    }
}

fn read_part(reader: &mut Reader, part: Part<'_>, sink: &mut impl FnMut(Event<'_>)) {
    match part {
        Part::Text(text) => reader.read(text, sink),
        Part::Bad => reader.read_bad(sink),
    }
}
