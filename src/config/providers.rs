//! Who can be asked for models: the endpoints and their keys, and what is told about models.

use super::settings::{Reader, wrong};
use super::{AllowedModels, Secret, SettingError};

/// Where a provider is asked.
#[derive(Debug, Clone)]
pub struct EndpointChoice {
    /// Where it is.
    pub base_url: String,
    /// Its key; local servers have none.
    pub key: Option<Secret>,
}

/// The providers of models. What is `None` can't be asked.
#[derive(Debug, Clone)]
pub struct ProviderChoices {
    /// For every model that belongs to nobody else.
    pub default: Option<EndpointChoice>,
    /// DeepSeek.
    pub deepseek: Option<EndpointChoice>,
    /// Groq.
    pub groq: Option<EndpointChoice>,
    /// Gemini.
    pub gemini: Option<EndpointChoice>,
    /// A local server.
    pub local: Option<EndpointChoice>,
    /// The models that are asked in turn where another fails before it has begun to speak.
    pub fallback_models: Vec<String>,
    /// The models that begin inside their reasoning.
    pub reasoning_models: AllowedModels,
}

impl ProviderChoices {
    pub(super) fn read(read: &Reader<'_>) -> Result<Self, SettingError> {
        let fallbacks = read.text("DRAMATIS_FALLBACK_MODELS");
        let fallbacks = fallbacks.split(',').map(str::trim).filter(|model| !model.is_empty());
        Ok(Self {
            default: endpoint(read, "OPENAI_API_KEY", "OPENAI_API_BASE", Enough::Either)?,
            deepseek: endpoint(read, "DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL", Enough::Key)?,
            groq: endpoint(read, "GROQ_API_KEY", "GROQ_BASE_URL", Enough::Key)?,
            gemini: endpoint(read, "GEMINI_API_KEY", "GEMINI_BASE_URL", Enough::Key)?,
            local: endpoint(read, "DRAMATIS_LOCAL_KEY", "DRAMATIS_LOCAL_BASE", Enough::Address)?,
            fallback_models: fallbacks.map(str::to_owned).collect(),
            reasoning_models: AllowedModels::from_list(&read.text("DRAMATIS_REASONING_MODELS")),
        })
    }

    /// Whether nobody can be asked.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.default.is_none()
            && self.deepseek.is_none()
            && self.groq.is_none()
            && self.gemini.is_none()
            && self.local.is_none()
    }
}

/// What must be set for an endpoint to be asked.
#[derive(Clone, Copy)]
enum Enough {
    Key,
    Address,
    Either,
}

fn endpoint(
    read: &Reader<'_>,
    key: &'static str,
    base: &'static str,
    enough: Enough,
) -> Result<Option<EndpointChoice>, SettingError> {
    let key = read.secret(key)?;
    let has_address = read.set(base).is_some();
    let is_enough = match enough {
        Enough::Key => key.is_some(),
        Enough::Address => has_address,
        Enough::Either => key.is_some() || has_address,
    };
    is_enough.then(|| Ok(EndpointChoice { base_url: address(read, base)?, key })).transpose()
}

fn address(read: &Reader<'_>, name: &'static str) -> Result<String, SettingError> {
    let base_url = read.text(name);
    if base_url.starts_with("http://") || base_url.starts_with("https://") {
        return Ok(base_url);
    }
    Err(wrong(name, base_url, "an address that begins with http:// or https://"))
}
