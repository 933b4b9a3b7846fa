//! Google's Gemini through its native API (ai.google.dev/api/generate-content): the system
//! instruction apart, the roles `user` and `model`, and an event stream of its own kind. `body`
//! writes a request, `decode` reads the events; `exchange` does the rest.

mod body;
mod chunk;
mod decode;
mod signature;

use std::sync::Arc;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName};

use self::body::Body;
use self::decode::{Decoder, bare};
use super::exchange::{Answer, Endpoint, Speaks, deltas};
use super::fault::Fault;
use super::limits::{Limits, Pulse};
use super::request::{DeltaStream, Provider, Request};
use super::settings::{ProviderSettings, SettingsError};

/// Where the key travels: never in the address, which proxies and logs remember.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-goog-api-key");

/// The Gemini API with its connections.
pub struct Gemini {
    api: Arc<Api>,
}

struct Api {
    endpoint: Endpoint,
}

impl Gemini {
    /// Prepares the API; nothing is sent. The base URL is what stands before `/v1beta`.
    ///
    /// # Errors
    /// If the HTTP client can't be made.
    pub fn new(settings: ProviderSettings, limits: Arc<Limits>) -> Result<Self, SettingsError> {
        let settings = settings.with_key_in(KEY_HEADER)?;
        let http = settings.client(limits.connect)?;
        let endpoint = Endpoint { http, settings: Arc::new(settings), limits };
        Ok(Self { api: Arc::new(Api { endpoint }) })
    }
}

impl Provider for Gemini {
    fn stream(&self, request: Arc<Request>) -> DeltaStream {
        deltas(&self.api, request)
    }
}

impl Speaks for Api {
    type Decoder = Decoder;

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn send(&self, request: &Request, pulse: Arc<Pulse>) -> Result<Answer, Fault> {
        let odd = |cause: &str| Fault::odd("the request could not be made", cause);
        let body = serde_json::to_vec(&Body::new(request)).map_err(|it| odd(&it.to_string()))?;
        let made = self
            .endpoint
            .http
            .post(address(self.endpoint.settings.base_url(), &request.model))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream")
            .body(body)
            .build();
        let made = made.map_err(|error| odd(&error.without_url().to_string()))?;
        self.endpoint.exchange(pulse).send(made).await
    }

    fn decoder(&self, request: &Request) -> Decoder {
        Decoder::new(&request.model)
    }
}

/// Where a model is asked. Its id comes from games, and must stay one segment of the path.
fn address(base: &str, model: &str) -> String {
    let base = base.strip_suffix("/v1beta").unwrap_or(base);
    let mut id = String::with_capacity(model.len());
    for byte in bare(model).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                id.push(char::from(byte));
            }
            _ => id.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("{base}/v1beta/models/{id}:streamGenerateContent?alt=sse")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_id_stays_one_segment_of_the_path() {
        let check = |base: &str, model: &str, expected: &str| {
            let address = address(base, model);
            assert_eq!(address, format!("http://h/{expected}:streamGenerateContent?alt=sse"));
            assert!(reqwest::Url::parse(&address).unwrap().path().starts_with("/v1beta/models/"));
        };
        check("http://h", "gemini-3-flash-preview", "v1beta/models/gemini-3-flash-preview");
        check("http://h/v1beta", "models/gemini-2.5-pro", "v1beta/models/gemini-2.5-pro");
        check("http://h", "../../x?key=1#", "v1beta/models/..%2F..%2Fx%3Fkey%3D1%23");
        check("http://h", "é x", "v1beta/models/%C3%A9%20x");
    }
}
