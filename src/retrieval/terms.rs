//! From text to search terms, the same for what is stored and for what is asked. Pure.
//!
//! A word is folded (case, accents, width) and stripped of its English ending. Scripts that put no
//! spaces between words, and Korean with its endings, are cut into overlapping pairs; a Chinese
//! character is often a word and stands alone as well. A term consists of letters, digits and the
//! marks on them, never of ASCII punctuation.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use super::common::is_common;
use super::last_chars;
use super::stem::stem;

/// Which terms a text gets: one higher with each change of them, so that lore is indexed anew. Memories
/// keep those that they were written with.
pub const VERSION: u8 = 1;

/// How many terms of a question are looked for.
pub const MAX_QUERY_TERMS: usize = 32;

/// As much of a question is read, in characters: its last ones.
const MAX_QUERY_CHARS: usize = 4_000;

/// A longer word is taken for several that were written together.
const LONGEST_WORD: usize = 40;

/// The terms of a text that is to be found, in its order, as often as they occur.
#[must_use]
pub fn of_document(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for run in runs(text) {
        run.terms(&mut terms);
    }
    terms
}

/// The terms that a question is asked with: each once, without the commonest words, and at most
/// [`MAX_QUERY_TERMS`]; of more, the longest, because they say the most.
#[must_use]
pub fn of_query(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for run in runs(last_chars(text, MAX_QUERY_CHARS)) {
        if !is_common(&run.text) {
            let before = terms.len();
            run.terms(&mut terms);
            // A stem is another word: *ones* are not *one*. A pair is what was written.
            if run.script != Script::Spaced {
                let pairs = terms.split_off(before);
                terms.extend(pairs.into_iter().filter(|pair| !is_common(pair)));
            }
        }
    }
    let mut seen = BTreeSet::new();
    terms.retain(|term| seen.insert(term.clone()));
    bound(&mut terms);
    terms
}

/// Keeps the longest terms.
fn bound(terms: &mut Vec<String>) {
    if terms.len() > MAX_QUERY_TERMS {
        let mut lengths: Vec<usize> = terms.iter().map(|term| length(term)).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        let shortest = lengths.get(MAX_QUERY_TERMS).copied().unwrap_or_default();
        // The longer ones fit; of those at the limit the first.
        let longer = terms.iter().filter(|term| length(term) > shortest).count();
        let mut room = MAX_QUERY_TERMS - longer;
        terms.retain(|term| {
            let at_limit = length(term) == shortest && room > 0;
            room -= usize::from(at_limit);
            at_limit || length(term) > shortest
        });
    }
}

/// How much it says that a question and a text share this term: a word 1, a pair of a script without
/// spaces half of that, a single character of one a quarter.
#[must_use]
pub fn weight(term: &str) -> f64 {
    let mut chars = term.chars();
    match chars.next().map(script) {
        Some(Script::Spaced) | None => 1.0,
        Some(_) if length(term) == 1 => 0.25,
        Some(_) => 0.5,
    }
}

fn length(term: &str) -> usize {
    term.chars().filter(|char| !is_combining_mark(*char)).count()
}

/// Whether a script puts spaces between words; if so, a key of a lorebook is one as a whole.
#[must_use]
pub fn is_spaced(char: char) -> bool {
    matches!(script(char), Script::Spaced | Script::Hangul)
}

/// How the words of a script are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// Between spaces and punctuation.
    Spaced,
    Han,
    Hiragana,
    Katakana,
    Hangul,
    /// Thai, Lao, Khmer, Burmese and their neighbours.
    Unspaced,
}

fn script(char: char) -> Script {
    match u32::from(char) {
        0x3041..=0x309f => Script::Hiragana,
        0x30a0..=0x30ff | 0x31f0..=0x31ff => Script::Katakana,
        0x3005 | 0x3007 | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff => Script::Han,
        0x2_0000..=0x3_ffff => Script::Han,
        0x1100..=0x11ff | 0x3130..=0x318f | 0xa960..=0xa97f | 0xac00..=0xd7ff => Script::Hangul,
        // Thai, Lao, Tibetan, Burmese; Khmer; Tai Le and New Tai Lue; Tai Tham; Balinese;
        // Javanese and more Burmese, Cham, Tai Viet.
        0x0e00..=0x109f => Script::Unspaced,
        0x1780..=0x17ff | 0x1950..=0x19ff | 0x1a20..=0x1aaf | 0x1b00..=0x1b7f => Script::Unspaced,
        0xa980..=0xaadf => Script::Unspaced,
        _ => Script::Spaced,
    }
}

