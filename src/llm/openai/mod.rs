//! Any endpoint that speaks OpenAI's chat completions, through `async-openai` with types of our own.
//! The library makes the request; `exchange` sends it, finds the chunks of the answer and owns the
//! attempts; `decode` reads the chunks.

mod body;
mod chunk;
mod decode;
mod transport;

use std::sync::Arc;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use serde::de::IgnoredAny;

use self::body::{Body, Dialect};
use self::decode::Decoder;
use self::transport::Transport;
use super::exchange::{Answer, Endpoint, Speaks, deltas};
use super::fault::Fault;
use super::limits::{Limits, Pulse};
use super::request::{DeltaStream, Provider, Request};
use super::settings::{ProviderSettings, SettingsError, causes};

/// How OpenRouter knows programs apart: a page of theirs, and a name. We have no page; the local
/// address stands for a program on the user's own machine.
const REFERER: &str = "http://localhost";

/// One endpoint with its connections.
pub struct OpenAi {
    chat: Arc<Chat>,
}

struct Chat {
    client: Client<OpenAIConfig>,
    dialect: Dialect,
    endpoint: Endpoint,
}

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
            for (name, value) in [("HTTP-Referer", REFERER), ("X-Title", env!("CARGO_PKG_NAME"))] {
                config = config
                    .with_header(name, value)
                    .map_err(|error| SettingsError::Client(causes(&error)))?;
            }
        }
        let client = Client::build(http.clone(), config);
        let endpoint = Endpoint { http, settings: Arc::new(settings), limits };
        Ok(Self { chat: Arc::new(Chat { client, dialect, endpoint }) })
    }
}

impl Provider for OpenAi {
    fn stream(&self, request: Arc<Request>) -> DeltaStream {
        deltas(&self.chat, request)
    }
}

impl Speaks for Chat {
    type Decoder = Decoder;

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn send(&self, request: &Request, pulse: Arc<Pulse>) -> Result<Answer, Fault> {
        let transport = Transport::new(self.endpoint.exchange(pulse));
        let client = self.client.clone().with_http_service(transport.clone());
        let body = Body::new(request, self.dialect);
        let sent: Result<IgnoredAny, _> = client.chat().create_byot(body).await;
        sent.map_err(|error| self.fault(error))?;
        transport
            .answer()
            .ok_or_else(|| Fault::odd("the request failed", "there was no answer to it"))
    }

    fn decoder(&self, request: &Request) -> Decoder {
        Decoder::new(&request.model)
    }
}

impl Chat {
    /// What the library says went wrong, in our words.
    fn fault(&self, error: OpenAIError) -> Fault {
        let odd =
            |cause: &str| Fault::odd("the request failed", &self.endpoint.settings.redact(cause));
        match error {
            OpenAIError::Boxed(cause) => match cause.downcast::<Fault>() {
                Ok(fault) => *fault,
                Err(cause) => odd(&causes(cause.as_ref())),
            },
            other => odd(&causes(&other)),
        }
    }
}
