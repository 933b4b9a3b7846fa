//! What is read out of prompts: our own, and those that other programs send to `mock-llm`.

use super::*;
use crate::record::ToolCall;
use crate::tags::{AttributeType, Content, Kind};

fn cue(system: &str, user: &str) -> Cue {
    cue_from_messages(&[Message::text(Role::System, system), Message::text(Role::User, user)])
}

#[test]
fn the_agents_name_is_found() {
    for (system, expected) in [
        ("You are Old Bram.\nYou are a character in a game.", "Old Bram"),
        ("### LAWS ###\nYou are Maren, the innkeeper.", "Maren"),
        ("You are 李雷.", "李雷"),
        ("You are a helpful assistant.", "Somebody"),
        ("", "Somebody"),
    ] {
        assert_eq!(cue(system, "").name, expected, "{system}");
    }
}

#[test]
fn a_chat_is_answered_in_plain_words() {
    let system =
        "## Who you are\nYou are Tam.\n\nAnswer as Tam, and as nobody else: what Tam says.";
    let cue = cue(system, "### CURRENT CONTEXT ###\n\nx\n\n### WHAT IS SAID ###\n[Mira]: Hello");
    assert_eq!((cue.vocabulary.tags(), &*cue.name), (&[][..], "Tam"));
    assert_eq!((cue.speaker.as_deref(), cue.text.as_deref()), (Some("Mira"), Some("Hello")));
}

#[test]
fn who_said_what_is_read_from_many_forms() {
    let check = |user: &str, expected: (&str, &str, &str)| {
        let cue = cue("You are Bram.", user);
        let of = |it: &Option<String>| it.clone().unwrap_or_default();
        let got = (of(&cue.speaker), of(&cue.event_type), of(&cue.text));
        let (speaker, event_type, text) = expected;
        assert_eq!(got, (speaker.into(), event_type.into(), text.into()), "{user}");
    };
    // As our prompts have it.
    check("- Mira: \"Hello!\"", ("Mira", "", "Hello!"));
    check(
        "- Mira (player_spoke): \"Say \\\"ale\\\": &lt;now&gt;\" (data: {\"a\":\": \\\"\"})",
        ("Mira", "player_spoke", "Say \"ale\": <now>"),
    );
    check("- Something happens (door_opened)", ("", "door_opened", ""));
    check("- Something happens (paid) (data: {\"gold\":3})", ("", "paid", ""));
    check("- \"in passing, Joe\": \"x\"", ("", "", "in passing, Joe"));
    check(
        "(You were cut off.)\n### CURRENT CONTEXT ###\n\n#### Scene\n- a bar\n\n\
         ### WHAT HAPPENS ###\n- Aldo: \"Psst\"\n- Mira: \"Hello\"",
        ("Mira", "", "Hello"),
    );
    check("(The scene goes on.)", ("", "", ""));
    // As others write.
    check("Hello there", ("", "", "Hello there"));
    check("Mira says: “Hello”", ("Mira", "", "Hello"));
    check(
        "Look at this: a sword, and what a sword",
        ("Look at this", "", "a sword, and what a sword"),
    );
    check("I said it before, Bram: no", ("", "", "I said it before, Bram: no"));
    check("Scene: a bar.\n\nMira: Hello", ("Mira", "", "Hello"));
    check("", ("", "", ""));
}

#[test]
fn what_else_was_noticed_and_answered_is_told_apart() {
    let user = "- In passing: \"It has started to rain.\"\n- In passing: Aldo (left)\n\
                - Aldo: \"Psst\"\n- Tool look answered: \"x\"\n- Mira: \"Hello\"";
    let told = cue("You are Bram.", user);
    assert_eq!(told.observations, ["It has started to rain.", "Aldo: left", "Aldo: Psst"]);
    // An event is answered, whatever tools said before.
    assert!(told.tool_answers.is_empty());
    let told = cue("You are Bram.", "- Tool look could not do it: {\"why\":\"dark\"}");
    assert_eq!((&*told.tool_answers[0].tool, told.tool_answers[0].ok), ("look", false));
    assert_eq!(told.text, None);
}

#[test]
fn tool_messages_are_answers_to_their_calls() {
    let call =
        ToolCall { id: "c1".into(), name: "give".into(), arguments: "{}".into(), signature: None };
    let calling = Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "") };
    let content = "{\"ok\":false,\"output\":\"no ale\"}";
    let answer = Message { tool_call_id: Some("c1".into()), ..Message::text(Role::Tool, content) };
    let asked = Message::text(Role::User, "- Mira: \"Ale!\"");
    let told = cue_from_messages(&[asked, calling, answer]);
    let answer = &told.tool_answers[0];
    assert_eq!((&*answer.tool, answer.ok, &answer.output), ("give", false, &"no ale".into()));
    assert_eq!((told.text.as_deref(), told.past_turns), (Some("Ale!"), 1));
}

#[test]
fn sections_are_read_but_for_the_programs_own() {
    let system =
        "You are Bram.\n## Who you are\nA cook.\nFat.\n### RULES ###\n- Obey.\n## Goals\nEat.";
    let told =
        cue(system, "### CURRENT CONTEXT ###\n\n#### Scene\nNight.\n\n### WHAT HAPPENS ###\n- x");
    let sections: Vec<_> =
        told.sections.iter().map(|it| (it.title.as_str(), it.text.trim())).collect();
    assert_eq!(
        sections,
        [("Who you are", "A cook.\nFat."), ("Goals", "Eat."), ("Scene", "Night.")]
    );
}

#[test]
fn the_vocabulary_is_read_from_the_prompt() {
    let system = "You are Bram.\n- <say to=\"…\">…</say>: said aloud; holds text only. Speaks. Aloud.\n  \
                  - to (required): whom\n- <face kind=\"…\"/>: done or shown; holds no text.\n  \
                  - kind (optional; one of \"joy\", \"a \\\"b\\\"\")\n- <serve count=\"…\"/>: calls a tool of \
                  the game; its answer comes after your turn; holds no text. Serves.\n  \
                  - count (required; a whole number)\n- <muse>…</muse>: for your thoughts; nobody hears.\n\
                  - Stay in character.";
    let told = cue(system, "");
    let tags = told.vocabulary.tags();
    let shape: Vec<_> = tags.iter().map(|tag| (&*tag.name, tag.kind, tag.content)).collect();
    assert_eq!(
        shape,
        [
            ("say", Kind::Speech, Content::Text),
            ("face", Kind::Action, Content::None),
            ("serve", Kind::Tool, Content::None),
            ("muse", Kind::Hidden, Content::Text),
        ]
    );
    assert_eq!(tags[0].description.as_deref(), Some("Speaks. Aloud."));
    assert!(tags[0].attributes[0].required);
    assert_eq!(tags[1].attributes[0].values, ["joy", "a \"b\""]);
    assert_eq!(tags[2].attributes[0].value_type, AttributeType::Integer);
    assert_eq!(cue("You are Bram.", "").vocabulary.tags()[0].name.as_ref(), "speech");
}
