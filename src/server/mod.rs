//! The doors: the game's socket (`game`), the roleplay socket (`rpc`) and what operators ask (`ops`).
//! Listens, lets in (`entrance`), and at the end lets every last word out before it closes. What is said
//! through a door is `turn`'s or `chat`'s.

mod entrance;
mod game;
mod metrics;
mod ops;
mod rpc;
mod socket;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::routing::get;
use axum::serve::ListenerExt;
use dramatis_protocol::Limits;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chat::Chats;
use crate::config::Secret;
use crate::turn::registry::Registry;

/// How long connections may take to their end when the server goes down.
const DRAIN: Duration = Duration::from_secs(10);

/// What the doors are told.
#[derive(Debug, Clone)]
pub struct Access {
    /// What games must present.
    pub token: Option<Secret>,
    /// How long they may take to present it.
    pub hello_timeout: Duration,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Where web pages may come from beside the server's own host; `*`: from anywhere.
    pub origins: Vec<String>,
    /// Most events of a connection in a second; 0: no limit.
    pub max_events_per_second: u32,
    /// The limits that `welcome` tells.
    pub limits: Limits,
}

impl Access {
    /// Whether the token came with a request: `Some(false)` for a wrong one, `None` for none, or if
    /// none is needed.
    fn presented(&self, headers: &HeaderMap, query: &HashMap<String, String>) -> Option<bool> {
        let token = self.token.as_ref()?;
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = header.map(|value| match value.split_once(' ') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
            _ => value.trim(),
        });
        let mut presented = bearer.into_iter().chain(query.get("token").map(String::as_str));
        let first = presented.next()?;
        Some(token.matches(first) || presented.any(|other| token.matches(other)))
    }
}

/// What every connection shares.
#[derive(Clone)]
struct Doors {
    registry: Registry,
    chats: Chats,
    access: Arc<Access>,
    places: Arc<Semaphore>,
    stopping: CancellationToken,
    connections: TaskTracker,
}

/// What stands behind the doors.
#[derive(Clone)]
pub struct Behind {
    /// For games.
    pub registry: Registry,
    /// For everybody else.
    pub chats: Chats,
}

/// Serves the listener until `shutdown` resolves; then ends every turn, tells the games, and waits
/// until all of it is stored.
///
/// # Errors
/// If the listener fails.
pub async fn run(
    listener: TcpListener,
    behind: Behind,
    access: Access,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let Behind { registry, chats } = behind;
    let doors = Doors {
        registry: registry.clone(),
        chats: chats.clone(),
        places: Arc::new(Semaphore::new(access.max_connections)),
        access: Arc::new(access),
        stopping: CancellationToken::new(),
        connections: TaskTracker::new(),
    };
    let (stopping, connections) = (doors.stopping.clone(), doors.connections.clone());
    let router = Router::new()
        .route("/ws", get(game::upgrade))
        .route("/ws/rpc", get(rpc::upgrade))
        .route("/healthz", get(ops::health))
        .route("/readyz", get(ops::ready))
        .route("/metrics", get(ops::metrics))
        .with_state(doors);
    let listener = listener.tap_io(|socket| {
        // Frames are small and awaited: none should wait for the next one.
        let _ = socket.set_nodelay(true);
    });
    let stop = {
        let stopping = stopping.clone();
        async move {
            tokio::select! {
                () = shutdown => tracing::info!("going down: turns are ended, connections closed"),
                () = stopping.cancelled() => {}
            }
            stopping.cancel();
        }
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(stop).into_future();
    let outcome = tokio::select! {
        outcome = served => outcome,
        () = stopping.cancelled() => Ok(()),
        () = metrics::keep_small() => Ok(()),
    };
    stopping.cancel();
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "connections did not end in time");
    }
    chats.close().await;
    registry.close().await;
    outcome
}
