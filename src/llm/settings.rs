//! Where an OpenAI-compatible endpoint is and with which key it is asked. Built by the
//! configuration; everything that could fail later, in the middle of a turn, is checked here.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

/// The setting that holds the default endpoint's key, for messages.
pub const KEY_SETTING: &str = "OPENAI_API_KEY";

/// How long a connection that nobody uses is kept for the next turn. It is looked for as often, so
/// one may stay for twice the time. What a server has closed before that is not used again.
const KEEP_IDLE: Duration = Duration::from_secs(60);

/// An endpoint, checked. Neither `Debug` nor any error shows the key.
#[derive(Clone)]
pub struct ProviderSettings {
    base: String,
    host: String,
    key: Option<Key>,
    key_setting: &'static str,
    is_openrouter: bool,
}

#[derive(Clone)]
struct Key {
    text: String,
    name: HeaderName,
    header: HeaderValue,
}

/// Why an endpoint can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The base URL is none.
    #[error("the base URL of the model provider {0}")]
    BaseUrl(&'static str),
    /// The key can't be sent in a header.
    #[error(
        "the key of the model provider contains a line break or another character that no key can \
         have: check {KEY_SETTING}"
    )]
    Key,
    /// The HTTP client could not be made.
    #[error("no HTTP client for the model provider: {0}")]
    Client(String),
}

impl ProviderSettings {
    /// Checks an endpoint. The base URL is what stands before `/chat/completions`; without a key
    /// no `Authorization` is sent, as local servers like it. White space around both is dropped,
    /// an empty key is none.
    ///
    /// # Errors
    /// If the base URL is no http(s) address, or the key can't stand in a header.
    pub fn new(base_url: &str, key: Option<&str>) -> Result<Self, SettingsError> {
        let url = Url::parse(base_url.trim())
            .map_err(|_| SettingsError::BaseUrl("is not an address like https://host/v1"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(SettingsError::BaseUrl("must begin with http:// or https://"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(SettingsError::BaseUrl("must not contain ? or #"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(SettingsError::BaseUrl("must not contain a user name or password"));
        }
        let base = url.as_str().trim_end_matches('/');
        let base = ["/chat/completions", "/embeddings"]
            .iter()
            .find_map(|path| base.strip_suffix(path))
            .unwrap_or(base);
        let host = url.host_str().unwrap_or_default().to_owned();
        let key = key.map(str::trim).filter(|key| !key.is_empty()).map(Key::new).transpose()?;
        let is_openrouter = host == "openrouter.ai";
        Ok(Self { base: base.to_owned(), host, key, key_setting: KEY_SETTING, is_openrouter })
    }

    /// The same, where OpenRouter is behind it, though the address doesn't say so.
    #[must_use]
    pub const fn as_openrouter(mut self) -> Self {
        self.is_openrouter = true;
        self
    }

    /// Whether OpenRouter is behind it.
    #[must_use]
    pub const fn is_openrouter(&self) -> bool {
        self.is_openrouter
    }

    /// The same, where another setting holds the key: messages name it.
    #[must_use]
    pub const fn with_key_of(mut self, setting: &'static str) -> Self {
        self.key_setting = setting;
        self
    }

    /// The same, where the key is all that a header of this name holds.
    ///
    /// # Errors
    /// Never for a key that [`Self::new`] took.
    pub(super) fn with_key_in(mut self, name: HeaderName) -> Result<Self, SettingsError> {
        self.key = self.key.map(|key| Key::in_header(&key.text, name, &key.text)).transpose()?;
        Ok(self)
    }

    pub(super) const fn key_setting(&self) -> &'static str {
        self.key_setting
    }

    /// The address before `/chat/completions`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// The host of the address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn is_https(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// Whether the endpoint is on this machine, where no proxy is asked.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// An HTTP client for it, which makes a connection within `connect`.
    ///
    /// # Errors
    /// If the client can't be made.
    pub fn client(&self, connect: Duration) -> Result<reqwest::Client, SettingsError> {
        // Fails if a provider is installed already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .connect_timeout(connect)
            .pool_idle_timeout(KEEP_IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("dramatis/", env!("CARGO_PKG_VERSION")));
        if self.is_loopback() {
            builder = builder.no_proxy();
        }
        if !self.is_https() {
            // No certificate is ever looked at: a machine without any must do.
            builder = builder.tls_certs_only([]);
        }
        builder.build().map_err(|error| SettingsError::Client(causes(&error)))
    }

    /// A request to a path below the base URL, with the key.
    pub fn post(&self, client: &reqwest::Client, path: &str) -> reqwest::RequestBuilder {
        self.with_key(client.post(format!("{}/{path}", self.base)))
    }

    /// A request for a path below the base URL, with the key.
    pub fn get(&self, client: &reqwest::Client, path: &str) -> reqwest::RequestBuilder {
        self.with_key(client.get(format!("{}/{path}", self.base)))
    }

    fn with_key(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self.authorization() {
            Some((name, key)) => request.header(name, key.clone()),
            None => request,
        }
    }

    pub(super) fn authorization(&self) -> Option<(&HeaderName, &HeaderValue)> {
        self.key.as_ref().map(|key| (&key.name, &key.header))
    }

    /// The text without the key, should a provider have repeated it.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        match &self.key {
            Some(key) => text.replace(&key.text, "[redacted]"),
            None => text.to_owned(),
        }
    }
}

/// An error with all that caused it.
#[must_use]
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

impl Key {
    fn new(text: &str) -> Result<Self, SettingsError> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SettingsError::Key);
        }
        Self::in_header(text, AUTHORIZATION, &format!("Bearer {text}"))
    }

    fn in_header(text: &str, name: HeaderName, value: &str) -> Result<Self, SettingsError> {
        let mut header = HeaderValue::from_str(value).map_err(|_| SettingsError::Key)?;
        header.set_sensitive(true);
        Ok(Self { text: text.to_owned(), name, header })
    }
}

