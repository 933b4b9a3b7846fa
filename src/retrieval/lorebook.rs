//! Which entries of a lorebook wake: by their keys, by each other's texts, within a budget. Pure;
//! whoever reads the books compiles the keys, once.

use std::cmp::Reverse;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

use super::terms::is_spaced;
use crate::record::{Woken, WokenBy, WokenEntry};

/// How secondary keys decide, when a key was mentioned. Without any the key is enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Logic {
    /// One of them must be mentioned, too.
    #[default]
    AndAny,
    /// All of them must be mentioned, too.
    AndAll,
    /// None of them may be mentioned.
    NotAny,
    /// Not all of them may be mentioned.
    NotAll,
}

/// A piece of a lorebook.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What reports call it.
    pub id: String,
    /// One of them must be mentioned.
    pub keys: Vec<Key>,
    /// More keys, that decide as `logic` says.
    pub secondary: Vec<Key>,
    /// How they decide.
    pub logic: Logic,
    /// Whether it is always awake.
    pub constant: bool,
    /// Where it stands in the prompt: lower is higher up.
    pub order: i64,
    /// What stays when there is no room for all: the lowest goes first.
    pub priority: i64,
    /// Whether its text may wake others.
    pub wakes_others: bool,
    /// Whether the texts of others may wake it.
    pub woken_by_others: bool,
    /// What the model is told.
    pub content: String,
}

/// What must be mentioned.
#[derive(Debug, Clone)]
pub struct Key {
    /// As it is written in the book.
    written: String,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    /// The text, in small letters unless case counts.
    Plain {
        text: String,
        case_sensitive: bool,
        whole_words: bool,
    },
    Regex(Regex),
}

impl Key {
    /// A word or several. Unless said otherwise it counts as a whole word, if its script puts spaces
    /// between words.
    #[must_use]
    pub fn plain(key: &str, case_sensitive: bool, whole_words: Option<bool>) -> Self {
        let text: String = key.trim().nfc().collect();
        let text = if case_sensitive { text } else { text.to_lowercase() };
        let whole_words = whole_words.unwrap_or_else(|| text.chars().all(is_spaced));
        let matcher = Matcher::Plain { text, case_sensitive, whole_words };
        Self { written: key.to_owned(), matcher }
    }

    /// A regular expression, compiled by whoever knows how large it may be.
    #[must_use]
    pub fn regex(regex: Regex) -> Self {
        Self { written: regex.as_str().to_owned(), matcher: Matcher::Regex(regex) }
    }

    fn is_in(&self, text: &Text) -> bool {
        match &self.matcher {
            Matcher::Regex(regex) => regex.is_match(&text.written),
            Matcher::Plain { text: key, case_sensitive, whole_words } => {
                let text = if *case_sensitive { &text.written } else { &text.small };
                !key.is_empty() && mentions(text, key, *whole_words)
            }
        }
    }
}

/// What keys are looked for in.
struct Text {
    written: String,
    small: String,
}

impl Text {
    fn new(text: &str) -> Self {
        let written: String = text.nfc().collect();
        Self { small: written.to_lowercase(), written }
    }
}

fn mentions(text: &str, key: &str, whole_words: bool) -> bool {
    let is_letter = |char: Option<char>| char.is_some_and(|it| it.is_alphanumeric() || it == '_');
    // A key that begins with punctuation needs no border there.
    let (first, last) = (is_letter(key.chars().next()), is_letter(key.chars().next_back()));
    text.match_indices(key).any(|(start, _)| {
        let before = text.get(..start).and_then(|text| text.chars().next_back());
        let after = text.get(start + key.len()..).and_then(|text| text.chars().next());
        !whole_words || !((first && is_letter(before)) || (last && is_letter(after)))
    })
}

/// How far it may go.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How much all texts may be together, in what `size` measures.
    pub budget: usize,
    /// How many times entries may wake others; 0: never.
    pub recursion: usize,
}

