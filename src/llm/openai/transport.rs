//! What lies between the client library and the socket: the middleware that sets the key, turns
//! every answer that is no stream into a [`Fault`] or a stream, and watches the bytes. It mends
//! what the library leaves open: an error's status, an answer in plain JSON, the number of bytes
//! (its own channel has no end), and whether a stream ended by `[DONE]` or by being cut.

use std::collections::VecDeque;
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt, stream};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Body, Response};

use crate::llm::fault::{Fault, HttpAnswer};
use crate::llm::limits::Pulse;
use crate::llm::settings::ProviderSettings;

/// As much of an error's body is read.
const ERROR_BODY_BYTES: usize = 64 * 1024;

/// No chunk is longer. The library reads an unfinished line again with every piece of it, which must
/// not become dear.
const LINE_BYTES: usize = 512 * 1024;

/// What the library takes for the end of a stream, without reading on.
const DONE: &[u8] = b"data: [DONE]";

/// So long the end of the body is waited for at `[DONE]`. Left unread, it would cost the connection:
/// the next turn would begin with a handshake.
const DRAIN: Duration = Duration::from_millis(50);

/// What the bytes of one attempt tell beside the chunks.
#[derive(Debug)]
pub struct Tap {
    /// Beats with every piece of bytes.
    pub pulse: Arc<Pulse>,
    /// The body ended by itself. After `[DONE]` the library reads no further, so that a stream that
    /// ended without this was ended by `[DONE]`.
    pub ended: AtomicBool,
    /// The body was cut here, because it was too big.
    pub overflowed: AtomicBool,
}

/// The middleware, for one attempt.
#[derive(Clone)]
pub struct Transport {
    pub http: reqwest::Client,
    pub settings: Arc<ProviderSettings>,
    pub wire_bytes: u64,
    pub tap: Arc<Tap>,
}

impl tower::Service<HttpRequestFactory> for Transport {
    type Response = Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            this.exchange(factory).await.map_err(|fault| OpenAIError::Boxed(Box::new(fault)))
        })
    }
}

impl Transport {
    async fn exchange(self, factory: HttpRequestFactory) -> Result<Response, Fault> {
        let mut request = factory.build().await.map_err(|error| {
            Fault::odd("the request could not be made", &self.settings.redact(&causes(&error)))
        })?;
        // The library was given no key: it stays in the settings, as a header marked sensitive.
        request.headers_mut().remove(AUTHORIZATION);
        if let Some(key) = self.settings.authorization() {
            request.headers_mut().insert(AUTHORIZATION, key.clone());
        }
        let response = self.http.execute(request).await.map_err(|error| {
            let cause = causes(&error.without_url());
            Fault::connection("the model provider can't be reached", &cause)
        })?;
        self.tap.pulse.beat();
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let kind = content_type(response.headers());
        if kind.contains("json") {
            return self.json_answer(response).await;
        }
        if kind.contains("html") {
            return Err(Fault::odd(
                "the model provider answered with a web page: check the base URL",
                &self.excerpt(response).await,
            ));
        }
        let body = watched(response.bytes_stream(), self.tap, self.wire_bytes);
        Ok(answer(Body::wrap_stream(body)))
    }

    async fn refusal(&self, response: Response) -> Fault {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), Utc::now());
        let body = self.excerpt(response).await;
        HttpAnswer { status, body: &body, retry_after }.fault()
    }

    /// The beginning of a body, without the key.
    async fn excerpt(&self, response: Response) -> String {
        let (head, _) = head_of(response, ERROR_BODY_BYTES).await;
        self.settings.redact(&String::from_utf8_lossy(&head))
    }

    /// Some servers don't stream, though asked to: their answer is one chunk.
    async fn json_answer(&self, response: Response) -> Result<Response, Fault> {
        let limit = usize::try_from(self.wire_bytes).unwrap_or(usize::MAX);
        let (mut json, whole) = head_of(response, limit).await;
        if json.len() == limit {
            let cause = format!("more than {limit} bytes of JSON");
            return Err(Fault::odd("the model provider sent too much for one reply", &cause));
        }
        if !whole {
            let cause = "the JSON document was cut";
            return Err(Fault::connection("the model provider broke off its answer", cause));
        }
        // Between tokens of JSON a line break is a space, and within strings it can't stand; in an
        // event stream it would end the line.
        for byte in json.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        Ok(answer(Body::from([b"data: ", json.as_slice(), b"\n\ndata: [DONE]\n\n"].concat())))
    }
}

