//! Small scenarios against the fake server: what the game sends, and what it reports.

use std::time::Duration;

use dramatis_protocol::Hello;
use serde_json::{Value, json};

use super::fake::{Fake, Say, speech};
use super::*;

const AGENT: &str = "title: T\nplayer: {name: Wren}\nagents: {a: {name: Ada}}\n";

/// Slow enough to stop between two characters, fast enough for a test.
const CHARS: Pace =
    Pace { per_char: Duration::from_millis(1), per_action: Duration::from_millis(1) };

async fn played(
    yaml: &str,
    replies: Vec<Vec<Say>>,
    options: PlayOptions,
) -> (Result<Report, SimulationError>, Vec<Value>) {
    let scenario = Scenario::parse(yaml, "test").unwrap();
    let fake = Fake::new(replies).await;
    let url = fake.url();
    let game = async {
        let game = Game::connect(&url, Hello::default()).await?;
        game.play(&scenario, &options, &mut Silent).await
    };
    tokio::join!(game, fake.serve())
}

async fn at_once(steps: &str, replies: Vec<Vec<Say>>) -> (Report, Vec<Value>) {
    let options = PlayOptions { pace: Pace::AT_ONCE, ..PlayOptions::default() };
    let (report, sent) = played(&format!("{AGENT}{steps}"), replies, options).await;
    (report.unwrap(), sent)
}

/// The messages of a type, without their envelope.
fn of_type<'a>(sent: &'a [Value], wanted: &str) -> Vec<&'a Value> {
    sent.iter().filter(|message| message["type"] == wanted).collect()
}

