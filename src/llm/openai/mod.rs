//! Any endpoint that speaks OpenAI's chat completions, through `async-openai` with types of our own.
//! Owns the attempts: a request is sent again only while nothing of its reply has been passed on.
//! The library makes the request; `transport` takes the answer, `events` finds the chunks in it and
//! `decode` reads them. How long all may take is [`limited`]'s business.

mod body;
mod chunk;
mod decode;
mod events;
mod transport;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::de::IgnoredAny;
use tokio::time::Instant;

use self::body::{Body, Dialect};
use self::chunk::Chunk;
use self::decode::Decoder;
use self::transport::{Answer, Transport};
use super::fault::{Fault, HttpAnswer};
use super::limits::{Limits, Pulse, limited};
use super::request::{DeltaStream, LlmError, Provider, Request};
use super::settings::{ProviderSettings, SettingsError, causes};
use crate::record::Delta;

/// The wait before the second attempt, where the provider names none; it doubles for each further.
const FIRST_BACK_OFF: Duration = Duration::from_millis(250);

/// How OpenRouter tells programs apart; one that has no page of its own gives localhost and a title.
const OPENROUTER_HEADERS: [(&str, &str); 2] =
    [("HTTP-Referer", "http://localhost"), ("X-Title", env!("CARGO_PKG_NAME"))];

/// One endpoint with its connections.
pub struct OpenAi {
    endpoint: Arc<Endpoint>,
}

struct Endpoint {
    client: Client<OpenAIConfig>,
    http: reqwest::Client,
    settings: Arc<ProviderSettings>,
    dialect: Dialect,
    limits: Arc<Limits>,
}

/// What a provider sends instead of a last chunk.
const DONE: &[u8] = b"[DONE]";

const NO_CHUNK: &str = "the model provider sent something that can't be read";

impl OpenAi {
    /// Prepares an endpoint; nothing is sent.
    ///
    /// # Errors
    /// If the HTTP client can't be made.
    pub fn new(settings: ProviderSettings, limits: Arc<Limits>) -> Result<Self, SettingsError> {
        let http = settings.client(limits.connect)?;
        // Everything is set, because the library fills what isn't from OPENAI_ variables.
        let mut config = OpenAIConfig::new()
            .with_api_base(settings.base_url())
            .with_api_key("")
            .with_org_id("")
            .with_project_id("");
        let dialect = Dialect::of(&settings);
        if dialect == Dialect::OpenRouter {
            for (name, value) in OPENROUTER_HEADERS {
                config = config
                    .with_header(name, value)
                    .map_err(|error| SettingsError::Client(causes(&error)))?;
            }
        }
        let client = Client::build(http.clone(), config);
        let settings = Arc::new(settings);
        Ok(Self { endpoint: Arc::new(Endpoint { client, http, settings, dialect, limits }) })
    }
}

impl Provider for OpenAi {
    fn stream(&self, request: Arc<Request>) -> DeltaStream {
        let pulse = Pulse::new();
        let reply = Reply::new(Arc::clone(&self.endpoint), request, Arc::clone(&pulse));
        let deltas = stream::unfold(reply, |mut reply| async move {
            let item = reply.next().await;
            Some((item, reply))
        });
        limited(deltas.boxed(), Arc::clone(&self.endpoint.limits), Some(pulse))
    }
}

/// A reply on its way, over one or more attempts.
struct Reply {
    endpoint: Arc<Endpoint>,
    request: Arc<Request>,
    pulse: Arc<Pulse>,
    /// When the first attempt began, and how many there were.
    first: Option<Instant>,
    attempts: u32,
    attempt: Option<Attempt>,
    ready: VecDeque<Delta>,
}

struct Attempt {
    answer: Answer,
    decoder: Decoder,
}

impl Reply {
    fn new(endpoint: Arc<Endpoint>, request: Arc<Request>, pulse: Arc<Pulse>) -> Self {
        let ready = VecDeque::new();
        Self { endpoint, request, pulse, first: None, attempts: 0, attempt: None, ready }
    }

    async fn next(&mut self) -> Result<Delta, LlmError> {
        loop {
            if let Some(delta) = self.ready.pop_front() {
                return Ok(delta);
            }
            let step = match &mut self.attempt {
                None => self.open().await,
                Some(attempt) => attempt.read(&self.endpoint, &mut self.ready).await,
            };
            if let Err(fault) = step {
                self.wait_for_another(fault).await?;
            }
        }
    }

    async fn open(&mut self) -> Result<(), Fault> {
        self.first.get_or_insert_with(Instant::now);
        self.attempts += 1;
        let answer = self.endpoint.send(&self.request, Arc::clone(&self.pulse)).await?;
        let decoder = Decoder::new(&self.request.model);
        self.attempt = Some(Attempt { answer, decoder });
        Ok(())
    }

    /// Waits until the next attempt may begin, or says why there is none.
    async fn wait_for_another(&mut self, fault: Fault) -> Result<(), LlmError> {
        let started = self.attempt.take().is_some_and(|attempt| attempt.decoder.has_started());
        let limits = &self.endpoint.limits;
        let doubled = FIRST_BACK_OFF * 2_u32.saturating_pow(self.attempts.saturating_sub(1).min(8));
        let wait = fault.error.retry_after.unwrap_or(doubled);
        let waited = self.first.map_or(Duration::ZERO, |first| first.elapsed());
        let in_time = waited.saturating_add(wait) <= limits.retry_window;
        if started || !fault.transient || self.attempts >= limits.attempts || !in_time {
            return Err(fault.error);
        }
        tracing::debug!(attempt = self.attempts, ?wait, cause = fault.error.cause, "asking again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

impl Endpoint {
    async fn send(&self, request: &Request, pulse: Arc<Pulse>) -> Result<Answer, Fault> {
        let transport = Transport {
            http: self.http.clone(),
            settings: Arc::clone(&self.settings),
            wire_bytes: self.limits.wire_bytes,
            pulse,
            answer: Arc::default(),
        };
        let answer = Arc::clone(&transport.answer);
        let client = self.client.clone().with_http_service(transport);
        let body = Body::new(request, self.dialect);
        let sent: Result<IgnoredAny, _> = client.chat().create_byot(body).await;
        sent.map_err(|error| self.fault(error))?;
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer.ok_or_else(|| Fault::odd("the request failed", "there was no answer to it"))
    }

    /// What the library says went wrong, in our words.
    fn fault(&self, error: OpenAIError) -> Fault {
        let odd = |cause: &str| Fault::odd("the request failed", &self.settings.redact(cause));
        match error {
            OpenAIError::Boxed(cause) => match cause.downcast::<Fault>() {
                Ok(fault) => *fault,
                Err(cause) => odd(&causes(cause.as_ref())),
            },
            other => odd(&causes(&other)),
        }
    }
}

impl Attempt {
    /// Reads one chunk, or the end.
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
        let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|error| {
            // Half a chunk at the end.
            if self.answer.is_over() {
                return cut_off();
            }
            let text = String::from_utf8_lossy(data);
            Fault::odd(NO_CHUNK, &endpoint.settings.redact(&format!("{error}: {text}")))
        })?;
        self.decoder.take(chunk, out).map_err(|error| {
            let body = endpoint.settings.redact(&error.message);
            HttpAnswer { status: error.status, body: &body, retry_after: None }
                .fault(endpoint.settings.key_setting())
        })
    }
}

fn cut_off() -> Fault {
    Fault::connection(
        "the reply of the model was cut off by its provider",
        "the stream ended without a finish reason",
    )
}
