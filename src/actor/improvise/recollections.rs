//! What an agent remembers of earlier conversations, as it would say it: who said what, in the words
//! that were said. A memory has a line for each who spoke (`Aldo: Good evening`).

use super::mood::is_chat;
use super::words::{key_words, overlap, words};
use crate::llm::Cue;

/// Longest sentence that is said again, in characters.
const SENTENCE_CHARS: usize = 240;

/// Who asks with these asks for what was said, not for what is so.
const ASKS_FOR_IT: [&str; 8] =
    ["remember", "recall", "told", "yesterday", "last", "before", "earlier", "again"];

/// A sentence that somebody once said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recollection {
    /// As the agent would tell it.
    pub sentence: String,
    /// How many of the words that were asked for it has.
    pub overlap: usize,
}

/// Whether somebody wants to know what was said before.
pub fn asks_for_it(text: &str) -> bool {
    words(text).iter().any(|word| ASKS_FOR_IT.contains(&word.as_str()))
}

/// What has most to do with what was asked; of equals the latest.
pub fn about(cue: &Cue, asked: &[String]) -> Option<Recollection> {
    let lines = cue.memories.iter().flat_map(|memory| memory.lines());
    let sentences = lines
        .filter_map(Line::read)
        .flat_map(|line| line.sentences().map(move |said| (line.who, said)).collect::<Vec<_>>());
    let scored = sentences.map(|(who, said)| (overlap(asked, &key_words(said)), who, said));
    let (overlap, who, said) = scored.max_by_key(|(overlap, ..)| *overlap)?;
    (overlap > 0).then(|| Recollection { sentence: told(cue, who, said), overlap })
}

fn told(cue: &Cue, who: &str, said: &str) -> String {
    let is = |name: &str| !name.is_empty() && name.trim().eq_ignore_ascii_case(who);
    match cue.speaker.as_deref() {
        _ if is(&cue.name) => format!("I said: “{said}”"),
        Some(speaker) if is(speaker) => format!("You told me: “{said}”"),
        None if is_chat(cue) => format!("You told me: “{said}”"),
        _ => format!("{who} said: “{said}”"),
    }
}

/// A line of a memory.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    who: &'a str,
    said: &'a str,
}

impl<'a> Line<'a> {
    /// One that says who spoke. What happened is told by nobody and not told again.
    fn read(line: &'a str) -> Option<Self> {
        let (who, said) = line.split_once(": ")?;
        let is_name = who.split_whitespace().count() <= 3 && !who.contains(['.', '"', '{']);
        (is_name && !who.trim().is_empty()).then(|| Self { who: who.trim(), said: said.trim() })
    }

    /// The sentences, without what stands in brackets: that was done, not said.
    fn sentences(self) -> impl Iterator<Item = &'a str> {
        let spoken = self.said.split('(').map(|part| part.split_once(')').map_or(part, |it| it.1));
        let sentences = spoken.flat_map(|part| part.split_inclusive(['.', '!', '?', '…', '。']));
        sentences.map(str::trim).filter(|sentence| {
            let chars = sentence.chars().count();
            (2..=SENTENCE_CHARS).contains(&chars) && !sentence.contains(['<', '>', '“', '”'])
        })
    }
}