/// Neighbouring characters that belong together: a word, or several without spaces.
struct Run {
    text: String,
    script: Script,
}

impl Run {
    fn terms(&self, terms: &mut Vec<String>) {
        let letters = length(&self.text);
        match self.script {
            Script::Spaced if letters <= LONGEST_WORD => {
                // A letter alone is what is left of an apostrophe.
                if letters > 1 || !self.text.starts_with(|char: char| char.is_ascii_lowercase()) {
                    terms.push(stem(&self.text));
                }
            }
            Script::Han => {
                let all = self.units();
                terms.extend(all.iter().map(|char| (*char).to_owned()));
                pairs(&all, terms);
            }
            // A lone one is a particle.
            Script::Hiragana if letters == 1 => {}
            _ => match self.units().as_slice() {
                [one] => terms.push((*one).to_owned()),
                all => pairs(all, terms),
            },
        }
    }

    /// The characters, each with the marks that belong to it.
    fn units(&self) -> Vec<&str> {
        let starts = self.text.char_indices().filter(|(_, char)| !is_combining_mark(*char));
        let mut starts: Vec<usize> = starts.map(|(place, _)| place).collect();
        if starts.first() != Some(&0) {
            starts.insert(0, 0);
        }
        let ends = starts.iter().skip(1).copied().chain([self.text.len()]);
        starts.iter().zip(ends).filter_map(|(start, end)| self.text.get(*start..end)).collect()
    }
}

fn pairs(units: &[&str], terms: &mut Vec<String>) {
    terms.extend(units.windows(2).map(<[&str]>::concat));
}

/// The runs of a text, folded.
fn runs(text: &str) -> Vec<Run> {
    let mut found: Vec<Run> = Vec::new();
    let mut within = false;
    for char in text.nfkc().flat_map(char::to_lowercase) {
        if is_combining_mark(char) {
            // They never begin anything.
            if let Some(run) = found.last_mut().filter(|_| within && !is_accent(char)) {
                run.text.push(char);
            }
            continue;
        }
        if !char.is_alphanumeric() {
            within = false;
            continue;
        }
        let script = script(char);
        match found.last_mut() {
            Some(run) if within && run.script == script => fold(char, &mut run.text),
            _ => {
                let mut text = String::new();
                fold(char, &mut text);
                found.push(Run { text, script });
                within = true;
            }
        }
    }
    found
}

/// Marks that people leave out when they type: accents, the vowels of Hebrew and Arabic. Those of
/// India are letters like others.
fn is_accent(mark: char) -> bool {
    matches!(u32::from(mark), 0x300..=0x36f | 0x591..=0x5c7 | 0x610..=0x61a | 0x64b..=0x670 | 0x6d6..=0x6ed)
}

