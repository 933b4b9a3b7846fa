//! Writing the tag dialect: tags of the vocabulary, escaped.

use std::fmt::Write;

/// Text as it stands between tags, or within a value's double quotes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

/// `<name a="b">text</name>`, or `<name a="b"/>` without text.
pub(super) fn tag(name: &str, attributes: &[(String, String)], text: Option<&str>) -> String {
    let mut out = format!("<{name}");
    for (attribute, value) in attributes {
        // Writing into a string can't fail.
        let _infallible = write!(out, " {attribute}=\"{}\"", escape(value));
    }
    match text {
        Some(text) => {
            // Quotes are plain characters here.
            let text = escape(text).replace("&quot;", "\"");
            let _infallible = write!(out, ">{text}</{name}>");
        }
        None => out.push_str("/>"),
    }
    out
}
