//! Which provider a model's id belongs to, told from the id alone, and what is fixed about each.
//! Whether a provider can be asked, and what happens if it can't, is the router's business.

use super::settings::KEY_SETTING;

/// Whoever answers for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProviderId {
    /// The endpoint for every id that belongs to nobody else.
    Default,
    /// DeepSeek's own API.
    DeepSeek,
    /// Groq.
    Groq,
    /// Google's Gemini.
    Gemini,
    /// A server with a setting of its own beside the default endpoint.
    Local,
    /// The built-in actor.
    Scripted,
}

impl ProviderId {
    /// Every provider.
    pub const ALL: [Self; 6] =
        [Self::Default, Self::DeepSeek, Self::Groq, Self::Gemini, Self::Local, Self::Scripted];

    /// Whom an id belongs to by its spelling.
    #[must_use]
    pub fn of(model: &str) -> Self {
        let has_prefix = |id: &Self| !id.prefix().is_empty() && model.starts_with(id.prefix());
        if let Some(id) = Self::ALL.into_iter().find(has_prefix) {
            return id;
        }
        // With a slash it is somebody else's copy of the model, as in `deepseek-ai/DeepSeek-V3`.
        if model.contains('/') {
            return Self::Default;
        }
        let begins = |beginnings: &[&str]| beginnings.iter().any(|it| model.starts_with(it));
        if begins(&["deepseek-"]) {
            Self::DeepSeek
        } else if begins(&["llama-", "mixtral-", "gemma-"]) {
            Self::Groq
        } else {
            Self::Default
        }
    }

    /// What an id that begins so loses on its way to this provider; empty: nothing.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Default | Self::DeepSeek => "",
            Self::Groq => "groq/",
            Self::Gemini => "gemini/",
            Self::Local => "local/",
            Self::Scripted => "scripted/",
        }
    }

    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::DeepSeek => "deepseek",
            Self::Groq => "groq",
            Self::Gemini => "gemini",
            Self::Local => "local",
            Self::Scripted => "scripted",
        }
    }

    /// Its name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Default => "the default endpoint",
            Self::DeepSeek => "DeepSeek",
            Self::Groq => "Groq",
            Self::Gemini => "Gemini",
            Self::Local => "the local server",
            Self::Scripted => "the built-in actor",
        }
    }

    /// The setting without which it can't be asked.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::DeepSeek => "DEEPSEEK_API_KEY",
            Self::Groq => "GROQ_API_KEY",
            Self::Gemini => "GEMINI_API_KEY",
            Self::Local => "DRAMATIS_LOCAL_BASE",
            Self::Default | Self::Scripted => KEY_SETTING,
        }
    }

    /// The setting that holds its key.
    #[must_use]
    pub const fn key_setting(self) -> &'static str {
        match self {
            Self::Local => "DRAMATIS_LOCAL_KEY",
            _ => self.setting(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_tells_the_provider() {
        for (model, expected) in [
            ("deepseek-chat", ProviderId::DeepSeek),
            ("deepseek-reasoner", ProviderId::DeepSeek),
            ("deepseek/deepseek-chat", ProviderId::Default),
            ("deepseek-ai/DeepSeek-V3", ProviderId::Default),
            ("groq/openai/gpt-oss-120b", ProviderId::Groq),
            ("llama-3.3-70b-versatile", ProviderId::Groq),
            ("mixtral-8x7b-32768", ProviderId::Groq),
            ("gemma-2-9b-it", ProviderId::Groq),
            ("gemma-org/gemma-2", ProviderId::Default),
            ("llama3.2", ProviderId::Default),
            ("gemini/gemini-3-flash-preview", ProviderId::Gemini),
            ("google/gemini-3-flash-preview", ProviderId::Default),
            ("local/qwen3", ProviderId::Local),
            ("scripted/actor", ProviderId::Scripted),
            ("scripted", ProviderId::Default),
            ("openai/gpt-4o-mini", ProviderId::Default),
            ("", ProviderId::Default),
        ] {
            assert_eq!(ProviderId::of(model), expected, "{model}");
        }
    }
}
