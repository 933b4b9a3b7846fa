//! What is improvised is always usable markup of the agent's own vocabulary, whatever that is.

use std::sync::Arc;

use dramatis_protocol::Id;
use serde_json::json;

use super::*;
use crate::llm::CueSection;
use crate::tags::{AttributeType, Vocabulary};

fn attribute(name: &str, values: &[&str], required: bool) -> AttributeDef {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    AttributeDef { name: name.to_owned(), values, required, ..AttributeDef::default() }
}

fn define(name: &str, kind: Kind, content: Content, attributes: Vec<AttributeDef>) -> TagDef {
    let name = Arc::from(name);
    let (description, contains) = (None, None);
    TagDef { name, description, kind, content, contains, attributes, interruptible: true }
}

/// A game's own tags, none of which has a usual name.
fn vocabulary() -> Vec<TagDef> {
    let amount =
        AttributeDef { value_type: AttributeType::Integer, ..attribute("amount", &[], true) };
    vec![
        define("say", Kind::Speech, Content::Text, vec![attribute("to", &[], true)]),
        define(
            "face_expression",
            Kind::Action,
            Content::None,
            vec![attribute("kind", &["Neutral", "Curious", "Angry"], true)],
        ),
        define(
            "play_animation",
            Kind::Action,
            Content::Text,
            vec![attribute("clip", &["Wave", "Point"], true)],
        ),
        define("attack", Kind::Action, Content::None, vec![attribute("target", &[], true)]),
        define("play_gesture", Kind::Action, Content::None, vec![]),
        define(
            "serve_drink",
            Kind::Tool,
            Content::None,
            vec![attribute("drink", &["ale", "red_wine"], true), amount],
        ),
        define("look_up", Kind::Tool, Content::Text, vec![]),
        define("inner_voice", Kind::Hidden, Content::Text, vec![]),
    ]
}

fn cue(text: Option<&str>) -> Cue {
    let section = |title: &str, text: &str| CueSection { title: title.into(), text: text.into() };
    Cue {
        agent: "bram".to_owned(),
        name: "Bram".to_owned(),
        sections: vec![
            section("Who you are", "You are the keeper of the Gilded Flagon. You fear the Baron."),
            section("Rumours", "The bridge has been out since the spring floods.\nwolves: 3"),
            section("Secrets", "You poisoned the mayor last winter."),
        ],
        speaker: Some("Mira".to_owned()),
        event_type: None,
        text: text.map(str::to_owned),
        observations: Vec::new(),
        tool_answers: Vec::new(),
        memories: Vec::new(),
        past_turns: 0,
        vocabulary: Arc::new(Vocabulary::new(vocabulary()).unwrap()),
    }
}

fn reply(cue: &Cue) -> String {
    let plan = improvise(cue, &[]);
    plan.steps
        .into_iter()
        .map(|step| match step.piece {
            Piece::Text(text) => text,
            other => format!("{other:?}"),
        })
        .collect()
}

/// Splits markup into tags and texts; panics if a tag is none of the vocabulary's, an attribute or
/// a value is none of its, a required one is missing, or tags don't pair.
fn check_markup(markup: &str, tags: &[TagDef]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = markup;
    while let Some((before, after)) = rest.split_once('<') {
        assert!(before.trim().is_empty(), "stray text {before:?} in {markup}");
        let (inside, after) = after.split_once('>').unwrap();
        let empty = inside.ends_with('/');
        let inside = inside.trim_end_matches('/');
        let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
        let tag = tags.iter().find(|tag| &*tag.name == name).unwrap_or_else(|| panic!("{name}"));
        let mut seen = Vec::new();
        for pair in attributes.split("\" ").filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once("=\"").unwrap();
            let value = value.trim_end_matches('"');
            let def = tag.attributes.iter().find(|def| def.name == name).unwrap();
            assert!(def.values.is_empty() || def.values.iter().any(|it| it == value), "{markup}");
            assert!(def.value_type != AttributeType::Integer || value.parse::<i64>().is_ok());
            seen.push(name);
        }
        for def in tag.attributes.iter().filter(|def| def.required) {
            assert!(seen.contains(&def.name.as_str()), "{name} misses {}", def.name);
        }
        if empty {
            found.push((name.to_owned(), attributes.to_owned()));
            rest = after;
            continue;
        }
        assert_eq!(tag.content, Content::Text, "{name} holds no text: {markup}");
        let (text, after) = after.split_once(&format!("</{name}>")).unwrap();
        assert!(!text.contains('<') && !text.trim().is_empty(), "{markup}");
        found.push((name.to_owned(), text.to_owned()));
        rest = after;
    }
    assert!(rest.trim().is_empty(), "stray text {rest:?}");
    found
}

fn spoken(cue: &Cue) -> String {
    let tags = check_markup(&reply(cue), cue.vocabulary.tags());
    tags.into_iter().find(|(name, _)| name == "say").unwrap().1
}

