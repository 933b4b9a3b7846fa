//! What an agent can say of itself and its world: sentences of its dossier, put into its own mouth.
//! A dossier speaks to the agent (*you keep the inn*) or of it (*Bram keeps the inn*); sentences
//! that can't be turned into the first person safely are left alone.

use super::words::{key_words, overlap};
use crate::llm::Cue;

/// Sections that are meant for the agent alone.
const PRIVATE: [&str; 9] =
    ["secret", "private", "hidden", "nobody", "instruction", "rule", "style", "format", "example"];

/// A sentence of the dossier, as the agent would say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub sentence: String,
    words: Vec<String>,
    title: Vec<String>,
}

/// All that can be said, in the order of the dossier.
pub fn facts(cue: &Cue) -> Vec<Fact> {
    let open = cue.sections.iter().filter(|section| {
        let title = section.title.to_lowercase();
        !PRIVATE.iter().any(|word| title.contains(word))
    });
    open.flat_map(|section| {
        let title = key_words(&section.title);
        sentences(&section.text).into_iter().filter_map(move |sentence| {
            let words = key_words(&sentence);
            let sentence = first_person(&sentence, &cue.name)?;
            Some(Fact { sentence, words, title: title.clone() })
        })
    })
    .collect()
}

/// The fact that says most about what was asked.
pub fn about<'a>(facts: &'a [Fact], asked: &[String]) -> Option<&'a Fact> {
    let score = |fact: &Fact| overlap(asked, &fact.words) * 2 + overlap(asked, &fact.title).min(1);
    // Of equals the first: `max_by_key` would take the last.
    facts.iter().rev().max_by_key(|fact| score(fact)).filter(|fact| score(fact) > 0)
}

fn sentences(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for line in text.lines() {
        let line = line.trim().trim_start_matches(['-', '*', '•', '#', ' ']);
        let mut sentence = String::new();
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            sentence.push(character);
            let ends = matches!(character, '.' | '!' | '?');
            if ends && characters.peek().is_none_or(|next| next.is_whitespace()) {
                out.push(std::mem::take(&mut sentence));
            }
        }
        out.push(sentence);
    }
    out.iter().map(|sentence| sentence.trim()).filter(|it| speakable(it)).map(finished).collect()
}

/// Whole sentences of a speakable length; no `key: value` lines, no markup.
fn speakable(sentence: &str) -> bool {
    let words = sentence.split_whitespace().count();
    (3..=40).contains(&words) && !sentence.contains(['<', '>', '{', '}', ':', '|', '='])
}

fn finished(sentence: &str) -> String {
    let ends = sentence.ends_with(['.', '!', '?']);
    if ends { sentence.to_owned() } else { format!("{sentence}.") }
}

fn first_person(sentence: &str, name: &str) -> Option<String> {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    let plain = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let first_name = name.split_whitespace().next().unwrap_or(name);
    let own = subject_length(&words, name, first_name);
    let tail = words.get(own..).unwrap_or_default();
    let lower: Vec<String> = words.iter().map(|word| plain(word)).collect();
    let speaks_to = lower.iter().any(|word| matches!(word.as_str(), "you" | "your" | "yourself"));
    if speaks_to {
        return Some(capital(&from_second_person(&words)));
    }
    let third = |word: &str| matches!(word, "he" | "she" | "they" | "his" | "her" | "him");
    if own == 0 {
        // Of somebody or something else; with a pronoun it could be the agent after all.
        let names_self = !first_name.is_empty() && sentence.contains(first_name);
        let unclear = lower.iter().any(|word| third(word));
        return (!names_self && !unclear).then(|| sentence.to_owned());
    }
    // Verbs after a second `he` would need turning too.
    if tail.iter().any(|word| matches!(plain(word).as_str(), "he" | "she" | "they" | "him")) {
        return None;
    }
    let mut out = vec!["I".to_owned()];
    for (index, word) in tail.iter().enumerate() {
        out.push(match (index, plain(word).as_str()) {
            (0, verb) => swap(word, &first_person_verb(verb)?),
            (_, "his" | "her") => swap(word, "my"),
            (_, "himself" | "herself") => swap(word, "myself"),
            _ => (*word).to_owned(),
        });
    }
    Some(out.join(" "))
}

