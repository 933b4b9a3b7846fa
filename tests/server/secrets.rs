//! Keys and tokens come in by every door and are repeated by the provider in every way that it has
//! to fail. None of them may be found afterwards: not in the server's own log, not in the records,
//! not in the database, not in the metrics, not in what games are sent. What players say stays out
//! of the server's own log above DEBUG.

use std::path::Path;
use std::process::Stdio;

use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::stage::{PATIENCE, is_end};

const KEY: &str = "sk-planted-4f1c9a";
const TOKEN: &str = "t0ken-planted-77b2";
const WRONG: &str = "wr0ng-planted-90d3";
const SAID: &str = "my mother's maiden name is Xylophone";

/// Ways in which the provider fails, each with the key in it; then a reply.
const WAYS: usize = 7;

fn answer(way: usize, key: &str) -> Response {
    let event = |data: String| ([(CONTENT_TYPE, "text/event-stream")], data).into_response();
    if key != KEY {
        return StatusCode::NOT_FOUND.into_response();
    }
    let error = json!({"error": {"message": format!("Incorrect key: {key}"), "code": key}});
    match way {
        0 => (StatusCode::UNAUTHORIZED, error.to_string()).into_response(),
        1 => (StatusCode::BAD_REQUEST, format!("<h1>no {key}, please</h1>")).into_response(),
        2 => event(format!("data: {error}\n\n")),
        3 => event(format!("data: {{\"oops\": {key}\n\n")),
        4 => ([(CONTENT_TYPE, "application/json")], error.to_string()).into_response(),
        5 => (StatusCode::FOUND, [(LOCATION, format!("/else?key={key}"))]).into_response(),
        6 => event(format!("event: error\ndata: {key}\n\n")),
        _ => {
            let delta = json!({"choices": [{"delta": {"content": "<speech>Hm.</speech>"},
                "finish_reason": "stop"}]});
            event(format!("data: {delta}\n\ndata: [DONE]\n\n"))
        }
    }
}

