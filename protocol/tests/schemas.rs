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

use dramatis_protocol::schema;
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