fn answer(body: Body) -> Response {
    Response::from(http::Response::new(body))
}

/// The first bytes of a body, and whether they are all of it.
async fn head_of(response: Response, limit: usize) -> (Vec<u8>, bool) {
    let mut head = Vec::new();
    let mut body = response.bytes_stream();
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else { return (head, false) };
        head.extend(piece.iter().take(limit - head.len()));
        if head.len() == limit {
            return (head, false);
        }
    }
    (head, true)
}

/// The body, with every piece noted in the tap, cut where it passes the limit.
fn watched<S>(body: S, tap: Arc<Tap>, limit: u64) -> impl Stream<Item = io::Result<Bytes>>
where
    S: Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
{
    let body = body.fuse().boxed();
    let held = VecDeque::new();
    let state = Watch { body, tap, left: limit, line: 0, held, open_line: false, over: false };
    stream::unfold(state, |mut watch| async move { Some((watch.next().await?, watch)) })
}

struct Watch {
    body: stream::BoxStream<'static, reqwest::Result<Bytes>>,
    tap: Arc<Tap>,
    left: u64,
    /// The length of the line that has begun.
    line: usize,
    /// What was read ahead, in order.
    held: VecDeque<Bytes>,
    /// The last byte could end an event whose empty line never came.
    open_line: bool,
    over: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.over {
            self.tap.ended.store(true, Ordering::Release);
            return None;
        }
        if let Some(piece) = self.held.pop_front() {
            return Some(self.up_to_done(piece).await);
        }
        match self.body.next().await {
            Some(Ok(piece)) => match self.count(&piece) {
                Ok(()) => Some(self.up_to_done(piece).await),
                Err(error) => Some(Err(error)),
            },
            Some(Err(error)) => Some(Err(io::Error::other(causes(&error.without_url())))),
            // The last event counts also where the empty line after it is missing.
            None if self.open_line => {
                self.over = true;
                Some(Ok(Bytes::from_static(b"\n\n")))
            }
            None => {
                self.tap.ended.store(true, Ordering::Release);
                None
            }
        }
    }

    fn count(&mut self, piece: &Bytes) -> io::Result<()> {
        self.tap.pulse.beat();
        if let Some(last) = piece.last() {
            self.open_line = matches!(last, b'\n' | b'\r' | b'}' | b']');
        }
        self.line = match memchr::memrchr2(b'\n', b'\r', piece) {
            Some(end) => piece.len() - end,
            None => self.line + piece.len(),
        };
        match self.left.checked_sub(piece.len() as u64) {
            Some(left) if self.line <= LINE_BYTES => {
                self.left = left;
                Ok(())
            }
            _ => {
                self.tap.overflowed.store(true, Ordering::Release);
                Err(io::Error::other("the reply is too big"))
            }
        }
    }

    /// Gives a piece at once, but for a `[DONE]` in it, which waits for the end of the body.
    async fn up_to_done(&mut self, mut piece: Bytes) -> io::Result<Bytes> {
        match memchr::memmem::find(&piece, DONE) {
            None => Ok(piece),
            Some(0) => {
                // If it was text after all, nothing is lost: what comes is kept.
                if let Ok(Some(Ok(more))) = tokio::time::timeout(DRAIN, self.body.next()).await {
                    self.count(&more)?;
                    self.held.push_back(more);
                }
                Ok(piece)
            }
            Some(at) => {
                self.held.push_front(piece.split_off(at));
                Ok(piece)
            }
        }
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.unwrap_or_default().to_ascii_lowercase()
}

/// Seconds, possibly with a fraction, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

/// An error with all that caused it.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let part = cause.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let now = DateTime::parse_from_rfc3339("2026-01-02T03:04:05Z").unwrap().with_timezone(&Utc);
        for (value, expected) in [
            ("3", Some(3_000)),
            ("0.5", Some(500)),
            ("-1", Some(0)),
            ("Fri, 02 Jan 2026 03:04:15 GMT", Some(10_000)),
            ("Fri, 02 Jan 2026 03:04:00 GMT", Some(0)),
            ("soon", None),
            ("1e300", None),
            ("NaN", Some(0)),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            let expected = expected.map(Duration::from_millis);
            assert_eq!(retry_after(&headers, now), expected, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