impl fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderSettings")
            .field("base", &self.base)
            .field("key", &self.key.as_ref().map(|_| "[redacted]"))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_read_as_people_write_it() {
        let check = |input: &str, expected: Result<&str, &str>| {
            let settings = ProviderSettings::new(input, None);
            let got =
                settings.map(|it| it.base_url().to_owned()).map_err(|error| error.to_string());
            match expected {
                Ok(base) => assert_eq!(got.as_deref(), Ok(base), "{input}"),
                Err(part) => assert!(got.is_err_and(|error| error.contains(part)), "{input}"),
            }
        };
        check("https://openrouter.ai/api/v1", Ok("https://openrouter.ai/api/v1"));
        check(" http://127.0.0.1:8080/ ", Ok("http://127.0.0.1:8080"));
        check("http://[::1]:1/v1/chat/completions/", Ok("http://[::1]:1/v1"));
        check("https://host/v1/embeddings", Ok("https://host/v1"));
        check("localhost:8080/v1", Err("http://"));
        check("", Err("address"));
        check("https://host/v1?a=b", Err("?"));
        check("https://me:secret@host/v1", Err("password"));
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_refused_without_showing_it() {
        for key in ["sk-1\nX-Evil: 1", "sk 1", "sk-\u{7f}", "schlüssel"] {
            let error = ProviderSettings::new("https://host/v1", Some(key)).unwrap_err();
            assert_eq!(error, SettingsError::Key);
            assert!(!error.to_string().contains("sk"), "{error}");
        }
        let settings = ProviderSettings::new("https://host/v1", Some(" sk-123\n")).unwrap();
        assert!(!format!("{settings:?} {:?}", settings.authorization()).contains("123"));
        assert_eq!(settings.redact("bad sk-123!"), "bad [redacted]!");
        assert!(ProviderSettings::new("https://host", Some("")).unwrap().authorization().is_none());
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (base, expected) in [
            ("http://localhost:1", true),
            ("http://127.0.0.1/v1", true),
            ("http://[::1]:1/", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example", false),
        ] {
            assert_eq!(
                ProviderSettings::new(base, None).unwrap().is_loopback(),
                expected,
                "{base}"
            );
        }
    }
}
