//! What the newest event asks for: a greeting back, an answer, a hand. Told from a few plain words,
//! of what was said or of the event's type.

use super::words::words;
use crate::llm::Cue;

/// How a reply should sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Greeting,
    Farewell,
    Thanks,
    Threat,
    Request,
    Question,
    /// Something was said that is none of these.
    Remark,
    /// Somebody came.
    Arrival,
    /// Something happened.
    Happening,
}

const THREAT: &[&str] = &[
    "kill",
    "die",
    "attack",
    "stab",
    "fight",
    "hurt",
    "threat",
    "threaten",
    "surrender",
    "coward",
    "idiot",
    "liar",
];
const FAREWELL: &[&str] = &["goodbye", "bye", "farewell", "leaving"];
const GREETING: &[&str] = &["hello", "hi", "hey", "greetings", "hail", "welcome", "greeting"];
const THANKS: &[&str] = &["thank", "thanks", "grateful", "appreciate", "cheers"];
const REQUEST: &[&str] = &[
    "please", "give", "show", "bring", "help", "open", "close", "sell", "buy", "serve", "pour",
    "follow", "take", "fetch", "lend", "need", "want", "order",
];
const QUESTION: &[&str] = &[
    "what", "who", "where", "when", "why", "how", "which", "whose", "is", "are", "do", "does",
    "did", "can", "could", "will", "would", "have", "has", "tell", "any",
];

/// The same in the types of events, which are words of the game and not of its people.
const ALARM: &[&str] = &[
    "attack",
    "attacks",
    "attacked",
    "damage",
    "damaged",
    "hit",
    "shot",
    "explosion",
    "gunfire",
    "combat",
    "robbery",
    "threat",
    "threatened",
];
const DEPARTURE: &[&str] = &["leave", "leaves", "left", "departed", "exit", "exited", "farewell"];
const GIFT: &[&str] = &["gift", "give", "gives", "given", "gave", "thanked"];
const ARRIVAL: &[&str] = &[
    "enter",
    "enters",
    "entered",
    "arrive",
    "arrived",
    "approach",
    "approached",
    "approaches",
    "join",
    "joined",
    "nearby",
    "spotted",
    "appeared",
    "seen",
    "sight",
    "proximity",
];

/// Whether the agent has no tags, as in a chat: then everything was said to it.
pub fn is_chat(cue: &Cue) -> bool {
    cue.vocabulary.tags().is_empty()
}

impl Mood {
    /// The mood for a cue.
    pub fn of(cue: &Cue) -> Self {
        match cue.text.as_deref().filter(|text| !text.trim().is_empty()) {
            Some(text) => match Self::of_text(text) {
                // What nobody said has happened; but in a chat somebody without a name has said it.
                Self::Remark if cue.speaker.is_none() && !is_chat(cue) => Self::Happening,
                mood => mood,
            },
            None => Self::of_event(cue.event_type.as_deref().unwrap_or_default()),
        }
    }

    fn of_text(text: &str) -> Self {
        let words = words(text);
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let begins =
            |list: &[&str]| words.first().is_some_and(|word| list.contains(&word.as_str()));
        let asks = text.contains('?');
        // A greeting with a question in it is the question.
        if has(THREAT) && !asks {
            Self::Threat
        } else if has(REQUEST) && (has(&["please", "me", "i", "we", "us"]) || begins(REQUEST)) {
            Self::Request
        } else if asks || begins(QUESTION) {
            Self::Question
        } else if has(THANKS) {
            Self::Thanks
        } else if has(FAREWELL) {
            Self::Farewell
        } else if has(GREETING) || good_time_of_day(&words) {
            Self::Greeting
        } else {
            Self::Remark
        }
    }

    fn of_event(event: &str) -> Self {
        let words = words(&event.replace(['_', '-', '.', ':'], " "));
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        if has(ALARM) {
            Self::Threat
        } else if has(DEPARTURE) {
            Self::Farewell
        } else if has(ARRIVAL) || has(GREETING) || words.is_empty() {
            Self::Arrival
        } else if has(GIFT) {
            Self::Thanks
        } else {
            Self::Happening
        }
    }
}

fn good_time_of_day(words: &[String]) -> bool {
    let time = ["morning", "day", "evening", "afternoon", "night"];
    words.iter().zip(words.iter().skip(1)).any(|(a, b)| a == "good" && time.contains(&b.as_str()))
}