/// Writes a small letter without its accents, and those that have no accent to lose as people type
/// them.
fn fold(char: char, text: &mut String) {
    match char {
        'a'..='z' | '0'..='9' => text.push(char),
        'ß' => text.push_str("ss"),
        'æ' => text.push_str("ae"),
        'œ' => text.push_str("oe"),
        'ø' => text.push('o'),
        'ł' => text.push('l'),
        'đ' | 'ð' => text.push('d'),
        'þ' => text.push_str("th"),
        'ı' => text.push('i'),
        'ς' => text.push('σ'),
        'ё' => text.push('е'),
        // Latin, Greek and Cyrillic lose their accents, other scripts their meaning with them.
        '\u{c0}'..='\u{52f}' | '\u{1e00}'..='\u{1fff}' => decompose_canonical(char, |part| {
            if !is_combining_mark(part) {
                text.push(part);
            }
        }),
        _ => text.push(char),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, document: &[&str], query: &[&str]) {
        assert_eq!(of_document(text), document, "{text:?} as a document");
        assert_eq!(of_query(text), query, "{text:?} as a question");
    }

    #[test]
    fn words_are_folded_and_lose_their_endings() {
        check("Promises, PROMISED!", &["promis", "promis"], &["promis"]);
        check("Čeněk's Straße", &["cenek", "strass"], &["cenek", "strass"]);
        check("ﬁre Ｆｉｒｅ １２", &["fire", "fire", "12"], &["fire", "12"]);
        check("naïve cafe\u{301}", &["naiv", "cafe"], &["naiv", "cafe"]);
        check("Ёлка и ёлки", &["елка", "и", "елки"], &["елка", "елки"]);
        check("İstanbul", &["istanbul"], &["istanbul"]);
        check("l'épée", &["epe"], &["epe"]);
        check("the ice-cream_man", &["the", "ic", "cream", "man"], &["ic", "cream", "man"]);
    }

    /// If this fails, the terms have changed: make the version one higher.
    #[test]
    fn the_terms_are_those_of_their_version() {
        let text = "The Mills' burning ﬁre; Straße, Ёлка, 银剑在 マレンの剣 น้ำใจ 마렌은 a-1";
        let terms = "the mill burn fire strass елка 银 剑 在 银剑 剑在 マレ レン 剣 \
                     น\u{e49}\u{e4d}า าใ ใจ 마렌 렌은 1";
        assert_eq!((VERSION, of_document(text).join(" ").as_str()), (1, terms));
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        check(
            "银剑在哪里？",
            &["银", "剑", "在", "哪", "里", "银剑", "剑在", "在哪", "哪里"],
            &["银", "剑", "银剑", "剑在"],
        );
        check("マレンの剣", &["マレ", "レン", "剣"], &["マレ", "レン", "剣"]);
        check("น้ำใจ", &["น\u{e49}\u{e4d}า", "าใ", "ใจ"], &["น\u{e49}\u{e4d}า", "าใ", "ใจ"]);
        check("ដែក", &["ដែក"], &["ដែក"]);
        check("마렌은", &["마렌", "렌은"], &["마렌", "렌은"]);
        check("山", &["山"], &["山"]);
        check(
            "Lio買了3把劍",
            &["lio", "買", "了", "買了", "3", "把", "劍", "把劍"],
            &["lio", "買", "買了", "3", "劍", "把劍"],
        );
    }

    #[test]
    fn the_commonest_words_are_not_asked_for() {
        for question in [
            "What is it that you have there?",
            "Wer ist das und was macht er?",
            "¿Qué es lo que tiene?",
            "Qu'est-ce que c'est?",
            "это что?",
        ] {
            assert_eq!(of_query(question), Vec::<String>::new(), "{question}");
        }
        check("To die in a war", &["to", "die", "in", "war"], &["die", "war"]);
    }

    #[test]
    fn a_question_has_a_bound_and_keeps_what_says_the_most() {
        let short: String = (0..200).map(|count| format!("a{count:02} ")).collect();
        let terms = of_query(&format!("{short} lighthouse {short}"));
        assert_eq!(terms.len(), MAX_QUERY_TERMS);
        assert!(terms.contains(&"lighthous".to_owned()));

        let long = format!("beginning {} lighthouse", "x ".repeat(MAX_QUERY_CHARS));
        assert_eq!(of_query(&long), ["lighthous"]);
    }

    #[test]
    fn words_that_are_too_long_for_one_are_pairs() {
        assert_eq!(of_document(&"ab".repeat(20)).len(), 1);
        assert_eq!(of_document(&"ab".repeat(30)).len(), 59);
    }

    #[test]
    fn a_pair_says_less_than_a_word() {
        for (term, expected) in [("sword", 1.0), ("剑", 0.25), ("银剑", 0.5), ("น้", 0.25)] {
            assert!((weight(term) - expected).abs() < 1e-9, "{term}");
        }
    }

    proptest! {
        /// The index relies on it: a term goes into a query between quotes.
        #[test]
        fn terms_are_plain_whatever_the_text(text in "\\PC{0,200}") {
            for term in of_document(&text).into_iter().chain(of_query(&text)) {
                let is_plain = |char: char| !char.is_ascii() || char.is_ascii_alphanumeric();
                prop_assert!(!term.is_empty() && term.chars().all(is_plain), "{term:?}");
            }
        }

        #[test]
        fn a_question_asks_for_what_a_document_has(text in "\\PC{0,60}") {
            let document = of_document(&text);
            prop_assert!(of_query(&text).iter().all(|term| document.contains(term)));
        }
    }
}