fn types(sent: &[Value]) -> Vec<&str> {
    sent.iter().map(|message| message["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_game_answers_for_the_state_and_tells_what_was_shown() {
    let steps = "outcomes: [{tag: action, when: {name: open}, outcome: failed, detail: stuck}]\n\
        steps:\n  - event: {agent: a, text: Hello}\n  - wait: {agent: a}\n  - expect: {agent: a, heard: day}\n";
    let reply = vec![
        Say::Tag("action", "action", json!({"name": "open"}), ""),
        Say::Tag("action", "action", json!({"name": "wave"}), ""),
        speech("Good day."),
    ];
    let (report, sent) = at_once(steps, vec![reply]).await;
    assert_eq!(
        types(&sent),
        ["hello", "interaction_event", "agent_state_snapshot", "agent_turn_result"]
    );
    assert_eq!(sent[1]["actor"]["name"], "Wren");
    assert_eq!(sent[2]["state"]["name"], "Ada");
    assert_eq!(
        sent[3]["tags"],
        json!([
            {"tag_id": 0, "outcome": "failed", "detail": "stuck"},
            {"tag_id": 1, "outcome": "done"},
            {"tag_id": 2, "outcome": "done", "presented_chars": 9},
        ])
    );
    assert_eq!(report.errors, [""; 0]);
    assert_eq!((report.turns[0].heard.as_str(), report.stored), ("Good day.", 1));
    assert!(report.turns[0].first_speech_ms.is_some() && !report.turns[0].is_cut());
}

#[tokio::test]
async fn a_tool_runs_when_it_closes_and_its_answer_brings_another_turn() {
    let steps = "tools:\n  - {tool: look_up, when: {who: jon}, output: {place: harbour}}\n\
        steps:\n  - event: {agent: a, text: Where?}\n  - wait: {agent: a}\n  - expect: {agent: a, heard: harbour}\n";
    let call = |who: &str| Say::Tag("look_up", "tool", json!({"who": who}), "");
    let replies =
        vec![vec![speech("Wait."), call("Jon")], vec![call("Ada")], vec![speech("harbour")]];
    let (report, sent) = at_once(steps, replies).await;
    let results = of_type(&sent, "tool_results");
    assert_eq!(
        results[0]["results"],
        json!([{"tag_id": 1, "name": "look_up", "ok": true, "output": {"place": "harbour"}}])
    );
    assert_eq!(results[1]["results"][0]["ok"], false, "no rule is about Ada");
    let told = types(&sent);
    let first = told.iter().position(|kind| *kind == "tool_results").unwrap();
    assert_eq!(told[first - 1], "agent_turn_result", "what was shown is told before the answers");
    let origins: Vec<_> = report.turns.iter().map(|turn| turn.origin).collect();
    let follow_up = dramatis_protocol::Origin::ToolFollowUp;
    assert_eq!(origins[1..], [follow_up, follow_up]);
    assert_eq!((report.tools().count(), report.errors.len()), (2, 0));
}

#[tokio::test]
async fn an_interruption_stops_at_the_character_and_tells_only_what_was_heard() {
    let steps = "steps:\n  - event: {agent: a, text: Speak}\n\
        \u{20} - until: {agent: a, chars: 99, text: cut me h}\n  - event: {agent: a, text: Stop}\n\
        \u{20} - wait: {agent: a}\n  - expect: {agent: a, heard: Well}\n";
    let replies = vec![vec![Say::Hold("You cut me here and now.")], vec![speech("Well.")]];
    let options = PlayOptions { pace: CHARS, ..PlayOptions::default() };
    let (report, sent) = played(&format!("{AGENT}{steps}"), replies, options).await;
    let report = report.unwrap();
    let cut = report.interruptions().next().unwrap();
    assert_eq!(cut.heard, "You cut me h");
    assert!(matches!(cut.end, End::Interrupted { .. }));
    assert_eq!(
        of_type(&sent, "agent_turn_result")[0]["tags"],
        json!([{"tag_id": 0, "outcome": "partial", "presented_chars": 12}])
    );
    assert_eq!((report.turns.len(), report.errors.len()), (2, 0));
}

#[tokio::test]
async fn what_is_still_being_shown_is_cut_and_told_before_the_event_that_cuts_it() {
    let steps = "steps:\n  - event: {agent: a, text: Speak}\n  - until: {agent: a, chars: 3}\n\
        \u{20} - event: {agent: a, text: Stop}\n  - wait: {agent: a}\n";
    let options = PlayOptions { pace: CHARS, ..PlayOptions::default() };
    let replies = vec![vec![speech("A long tale, whole already.")], vec![speech("Oh.")]];
    let (report, sent) = played(&format!("{AGENT}{steps}"), replies, options).await;
    let report = report.unwrap();
    // The fake server had sent the whole turn before the game had shown three characters of it,
    // unless this machine is very slow: then it is an interruption like any other.
    let cut = report.interruptions().next().unwrap();
    assert_eq!(cut.heard, "A l");
    if matches!(cut.end, End::Finished { cut_by_player: true, .. }) {
        assert_eq!(types(&sent)[3..5], ["agent_turn_result", "interaction_event"]);
    }
}

#[tokio::test]
async fn cancelling_and_notifying_are_told_to_the_server() {
    let steps = "steps:\n  - notify: {agents: [a], text: A bell rings}\n  - event: {agent: a, text: Speak}\n\
        \u{20} - until: {agent: a, chars: 4}\n  - cancel: {agent: a}\n  - wait: {agent: a}\n";
    let (report, sent) = at_once(steps, vec![vec![Say::Hold("Once upon ")]]).await;
    assert_eq!(of_type(&sent, "notification_event")[0]["agent_ids"], json!(["a"]));
    assert_eq!(of_type(&sent, "cancel_turn").len(), 1);
    assert_eq!((report.notifications, report.interruptions().count()), (1, 1));
}

#[tokio::test]
async fn what_changes_in_the_game_is_in_the_next_state() {
    let steps = "shared: {prompt_parts: [{title: Time, text: dusk}]}\n\
        steps:\n  - event: {agent: a, text: One}\n  - wait: {agent: a}\n\
        \u{20} - set: {title: Time, text: night}\n  - set: {agent: a, title: Mood, text: glum}\n\
        \u{20} - event: {agent: a, text: Two}\n  - wait: {agent: a}\n";
    let (_, sent) = at_once(steps, vec![vec![speech("1")], vec![speech("2")]]).await;
    let parts: Vec<_> = of_type(&sent, "agent_state_snapshot")
        .iter()
        .map(|snapshot| snapshot["state"]["prompt_parts"].clone())
        .collect();
    assert_eq!(parts[0], json!([{"title": "Time", "text": "dusk"}]));
    assert_eq!(
        parts[1],
        json!([{"title": "Time", "text": "night"}, {"title": "Mood", "text": "glum"}])
    );
}

#[tokio::test]
async fn breaches_of_the_protocol_and_of_expectations_stand_in_the_report() {
    let steps = "steps:\n  - event: {agent: a, text: Speak}\n  - wait: {agent: a}\n\
        \u{20} - expect: {agent: a, heard: no, interrupted: true}\n  - expect: {agent: a, tool: look_up}\n";
    let (report, _) = at_once(steps, vec![vec![speech("Yes."), Say::Breach]]).await;
    let has = |words: &str| report.errors.iter().any(|error| error.contains(words));
    assert!(has("where 4 is next") && has("`no` to be heard") && has("a call of `look_up`"));
    assert_eq!(report.errors.len(), 3);
}

#[tokio::test]
async fn a_step_that_waits_in_vain_says_for_what() {
    let steps = "steps:\n  - event: {agent: a, text: Speak}\n  - wait: {agent: a}\n";
    let patience = Duration::from_millis(50);
    let options = PlayOptions { patience, ..PlayOptions::default() };
    let replies = vec![vec![Say::Hold("Well…")]];
    let (report, _) = played(&format!("{AGENT}{steps}"), replies, options).await;
    let error = report.unwrap_err().to_string();
    assert!(error.contains("step 2") && error.contains("`a` to say everything"), "{error}");
}

#[tokio::test]
async fn a_game_that_is_not_welcome_says_why() {
    let fake = Fake::new([]).await;
    let url = fake.url();
    let hello = Hello { token: Some("wrong".to_owned()), ..Hello::default() };
    let (refused, _) = tokio::join!(async { Game::connect(&url, hello).await.err() }, fake.serve());
    assert!(matches!(refused, Some(SimulationError::Refused(why)) if why == "the token is wrong"));
    let gone = Game::connect(&url, Hello::default()).await.err();
    assert!(matches!(gone, Some(SimulationError::Connection { .. })));
}
