//! Who can be asked for models: the endpoints and their keys, and what is told about models.

use super::settings::{Reader, wrong};
use super::{AllowedModels, Secret, SettingError};

/// An OpenAI-compatible endpoint.
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
    /// The key of DeepSeek.
    pub deepseek: Option<Secret>,
    /// Groq.
    pub groq: Option<EndpointChoice>,
    /// The key of Gemini.
    pub gemini: Option<Secret>,
    /// The address of a local server.
    pub local_base: Option<String>,
    /// The models that are asked in turn where another fails before it has begun to speak.
    pub fallback_models: Vec<String>,
    /// The models that begin inside their reasoning.
    pub reasoning_models: AllowedModels,
}

impl ProviderChoices {
    pub(super) fn read(read: &Reader<'_>) -> Result<Self, SettingError> {
        let key = read.secret("OPENAI_API_KEY")?;
        let is_set = key.is_some() || read.set("OPENAI_API_BASE").is_some();
        let default = is_set.then(|| address(read, "OPENAI_API_BASE")).transpose()?;
        let groq = match read.secret("GROQ_API_KEY")? {
            Some(key) => {
                let base_url = address(read, "GROQ_BASE_URL")?;
                Some(EndpointChoice { base_url, key: Some(key) })
            }
            None => None,
        };
        let has_local = read.set("DRAMATIS_LOCAL_BASE").is_some();
        let fallbacks = read.text("DRAMATIS_FALLBACK_MODELS");
        let fallbacks = fallbacks.split(',').map(str::trim).filter(|model| !model.is_empty());
        Ok(Self {
            default: default.map(|base_url| EndpointChoice { base_url, key }),
            deepseek: read.secret("DEEPSEEK_API_KEY")?,
            groq,
            gemini: read.secret("GEMINI_API_KEY")?,
            local_base: has_local.then(|| address(read, "DRAMATIS_LOCAL_BASE")).transpose()?,
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
            && self.local_base.is_none()
    }
}

fn address(read: &Reader<'_>, name: &'static str) -> Result<String, SettingError> {
    let base_url = read.text(name);
    if base_url.starts_with("http://") || base_url.starts_with("https://") {
        return Ok(base_url);
    }
    Err(wrong(name, base_url, "an address that begins with http:// or https://"))
}
