//! From the model's bytes to text: characters whole, controls removed, what is not UTF-8 replaced.
//!
//! Nothing is copied: a piece is handed on in as many parts as there are characters to leave out,
//! because the reader doesn't care where a piece ends.

use super::bytes::is_white;

/// A part of what came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Text, never empty.
    Text(&'a str),
    /// One maximal ill-formed sequence of bytes.
    Bad,
}

/// What must be remembered between two pieces.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    /// The beginning of a character that the last piece cut.
    cut: [u8; 4],
    cut_length: usize,
    /// Whether the output's first character has come.
    begun: bool,
}

impl Cleaner {
    /// Whether a piece of plain ASCII without controls needs no cleaning now.
    #[inline]
    pub(super) const fn is_idle(&self) -> bool {
        self.begun && self.cut_length == 0
    }

    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut impl FnMut(Part<'_>)) {
        let mut rest = self.complete_cut(bytes, out);
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(text) => return self.without_controls(text, out),
                Err(error) => error,
            };
            let (valid, after) = rest.split_at(error.valid_up_to());
            self.without_controls(std::str::from_utf8(valid).unwrap_or_default(), out);
            let Some(bad) = error.error_len() else { return self.keep_cut(after) };
            self.bad(out);
            rest = after.get(bad..).unwrap_or_default();
        }
    }

    /// The output ends: a character that was cut stays cut.
    pub(super) fn finish(&mut self, out: &mut impl FnMut(Part<'_>)) {
        if self.cut_length > 0 {
            self.cut_length = 0;
            self.bad(out);
        }
    }

    /// Gives the character that the last piece cut its other bytes; returns what is left.
    fn complete_cut<'a>(
        &mut self,
        mut bytes: &'a [u8],
        out: &mut impl FnMut(Part<'_>),
    ) -> &'a [u8] {
        while self.cut_length > 0 {
            let Some((&next, rest)) = bytes.split_first() else { break };
            let mut longer = self.cut;
            if let Some(place) = longer.get_mut(self.cut_length) {
                *place = next;
            }
            let longer = longer.get(..=self.cut_length).unwrap_or_default();
            match std::str::from_utf8(longer) {
                Ok(character) => {
                    self.cut_length = 0;
                    self.without_controls(character, out);
                }
                Err(error) if error.error_len().is_none() => self.keep_cut(longer),
                Err(_) => {
                    self.cut_length = 0;
                    self.bad(out);
                    return bytes;
                }
            }
            bytes = rest;
        }
        bytes
    }

    fn keep_cut(&mut self, bytes: &[u8]) {
        self.cut_length = bytes.len();
        for (place, byte) in self.cut.iter_mut().zip(bytes) {
            *place = *byte;
        }
    }

    fn bad(&mut self, out: &mut impl FnMut(Part<'_>)) {
        self.begun = true;
        out(Part::Bad);
    }

    fn without_controls(&mut self, mut text: &str, out: &mut impl FnMut(Part<'_>)) {
        if text.is_empty() {
            return;
        }
        if !self.begun {
            self.begun = true;
            text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        }
        if may_hold_controls(text.as_bytes()) {
            let parts = text.split(is_dropped).filter(|part| !part.is_empty());
            parts.for_each(|part| out(Part::Text(part)));
        } else if !text.is_empty() {
            out(Part::Text(text));
        }
    }
}

/// A quick look at all bytes at once; true also for text that holds none, such as a `£`.
fn may_hold_controls(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &byte| {
        let white = (byte == b'\t') | (byte == b'\n') | (byte == b'\r');
        found | ((byte < 0x20) & !white) | (byte == 0x7F) | (byte == 0xC2)
    })
}

/// Whether a character is removed wherever it stands.
pub(super) const fn is_dropped(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => false,
        _ => matches!(character, '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}'),
    }
}

/// Splits off the white space at the end.
#[inline]
pub(super) fn split_trailing_white(text: &str) -> (&str, &str) {
    let visible = text.bytes().rposition(|byte| !is_white(byte)).map_or(0, |last| last + 1);
    text.split_at(visible)
}