/// The entries that wake for a text. `size` measures their texts, in characters or tokens. In the
/// prompt's order; entries of the same order as they come.
#[must_use]
pub fn wake(entries: &[Entry], text: &str, bounds: Bounds, size: impl Fn(&str) -> usize) -> Woken {
    let mut awake: Vec<(usize, WokenBy)> = Vec::new();
    let said = Text::new(text);
    for (place, entry) in entries.iter().enumerate() {
        awake.extend(wakes(entry, &said, &said, None).map(|by| (place, by)));
    }
    let mut scanned = 0;
    let mut everything = text.to_owned();
    for _ in 0..bounds.recursion {
        let round = scanned..awake.len();
        scanned = awake.len();
        let speakers: Vec<&Entry> = awake
            .get(round)
            .into_iter()
            .flatten()
            .filter_map(|(place, _)| entries.get(*place))
            .filter(|entry| entry.wakes_others)
            .collect();
        let mut sleeping: Vec<bool> = entries.iter().map(|entry| entry.woken_by_others).collect();
        for (place, _) in &awake {
            sleeping.get_mut(*place).into_iter().for_each(|sleeps| *sleeps = false);
        }
        for speaker in &speakers {
            everything.push('\n');
            everything.push_str(&speaker.content);
        }
        let everything = Text::new(&everything);
        for speaker in speakers {
            let content = Text::new(&speaker.content);
            for (place, entry) in entries.iter().enumerate() {
                if sleeping.get(place) == Some(&true)
                    && let Some(by) = wakes(entry, &content, &everything, Some(speaker))
                {
                    awake.push((place, by));
                    sleeping.get_mut(place).into_iter().for_each(|sleeps| *sleeps = false);
                }
            }
        }
    }
    within_budget(entries, awake, bounds.budget, size)
}

/// Whether an entry wakes: a key stands in `text`, and what stands `around` it agrees.
fn wakes(entry: &Entry, text: &Text, around: &Text, speaker: Option<&Entry>) -> Option<WokenBy> {
    if entry.constant {
        return Some(WokenBy::Constant);
    }
    let key = entry.keys.iter().find(|key| key.is_in(text))?;
    let secondary: Vec<String> = entry
        .secondary
        .iter()
        .filter(|key| key.is_in(around))
        .map(|key| key.written.clone())
        .collect();
    let (some, all) = (!secondary.is_empty(), secondary.len() == entry.secondary.len());
    let agrees = entry.secondary.is_empty()
        || match entry.logic {
            Logic::AndAny => some,
            Logic::AndAll => all,
            Logic::NotAny => !some,
            Logic::NotAll => !all,
        };
    agrees.then(|| WokenBy::Key {
        key: key.written.clone(),
        secondary,
        entry: speaker.map(|speaker| speaker.id.clone()),
    })
}

