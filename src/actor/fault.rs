//! What can go wrong between a model and us, as one vocabulary: a script's rule names a fault, the
//! mock server injects it into what it sends, and the built-in actor does what a client would have
//! made of it. Owns the names; `plan`, `play` and `openai_server` give them their effect.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A way in which a reply goes wrong, or is only awkward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Fault {
    /// Takes the request and never answers.
    StallAfterConnect,
    /// Falls silent after half of the reply.
    StallMidway,
    /// An error object after half of the reply.
    ErrorInStream,
    /// An HTTP error.
    Status {
        /// 400 to 599.
        code: u16,
        /// Its `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
    /// A 403 that speaks of moderation.
    Moderation,
    /// A web page in place of a stream.
    Html,
    /// The stream ends in the middle, without a finish reason.
    Truncated,
    /// The stream ends with `[DONE]` alone.
    DoneWithoutReason,
    /// The connection breaks in the middle.
    Reset,
    /// Comment lines between the chunks.
    Comments,
    /// The smallest possible pieces.
    OneByte,
    /// Reasoning stands inside the text, within `<think>`.
    ReasoningLeak,
    /// The reply begins inside the reasoning and sends only its closing half.
    LoneClosingHalf,
    /// The last tag is never closed.
    Unclosed,
    /// Tags that nobody defined.
    UnknownTags,
    /// A reply beyond every limit of size.
    Oversize,
    /// Chunks as the stranger providers send them.
    OddChunks,
    /// One JSON document where a stream was asked for.
    JsonAnswer,
}

/// Each fault that has a plain name. An HTTP status is written as its number, with `Retry-After`
/// behind a colon.
const NAMES: [(&str, Fault); 17] = [
    ("stall-after-connect", Fault::StallAfterConnect),
    ("stall-midway", Fault::StallMidway),
    ("error-in-stream", Fault::ErrorInStream),
    ("403-moderation", Fault::Moderation),
    ("html", Fault::Html),
    ("truncated", Fault::Truncated),
    ("done-without-reason", Fault::DoneWithoutReason),
    ("reset", Fault::Reset),
    ("comments", Fault::Comments),
    ("one-byte", Fault::OneByte),
    ("reasoning-leak", Fault::ReasoningLeak),
    ("lone-closing-half", Fault::LoneClosingHalf),
    ("unclosed", Fault::Unclosed),
    ("unknown-tags", Fault::UnknownTags),
    ("oversize", Fault::Oversize),
    ("odd-chunks", Fault::OddChunks),
    ("json-answer", Fault::JsonAnswer),
];

/// A name that is no fault's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no fault is called `{0}`; there are {names}, and an HTTP status such as 401 or 429:3 (with \
     its Retry-After in seconds)",
    names = NAMES.map(|(name, _)| name).join(", ")
)]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        if let Some((_, fault)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*fault);
        }
        let unknown = || UnknownFault(text.chars().take(40).collect());
        let (code, wait) = text.split_once(':').map_or((text, None), |(code, s)| (code, Some(s)));
        let code: u16 = code.parse().map_err(|_| unknown())?;
        let retry_after = wait.map(str::parse).transpose().map_err(|_| unknown())?;
        if !(400..600).contains(&code) {
            return Err(unknown());
        }
        Ok(Self::Status { code, retry_after })
    }
}

impl TryFrom<String> for Fault {
    type Error = UnknownFault;

    fn try_from(text: String) -> Result<Self, UnknownFault> {
        text.parse()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { code, retry_after: None } => write!(f, "{code}"),
            Self::Status { code, retry_after: Some(seconds) } => write!(f, "{code}:{seconds}"),
            fault => match NAMES.iter().find(|(_, named)| named == fault) {
                Some((name, _)) => f.write_str(name),
                None => write!(f, "{fault:?}"),
            },
        }
    }
}

impl Fault {
    /// The body that goes with an HTTP error, for those that are one.
    #[must_use]
    pub fn http(self) -> Option<HttpFault> {
        match self {
            Self::Moderation => Some(HttpFault {
                code: 403,
                retry_after: None,
                body: error_body(403, "the input was flagged by moderation"),
            }),
            // What stands before a provider answers in HTML.
            Self::Status { code: code @ 502..=504, retry_after } => {
                Some(HttpFault { code, retry_after, body: html_page(code) })
            }
            Self::Status { code, retry_after } => {
                let message = "injected by the mock model";
                Some(HttpFault { code, retry_after, body: error_body(code, message) })
            }
            _ => None,
        }
    }
}

/// An HTTP error as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpFault {
    /// The status.
    pub code: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// JSON, or HTML if it begins with `<`.
    pub body: String,
}

/// With the code as a number, as OpenRouter has it.
pub(super) fn error_body(code: u16, message: &str) -> String {
    serde_json::json!({"error": {"code": code, "message": message, "type": null}}).to_string()
}

pub(super) fn html_page(code: u16) -> String {
    format!("<!DOCTYPE html>\n<html><head><title>{code}</title></head>\n<body>mock</body></html>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        let statuses = ["401", "402", "403", "429", "429:3", "500"];
        for name in NAMES.map(|(name, _)| name).into_iter().chain(statuses) {
            assert_eq!(name.parse::<Fault>().unwrap().to_string(), name);
        }
        for name in ["", "stall", "200", "429:", "429:soon", "99999"] {
            let error = name.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains("stall-midway") && error.contains(name), "{error}");
        }
    }
}
