//! The demo against the fake server: what a newcomer would see.

use serde_json::{Value, json};

use super::*;
use crate::simulation::fake::{Fake, Say, speech};

fn emotion(name: &'static str) -> Say {
    Say::Tag("emotion", "action", json!({ "name": name }), "")
}

fn action(name: &'static str, how: &'static str) -> Say {
    Say::Tag("action", "action", json!({ "name": name }), how)
}

/// A short cast for the steps of the scene.
fn replies() -> Vec<Vec<Say>> {
    vec![
        vec![
            emotion("warm"),
            speech("Shut the door, love."),
            action("pour_ale", "to the brim"),
            Say::Tag("look_up_guest", "tool", json!({"name": "Wren"}), ""),
        ],
        vec![speech("Room three.")],
        vec![speech("Papers.")],
        vec![Say::Hold("Out of the reeds there came a lady pale as milk, and in her hand a lamp")],
        vec![speech("And there you cut me.")],
        vec![action("light_lantern", "")],
        vec![speech("Take it all.")],
        vec![speech("There she is.")],
        vec![speech("Nobody interrupt me.")],
    ]
}

async fn shown(color: bool) -> (String, Report) {
    let fake = Fake::new(replies()).await;
    let url = fake.url();
    let mut out = Vec::new();
    let options = DemoOptions { fast: true, color, ..DemoOptions::default() };
    let acts = [Scenario::parse(SCENARIO, "tavern.yaml").unwrap()];
    let (report, _) = tokio::join!(perform(&acts, &url, &options, &mut out), fake.serve());
    (String::from_utf8(out).unwrap(), report.unwrap())
}

#[tokio::test]
async fn a_newcomer_sees_who_speaks_what_is_done_and_where_it_was_cut() {
    let (text, report) = shown(false).await;
    for line in [
        "\n  Wren   → Maren: Good evening. I was told that there is a room for me.",
        "\n  Maren  (warm)\n         Shut the door, love.\n         (pour ale: to the brim)\n",
        "         ⚙ look_up_guest name=Wren\n         ↳ room: 3, nights: 7, paid_by: Oswin",
        "\n         Room three.\n",
        "\n  Out on the dark river a bell rings twice.\n  (a notification: Maren, Oswin, Lio will",
        "a lady pale as—\n         ╌╌ cut off by Wren\n",
        "had come already, and is forgotten: “milk, and in her hand a lamp”",
        "\n  Wren   → Lio: Lio. Who put it out?\n\n  Lio    And there you cut me.\n",
        "(light lantern) ✗ there is no oil in it\n",
        "9 turns · 1 interruption · 1 tool call · 1 notification · 10 results confirmed",
    ] {
        assert!(text.contains(line), "{line}\n---- is not in ----\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours where none are wanted");
    assert!(text.lines().all(|line| line.chars().count() <= 110 && !line.ends_with(' ')), "{text}");
    assert_eq!(report.errors, [""; 0]);
}

#[tokio::test]
async fn colours_change_nothing_but_colours() {
    let (plain, _) = shown(false).await;
    let (coloured, _) = shown(true).await;
    assert!(coloured.contains("\u{1b}[1;33mLio\u{1b}[0m"));
    let mut bare = String::new();
    for (number, piece) in coloured.split("\u{1b}[").enumerate() {
        let text = if number == 0 { piece } else { piece.split_once('m').unwrap().1 };
        bare.push_str(text);
    }
    let scene = |text: &str| text.split("first token").next().unwrap().to_owned();
    assert_eq!(scene(&bare), scene(&plain));
}

/// Whether a rule of the script is about this, as the actor reads it: the agent and the event's
/// type as a whole, the text within what was said.
fn is_about(rule: &Value, event: &Value) -> bool {
    let when = &rule["when"];
    let holds = |key: &str, wanted: &str| match when[key].as_str() {
        None => true,
        Some(value) if key == "text" => wanted.to_lowercase().contains(&value.to_lowercase()),
        Some(value) => value == wanted,
    };
    when["tool"].is_null()
        && holds("agent", event["agent"].as_str().unwrap())
        && holds("event", event["event_type"].as_str().unwrap())
        && holds("text", event["text"].as_str().unwrap())
}

#[test]
fn the_script_has_one_line_for_every_question_of_the_scene_and_no_other() {
    let read = |yaml: &str| -> Value {
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(yaml, options).unwrap()
    };
    let (scene, script) = (read(SCENARIO), read(SCRIPT));
    let rules = script["rules"].as_array().unwrap();
    let mut used = Vec::new();
    for event in scene["steps"].as_array().unwrap().iter().map(|step| &step["event"]) {
        if !event.is_null() {
            let fits: Vec<_> = (0..rules.len()).filter(|at| is_about(&rules[*at], event)).collect();
            assert_eq!(fits.len(), 1, "{event}");
            used.extend(fits);
        }
    }
    let tools = rules.iter().filter(|rule| rule["when"]["tool"] == "look_up_guest").count();
    assert_eq!((used.len() + tools, tools), (rules.len(), 1));
    let mark =
        scene["steps"].as_array().unwrap().iter().find_map(|step| step["until"]["text"].as_str());
    assert!(SCRIPT.contains(mark.unwrap()), "Lio is cut at words that he says");
}

#[test]
fn a_demo_may_run_as_a_task_beside_its_server() {
    fn is_send(_: &impl Send) {}
    let options = DemoOptions::default();
    is_send(&play("ws://127.0.0.1:1/ws", &options));
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let check = |no_color, is_terminal, expected| {
        assert_eq!(wants_color(no_color, is_terminal), expected);
    };
    check(None, true, true);
    check(Some(""), true, true);
    check(Some("0"), true, false);
    check(None, false, false);
}

#[test]
fn whoever_watched_is_told_what_to_connect() {
    let help = connect_help("127.0.0.1:8000");
    assert!(help.contains("ws://127.0.0.1:8000/ws"));
    let examples = help.lines().filter(|line| line.trim_start().starts_with('{'));
    for example in examples {
        let message: Value = serde_json::from_str(example.trim()).unwrap();
        assert!(message["type"].is_string());
    }
}
