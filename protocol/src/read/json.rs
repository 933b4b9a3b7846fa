//! From a frame's text to a JSON value, with patience for what Godot writes.
//!
//! Mends what is invalid JSON but happens (raw control characters, the escape `\v`), refuses
//! what nests too deep, and words the errors. What the value means is left to the modules beside.

use std::borrow::Cow;

use serde_json::Value;

use crate::limits::MAX_DEPTH;

/// Parses a frame; the error is a sentence for the game's developer.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let survey = survey(text);
    if survey.depth > MAX_DEPTH {
        return Err(format!(
            "the message nests deeper than {MAX_DEPTH} arrays and objects: flatten it"
        ));
    }
    let text = if survey.needs_mending { Cow::Owned(mend(text)) } else { Cow::Borrowed(text) };
    serde_json::from_str(&text).map_err(|error| explain(&error))
}

fn explain(error: &serde_json::Error) -> String {
    let cause = error.to_string();
    if cause.starts_with("number out of range") {
        return format!(
            "{cause}: a number is too large; Godot writes INF as 1e99999, send a finite number"
        );
    }
    format!("this is not JSON ({cause}): send one JSON object in each frame")
}

/// What one look over the text tells, before anything is allocated.
#[derive(Default)]
struct Survey {
    depth: usize,
    needs_mending: bool,
}

fn survey(text: &str) -> Survey {
    let mut found = Survey::default();
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if !in_string {
            match byte {
                b'"' => in_string = true,
                b'{' | b'[' => {
                    depth += 1;
                    found.depth = found.depth.max(depth);
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            continue;
        }
        found.needs_mending |= byte < b' ' || (escaped && byte == b'v');
        if escaped {
            escaped = false;
        } else if byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            in_string = false;
        }
    }
    found
}

/// Inside strings: escapes raw tabs, newlines and carriage returns; drops other raw control
/// characters and `\v`.
fn mend(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + 16);
    let mut in_string = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                in_string = !in_string;
                mended.push(c);
            }
            '\\' if in_string => match chars.next() {
                Some('v') => {}
                next => mended.extend(Some(c).into_iter().chain(next)),
            },
            '\t' if in_string => mended.push_str("\\t"),
            '\n' if in_string => mended.push_str("\\n"),
            '\r' if in_string => mended.push_str("\\r"),
            c if in_string && c < ' ' => {}
            c => mended.push(c),
        }
    }
    mended
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn invalid_strings_from_godot_are_mended() {
        let check = |text: &str, expected: Value| assert_eq!(parse(text), Ok(expected), "{text:?}");
        check("\"a\tb\nc\rd\"", json!("a\tb\nc\rd"));
        check("\"a\u{1}\u{b}\u{0}b\"", json!("ab"));
        check(r#""a\vb""#, json!("ab"));
        check(r#""a\\vb""#, json!(r"a\vb"));
        check(r#""a\"\v\"b""#, json!("a\"\"b"));
        check("{\"k\u{7}ey\":\t\"\\u000b\"}", json!({"key": "\u{b}"}));
        check("\u{feff}[]", json!([]));
        check("\"\u{7f}\u{9f}\"", json!("\u{7f}\u{9f}"));
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(parse(&nested(MAX_DEPTH + 1)).is_err_and(|e| e.contains("deeper than 64")));
        assert!(parse(&format!("\"{}\\\"{}\"", nested(100), nested(100))).is_ok());
        assert!(parse(&format!("[{}[]]", "[],".repeat(200))).is_ok());
    }

    #[test]
    fn errors_say_what_to_do() {
        let check = |text: &str, part: &str| {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{error}");
        };
        check("{\"a\": 1e99999}", "Godot writes INF as 1e99999");
        check("[-1e99999]", "Godot writes INF as 1e99999");
        check("{'a': 1}", "line 1 column 2");
        check("", "send one JSON object");
        check("{} {}", "trailing characters");
        check("\"open", "EOF");
        check("\"\\", "EOF");
    }
}
