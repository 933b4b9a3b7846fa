//! Clumsy and hostile clients: each is answered by the rules, and nobody else notices.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use crate::stage::{Fixed, Game, Plan, Stage};

/// Whoever waits behind a stalled socket waits for its 10 s; what is well below that is the
/// machine's own weather.
const NOTICEABLE: Duration = Duration::from_secs(8);

async fn stage() -> Stage {
    Plan::saying("<speech>Hm.</speech>").begin().await
}

#[tokio::test]
async fn bad_messages_are_answered_and_the_next_one_is_served() {
    let stage = stage().await;
    let mut game = stage.game().await;
    let deep =
        format!("{{\"type\":\"ping\",\"nonce\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    for (sent, code) in [
        ("", "bad_json"),
        ("\u{0}\u{1}", "bad_json"),
        ("{\"type\":\"ping\"", "bad_json"),
        (deep.as_str(), "bad_json"),
        ("[]", "bad_message"),
        ("{}", "bad_message"),
        ("{\"type\":7}", "bad_message"),
        ("{\"type\":\"pong\"}", "unknown_type"),
        ("{\"type\":\"interaction_event\",\"agent_id\":\"a\"}", "bad_message"),
        ("{\"type\":\"cancel_turn\",\"agent_id\":\"a\",\"turn_id\":\"t\"}", "unknown_turn"),
    ] {
        game.socket.send(Message::text(sent)).await.unwrap();
        let error = game.next().await.unwrap();
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{sent:.40}");
    }
    game.event("ada", "e").await;
    game.until("agent_turn_finished").await;
}

