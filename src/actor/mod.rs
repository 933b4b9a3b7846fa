//! The built-in model: it plays a script, and improvises from the [`Cue`] where the script is
//! silent. It stands behind `llm`'s seam like any provider, and behind an OpenAI port as
//! `mock-llm`, where it also injects faults. Prompts and turns are unknown to it.

mod cue;
mod fault;
mod improvise;
mod markup;
mod openai_server;
mod plan;
mod play;
mod script;
mod yaml;

use std::sync::Arc;

pub use cue::cue_from_messages;
pub use fault::{Fault, UnknownFault};
pub use openai_server::{FaultSpec, MockLlm, serve};
pub use plan::{Pace, Piece, Plan, Step};
pub use script::{Script, ScriptError};

use crate::llm::{Cue, DeltaStream, Provider, Request};
use crate::record::{Message, ToolSpec};

/// A player of one script.
#[derive(Debug, Clone)]
pub struct Actor {
    script: Arc<Script>,
    pace: Pace,
}

impl Actor {
    /// An actor with a script and a pace.
    #[must_use]
    pub fn new(script: Script, pace: Pace) -> Self {
        Self { script: Arc::new(script), pace }
    }

    /// What it will say. Without a cue it reads one from the messages.
    #[must_use]
    pub fn plan(&self, cue: Option<&Cue>, messages: &[Message], tools: &[ToolSpec]) -> Plan {
        let guessed;
        let cue = match cue {
            Some(cue) => cue,
            None => {
                guessed = cue_from_messages(messages);
                &guessed
            }
        };
        match self.script.find(cue) {
            Some(scripted) => scripted.into_plan(|| improvise::improvise(cue, tools)),
            None => improvise::improvise(cue, tools),
        }
    }

    /// How fast it speaks.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }
}

impl Provider for Actor {
    fn stream(&self, request: Arc<Request>) -> DeltaStream {
        let plan = self.plan(request.cue.as_deref(), &request.messages, &request.tools);
        play::perform(&plan, self.pace, estimated_tokens(&request.messages))
    }
}

/// Four characters a token, as a rule of thumb.
fn estimated_tokens(messages: &[Message]) -> u64 {
    let characters: usize = messages.iter().map(|message| message.content.chars().count()).sum();
    characters.div_ceil(4) as u64
}
