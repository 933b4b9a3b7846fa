//! From what a provider answered instead of a reply to an error that a game's developer can act
//! on, and whether another attempt may help. The one place where HTTP statuses get their meaning.

use std::time::Duration;

use super::request::{ErrorKind, LlmError};
use super::settings::KEY_SETTING;

/// The client library logs bodies that it can't read, whole: a log must leave its target out.
pub const LOG_TARGET_TO_SILENCE: &str = "async_openai";

/// The longest cause that goes to the log, in characters.
const CAUSE_CHARS: usize = 300;

/// A failed attempt.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub(super) struct Fault {
    pub error: LlmError,
    /// Another attempt may succeed.
    pub transient: bool,
}

impl Fault {
    /// The provider's answer makes no sense, and wouldn't the next time.
    pub fn odd(message: &str, cause: &str) -> Self {
        Self { error: provider(message, cause), transient: false }
    }

    /// The provider's moderation refused the request, for a reason in its own word.
    pub fn refused(reason: &str) -> Self {
        let error = LlmError {
            kind: ErrorKind::Refused,
            ..provider("the model provider's moderation refused the request", reason)
        };
        Self { error, transient: false }
    }

    /// The connection failed or broke.
    pub fn connection(message: &str, cause: &str) -> Self {
        Self { error: provider(message, cause), transient: true }
    }
}

fn provider(message: &str, cause: &str) -> LlmError {
    LlmError {
        kind: ErrorKind::Provider,
        message: message.to_owned(),
        cause: shortened(cause),
        retry_after: None,
    }
}

/// An answer that is no reply: an HTTP status, or the same as an error object inside a stream.
#[derive(Debug, Clone, Copy)]
pub struct HttpAnswer<'a> {
    /// The status, or the error's code.
    pub status: u16,
    /// What came with it, without keys.
    pub body: &'a str,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
}

impl HttpAnswer<'_> {
    /// What it means to whoever asked.
    #[must_use]
    pub fn error(&self) -> LlmError {
        self.error_about(KEY_SETTING)
    }

    /// The same, where the key comes from this setting.
    fn error_about(&self, key_setting: &str) -> LlmError {
        let status = self.status;
        let (kind, message) = match status {
            // Gemini has no 401 for it.
            400 if self.body.contains("API_KEY_INVALID") => (
                ErrorKind::Auth,
                format!("the model provider refused the key ({status}): check {key_setting}"),
            ),
            403 if speaks_of_moderation(self.body) => (
                ErrorKind::Refused,
                "the model provider's moderation refused the request (403)".to_owned(),
            ),
            401 | 403 => (
                ErrorKind::Auth,
                format!("the model provider refused the key ({status}): check {key_setting}"),
            ),
            402 => (
                ErrorKind::Auth,
                "the model provider asks for credit (402): check the account".to_owned(),
            ),
            429 => (
                ErrorKind::RateLimited,
                "the model provider limits the rate of requests (429)".to_owned(),
            ),
            404 => (
                ErrorKind::Provider,
                "the model provider knows neither this model nor address (404): check the model's \
                 id and the base URL"
                    .to_owned(),
            ),
            300..=399 => (
                ErrorKind::Provider,
                format!("the model provider has moved ({status}): check the base URL"),
            ),
            408 | 498 | 500.. => {
                (ErrorKind::Provider, format!("the model provider is in trouble ({status})"))
            }
            _ => {
                (ErrorKind::Provider, format!("the model provider refused the request ({status})"))
            }
        };
        let cause = shortened(&format!("{status}: {}", self.body));
        let retry_after = self.retry_after.or_else(|| retry_delay(self.body));
        LlmError { kind, message, cause, retry_after }
    }

    /// The same, as a failed attempt.
    pub(super) fn fault(&self, key_setting: &str) -> Fault {
        // An exhausted quota comes as 429 too, and waiting doesn't fill it.
        let is_quota = EXHAUSTED.iter().any(|word| self.body.contains(word));
        // 498 is Groq's word for being full.
        let transient = matches!(self.status, 408 | 429 | 498 | 500..) && !is_quota;
        Fault { error: self.error_about(key_setting), transient }
    }
}

