//! Turns as a game lives them: from the event to what history keeps.

use std::time::Duration;

use dramatis::actor::Pace;
use dramatis::turn_log::Logged;
use serde_json::json;

use crate::stage::{Plan, count, text_of};

/// What the mock was sent last, as one text.
fn last_request(stage: &crate::stage::Stage) -> String {
    stage.mock.requests().last().unwrap()["messages"].to_string()
}

#[tokio::test]
async fn a_turn_runs_end_to_end() {
    let stage = Plan::saying("<speech>Good evening.</speech><emotion name=\"joy\"/>").begin().await;
    let mut game = stage.game().await;
    game.send(&json!({"type": "hello", "session_id": "s", "protocol": "1"})).await;
    assert_eq!(game.until("welcome").await["session_id"], "s");
    game.send(
        &json!({"type": "interaction_event", "agent_id": "ada", "event_id": "e1", "text": "Hello"}),
    )
    .await;
    let question = game.next().await.unwrap();
    assert_eq!(
        (&question["type"], &question["event_id"]),
        (&json!("get_agent_state"), &json!("e1"))
    );
    game.send(&json!({
        "type": "agent_state_snapshot", "agent_id": "ada", "request_id": question["request_id"],
        "state": {"name": "Ada", "dossier": {"Trade": "smith"}},
    }))
    .await;
    let turn = game.turn().await;
    assert_eq!(turn[0]["type"], "agent_turn_started");
    assert_eq!(turn[0]["origin"], "llm");
    assert_eq!(text_of(&turn, "speech"), "Good evening.");
    for (seq, message) in turn.iter().enumerate() {
        assert_eq!(message["seq"], seq);
    }
    assert_eq!(turn.last().unwrap()["finish_reason"], "stop");
    assert!(last_request(&stage).contains("smith"));

    let turn_id = &turn[0]["turn_id"];
    let result = json!({
        "type": "agent_turn_result", "agent_id": "ada", "turn_id": turn_id, "message_id": "m",
        "tags": [{"tag_id": 0, "outcome": "done"}],
    });
    for _ in 0..2 {
        game.send(&result).await;
        let stored = game.next().await.unwrap();
        assert_eq!((&stored["type"], &stored["in_reply_to"]), (&json!("stored"), &json!("m")));
    }
    let log = stage.end().await;
    assert!(log.iter().any(|entry| matches!(entry.what, Logged::TurnRecord(_))));
}

#[tokio::test]
async fn an_interruption_closes_the_request_and_only_what_was_shown_is_remembered() {
    let long = format!("<speech>Once upon a time {}</speech>", "and then ".repeat(500));
    let mut plan = Plan::scripted(&format!(
        "rules:\n  - when: {{ turn: 1 }}\n    reply: {}\n  - reply: '<speech>Yes?</speech>'\n",
        json!(long)
    ));
    plan.pace = Pace::tokens_per_second(200.0);
    let stage = plan.begin().await;
    let mut game = stage.game().await;
    game.event("ada", "e1").await;
    let started = game.until("agent_turn_started").await;
    game.until("agent_tag_chunk").await;
    game.event("ada", "e2").await;
    let cut = game.turn().await;
    let end = cut.last().unwrap();
    assert_eq!((&end["reason"], &end["by_event_id"]), (&json!("newer_event"), &json!("e2")));
    assert_eq!(cut[cut.len() - 2]["complete"], false);
    game.send(&json!({
        "type": "agent_turn_result", "agent_id": "ada", "turn_id": started["turn_id"],
        "tags": [{"tag_id": 0, "outcome": "partial", "presented_chars": 9}],
    }))
    .await;
    let next = game.turn().await;
    assert_eq!(text_of(&next, "speech"), "Yes?");
    game.event("ada", "e3").await;
    game.turn().await;
    let request = last_request(&stage);
    assert!(request.contains("<speech>Once") && !request.contains("upon a time"), "{request}");
}

#[tokio::test]
async fn a_tool_call_is_followed_up_with_its_result() {
    let script = "rules:\n  - when: { tool: look_up }\n    reply: '<speech>Room three.</speech>'\n  - reply: '<look_up name=\"Wren\"/>'\n";
    let stage = Plan::scripted(script).begin().await;
    let mut game = stage.game().await;
    let state = json!({"name": "Ada", "tags": [
        {"name": "speech", "kind": "speech"},
        {"name": "look_up", "kind": "tool", "content": "none", "attributes": [{"name": "name"}]},
    ]});
    let event = json!({
        "type": "interaction_event", "agent_id": "ada", "event_id": "e", "text": "A room?",
        "state": state,
    });
    game.send(&event).await;
    let turn = game.turn().await;
    let call = turn.iter().find(|message| message["kind"] == "tool").unwrap();
    game.send(&json!({
        "type": "tool_results", "agent_id": "ada", "turn_id": call["turn_id"],
        "results": [{"tag_id": call["tag_id"], "ok": true, "output": {"room": 3}}],
    }))
    .await;
    game.until("get_agent_state").await;
    game.send(&json!({"type": "agent_state_snapshot", "agent_id": "ada", "state": state})).await;
    let follow_up = game.turn().await;
    assert_eq!(follow_up[0]["origin"], "tool_follow_up");
    assert_eq!(follow_up[0]["event_ids"], json!([]));
    assert_eq!(text_of(&follow_up, "speech"), "Room three.");
    assert!(last_request(&stage).contains("room"));
}

