//! The whole house over real sockets: what is refused at the door, and what operators see.

use std::collections::HashMap;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::compose::{House, actor_with};
use crate::actor::Script;
use crate::config::Settings;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// A server of its own, in a folder of its own.
struct Served {
    address: String,
    folder: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Served {
    async fn with(pairs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut set: HashMap<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        set.insert("DRAMATIS_DATA".to_owned(), path("data"));
        set.insert("DRAMATIS_LOGS".to_owned(), path("logs"));
        let settings = Settings::read(&|name| set.get(name).cloned()).unwrap();
        let house = House::build(&settings, actor_with(Script::builtin())).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(house.serve(listener, async {
            let _ = stopped.await;
        }));
        Self { address, folder, stop, tasks }
    }

    async fn end(mut self) -> tempfile::TempDir {
        drop(self.stop);
        timeout(LONG, self.tasks.join_next()).await.unwrap().unwrap().unwrap().unwrap();
        self.folder
    }

    async fn game(&self) -> Game {
        self.game_from(None).await
    }

    /// A game that says where it is from, as browsers do.
    async fn game_from(&self, origin: Option<&str>) -> Game {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("Origin", origin.parse().unwrap());
        }
        let (socket, _) = timeout(LONG, connect_async(request)).await.unwrap().unwrap();
        Game { socket }
    }

    /// The status line's code and the body.
    async fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
            self.address
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(LONG, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, body.to_owned())
    }
}

struct Game {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Game {
    async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message; a close comes as `{"close": code}`.
    async fn next(&mut self) -> Value {
        loop {
            match timeout(LONG, self.socket.next()).await.unwrap() {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return json!({"close": u16::from(frame.code)});
                }
                Some(Ok(_)) => {}
                other => panic!("the connection ended: {other:?}"),
            }
        }
    }

    /// The next message of this type.
    async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    async fn event(&mut self, id: &str, state: Value) {
        let event = json!({"type": "interaction_event", "agent_id": "bram", "event_id": id,
            "text": "Good evening.", "state": state});
        self.send(event).await;
    }
}

#[tokio::test]
async fn providers_that_say_nothing_or_have_no_key_hold_nothing_up() {
    // Connections are taken by the system, and nobody ever reads them.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let silent = format!("http://{}/v1", listener.local_addr().unwrap());
    let served = Served::with(&[
        ("DRAMATIS_LOCAL_BASE", &silent),
        ("GROQ_API_KEY", "k"),
        ("GROQ_BASE_URL", &silent),
        ("LLM_MODEL", "local/silent"),
    ])
    .await;
    let mut game = served.game().await;
    game.event("e1", json!({"name": "Bram"})).await;
    let started = game.next_of("agent_turn_started").await;
    assert_eq!((&started["model"], &started["origin"]), (&json!("local/silent"), &json!("llm")));

    let mut other = served.game().await;
    other.event("e2", json!({"name": "Bram", "model": "deepseek-chat"})).await;
    let error = other.next_of("error").await;
    assert_eq!(error["code"], "provider_auth", "{error}");
    assert!(error["message"].as_str().unwrap().contains("DEEPSEEK_API_KEY"), "{error}");
    assert_eq!(other.next_of("agent_turn_interrupted").await["reason"], "provider_error");
    other.event("e3", json!({"name": "Bram", "model": super::compose::SCRIPTED_MODEL})).await;
    assert_eq!(other.next_of("agent_turn_finished").await["finish_reason"], "stop");
    served.end().await;
}

#[tokio::test]
async fn a_model_that_is_not_allowed_is_refused_by_field() {
    let served = Served::with(&[("DRAMATIS_MODELS", "openai/*, llama")]).await;
    let mut game = served.game().await;
    game.event("e1", json!({"name": "Bram", "model": "dear/model"})).await;
    let error = game.next().await;
    assert_eq!(error["code"], "bad_message", "{error}");
    assert_eq!((&error["field"], &error["in_reply_to"]), (&json!("state.model"), &json!("e1")));
    assert!(error["message"].as_str().unwrap().contains("openai/*, llama"), "{error}");
    // The built-in actor may be named, and the same event be sent again.
    game.event("e1", json!({"name": "Bram", "model": super::compose::SCRIPTED_MODEL})).await;
    assert_eq!(game.next_of("agent_turn_started").await["event_ids"], json!(["e1"]));
    game.next_of("agent_turn_finished").await;
    served.end().await;
}

