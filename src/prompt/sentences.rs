//! How our own sentences come into a prompt: filled, and with the marks around them by which a model
//! tells them from anybody's words. The sentences themselves are a designer's or the English ones
//! ([`Sentences`]); nothing else in `prompt` holds words that a model reads.

use dramatis_protocol::Sentences;
use dramatis_protocol::sentences::{Form, fill};
use unicode_normalization::UnicodeNormalization as _;

use super::quote;

/// The sentences of one prompt, and what no name may begin with because one of them does.
#[derive(Debug)]
pub struct Say<'a> {
    /// The sentences.
    pub own: &'a Sentences,
    /// Folded; none is empty.
    beginnings: Vec<String>,
}

impl<'a> Say<'a> {
    /// Goes through the sentences once, so that it isn't done for each name.
    pub fn new(own: &'a Sentences) -> Self {
        let told = own.each().filter(|told| matches!(told.form, Form::Line | Form::Note));
        let mut beginnings: Vec<String> = told.map(|told| beginning(told.text)).collect();
        // How the character is addressed, as notes do, too.
        let address = beginning(&own.you_are);
        beginnings.extend(address.split(' ').next().map(str::to_owned));
        beginnings.retain(|beginning| !beginning.is_empty());
        beginnings.sort_unstable();
        beginnings.dedup();
        Self { own, beginnings }
    }

    /// Whether a name begins as a line of ours does.
    pub fn could_be(&self, name: &str) -> bool {
        let name = folded(name);
        self.beginnings.iter().any(|beginning| name.starts_with(beginning))
    }

    pub fn data(&self, data: &str) -> String {
        fill(&self.own.data, &[("data", data)])
    }

    pub fn tool_answered(&self, tool: &str, output: &str) -> String {
        fill(&self.own.tool_answered, &[("tool", tool), ("output", output)])
    }

    pub fn tool_failed(&self, tool: &str, output: &str) -> String {
        fill(&self.own.tool_failed, &[("tool", tool), ("output", output)])
    }

    pub fn called(&self, tool: &str, arguments: &str) -> String {
        note(&fill(&self.own.called, &[("tool", tool), ("arguments", arguments)]))
    }

    pub fn never_answered(&self, tool: &str) -> String {
        note(&fill(&self.own.never_answered, &[("tool", tool)]))
    }
}

/// The heading of a part of a message.
pub fn heading(words: &str) -> String {
    format!("### {words} ###")
}

/// A note on the character's own turn.
pub fn note(words: &str) -> String {
    format!("({words})")
}

/// A note on what became of a tag.
pub fn note_of(template: &str, what: &str) -> String {
    note(&fill(template, &[("what", what)]))
}

/// What a sentence begins with, as far as a name without quotes could: up to its first placeholder or
/// mark.
fn beginning(sentence: &str) -> String {
    let normal: String = sentence.nfkc().collect();
    let own = normal.split(|c| !quote::is_of_name(c)).next().unwrap_or_default();
    let own = own.trim_end_matches(|c: char| !c.is_alphanumeric());
    folded(&own.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The same for all that look alike: whatever the case, however a letter is put together.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sentences: &Sentences, name: &str, expected: bool) {
        assert_eq!(Say::new(sentences).could_be(name), expected, "{name}");
    }

    #[test]
    fn no_name_begins_as_our_lines_do() {
        let english = Sentences::default();
        for name in ["In passing", "IN PASSING by", "Tool look_up", "You", "Something happens"] {
            check(&english, name, true);
        }
        for name in ["Not done", "Ｉｎ ｐａｓｓｉｎｇ", "The scene goes on"] {
            check(&english, name, true);
        }
        for name in ["Ines", "In", "Aldo", "Thea", "", "Something"] {
            check(&english, name, false);
        }
    }

    #[test]
    fn nor_as_they_do_in_another_language() {
        let sentences = Sentences {
            you_are: "Du bist {name}.".to_owned(),
            // With the dots as a character of their own.
            in_passing: "U\u{308}brigens, nebenbei".to_owned(),
            something_happens: "ES  GESCHIEHT ETWAS GROSSES".to_owned(),
            tool_answered: "工具{tool}回答：{output}".to_owned(),
            ..Sentences::default()
        };
        for name in ["Übrigens", "ÜBRIGENS Aldo", "Es geschieht etwas großes", "du", "Du wurdest"]
        {
            check(&sentences, name, true);
        }
        check(&sentences, "工具look_up", true);
        for name in ["Uwe", "Es geschieht", "In passing"] {
            check(&sentences, name, false);
        }
    }
}