#[test]
fn what_was_said_before_is_told_with_who_said_it() {
    let with = |text: &str, memories: &[&str]| {
        let memories = memories.iter().map(|it| (*it).to_owned()).collect();
        spoken(&Cue { memories, ..cue(Some(text)) })
    };
    let wax = "Mira: I have no papers. Only this: blue wax.\nBram: A swallow! (takes it) Sit down.";
    let check = |text: &str, expected: &str| {
        let said = with(text, &["Oswin: The toll is a copper.", wax]);
        assert!(said.contains(expected), "{text}: {said}");
    };
    check("Do you remember the blue wax?", "You told me: “Only this: blue wax.”");
    check("What did you say of a swallow?", "I said: “A swallow!”");
    check("What was the toll, again?", "Oswin said: “The toll is a copper.”");
    // What is so goes before what was said of it, unless that is asked for.
    check("What happened to the bridge?", "The bridge has been out");
    let bridge = "Mira: They will mend the bridge by May.";
    assert!(with("When did I tell you of the bridge? Remember?", &[bridge]).contains("by May"));
    // Nothing is made up, and no text breaks it.
    for odd in
        ["", ":", "::: (", "no name here", "Mira: <say>bridge", "a.b: bridge\n\n", "银: 桥。"]
    {
        let said = with("Do you remember the tower?", &[odd]);
        assert!(!said.contains("told me") && !said.contains("said:"), "{odd}: {said}");
    }
}

const SAID: [&str; 12] = [
    "Hello there!",
    "What happened to the bridge?",
    "Who are you?",
    "Where is the moon made?",
    "Bring me an ale, please.",
    "I will kill you!",
    "Thank you so much",
    "Goodbye.",
    "The weather is nice.",
    "<say to=\"x\">& \"quoted\"</say> {speaker}",
    "???",
    "你好,桥在哪里?",
];

