//! The sections of a prompt: headed texts of the system message and of the present situation, each
//! with its rank, and what gives way when there is no room for all. Pure.

use std::cmp::Reverse;

use crate::record::{Fate, SectionReport};

use super::window::tokens;

/// Less of a section than this, in characters, is not worth showing.
const LEAST_CHARS: usize = 200;

/// The place between two words that is nearest to a cut is no farther than this, in characters, unless
/// the text has no spaces between words.
const LONGEST_WORD: usize = 40;

/// Stands where a text was cut.
const CUT: &str = " …";

/// Which message a section stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The system message, which stays the same from turn to turn.
    System,
    /// The present situation, at the end.
    Context,
}

/// A section.
#[derive(Debug, Clone)]
pub struct Section {
    /// What reports call it.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Its heading, if it has one.
    heading: String,
    body: String,
    /// The highest rank gives way first; 0 never does.
    rank: u32,
    /// The body's length before anything gave way.
    wanted: usize,
}

impl Section {
    /// A section that never gives way. Without a heading its body stands alone.
    pub fn new(place: Place, name: &str, heading: &str, body: String) -> Self {
        let wanted = body.chars().count();
        Self { name: name.to_owned(), place, heading: heading.to_owned(), body, rank: 0, wanted }
    }

    /// The same, which gives way: the highest rank first.
    pub fn ranked(mut self, rank: u32) -> Self {
        self.rank = rank;
        self
    }

    /// Its length in characters; nothing is left of one without a body.
    pub fn chars(&self) -> usize {
        if self.body.is_empty() { 0 } else { self.around() + self.body.chars().count() }
    }

    /// Heading and line ends.
    fn around(&self) -> usize {
        let heading = self.heading.chars().count();
        2 + heading + usize::from(heading > 0)
    }

    /// Adds it to a message, a blank line before it.
    pub fn write(&self, out: &mut String) {
        if self.body.is_empty() {
            return;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        for line in [&self.heading, &self.body].into_iter().filter(|line| !line.is_empty()) {
            out.push_str(line);
            out.push('\n');
        }
    }

    /// Gives way by `excess` characters or more, or as far as it can; how much it did.
    fn shrink(&mut self, excess: usize) -> usize {
        let before = self.chars();
        let left = self.body.chars().count().saturating_sub(excess + CUT.chars().count());
        if left >= LEAST_CHARS {
            self.body.truncate(end_of_words(first_chars(&self.body, left)));
            self.body.truncate(self.body.trim_end().len());
            self.body.push_str(CUT);
        } else {
            self.body.clear();
        }
        before - self.chars().min(before)
    }

    /// What is told of it.
    pub fn report(&self) -> SectionReport {
        let chars = self.body.chars().count();
        let fate = match chars {
            0 => Fate::Dropped,
            some if some < self.wanted => Fate::Trimmed,
            _ => Fate::Included,
        };
        let wanted = tokens(self.around() + self.wanted);
        SectionReport { name: self.name.clone(), tokens: tokens(self.chars()), wanted, fate }
    }
}

/// Makes the sections fit `room` characters, as far as they may give way.
pub fn fit(sections: &mut [Section], room: usize) {
    let all: usize = sections.iter().map(Section::chars).sum();
    let mut excess = all.saturating_sub(room);
    let mut yielding: Vec<&mut Section> =
        sections.iter_mut().filter(|section| section.rank > 0).collect();
    yielding.sort_by_key(|section| Reverse(section.rank));
    for section in yielding {
        if excess == 0 {
            return;
        }
        excess = excess.saturating_sub(section.shrink(excess));
    }
}

/// Where the last whole word of a text that was cut ends; at its end, if that isn't near.
fn end_of_words(text: &str) -> usize {
    let word = |start: usize| text.get(start..).unwrap_or_default().chars().count();
    let space = text.rfind(char::is_whitespace).filter(|space| word(*space) <= LONGEST_WORD);
    space.unwrap_or(text.len())
}

/// The first characters of a text.
pub fn first_chars(text: &str, count: usize) -> &str {
    let end = text.char_indices().nth(count).map(|(end, _)| end);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The last characters of a text.
pub fn last_chars(text: &str, count: usize) -> &str {
    let skipped = text.chars().count().saturating_sub(count);
    let start = text.char_indices().nth(skipped).map_or(text.len(), |(start, _)| start);
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &str, rank: u32, words: usize) -> Section {
        Section::new(Place::Context, name, "# H", "word ".repeat(words).trim().to_owned())
            .ranked(rank)
    }

    fn fates(sections: &[Section]) -> Vec<Fate> {
        sections.iter().map(|section| section.report().fate).collect()
    }

    #[test]
    fn the_highest_rank_gives_way_first_and_rank_0_never() {
        use Fate::{Dropped, Included, Trimmed};
        let all = [section("a", 0, 100), section("b", 1, 100), section("c", 2, 100)];
        let whole: usize = all.iter().map(Section::chars).sum();
        let check = |room: usize, expected: [Fate; 3]| {
            let mut sections = all.clone();
            fit(&mut sections, room);
            assert_eq!(fates(&sections), expected, "{room}");
            let chars: usize = sections.iter().map(Section::chars).sum();
            assert!(chars <= room.max(all[0].chars()), "{chars} in {room}");
        };
        check(whole, [Included, Included, Included]);
        check(whole - 1, [Included, Included, Trimmed]);
        check(whole - 250, [Included, Included, Trimmed]);
        check(whole - 400, [Included, Included, Dropped]);
        check(whole - 600, [Included, Trimmed, Dropped]);
        check(10, [Included, Dropped, Dropped]);
    }

    #[test]
    fn a_text_is_cut_between_words_where_its_script_has_spaces() {
        let check = |text: String, expected: String| {
            let mut sections = [Section::new(Place::Context, "a", "", text).ranked(1)];
            fit(&mut sections, 300);
            let mut out = String::new();
            sections[0].write(&mut out);
            assert_eq!(out.trim_end(), expected);
            assert!(sections[0].chars() <= 300);
        };
        check("word ".repeat(100), format!("{} …", "word ".repeat(59).trim()));
        check("山".repeat(500), format!("{} …", "山".repeat(296)));
        let heading = "第一 ";
        check(heading.to_owned() + &"山".repeat(500), format!("{heading}{} …", "山".repeat(293)));
    }

    #[test]
    fn its_length_is_that_of_what_is_written() {
        for section in [
            section("a", 0, 3),
            Section::new(Place::System, "b", "", "You are she.".to_owned()),
            Section::new(Place::System, "c", "# H", String::new()),
        ] {
            let mut out = "before\n".to_owned();
            section.write(&mut out);
            assert_eq!(out.chars().count() - 7, section.chars(), "{}", section.name);
        }
    }
}
