//! The keys of lorebook entries: plain words, and regular expressions within bounds.

use dramatis_protocol::assets::limits::MAX_KEY_BYTES;
use regex::{Regex, RegexBuilder};
use unicode_normalization::UnicodeNormalization;

/// A compiled expression, in bytes, that counts as one. A list of words takes a few KiB, `\w+` some 40.
const SMALL_BYTES: usize = 64 * 1024;

/// As how many a larger one counts.
const LARGE: usize = 16;

/// Most memory of a search with one expression, in bytes; a larger one is slower, not wrong.
const MAX_SEARCH_BYTES: usize = 256 * 1024;

/// Deepest nesting of an expression.
const MAX_NESTING: u32 = 64;

/// What wakes an entry when it is mentioned.
#[derive(Debug, Clone)]
pub enum Key {
    /// A word or several.
    Text {
        /// As the file has them, without white space around.
        written: String,
        /// As they are looked for: composed (NFC), and in small letters unless case counts.
        folded: String,
    },
    /// An expression. It takes time that grows with the text alone, whatever it looks like.
    Regex(Regex),
}

impl Key {
    /// The key as the file has it, for reports.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text { written, .. } => written,
            Self::Regex(regex) => regex.as_str(),
        }
    }

    /// A key of an entry, and as how many expressions it counts.
    ///
    /// # Errors
    /// Why it can't be used, to stand behind "the key".
    pub fn new(text: &str, is_regex: bool, case_sensitive: bool) -> Result<(Self, usize), String> {
        if text.trim().is_empty() {
            return Err("is empty, and would always count: write a word".to_owned());
        }
        if text.len() > MAX_KEY_BYTES {
            return Err(format!("is longer than {MAX_KEY_BYTES} bytes: shorten it"));
        }
        if !is_regex {
            let written = text.trim().to_owned();
            let folded: String = written.nfc().collect();
            let folded = if case_sensitive { folded } else { folded.to_lowercase() };
            return Ok((Self::Text { written, folded }, 0));
        }
        let within = |size| compile(text, case_sensitive, size);
        let (regex, weight) = match within(SMALL_BYTES) {
            Err(regex::Error::CompiledTooBig(_)) => (within(LARGE * SMALL_BYTES), LARGE),
            small => (small, 1),
        };
        let regex = regex.map_err(|error| why(&error))?;
        if regex.is_match("") {
            return Err("fits an empty text, and would always count: ask for a word".to_owned());
        }
        Ok((Self::Regex(regex), weight))
    }
}

fn compile(text: &str, case_sensitive: bool, max_bytes: usize) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .case_insensitive(!case_sensitive)
        .size_limit(max_bytes)
        .dfa_size_limit(MAX_SEARCH_BYTES)
        .nest_limit(MAX_NESTING)
        .build()
}

fn why(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => {
            "is too large as a regular expression: use smaller repetitions".to_owned()
        }
        other => {
            // The library draws the expression with a caret; its last line says what is wrong.
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            let reason = last.strip_prefix("error: ").unwrap_or(last);
            format!("is no regular expression that can be used ({reason}): write it otherwise")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cant_be_used_says_why() {
        let check = |text: &str, is_regex: bool, part: &str| {
            let why = Key::new(text, is_regex, false).unwrap_err();
            assert!(why.contains(part) && !why.contains('\n'), "{text}: {why}");
        };
        check("  ", false, "is empty");
        check("", true, "is empty");
        check(&"x".repeat(2_000), false, "longer than 1024 bytes");
        check("(?=lamp)oil", true, "look-around");
        check(r"(a)\1", true, "backreferences");
        check("(oil", true, "unclosed group");
        check("oil|", true, "fits an empty text");
        check(r"((\w{99}){99}){99}", true, "too large");
        check(&format!("{}a{}", "(".repeat(300), ")".repeat(300)), true, "nest");
    }

    #[test]
    fn what_people_write_is_taken() {
        let check = |text: &str, case_sensitive: bool, weight: usize, fits: &str, not: &str| {
            let (Key::Regex(regex), counts) = Key::new(text, true, case_sensitive).unwrap() else {
                panic!("{text} is no expression")
            };
            assert!(regex.is_match(fits) && !regex.is_match(not), "{text}");
            assert_eq!(counts, weight, "{text}");
        };
        check(r"\b(oil|lamp\s+oil)\b", false, 1, "Any OIL left?", "toil");
        check(r"\bfu(chs|echse)\b", false, 1, "Drei Füchse? Ein FUCHS!", "Fuchsie");
        check("Rose", true, 1, "Rose is here", "a rose");
        check(r"\w+ing\b", false, 1, "he is ringing", "bell");
        check(r"\w{2,12}ing\b.{0,40}\bbell", false, 16, "he is ringing the bell", "bell");
        check("灯[油火]", false, 1, "没有灯油了", "灯");
        let check = |case_sensitive, expected: &str| {
            let (Key::Text { written, folded }, 0) =
                Key::new("  the Blue Cafe\u{301} ", false, case_sensitive).unwrap()
            else {
                panic!("it is no expression")
            };
            assert_eq!((&*written, &*folded), ("the Blue Cafe\u{301}", expected));
        };
        check(true, "the Blue Café");
        check(false, "the blue café");
    }

    #[test]
    fn an_expression_that_would_explode_elsewhere_ends_at_once() {
        let (Key::Regex(regex), _) = Key::new("(a+)+(a+)+$", true, false).unwrap() else {
            panic!()
        };
        let text = format!("{}b", "a".repeat(200_000));
        assert!(!regex.is_match(&text));
    }
}
