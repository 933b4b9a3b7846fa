//! Lore cut into chunks, the pieces that are found. Pure; [`super::Retriever`] has them indexed.
//!
//! Where a chunk begins depends on the text around it alone: a paragraph that is edited changes its
//! own chunk and perhaps the neighbours', not those of the whole rest, so that a long text is
//! indexed anew in that part only.

use super::terms::VERSION;

/// The longest chunk, in characters.
pub const MAX_CHARS: usize = 800;

/// A paragraph of so many characters is a chunk of its own; shorter ones are gathered.
const LONG: usize = 200;

/// Of the places between short paragraphs, about one in so many ends a chunk.
const SPREAD: u64 = 4;

/// One piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its text, at most [`MAX_CHARS`] characters, never blank.
    pub text: String,
    /// The same for the same text, on every machine, as long as its terms are the same.
    pub hash: u64,
}

impl Chunk {
    /// A chunk that was cut already.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self { hash: identity(&text, VERSION), text }
    }
}

/// Cuts a text at its paragraphs, then at sentences, then between words; a word that is longer than
/// a chunk is cut, too. Nothing but white space gets lost.
#[must_use]
pub fn chunks(text: &str) -> Vec<Chunk> {
    let mut found = Vec::new();
    let mut group = String::new();
    for paragraph in paragraphs(text) {
        let length = chars(&paragraph);
        if !group.is_empty() && chars(&group) + 2 + length > MAX_CHARS {
            found.push(std::mem::take(&mut group));
        }
        if length > MAX_CHARS {
            found.extend(fit(&paragraph, &[sentences, words]));
            continue;
        }
        if !group.is_empty() {
            group.push_str("\n\n");
        }
        group.push_str(&paragraph);
        if length >= LONG || (!is_heading(&paragraph) && hash(&paragraph).is_multiple_of(SPREAD)) {
            found.push(std::mem::take(&mut group));
        }
    }
    if !group.is_empty() {
        found.push(group);
    }
    found.into_iter().map(Chunk::new).collect()
}

/// What stands between blank lines, each without white space around it.
fn paragraphs(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.lines().map(str::trim_end) {
        match found.last_mut() {
            Some(paragraph) if !line.is_empty() => {
                if !paragraph.is_empty() {
                    paragraph.push('\n');
                }
                paragraph.push_str(line);
            }
            Some(paragraph) if !paragraph.is_empty() => found.push(String::new()),
            _ => {}
        }
    }
    let trimmed = found.into_iter().map(|paragraph| paragraph.trim().to_owned());
    trimmed.filter(|paragraph| !paragraph.is_empty()).collect()
}

/// Whether a paragraph announces the next one, and is nothing without it.
fn is_heading(paragraph: &str) -> bool {
    paragraph.starts_with('#') || paragraph.ends_with([':', '：'])
}

/// Puts as many parts as fit into each piece. A part that is too long itself is cut by the next,
/// finer way, and its last piece goes on.
fn fit(text: &str, ways: &[fn(&str) -> Vec<&str>]) -> Vec<String> {
    let Some((cut, finer)) = ways.split_first() else { return letters(text) };
    let mut found = Vec::new();
    let mut piece = String::new();
    for part in cut(text) {
        if chars(&piece) + chars(part.trim_end()) <= MAX_CHARS {
            piece.push_str(part);
            continue;
        }
        found.push(std::mem::take(&mut piece));
        if chars(part.trim_end()) <= MAX_CHARS {
            part.clone_into(&mut piece);
        } else {
            found.extend(fit(part, finer));
            piece = found.pop().unwrap_or_default();
        }
    }
    found.push(piece);
    let trimmed = found.iter().map(|piece| piece.trim().to_owned());
    trimmed.filter(|piece| !piece.is_empty()).collect()
}

/// The sentences, each with the white space behind it.
fn sentences(text: &str) -> Vec<&str> {
    let mut starts = vec![0];
    // Whether a sentence has just ended, and whether white space has followed it.
    let (mut ended, mut spaced) = (false, false);
    let mut needs_space = false;
    for (place, char) in text.char_indices() {
        match char {
            '.' | '!' | '?' | '…' | '؟' | '۔' => {
                (ended, spaced, needs_space) = (true, false, true);
            }
            '。' | '！' | '？' | '।' | '॥' | '។' | '။' | '．' => {
                (ended, spaced, needs_space) = (true, false, false);
            }
            '"' | '\'' | '”' | '’' | '»' | '«' | ')' | ']' | '」' | '』' | '）' if !spaced =>
                {}
            _ if char.is_whitespace() => spaced = true,
            _ => {
                if ended && (spaced || !needs_space) {
                    starts.push(place);
                }
                (ended, spaced) = (false, false);
            }
        }
    }
    between(text, &starts)
}

fn words(text: &str) -> Vec<&str> {
    text.split_inclusive(char::is_whitespace).collect()
}

