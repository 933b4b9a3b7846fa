//! Who plays: the providers of models, as the settings have them.

use std::sync::Arc;

use anyhow::Context;

use crate::actor::Actor;
use crate::config::{EndpointChoice, LlmChoice, Secret, Settings};
use crate::llm::{self, Learnt, Llm, LlmSettings, ProviderSettings};

/// The way to every model that can be asked.
pub(super) fn build(settings: &Settings, actor: Actor) -> anyhow::Result<Llm> {
    let providers = &settings.providers;
    let settings = LlmSettings {
        default: endpoint("OPENAI_API_BASE", providers.default.as_ref())?,
        deepseek: endpoint("DEEPSEEK_BASE_URL", providers.deepseek.as_ref())?,
        groq: endpoint("GROQ_BASE_URL", providers.groq.as_ref())?,
        gemini: endpoint("GEMINI_BASE_URL", providers.gemini.as_ref())?,
        local: endpoint("DRAMATIS_LOCAL_BASE", providers.local.as_ref())?,
        fallbacks: providers.fallback_models.clone(),
        limits: limits(settings),
    };
    let llm = Llm::new(settings, Arc::new(actor))?;
    for model in providers.fallback_models.iter().filter(|model| !llm.can_ask(model)) {
        let setting = llm.provider_id(model).setting();
        tracing::warn!(%model, "a fallback model can't be asked and is left out: set {setting}");
    }
    Ok(llm)
}

/// Which models begin inside their reasoning, as far as a setting says so.
pub(super) fn learnt(settings: &Settings) -> Learnt {
    let listed = settings.providers.reasoning_models.clone();
    Learnt::new(move |model| listed.names(model))
}

/// Tells whether the model of game turns can be asked, and what to do if not.
pub(super) fn announce(settings: &Settings, llm: &Llm) {
    let LlmChoice::Model { model } = &settings.llm else {
        let what = "no key and no base URL of a model provider (as OPENAI_API_KEY)";
        tracing::info!("{what}: the built-in actor plays every agent");
        return;
    };
    let id = llm.provider_id(model);
    if llm.can_ask(model) {
        let (provider, endpoint) = (id.name(), llm.base_url(model));
        tracing::info!(%model, provider, endpoint, "agents are played by a model");
    } else {
        let setting = id.setting();
        tracing::warn!(%model, "the model of game turns can't be asked: set {setting}, or \
            LLM_MODEL to a model of another provider");
    }
}

fn endpoint(
    setting: &'static str,
    choice: Option<&EndpointChoice>,
) -> anyhow::Result<Option<ProviderSettings>> {
    let endpoint =
        choice.map(|it| ProviderSettings::new(&it.base_url, it.key.as_ref().map(Secret::reveal)));
    endpoint.transpose().context(setting)
}

fn limits(settings: &Settings) -> llm::Limits {
    llm::Limits {
        first_token: settings.times.first_token,
        silence: settings.times.silence,
        reply: settings.times.turn,
        gate: llm::GateLimits {
            requests: settings.max_requests,
            per_provider: settings.max_requests_per_provider,
            waiting: settings.max_queued_requests,
            patience: settings.times.queue,
        },
        ..llm::Limits::default()
    }
}
