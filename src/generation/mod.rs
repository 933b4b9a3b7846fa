//! One request to a model, from the plan to its end: builds the prompt, asks `llm`, and keeps what
//! the record of the turn needs. It yields deltas and knows nothing of tags or listeners; whoever
//! holds a [`Generation`] ends the request by dropping it.

use std::sync::Arc;

use dramatis_protocol::{AgentState, Id};
use futures::StreamExt;
use tokio::time::Instant;

use crate::assets::Library;
use crate::config::AllowedModels;
use crate::llm::{DeltaStream, ErrorKind, Llm, LlmError, Load, Request};
use crate::prompt::{self, Background, GamePrompt, PromptLimits};
use crate::record::{Delta, Message, Observation, PastTurn, RawDelta, ToolSpec, Usage};
use crate::tags::Vocabulary;

/// Makes requests.
#[derive(Clone)]
pub struct Generator {
    llm: Llm,
    limits: Arc<PromptLimits>,
    models: Arc<AllowedModels>,
    assets: Option<Arc<Library>>,
}

/// What a request is made for.
#[derive(Debug, Clone, Copy)]
pub struct GenerationPlan<'a> {
    /// The agent.
    pub agent_id: &'a Id,
    /// Its state.
    pub state: &'a AgentState,
    /// The tags that it may use.
    pub vocabulary: &'a Arc<Vocabulary>,
    /// Its turns in memory, oldest first.
    pub history: &'a [PastTurn],
    /// How many turns there were before those.
    pub forgotten: usize,
    /// What this turn answers, in order.
    pub input: &'a [Observation],
    /// Whether it answers the tools that the last turn called.
    pub follow_up: bool,
    /// The model.
    pub model: &'a str,
    /// Where requests have to wait for each other, the higher goes first.
    pub priority: i32,
}

/// One step of a request.
#[derive(Debug)]
pub enum Step {
    /// Something came; to be handed back with [`Generation::keep`].
    Delta(Delta),
    /// The reply is whole.
    Finished {
        /// The finish reason, as the wire spells it.
        reason: String,
    },
    /// The request failed.
    Failed(LlmError),
}

/// What was sent and what came back.
#[derive(Debug)]
pub struct Sent {
    /// Exactly what the model was sent.
    pub messages: Arc<Vec<Message>>,
    /// The tools that it was offered.
    pub tools: Vec<ToolSpec>,
    /// What came back, with its times.
    pub deltas: Vec<RawDelta>,
}

/// A request under way. Dropping it closes the connection to the provider.
pub struct Generation {
    reply: DeltaStream,
    request: Arc<Request>,
    sent_at: Instant,
    deltas: Vec<RawDelta>,
    usage: Option<Usage>,
    answered_by: Option<String>,
    unknown_assets: usize,
    prompt_build_ms: u64,
}

impl Generator {
    /// A generator over these models and within these limits.
    #[must_use]
    pub fn new(llm: Llm, limits: PromptLimits) -> Self {
        Self { llm, limits: Arc::new(limits), models: Arc::default(), assets: None }
    }

    /// The same, where a game may only name these models.
    #[must_use]
    pub fn allowing(mut self, models: AllowedModels) -> Self {
        self.models = Arc::new(models);
        self
    }

    /// The same, with worlds, characters and rules that a state may name.
    #[must_use]
    pub fn with_assets(mut self, assets: Arc<Library>) -> Self {
        self.assets = Some(assets);
        self
    }

    /// The models that a game may name.
    #[must_use]
    pub fn models(&self) -> &AllowedModels {
        &self.models
    }

    /// Whether the built-in actor plays this model.
    #[must_use]
    pub fn is_scripted(&self, model: &str) -> bool {
        self.llm.provider_name(model) == "scripted"
    }

