//! What holds for every input: the same events for every way of cutting it, tags that nest, chunks
//! that aren't empty, little held back, and work that grows with the input and no faster.
//!
//! Examples of the single rules are in `tests/tags.rs`. `PROPTEST_CASES` sets how many inputs are
//! tried.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// The same as [`Event`], owned.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Open(u32, Option<u32>, String, Vec<(String, String)>),
    Chunk(u32, String),
    Close(u32, String, bool),
}

/// What one reading gave, neighbouring chunks joined.
#[derive(Debug, PartialEq)]
struct Reading {
    events: Vec<Seen>,
    summary: Summary,
}

/// Takes events, and checks what must be so for each.
#[derive(Default)]
struct Recorder {
    events: Vec<Seen>,
    open: Vec<u32>,
    opened: u32,
}

impl Recorder {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Open { tag_id, parent_id, tag, attributes } => {
                assert_eq!(tag_id, self.opened, "ids count from 0");
                assert_eq!(parent_id.as_ref(), self.open.last(), "tags nest");
                self.opened += 1;
                self.open.push(tag_id);
                assert!(self.open.len() <= 16, "not too deep");
                let attributes =
                    attributes.iter().map(|(n, v)| (n.to_string(), v.clone())).collect();
                self.events.push(Seen::Open(tag_id, parent_id, tag.name.to_string(), attributes));
            }
            Event::Chunk { tag_id, text } => {
                assert!(!text.is_empty(), "no chunk is empty");
                assert_eq!(Some(&tag_id), self.open.last(), "text belongs to the innermost tag");
                match self.events.last_mut() {
                    Some(Seen::Chunk(same, grown)) if *same == tag_id => grown.push_str(text),
                    _ => self.events.push(Seen::Chunk(tag_id, text.to_owned())),
                }
            }
            Event::Close { tag_id, tag, complete } => {
                assert_eq!(Some(tag_id), self.open.pop(), "closes match opens");
                self.events.push(Seen::Close(tag_id, tag.name.to_string(), complete));
            }
        }
    }
}

struct Setting {
    options: Options,
    end: End,
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>, setting: &Setting) -> Reading {
    let mut recorder = Recorder::default();
    let mut parser = Parser::new(vocabulary(), setting.options.clone());
    for piece in pieces {
        parser.feed(piece, &mut |event| recorder.event(event));
        let held = parser.held_back();
        assert!(held.markup <= 1024, "held markup: {held:?}");
        assert!(held.stray <= 200, "waiting stray text: {held:?}");
        assert!(held.white <= 1024 * (recorder.open.len() + 1), "waiting white space: {held:?}");
    }
    let summary = parser.finish(setting.end, &mut |event| recorder.event(event));
    assert!(recorder.open.is_empty(), "every open has its close");
    Reading { events: recorder.events, summary }
}

fn attribute(name: &str, value_type: AttributeType, values: &[&str]) -> AttributeDef {
    AttributeDef {
        name: name.to_owned(),
        value_type,
        values: values.iter().map(|&value| value.to_owned()).collect(),
        ..AttributeDef::default()
    }
}

fn vocabulary() -> Arc<Vocabulary> {
    let text = |name, kind, attributes: Vec<AttributeDef>| TagDef {
        attributes,
        ..TagDef::new(name, kind)
    };
    let emotion = TagDef {
        content: Content::None,
        ..text("emotion", Kind::Action, vec![attribute("name", AttributeType::String, &["Joy"])])
    };
    let scene = TagDef {
        contains: Some(vec!["scene".into(), "speech".into(), "emotion".into()]),
        ..text("scene", Kind::Action, vec![])
    };
    let mut action =
        text("action", Kind::Action, vec![attribute("name", AttributeType::String, &[])]);
    action.attributes[0].required = true;
    let count = vec![attribute("count", AttributeType::Integer, &[])];
    let speech = vec![
        attribute("to", AttributeType::String, &[]),
        attribute("tone", AttributeType::String, &["calm", "angry"]),
    ];
    let tags = vec![
        scene,
        text("speech", Kind::Speech, speech),
        action,
        emotion,
        text("give_item_of_a_long_name", Kind::Tool, count),
        text("plan", Kind::Hidden, vec![]),
    ];
    Arc::new(Vocabulary::new(tags).unwrap())
}

