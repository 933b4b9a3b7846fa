//! What lies between a provider's client and the socket: sets the key, turns every answer that is no
//! stream into a [`Fault`] or a stream, and reads an [`Answer`] event by event.
//!
//! The bytes are read here and not by a client library's own reader, which has a task, a queue
//! without an end and a handful of allocations for each piece, loses an error's status, and can't
//! tell a stream that ended from one that was cut.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Body, Response};

use super::events::Events;
use crate::llm::fault::{Fault, HttpAnswer};
use crate::llm::limits::Pulse;
use crate::llm::request::{ErrorKind, LlmError};
use crate::llm::settings::{ProviderSettings, causes};

/// As much of an error's body is read.
const ERROR_BODY_BYTES: usize = 64 * 1024;

/// So long the end of the body is waited for after the reply. Left unread, it would cost the
/// connection: the next turn would begin with a handshake.
const DRAIN: Duration = Duration::from_millis(50);

/// One attempt: what it takes to send a request and to read what comes back.
#[derive(Clone)]
pub struct Exchange {
    pub http: reqwest::Client,
    pub settings: Arc<ProviderSettings>,
    pub wire_bytes: u64,
    /// Beats with every piece of bytes.
    pub pulse: Arc<Pulse>,
}

impl Exchange {
    /// Sends a request, with the key, and waits for the head of the answer.
    pub async fn send(&self, mut request: reqwest::Request) -> Result<Answer, Fault> {
        // Whoever made the request was given no key: it stays in the settings, as a header marked
        // sensitive.
        request.headers_mut().remove(AUTHORIZATION);
        if let Some((name, key)) = self.settings.authorization() {
            request.headers_mut().insert(name, key.clone());
        }
        let response = self.http.execute(request).await.map_err(|error| {
            let cause = causes(&error.without_url());
            Fault::connection("the model provider can't be reached", &cause)
        })?;
        self.pulse.beat();
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
        Ok(self.stream(response))
    }

    fn stream(&self, response: Response) -> Answer {
        Answer {
            response,
            events: Events::default(),
            settings: Arc::clone(&self.settings),
            pulse: Arc::clone(&self.pulse),
            left: self.wire_bytes,
            limit: self.wire_bytes,
            over: false,
        }
    }

    async fn refusal(&self, response: Response) -> Fault {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), Utc::now());
        let body = self.excerpt(response).await;
        HttpAnswer { status, body: &body, retry_after }.fault(self.settings.key_setting())
    }

    /// The beginning of a body, without the key.
    async fn excerpt(&self, response: Response) -> String {
        let (head, _) = head_of(response, ERROR_BODY_BYTES).await;
        self.settings.redact(&String::from_utf8_lossy(&head))
    }

    /// Some servers don't stream, though asked to: their answer is one chunk.
    async fn json_answer(&self, response: Response) -> Result<Answer, Fault> {
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
        if json.trim_ascii().is_empty() {
            return Err(Fault::odd("the model provider sent an empty answer", "no JSON document"));
        }
        // Between tokens of JSON a line break is a space, and within strings it can't stand; in an
        // event stream it would end the line.
        for byte in json.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        let events = [b"data: ", json.as_slice(), b"\n\ndata: [DONE]\n\n"].concat();
        let answer = self.stream(with_body(events.into()));
        Ok(Answer { left: u64::MAX, ..answer })
    }
}

/// A response that was never sent.
pub fn with_body(body: Body) -> Response {
    Response::from(http::Response::new(body))
}

/// The first bytes of a body, and whether they are all of it.
async fn head_of(mut response: Response, limit: usize) -> (Vec<u8>, bool) {
    let mut head = Vec::new();
    loop {
        let piece = match response.chunk().await {
            Ok(Some(piece)) => piece,
            end => return (head, end.is_ok()),
        };
        head.extend(piece.iter().take(limit - head.len()));
        if head.len() == limit {
            return (head, false);
        }
    }
}

/// An answer on its way: dropping it closes the connection.
pub struct Answer {
    response: Response,
    events: Events,
    settings: Arc<ProviderSettings>,
    pulse: Arc<Pulse>,
    /// How many bytes may still come, and could in all.
    left: u64,
    limit: u64,
    over: bool,
}

impl Answer {
    /// The data of the next event; `None` at the end of the body. Safe to be dropped and called
    /// again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            if let Some(data) = self.events.next() {
                return Ok(Some(data));
            }
            if self.over {
                return Ok(None);
            }
            match self.response.chunk().await {
                Ok(Some(piece)) => {
                    self.count(&piece)?;
                    self.events.feed(piece);
                }
                Ok(None) => {
                    self.over = true;
                    return Ok(self.events.end());
                }
                Err(error) => {
                    let cause = self.settings.redact(&causes(&error.without_url()));
                    let message = "the connection to the model provider broke";
                    return Err(Fault::connection(message, &cause));
                }
            }
        }
    }

    /// Whether the body has come to its end.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Waits a moment for the end of the body; what still comes has no meaning.
    pub async fn drain(&mut self) {
        let rest = async { while matches!(self.response.chunk().await, Ok(Some(_))) {} };
        let _ = tokio::time::timeout(DRAIN, rest).await;
    }

    fn count(&mut self, piece: &Bytes) -> Result<(), Fault> {
        self.pulse.beat();
        let Some(left) = self.left.checked_sub(piece.len() as u64) else {
            return Err(Fault {
                error: LlmError {
                    kind: ErrorKind::Timeout,
                    message: "the model provider sent too much for one reply".to_owned(),
                    cause: format!("limit of {} bytes passed", self.limit),
                    retry_after: None,
                },
                transient: false,
            });
        };
        self.left = left;
        Ok(())
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
