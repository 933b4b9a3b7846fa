//! A client of the roleplay door.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::stage::{Game, Stage};

use futures::SinkExt;

/// A client's connection, its first two frames read.
pub struct Talk {
    game: Game,
    /// Whether the next turn gives its session a title, and the state is told after it.
    pub untitled: bool,
    /// The state that it was told first.
    pub state: Value,
}

impl Talk {
    pub async fn begin(stage: &Stage) -> Self {
        Self::at(stage, "/ws/rpc").await
    }

    pub async fn at(stage: &Stage, path: &str) -> Self {
        let mut game = stage.game_at(path).await;
        let ready = game.next().await.unwrap();
        assert_eq!(
            ready,
            json!({"event": "system_update", "payload": {
                "content": "✓ Engine ready.", "metadata": {"status": "ok"},
            }})
        );
        let state = game.next().await.unwrap();
        assert_eq!(state["event"], "sync_state");
        Self { game, untitled: false, state: state["payload"]["metadata"].clone() }
    }

    /// Sends plain text.
    pub async fn send(&mut self, text: &str) {
        self.game.socket.send(Message::text(text)).await.unwrap();
    }

    /// Sends a frame as it is.
    pub async fn send_frame(&mut self, frame: Message) {
        self.game.socket.send(frame).await.unwrap();
    }

    /// The next frame: its event, its content, its metadata.
    pub async fn next(&mut self) -> (String, String, Value) {
        let frame = self.game.next().await.expect("the connection ended");
        let content = frame["payload"]["content"].as_str();
        let content = content.expect("a frame of this door");
        let event = frame["event"].as_str().unwrap().to_owned();
        (event, content.to_owned(), frame["payload"]["metadata"].clone())
    }

    /// The next frame, which must be of this event.
    pub async fn expect(&mut self, event: &str) -> (String, Value) {
        let (got, content, metadata) = self.next().await;
        assert_eq!(got, event, "{content} {metadata}");
        (content, metadata)
    }

    /// How the server closes the connection.
    pub async fn closed(&mut self) -> Value {
        self.game.next().await.unwrap()
    }

    /// A command that changes something: what is told of it, and how things stand then.
    pub async fn command(&mut self, command: &str) -> (String, Value) {
        self.send(command).await;
        let (told, _) = self.expect("system_update").await;
        assert!(told.starts_with('✓'), "{command}: {told}");
        (told, self.expect("sync_state").await.1)
    }

    /// A command that changes nothing: what is told of it.
    pub async fn refused(&mut self, command: &str) -> String {
        self.send(command).await;
        let (told, metadata) = self.expect("system_update").await;
        assert!(told.starts_with('✗'), "{command}: {told}");
        assert_eq!(metadata, json!({}));
        told
    }

    /// Takes the stage and begins a session there; its id, and what it begins with.
    pub async fn open(&mut self, world: &str, character: &str) -> (String, Value) {
        self.command(&format!("/world select {world}")).await;
        self.command(&format!("/character select {character}")).await;
        let (_, state) = self.command("/session new").await;
        let (_, history) = self.expect("chat_history").await;
        self.untitled = true;
        (state["session_id"].as_str().unwrap().to_owned(), history["history"].clone())
    }

    /// Goes on with a session; what was said in it.
    pub async fn go_on(&mut self, session: &str) -> Value {
        self.command(&format!("/session continue {session}")).await;
        self.untitled = false;
        self.expect("chat_history").await.1["history"].clone()
    }

    /// Says something and hears the whole answer; what stands beside its end.
    pub async fn ask(&mut self, text: &str) -> (String, Value) {
        self.send(text).await;
        self.reply().await
    }

    /// The rest of the reply under way.
    pub async fn reply(&mut self) -> (String, Value) {
        let mut reply = String::new();
        loop {
            let (event, content, metadata) = self.next().await;
            match event.as_str() {
                "chat_chunk" => reply.push_str(&content),
                "chat_end" => {
                    if std::mem::take(&mut self.untitled) {
                        self.expect("sync_state").await;
                    }
                    return (reply, metadata);
                }
                other => assert_eq!(other, "chat_chunk", "{content}"),
            }
        }
    }
}