#[tokio::test]
async fn a_binary_frame_is_read_as_text_and_bytes_that_are_none_end_the_connection() {
    let stage = stage().await;
    let mut game = stage.game().await;
    let ping = b"{\"type\":\"ping\",\"nonce\":1}".to_vec();
    game.socket.send(Message::binary(ping)).await.unwrap();
    assert_eq!(game.next().await.unwrap()["nonce"], 1);
    game.socket.send(Message::binary(vec![0xff, 0xfe])).await.unwrap();
    assert_eq!(game.next().await.unwrap()["code"], "bad_json");
    assert_eq!(game.next().await.unwrap()["code"], 1007);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_with_a_word() {
    let stage = stage().await;
    for length in [64 * 1024, 3 * 1024 * 1024] {
        let mut game = stage.game().await;
        let text = json!({"type": "ping", "padding": "x".repeat(length)}).to_string();
        let _ = game.socket.send(Message::text(text)).await;
        assert_eq!(game.next().await.unwrap()["code"], "too_large", "{length}");
        assert_eq!(game.next().await.unwrap()["code"], 1009, "{length}");
    }
}

#[tokio::test]
async fn a_token_is_asked_for_and_may_come_in_three_ways() {
    let mut plan = Plan::saying("<speech>Hm.</speech>");
    plan.token = Some("t0ken");
    let stage = plan.begin().await;
    let good: [(&str, &[(&'static str, &str)]); 2] =
        [("/ws?token=t0ken", &[]), ("/ws", &[("authorization", "Bearer t0ken")])];
    for (path, headers) in good {
        let mut game = stage.game_with(path, headers).await;
        game.event("ada", "e").await;
        game.until("agent_turn_finished").await;
    }
    let mut game = stage.game().await;
    game.send(&json!({"type": "hello", "token": "t0ken"})).await;
    game.until("welcome").await;

    async fn refused(mut game: Game) {
        assert_eq!(game.next().await.unwrap()["code"], "unauthorized");
        assert_eq!(game.next().await.unwrap()["code"], 4001);
    }
    refused(stage.game_at("/ws?token=wrong").await).await;
    refused(stage.game_with("/ws", &[("authorization", "Bearer t0ken2")]).await).await;
    let mut game = stage.game().await;
    game.send(&json!({"type": "hello", "token": "wrong"})).await;
    refused(game).await;
    let mut game = stage.game().await;
    game.send(&json!({"type": "ping"})).await;
    refused(game).await;
    // Nothing at all, until the time is up.
    refused(stage.game().await).await;
}

#[tokio::test]
async fn a_subprotocol_that_is_offered_is_accepted() {
    let stage = stage().await;
    let game = stage.game_with("/ws", &[("sec-websocket-protocol", "game, other")]).await;
    assert_eq!(game.subprotocol.as_deref(), Some("game"));
}

#[tokio::test]
async fn beyond_the_most_connections_one_is_told_so() {
    let mut plan = Plan::saying("<speech>Hm.</speech>");
    plan.max_connections = 2;
    let stage = plan.begin().await;
    let mut first = stage.game().await;
    let second = stage.game().await;
    first.ping().await;
    let mut third = stage.game().await;
    assert_eq!(third.next().await.unwrap()["code"], "overloaded");
    assert_eq!(third.next().await.unwrap()["code"], 4029);
    drop(second);
    loop {
        let mut again = stage.game().await;
        again.socket.send(Message::text("{\"type\":\"ping\"}")).await.unwrap();
        if again.next().await.unwrap()["type"] == "pong" {
            break;
        }
    }
}

#[tokio::test]
async fn beyond_the_most_agents_one_is_told_so() {
    let mut plan = Plan::saying("<speech>Hm.</speech>");
    plan.max_agents = 2;
    let stage = plan.begin().await;
    let mut game = stage.game().await;
    for (agent, event) in [("a", "1"), ("b", "2"), ("a", "3")] {
        game.event(agent, event).await;
        game.until("agent_turn_started").await;
    }
    game.event("c", "4").await;
    let error = game.until("error").await;
    assert_eq!((&error["code"], &error["agent_id"]), (&json!("overloaded"), &json!("c")));
}

#[tokio::test]
async fn a_connection_that_gives_no_sign_of_life_is_ended() {
    let mut plan = Plan::saying("<speech>Hm.</speech>");
    plan.ping_timeout = Duration::from_millis(300);
    let stage = plan.begin().await;
    let mut live = stage.game().await;
    for door in ["/ws", "/ws/rpc"] {
        // A socket that has shaken hands and then never answers a ping.
        let mut dead = stage.raw().await;
        let handshake = format!(
            "GET {door} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            stage.address
        );
        dead.write_all(handshake.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        // Whoever reads answers pings by itself, and stays.
        tokio::select! {
            ended = dead.read_to_end(&mut read) => assert!(ended.is_ok()),
            other = live.next() => panic!("the live connection got {other:?}"),
        }
        live.ping().await;
    }
}

#[tokio::test]
async fn what_is_no_websocket_gets_an_http_answer() {
    let stage = stage().await;
    for (request, answer) in [
        ("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 4"),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200"),
        ("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404"),
        ("\u{16}\u{3}\u{1} this is no HTTP\r\n\r\n", "HTTP/1.1 400"),
    ] {
        let mut socket = stage.raw().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut read = vec![0; answer.len()];
        socket.read_exact(&mut read).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&read), answer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_closed_and_its_neighbour_does_not_notice() {
    // More than the system's own buffers hold, in few large pieces.
    let piece = json!({"choices": [{"delta": {"content": "on and on ".repeat(10_000)}}]});
    let body = format!("data: {piece}\n\n").repeat(8) + "data: [DONE]\n\n";
    let provider = Fixed::serve(body).await;
    let mut plan = Plan::saying("");
    plan.provider = Some(provider.url.clone());
    let stage = plan.begin().await;
    let mut lazy = stage.game().await;
    for number in 0..40 {
        lazy.event(&format!("agent{number}"), &format!("e{number}")).await;
    }
    let mut neighbour = stage.game().await;
    let slowest = slowest_pong(&mut neighbour, 50).await;
    assert!(slowest < NOTICEABLE, "{slowest:?}");
    // It reads again, too late: what waited is gone, and the reason is told.
    let mut last = Value::Null;
    while let Some(message) = lazy.next().await {
        let closed = message["type"] == "closed";
        last = message;
        if closed {
            break;
        }
    }
    assert_eq!(last["code"], 4008, "{last}");
    neighbour.ping().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_do_not_reach_the_neighbour() {
    let garbage = json!({"type": "nonsense", "x": "y".repeat(2_000)}).to_string();
    let deep = format!("{{\"type\":\"ping\",\"nonce\":{}", "[".repeat(60_000));
    let ping = json!({"type": "ping"}).to_string();
    for (text, times) in [(garbage, 5_000), (deep, 500), (ping, 5_000)] {
        let stage = stage().await;
        let flood = stage.game().await;
        let (mut sink, mut source) = flood.socket.split();
        let flooding = async {
            for _ in 0..times {
                sink.send(Message::text(text.clone())).await.unwrap();
            }
        };
        let reading = async {
            for _ in 0..times {
                source.next().await.unwrap().unwrap();
            }
        };
        let attack = async {
            tokio::join!(flooding, reading);
        };
        beside(&stage, attack).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_come_and_go_do_not_reach_the_neighbour() {
    let stage = stage().await;
    let attack = async {
        for number in 0..200 {
            let mut game = stage.game().await;
            match number % 4 {
                0 => drop(game.socket.send(Message::binary(vec![0xff; 100])).await),
                1 => drop(game.socket.send(Message::text("x".repeat(70_000))).await),
                2 => game.event("ada", "e").await,
                _ => {}
            }
            let mut raw = stage.raw().await;
            raw.write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        }
    };
    beside(&stage, attack).await;
}

/// Plays a quiet game while an attack goes on: none of its turns or answers may take noticeably long.
async fn beside(stage: &Stage, attack: impl Future<Output = ()>) {
    let mut neighbour = stage.game().await;
    tokio::pin!(attack);
    let (mut slowest, mut turns, mut over) = (Duration::ZERO, 0, false);
    while !over || turns < 20 {
        let (begun, event_id) = (Instant::now(), format!("e{turns}"));
        let turn = async {
            neighbour.ping().await;
            neighbour.event("quiet", &event_id).await;
            neighbour.until("agent_turn_finished").await;
        };
        tokio::pin!(turn);
        tokio::select! {
            () = &mut turn => {}
            () = &mut attack, if !over => {
                over = true;
                turn.await;
            }
        }
        slowest = slowest.max(begun.elapsed());
        turns += 1;
    }
    assert!(slowest < NOTICEABLE, "{slowest:?}");
}

/// The slowest answer of so many pings.
async fn slowest_pong(game: &mut Game, pings: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..pings {
        let begun = Instant::now();
        game.ping().await;
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}
