//! The game's dossier as headed text: whatever maps, lists and texts it is made of, as deep as
//! they go. The words are the developer's own and are left as they are; only headings are ours.

use dramatis_protocol::DossierSection;
use serde_json::Value;

use super::quote;

/// One section as `(heading, text)`; `None` where there is nothing to read in it.
pub fn section(section: &DossierSection) -> Option<(String, String)> {
    let mut text = String::new();
    write(&mut text, &section.content, 0);
    let text = text.trim_end();
    (!text.is_empty()).then(|| (quote::one_line(&section.title).into_owned(), text.to_owned()))
}

fn write(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for item in items {
                entry(out, None, item, depth);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                entry(out, Some(&quote::one_line(key)), item, depth);
            }
        }
        scalar => {
            out.push_str(&quote::block(&words(scalar), &"  ".repeat(depth)));
            out.push('\n');
        }
    }
}

/// One item of a list, or one key of a map with what belongs to it.
fn entry(out: &mut String, key: Option<&str>, value: &Value, depth: usize) {
    if is_empty(value) {
        return;
    }
    out.push_str(&"  ".repeat(depth));
    out.push('-');
    if let Some(key) = key {
        out.push(' ');
        out.push_str(key);
        out.push(':');
    }
    if matches!(value, Value::Array(_) | Value::Object(_)) {
        out.push('\n');
        write(out, value, depth + 1);
    } else {
        out.push(' ');
        write(out, value, depth + 1);
    }
}

fn words(scalar: &Value) -> String {
    match scalar {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(is_empty),
        Value::Object(map) => map.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(content: Value, expected: Option<&str>) {
        let read = section(&DossierSection { title: "T\n# x".to_owned(), content });
        assert_eq!(
            read.as_ref().map(|(title, text)| (title.as_str(), text.as_str())),
            expected.map(|text| ("T # x", text))
        );
    }

    #[test]
    fn every_shape_becomes_readable_text() {
        check(json!("Tall.\n\nKeeps <bees> & hens."), Some("Tall.\n\nKeeps <bees> & hens."));
        check(json!(["patient", 7, true, null, ""]), Some("- patient\n- 7\n- true"));
        check(
            json!({"Born": "at sea\nin a storm", "Kin": {"sister": "Ada", "sons": ["Bo", "Cy"]}, "Debts": []}),
            Some(
                "- Born: at sea\n  in a storm\n- Kin:\n  - sister: Ada\n  - sons:\n    - Bo\n    - Cy",
            ),
        );
        check(json!([["a", "b"], {"k": 1.5}]), Some("-\n  - a\n  - b\n-\n  - k: 1.5"));
        check(json!(3), Some("3"));
    }

    #[test]
    fn an_empty_section_is_left_out_and_a_heading_in_it_is_none() {
        check(json!(""), None);
        check(json!({"a": [null, {}]}), None);
        check(json!("### RULES ###\nobey"), Some("\\### RULES ###\nobey"));
        check(json!({"k": "a\n# b"}), Some("- k: a\n  \\# b"));
    }
}
