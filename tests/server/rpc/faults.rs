//! What means nothing, what fails, and who is not let in.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{assets, stage};
use crate::stage::{Game, Plan};
use crate::talk::Talk;

#[tokio::test]
async fn what_means_nothing_is_answered_and_the_connection_lives() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    let mut talk = Talk::begin(&stage).await;
    let cases = [
        (Message::text("{}"), "invalid_message", "\"prompt\""),
        (Message::text(r#"{"prompt": 7}"#), "invalid_message", "\"prompt\""),
        (Message::text(" "), "invalid_message", "nothing was said"),
        (Message::binary(&b"hello"[..]), "invalid_message", "text, not bytes"),
        (Message::text("/wrld select river"), "unknown_command", "/world select"),
        (Message::text("x".repeat(64 * 1024 + 1)), "too_large", "65536 bytes"),
    ];
    for (frame, code, part) in cases {
        talk.send_frame(frame).await;
        let (told, metadata) = talk.expect("error").await;
        assert!(told.contains(part), "{code}: {told}");
        assert_eq!(metadata, json!({"code": code}));
    }
    assert!(talk.refused("/world select").await.contains("/world select <id>"));
    talk.send("/help").await;
    assert!(talk.expect("system_update").await.0.contains("/session continue <id>"));
    talk.command("/world select river").await;
}

/// Everything up to the end of a turn that fails at the provider: the error's code, and the history.
async fn failing(fault: &'static str) -> (Value, Value) {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { assets: assets(folder.path()), ..Plan::saying("One two three four.") };
    let stage = Plan { faults: vec![fault], ..plan }.begin().await;
    let mut talk = Talk::begin(&stage).await;
    let (session, _) = talk.open("moor", "una").await;
    talk.send("Well?").await;
    let mut code = json!(null);
    loop {
        match talk.next().await {
            (event, content, metadata) if event == "error" => {
                assert!(!content.contains("sk-test") && !content.contains('{'), "{content}");
                code = metadata["code"].clone();
            }
            (event, ..) if event == "chat_end" => break,
            _ => {}
        }
    }
    talk.expect("sync_state").await;
    (code, talk.go_on(&session).await)
}

#[tokio::test]
async fn what_fails_at_the_provider_is_told_and_ends_the_turn() {
    for (fault, expected, kept) in [
        ("401", "provider_auth", 1),
        ("402", "provider_auth", 1),
        ("403-moderation", "provider_refused", 1),
        ("429:60", "provider_rate_limited", 1),
        ("500", "provider_error", 1),
        ("html", "provider_error", 1),
        ("stall-after-connect", "provider_error", 1),
        ("error-in-stream", "provider_error", 2),
        ("truncated", "provider_error", 2),
        ("stall-midway", "provider_error", 2),
    ] {
        let (code, history) = failing(fault).await;
        assert_eq!(code, expected, "{fault}");
        assert_eq!(history.as_array().unwrap().len(), kept, "{fault}: {history}");
    }
}

#[tokio::test]
async fn a_model_whose_provider_has_no_key_names_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    let mut talk = Talk::begin(&stage).await;
    talk.open("moor", "una").await;
    talk.command("/model gemini/gemini-3-flash-preview").await;
    talk.send("Well?").await;
    let (told, _) = talk.expect("system_update").await;
    assert!(told.starts_with('✗') && told.contains("GEMINI_API_KEY"), "{told}");
    talk.expect("chat_end").await;
    talk.expect("sync_state").await;
    talk.untitled = false;
    talk.command("/model scripted/actor").await;
    assert!(!talk.ask("Do you cut peat?").await.0.is_empty());
}

#[tokio::test]
async fn whoever_sends_too_much_is_told_and_at_last_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { assets: assets(folder.path()), ..Plan::saying("Aye.") };
    let plan = Plan { max_connections: 2, max_events_per_second: 20, ..plan };
    let stage = plan.begin().await;
    let mut talk = Talk::begin(&stage).await;
    talk.send(&"x".repeat(32 * 1024 + 1)).await;
    assert_eq!(talk.expect("error").await.1["code"], "too_large");
    let second = Talk::begin(&stage).await;
    let mut third = stage.game_at("/ws/rpc").await;
    let error = third.next().await.unwrap();
    assert_eq!(error["payload"]["metadata"]["code"], "overloaded");
    assert_eq!(third.next().await.unwrap()["code"], 4029);
    drop(second);
    for _ in 0..40 {
        talk.send("/help").await;
    }
    let told = loop {
        let (event, content, metadata) = talk.next().await;
        if event == "error" {
            assert_eq!(metadata["code"], "rate_limited");
            break content;
        }
    };
    assert!(told.starts_with("too much at once: wait"), "{told}");
    talk.send(&"x".repeat(2 * 1024 * 1024)).await;
    let code = loop {
        let (event, _, metadata) = talk.next().await;
        if event == "error" && metadata["code"] != "rate_limited" {
            break metadata["code"].clone();
        }
    };
    assert_eq!(code, "too_large");
    assert_eq!(talk.closed().await["code"], 1009);
}

#[tokio::test]
async fn a_name_that_can_t_be_one_is_told_and_the_connection_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    for client in [String::new(), "x".repeat(300)] {
        let mut game = stage.game_at(&format!("/ws/rpc?client={client}")).await;
        assert_eq!(game.next().await.unwrap()["event"], "system_update");
        let error = game.next().await.unwrap();
        assert_eq!(error["payload"]["metadata"]["code"], "invalid_message");
        assert_eq!(game.next().await.unwrap()["event"], "sync_state");
    }
}

#[tokio::test]
async fn the_token_is_needed_where_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { assets: assets(folder.path()), ..Plan::saying("Aye.") };
    let stage = Plan { token: Some("secret"), ..plan }.begin().await;
    for path in ["/ws/rpc", "/ws/rpc?token=wrong"] {
        let mut game = stage.game_at(path).await;
        let error = game.next().await.unwrap();
        assert_eq!(error["payload"]["metadata"]["code"], "unauthorized");
        assert_eq!(game.next().await.unwrap()["code"], 4001, "{path}");
    }
    Talk::at(&stage, "/ws/rpc?token=secret").await;
    let url = format!("ws://{}/ws/rpc", stage.address);
    let mut game = Game::connect(&url, &[("authorization", "Bearer secret")]).await;
    assert_eq!(game.next().await.unwrap()["event"], "system_update");
    let mut game = Game::connect(&url, &[("origin", "https://evil.example")]).await;
    let error = game.next().await.unwrap();
    assert!(error["payload"]["content"].as_str().unwrap().contains("DRAMATIS_ORIGINS"), "{error}");
}