/// What models write, and what is nearly that.
const FRAGMENTS: &[&str] = &[
    "<speech>",
    "</speech>",
    "<speech to=\"Mara\">",
    "<speech tone='calm'>",
    "<SPEECH to=O'Brien>",
    "<action name=\"nod\">",
    "</action>",
    "<action>",
    "<emotion name=joy/>",
    "<emotion=\"Joy\"/>",
    "<emotion/>",
    "</emotion>",
    "<scene>",
    "</scene>",
    "<scene><scene><scene>",
    "<speech/>",
    "<give_item_of_a_long_name count=3>",
    "</give_item_of_a_long_name>",
    "<think>",
    "</think>",
    "<thinking>",
    "</thinking >",
    "</reasoning>",
    "<think/>",
    "<plan>",
    "</plan>",
    "<plan/>",
    "<b>",
    "</b>",
    "<br>",
    "<p>",
    "</p>",
    "<y and z>",
    "<i class=\"x\">",
    "<speech to=\"",
    "<speech to='Mara>",
    "<b a=\"",
    "<speech to = ",
    " to=",
    " name=\"x\"",
    "\"",
    "'",
    "/",
    ">",
    "<",
    "</",
    "=",
    "/>",
    " /",
    "<!--",
    "-->",
    "--",
    "-",
    "<!-- x -->",
    "<![CDATA[",
    "]]>",
    "]",
    "]]",
    "<![CDATA[ a<b ]]>",
    "<!",
    "<!DOCTYPE html>",
    "<?xml ?>",
    "<?",
    "<|im_end|>",
    "<|",
    "|>",
    "<｜end｜>",
    "｜",
    "|",
    "&",
    "&amp;",
    "&lt;",
    "&#32;",
    "&#10;",
    "&#0;",
    "&#x41;",
    "&hellip;",
    "&nope;",
    "&am",
    "p;",
    ";",
    "#",
    "```",
    "```json\n",
    "\n```\n",
    "`",
    "``",
    "\n",
    " ",
    "  \n",
    "\t",
    "\r\n",
    "Hello",
    "a",
    "word and word. ",
    "Well met, traveller!",
    "é",
    "…",
    "欢迎",
    "🙂",
    "\u{FEFF}",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "speech",
    "think",
    "x=1",
];

fn input() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        40 => proptest::sample::select(FRAGMENTS).prop_map(|text| text.as_bytes().to_vec()),
        2 => proptest::collection::vec(any::<u8>(), 1..6),
        1 => (proptest::sample::select(&["x", " ", "<", "]", "-", "`", "&", "a ", "|", "=", "</a", "\n"][..]),
              prop_oneof![1..70_usize, 190..210_usize, 1000..1050_usize])
            .prop_map(|(text, times)| text.repeat(times).into_bytes()),
    ];
    proptest::collection::vec(fragment, 0..24).prop_map(|fragments| fragments.concat())
}

fn setting() -> impl Strategy<Value = Setting> {
    let stray = proptest::sample::select(
        &["auto", "auto", "auto", "drop", "speech", "Scene", "emotion"][..],
    );
    let end =
        proptest::sample::select(&[End::Model, End::Model, End::TokenLimit, End::Interruption][..]);
    (stray, proptest::bool::weighted(0.1), end).prop_map(|(stray, starts_in_reasoning, end)| {
        Setting { options: Options { stray_text: stray.into(), starts_in_reasoning }, end }
    })
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, {:?}", self.options, self.end)
    }
}

