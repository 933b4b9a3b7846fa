//! The tag dialect by examples: each holds for every way of cutting the input.
//!
//! `tag-cases.json` is the dialect's own list, `tag-cases-more.json` has at least one example for
//! each rule. They run through `dramatis parse`, so that its output is tested with them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{self, Read};

use dramatis::cli::parse::{ParseArgs, parse, read_vocabulary};
use dramatis::tags::Vocabulary;
use serde_json::{Value, json};

/// Gives its pieces one by one.
struct Pieces<'a>(std::vec::IntoIter<&'a [u8]>);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.0.find(|piece| !piece.is_empty()) else { return Ok(0) };
        buffer[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}

struct Case {
    name: String,
    args: ParseArgs,
    vocabulary: Vocabulary,
    input: Vec<u8>,
    expected: Vec<Value>,
}

impl Case {
    fn new(case: &Value, vocabularies: &Value) -> Self {
        let vocabulary = match &case["vocabulary"] {
            Value::String(name) => &vocabularies[name],
            inline => inline,
        };
        let is_set = |option: &str| case[option].as_bool() == Some(true);
        let mut expected = case["events"].as_array().unwrap().clone();
        expected.push(json!({ "event": "end", "warnings": case["warnings"] }));
        Self {
            name: case["name"].as_str().unwrap().to_owned(),
            args: ParseArgs {
                merge: true,
                stray_text: case["stray_text"].as_str().unwrap_or("auto").to_owned(),
                starts_in_reasoning: is_set("starts_in_reasoning"),
                interrupt: is_set("interrupt"),
                truncated: is_set("truncated"),
                ..ParseArgs::default()
            },
            vocabulary: read_vocabulary(&vocabulary.to_string()).unwrap(),
            input: match &case["input_base64"] {
                Value::String(encoded) => decode_base64(encoded),
                _ => case["input"].as_str().unwrap().into(),
            },
            expected,
        }
    }

    /// What is wrong with the events of these pieces.
    fn check(&self, pieces: Vec<&[u8]>, how: &str) -> Result<(), String> {
        let mut output = Vec::new();
        let pieces = Pieces(pieces.into_iter());
        parse(&self.args, self.vocabulary.clone(), pieces, &mut output).unwrap();
        let lines = serde_json::Deserializer::from_slice(&output).into_iter();
        let mut events: Vec<Value> = lines.collect::<Result<_, _>>().unwrap();
        check_parents(&mut events);
        if events == self.expected {
            return Ok(());
        }
        let show = |events: &[Value]| events.iter().map(|e| format!("{e}\n")).collect::<String>();
        let (given, expected) = (show(&events), show(&self.expected));
        let input = String::from_utf8_lossy(&self.input);
        Err(format!("{}, {how}:\n{input}\ngave\n{given}instead of\n{expected}", self.name))
    }

    fn check_every_way(&self) -> Result<(), String> {
        let input = &self.input[..];
        self.check(vec![input], "whole")?;
        self.check(input.chunks(1).collect(), "byte by byte")?;
        self.check(input.chunks(4).collect(), "by four")?;
        (1..input.len()).try_for_each(|at| {
            let (left, right) = input.split_at(at);
            self.check(vec![left, right], &format!("cut at {at}"))
        })
    }
}

/// Takes out `parent_id`, which must be the innermost open tag's; opens and closes must nest.
fn check_parents(events: &mut [Value]) {
    let mut open = Vec::new();
    for event in events {
        let fields = event.as_object_mut().unwrap();
        match fields["event"].as_str().unwrap() {
            "open" => {
                assert_eq!(fields.remove("parent_id").as_ref(), open.last());
                open.push(fields["tag_id"].clone());
            }
            "chunk" => assert_ne!(fields["text"], ""),
            "close" => assert_eq!(open.pop().as_ref(), Some(&fields["tag_id"])),
            _ => assert!(open.is_empty(), "tags left open: {open:?}"),
        }
    }
}

fn decode_base64(encoded: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = encoded.bytes().filter_map(|byte| alphabet.iter().position(|&a| a == byte));
    let bits: String = sextets.map(|sextet| format!("{sextet:06b}")).collect();
    let bytes = bits.as_bytes().chunks_exact(8);
    bytes.map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap()).collect()
}

fn check_all(list: &str) {
    let list: Value = serde_json::from_str(list).unwrap();
    let cases = list["cases"].as_array().unwrap().iter();
    let wrong: Vec<String> = cases
        .filter_map(|case| Case::new(case, &list["vocabularies"]).check_every_way().err())
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_examples_of_the_dialect_hold() {
    check_all(include_str!("data/tag-cases.json"));
}

#[test]
fn more_examples_of_each_rule_hold() {
    check_all(include_str!("data/tag-cases-more.json"));
}
