//! The specification names everything that the schemas have, and its transcripts are the
//! example files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dramatis_protocol::{limits, read, schema};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// What stands in backticks outside of blocks.
fn quoted(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// The words in backticks, taken apart: `results[].tag_id` holds both names.
fn words(text: &str) -> BTreeSet<&str> {
    let apart = |c: char| !(c.is_alphanumeric() || c == '_');
    quoted(text).into_iter().flat_map(|quoted| quoted.split(apart)).collect()
}

/// Calls `found` with every object in a schema.
fn objects(value: &Value, found: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            found(object);
            object.values().for_each(|value| objects(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| objects(value, found)),
        _ => {}
    }
}

#[test]
fn every_message_has_its_section_with_all_its_fields() {
    let readme = readme();
    for (name, schema) in schema::all() {
        let heading = format!("\n### `{name}`\n");
        let at = readme.find(&heading).unwrap_or_else(|| panic!("no section for {name}"));
        let section = &readme[at + heading.len()..];
        let section = &section[..section.find("\n##").unwrap_or(section.len())];
        let words = words(section);
        for field in schema["properties"].as_object().unwrap().keys() {
            let everywhere = ["type", "message_id"].contains(&field.as_str());
            assert!(everywhere || words.contains(field.as_str()), "{name}: {field}");
        }
    }
}

#[test]
fn every_field_of_a_file_stands_in_the_section_on_assets() {
    let readme = readme();
    let at = readme.find("\n## Assets\n").unwrap();
    let section = &readme[at + 1..];
    let section = &section[..section.find("\n## ").unwrap()];
    let words = words(section);
    for (name, schema) in schema::assets() {
        assert!(section.contains(&format!("schemas/assets/{name}.json")), "{name}");
        objects(&schema, &mut |object| {
            let fields = object.get("properties").and_then(Value::as_object);
            for field in fields.into_iter().flat_map(|fields| fields.keys()) {
                assert!(words.contains(field.as_str()), "{name}: the field {field}");
            }
            let word = object.get("const").and_then(Value::as_str);
            assert!(word.is_none_or(|word| words.contains(word)), "{name}: the word {word:?}");
        });
    }
}

#[test]
fn every_field_and_word_of_the_schemas_is_named() {
    let readme = readme();
    let words = words(&readme);
    for (name, schema) in schema::all() {
        objects(&schema, &mut |object| {
            let fields = object.get("properties").and_then(Value::as_object);
            for field in fields.into_iter().flat_map(|fields| fields.keys()) {
                assert!(words.contains(field.as_str()), "{name}: the field {field}");
            }
            let word = object.get("const").and_then(Value::as_str);
            assert!(word.is_none_or(|word| words.contains(word)), "{name}: the word {word:?}");
        });
    }
}

#[test]
fn its_transcripts_are_the_example_files() {
    let readme = readme();
    let blocks: Vec<&str> =
        readme.split("```jsonl\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    for (block, name) in blocks.iter().zip(["turn", "interruption", "tool_call"]) {
        let file = root().join(format!("examples/{name}.jsonl"));
        assert!(*block == fs::read_to_string(file).unwrap(), "{name} differs from its file");
    }
    assert_eq!(blocks.len(), 3);
}

#[test]
fn its_messages_are_read() {
    let mut count = 0;
    let readme = readme();
    for message in quoted(&readme).into_iter().filter(|text| text.starts_with("{\"type\":\"")) {
        let message = message.replace("{…}", "{}");
        let value: Value = serde_json::from_str(&message).unwrap();
        let (_, schema) = schema::all()
            .into_iter()
            .find(|(name, _)| value["type"] == *name)
            .unwrap_or_else(|| {
                // The wrapped form of a tool.
                assert_eq!(value["type"], "function");
                ("", Value::Bool(true))
            });
        jsonschema::validate(&schema, &value).unwrap_or_else(|error| panic!("{message}: {error}"));
        let sent = ["interaction_event", "agent_state_snapshot", "agent_turn_result", "hello"];
        if sent.iter().any(|kind| value["type"] == *kind) {
            assert!(read(&message).is_ok_and(|r| r.unknown_fields.is_empty()), "{message}");
            count += 1;
        }
    }
    assert!(count >= 5);
}

#[test]
fn it_names_the_close_codes_and_its_links_lead_somewhere() {
    let readme = readme();
    use limits::close::*;
    for code in
        [SHUTDOWN, NOT_UTF8, TOO_LARGE, UNAUTHORIZED, TOO_SLOW, SESSION_TAKEN, TOO_MANY_CONNECTIONS]
    {
        assert!(readme.contains(&format!("\n| {code} |")), "{code}");
    }
    let headings: BTreeSet<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("##"))
        .map(|line| {
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-');
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            format!("#{}", heading.chars().filter(kept).collect::<String>().replace(' ', "-"))
        })
        .collect();
    for link in readme.split("](").skip(1).map(|rest| rest.split_once(')').unwrap().0) {
        let leads = headings.contains(link) || root().join(link).exists();
        assert!(leads, "{link}");
    }
}
