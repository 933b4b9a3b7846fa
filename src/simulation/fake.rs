//! A server for tests that speaks just enough of the protocol over a real socket: it asks for the
//! state, plays prepared replies, is interrupted, lets a turn follow the answers of tools.

use std::collections::VecDeque;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// A piece of a prepared reply.
#[derive(Debug, Clone)]
pub enum Say {
    /// A whole tag: its name, kind, attributes and text.
    Tag(&'static str, &'static str, Value, &'static str),
    /// Speech that goes on until someone cuts in.
    Hold(&'static str),
    /// A frame whose number is wrong.
    Breach,
}

/// Speech without anything else.
pub fn speech(text: &'static str) -> Say {
    Say::Tag("speech", "speech", json!({}), text)
}

/// A fake server, listening.
pub struct Fake {
    listener: TcpListener,
    replies: VecDeque<Vec<Say>>,
}

struct Open {
    agent: Value,
    turn_id: String,
    seq: u64,
}

struct Talk {
    stream: WebSocketStream<TcpStream>,
    replies: VecDeque<Vec<Say>>,
    received: Vec<Value>,
    open: Option<Open>,
    turns: usize,
    event: Option<Value>,
}

impl Fake {
    /// Listens on a free port; each turn takes the next reply.
    pub async fn new(replies: impl IntoIterator<Item = Vec<Say>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, replies: replies.into_iter().collect() }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.listener.local_addr().unwrap())
    }

    /// Serves one connection to its end and returns what it was sent.
    pub async fn serve(self) -> Vec<Value> {
        let (socket, _) = self.listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let mut talk = Talk {
            stream: accept_async(socket).await.unwrap(),
            replies: self.replies,
            received: Vec::new(),
            open: None,
            turns: 0,
            event: None,
        };
        while let Some(Ok(message)) = talk.stream.next().await {
            if let Message::Text(text) = message {
                let message: Value = serde_json::from_str(&text).unwrap();
                talk.received.push(message.clone());
                talk.answer(&message).await;
            }
        }
        talk.received
    }
}

impl Talk {
    async fn answer(&mut self, message: &Value) {
        let agent = &message["agent_id"];
        match message["type"].as_str().unwrap() {
            "hello" if message["token"] == "wrong" => {
                let error = json!({"type": "error", "code": "unauthorized",
                    "message": "the token is wrong", "retryable": false});
                self.send(error).await;
            }
            "hello" => self.send(welcome()).await,
            "interaction_event" => {
                self.event = Some(message["event_id"].clone());
                self.interrupt("newer_event").await;
                self.ask(agent, &message["event_id"]).await;
            }
            "agent_state_snapshot" => self.play(agent.clone()).await,
            "cancel_turn" => self.interrupt("cancelled").await,
            "agent_turn_result" => self.stored(message).await,
            "tool_results" => {
                self.stored(message).await;
                self.ask(agent, &json!("e1")).await;
            }
            _ => {}
        }
    }

    async fn ask(&mut self, agent: &Value, event: &Value) {
        let ask = json!({"type": "get_agent_state", "request_id": "r1", "agent_id": agent,
            "event_id": event});
        self.send(ask).await;
    }

    async fn stored(&mut self, message: &Value) {
        let stored = json!({"type": "stored", "in_reply_to": message["message_id"],
            "turn_id": message["turn_id"]});
        self.send(stored).await;
    }

    async fn play(&mut self, agent: Value) {
        self.turns += 1;
        self.open = Some(Open { agent, turn_id: format!("t{}", self.turns), seq: 0 });
        let event = self.event.take();
        let origin = if event.is_some() { "llm" } else { "tool_follow_up" };
        let events: Vec<_> = event.into_iter().collect();
        self.frame(json!({"type": "agent_turn_started", "event_id": "e1", "event_ids": events,
            "model": "fake", "origin": origin}))
            .await;
        for (tag_id, say) in self.replies.pop_front().unwrap_or_default().into_iter().enumerate() {
            match say {
                Say::Tag(tag, kind, attributes, text) => {
                    self.tag(tag_id, tag, kind, &attributes).await;
                    self.text(tag_id, text).await;
                    self.frame(json!({"type": "agent_tag_close", "tag_id": tag_id, "tag": tag,
                        "complete": true}))
                        .await;
                }
                Say::Hold(text) => {
                    self.tag(tag_id, "speech", "speech", &json!({})).await;
                    self.text(tag_id, text).await;
                    return;
                }
                Say::Breach => {
                    if let Some(open) = &mut self.open {
                        open.seq += 1;
                    }
                }
            }
        }
        self.frame(json!({"type": "agent_turn_finished", "finish_reason": "stop",
            "timings": {"first_token": 1, "total": 2}, "warnings": {}}))
            .await;
        self.open = None;
    }

    async fn tag(&mut self, tag_id: usize, tag: &str, kind: &str, attributes: &Value) {
        self.frame(json!({"type": "agent_tag_open", "tag_id": tag_id, "tag": tag, "kind": kind,
            "attributes": attributes}))
            .await;
    }

    async fn text(&mut self, tag_id: usize, text: &str) {
        for word in text.split_inclusive(' ') {
            self.frame(json!({"type": "agent_tag_chunk", "tag_id": tag_id, "text": word})).await;
        }
    }

    async fn interrupt(&mut self, reason: &str) {
        if self.open.is_some() {
            self.frame(json!({"type": "agent_tag_close", "tag_id": 0, "tag": "speech",
                "complete": false}))
                .await;
            self.frame(json!({"type": "agent_turn_interrupted", "reason": reason, "timings": {},
                "warnings": {}}))
                .await;
            self.open = None;
        }
    }

    /// Sends a frame of the open turn.
    async fn frame(&mut self, mut frame: Value) {
        if let Some(open) = &mut self.open {
            frame["agent_id"] = open.agent.clone();
            frame["turn_id"] = json!(open.turn_id);
            frame["seq"] = json!(open.seq);
            open.seq += 1;
        }
        self.send(frame).await;
    }

    async fn send(&mut self, frame: Value) {
        self.stream.send(Message::text(frame.to_string())).await.unwrap();
    }
}

fn welcome() -> Value {
    json!({"type": "welcome", "protocol": "1", "server": "fake", "session_id": "s1",
        "limits": {"max_message_bytes": 1, "max_frame_bytes": 1, "max_agents": 1, "max_waiting": 1,
            "state_timeout_ms": 1, "result_timeout_ms": 1, "ping_timeout_ms": 1}})
}
