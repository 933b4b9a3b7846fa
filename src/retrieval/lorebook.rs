//! Which entries of a lorebook wake: by their keys, by each other's texts, within a budget. Pure;
//! whoever reads the books compiles the keys, once.

use std::cmp::Reverse;

use dramatis_protocol::assets::SecondaryLogic;
use unicode_normalization::UnicodeNormalization;

use super::terms::is_spaced;
use crate::assets::{Entry, Key};
use crate::record::{Woken, WokenBy, WokenEntry};

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

/// Whether one of an entry's keys stands in a text.
fn is_in(key: &Key, entry: &Entry, text: &Text) -> bool {
    match key {
        Key::Regex(regex) => regex.is_match(&text.written),
        Key::Text { folded, .. } => {
            let text = if entry.case_sensitive { &text.written } else { &text.small };
            !folded.is_empty() && mentions(text, folded, entry.whole_words)
        }
    }
}

/// Unless said otherwise a key counts as a whole word, if its script puts spaces between words.
fn mentions(text: &str, key: &str, whole_words: Option<bool>) -> bool {
    let is_letter = |char: Option<char>| char.is_some_and(|it| it.is_alphanumeric() || it == '_');
    text.match_indices(key).any(|(start, _)| {
        let whole_words = whole_words.unwrap_or_else(|| key.chars().all(is_spaced));
        // A key that begins with punctuation needs no border there.
        let (first, last) = (is_letter(key.chars().next()), is_letter(key.chars().next_back()));
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
pub fn wake(entries: &[&Entry], text: &str, bounds: Bounds, size: impl Fn(&str) -> usize) -> Woken {
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
            .filter_map(|(place, _)| entries.get(*place).copied())
            .filter(|entry| entry.recursion.wakes_others)
            .collect();
        if speakers.is_empty() {
            break;
        }
        let mut sleeping: Vec<bool> =
            entries.iter().map(|entry| entry.recursion.woken_by_others).collect();
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
    let key = entry.keys.iter().find(|key| is_in(key, entry, text))?;
    let secondary = entry.secondary_keys.iter().filter(|key| is_in(key, entry, around));
    let secondary: Vec<String> = secondary.map(|key| key.as_str().to_owned()).collect();
    let (some, all) = (!secondary.is_empty(), secondary.len() == entry.secondary_keys.len());
    let agrees = entry.secondary_keys.is_empty()
        || match entry.secondary_logic {
            SecondaryLogic::AndAny => some,
            SecondaryLogic::AndAll => all,
            SecondaryLogic::NotAny => !some,
            SecondaryLogic::NotAll => !all,
        };
    agrees.then(|| WokenBy::Key {
        key: key.as_str().to_owned(),
        secondary,
        entry: speaker.map(|speaker| speaker.label().to_owned()),
    })
}

/// Leaves the lowest priority out until the rest fits; of the same priority the last in the prompt.
/// What would not even fit alone goes first, and takes no one's place.
fn within_budget(
    entries: &[&Entry],
    awake: Vec<(usize, WokenBy)>,
    budget: usize,
    size: impl Fn(&str) -> usize,
) -> Woken {
    let mut all: Vec<(&Entry, usize, WokenBy)> = awake
        .into_iter()
        .filter_map(|(place, by)| entries.get(place).map(|entry| (*entry, place, by)))
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
        let (id, content) = (entry.label().to_owned(), entry.content.clone());
        list.push(WokenEntry { id, content, by });
    }
    woken
}

#[cfg(test)]
mod tests {
    use dramatis_protocol::assets::Recursion;

    use super::*;

    const WIDE: Bounds = Bounds { budget: 10_000, recursion: 3 };

    fn entry(id: &str, keys: &[&str]) -> Entry {
        Entry {
            id: Some(id.into()),
            name: None,
            keys: keys.iter().map(|key| plain(key)).collect(),
            secondary_keys: Vec::new(),
            secondary_logic: SecondaryLogic::AndAny,
            case_sensitive: false,
            whole_words: None,
            constant: false,
            order: 100,
            priority: 0,
            content: format!("text of {id}"),
            recursion: Recursion::default(),
        }
    }

    fn plain(key: &str) -> Key {
        Key::new(key, false, false).unwrap().0
    }

    fn wake(entries: &[Entry], text: &str, bounds: Bounds) -> Woken {
        super::wake(&entries.iter().collect::<Vec<_>>(), text, bounds, str::len)
    }

    fn ids(entries: &[WokenEntry]) -> Vec<&str> {
        entries.iter().map(|entry| &*entry.id).collect()
    }

    fn wake_all(entries: &[Entry], text: &str) -> Woken {
        wake(entries, text, WIDE)
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
        ] {
            assert_eq!(is_awake(entry("x", &[key]), text), expected, "{key:?} in {text:?}");
        }
    }

    #[test]
    fn case_and_borders_are_as_the_entry_says() {
        let case_counts = Entry {
            case_sensitive: true,
            keys: vec![Key::new("Will", false, true).unwrap().0],
            ..entry("x", &[])
        };
        assert!(!is_awake(case_counts.clone(), "he will go"));
        assert!(is_awake(case_counts, "ask Will"));
        let whole = |key, whole| Entry { whole_words: Some(whole), ..entry("x", &[key]) };
        assert!(is_awake(whole("cat", false), "concatenate"));
        assert!(!is_awake(whole("银剑", true), "他的银剑丢了"));
        let regex = || Entry {
            keys: vec![Key::new(r"drag(on|ons)\b", true, false).unwrap().0],
            ..entry("x", &[])
        };
        assert!(is_awake(regex(), "Dragons!"));
        assert!(!is_awake(regex(), "dragonfly"));
    }

    #[test]
    fn secondary_keys_decide_by_their_logic() {
        let check = |logic, expected: [bool; 3]| {
            let texts = ["the king", "the king and the crown", "king, crown and throne"];
            for (text, expected) in texts.iter().zip(expected) {
                let secondary = ["crown", "throne"].map(plain).into();
                let entry = Entry {
                    secondary_keys: secondary,
                    secondary_logic: logic,
                    ..entry("x", &["king"])
                };
                assert_eq!(is_awake(entry.clone(), text), expected, "{logic:?} for {text:?}");
                assert!(!is_awake(entry, "crown"), "a key must be mentioned");
            }
        };
        check(SecondaryLogic::AndAny, [false, true, true]);
        check(SecondaryLogic::AndAll, [false, false, true]);
        check(SecondaryLogic::NotAny, [true, false, false]);
        check(SecondaryLogic::NotAll, [true, true, false]);
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
            let woken = wake(book, "the mill", Bounds { recursion, ..WIDE });
            woken.entries.len()
        };
        assert_eq!([0, 1, 2, 3, 9].map(|recursion| reach(&book, recursion)), [1, 2, 3, 4, 4]);
        let by = wake_all(&book, "the mill").entries[1].by.clone();
        let (key, secondary) = ("Oswin".to_owned(), Vec::new());
        assert_eq!(by, WokenBy::Key { key, secondary, entry: Some("a".to_owned()) });

        let mut silent = book.clone();
        silent[1].recursion.wakes_others = false;
        assert_eq!(reach(&silent, 9), 2);
        let mut deaf = book.clone();
        deaf[1].recursion.woken_by_others = false;
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
            let woken = wake(&book, "", Bounds { budget, ..WIDE });
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
