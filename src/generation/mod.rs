//! One request to a model, from the plan to its end: looks up lore and memories, builds the prompt,
//! asks `llm`, and keeps what the record of the turn needs. It yields deltas and knows nothing of tags
//! or listeners; whoever holds a [`Generation`] ends the request by dropping it.

mod look_up;
mod metrics;
mod running;

use std::sync::Arc;

use dramatis_protocol::{AgentState, Id};
use tokio::time::Instant;

use crate::assets::Library;
use crate::config::AllowedModels;
use crate::llm::{Llm, Load, ModelInfo};
use crate::prompt::{Background, Draft, PromptLimits, TurnPrompt};
use crate::record::{Observation, PastTurn, ToolSpec};
use crate::retrieval::Retriever;
use crate::tags::Vocabulary;

pub use crate::prompt::Form;
pub use look_up::{Results, Whose, remind};
use running::Preparation;
pub use running::{Generation, Sent, Step};

/// Makes requests.
#[derive(Clone)]
pub struct Generator {
    llm: Llm,
    limits: Arc<PromptLimits>,
    models: Arc<AllowedModels>,
    assets: Option<Arc<Library>>,
    retriever: Option<Retriever>,
    results: Results,
}

/// What a request is made for.
#[derive(Debug, Clone, Copy)]
pub struct GenerationPlan<'a> {
    /// How things are told.
    pub form: Form,
    /// The play session.
    pub session_id: &'a Id,
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
    /// Turns that the store may not have as they are: what it remembers of them doesn't count.
    pub unsettled: &'a [Id],
    /// Whether it answers the tools that the last turn called.
    pub follow_up: bool,
    /// The model.
    pub model: &'a str,
    /// Where requests have to wait for each other, the higher goes first.
    pub priority: i32,
}

impl Generator {
    /// A generator over these models and within these limits.
    #[must_use]
    pub fn new(llm: Llm, limits: PromptLimits) -> Self {
        Self {
            llm,
            limits: Arc::new(limits),
            models: Arc::default(),
            assets: None,
            retriever: None,
            results: Results::default(),
        }
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

    /// The same, with lore and memories, so many of each where a state says nothing.
    #[must_use]
    pub fn reminding(mut self, retriever: Retriever, results: Results) -> Self {
        self.retriever = Some(retriever);
        self.results = results;
        self
    }

    /// What looks up lore and memories, if anything does.
    #[must_use]
    pub const fn retriever(&self) -> Option<&Retriever> {
        self.retriever.as_ref()
    }

    /// The models that a game may name.
    #[must_use]
    pub fn models(&self) -> &AllowedModels {
        &self.models
    }

    /// Whether a model may be named: those of the list, the server's `own`, and the built-in actor,
    /// which costs nothing.
    #[must_use]
    pub fn allows(&self, model: &str, own: &str) -> bool {
        model == own || self.is_scripted(model) || self.models.allows(model)
    }

    /// The models that may be named, as far as they are known, and what they cost; also those whose
    /// provider has no key yet: whoever chooses one hears which setting is missing.
    #[must_use]
    pub fn offered_models(&self, own: &str) -> Vec<ModelInfo> {
        let mut models = self.llm.catalog().with_keyless();
        models.retain(|model| self.allows(&model.id, own));
        models
    }

    /// Whether there is anybody to ask for a model.
    #[must_use]
    pub fn can_ask(&self, model: &str) -> bool {
        self.llm.can_ask(model)
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

    /// Plans the prompt. The rest is done as [`Generation::next`] is awaited: lore and memories are
    /// looked up, then the request is made and sent.
    #[must_use]
    pub fn start(&self, plan: GenerationPlan<'_>) -> Generation {
        let began = Instant::now();
        let assets = self.assets.as_ref().map(|library| library.current()).unwrap_or_default();
        let background = Background::of(assets, plan.state);
        for (field, id) in &background.unknown {
            tracing::debug!(agent = %plan.agent_id, field, %id, "the state names an unknown asset");
        }
        let draft = Draft::new(&TurnPrompt {
            form: plan.form,
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
        let whose = Whose {
            session: plan.session_id,
            agent: plan.agent_id,
            state: plan.state,
            background: &background,
            unsettled: plan.unsettled,
        };
        let retriever = self.retriever.as_ref();
        let look_up = retriever.and_then(|it| look_up::look_up(it, self.results, &whose, &draft));
        let preparation = Preparation {
            tools: offered_tools(plan.state, plan.vocabulary),
            model: plan.model.to_owned(),
            temperature: plan.state.temperature,
            max_tokens: plan.state.max_tokens,
            priority: plan.priority,
            planning: began.elapsed(),
            background,
            draft,
            look_up,
        };
        Generation::new(self.llm.clone(), preparation)
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