/// Leaves the lowest priority out until the rest fits; of the same priority the last in the prompt.
/// What would not even fit alone goes first, and takes no one's place.
fn within_budget(
    entries: &[Entry],
    awake: Vec<(usize, WokenBy)>,
    budget: usize,
    size: impl Fn(&str) -> usize,
) -> Woken {
    let mut all: Vec<(&Entry, usize, WokenBy)> = awake
        .into_iter()
        .filter_map(|(place, by)| entries.get(place).map(|entry| (entry, place, by)))
        .collect();
    all.sort_by_key(|(entry, place, _)| (entry.order, *place));
    let sizes: Vec<usize> = all.iter().map(|(entry, ..)| size(&entry.content)).collect();
    let mut by_priority: Vec<usize> = (0..all.len()).collect();
    by_priority.sort_by_key(|at| Reverse(all.get(*at).map(|(entry, ..)| entry.priority)));
    let mut kept = vec![false; all.len()];
    let mut used = 0_usize;
    for at in by_priority {
        let size = sizes.get(at).copied().unwrap_or_default();
        if size > budget {
            continue;
        }
        used = used.saturating_add(size);
        if used > budget {
            break;
        }
        kept.get_mut(at).into_iter().for_each(|kept| *kept = true);
    }
    let mut woken = Woken::default();
    for ((entry, _, by), kept) in all.into_iter().zip(kept) {
        let list = if kept { &mut woken.entries } else { &mut woken.no_room };
        list.push(WokenEntry { id: entry.id.clone(), content: entry.content.clone(), by });
    }
    woken
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Bounds = Bounds { budget: 10_000, recursion: 3 };

    fn entry(id: &str, keys: &[&str]) -> Entry {
        Entry {
            id: id.to_owned(),
            keys: keys.iter().map(|key| Key::plain(key, false, None)).collect(),
            secondary: Vec::new(),
            logic: Logic::AndAny,
            constant: false,
            order: 100,
            priority: 0,
            wakes_others: true,
            woken_by_others: true,
            content: format!("text of {id}"),
        }
    }

    fn ids(entries: &[WokenEntry]) -> Vec<&str> {
        entries.iter().map(|entry| &*entry.id).collect()
    }

    fn wake_all(entries: &[Entry], text: &str) -> Woken {
        wake(entries, text, WIDE, |text| text.chars().count())
    }

    fn is_awake(entry: Entry, text: &str) -> bool {
        !wake_all(&[entry], text).entries.is_empty()
    }

    #[test]
    fn keys_are_whole_words_where_there_are_words() {
        for (key, text, expected) in [
            ("cat", "The CAT sat", true),
            ("cat", "concatenate", false),
            ("cat", "cats", false),
            ("cat", "concatenate the cat", true),
            ("old mill", "to the Old Mill!", true),
            ("Ärger", "großer ärger", true),
            ("cafe\u{301}", "im Café", true),
            ("éa", "l'éa", true),
            ("银剑", "他的银剑丢了", true),
            ("ดาบ", "ดาบเงินของเขา", true),
            ("...", "well...no", true),
            ("", "anything", false),
            (" ", "any thing", false),
        ] {
            assert_eq!(is_awake(entry("x", &[key]), text), expected, "{key:?} in {text:?}");
        }
    }

    #[test]
    fn case_and_borders_are_as_the_entry_says() {
        let with = |key| Entry { keys: vec![key], ..entry("x", &[]) };
        assert!(!is_awake(with(Key::plain("Will", true, None)), "he will go"));
        assert!(is_awake(with(Key::plain("Will", true, None)), "ask Will"));
        assert!(is_awake(with(Key::plain("cat", false, Some(false))), "concatenate"));
        assert!(!is_awake(with(Key::plain("银剑", false, Some(true))), "他的银剑丢了"));
        let regex = || Key::regex(Regex::new(r"(?i)drag(on|ons)\b").unwrap());
        assert!(is_awake(with(regex()), "Dragons!"));
        assert!(!is_awake(with(regex()), "dragonfly"));
    }

    #[test]
    fn secondary_keys_decide_by_their_logic() {
        let check = |logic, expected: [bool; 3]| {
            let texts = ["the king", "the king and the crown", "king, crown and throne"];
            for (text, expected) in texts.iter().zip(expected) {
                let secondary = ["crown", "throne"].map(|key| Key::plain(key, false, None)).into();
                let entry = Entry { secondary, logic, ..entry("x", &["king"]) };
                assert_eq!(is_awake(entry.clone(), text), expected, "{logic:?} for {text:?}");
                assert!(!is_awake(entry, "crown"), "a key must be mentioned");
            }
        };
        check(Logic::AndAny, [false, true, true]);
        check(Logic::AndAll, [false, false, true]);
        check(Logic::NotAny, [true, false, false]);
        check(Logic::NotAll, [true, true, false]);
    }

    #[test]
    fn entries_wake_each_other_as_far_as_they_may() {
        let says = |id: &str, key: &str, content: &str| Entry {
            content: content.to_owned(),
            ..entry(id, &[key])
        };
        let book = [
            says("a", "mill", "The miller is Oswin."),
            says("b", "Oswin", "Oswin fears the river."),
            says("c", "river", "In the river lives Lio."),
            says("d", "Lio", "Lio knows the mill."),
        ];
        let reach = |book: &[Entry], recursion| {
            let woken = wake(book, "the mill", Bounds { recursion, ..WIDE }, str::len);
            woken.entries.len()
        };
        assert_eq!([0, 1, 2, 3, 9].map(|recursion| reach(&book, recursion)), [1, 2, 3, 4, 4]);
        let by = wake_all(&book, "the mill").entries[1].by.clone();
        let (key, secondary) = ("Oswin".to_owned(), Vec::new());
        assert_eq!(by, WokenBy::Key { key, secondary, entry: Some("a".to_owned()) });

        let mut silent = book.clone();
        silent[1].wakes_others = false;
        assert_eq!(reach(&silent, 9), 2);
        let mut deaf = book.clone();
        deaf[1].woken_by_others = false;
        assert_eq!(reach(&deaf, 9), 1);
        assert_eq!(ids(&wake_all(&deaf, "Oswin!").entries), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_lower_order_stands_higher_and_the_lowest_priority_goes_first() {
        let ranked = |id: &str, order, priority, length: usize| Entry {
            order,
            priority,
            constant: true,
            content: "x".repeat(length),
            ..entry(id, &[])
        };
        let book = [
            ranked("late", 200, 5, 40),
            ranked("early", 10, 1, 40),
            ranked("middle", 100, 3, 40),
            ranked("huge", 1, 9, 500),
        ];
        let check = |budget, kept: &[&str], left: &[&str]| {
            let woken = wake(&book, "", Bounds { budget, ..WIDE }, str::len);
            assert_eq!(ids(&woken.entries), kept, "within {budget}");
            assert_eq!(ids(&woken.no_room), left, "within {budget}");
        };
        check(1000, &["huge", "early", "middle", "late"], &[]);
        check(120, &["early", "middle", "late"], &["huge"]);
        check(119, &["middle", "late"], &["huge", "early"]);
        check(79, &["late"], &["huge", "early", "middle"]);
        check(0, &[], &["huge", "early", "middle", "late"]);
    }

    #[test]
    fn a_constant_entry_needs_no_key_and_says_so() {
        let book = [Entry { constant: true, ..entry("x", &["never"]) }];
        assert_eq!(wake_all(&book, "").entries[0].by, WokenBy::Constant);
    }
}
