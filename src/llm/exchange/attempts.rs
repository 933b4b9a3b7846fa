//! A reply over one or more attempts: a request is sent again only while nothing of its reply has
//! been passed on. What is sent and how it is read is the provider's; how long all may take is
//! [`limited`]'s business.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::answer::{Answer, Exchange};
use crate::llm::fault::{Fault, HttpAnswer};
use crate::llm::limits::{Limits, Pulse, limited};
use crate::llm::request::{DeltaStream, LlmError, Request};
use crate::llm::settings::ProviderSettings;
use crate::record::Delta;

/// The wait before the second attempt, where the provider names none; it doubles for each further.
const FIRST_BACK_OFF: Duration = Duration::from_millis(250);

/// What some providers send instead of a last event.
const DONE: &[u8] = b"[DONE]";

const NO_CHUNK: &str = "the model provider sent something that can't be read";

/// Where requests go, and within which limits.
pub struct Endpoint {
    pub http: reqwest::Client,
    pub settings: Arc<ProviderSettings>,
    pub limits: Arc<Limits>,
}

impl Endpoint {
    /// What one attempt needs.
    pub fn exchange(&self, pulse: Arc<Pulse>) -> Exchange {
        Exchange {
            http: self.http.clone(),
            settings: Arc::clone(&self.settings),
            wire_bytes: self.limits.wire_bytes,
            pulse,
        }
    }
}

/// What is a provider's own.
pub trait Speaks: Send + Sync + 'static {
    /// Reads its events.
    type Decoder: Decode;

    /// Where it is.
    fn endpoint(&self) -> &Endpoint;

    /// Sends a request.
    fn send(
        &self,
        request: &Request,
        pulse: Arc<Pulse>,
    ) -> impl Future<Output = Result<Answer, Fault>> + Send;

    /// Begins to read the reply to a request.
    fn decoder(&self, request: &Request) -> Self::Decoder;
}

/// Makes deltas of events. Pure.
pub trait Decode: Send + 'static {
    /// Reads an event. Deltas go to `out`, but the last ones, which [`Self::finish`] gives.
    ///
    /// # Errors
    /// If the event can't be read, or is an error.
    fn take(&mut self, data: &[u8], out: &mut VecDeque<Delta>) -> Result<(), Unread>;

    /// Whether text, reasoning or a tool call has come: from here on nothing is retried.
    fn has_started(&self) -> bool;

    /// Whether the finish reason has come: from here on nothing can fail.
    fn has_reason(&self) -> bool;

    /// The last deltas of the reply. Without a reason it is `unknown`.
    fn finish(&mut self, out: &mut VecDeque<Delta>);
}

/// Why an event gave no deltas.
#[derive(Debug, PartialEq, Eq)]
pub enum Unread {
    /// It can't be read.
    Odd(String),
    /// It is an error: its code as an HTTP status, and what it says.
    Error(u16, String),
    /// The provider's moderation refused the request, for this reason.
    Refused(String),
}

/// The reply to a request, within the endpoint's limits. Nothing is sent before the first poll.
pub fn deltas<S: Speaks>(speaker: &Arc<S>, request: Arc<Request>) -> DeltaStream {
    let pulse = Pulse::new();
    let limits = Arc::clone(&speaker.endpoint().limits);
    let reply = Reply {
        speaker: Arc::clone(speaker),
        request,
        pulse: Arc::clone(&pulse),
        first: None,
        attempts: 0,
        attempt: None,
        ready: VecDeque::new(),
    };
    let deltas = stream::unfold(reply, |mut reply| async move {
        let item = reply.next().await;
        Some((item, reply))
    });
    limited(deltas.boxed(), limits, Some(pulse))
}

/// A reply on its way, over one or more attempts.
struct Reply<S: Speaks> {
    speaker: Arc<S>,
    request: Arc<Request>,
    pulse: Arc<Pulse>,
    /// When the first attempt began, and how many there were.
    first: Option<Instant>,
    attempts: u32,
    attempt: Option<Attempt<S::Decoder>>,
    ready: VecDeque<Delta>,
}