/// Splits off the white space at the beginning.
#[inline]
pub(super) fn split_leading_white(text: &str) -> (&str, &str) {
    let white = text.bytes().take_while(|&byte| is_white(byte)).count();
    text.split_at(white)
}

/// Splits before the first white space of which more than `limit` characters follow each other.
pub(super) fn split_at_long_white(text: &str, limit: usize) -> (&str, &str) {
    let bytes = text.as_bytes();
    // So much white space has to cover one of these places.
    for at in (limit..bytes.len()).step_by(limit) {
        let (before, after) = bytes.split_at(at);
        let start = before.iter().rposition(|&byte| !is_white(byte)).map_or(0, |last| last + 1);
        let length = after.iter().take_while(|&&byte| is_white(byte)).count();
        if length > 0 && at + length - start > limit {
            return text.split_at(start);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All parts joined, and how many were bad.
    fn clean(pieces: &[&[u8]]) -> (String, usize) {
        let (mut text, mut bad) = (String::new(), 0);
        let mut out = |part: Part<'_>| match part {
            Part::Text(part) => {
                assert!(!part.is_empty());
                text.push_str(part);
            }
            Part::Bad => {
                text.push('\u{FFFD}');
                bad += 1;
            }
        };
        let mut cleaner = Cleaner::default();
        for piece in pieces {
            cleaner.feed(piece, &mut out);
        }
        cleaner.finish(&mut out);
        (text, bad)
    }

    #[test]
    fn bytes_are_read_as_from_utf8_lossy_reads_them() {
        let inputs: &[&[u8]] = &[
            b"plain",
            "caf\u{e9} \u{20ac} \u{1f600}".as_bytes(),
            b"\xE2\x28\xA1",
            b"\xF0\x9F\x98",
            b"\xF0\x9F\x98\xF0\x9F",
            b"\xC3\xC3\xA9\xFF\xFE",
            b"\xED\xA0\x80 surrogate \xC0\x80",
            b"\xF4\x90\x80\x80\xE2\x82",
        ];
        for input in inputs {
            let expected = String::from_utf8_lossy(input);
            let bad = expected.matches('\u{FFFD}').count();
            for cut in 0..=input.len() {
                let (left, right) = input.split_at(cut);
                assert_eq!(
                    clean(&[left, right]),
                    (expected.to_string(), bad),
                    "{input:?} at {cut}"
                );
            }
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            assert_eq!(clean(&bytes), (expected.to_string(), bad), "{input:?} byte by byte");
        }
    }

    #[test]
    fn controls_are_removed_and_white_space_stays() {
        assert_eq!(clean(&[b"a\x00b\tc\x1F\nd\re\x7Ff"]).0, "ab\tc\nd\ref");
        assert_eq!(clean(&["\u{80}x\u{9F}y\u{A0}z".as_bytes()]).0, "xy\u{A0}z");
        assert_eq!(clean(&[b"a\xC2", b"\x85b"]).0, "ab");
    }

    #[test]
    fn long_white_space_is_found_wherever_it_stands() {
        for length in 0..20 {
            for before in 0..20 {
                let text = format!("{}{}b", "a".repeat(before), " ".repeat(length));
                let expected = if length > 8 { before } else { text.len() };
                assert_eq!(split_at_long_white(&text, 8).0.len(), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_is_removed_only_as_the_first_character() {
        assert_eq!(clean(&["\u{FEFF}a\u{FEFF}".as_bytes()]).0, "a\u{FEFF}");
        assert_eq!(clean(&[b"\xEF", b"\xBB", b"\xBFa"]).0, "a");
        assert_eq!(clean(&["\u{1}\u{FEFF}a".as_bytes()]).0, "\u{FEFF}a");
        assert_eq!(clean(&["\u{FEFF}\u{FEFF}".as_bytes()]).0, "\u{FEFF}");
        assert_eq!(clean(&[b"\xFF", "\u{FEFF}".as_bytes()]).0, "\u{FFFD}\u{FEFF}");
    }
}
