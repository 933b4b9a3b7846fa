//! What a client sends: a prompt or a command, as plain text or as JSON. Pure.

use serde_json::Value;

use super::command::{self, Command, Misread};

/// Longest thing that is said at once, in bytes: a model is told all of it.
pub(super) const PROMPT_BYTES: usize = 32 * 1024;

/// Longest name of a sender, in characters.
const SENDER_CHARS: usize = 80;

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// Something is to be done.
    Command(Command),
    /// Something is said to the character.
    Prompt { text: String, sender: Option<String> },
}

/// Why it means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaningless {
    /// It is neither text nor a prompt.
    Invalid(String),
    /// It is too much to be said at once.
    TooLong(String),
    /// A command that there isn't.
    Unknown(String),
    /// A command that lacks something.
    Incomplete(String),
}

/// Reads a text frame. Only an object is JSON: people write `42` and `[sighs]`.
pub(super) fn read(frame: &str) -> Result<Sent, Meaningless> {
    let object = match frame.trim_start().starts_with('{') {
        true => serde_json::from_str::<Value>(frame).ok(),
        false => None,
    };
    let (text, sender) = match &object {
        Some(object) => read_object(object)?,
        None => (frame, None),
    };
    if text.trim().is_empty() {
        return Err(invalid("nothing was said: write something, or /help"));
    }
    if text.trim_start().starts_with('/') {
        return command::read(text).map(Sent::Command).map_err(|misread| match misread {
            Misread::Unknown(message) => Meaningless::Unknown(message),
            Misread::Argument(message) => Meaningless::Incomplete(message),
        });
    }
    if text.len() > PROMPT_BYTES {
        let message = format!("a prompt may have {PROMPT_BYTES} bytes: say it in parts");
        return Err(Meaningless::TooLong(message));
    }
    Ok(Sent::Prompt { text: text.to_owned(), sender })
}

fn read_object(object: &Value) -> Result<(&str, Option<String>), Meaningless> {
    let prompt = object.get("prompt").and_then(Value::as_str);
    let prompt = prompt.ok_or_else(|| {
        invalid("\"prompt\" must be a text, as in {\"prompt\": \"Good evening\"}")
    })?;
    let sender = match object.get("sender") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => sender(name)?,
        Some(_) => return Err(invalid("\"sender\" must be a name: leave it out, or write a text")),
    };
    Ok((prompt, sender))
}

/// A name stands in brackets in the history, on one line.
fn sender(name: &str) -> Result<Option<String>, Meaningless> {
    let name = name.trim();
    let is_odd = |c: char| c.is_control() || "[]\u{2028}\u{2029}".contains(c);
    if name.chars().count() > SENDER_CHARS || name.chars().any(is_odd) {
        return Err(invalid(
            "\"sender\" may have 80 characters, one line and no square brackets: choose a simpler name",
        ));
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

fn invalid(message: &str) -> Meaningless {
    Meaningless::Invalid(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_mean_the_same() {
        let check = |frame: &str, text: &str, sender: Option<&str>| {
            let sender = sender.map(str::to_owned);
            let expected = Sent::Prompt { text: text.to_owned(), sender };
            assert_eq!(read(frame), Ok(expected), "{frame}");
        };
        check("Good evening", "Good evening", None);
        check(r#"{"prompt": "Good evening"}"#, "Good evening", None);
        check(r#" {"prompt": " Well?\n", "id": 7}"#, " Well?\n", None);
        check(r#"{"prompt": "Hm", "sender": " Wren "}"#, "Hm", Some("Wren"));
        check(r#"{"prompt": "Hm", "sender": ""}"#, "Hm", None);
        for text in ["42", "\"quoted\"", "[sighs]", "{smiles} Hello.", "null"] {
            check(text, text, None);
        }
        for cancel in ["/cancel", " /cancel", r#"{"prompt": "/cancel"}"#] {
            assert_eq!(read(cancel), Ok(Sent::Command(Command::Cancel)));
        }
    }

    #[test]
    fn what_means_nothing_is_told_what_to_do() {
        let check = |frame: &str, part: &str| match read(frame) {
            Err(Meaningless::Invalid(message)) => {
                assert!(message.contains(part), "{frame}: {message}");
            }
            other => panic!("{frame}: {other:?}"),
        };
        check("", "nothing was said");
        check(" \n", "nothing was said");
        check(r#"{"prompt": ""}"#, "nothing was said");
        check("{}", "\"prompt\"");
        check(r#"{"prompt": 7}"#, "\"prompt\"");
        check(r#"{"text": "Hello"}"#, "\"prompt\"");
        check(r#"{"prompt": "Hello", "sender": 1}"#, "\"sender\"");
        check(r#"{"prompt": "Hello", "sender": "a]: b"}"#, "\"sender\"");
        check(r#"{"prompt": "Hello", "sender": "a\u2028b"}"#, "\"sender\"");
        let long = "x".repeat(PROMPT_BYTES + 1);
        assert!(matches!(read(&long), Err(Meaningless::TooLong(_))));
    }
}
