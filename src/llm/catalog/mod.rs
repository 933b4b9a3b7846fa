//! Which models can be asked, and what they cost. Some are known from the start; the rest is fetched
//! from the providers by [`Catalog::follow`], a task that whoever runs the server owns, and kept in a
//! file for the next start. Nothing ever waits for it: what is not known yet is missing from the list.

mod fetching;
mod keeping;
mod known;
mod listing;
mod reasoning;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use self::fetching::{Source, keep_fresh};
use super::provider_id::ProviderId;
use super::settings::{ProviderSettings, SettingsError};
use crate::record::Usage;

pub use reasoning::{Learnt, ReasoningSeen};

/// A model that can be asked. Prices are in US dollars for a million tokens; 0: it costs nothing, or
/// nobody has said what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// How settings and games name it.
    pub id: String,
    /// Its name for people, with its provider.
    pub name: String,
    /// For the tokens of a prompt.
    pub prompt_price: f64,
    /// For the tokens of a reply.
    pub completion_price: f64,
    /// For those of a prompt that the provider had cached, where they cost something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_price: Option<f64>,
}

impl ModelInfo {
    /// One that no provider has listed.
    #[must_use]
    pub fn unlisted(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            prompt_price: 0.0,
            completion_price: 0.0,
            cached_price: None,
        }
    }
}

/// What a model's tokens cost, in US dollars for a million.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    prompt: f64,
    completion: f64,
    cached: f64,
}

impl Price {
    /// What a request has cost. A provider's tiers, as for very long prompts, are not considered.
    #[must_use]
    pub fn of(&self, usage: &Usage) -> f64 {
        // Cached tokens are among those of the prompt.
        let cached = usage.cached_input_tokens.unwrap_or_default().min(usage.input_tokens);
        let fresh = usage.input_tokens.saturating_sub(cached);
        let parts =
            [(fresh, self.prompt), (cached, self.cached), (usage.output_tokens, self.completion)];
        // Counts are far below 2^53.
        parts.iter().map(|(tokens, price)| *tokens as f64 * price).sum::<f64>() / 1e6
    }
}

/// The models that can be asked. Clones share what is known.
#[derive(Clone)]
pub struct Catalog {
    shared: Arc<Shared>,
}

struct Shared {
    /// Who can be asked at all.
    providers: Vec<ProviderId>,
    sources: Vec<Source>,
    fetched: Mutex<BTreeMap<ProviderId, Vec<ModelInfo>>>,
    file: OnceLock<PathBuf>,
    /// Held while the file is written.
    writing: tokio::sync::Mutex<()>,
}

impl Catalog {
    /// A catalog of what is known from the start. `endpoints`: every provider that can be asked over
    /// HTTP.
    ///
    /// # Errors
    /// If an HTTP client can't be made.
    pub(super) fn new(endpoints: &[(ProviderId, ProviderSettings)]) -> Result<Self, SettingsError> {
        let providers = endpoints.iter().map(|(id, _)| *id).collect();
        let listing = endpoints.iter().filter(|(id, _)| known::of(*id).is_empty());
        let sources = listing
            .map(|(id, endpoint)| Source::new(*id, endpoint.clone()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            shared: Arc::new(Shared {
                providers,
                sources,
                fetched: Mutex::default(),
                file: OnceLock::new(),
                writing: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// From now on keeps what is fetched in this file, and takes from it what an earlier server left
    /// there. A file that can't be used is told and ignored.
    pub fn keep_in(&self, file: PathBuf) {
        for kept in keeping::load(&file) {
            let source = self.shared.sources.iter().find(|it| it.id.name() == kept.provider);
            // What another address has listed doesn't count.
            if let Some(source) = source.filter(|it| it.endpoint.base_url() == kept.base_url) {
                self.shared.fetched().entry(source.id).or_insert(kept.models);
            }
        }
        let _ = self.shared.file.set(file);
    }

    /// Every model that is known and can be asked.
    #[must_use]
    pub fn models(&self) -> Vec<ModelInfo> {
        let Shared { providers, sources, .. } = &*self.shared;
        let mut models: Vec<_> = providers.iter().flat_map(|id| known::of(*id)).collect();
        let fetched = self.shared.fetched();
        for source in sources {
            let listed = fetched.get(&source.id).into_iter().flatten();
            models.extend(listed.filter(|model| self.goes_to(&model.id, source.id)).cloned());
        }
        models.extend(known::of(ProviderId::Scripted));
        models
    }

    /// The same, and behind them the models that can be asked as soon as their provider has a key.
    #[must_use]
    pub fn with_keyless(&self) -> Vec<ModelInfo> {
        let mut models = self.models();
        let keyless = ProviderId::ALL.iter().filter(|id| !self.shared.providers.contains(id));
        for model in keyless.flat_map(|id| known::of(*id)) {
            if !models.iter().any(|other| other.id == model.id) {
                models.push(model);
            }
        }
        models
    }

    /// What a model costs; `None`: nothing, or nobody has said.
    #[must_use]
    pub fn price(&self, model: &str) -> Option<Price> {
        let id = ProviderId::of(model);
        // Groq's models may be named without their prefix.
        let is = |known: &str| {
            known == model || known.strip_prefix(id.prefix()).is_some_and(|rest| rest == model)
        };
        // A model of that name elsewhere costs something else.
        let can_be_asked = self.shared.providers.contains(&id);
        let mut known = known::of(id).into_iter().filter(|_| can_be_asked);
        let known = known.find(|it| is(&it.id)).or_else(|| {
            let fetched = self.shared.fetched();
            fetched.values().flatten().find(|it| is(&it.id)).cloned()
        })?;
        let ModelInfo { prompt_price: prompt, completion_price: completion, .. } = known;
        let price = Price { prompt, completion, cached: known.cached_price.unwrap_or(prompt) };
        (prompt > 0.0 || completion > 0.0).then_some(price)
    }

    /// Fetches what there is to fetch, again and again. Ends only where there is nothing to fetch.
    pub async fn follow(&self) {
        let sources = self.shared.sources.iter();
        let all = sources.map(|source| {
            let fetch = move || async move { source.fetch().await };
            keep_fresh(&source.label, fetch, move |models| self.take(source.id, models))
        });
        futures::future::join_all(all).await;
    }

    /// Whether an id that a source has listed reaches that source: the default endpoint may list what
    /// others are asked for.
    fn goes_to(&self, model: &str, source: ProviderId) -> bool {
        let id = ProviderId::of(model);
        id == source || !self.shared.providers.contains(&id)
    }

    async fn take(&self, id: ProviderId, models: Vec<ModelInfo>) {
        {
            let mut fetched = self.shared.fetched();
            if fetched.get(&id) == Some(&models) {
                return;
            }
            fetched.insert(id, models);
        }
        let Some(file) = self.shared.file.get() else { return };
        let _writing = self.shared.writing.lock().await;
        let kept = self.shared.kept();
        if let Err(error) = keeping::save(file, &kept).await {
            tracing::warn!("{}: {error}: the list of models is not kept", file.display());
        }
    }
}

impl Shared {
    fn kept(&self) -> Vec<keeping::Kept> {
        let fetched = self.fetched();
        let kept = self.sources.iter().filter_map(|source| {
            Some(keeping::Kept {
                provider: source.id.name().to_owned(),
                base_url: source.endpoint.base_url().to_owned(),
                models: fetched.get(&source.id)?.clone(),
            })
        });
        kept.collect()
    }

    /// Nothing under the lock can fail half-way.
    fn fetched(&self) -> MutexGuard<'_, BTreeMap<ProviderId, Vec<ModelInfo>>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
