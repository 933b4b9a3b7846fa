//! A provider, a server and games, each on a port of its own, all within the test.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use bytes::Bytes;
use dramatis::actor::{Actor, FaultSpec, MockLlm, Pace, Script, serve};
use dramatis::assets::Library;
use dramatis::chat::{self, Chats};
use dramatis::clock::{Clock, Ids};
use dramatis::config::Secret;
use dramatis::generation::{Generator, Results};
use dramatis::llm::{self, Learnt, Llm, LlmSettings, ProviderSettings};
use dramatis::prompt::PromptLimits;
use dramatis::retrieval::{self, Retriever};
use dramatis::server::{self, Access, Behind};
use dramatis::store::Store;
use dramatis::turn::agent::Services;
use dramatis::turn::registry::Registry;
use dramatis::turn::state::Rules;
use dramatis::turn_log::{self, LogEntry, TurnLog};
use dramatis_protocol::{Limits, limits};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longest that any of these tests waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How a stage is set up.
pub struct Plan {
    pub script: String,
    pub faults: Vec<&'static str>,
    pub pace: Pace,
    pub token: Option<&'static str>,
    pub llm: llm::Limits,
    pub rules: Rules,
    pub max_connections: usize,
    pub max_agents: usize,
    pub max_message_bytes: u64,
    pub hello_timeout: Duration,
    pub ping_timeout: Duration,
    pub max_events_per_second: u32,
    /// The provider's address, where it is not the mock.
    pub provider: Option<String>,
    /// Where Gemini is, if it can be asked.
    pub gemini: Option<String>,
    pub assets: Arc<Library>,
}

impl Plan {
    /// Agents that answer everything with these texts.
    pub fn saying(reply: &str) -> Self {
        Self::scripted(&format!("rules:\n  - reply: {}\n", json!(reply)))
    }

    pub fn scripted(script: &str) -> Self {
        Self {
            script: script.to_owned(),
            faults: Vec::new(),
            pace: Pace::AT_ONCE,
            token: None,
            llm: llm::Limits {
                first_token: Duration::from_millis(1_500),
                silence: Duration::from_millis(300),
                after_finish: Duration::from_millis(200),
                ..llm::Limits::default()
            },
            rules: Rules::default(),
            max_connections: 100,
            max_agents: 100,
            max_message_bytes: 64 * 1024,
            hello_timeout: Duration::from_millis(300),
            ping_timeout: Duration::from_secs(60),
            max_events_per_second: 0,
            provider: None,
            gemini: None,
            assets: Arc::new(Library::open(None).unwrap()),
        }
    }

    pub async fn begin(self) -> Stage {
        let mut tasks = JoinSet::new();
        let (mock, mock_url) = self.mock(&mut tasks).await;
        let folder = tempfile::tempdir().unwrap();
        let log = TurnLog::open(&folder.path().join("logs")).unwrap();
        let store = Store::open(&folder.path().join("dramatis.db")).unwrap();
        let retriever = Retriever::new(store.clone(), retrieval::Settings::default(), None);
        retriever.index_assets(&self.assets.current()).await.unwrap();
        let (changes, following) = (self.assets.changes(), retriever.clone());
        tasks.spawn(async move {
            following.follow(changes, true).await;
            std::future::pending::<()>().await;
        });
        let services = self.services(&store, &log, &retriever, &mock_url);
        let chats = self.chats(&services);
        let behind = Behind { registry: Registry::new(services, self.max_agents), chats };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = server::run(listener, behind, self.access(), async {
            let _ = stopped.await;
        });
        let closing = store.clone();
        tasks.spawn(async move {
            running.await.unwrap();
            closing.close().await;
            log.close().await;
        });
        let logs = folder.path().join("logs");
        Stage { address, mock, retriever, store, stop: Some(stop), tasks, logs, _folder: folder }
    }

    /// The provider, and where it is.
    async fn mock(&self, tasks: &mut JoinSet<()>) -> (MockLlm, String) {
        let script = Script::parse(&self.script, "test").unwrap();
        let faults: Vec<FaultSpec> =
            self.faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let mock = MockLlm::new(Actor::new(script, self.pace), faults);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let provider = serve(listener, mock.clone(), std::future::pending());
        tasks.spawn(async { provider.await.unwrap() });
        (mock, url)
    }

    fn services(
        &self,
        store: &Store,
        log: &TurnLog,
        retriever: &Retriever,
        mock_url: &str,
    ) -> Services {
        let actor = Actor::new(Script::default(), Pace::AT_ONCE);
        let llm = Llm::new(self.providers(mock_url), Arc::new(actor)).unwrap();
        Services {
            store: store.clone(),
            log: log.clone(),
            generator: Generator::new(llm, PromptLimits::default())
                .with_assets(self.assets.clone())
                .reminding(retriever.clone(), Results::default()),
            clock: Clock::start(),
            ids: Ids::random(),
            rules: self.rules.clone(),
            default_model: "mock".to_owned(),
            reasoning: Learnt::default(),
            idle_timeout: Duration::from_secs(600),
        }
    }

    fn chats(&self, services: &Services) -> Chats {
        Chats::new(chat::Services {
            store: services.store.clone(),
            log: services.log.clone(),
            generator: services.generator.clone(),
            library: Arc::clone(&self.assets),
            clock: services.clock.clone(),
            ids: services.ids.clone(),
            default_model: services.default_model.clone(),
            reasoning: services.reasoning.clone(),
            history: 10,
        })
    }

