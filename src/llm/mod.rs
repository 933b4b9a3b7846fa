//! From a request to a stream of deltas, whatever the provider. Prompts, tags and turns are others'
//! business: `generation` asks, this module answers, and dropping the stream closes the connection
//! to the provider. [`Llm`] routes by the model's id; [`OpenAi`] speaks to any OpenAI-compatible
//! endpoint; the built-in actor is handed in as one more [`Provider`]; [`Limits`] bound
//! them all, and a [`Gate`] lets only so many requests through at a time. The [`Catalog`] tells which
//! models there are and what they cost.

mod catalog;
mod exchange;
mod fallback;
mod fault;
mod gate;
mod gemini;
mod limits;
mod openai;
mod provider_id;
mod request;
mod router;
mod settings;

pub use catalog::{Catalog, Learnt, ModelInfo, Price, ReasoningSeen};
pub use fault::{HttpAnswer, LOG_TARGET_TO_SILENCE};
pub use gate::{Gate, GateLimits, Load};
pub use gemini::Gemini;
pub use limits::{Limits, Pulse, limited};
pub use openai::OpenAi;
pub use provider_id::ProviderId;
pub use request::{Cue, CueSection, DeltaStream, ErrorKind, LlmError, Provider, Request};
pub use router::{Llm, LlmSettings, SCRIPTED_PREFIX};
pub use settings::{KEY_SETTING, ProviderSettings, SettingsError, causes};