/// How OpenAI and Gemini tell a quota for a day or month from a limit for a minute.
const EXHAUSTED: [&str; 2] = ["insufficient_quota", "PerDay"];

/// Google's APIs tell the wait in the body: `"retryDelay": "38s"`.
fn retry_delay(body: &str) -> Option<Duration> {
    let (_, rest) = body.split_once("\"retryDelay\"")?;
    let text = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (seconds, _) = text.split_once("s\"")?;
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
}

fn speaks_of_moderation(body: &str) -> bool {
    let body = body.to_ascii_lowercase();
    ["moderation", "flagged", "content policy", "content_policy", "content_filter"]
        .iter()
        .any(|word| body.contains(word))
}

/// On one line, and short.
pub(super) fn shortened(text: &str) -> String {
    // A hostile body is not collapsed as a whole, only as much of it as can be shown.
    let head: String = text.chars().take(CAUSE_CHARS * 4).collect();
    let line = head.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= CAUSE_CHARS {
        return line;
    }
    line.chars().take(CAUSE_CHARS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_to_do_and_whether_to_try_again() {
        let check = |status: u16, body: &str, kind: ErrorKind, transient: bool, part: &str| {
            let fault = HttpAnswer { status, body, retry_after: None }.fault(KEY_SETTING);
            assert_eq!((fault.error.kind, fault.transient), (kind, transient), "{status} {body}");
            assert!(fault.error.message.contains(part), "{}", fault.error.message);
        };
        check(401, "", ErrorKind::Auth, false, "OPENAI_API_KEY");
        check(402, "", ErrorKind::Auth, false, "credit");
        check(403, "forbidden", ErrorKind::Auth, false, "OPENAI_API_KEY");
        check(403, "input was Flagged", ErrorKind::Refused, false, "moderation");
        check(400, "API_KEY_INVALID", ErrorKind::Auth, false, "OPENAI_API_KEY");
        check(408, "", ErrorKind::Provider, true, "408");
        check(429, "\"quotaId\": \"RequestsPerDay\"", ErrorKind::RateLimited, false, "429");
        check(498, "", ErrorKind::Provider, true, "498");
        check(429, "slow down", ErrorKind::RateLimited, true, "429");
        check(429, "insufficient_quota", ErrorKind::RateLimited, false, "429");
        check(500, "", ErrorKind::Provider, true, "500");
        check(529, "", ErrorKind::Provider, true, "529");
        check(400, "", ErrorKind::Provider, false, "400");
        check(404, "", ErrorKind::Provider, false, "base URL");
        check(307, "", ErrorKind::Provider, false, "base URL");
    }

    #[test]
    fn the_key_that_was_refused_is_named_by_its_setting() {
        let answer = HttpAnswer { status: 401, body: "", retry_after: None };
        let message = answer.fault("GROQ_API_KEY").error.message;
        assert!(message.contains("check GROQ_API_KEY"), "{message}");
    }

    #[test]
    fn a_wait_may_stand_in_the_body() {
        for (body, expected) in [
            (r#"{"details":[{"retryDelay": "38s"}]}"#, Some(38_000)),
            (r#"{"retryDelay":"0.5s"}"#, Some(500)),
            (r#"{"retryDelay":"-1s"}"#, None),
            (r#"{"retryDelay":"soon"}"#, None),
            (r#"{"retryDelay"#, None),
        ] {
            let error = HttpAnswer { status: 429, body, retry_after: None }.error();
            assert_eq!(error.retry_after, expected.map(Duration::from_millis), "{body}");
        }
    }

    #[test]
    fn a_cause_is_one_short_line_and_the_message_never_quotes_the_body() {
        let body = format!("<html>\n\n{}", "<p>secret</p>\n".repeat(10_000));
        let error = HttpAnswer { status: 500, body: &body, retry_after: None }.error();
        assert!(error.cause.chars().count() <= CAUSE_CHARS + 1 && !error.cause.contains('\n'));
        assert!(!error.message.contains("secret"));
    }
}