fn letters(text: &str) -> Vec<String> {
    let all: Vec<char> = text.trim().chars().collect();
    all.chunks(MAX_CHARS).map(|piece| piece.iter().collect()).collect()
}

fn between<'a>(text: &'a str, starts: &[usize]) -> Vec<&'a str> {
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| text.get(*start..end)).collect()
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// What is indexed under it stays as it is: another version of the terms gives others.
fn identity(text: &str, version: u8) -> u64 {
    fnv([version].into_iter().chain(text.bytes()))
}

fn hash(text: &str) -> u64 {
    fnv(text.bytes())
}

/// FNV-1a with 64 bits.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        chunks(text).into_iter().map(|chunk| chunk.text).collect()
    }

    fn without_space(text: &str) -> String {
        text.chars().filter(|char| !char.is_whitespace()).collect()
    }

    #[test]
    fn nothing_comes_of_nothing() {
        for text in ["", " \n\t\r\n ", "\u{2003}\n\n\n"] {
            assert_eq!(texts(text), Vec::<String>::new(), "{text:?}");
        }
    }

    #[test]
    fn long_paragraphs_stand_alone_and_a_heading_goes_with_what_it_announces() {
        let long = "The mill stands by the river. ".repeat(10);
        let text = format!("{long}\r\n\r\n# The bridge\n\n{long}\n \n{long}");
        let long = long.trim();
        assert_eq!(texts(&text), [long.to_owned(), format!("# The bridge\n\n{long}"), long.into()]);
    }

    #[test]
    fn what_is_too_long_is_cut_where_it_hurts_least() {
        let sentence = |last: char| format!("{}{last}", "word ".repeat(99).trim_end());
        let text = format!("{} {}", sentence('.'), sentence('?'));
        assert_eq!(texts(&text), [sentence('.'), sentence('?')], "at sentences");

        let text = "word ".repeat(300);
        let cut = texts(&text);
        assert_eq!(cut.iter().map(|it| chars(it)).collect::<Vec<_>>(), [799, 699], "at words");

        let cut = texts(&"x".repeat(1700));
        assert_eq!(cut.iter().map(|it| chars(it)).collect::<Vec<_>>(), [800, 800, 100]);

        let chinese = format!("{}。{}！", "山".repeat(500), "水".repeat(500));
        let cut = texts(&chinese);
        assert_eq!(cut, [format!("{}。", "山".repeat(500)), format!("{}！", "水".repeat(500))]);
    }

    #[test]
    fn a_point_within_a_word_ends_no_sentence() {
        assert_eq!(sentences("It costs 3.50 gold. \"Too much!\" he said.").len(), 3);
        assert_eq!(sentences("Wait... what?").len(), 2);
        assert_eq!(sentences("「来い。」と言った。"), ["「来い。」", "と言った。"]);
    }

    /// The same on every machine: what is indexed stays indexed.
    #[test]
    fn the_hash_is_the_known_one() {
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(
            chunks("foobar"),
            [Chunk { text: "foobar".to_owned(), hash: identity("foobar", VERSION) }]
        );
        assert_ne!(identity("foobar", 1), identity("foobar", 2), "it is indexed anew");
    }

    /// A text as people write them: headings, short and long paragraphs.
    fn novel() -> Vec<String> {
        let paragraph = |count: usize| match count % 7 {
            0 => format!("# Of the place {count}"),
            1 | 4 => format!("Number {count} is a short one."),
            2 => format!("In the year {count} the river rose. ").repeat(count % 40 + 1),
            _ => format!("They say of number {count} that nobody has ever counted it. ").repeat(2),
        };
        (0..200).map(paragraph).collect()
    }

    #[test]
    fn an_edit_changes_only_what_is_around_it() {
        let hashes = |paragraphs: &[String]| -> BTreeSet<u64> {
            chunks(&paragraphs.join("\n\n")).into_iter().map(|chunk| chunk.hash).collect()
        };
        let novel = novel();
        let before = hashes(&novel);
        assert!(before.len() > 60, "{}", before.len());
        let mut all = 0;
        for place in 0..novel.len() {
            let mut edited = novel.clone();
            edited[place] = "Nothing is as it was.".to_owned();
            let changed = hashes(&edited).difference(&before).count();
            assert!(changed <= 4, "{changed} chunks changed with paragraph {place}");
            all += changed;
            edited.remove(place);
            assert!(hashes(&edited).difference(&before).count() <= 4);
        }
        assert!(all <= 2 * novel.len(), "{all} chunks for {} edits", novel.len());
    }

    proptest! {
        #[test]
        fn nothing_but_white_space_gets_lost_and_all_pieces_fit(text in "(\\PC|\n|\r\n| |\\. ){0,1200}") {
            let pieces = texts(&text);
            prop_assert!(pieces.iter().all(|piece| chars(piece) <= MAX_CHARS && !piece.trim().is_empty()));
            prop_assert_eq!(without_space(&pieces.concat()), without_space(&text));
        }
    }
}
