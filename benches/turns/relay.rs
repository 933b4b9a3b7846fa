//! The yardstick: what any server between a provider and a game must do, and nothing else.

use std::net::Ipv4Addr;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use axum::serve::ListenerExt;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::net::TcpListener;

/// As the server has them.
const READ_BUFFER: usize = 8 * 1024;
const WRITE_BUFFER: usize = 16 * 1024;

type Answer = BoxStream<'static, reqwest::Result<axum::body::Bytes>>;

#[derive(Clone)]
struct Relay {
    http: reqwest::Client,
    provider: String,
}

/// Serves until it is killed.
pub fn run(port: u16, provider: &str) -> anyhow::Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let relay = Relay { http, provider: provider.to_owned() };
    let router = Router::new()
        .route(
            "/ws",
            get(async |State(relay): State<Relay>, upgrade: WebSocketUpgrade| {
                let upgrade = upgrade.read_buffer_size(READ_BUFFER).write_buffer_size(WRITE_BUFFER);
                upgrade.on_upgrade(move |socket| relay.serve(socket))
            }),
        )
        .with_state(relay);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let listener = listener.tap_io(|socket| {
            let _ = socket.set_nodelay(true);
        });
        axum::serve(listener, router).await.context("the relay stopped")
    })
}

impl Relay {
    /// A message asks the provider, and ends the answer before it.
    async fn serve(self, mut socket: WebSocket) {
        let mut answer: Option<Answer> = None;
        loop {
            tokio::select! {
                biased;
                message = socket.recv() => {
                    let Some(Ok(message)) = message else { return };
                    let Message::Text(body) = message else { continue };
                    if answer.take().is_some() {
                        let told = r#"{"type":"agent_turn_interrupted"}"#;
                        if socket.send(Message::text(told)).await.is_err() {
                            return;
                        }
                    }
                    let Ok(response) = self.ask(body).await else { return };
                    answer = Some(response.bytes_stream().boxed());
                }
                piece = next(&mut answer) => match piece {
                    Some(Ok(piece)) => {
                        let Ok(text) = Utf8Bytes::try_from(piece) else { return };
                        if socket.send(Message::Text(text)).await.is_err() {
                            return;
                        }
                    }
                    _ => answer = None,
                }
            }
        }
    }

    async fn ask(&self, body: Utf8Bytes) -> reqwest::Result<reqwest::Response> {
        let request = self.http.post(&self.provider);
        let request = request.header("content-type", "application/json");
        request.body(axum::body::Bytes::from(body)).send().await
    }
}

async fn next(answer: &mut Option<Answer>) -> Option<reqwest::Result<axum::body::Bytes>> {
    match answer {
        Some(answer) => answer.next().await,
        None => std::future::pending().await,
    }
}
