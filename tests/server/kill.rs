//! The server is killed at random moments of a busy game. Whatever it had answered with `stored` is
//! there afterwards, and the game goes on.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use dramatis::actor::{Actor, MockLlm, Pace, Script, serve};
use dramatis::store::Store;
use dramatis_protocol::Id;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const AGENTS: usize = 6;
const KILLS: u64 = 20;

/// A server as a process of its own.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    async fn start(folder: &Path, provider: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dramatis"))
            .args(["serve", "--port", "0", "--ready-json"])
            .current_dir(folder)
            .env("OPENAI_API_BASE", provider)
            .env("OPENAI_API_KEY", "sk-test")
            .env("GAME_AGENT_LOG_LEVEL", "ERROR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("the server says nothing");
        let ready: Value = serde_json::from_str(&line).unwrap();
        Self { child, url: ready["url"].as_str().unwrap().to_owned() }
    }
}

/// What the game sent as results, by turn, and which of them were answered with `stored`.
#[derive(Default)]
struct Confirmed {
    sent: BTreeMap<String, (String, String)>,
    stored: Vec<String>,
    turns: u64,
}

/// Plays until the connection breaks: every agent is spoken to again as soon as its turn has ended.
async fn play(url: &str, confirmed: &mut Confirmed) {
    let (socket, _) = connect_async(url).await.unwrap();
    let (mut sink, mut source) = socket.split();
    let mut out = vec![json!({"type": "hello", "session_id": "busy"})];
    out.extend((0..AGENTS).map(|agent| event(&format!("Agent{agent}"))));
    loop {
        for message in out.drain(..) {
            if sink.send(Message::text(message.to_string())).await.is_err() {
                return;
            }
        }
        let Some(Ok(frame)) = source.next().await else { return };
        let Ok(text) = frame.to_text() else { continue };
        let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
        match message["type"].as_str() {
            Some("agent_turn_finished") => {
                confirmed.turns += 1;
                let agent = message["agent_id"].as_str().unwrap().to_owned();
                let turn = message["turn_id"].as_str().unwrap().to_owned();
                let content = format!("As told in {}.", confirmed.turns);
                out.push(json!({
                    "type": "agent_turn_result", "agent_id": agent, "turn_id": turn,
                    "message_id": turn, "content": content,
                }));
                out.push(event(&agent));
                confirmed.sent.insert(turn, (agent, content));
            }
            Some("stored") => {
                confirmed.stored.push(message["turn_id"].as_str().unwrap().to_owned());
            }
            Some("error") => unreachable!("{message}"),
            _ => {}
        }
    }
}

fn event(agent: &str) -> Value {
    json!({
        "type": "interaction_event", "agent_id": agent, "text": "And then?",
        "state": {"name": agent},
    })
}

async fn check_store(folder: &Path, confirmed: &Confirmed) {
    let store = Store::open(&folder.join("data/dramatis.db")).unwrap();
    for turn in &confirmed.stored {
        let (agent, content) = &confirmed.sent[turn];
        let found = store.find_turn(&"busy".into(), &Id::from(&**agent), &Id::from(&**turn)).await;
        let turn = found.unwrap().expect("a turn that was confirmed is not there");
        assert_eq!(turn.result.unwrap().content.as_ref(), Some(content));
    }
    store.close().await;
}

#[tokio::test]
async fn what_was_answered_with_stored_survives_twenty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::parse("rules:\n  - reply: '<speech>Hm, yes.</speech>'\n", "test").unwrap();
    let mock = MockLlm::new(Actor::new(script, Pace::AT_ONCE), Vec::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = format!("http://{}/v1", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, mock.clone(), std::future::pending()));

    let mut confirmed = Confirmed::default();
    for kill in 0..KILLS {
        let mut server = Server::start(folder.path(), &provider).await;
        // Moments spread over the first tenths of a second of play, the same in every run.
        let moment = Duration::from_millis(40 + kill * 7_919 % 301);
        let _ = tokio::time::timeout(moment, play(&server.url, &mut confirmed)).await;
        server.child.kill().await.unwrap();
    }
    assert!(confirmed.stored.len() > 50, "only {} confirmed", confirmed.stored.len());
    check_store(folder.path(), &confirmed).await;

    // The game continues, and the prompts are in order.
    let requests_before = mock.request_count();
    let mut server = Server::start(folder.path(), &provider).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), play(&server.url, &mut confirmed)).await;
    server.child.kill().await.unwrap();
    assert!(mock.request_count() > requests_before);
    let request = mock.requests().pop().unwrap();
    let messages = request["messages"].as_array().unwrap();
    for (place, message) in messages.iter().enumerate() {
        let role = ["system", "user", "assistant"][if place == 0 { 0 } else { 2 - place % 2 }];
        assert_eq!(message["role"], role, "message {place} of {request}");
    }
    assert!(messages.iter().any(|it| it["content"].as_str().unwrap().contains("As told in")));
}
