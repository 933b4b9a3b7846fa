//! The actor behind an OpenAI-compatible port: scripts and improvisation for any client, and the
//! faults that real providers have. Driven by `dramatis mock-llm` and, in-process, by tests; it
//! keeps the last requests for them. `wire` reads requests, `frames` makes the bytes of a reply, `answer` is their JSON.

mod answer;
mod faults;
mod frames;
mod wire;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::faults::FaultQueue;
pub use self::faults::FaultSpec;
use self::frames::Frames;
use self::wire::ChatRequest;
use super::fault::{Fault, HttpFault, html_page};
use super::{Actor, play};

/// As many requests are kept.
const KEPT_REQUESTS: usize = 256;
/// Long prompts are expected, but not longer than this, in bytes.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;
/// What `/v1/models` lists; any other id is answered too.
const MODEL: &str = "mock";

/// A mock of a model provider. Clones share what they keep.
#[derive(Clone)]
pub struct MockLlm {
    inner: Arc<Inner>,
}

struct Inner {
    actor: Actor,
    faults: FaultQueue,
    requests: Mutex<Requests>,
    stopping: CancellationToken,
}

#[derive(Default)]
struct Requests {
    count: usize,
    last: VecDeque<Value>,
}

impl MockLlm {
    /// A mock that plays as the actor does, with these faults.
    #[must_use]
    pub fn new(actor: Actor, faults: Vec<FaultSpec>) -> Self {
        let inner = Inner {
            actor,
            faults: FaultQueue::new(faults),
            requests: Mutex::default(),
            stopping: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The bodies of the last requests, oldest first; at most 256.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        let requests = self.inner.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.last.iter().cloned().collect()
    }

    /// How many requests came in all.
    #[must_use]
    pub fn request_count(&self) -> usize {
        self.inner.requests.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    fn keep(&self, request: Value) {
        let mut requests = self.inner.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.count += 1;
        if requests.last.len() == KEPT_REQUESTS {
            requests.last.pop_front();
        }
        requests.last.push_back(request);
    }
}

/// Serves until the shutdown; replies that are still running are cut off then.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    mock: MockLlm,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let stopping = mock.inner.stopping.clone();
    let app = Router::new()
        .route("/v1/chat/completions", post(complete))
        .route("/chat/completions", post(complete))
        .route("/v1/models", get(models))
        .route("/models", get(models))
        .route("/health", get(async || "ok\n"))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(mock);
    let end = async move {
        shutdown.await;
        // Replies that stall would keep the server waiting for ever.
        stopping.cancel();
    };
    let listener = axum::serve::ListenerExt::tap_io(listener, |socket| {
        // Without it the kernel keeps small pieces back until the last one is acknowledged.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
    });
    axum::serve(listener, app).with_graceful_shutdown(end).await
}

async fn models() -> Response {
    let model = json!({"id": MODEL, "object": "model", "created": 0, "owned_by": "dramatis"});
    json_response(StatusCode::OK, json!({"object": "list", "data": [model]}).to_string())
}

async fn complete(State(mock): State<MockLlm>, body: Bytes) -> Response {
    let value: Value = match serde_json::from_slice(&body) {
        Ok(value) => value,
        Err(error) => return bad_request(&error),
    };
    mock.keep(value.clone());
    let request: ChatRequest = match serde_json::from_value(value) {
        Ok(request) => request,
        Err(error) => return bad_request(&error),
    };
    let messages = request.messages();
    let mut plan = mock.inner.actor.plan(None, &messages, &request.tools());
    plan.faults.extend(mock.inner.faults.next());
    if let Some(fault) = plan.faults.iter().find_map(|fault| fault.http()) {
        return refusal(fault);
    }
    if plan.has(Fault::Html) {
        return html(StatusCode::OK, html_page(200));
    }
    if plan.has(Fault::StallAfterConnect) {
        mock.inner.stopping.cancelled().await;
    }
    let input_tokens = super::estimated_tokens(&messages);
    let frames = Frames::new(&request, &plan, mock.inner.actor.pace(), input_tokens);
    let kind = frames.content_type;
    let stopping = mock.inner.stopping.clone().cancelled_owned();
    let pieces = play::paced(frames.pieces, frames.then);
    let body = Body::from_stream(pieces.take_until(stopping));
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

fn refusal(fault: HttpFault) -> Response {
    let status = StatusCode::from_u16(fault.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if fault.body.starts_with('<') {
        html(status, fault.body)
    } else {
        json_response(status, fault.body)
    };
    if let Some(seconds) = fault.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn bad_request(error: &serde_json::Error) -> Response {
    let body = super::fault::error_body(400, &format!("bad request: {error}"));
    json_response(StatusCode::BAD_REQUEST, body)
}

fn html(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html")], body).into_response()
}

fn json_response(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
