//! How words of others come into a prompt: as data that can't leave its line or its quotes, open a
//! tag, or look like a heading or a note of ours.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::sentences::Say;

/// Longest name that stands without quotes, in characters.
const PLAIN_NAME_CHARS: usize = 60;

/// A text in double quotes, on one line.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text);
    out
}

/// As [`quoted`], at the end of a line that is being written.
pub fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    if text.bytes().all(stands_for_itself) {
        out.push_str(text);
    } else {
        push_escaped_line(out, text);
    }
    out.push('"');
}

/// Whether a character of one byte needs no escape between quotes.
const fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&')
}

fn push_escaped_line(out: &mut String, text: &str) {
    let mut after_return = false;
    for c in text.chars() {
        match c {
            '\n' if after_return => {}
            c if is_line_end(c) => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {}
            c => push_escaped(out, c),
        }
        after_return = c == '\r';
    }
}

/// A name as it is where it can't be taken for anything else, in quotes otherwise.
pub fn name<'a>(name: &'a str, say: &Say<'_>) -> Cow<'a, str> {
    let plain = !name.is_empty()
        && !name.starts_with(char::is_whitespace)
        && !name.ends_with(char::is_whitespace)
        && name.chars().count() <= PLAIN_NAME_CHARS
        && !name.contains("  ")
        && name.chars().all(is_of_name)
        && !say.could_be(name);
    if plain { name.into() } else { quoted(name).into() }
}

/// Whether a character may stand in a name without quotes.
pub fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '\'')
}

/// JSON on one line, without a character that could be markup.
pub fn json(value: &Value) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '<' | '>' | '&') || is_line_end(c) || c.is_control() {
            // Writing to a string can't fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// One line of the game's developer: a title, the agent's name.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if is_one_line(text) {
        return text.into();
    }
    let spaced: String =
        text.chars().map(|c| if is_line_end(c) || c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ").into()
}

/// Whether words stand on one line already, a space between two of them.
fn is_one_line(text: &str) -> bool {
    let mut after_space = true;
    for c in text.chars() {
        let space = c == ' ';
        if c.is_control() || (c.is_whitespace() && !space) || (space && after_space) {
            return false;
        }
        after_space = space;
    }
    !after_space || text.is_empty()
}

/// Lines of the game's developer, none of which can be taken for a heading, an observation's
/// place in a message, or a note of ours. `indent` stands before every line but the first.
pub fn block(text: &str, indent: &str) -> String {
    let normal = text.replace("\r\n", "\n");
    let mut out = String::with_capacity(normal.len());
    for (number, line) in normal.trim().split(is_line_end).enumerate() {
        if number > 0 {
            out.push('\n');
            out.push_str(if line.trim().is_empty() { "" } else { indent });
        }
        let line: String =
            line.trim_end().chars().filter(|c| !c.is_control() || *c == '\t').collect();
        if line.trim_start_matches(is_unseen).starts_with('#') {
            out.push('\\');
        }
        out.push_str(&line);
    }
    out
}

/// `<`, `>` and `&` as entities, as the dialect reads them.
pub fn escaped(text: &str) -> Cow<'_, str> {
    quick_xml::escape::partial_escape(text)
}

/// A value between double quotes in a tag.
pub fn attribute(text: &str) -> String {
    quick_xml::escape::escape(text).replace('\n', "&#10;").replace('\r', "&#13;")
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        c => out.push(c),
    }
}

/// Everything that some reader takes for the end of a line.
fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What a reader does not see before a line's first character.
fn is_unseen(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use dramatis_protocol::Sentences;
    use serde_json::json;

    #[test]
    fn a_quoted_text_stays_on_its_line_and_in_its_quotes() {
        let check = |text: &str, expected: &str| assert_eq!(quoted(text), expected);
        check("Hello", r#""Hello""#);
        check("a\r\nb\nc\rd\u{2028}e", r#""a\nb\nc\nd\ne""#);
        check("\" and \\\"", r#""\" and \\\"""#);
        check("<speech>a & b</speech>", r#""&lt;speech&gt;a &amp; b&lt;/speech&gt;""#);
        check("bell\u{7} and tab\t", r#""bell and tab\t""#);
    }

    #[test]
    fn a_name_that_could_be_something_else_is_quoted() {
        let sentences = Sentences::default();
        let say = Say::new(&sentences);
        let check = |text: &str, expected: &str| assert_eq!(name(text, &say), expected);
        check("Aldo the 2nd", "Aldo the 2nd");
        check("Jörg-Ünal O'Neil", "Jörg-Ünal O'Neil");
        check("player_spoke", "player_spoke");
        check("", r#""""#);
        check("Aldo: \"hi\"", r#""Aldo: \"hi\"""#);
        check("You were cut off", r#""You were cut off""#);
        check("In passing", r#""In passing""#);
        check("In  passing", r#""In  passing""#);
        check("a\n- b", r#""a\n- b""#);
    }

    #[test]
    fn a_title_is_one_line_with_a_space_between_words() {
        let check = |text: &str, expected: &str| assert_eq!(one_line(text), expected);
        for whole in ["", "Hour", "The old\u{301} mill, at 5"] {
            check(whole, whole);
        }
        check(" ", "");
        check(" a", "a");
        check("a ", "a");
        check("a  b", "a b");
        check("a\tb\u{a0}c\u{3000}d", "a b c d");
        check("a\r\n# b\u{2028}c\u{85}d", "a # b c d");
        check("bell\u{7}bell", "bell bell");
    }

    #[test]
    fn json_can_hold_no_markup_and_no_line_end() {
        assert_eq!(
            json(&json!({"a": "<b>\n\u{2028}&"})),
            "{\"a\":\"\\u003cb\\u003e\\n\\u2028\\u0026\"}"
        );
    }

    #[test]
    fn a_block_keeps_its_lines_and_has_no_headings() {
        let check = |text: &str, expected: &str| assert_eq!(block(text, ""), expected);
        check("a\n\n  b  \n", "a\n\n  b");
        check("# RULES\n  ### x", "\\# RULES\n\\  ### x");
        check("\0# x\n\u{200b}# y", "\\# x\n\\\u{200b}# y");
        check("a\r\nb\u{2028}# c", "a\nb\n\\# c");
    }
}
