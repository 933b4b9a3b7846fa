//! Asks providers for their lists of models: within bounds of time and size, again when a list has
//! grown old, and less and less often while a provider doesn't answer. Driven by `Catalog::follow`.

use std::time::Duration;

use super::listing::{self, Whose};
use super::{ModelInfo, ProviderId};
use crate::llm::settings::{ProviderSettings, SettingsError, causes};

/// For a connection, and for the whole answer.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);

/// Most bytes of a list; OpenRouter's has about one million.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// How long a list counts as new.
const FRESH: Duration = Duration::from_secs(6 * 60 * 60);

/// How long after a failure the next try comes: at first, and at the most.
const FIRST_BACK_OFF: Duration = Duration::from_secs(30);
const LAST_BACK_OFF: Duration = Duration::from_secs(60 * 60);

/// A provider that can be asked for its models.
pub(super) struct Source {
    pub id: ProviderId,
    pub endpoint: ProviderSettings,
    /// How its models' names begin.
    pub label: String,
    http: reqwest::Client,
}

impl Source {
    pub fn new(id: ProviderId, endpoint: ProviderSettings) -> Result<Self, SettingsError> {
        let label = match id {
            ProviderId::Default if endpoint.is_openrouter() => "OpenRouter",
            ProviderId::Default => endpoint.host(),
            ProviderId::Local => "Local",
            id => id.title(),
        };
        Ok(Self { id, label: label.to_owned(), http: endpoint.client(CONNECT)?, endpoint })
    }

    /// The provider's list.
    ///
    /// # Errors
    /// Why there is none, for the log, without keys.
    pub async fn fetch(&self) -> Result<Vec<ModelInfo>, String> {
        let body = tokio::time::timeout(ANSWER, self.body()).await;
        let body = body.map_err(|_| format!("no answer within {} s", ANSWER.as_secs()))??;
        listing::read(&body, &Whose { prefix: self.id.prefix(), label: &self.label })
    }

    async fn body(&self) -> Result<Vec<u8>, String> {
        let told = |error: reqwest::Error| self.endpoint.redact(&causes(&error.without_url()));
        let request = self.endpoint.get(&self.http, "models");
        let mut response = request.send().await.map_err(told)?;
        if !response.status().is_success() {
            return Err(format!("it answered with {}", response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(told)? {
            if body.len().saturating_add(piece.len()) > MAX_BYTES {
                return Err(format!("its list has more than {MAX_BYTES} bytes"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}

/// Fetches for ever. A failure is told once, until it works again.
pub(super) async fn keep_fresh<F, K>(
    label: &str,
    fetch: impl Fn() -> F,
    keep: impl Fn(Vec<ModelInfo>) -> K,
) where
    F: Future<Output = Result<Vec<ModelInfo>, String>>,
    K: Future<Output = ()>,
{
    let mut failures = 0_u32;
    loop {
        match fetch().await {
            Ok(models) => {
                failures = 0;
                tracing::debug!(provider = label, models = models.len(), "the list of models");
                keep(models).await;
            }
            Err(cause) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    tracing::warn!(provider = label, %cause, "the list of models can't be fetched");
                } else {
                    tracing::debug!(provider = label, %cause, failures, "no list of models");
                }
            }
        }
        tokio::time::sleep(wait_after(failures)).await;
    }
}

fn wait_after(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => FRESH,
        Some(before) => (FIRST_BACK_OFF * 2_u32.saturating_pow(before.min(16))).min(LAST_BACK_OFF),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;

    /// Fetches from a server that answers so, `body` without end if there is no length.
    async fn fetched(head: &str, body: &str) -> Result<Vec<ModelInfo>, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let endpoint = ProviderSettings::new(&base, Some("sk-secret")).unwrap();
        let source = Source::new(ProviderId::Local, endpoint).unwrap();
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = socket.read(&mut request).await.unwrap();
            let head = format!("HTTP/1.1 {head}\r\n\r\n{body}");
            socket.write_all(head.as_bytes()).await.unwrap();
            if !head.contains("content-length") {
                let spaces = vec![b' '; 1024 * 1024];
                while socket.write_all(&spaces).await.is_ok() {}
            }
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        let (fetched, request) = tokio::join!(source.fetch(), serve);
        assert!(request.starts_with("GET /v1/models HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer sk-secret"), "{request}");
        fetched
    }

    #[tokio::test]
    async fn an_answer_is_a_list_or_an_error_and_has_an_end() {
        let list = r#"{"data":[{"id":"qwen3"}]}"#;
        let whole = format!("200 OK\r\ncontent-length: {}", list.len());
        let models = fetched(&whole, list).await.unwrap();
        assert_eq!((&*models[0].id, &*models[0].name), ("local/qwen3", "[Local] qwen3"));
        for (head, body, part) in [
            ("200 OK", "", "more than"),
            ("200 OK\r\ncontent-length: 2", "{}", "no list"),
            ("401 No\r\ncontent-length: 9", "sk-secret", "401"),
            ("307 Moved\r\nlocation: /v1/models\r\ncontent-length: 0", "", "307"),
        ] {
            let error = fetched(head, body).await.unwrap_err();
            assert!(error.contains(part) && !error.contains("secret"), "{head}: {error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_is_asked_less_and_less_often() {
        let began = Instant::now();
        let asked = RefCell::new(Vec::new());
        let kept = Cell::new(0);
        let fetch = || async {
            let mut asked = asked.borrow_mut();
            asked.push(began.elapsed().as_secs());
            // The third works, and none after it.
            if asked.len() == 3 { Ok(Vec::new()) } else { Err("down".to_owned()) }
        };
        let keep = |_| async { kept.set(kept.get() + 1) };
        let day = Duration::from_secs(24 * 60 * 60);
        let _ = tokio::time::timeout(day, keep_fresh("test", fetch, keep)).await;
        let fresh = 90 + FRESH.as_secs();
        assert_eq!(asked.borrow()[..5], [0, 30, 90, fresh, fresh + 30]);
        assert_eq!(kept.get(), 1);
        let last: Vec<_> = asked.borrow().iter().rev().take(2).copied().collect();
        assert_eq!(last[0] - last[1], LAST_BACK_OFF.as_secs());
    }
}