#[tokio::test]
async fn history_goes_on_over_a_reconnect_and_a_save_game_takes_it_back() {
    let script = "rules:\n  - when: { turn: 1 }\n    reply: '<speech>alpha</speech>'\n  - when: { turn: 2 }\n    reply: '<speech>beta</speech>'\n  - reply: '<speech>gamma</speech>'\n";
    let stage = Plan::scripted(script).begin().await;
    let hello = json!({"type": "hello", "session_id": "s"});
    let mut game = stage.game().await;
    game.send(&hello).await;
    game.event("ada", "e1").await;
    let first = game.until("agent_turn_started").await["turn_id"].clone();
    game.until("agent_turn_finished").await;
    drop(game);

    let mut game = stage.game().await;
    game.send(&hello).await;
    game.event("ada", "e2").await;
    assert_eq!(text_of(&game.turn().await, "speech"), "beta");
    assert!(last_request(&stage).contains("alpha"));
    game.event("ada", "e3").await;
    game.turn().await;
    assert!(last_request(&stage).contains("beta"));

    // A copy that goes on after the first turn knows nothing of the second.
    let mut other = stage.game().await;
    other
        .send(&json!({
            "type": "hello", "session_id": "copy", "fork_of": "s", "resume_after": {"ada": first},
        }))
        .await;
    other.until("welcome").await;
    other.event("ada", "e4").await;
    other.turn().await;
    let request = last_request(&stage);
    assert!(request.contains("alpha") && !request.contains("beta"), "{request}");

    // What can't be done is said, and the session is served all the same.
    let mut late = stage.game().await;
    late.send(
        &json!({"type": "hello", "session_id": "s", "resume_after": {"ada": "no-such-turn"}}),
    )
    .await;
    let error = late.until("error").await;
    assert_eq!(
        (&error["code"], &error["field"]),
        (&json!("unknown_turn"), &json!("resume_after.ada"))
    );
    late.until("welcome").await;
    assert_eq!(game.until("closed").await["code"], 4009);

    let mut refused = stage.game().await;
    for (message, field) in [
        (json!({"type": "hello", "session_id": "copy", "fork_of": "s"}), "session_id"),
        (json!({"type": "hello", "session_id": "new", "fork_of": "nobody"}), "fork_of"),
    ] {
        refused.send(&message).await;
        let error = refused.next().await.unwrap();
        assert_eq!((&error["code"], &error["field"]), (&json!("bad_message"), &json!(field)));
    }
    refused.ping().await;
}

#[tokio::test]
async fn whoever_first_spoke_after_the_game_was_saved_has_never_spoken() {
    let stage = Plan::saying("<speech>The door is open.</speech>").begin().await;
    let mut game = stage.game().await;
    game.send(&json!({"type": "hello", "session_id": "s"})).await;
    game.until("welcome").await;
    game.event("ada", "e1").await;
    let saved = game.turn().await[0]["turn_id"].clone();
    game.event("bea", "e2").await;
    game.turn().await;

    let mut loaded = stage.game().await;
    loaded
        .send(&json!({
            "type": "hello", "session_id": "loaded", "fork_of": "s",
            "resume_after": {"ada": saved}, "forget_others": true,
        }))
        .await;
    loaded.until("welcome").await;
    for (agent, remembers) in [("ada", true), ("bea", false)] {
        loaded.event(agent, "e3").await;
        loaded.turn().await;
        assert_eq!(last_request(&stage).contains("The door is open."), remembers, "{agent}");
    }
    game.event("bea", "e4").await;
    game.turn().await;
    assert!(last_request(&stage).contains("The door is open."));
}

#[tokio::test]
async fn a_session_that_is_asked_for_by_the_name_from_its_welcome_outlives_the_first_connection() {
    let stage = Plan::saying("<speech>Hm.</speech>").begin().await;
    let mut first = stage.game().await;
    first.send(&json!({"type": "hello"})).await;
    let name = first.until("welcome").await["session_id"].clone();
    first.event("ada", "e1").await;
    let turn_id = first.turn().await[0]["turn_id"].clone();

    let mut second = stage.game().await;
    second.send(&json!({"type": "hello", "session_id": name})).await;
    second.until("welcome").await;
    assert_eq!(first.until("closed").await["code"], 4009);
    drop(first);
    for message_id in ["m1", "m2"] {
        second
            .send(&json!({
                "type": "agent_turn_result", "agent_id": "ada", "turn_id": turn_id,
                "message_id": message_id, "content": "Hm.",
            }))
            .await;
        assert_eq!(second.until("stored").await["in_reply_to"], message_id);
        second.event("ada", message_id).await;
        second.until("agent_turn_finished").await;
    }
}

