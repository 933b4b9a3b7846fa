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

use dramatis_protocol::{Sentences, assets, asyncapi, schema};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn pretty(schema: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(schema).unwrap())
}

/// The messages of games; the files of designers and the roleplay door in folders of their own.
fn everything() -> [(PathBuf, Vec<(&'static str, Value)>); 3] {
    let within = |name: &str| folder().join(name);
    [
        (folder(), schema::all()),
        (within("assets"), schema::assets()),
        (within("rpc"), schema::of_rpc()),
    ]
}

#[test]
fn the_files_are_what_the_types_say() {
    for (folder, schemas) in everything() {
        check_files(&folder, &schemas);
    }
}

fn check_files(folder: &Path, schemas: &[(&str, Value)]) {
    if std::env::vars_os().any(|(name, _)| name == "UPDATE_SCHEMAS") {
        for (name, schema) in schemas {
            fs::write(folder.join(format!("{name}.json")), pretty(schema)).unwrap();
        }
    }
    let files: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let expected: BTreeSet<String> =
        schemas.iter().map(|(name, _)| format!("{name}.json")).collect();
    assert_eq!(files, expected, "UPDATE_SCHEMAS=1 cargo test -p dramatis-protocol writes them");
    for (name, schema) in schemas {
        let file = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        assert!(
            file == pretty(schema),
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

#[test]
fn every_schema_of_a_file_describes_each_of_its_fields() {
    for (name, schema) in schema::assets() {
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
        assert_eq!(schema["$id"], format!("urn:dramatis:assets:1:{name}"));
        assert!(!schema.to_string().contains("\"null\""), "{name} allows null");
        check_described(&schema, name);
    }
}

fn check_described(part: &Value, name: &str) {
    let Value::Object(object) = part else { return };
    if let Some(Value::Object(properties)) = object.get("properties") {
        assert!(object["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        assert_eq!(object["additionalProperties"], false, "{name}");
        for (field, property) in properties {
            assert!(property.get("description").is_some(), "{name}.{field} is not described");
        }
    }
    for value in object.values() {
        check_described(value, name);
    }
}

#[test]
fn the_schema_of_a_file_takes_and_refuses_what_the_type_does() {
    let check = |kind: &str, file: Value, expected: bool| {
        let (_, schema) = schema::assets().into_iter().find(|(name, _)| *name == kind).unwrap();
        assert_eq!(jsonschema::is_valid(&schema, &file), expected, "the schema: {file}");
        let read = match kind {
            "world" => serde_json::from_value::<assets::WorldFile>(file.clone()).is_ok(),
            "character" => serde_json::from_value::<assets::CharacterFile>(file.clone()).is_ok(),
            "rule" => serde_json::from_value::<assets::RuleFile>(file.clone()).is_ok(),
            "sentences" => serde_json::from_value::<Sentences>(file.clone()).is_ok(),
            _ => serde_json::from_value::<assets::SystemRulesFile>(file.clone()).is_ok(),
        };
        assert_eq!(read, expected, "the type: {file}");
    };
    check("world", json!({"id": "w", "name": "W"}), true);
    check("world", json!({"id": "w", "name": "W", "lore": "x", "extensions": {"a": [1]}}), true);
    check("world", json!({"id": "w", "name": "W", "lore": ["x", "y"]}), true);
    check("world", json!({"id": "w", "name": "W", "lore": {"x": "y"}}), false);
    check("world", json!({"name": "W"}), false);
    check("world", json!({"id": "w", "name": "W", "persona": "x"}), false);
    let entry = |entry: Value| json!({"id": "c", "name": "C", "persona": "p", "entries": [entry]});
    check("character", entry(json!({"content": "x"})), true);
    check("character", entry(json!({"content": "x", "keys": "x"})), false);
    check("character", entry(json!({"content": "x", "secondary_logic": "not_all"})), true);
    check("character", entry(json!({"content": "x", "secondary_logic": "or"})), false);
    check("character", entry(json!({"content": "x", "recursion": {"wakes_others": false}})), true);
    check("character", entry(json!({"content": "x", "recursion": {"wakes": false}})), false);
    check("character", entry(json!({"keys": ["x"]})), false);
    check("rule", json!({"id": "r", "name": "R", "prompt": "p"}), true);
    check("rule", json!({"id": "r", "name": "R", "prompt": ["p"]}), false);
    check("system_rules", json!({"rules": ["a", "b"]}), true);
    check("system_rules", json!({}), false);
    check("sentences", json!({}), true);
    check("sentences", json!({"said": "gesagt", "rules": ["a"]}), true);
    check("sentences", json!({"said": ["gesagt"]}), false);
    check("sentences", json!({"rules": "a"}), false);
    check("sentences", json!({"siad": "gesagt"}), false);
}

#[test]
fn the_schema_of_sentences_tells_each_placeholder_and_the_english_words() {
    let (_, schema) = schema::assets().into_iter().find(|(name, _)| *name == "sentences").unwrap();
    for sentence in Sentences::default().each() {
        let property = &schema["properties"][sentence.key];
        assert_eq!(property["default"], sentence.english);
        let told = property["description"].as_str().unwrap();
        for name in sentence.english.split('{').skip(1).map(|rest| rest.split('}').next().unwrap())
        {
            assert!(told.contains(&format!("`{{{name}}}`")), "{}: {name}", sentence.key);
        }
    }
}