    /// The name of the provider that answers for a model.
    #[must_use]
    pub fn provider_of(&self, model: &str) -> &'static str {
        self.llm.provider_name(model)
    }

    /// How many requests are under way, and how many wait.
    #[must_use]
    pub fn load(&self) -> Load {
        self.llm.load()
    }

    /// Builds the prompt and makes the request. It is sent when [`Generation::next`] is first
    /// awaited.
    #[must_use]
    pub fn start(&self, plan: GenerationPlan<'_>) -> Generation {
        let began = Instant::now();
        let assets = self.assets.as_ref().map(|library| library.current()).unwrap_or_default();
        let background = Background::of(assets, plan.state);
        for (field, id) in &background.unknown {
            tracing::debug!(agent = %plan.agent_id, field, %id, "the state names an unknown asset");
        }
        let built = prompt::build(&GamePrompt {
            agent: plan.agent_id,
            state: plan.state,
            background: &background,
            vocabulary: plan.vocabulary,
            history: plan.history,
            forgotten: plan.forgotten,
            input: plan.input,
            follow_up: plan.follow_up,
            limits: &self.limits,
        });
        let request = Arc::new(Request {
            model: plan.model.to_owned(),
            messages: Arc::new(built.messages),
            tools: offered_tools(plan.state, plan.vocabulary),
            temperature: plan.state.temperature,
            max_tokens: plan.state.max_tokens,
            priority: plan.priority,
            cue: Some(Arc::new(built.cue)),
        });
        Generation {
            reply: self.llm.stream(Arc::clone(&request)),
            request,
            sent_at: Instant::now(),
            deltas: Vec::new(),
            usage: None,
            answered_by: None,
            unknown_assets: background.unknown.len(),
            prompt_build_ms: millis_since(began),
        }
    }
}

impl Generation {
    /// The next step. Safe to be dropped and called again.
    pub async fn next(&mut self) -> Step {
        loop {
            match self.reply.next().await {
                Some(Ok(Delta::Finish(reason))) => {
                    self.keep(Delta::Finish(reason.clone()));
                    return Step::Finished { reason };
                }
                Some(Ok(Delta::Usage(usage))) => {
                    self.usage = Some(usage.clone());
                    self.keep(Delta::Usage(usage));
                }
                Some(Ok(Delta::Model(model))) => {
                    self.answered_by = Some(model.clone());
                    self.keep(Delta::Model(model));
                }
                Some(Ok(delta)) => return Step::Delta(delta),
                Some(Err(error)) => return Step::Failed(error),
                None => return Step::Failed(broken_off()),
            }
        }
    }

    /// Ends the request now; nothing more comes.
    pub fn stop(&mut self) {
        self.reply = futures::stream::pending().boxed();
    }

    /// Puts a delta on record.
    pub fn keep(&mut self, delta: Delta) {
        let at_ms = millis_since(self.sent_at);
        self.deltas.push(RawDelta { at_ms, delta });
    }

    /// What the model was sent.
    #[must_use]
    pub fn messages(&self) -> &Arc<Vec<Message>> {
        &self.request.messages
    }

    /// The tools that it was offered.
    #[must_use]
    pub fn tools(&self) -> &[ToolSpec] {
        &self.request.tools
    }

    /// What the request used, once the provider has said so.
    #[must_use]
    pub const fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// The model that answers, once the provider has said so.
    #[must_use]
    pub const fn answered_by(&self) -> Option<&String> {
        self.answered_by.as_ref()
    }

    /// How many ids of the state name no asset.
    #[must_use]
    pub const fn unknown_assets(&self) -> usize {
        self.unknown_assets
    }

    /// How long building the prompt took.
    #[must_use]
    pub const fn prompt_build_ms(&self) -> u64 {
        self.prompt_build_ms
    }

    /// Ends the request; what was sent and what came back remain.
    #[must_use]
    pub fn into_sent(self) -> Sent {
        let messages = Arc::clone(&self.request.messages);
        Sent { messages, tools: self.request.tools.clone(), deltas: self.deltas }
    }
}

/// The state's native tools; one whose name is also a tag's is called by its tag.
fn offered_tools(state: &AgentState, vocabulary: &Vocabulary) -> Vec<ToolSpec> {
    let native = state.tools.iter().filter(|tool| vocabulary.find(&tool.name).is_none());
    native
        .map(|tool| ToolSpec {
            name: tool.name.clone(),
            description: tool.description.clone(),
            parameters: tool.parameters.clone(),
        })
        .collect()
}

fn broken_off() -> LlmError {
    LlmError {
        kind: ErrorKind::Provider,
        message: "the model's reply broke off before its end: try again".to_owned(),
        cause: "the stream ended without a finish".to_owned(),
        retry_after: None,
    }
}

fn millis_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