/// How many words of the sentence's beginning name the agent.
fn subject_length(words: &[&str], name: &str, first_name: &str) -> usize {
    let full: Vec<&str> = name.split_whitespace().collect();
    if !full.is_empty() && words.starts_with(&full) {
        full.len()
    } else {
        let first = words.first().copied().unwrap_or_default();
        usize::from(first == first_name || matches!(first, "He" | "She"))
    }
}

/// `keeps` → `keep`; `None` where the word is no verb in the third person.
fn first_person_verb(verb: &str) -> Option<String> {
    let known = match verb {
        "always" | "sometimes" | "perhaps" => return None,
        "is" => "am",
        "has" => "have",
        "does" => "do",
        "was" | "had" | "did" | "can" | "could" | "will" | "would" | "may" | "might" | "must"
        | "should" | "grew" | "came" | "lost" | "won" | "found" | "knew" | "fought" | "left"
        | "saw" => verb,
        _ => "",
    };
    if !known.is_empty() {
        return Some(known.to_owned());
    }
    let doubled = ["sses", "shes", "ches", "xes", "zes", "oes"];
    if let Some(stem) = verb.strip_suffix("ies") {
        return Some(format!("{stem}y"));
    }
    if doubled.iter().any(|end| verb.ends_with(end)) {
        return verb.strip_suffix("es").map(str::to_owned);
    }
    if verb.ends_with("ed") {
        return Some(verb.to_owned());
    }
    verb.strip_suffix('s').filter(|stem| !stem.ends_with('s')).map(str::to_owned)
}

fn from_second_person(words: &[&str]) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut subject = false;
    for word in words {
        let lower = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let before = out.last().map(|last| last.to_lowercase()).unwrap_or_default();
        let begins = out.is_empty()
            || before.ends_with([',', ';', '.'])
            || matches!(
                before.as_str(),
                "and"
                    | "that"
                    | "because"
                    | "when"
                    | "what"
                    | "if"
                    | "but"
                    | "since"
                    | "where"
                    | "who"
                    | "as"
                    | "while"
                    | "though"
                    | "before"
                    | "after"
            );
        out.push(match lower.as_str() {
            "you" if begins => swap(word, "I"),
            "you" => swap(word, "me"),
            "your" => swap(word, "my"),
            "yours" => swap(word, "mine"),
            "yourself" => swap(word, "myself"),
            "are" if subject => swap(word, "am"),
            "were" if subject => swap(word, "was"),
            "aren't" if subject => "am not".to_owned(),
            _ => (*word).to_owned(),
        });
        subject = lower == "you" && begins;
    }
    out.join(" ")
}

/// The word with its punctuation, but other letters.
fn swap(word: &str, letters: &str) -> String {
    let tail = word.trim_end_matches(|c: char| !c.is_alphanumeric());
    format!("{letters}{}", word.strip_prefix(tail).unwrap_or_default())
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dossier_is_told_in_the_first_person_or_not_at_all() {
        for (sentence, expected) in [
            ("Bram keeps the Gilded Flagon.", Some("I keep the Gilded Flagon.")),
            (
                "Bram Oak is a big man with his own brewery.",
                Some("I am a big man with my own brewery."),
            ),
            ("He watches the road and worries.", Some("I watch the road and worries.")),
            ("She was born here.", Some("I was born here.")),
            ("You are the keeper of the mill.", Some("I am the keeper of the mill.")),
            ("Your brother owes you money.", Some("My brother owes me money.")),
            ("When you are tired, you were at sea.", Some("When I am tired, I was at sea.")),
            (
                "The bridge has been out since spring.",
                Some("The bridge has been out since spring."),
            ),
            ("The Baron hates Bram.", None),
            ("The Baron fears his wife.", None),
            ("Bram thinks he is clever.", None),
            ("Bram always lies.", None),
        ] {
            assert_eq!(first_person(sentence, "Bram Oak").as_deref(), expected, "{sentence}");
        }
    }

    #[test]
    fn only_whole_sentences_are_told() {
        let text = "- The mill burnt down. Nobody\n* age: 40\nlord <b>\nThe road is 3.5 miles long";
        assert_eq!(sentences(text), ["The mill burnt down.", "The road is 3.5 miles long."]);
    }
}