/// A provider that repeats the key that it is asked with.
async fn provider(tasks: &mut JoinSet<()>) -> String {
    let app = Router::new().route(
        "/v1/chat/completions",
        post(|headers: HeaderMap, body: String| async move {
            let key = headers.get(AUTHORIZATION).unwrap().to_str().unwrap();
            let way = (0..WAYS).find(|way| body.contains(&format!("(way {way})")));
            answer(way.unwrap_or(WAYS), key.strip_prefix("Bearer ").unwrap())
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}/v1")
}

async fn start(folder: &Path, provider: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dramatis"))
        .args(["serve", "--port", "0", "--ready-json", "--exit-with-stdin"])
        .args(["--data", "data", "--logs", "logs", "--log-format", "json"])
        .current_dir(folder)
        .env("OPENAI_API_BASE", provider)
        .env("OPENAI_API_KEY", KEY)
        .env("DRAMATIS_TOKEN", TOKEN)
        .env("GAME_AGENT_LOG_LEVEL", "TRACE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    (child, ready["address"].as_str().unwrap().to_owned())
}

/// Sends the messages, reads until as many turns have ended or the server closes; gives all of it.
async fn visit(url: &str, bearer: Option<&str>, messages: &[Value], turns: usize) -> String {
    let mut request = url.into_client_request().unwrap();
    if let Some(bearer) = bearer {
        request.headers_mut().insert("Authorization", format!("Bearer {bearer}").parse().unwrap());
    }
    let (mut socket, _) = connect_async(request).await.unwrap();
    for message in messages {
        drop(socket.send(Message::text(message.to_string())).await);
    }
    let mut heard = String::new();
    let mut ended = 0;
    while ended < turns {
        match timeout(PATIENCE, socket.next()).await.unwrap() {
            Some(Ok(Message::Text(text))) => {
                heard += &text;
                ended += usize::from(is_end(&serde_json::from_str(&text).unwrap()));
            }
            Some(Ok(_)) => {}
            _ => break,
        }
    }
    heard
}

fn event(number: usize) -> Value {
    let text = format!("{SAID} (way {number})");
    json!({"type": "interaction_event", "agent_id": format!("agent{number}"), "text": text,
        "event_id": format!("e{number}"), "data": {"note": SAID}, "state": {"name": "Bram",
        "dossier": {"Secrets": SAID}}})
}

async fn metrics(address: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {TOKEN}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    for line in [
        "dramatis_turns_total{outcome=\"finished\"} 2\n",
        "dramatis_turns_total{outcome=\"interrupted\"} 7\n",
        "dramatis_interruptions_total{cause=\"provider_error\"} 7\n",
        "dramatis_provider_errors_total{provider=\"default\",kind=\"auth\"} 1\n",
        "dramatis_provider_errors_total{provider=\"default\",kind=\"provider\"} 6\n",
        "dramatis_first_speech_seconds_count 2\n",
        "dramatis_turn_duration_seconds_count 9\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    text
}

fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

fn holds(bytes: &[u8], planted: &str) -> bool {
    bytes.windows(planted.len()).any(|window| window == planted.as_bytes())
}

#[tokio::test]
async fn what_is_secret_is_found_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut tasks = JoinSet::new();
    let provider = provider(&mut tasks).await;
    let (mut server, address) = start(folder.path(), &provider).await;
    let url = format!("ws://{address}/ws");
    let hello = |token: &str| json!({"type": "hello", "session_id": "s", "token": token});

    let mut heard = Vec::new();
    for number in 0..WAYS {
        heard.push(visit(&url, Some(TOKEN), &[event(number)], 1).await);
    }
    let broken = heard.iter().filter(|heard| heard.contains("agent_turn_interrupted")).count();
    assert_eq!(broken, WAYS, "{heard:#?}");
    let last = visit(&url, None, &[hello(TOKEN), event(WAYS)], 1).await;
    assert!(last.contains("agent_turn_finished"), "{last}");
    assert!(!last.contains("error"), "the key was sent");
    heard.push(last);
    let by_query = format!("{url}?token={TOKEN}");
    heard.push(visit(&by_query, None, &[event(WAYS + 1)], 1).await);
    for (url, bearer, messages) in [
        (url.clone(), Some(WRONG), vec![]),
        (format!("{url}?token={WRONG}"), None, vec![]),
        (url.clone(), None, vec![hello(WRONG)]),
        (url.clone(), None, vec![json!({"type": "hello", "token": {"deep": WRONG}})]),
    ] {
        heard.push(visit(&url, bearer, &messages, 1).await);
        assert!(heard.last().unwrap().contains("unauthorized"), "{heard:#?}");
    }
    heard.push(metrics(&address).await);

    drop(server.stdin.take());
    let mut log = String::new();
    server.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
    assert!(timeout(PATIENCE, server.wait()).await.unwrap().unwrap().success());

    let mut found = Vec::new();
    files(folder.path(), &mut found);
    let records = found.iter().filter(|(name, _)| name.ends_with(".conversation.jsonl")).count();
    assert!(records > WAYS && found.iter().any(|(name, _)| name.ends_with("dramatis.db")));
    found.push(("the server's own log".to_owned(), log.clone().into_bytes()));
    found.push(("what was sent".to_owned(), heard.concat().into_bytes()));
    for (name, bytes) in &found {
        for planted in [KEY, TOKEN, WRONG] {
            assert!(!holds(bytes, planted), "{planted} stands in {name}");
        }
    }
    assert!(found.iter().any(|(_, bytes)| holds(bytes, SAID)), "the records hold what was said");
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).expect(line);
        let loud = entry["level"] != "DEBUG" && entry["level"] != "TRACE";
        assert!(!(loud && line.contains("Xylophone")), "{line}");
    }
}