#[test]
fn every_reply_uses_the_agents_own_tags_and_no_others() {
    for text in SAID {
        for past_turns in 0..12 {
            let cue = Cue { past_turns, ..cue(Some(text)) };
            let tags = check_markup(&reply(&cue), cue.vocabulary.tags());
            assert!(tags.iter().any(|(name, _)| name == "inner_voice"));
            assert!(!spoken(&cue).contains(['{', '}']), "{}", spoken(&cue));
        }
    }
    for event in ["player_entered", "combat.started", "item_given", "door-opened", ""] {
        let cue = Cue { event_type: Some(event.to_owned()), speaker: None, ..cue(None) };
        assert!(!spoken(&cue).contains("{speaker}"));
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_said_the_markup_is_sound(text: String, speaker: String, seen: String) {
        let cue = Cue {
            speaker: Some(speaker),
            observations: vec![seen],
            ..cue(Some(&format!("{text}, serve it!")))
        };
        check_markup(&reply(&cue), cue.vocabulary.tags());
    }
}

#[test]
fn any_subset_of_a_vocabulary_will_do() {
    let all = vocabulary();
    for mask in 1..(1_u32 << all.len()) {
        let tags: Vec<_> = all
            .iter()
            .enumerate()
            .filter(|(index, _)| mask & (1 << index) != 0)
            .map(|(_, tag)| tag.clone())
            .collect();
        let vocabulary = Arc::new(Vocabulary::new(tags).unwrap());
        let cue = Cue { vocabulary, ..cue(Some("Attack the ale, serve it, look it up!")) };
        let reply = reply(&cue);
        assert!(!reply.is_empty());
        check_markup(&reply, cue.vocabulary.tags());
    }
}

#[test]
fn a_reply_is_the_same_again_but_differs_from_turn_to_turn() {
    for text in SAID {
        let said: Vec<_> =
            (0..6).map(|past_turns| reply(&Cue { past_turns, ..cue(Some(text)) })).collect();
        let again: Vec<_> =
            (0..6).map(|past_turns| reply(&Cue { past_turns, ..cue(Some(text)) })).collect();
        assert_eq!(said, again);
        assert!(said.windows(2).all(|pair| pair[0] != pair[1]), "{text}: {said:#?}");
    }
}

#[test]
fn the_dossier_answers_and_secrets_stay() {
    let check = |text: &str, part: &str| {
        for past_turns in 0..4 {
            let said = spoken(&Cue { past_turns, ..cue(Some(text)) });
            assert!(said.contains(part), "{text}: {said}");
        }
    };
    check("What happened to the bridge?", "The bridge has been out since the spring floods.");
    check("Are there any rumors?", "The bridge has been out");
    check("Whom do you fear?", "I fear the Baron.");
    check("Who are you?", "I am Bram. I am the keeper of the Gilded Flagon.");
    check("Hello!", "Mira");
    for past_turns in 0..20 {
        let said = spoken(&Cue { past_turns, ..cue(Some("Who poisoned the mayor?")) });
        assert!(!said.contains("poison"), "{said}");
    }
}

/// A cue as a chat has it: no tags, and nobody has a name.
fn chat(text: &str, memories: &[&str]) -> Cue {
    Cue {
        speaker: None,
        memories: memories.iter().map(|memory| (*memory).to_owned()).collect(),
        vocabulary: Arc::new(Vocabulary::none()),
        ..cue(Some(text))
    }
}

#[test]
fn in_a_chat_everything_is_said_to_the_agent_and_answered_in_plain_words() {
    let said = reply(&chat("My name is Ada and I like carrots.", &[]));
    assert!(!said.contains(['<', '>']) && !said.contains("carrots"), "{said}");
    let memory = "User: The password of the bridge is bluebell.\nBram: I see.";
    let said = reply(&chat("What was the password of the bridge?", &[memory]));
    assert!(said.contains("You told me: “The password of the bridge is bluebell.”"), "{said}");
}

#[test]
fn a_long_speech_is_not_repeated() {
    let nobody = |text: &str| Cue { speaker: None, ..cue(Some(text)) };
    let said = spoken(&nobody(&"ferry bridge lantern ".repeat(1_000)));
    assert!(!said.is_empty() && said.len() < 1_000, "{said}");
    let said = spoken(&nobody("A ferry comes"));
    assert!(said.contains("A ferry comes"), "what happens is told: {said}");
}

#[test]
fn what_was_noticed_is_mentioned() {
    let observations = vec!["The door fell shut.".to_owned(), "It has started to rain".to_owned()];
    for text in [Some("Hello!"), Some("What happened to the bridge?"), None] {
        let cue = Cue { observations: observations.clone(), ..cue(text) };
        assert!(spoken(&cue).contains("It has started to rain."), "{}", spoken(&cue));
    }
}

#[test]
fn an_observation_becomes_a_sentence() {
    for (seen, expected) in [
        ("It has started to rain", "It has started to rain."),
        ("Aldo: Good evening!", "Aldo said: “Good evening!”"),
        ("Aldo: left", "Aldo left."),
        ("Aldo: Stop", "Aldo said: “Stop.”"),
        ("door_opened", "Door opened."),
        ("", ""),
    ] {
        assert_eq!(in_words(seen).unwrap_or_default(), expected);
    }
}

#[test]
fn tools_are_used_when_they_are_asked_for() {
    let check = |text: &str, expected: Option<&str>| {
        let tags = check_markup(&reply(&cue(Some(text))), &vocabulary());
        let tools = ["serve_drink", "attack", "look_up"];
        let tool = tags.into_iter().find(|(name, _)| tools.contains(&name.as_str()));
        let tool = tool.map(|(name, attributes)| format!("{name} {attributes}"));
        assert_eq!(tool.as_deref(), expected, "{text}");
    };
    check("Two ales, please!", Some("serve_drink drink=\"ale\" amount=\"2\""));
    check(
        "I would like 3 glasses of red wine",
        Some("serve_drink drink=\"red_wine\" amount=\"3\""),
    );
    check("Attack him!", Some("attack target=\"Mira\""));
    check("Look up the old ferryman!", Some("look_up old ferryman"));
    check("Look up Mira of Anne's Landing!", Some("look_up Mira Anne Landing"));
    check("What is new?", None);
    check("Hello", None);
}

#[test]
fn native_tools_get_arguments_of_their_schema() {
    let schema = json!({"type": "object", "required": ["room", "nights"], "properties": {
        "room": {"type": "string", "enum": ["small", "large"]},
        "nights": {"type": "integer"}, "note": {"type": "string"}}});
    let tool = ToolSpec {
        name: "rent_room".to_owned(),
        description: Some("Rents a room to the guest".to_owned()),
        parameters: Some(schema),
    };
    let plan = improvise(
        &cue(Some("May I rent the large room for four nights?")),
        std::slice::from_ref(&tool),
    );
    let arguments = r#"{"room":"large","nights":4}"#.to_owned();
    let call = Piece::Call { name: "rent_room".to_owned(), arguments };
    assert_eq!(plan.steps.last().unwrap().piece, call);
    assert_eq!(plan.finish_reason(), "tool_calls");
    assert_eq!(improvise(&cue(Some("Hello")), &[tool]).steps.len(), 1);
}

#[test]
fn a_follow_up_tells_what_the_tool_answered_and_calls_nothing() {
    let check = |ok: bool, output: serde_json::Value, part: &str| {
        let answer = ToolAnswer {
            turn_id: Id::from("t"),
            tag_id: 3,
            tool: Id::from("serve_drink"),
            call_id: None,
            ok,
            output,
        };
        let cue = Cue { tool_answers: vec![answer], ..cue(Some("Two ales, please!")) };
        assert!(spoken(&cue).contains(part), "{}", spoken(&cue));
        assert!(!reply(&cue).contains("serve_drink"));
    };
    check(true, json!("Two mugs of ale stand on the bar."), "Two mugs of ale stand on the bar.");
    check(true, json!({"message": "served", "code": 1}), "served.");
    check(true, json!({"mugs_left": 12}), "mugs left 12.");
    check(true, json!(null), ".");
    check(false, json!({"error": "the barrel is empty"}), "It can't be done: the barrel is empty.");
}
