//! What is wrong with a sentence, told so that its author can mend it. What passes here can be used
//! in any prompt, and leaves the marks of prompts recognisable.

use std::collections::BTreeSet;

use super::template::{Piece, pieces};
use super::{Form, Sentence, Sentences};

/// Why a sentence can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The sentence's key.
    pub key: &'static str,
    /// Which one of a list, from 0.
    pub item: Option<usize>,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl Sentences {
    /// What can't be used, at most one thing of each sentence. White space around them is ignored.
    #[must_use]
    pub fn wrong(&self) -> Vec<Wrong> {
        let sentences = self.each().filter_map(|sentence| {
            let key = sentence.key;
            wrong_with(&sentence).map(|reason| Wrong { key, item: None, reason })
        });
        let rules = self.rules.iter().enumerate().filter_map(|(number, text)| {
            let rule = Sentence { key: "rules", form: Form::Words, text, english: "" };
            let item = Some(number);
            wrong_with(&rule).map(|reason| Wrong { key: "rules", item, reason })
        });
        let none = self.rules.is_empty().then(|| Wrong {
            key: "rules",
            item: None,
            reason: "`rules` has no rule: write at least one, or remove the key".to_owned(),
        });
        sentences.chain(rules).chain(none).collect()
    }
}

fn wrong_with(sentence: &Sentence<'_>) -> Option<String> {
    let key = sentence.key;
    let text = sentence.text.trim();
    if text.is_empty() {
        return Some(format!("`{key}` is empty: write the sentence, or remove it"));
    }
    if sentence.form != Form::Text && text.contains(ends_line) {
        return Some(format!("`{key}` must stay on one line: remove the line break"));
    }
    let is_out_of_place = |c: char| c.is_control() && c != '\n';
    if text.contains(is_out_of_place) || text.contains(['\u{2028}', '\u{2029}']) {
        return Some(format!("`{key}` holds a control character: remove it"));
    }
    if sentence.form != Form::Heading && text.lines().any(|line| line.trim().starts_with('#')) {
        return Some(format!(
            "`{key}` begins a line with `#`, as only headings do: begin it otherwise"
        ));
    }
    wrong_marks(sentence.form, text, key).or_else(|| wrong_placeholders(text, sentence))
}

/// Whether a character ends a line for some reader.
const fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The marks of prompts are the server's.
fn wrong_marks(form: Form, text: &str, key: &str) -> Option<String> {
    let reason = match form {
        Form::Heading if text.contains('#') => {
            "is the words of a heading, whose `#` are added: remove yours"
        }
        Form::Note if text.starts_with('(') && text.ends_with(')') => {
            "is put into round brackets: remove yours"
        }
        // What begins so can be kept out of names; a placeholder or a mark can't.
        Form::Line if !text.starts_with(char::is_alphanumeric) => {
            "must begin with a letter or a digit, so that nobody's name can be taken for it: put \
             a word in front"
        }
        _ => return None,
    };
    Some(format!("`{key}` {reason}"))
}

fn wrong_placeholders(text: &str, sentence: &Sentence<'_>) -> Option<String> {
    let key = sentence.key;
    let wanted = placeholders(sentence.english);
    let found = placeholders(text);
    let stray = |piece| matches!(piece, Piece::Text(text) if text.contains(['{', '}']));
    if let Some(name) = found.iter().find(|name| !wanted.contains(*name)) {
        let there = match wanted.is_empty() {
            true => "it has none".to_owned(),
            false => format!("there is {}", listed(&wanted)),
        };
        return Some(format!("`{{{name}}}` means nothing in `{key}`: remove it; {there}"));
    }
    if pieces(text).any(stray) {
        return Some(format!("`{key}` holds a brace that is none of a placeholder's: remove it"));
    }
    let missing: BTreeSet<&str> = wanted.difference(&found).copied().collect();
    (!missing.is_empty()).then(|| format!("`{key}` lacks {}: put it in", listed(&missing)))
}

fn placeholders(template: &str) -> BTreeSet<&str> {
    let name = |piece| match piece {
        Piece::Placeholder(name) => Some(name),
        Piece::Text(_) => None,
    };
    pieces(template).filter_map(name).collect()
}

fn listed(names: &BTreeSet<&str>) -> String {
    names.iter().map(|name| format!("`{{{name}}}`")).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_english_sentences_are_in_order() {
        assert_eq!(Sentences::default().wrong(), []);
    }

    #[test]
    fn what_cant_be_used_is_named_with_what_to_do() {
        let check = |key: &str, text: &str, expected: &str| {
            let file = json!({ key: text });
            let sentences: Sentences = serde_json::from_value(file).unwrap();
            let wrong = sentences.wrong();
            assert_eq!(wrong.len(), 1, "{key}: {text:?}: {wrong:?}");
            assert_eq!(wrong[0].key, key);
            assert!(wrong[0].reason.contains(expected), "{text:?}: {}", wrong[0].reason);
            assert!(wrong[0].reason.contains(&format!("`{key}`")), "{}", wrong[0].reason);
        };
        check("said", " \n", "is empty: write the sentence");
        for end in ["\n", "\r\n", "\u{b}", "\u{85}", "\u{2028}"] {
            check("goes_on", &format!("One.{end}Two."), "must stay on one line");
            check("events_heading", &format!("One{end}Two"), "must stay on one line");
        }
        check("role", "One.\rTwo.", "control character");
        check("role", "One.\u{2028}Two.", "control character");
        check("said", "a\u{7}b", "control character");
        check("events_heading", "### NOW ###", "whose `#` are added: remove yours");
        check("role", "One.\n  # Two", "begins a line with `#`");
        check("goes_on", "(Es geht weiter.)", "is put into round brackets: remove yours");
        for beginning in ["{tool} answered", "- {tool} answered", "\"{tool}\" answered"] {
            check("tool_answered", &format!("{beginning}: {{output}}"), "put a word in front");
        }
        check("you_are", "Du bist {wer}.", "`{wer}` means nothing in `you_are`: remove it; there");
        check("you_are", "Du bist {wer}.", "there is `{name}`");
        check("said", "{name} sagt", "it has none");
        check("you_are", "Du bist.", "lacks `{name}`: put it in");
        check("called", "Gerufen.", "lacks `{arguments}` and `{tool}`");
        check("you_are", "Du bist {{name}}.", "means nothing");
        check("you_are", "Du bist {name}}.", "holds a brace");
        check("you_are", "Du bist {name} {", "holds a brace");
    }

    #[test]
    fn a_list_is_told_of_by_its_items() {
        let with = |rules: &[&str]| {
            let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
            Sentences { rules, ..Sentences::default() }.wrong()
        };
        let wrong = with(&["Good.", " ", "a\nb", "{name}"]);
        let items: Vec<_> = wrong.iter().map(|wrong| wrong.item).collect();
        assert_eq!(items, [Some(1), Some(2), Some(3)]);
        assert!(with(&[])[0].reason.contains("has no rule"));
    }

    #[test]
    fn what_is_only_unusual_is_taken() {
        let sentences = Sentences {
            role: "Eins.\n\n- Zwei.\n- Drei.".to_owned(),
            goes_on: "Es geht (langsam) weiter.".to_owned(),
            you_are: "{name} bist du, {name}!".to_owned(),
            tool_answered: "工具{tool}回答：{output}".to_owned(),
            ..Sentences::default()
        };
        assert_eq!(sentences.wrong(), []);
    }
}
