//! From a request to a stream of deltas, whatever the provider. Prompts, tags and turns are others'
//! business: `generation` asks, this module answers, and dropping the stream closes the connection
//! to the provider.

mod request;

pub use request::{Cue, CueSection, DeltaStream, ErrorKind, LlmError, Provider, Request};
