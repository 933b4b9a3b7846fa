//! The schema files are what the types say. `UPDATE_SCHEMAS=1` writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dramatis_protocol::{asyncapi, schema};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn pretty(schema: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(schema).unwrap())
}

#[test]
fn the_files_are_what_the_types_say() {
    if std::env::vars_os().any(|(name, _)| name == "UPDATE_SCHEMAS") {
        for (name, schema) in schema::all() {
            fs::write(folder().join(format!("{name}.json")), pretty(&schema)).unwrap();
        }
    }
    let files: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected: BTreeSet<String> =
        schema::all().iter().map(|(name, _)| format!("{name}.json")).collect();
    assert_eq!(files, expected, "UPDATE_SCHEMAS=1 cargo test -p dramatis-protocol writes them");
    for (name, schema) in schema::all() {
        let file = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
        assert!(
            file == pretty(&schema),
            "{name}.json is out of date: UPDATE_SCHEMAS=1 cargo test -p dramatis-protocol"
        );
    }
}

#[test]
fn the_asyncapi_file_is_what_the_types_say() {
    let file = folder().with_file_name("asyncapi.json");
    if std::env::vars_os().any(|(name, _)| name == "UPDATE_SCHEMAS") {
        fs::write(&file, pretty(&asyncapi::document())).unwrap();
    }
    assert!(
        fs::read_to_string(&file).unwrap_or_default() == pretty(&asyncapi::document()),
        "asyncapi.json is out of date: UPDATE_SCHEMAS=1 cargo test -p dramatis-protocol"
    );
}

#[test]
fn the_asyncapi_document_names_every_message_and_points_at_what_there_is() {
    let document = asyncapi::document();
    let names: Vec<&str> = schema::all().iter().map(|(name, _)| *name).collect();
    let described = document["components"]["messages"].as_object().unwrap();
    assert_eq!(described.keys().collect::<Vec<_>>(), names);
    let mut told = BTreeSet::new();
    for (name, operation) in document["operations"].as_object().unwrap() {
        let games = schema::of_games();
        let is_of_games = |name: &str| games.iter().any(|(other, _)| *other == name);
        let receives = operation["action"] == "receive";
        for message in operation["messages"].as_array().unwrap() {
            let sent = message["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
            assert_eq!(is_of_games(sent), receives, "{name}: {sent}");
            assert!(told.insert(sent.to_owned()), "{sent} is in two operations");
        }
    }
    // The answers are told as replies.
    told.extend(["welcome", "pong", "agent_state_snapshot", "stored"].map(str::to_owned));
    assert_eq!(told, names.iter().map(|name| (*name).to_owned()).collect());
    check_references(&document, &document);
}

fn check_references(part: &Value, document: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let found = match reference.strip_prefix('#') {
                    Some(pointer) => document.pointer(pointer).is_some(),
                    None => folder().parent().unwrap().join(reference).exists(),
                };
                assert!(found, "{reference}");
            }
            fields.values().for_each(|field| check_references(field, document));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(item, document)),
        _ => {}
    }
}

#[test]
fn every_schema_is_one_and_says_what_it_is_for() {
    for (name, schema) in schema::all() {
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
        assert_eq!(schema["title"], name);
        assert_eq!(schema["$id"], format!("urn:dramatis:protocol:1:{name}"));
        assert!(schema["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        assert_eq!(schema["properties"]["type"]["const"], name);
        assert!(!schema.to_string().contains("\"null\""), "{name} allows null");
        for (field, property) in schema["properties"].as_object().unwrap() {
            let told = property.get("description").is_some() || field == "type";
            assert!(told, "{name}.{field} is not described");
        }
    }
}
