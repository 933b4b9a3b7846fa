//! The beginning of a tag as long as it may be `<name>` or `</name>`, which most tags are.
//!
//! A name that fits a number needs no buffer: where pieces are a few bytes long, that is what makes
//! the parser as fast as a plain loop. Whatever turns out to be more than a name is handed back to
//! the reader as the text that it was.

use super::bytes::{begins_name, is_name};
use super::rules::{KEY_LENGTH, Known, fold, key_up_to_end};
use super::vocabulary::Vocabulary;

/// What has come of such a tag.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bare {
    /// The name's bytes, the first one lowest.
    name: u64,
    length: usize,
    closing: bool,
}

/// What more bytes made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Undecided,
    /// Its `>` stands here.
    Ended(usize),
    /// It is something else, or longer.
    Other,
}

/// A whole bare tag of a known name, with bytes to spare after it.
pub(super) struct Whole {
    pub(super) known: Known,
    pub(super) closing: bool,
    pub(super) length: usize,
}

/// Reads the tag that `bytes` begin with, if it is a bare one.
#[inline]
pub(super) fn read_whole(bytes: &[u8], vocabulary: &Vocabulary) -> Option<Whole> {
    let closing = bytes.get(1) == Some(&b'/');
    let start = if closing { 2 } else { 1 };
    let window: &[u8; KEY_LENGTH] = bytes.get(start..)?.first_chunk()?;
    let (key, length) = key_up_to_end(*window)?;
    let known = vocabulary.look_up_key(key)?;
    Some(Whole { known, closing, length: start + length + 1 })
}

impl Bare {
    /// Reads what follows the `<` and what was read before; nothing changes if it is something else.
    #[inline]
    pub(super) fn read(&mut self, bytes: &[u8]) -> Step {
        let (mut name, mut length, mut closing) = (self.name, self.length, self.closing);
        let mut step = Step::Undecided;
        for (at, &byte) in bytes.iter().enumerate() {
            if is_name(byte) && length < KEY_LENGTH && (length > 0 || begins_name(byte)) {
                name |= u64::from(byte) << (8 * length);
                length += 1;
            } else if byte == b'>' && length > 0 {
                step = Step::Ended(at);
                break;
            } else if byte == b'/' && length == 0 && !closing {
                closing = true;
            } else {
                return Step::Other;
            }
        }
        (self.name, self.length, self.closing) = (name, length, closing);
        step
    }

    /// The name's key, as the vocabulary compares it.
    #[inline]
    pub(super) const fn key(&self) -> u64 {
        fold(self.name)
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.closing
    }

    /// The text that it was.
    pub(super) fn spell(&self, into: &mut String) {
        into.push_str(if self.closing { "</" } else { "<" });
        into.extend(self.name.to_le_bytes().into_iter().take(self.length).map(char::from));
    }
}