#[tokio::test]
async fn a_state_may_ask_to_see_more_turns_than_are_in_memory() {
    let stage = Plan::scripted("rules:\n  - reply: '<speech>Hm.</speech>'\n").begin().await;
    let mut game = stage.game().await;
    for number in 0..60 {
        game.send(&json!({
            "type": "interaction_event", "agent_id": "ada", "text": format!("word{number}."),
            "state": {"name": "Ada"},
        }))
        .await;
        game.until("agent_turn_finished").await;
    }
    for (asked, oldest) in [(100, "word0."), (2, "word59.")] {
        game.send(&json!({
            "type": "interaction_event", "agent_id": "ada", "text": "And?",
            "state": {"name": "Ada", "history_turns": asked},
        }))
        .await;
        game.until("agent_turn_finished").await;
        let request = last_request(&stage);
        assert!(request.contains(oldest), "{asked} turns");
        assert_eq!(request.contains("word0."), asked == 100, "{asked} turns");
    }
}

#[tokio::test]
async fn going_down_ends_turns_and_tells_the_game() {
    let mut plan = Plan::saying(&format!("<speech>{}</speech>", "on and on ".repeat(1_000)));
    plan.pace = Pace::tokens_per_second(100.0);
    let mut stage = plan.begin().await;
    let mut game = stage.game().await;
    game.event("ada", "e1").await;
    game.until("agent_tag_chunk").await;
    game.send(&json!({
        "type": "interaction_event", "agent_id": "ada", "event_id": "e2", "text": "And?",
        "interrupt": "queue",
    }))
    .await;
    game.ping().await;
    stage.stop();
    let turn = game.turn().await;
    assert_eq!(turn.last().unwrap()["reason"], "shutdown");
    let dropped = game.next().await.unwrap();
    assert_eq!((&dropped["event_id"], &dropped["reason"]), (&json!("e2"), &json!("shutdown")));
    assert_eq!(game.next().await.unwrap()["code"], 1001);
    stage.end().await;
}

#[tokio::test]
async fn agents_do_not_wait_for_each_other() {
    let script = "rules:\n  - when: { agent: Stuck }\n    reply: '<speech>At last.</speech>'\n    \
                  fault: stall-after-connect\n  - reply: '<speech>Here.</speech>'\n";
    let mut plan = Plan::scripted(script);
    plan.llm.first_token = Duration::from_secs(600);
    let stage = plan.begin().await;
    let mut game = stage.game().await;
    game.event("Stuck", "e0").await;
    game.until("agent_turn_started").await;
    for number in 1..20 {
        game.event(&format!("agent{number}"), &format!("e{number}")).await;
    }
    for _ in 1..20 {
        assert_ne!(game.until("agent_turn_finished").await["agent_id"], "Stuck");
    }
    game.send(&json!({"type": "cancel_turn", "agent_id": "Stuck"})).await;
    assert_eq!(game.until("agent_turn_interrupted").await["reason"], "cancelled");
}

#[tokio::test]
async fn two_connections_never_see_each_others_turns() {
    let stage = Plan::saying("<speech>Hm.</speech>").begin().await;
    let mut one = stage.game().await;
    let mut two = stage.game().await;
    one.event("ada", "e").await;
    two.event("ada", "e").await;
    let (first, second) = (one.turn().await, two.turn().await);
    assert_ne!(first[0]["turn_id"], second[0]["turn_id"]);
    assert_eq!(count(&first, "agent_turn_started"), 1);
    one.send(&json!({
        "type": "agent_turn_result", "agent_id": "ada", "turn_id": second[0]["turn_id"],
        "content": "mine",
    }))
    .await;
    assert_eq!(one.until("error").await["code"], "unknown_turn");
}

#[tokio::test]
async fn that_a_model_begins_in_its_reasoning_is_learnt_and_forgotten() {
    const REPLY: &str = "<speech>Good evening, traveller. Sit down.</speech>";
    let mut plan = Plan::saying(REPLY);
    plan.faults = vec!["lone-closing-half*3"];
    let stage = plan.begin().await;
    let mut game = stage.game().await;
    for event in 1..=5 {
        game.event("ada", &format!("e{event}")).await;
        let turn = game.turn().await;
        assert_eq!(text_of(&turn, "speech"), "Good evening, traveller. Sit down.", "{event}");
    }
    let log = stage.end().await;
    let mut read_so = Vec::new();
    for entry in &log {
        if let Logged::TurnRecord(record) = &entry.what {
            read_so
                .push((record.starts_in_reasoning, record.warnings.contains_key("no_reasoning")));
        }
    }
    let usual = (false, false);
    assert_eq!(read_so, [usual, usual, (true, false), (true, true), usual]);
}