#[tokio::test]
async fn a_web_page_of_another_host_is_told_and_turned_away() {
    let served = Served::with(&[("DRAMATIS_ORIGINS", "https://itch.example/")]).await;
    for origin in [None, Some("http://localhost:8060"), Some("https://itch.example")] {
        let mut game = served.game_from(origin).await;
        game.send(json!({"type": "ping"})).await;
        assert_eq!(game.next().await["type"], "pong", "{origin:?}");
    }
    let mut game = served.game_from(Some("https://evil.example")).await;
    let error = game.next().await;
    assert_eq!(error["code"], "unauthorized");
    assert!(error["message"].as_str().unwrap().contains("DRAMATIS_ORIGINS"), "{error}");
    assert_eq!(game.next().await, json!({"close": 4001}));
    served.end().await;
}

#[tokio::test]
async fn beyond_the_rate_events_are_refused_and_nothing_else_is() {
    let served = Served::with(&[("DRAMATIS_MAX_EVENTS_PER_SECOND", "1")]).await;
    let mut game = served.game().await;
    let notification = |id: &str| json!({"type": "notification_event", "agent_id": "bram", "event_id": id, "text": "Rain."});
    game.send(notification("n1")).await;
    game.send(notification("n2")).await;
    game.send(json!({"type": "ping", "nonce": 1})).await;
    let error = game.next().await;
    assert_eq!((&error["code"], &error["in_reply_to"]), (&json!("rate_limited"), &json!("n2")));
    assert_eq!(error["retryable"], true);
    let wait = error["retry_after_ms"].as_u64().unwrap();
    assert!((1..=1_001).contains(&wait), "{error}");
    assert_eq!(game.next().await["nonce"], 1);
    served.end().await;
}

#[tokio::test]
async fn metrics_tell_of_turns_and_queues_to_whoever_has_the_token() {
    let served = Served::with(&[("DRAMATIS_TOKEN", "t0ken")]).await;
    let mut game = served.game().await;
    game.send(json!({"type": "hello", "token": "t0ken"})).await;
    game.event("e1", json!({"name": "Bram"})).await;
    game.next_of("agent_turn_finished").await;
    for (path, headers) in [
        ("/metrics", ""),
        ("/metrics?token=wrong", ""),
        ("/metrics", "Authorization: Bearer wrong\r\n"),
    ] {
        assert_eq!(served.get(path, headers).await.0, 401, "{path} {headers}");
    }
    assert_eq!(served.get("/metrics?token=t0ken", "").await.0, 200);
    let (code, text) = served.get("/metrics", "Authorization: Bearer t0ken\r\n").await;
    assert_eq!(code, 200);
    // Other tests of this process count too, so only what can't be otherwise is asked.
    for line in [
        "dramatis_turns_total{outcome=\"finished\"} ",
        "dramatis_first_speech_seconds_bucket{le=\"0.5\"} ",
        "dramatis_turn_duration_seconds_count ",
        "dramatis_tokens_total{provider=\"scripted\",type=\"output\"} ",
        "dramatis_connections ",
        "dramatis_agents ",
        "dramatis_provider_queue_length ",
        "dramatis_store_queue_length ",
        "dramatis_log_queue_length ",
        "dramatis_ws_send_queue_bytes ",
        "# HELP dramatis_turn_duration_seconds ",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    if cfg!(target_os = "linux") {
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
    }
    assert!(!text.contains("bram") && !text.contains("session"), "{text}");
    served.end().await;
}

#[tokio::test]
async fn a_fallback_that_speaks_is_told_to_the_game_and_counted() {
    let served = Served::with(&[
        ("GROQ_API_KEY", "k"),
        ("GROQ_BASE_URL", "http://127.0.0.1:1/v1"),
        ("LLM_MODEL", "groq/away"),
        ("DRAMATIS_FALLBACK_MODELS", super::compose::SCRIPTED_MODEL),
    ])
    .await;
    let mut game = served.game().await;
    game.event("e1", json!({"name": "Bram"})).await;
    let finished = game.next_of("agent_turn_finished").await;
    assert_eq!(finished["model"], super::compose::SCRIPTED_MODEL);
    // No other test of this process counts one.
    let (_, text) = served.get("/metrics", "").await;
    let line = "dramatis_fallbacks_total{provider=\"groq\"} 1\n";
    assert!(text.contains(line), "{line} is not in\n{text}");
    served.end().await;
}

#[tokio::test]
async fn a_server_is_ready_while_there_is_room() {
    let served = Served::with(&[("DRAMATIS_MAX_CONNECTIONS", "1")]).await;
    assert_eq!(served.get("/healthz", "").await, (200, "ok".to_owned()));
    assert_eq!(served.get("/readyz", "").await.0, 200);
    let mut game = served.game().await;
    game.send(json!({"type": "ping"})).await;
    game.next_of("pong").await;
    let (code, why) = served.get("/readyz", "").await;
    assert_eq!(code, 503);
    assert!(why.contains("DRAMATIS_MAX_CONNECTIONS"), "{why}");
    assert_eq!(served.get("/healthz", "").await.0, 200);
    served.end().await;
}