/// The input in pieces whose lengths are taken in turn.
fn pieces<'a>(input: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = input;
    let mut lengths = lengths.iter().cycle();
    std::iter::from_fn(move || {
        let length = *lengths.next()?;
        let (piece, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

proptest! {
    #[test]
    fn every_way_of_cutting_gives_the_same(
        input in input(),
        setting in setting(),
        lengths in proptest::collection::vec(1..40_usize, 1..8),
    ) {
        let whole = read(std::iter::once(&input[..]), &setting);
        prop_assert_eq!(&read(input.chunks(1), &setting), &whole, "byte by byte");
        prop_assert_eq!(&read(input.chunks(4), &setting), &whole, "by four");
        prop_assert_eq!(&read(pieces(&input, &lengths), &setting), &whole, "by {:?}", lengths);
    }

    #[test]
    fn work_is_bounded_by_the_input(input in input(), setting in setting()) {
        for piece in [1, 7, usize::MAX] {
            let work = work(&input, piece, &setting);
            prop_assert!(work <= 80 * input.len() + 80, "{} for {} bytes", work, input.len());
        }
    }
}

/// How many bytes were walked over and how often something was decided.
fn work(input: &[u8], piece: usize, setting: &Setting) -> usize {
    let mut parser = Parser::new(vocabulary(), setting.options.clone());
    for bytes in input.chunks(piece.min(input.len().max(1))) {
        parser.feed(bytes, &mut |_| {});
    }
    parser.finish(setting.end, &mut |_| {});
    parser.work()
}

#[test]
fn work_is_linear_where_it_is_hardest() {
    let setting = Setting { options: Options::default(), end: End::Model };
    let patterns = [
        "<",
        "<a",
        "<a ",
        "<a b=\"",
        "<a b='>",
        "<a b=\"<a c='>\" ",
        "<speech to=\"></speech>",
        "<speech to=\"",
        "<speech to='>x",
        "<x '=\"<x y=' '=\"",
        "</",
        "</speech",
        "&",
        "&#",
        "&amp",
        "<|",
        "<|x",
        "<!",
        "<!-",
        "<!--",
        "-",
        "]",
        "<![CDATA[",
        "]]",
        "`",
        "\n```x ",
        "\n``` ",
        "<think>",
        "</think",
        "<think></think",
        "a ",
        " ",
        "\u{1}",
        "\u{80}",
        "\u{a0}",
        "é",
        "<speech a a a a a a",
        "<speech é=1 É=2 ",
        "<scene>",
        "x <y z>",
    ];
    for pattern in patterns {
        for (prefix, piece) in [("", 1), ("", 1000), ("<speech>", 7), ("<think>", 3)] {
            let of_length = |length: usize| {
                let text = format!("{prefix}{}", pattern.repeat(length / pattern.len()));
                work(text.as_bytes(), piece, &setting)
            };
            let (short, long) = (of_length(20_000), of_length(80_000));
            assert!(long <= 80 * 80_000, "{prefix}{pattern:?} by {piece}: {long}");
            assert!(
                long <= short * 9 / 2 + 1000,
                "{prefix}{pattern:?} by {piece}: {short}, {long}"
            );
        }
    }
}

#[test]
fn parsers_and_vocabularies_may_go_to_other_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Vocabulary>();
    is_shared::<Parser>();
}

#[test]
fn the_summary_tells_of_reasoning() {
    let summary = |input: &str, starts_in_reasoning, end| {
        let options = Options { starts_in_reasoning, ..Options::default() };
        let reading = read(std::iter::once(input.as_bytes()), &Setting { options, end });
        (reading.summary.no_reasoning, reading.summary.orphan_before_tags)
    };
    assert_eq!(summary("plan</think>Hi", true, End::Model), (false, false));
    assert_eq!(summary("<speech>Hi</speech>", true, End::Model), (true, false));
    assert_eq!(summary("plan", true, End::TokenLimit), (true, false));
    assert_eq!(summary("plan", true, End::Interruption), (false, false));
    assert_eq!(summary("plan</think>Hi", false, End::Model), (false, true));
    assert_eq!(
        summary(&format!("{}</think>Hi", "plan ".repeat(99)), false, End::Model),
        (false, true)
    );
    assert_eq!(summary("<emotion/>x</think>", false, End::Model), (false, false));
    assert_eq!(summary("<think>x</think></think>", false, End::Model), (false, false));
    assert_eq!(summary("<b>x</b></think>", false, End::Model), (false, true));
}