struct Attempt<D> {
    answer: Answer,
    decoder: D,
}

impl<S: Speaks> Reply<S> {
    async fn next(&mut self) -> Result<Delta, LlmError> {
        loop {
            if let Some(delta) = self.ready.pop_front() {
                return Ok(delta);
            }
            let step = match &mut self.attempt {
                None => self.open().await,
                Some(attempt) => attempt.read(self.speaker.endpoint(), &mut self.ready).await,
            };
            if let Err(fault) = step {
                self.wait_for_another(fault).await?;
            }
        }
    }

    async fn open(&mut self) -> Result<(), Fault> {
        self.first.get_or_insert_with(Instant::now);
        self.attempts += 1;
        let answer = self.speaker.send(&self.request, Arc::clone(&self.pulse)).await?;
        let decoder = self.speaker.decoder(&self.request);
        self.attempt = Some(Attempt { answer, decoder });
        Ok(())
    }

    /// Waits until the next attempt may begin, or says why there is none.
    async fn wait_for_another(&mut self, fault: Fault) -> Result<(), LlmError> {
        let started = self.attempt.take().is_some_and(|attempt| attempt.decoder.has_started());
        let limits = &self.speaker.endpoint().limits;
        let doubled = FIRST_BACK_OFF * 2_u32.saturating_pow(self.attempts.saturating_sub(1).min(8));
        let wait = fault.error.retry_after.unwrap_or(doubled);
        let waited = self.first.map_or(Duration::ZERO, |first| first.elapsed());
        // What would come when the time for a first piece is up is not worth waiting for.
        let window = limits.retry_window.min(limits.first_token);
        let in_time = waited.saturating_add(wait) <= window;
        if started || !fault.transient || self.attempts >= limits.attempts || !in_time {
            return Err(fault.error);
        }
        tracing::debug!(attempt = self.attempts, ?wait, cause = fault.error.cause, "asking again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

impl<D: Decode> Attempt<D> {
    /// Reads one event, or the end.
    async fn read(&mut self, endpoint: &Endpoint, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        let next = if self.decoder.has_reason() {
            let rest = tokio::time::timeout(endpoint.limits.after_finish, self.answer.next());
            rest.await.unwrap_or(Ok(None))
        } else {
            self.answer.next().await
        };
        match next {
            Ok(Some(data)) if data != DONE => match self.take(endpoint, &data, out) {
                // The reply is whole; what broke after its reason doesn't matter.
                Err(_) if self.decoder.has_reason() => self.decoder.finish(out),
                outcome => return outcome,
            },
            Ok(Some(_)) => {
                self.answer.drain().await;
                self.decoder.finish(out);
            }
            _ if self.decoder.has_reason() => self.decoder.finish(out),
            Ok(None) => return Err(cut_off()),
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    fn take(
        &mut self,
        endpoint: &Endpoint,
        data: &Bytes,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault> {
        let settings = &endpoint.settings;
        self.decoder.take(data, out).map_err(|unread| match unread {
            // Half an event at the end.
            Unread::Odd(_) if self.answer.is_over() => cut_off(),
            Unread::Odd(error) => {
                let text = String::from_utf8_lossy(data);
                Fault::odd(NO_CHUNK, &settings.redact(&format!("{error}: {text}")))
            }
            Unread::Error(status, message) => {
                let body = settings.redact(&message);
                let answer = HttpAnswer { status, body: &body, retry_after: None };
                answer.fault(settings.key_setting())
            }
            Unread::Refused(reason) => Fault::refused(&reason),
        })
    }
}

fn cut_off() -> Fault {
    Fault::connection(
        "the reply of the model was cut off by its provider",
        "the stream ended without a finish reason",
    )
}
