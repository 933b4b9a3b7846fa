//! Tool calls of Gemini, which wants its signature back: from its stream through a game's answer to the
//! next request.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::stage::{Plan, count, text_of};

const CALLS: &str = include_str!("../data/streams/gemini-tools.sse");
const WORDS: &str = include_str!("../data/streams/gemini.sse");

/// Plays the calls, then the words, and keeps what it was asked.
async fn gemini(tasks: &mut JoinSet<()>) -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = Arc::clone(&requests);
    let app = Router::new().fallback(async move |body: axum::Json<Value>| {
        let mut kept = kept.lock().unwrap();
        kept.push(body.0);
        let reply = if kept.len() == 1 { CALLS } else { WORDS };
        ([(CONTENT_TYPE, "text/event-stream")], reply)
    });
    tasks.spawn(async { axum::serve(listener, app).await.unwrap() });
    (url, requests)
}

#[tokio::test]
async fn a_call_goes_back_with_the_signature_that_it_came_with() {
    let mut tasks = JoinSet::new();
    let (url, requests) = gemini(&mut tasks).await;
    let stage = Plan { gemini: Some(url), ..Plan::saying("") }.begin().await;
    let mut game = stage.game().await;
    let state = json!({
        "name": "Ada", "model": "gemini/gemini-3-flash-preview",
        "tools": [{"name": "give"}, {"name": "nod"}],
    });
    game.send(&json!({
        "type": "interaction_event", "agent_id": "ada", "event_id": "e", "text": "Ale!",
        "state": state,
    }))
    .await;
    let turn = game.turn().await;
    assert!(!json!(turn).to_string().contains("Ab12"), "a game has no use for it: {turn:?}");
    let calls = turn.iter().filter(|message| message["kind"] == "tool");
    let results = calls.map(|call| json!({"tag_id": call["tag_id"], "ok": true, "output": "done"}));
    let results: Vec<_> = results.collect();
    assert_eq!(results.len(), 2);
    game.send(&json!({
        "type": "tool_results", "agent_id": "ada", "turn_id": turn[0]["turn_id"],
        "results": results,
    }))
    .await;
    game.until("get_agent_state").await;
    game.send(&json!({"type": "agent_state_snapshot", "agent_id": "ada", "state": state})).await;
    let follow_up = game.turn().await;
    assert_eq!(count(&follow_up, "agent_turn_finished"), 1, "{follow_up:?}");
    assert_eq!(text_of(&follow_up, "speech"), "Guten Abend 👋");

    let asked = requests.lock().unwrap()[1]["contents"].as_array().unwrap().clone();
    let said = asked.iter().rposition(|turn| turn["role"] == "model").unwrap();
    assert_eq!(
        asked[said]["parts"],
        json!([
            {"text": "<speech>Here.</speech>"},
            {"functionCall": {"name": "give", "args": {"count": 2, "item": "ale"}},
                "thoughtSignature": "Ab12"},
            {"functionCall": {"id": "fc-9", "name": "nod", "args": {}}},
        ])
    );
    let answer = json!({"result": "\"done\""});
    assert_eq!(
        asked[said + 1]["parts"].as_array().unwrap()[..2],
        [
            json!({"functionResponse": {"name": "give", "response": answer}}),
            json!({"functionResponse": {"id": "fc-9", "name": "nod", "response": answer}}),
        ]
    );
}
