//! More agents want to speak than the provider is asked for at a time: they wait their turn, the
//! more important first, and what finds no room is told so.

use std::time::Duration;

use dramatis::actor::Pace;
use dramatis::llm::GateLimits;
use serde_json::{Value, json};

use crate::stage::{Game, Plan};

async fn begin(game: &mut Game, agent: &str, priority: i32) {
    game.send(&json!({
        "type": "interaction_event", "agent_id": agent, "event_id": agent, "text": "Well?",
        "state": {"name": agent}, "priority": priority,
    }))
    .await;
    assert_eq!(game.until("agent_turn_started").await["agent_id"], agent);
    // By the time that this is answered the request stands where it belongs.
    game.ping().await;
}

async fn cancel(game: &mut Game, agent: &str) {
    game.send(&json!({"type": "cancel_turn", "agent_id": agent})).await;
    let end = game.until("agent_turn_interrupted").await;
    assert_eq!((&end["agent_id"], &end["reason"]), (&json!(agent), &json!("cancelled")));
}

async fn next_to_speak(game: &mut Game) -> Value {
    game.until("agent_tag_open").await["agent_id"].clone()
}

#[tokio::test]
async fn requests_wait_their_turn_and_what_finds_no_room_is_told_so() {
    let mut plan = Plan::saying(&format!("<speech>{}</speech>", "word ".repeat(5_000)));
    plan.pace = Pace::tokens_per_second(10.0);
    plan.llm.gate =
        GateLimits { requests: 1, per_provider: 1, waiting: 2, patience: Duration::from_secs(20) };
    let stage = plan.begin().await;
    let mut game = stage.game().await;
    begin(&mut game, "ada", 0).await;
    assert_eq!(next_to_speak(&mut game).await, "ada");
    begin(&mut game, "ben", 0).await;
    begin(&mut game, "cay", 0).await;

    // There is no room for a third that waits: the newest of the lowest priority has to go.
    game.send(&json!({
        "type": "interaction_event", "agent_id": "dot", "event_id": "dot", "text": "Well?",
        "state": {"name": "dot"}, "priority": 5,
    }))
    .await;
    let error = game.until("error").await;
    assert_eq!((&error["code"], &error["agent_id"]), (&json!("overloaded"), &json!("cay")));
    assert_eq!(error["retryable"], true, "{error}");
    let end = game.until("agent_turn_interrupted").await;
    assert_eq!((&end["agent_id"], &end["reason"]), (&json!("cay"), &json!("provider_error")));

    cancel(&mut game, "ada").await;
    assert_eq!(next_to_speak(&mut game).await, "dot", "the more important first");
    begin(&mut game, "eve", 1).await;
    cancel(&mut game, "eve").await;
    cancel(&mut game, "dot").await;
    assert_eq!(next_to_speak(&mut game).await, "ben", "whoever is cut while waiting has left");
    game.ping().await;
    stage.end().await;
}
