//! The tag dialect by examples: each holds for every way of cutting the input.
//!
//! `tag-cases.json` is the dialect's own list, `tag-cases-more.json` has at least one example for
//! each rule. They run through `dramatis parse`, so that its output is tested with them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use dramatis::cli::parse::{ParseArgs, parse, read_vocabulary, run, vocabulary};
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

/// The command's options, as a user types them.
fn options(arguments: &[&str]) -> ParseArgs {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: ParseArgs,
    }
    let arguments = ["parse"].iter().chain(arguments);
    <Cli as clap::Parser>::try_parse_from(arguments).unwrap().args
}

#[test]
fn the_command_prints_one_object_a_line() {
    let check = |arguments: &[&str], input: &str, expected: &str| {
        let args = options(arguments);
        let mut output = Vec::new();
        parse(&args, vocabulary(&args).unwrap(), input.as_bytes(), &mut output).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), expected, "{arguments:?}");
    };
    check(
        &["--tags", "speech,action,Think"],
        "<speech to=\"a\">Hé <action/></speech><think>x</think>!",
        r#"{"event":"open","tag_id":0,"tag":"speech","attributes":{"to":"a"}}
{"event":"chunk","tag_id":0,"text":"Hé"}
{"event":"open","tag_id":1,"parent_id":0,"tag":"action","attributes":{}}
{"event":"close","tag_id":1,"tag":"action","complete":true}
{"event":"close","tag_id":0,"tag":"speech","complete":true}
{"event":"end","warnings":{"unexpected_attribute":1,"hidden_reasoning":1,"stray_text":1}}
"#,
    );
    check(
        &["--tags=say", "--chunk", "2", "--stray-text", "say", "--truncated"],
        "abc",
        r#"{"event":"open","tag_id":0,"tag":"say","attributes":{}}
{"event":"chunk","tag_id":0,"text":"ab"}
{"event":"chunk","tag_id":0,"text":"c"}
{"event":"close","tag_id":0,"tag":"say","complete":false}
{"event":"end","warnings":{"stray_text":1}}
"#,
    );
    check(&["--interrupt", "--merge"], "", "{\"event\":\"end\",\"warnings\":{}}\n");
    check(
        &["--starts-in-reasoning"],
        "",
        "{\"event\":\"end\",\"warnings\":{\"unclosed\":1,\"hidden_reasoning\":1}}\n",
    );
}

#[test]
fn a_bad_vocabulary_ends_the_command_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("text"), "Hello").unwrap();
    let code = |tags: &str| {
        std::fs::write(path("tags"), tags).unwrap();
        let code = run(&options(&["--tags-file", &path("tags"), &path("text")])).unwrap();
        format!("{code:?}")
    };
    let [fine, bad] = [0, 2].map(|code| format!("{:?}", std::process::ExitCode::from(code)));
    assert_eq!(code(r#"[{"name": "say", "kind": "speech"}]"#), fine);
    assert_eq!(code("[]"), fine);
    assert_eq!(code(r#"[{"name": "two words"}]"#), bad);
    assert_eq!(code(r#"[{"kind": "speech"}]"#), bad);
    assert_eq!(code("{}"), bad);
    assert_eq!(code("no JSON"), bad);
    let named = run(&options(&["--tags", "fine,1st", &path("text")])).unwrap();
    assert_eq!(format!("{named:?}"), bad);
    assert!(run(&options(&[&path("missing")])).is_err());
}

#[test]
fn events_are_written_before_more_is_read() {
    /// Shared by the reader, which looks at what was written, and the writer.
    #[derive(Clone, Default)]
    struct Written(Rc<RefCell<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Waiting(Written, usize);

    impl Read for Waiting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let lines = self.0.0.borrow().iter().filter(|&&byte| byte == b'\n').count();
            self.1 += 1;
            let (piece, expected) = match self.1 {
                1 => ("<speech>Hello", 0),
                2 => (" there", 2),
                _ => ("", 3),
            };
            assert_eq!(lines, expected, "at read {}", self.1);
            buffer[..piece.len()].copy_from_slice(piece.as_bytes());
            Ok(piece.len())
        }
    }

    let written = Written::default();
    let output = io::BufWriter::new(written.clone());
    parse(&options(&[]), Vocabulary::standard(), Waiting(written, 0), output).unwrap();
}
