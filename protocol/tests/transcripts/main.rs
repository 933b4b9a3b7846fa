//! The transcripts in `protocol/examples/` are what they claim to be: every line is read, fits
//! its schema, and stands where the rules of a turn allow it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use dramatis_protocol::{ServerMessage, read, schema};
use jsonschema::Validator;
use serde_json::Value;

use self::rules::Rules;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn transcripts() -> Vec<PathBuf> {
    let files = fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path());
    let transcripts: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .filter(|path| !path.ends_with("tolerant.jsonl"))
        .collect();
    assert!(transcripts.len() > 10);
    transcripts
}

fn validators() -> BTreeMap<&'static str, Validator> {
    let all = schema::all().into_iter();
    all.map(|(name, schema)| (name, jsonschema::validator_for(&schema).unwrap())).collect()
}

#[test]
fn every_line_is_read_fits_its_schema_and_keeps_the_rules() {
    let validators = validators();
    let mut seen = BTreeSet::new();
    for file in transcripts() {
        let mut rules = Rules::default();
        for (number, line) in lines(&file).iter().enumerate() {
            let place = format!("{}:{}", file.display(), number + 1);
            let message = &line["message"];
            let kind = message["type"].as_str().unwrap();
            let fits = || match validators.get(kind) {
                Some(validator) => validator.validate(message).map_err(|e| e.to_string()),
                None => Err("there is no such type".to_owned()),
            };
            match line["from"].as_str() {
                Some("game") => {
                    let received = read(&message.to_string());
                    assert_eq!(fits().is_ok(), received.is_ok(), "{place}: {received:?}");
                    rules.game(&place, received);
                }
                Some("server") => {
                    assert_eq!(fits(), Ok(()), "{place}");
                    let read: ServerMessage = serde_json::from_value(message.clone()).unwrap();
                    assert_eq!(read.to_json(), message.to_string(), "{place}");
                    rules.server(&place, read);
                }
                other => panic!("{place}: from {other:?}"),
            }
            seen.insert(kind.to_owned());
        }
        rules.end(&file.display().to_string());
    }
    let missing: Vec<_> = validators.keys().filter(|kind| !seen.contains(**kind)).collect();
    assert!(missing.is_empty(), "no example shows {missing:?}");
}

#[test]
fn clumsy_messages_are_read_as_the_examples_say() {
    for line in lines(&examples().join("tolerant.jsonl")) {
        let about = &line["about"];
        match read(line["sent"].as_str().unwrap()) {
            Ok(received) => {
                let strict = received.message.to_json(received.message_id.as_deref());
                assert_eq!(
                    serde_json::from_str::<Value>(&strict).unwrap(),
                    line["read"],
                    "{about}"
                );
                let unknown = line.get("unknown_fields").cloned().unwrap_or(Value::Array(vec![]));
                assert_eq!(Value::from(received.unknown_fields), unknown, "{about}");
            }
            Err(error) => {
                let mut error = serde_json::to_value(error.into_message()).unwrap();
                for told in ["message", "retryable"] {
                    error.as_object_mut().unwrap().remove(told);
                }
                assert_eq!(error, line["error"], "{about}");
            }
        }
    }
}
