//! The seam between whoever wants a reply and whoever can give one.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;

use crate::record::{Delta, Message, ToolAnswer, ToolSpec};
use crate::tags::Vocabulary;

/// A headed text of the agent's dossier or present situation, flattened to plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CueSection {
    /// The heading.
    pub title: String,
    /// The text below it.
    pub text: String,
}

/// What a request is about, as plain data, for the built-in actor. Real providers ignore it.
#[derive(Debug, Clone)]
pub struct Cue {
    /// The agent's id.
    pub agent: String,
    /// The agent's name.
    pub name: String,
    /// Who the agent is and how things stand.
    pub sections: Vec<CueSection>,
    /// The name of who spoke or acted.
    pub speaker: Option<String>,
    /// The newest event's type.
    pub event_type: Option<String>,
    /// The newest event's text.
    pub text: Option<String>,
    /// What the agent noticed since its last turn, as plain sentences, oldest first.
    pub observations: Vec<String>,
    /// The answers of tools, where the request is a follow-up.
    pub tool_answers: Vec<ToolAnswer>,
    /// What the agent remembers of earlier exchanges that has to do with this, a line for each who
    /// spoke (`Aldo: Good evening`), oldest first.
    pub memories: Vec<String>,
    /// How many turns of its own the agent's history shows.
    pub past_turns: usize,
    /// The tags that the agent may use.
    pub vocabulary: Arc<Vocabulary>,
}

/// One request to a model.
#[derive(Debug, Clone)]
pub struct Request {
    /// The model, as settings and games name it (with its routing prefix).
    pub model: String,
    /// One system message first, then user and assistant in turn.
    pub messages: Arc<Vec<Message>>,
    /// Tools that the model may call.
    pub tools: Vec<ToolSpec>,
    /// The temperature, where the game sets one.
    pub temperature: Option<f64>,
    /// Longest reply in tokens, where the game sets one.
    pub max_tokens: Option<u32>,
    /// The higher goes first where requests have to wait for each other; 0 is usual.
    pub priority: i32,
    /// What the request is about, for the built-in actor.
    pub cue: Option<Arc<Cue>>,
}

/// A reply as it comes: deltas, the last of them [`Delta::Finish`], or an error that ends it.
pub type DeltaStream = BoxStream<'static, Result<Delta, LlmError>>;

/// What kind of failure ended a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 401, 402, 403, or no key.
    Auth,
    /// 403 whose body speaks of moderation.
    Refused,
    /// 429.
    RateLimited,
    /// A limit passed: of time, or of the size of a reply.
    Timeout,
    /// The server has as many requests under way as it may.
    Overloaded,
    /// Everything else.
    Provider,
}

/// Why a request failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct LlmError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// A sentence for the game's developer, without keys and without the provider's raw body.
    pub message: String,
    /// The cause for the log, shortened, without keys.
    pub cause: String,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
}

/// Whoever turns a request into a reply. Nothing happens before the stream is first polled; dropping
/// it ends the request.
pub trait Provider: Send + Sync {
    /// Starts the request.
    fn stream(&self, request: Arc<Request>) -> DeltaStream;
}