    fn providers(&self, mock_url: &str) -> LlmSettings {
        let endpoint = |base: &str| ProviderSettings::new(base, Some("sk-test")).unwrap();
        LlmSettings {
            default: Some(endpoint(self.provider.as_deref().unwrap_or(mock_url))),
            gemini: self.gemini.as_deref().map(endpoint),
            limits: self.llm.clone(),
            ..LlmSettings::default()
        }
    }

    fn access(&self) -> Access {
        Access {
            token: self.token.map(|token| Secret::new(token.to_owned())),
            hello_timeout: self.hello_timeout,
            max_connections: self.max_connections,
            origins: Vec::new(),
            max_events_per_second: self.max_events_per_second,
            limits: Limits {
                max_message_bytes: self.max_message_bytes,
                max_frame_bytes: limits::MAX_FRAME_BYTES as u64,
                max_agents: self.max_agents as u64,
                max_waiting: 16,
                state_timeout_ms: self.rules.state_timeout,
                result_timeout_ms: self.rules.result_timeout,
                ping_timeout_ms: u64::try_from(self.ping_timeout.as_millis()).unwrap(),
            },
        }
    }
}

/// A server with its provider. It ends when this is dropped.
pub struct Stage {
    pub address: String,
    pub mock: MockLlm,
    pub retriever: Retriever,
    pub store: Store,
    stop: Option<oneshot::Sender<()>>,
    tasks: JoinSet<()>,
    logs: PathBuf,
    _folder: tempfile::TempDir,
}

impl Stage {
    pub async fn game(&self) -> Game {
        self.game_at("/ws").await
    }

    pub async fn game_at(&self, path: &str) -> Game {
        self.game_with(path, &[]).await
    }

    pub async fn game_with(&self, path: &str, headers: &[(&'static str, &str)]) -> Game {
        Game::connect(&format!("ws://{}{path}", self.address), headers).await
    }

    /// The socket itself, for those that don't speak WebSocket well.
    pub async fn raw(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// Tells the server to go down.
    pub fn stop(&mut self) {
        self.stop.take();
    }

    /// Waits until the server has gone down and everything is written; gives its log.
    pub async fn end(mut self) -> Vec<LogEntry> {
        self.stop();
        // The provider never ends by itself; whatever ends first is the server.
        timeout(PATIENCE, self.tasks.join_next()).await.unwrap().unwrap().unwrap();
        turn_log::read(&self.logs).unwrap()
    }
}

/// A provider that answers everything with the same body.
pub struct Fixed {
    pub url: String,
    _tasks: JoinSet<()>,
}

impl Fixed {
    pub async fn serve(body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let body = Bytes::from(body);
        let answer = async move || ([(CONTENT_TYPE, "text/event-stream")], body.clone());
        let router = Router::new().route("/v1/chat/completions", post(answer));
        let mut tasks = JoinSet::new();
        tasks.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, _tasks: tasks }
    }
}

/// A game's connection.
pub struct Game {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub subprotocol: Option<String>,
}

impl Game {
    pub async fn connect(url: &str, headers: &[(&'static str, &str)]) -> Self {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, response) = connect_async(request).await.unwrap();
        let protocol = response.headers().get("sec-websocket-protocol");
        let subprotocol = protocol.map(|value| value.to_str().unwrap().to_owned());
        Self { socket, subprotocol }
    }

    pub async fn send(&mut self, message: &Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn event(&mut self, agent: &str, event: &str) {
        self.send(&json!({
            "type": "interaction_event", "agent_id": agent, "event_id": event, "text": "Well?",
            "state": {"name": agent},
        }))
        .await;
    }

    /// The next message; `None`: the connection was closed.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("the server is silent")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(frame)) => {
                    let frame = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                    let (code, reason): (u16, String) = frame.unwrap_or_default();
                    return Some(json!({"type": "closed", "code": code, "reason": reason}));
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The next message of a type; what comes before it is passed over.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await.expect("the connection ended");
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Everything up to the end of the next turn that ends.
    pub async fn turn(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await.expect("the connection ended");
            let ended = is_end(&message);
            messages.push(message);
            if ended {
                return messages;
            }
        }
    }

    /// Shows that the connection still serves.
    pub async fn ping(&mut self) {
        self.send(&json!({"type": "ping", "nonce": "n"})).await;
        assert_eq!(self.until("pong").await["nonce"], "n");
    }
}

pub fn is_end(message: &Value) -> bool {
    message["type"] == "agent_turn_finished" || message["type"] == "agent_turn_interrupted"
}

/// The text of a turn's tags of a name.
pub fn text_of(messages: &[Value], tag: &str) -> String {
    let opens = messages.iter().filter(|message| message["tag"] == tag);
    let ids: Vec<&Value> = opens.map(|open| &open["tag_id"]).collect();
    let chunks = messages.iter().filter(|message| message["type"] == "agent_tag_chunk");
    chunks
        .filter(|chunk| ids.contains(&&chunk["tag_id"]))
        .map(|chunk| chunk["text"].as_str().unwrap())
        .collect()
}

/// How many messages are of a type.
pub fn count(messages: &[Value], kind: &str) -> usize {
    messages.iter().filter(|message| message["type"] == kind).count()
}
