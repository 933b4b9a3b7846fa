//! Settings, read once and typed: flags, environment, `.env` and `config.yaml`, in this order.
//! Every other module is handed its part; none reads the environment itself.

mod context;
mod folders;
mod models;
mod providers;
mod secret;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod unknown;

pub use context::{ContextSettings, EmbedderChoice};
pub use models::AllowedModels;
pub use providers::{EndpointChoice, ProviderChoices};
pub use secret::Secret;
pub use settings::{LlmChoice, LogFormat, Settings, TimeLimits};
pub use sources::{Sources, SourcesError};
pub use unknown::UnknownSetting;

/// One setting, as users know it.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment's name for it.
    pub name: &'static str,
    /// Other names that are understood.
    pub also: &'static [&'static str],
    /// What counts if it is not set; empty: nothing.
    pub default: &'static str,
    /// What it is for.
    pub help: &'static str,
}

/// Why the settings can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct SettingError {
    /// The setting, by its environment name.
    pub name: &'static str,
    /// What is wrong and what to do.
    pub problem: String,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, also: &[], default, help }
}

/// All settings.
pub const SETTINGS: &[Setting] = &[
    setting(
        "DRAMATIS_HOST",
        "127.0.0.1",
        "The address to listen on; beyond loopback a token is needed",
    ),
    setting("DRAMATIS_PORT", "8000", "The port to listen on; 0: any free one"),
    setting(
        "DRAMATIS_TOKEN",
        "",
        "What games must present to be served; without one, loopback only",
    ),
    setting(
        "DRAMATIS_ORIGINS",
        "",
        "Where web games may come from beside the server's own host, as https://my.example; *: any",
    ),
    setting("DRAMATIS_DATA", "data", "The folder of the database"),
    setting("DRAMATIS_LOGS", "logs", "The folder of conversation logs and transcripts"),
    setting(
        "DRAMATIS_ASSETS",
        "assets",
        "The folder of worlds, characters and rules; not set and not there: the built-in samples",
    ),
    setting(
        "DRAMATIS_LOGS_MAX_BYTES",
        "67108864",
        "How large a conversation log may grow before it is put aside, four times at most; 0: any",
    ),
    setting(
        "DRAMATIS_LOGS_MAX_DAYS",
        "0",
        "After how many days of rest the logs of a play session are removed; 0: never",
    ),
    setting(
        "DRAMATIS_STATE_TIMEOUT_MS",
        "2000",
        "How long a game may take to report an agent's state",
    ),
    setting(
        "DRAMATIS_RESULT_TIMEOUT_MS",
        "15000",
        "How long an agent counts as speaking after its turn, at the least",
    ),
    setting(
        "DRAMATIS_FIRST_TOKEN_TIMEOUT_MS",
        "30000",
        "How long a model may take to its first piece, all attempts together",
    ),
    setting(
        "DRAMATIS_SILENCE_TIMEOUT_MS",
        "20000",
        "How long a model may be silent after its first piece",
    ),
    setting("DRAMATIS_TURN_TIMEOUT_MS", "120000", "How long a reply may take as a whole"),
    setting("DRAMATIS_HELLO_TIMEOUT_MS", "10000", "How long a game may take to present its token"),
    setting("DRAMATIS_PING_TIMEOUT_MS", "60000", "How long a connection may give no sign of life"),
    setting("DRAMATIS_MAX_CONNECTIONS", "1024", "Most connections at a time"),
    setting("DRAMATIS_MAX_AGENTS", "1024", "Most agents that one connection speaks for"),
    setting("DRAMATIS_MAX_WAITING", "16", "Most events that wait for one agent"),
    setting("DRAMATIS_MAX_MESSAGE_BYTES", "1048576", "Longest message of a game"),
    setting(
        "DRAMATIS_MAX_EVENTS_PER_SECOND",
        "1000",
        "Most events that one connection sends in a second; 0: no limit",
    ),
    setting("DRAMATIS_MAX_REQUESTS", "256", "Most requests to models at a time, in all"),
    setting(
        "DRAMATIS_MAX_REQUESTS_PER_PROVIDER",
        "256",
        "Most requests to one model provider at a time",
    ),
    setting(
        "DRAMATIS_MAX_QUEUED_REQUESTS",
        "1024",
        "Most requests to models that wait for their turn, highest priority first",
    ),
    setting(
        "DRAMATIS_QUEUE_TIMEOUT_MS",
        "30000",
        "How long a request to a model may wait for its turn",
    ),
    setting(
        "OPENAI_API_KEY",
        "",
        "The key of the default endpoint; without any key and any base URL the built-in actor plays",
    ),
    Setting {
        name: "OPENAI_API_BASE",
        also: &["OPENAI_BASE_URL"],
        default: "https://openrouter.ai/api/v1",
        help: "The OpenAI-compatible default endpoint; one without a key (llama.cpp) works too",
    },
    setting("DEEPSEEK_API_KEY", "", "The key of DeepSeek, for models as deepseek-chat"),
    setting("DEEPSEEK_BASE_URL", "https://api.deepseek.com", "The address of DeepSeek"),
    setting("GROQ_API_KEY", "", "The key of Groq, for models as groq/llama-3.3-70b-versatile"),
    setting("GROQ_BASE_URL", "https://api.groq.com/openai/v1", "The address of Groq"),
    setting("GEMINI_API_KEY", "", "The key of Gemini, for models as gemini/gemini-3-flash-preview"),
    setting(
        "GEMINI_BASE_URL",
        "https://generativelanguage.googleapis.com",
        "The address of Gemini's native API",
    ),
    setting(
        "DRAMATIS_LOCAL_BASE",
        "",
        "A local OpenAI-compatible server, for models as local/qwen3, beside the default endpoint",
    ),
    setting("DRAMATIS_LOCAL_KEY", "", "The key of that server, where it wants one"),
    Setting {
        name: "LLM_MODEL",
        also: &["MODEL_NAME"],
        default: "openai/gpt-4o-mini",
        help: "The model, as the endpoint names it",
    },
    setting("ACTIVE_STREAM_LLM_MODEL", "", "The model of game turns, where it is another"),
    setting(
        "DRAMATIS_MODELS",
        "",
        "The models that a game may name beside the server's own, as openai/*, llama-3; empty: any",
    ),
    setting(
        "DRAMATIS_FALLBACK_MODELS",
        "",
        "The models that are asked in turn where another fails before it speaks, as a, b",
    ),
    setting(
        "DRAMATIS_REASONING_MODELS",
        "",
        "The models that begin inside their reasoning without saying so, as local/*; empty: learnt",
    ),
    setting("DRAMATIS_PROMPT_TOKENS", "16000", "Most tokens of a prompt, four characters each"),
    setting("DRAMATIS_HISTORY_TURNS", "20", "Past turns that an agent is shown"),
    setting("DRAMATIS_HISTORY_MESSAGES", "10", "Past messages that a prompt of a chat shows"),
    setting("DRAMATIS_LORE_RESULTS", "2", "Pieces of lore that are looked up for a turn"),
    setting("DRAMATIS_MEMORY_RESULTS", "3", "Memories that are looked up for a turn"),
    setting(
        "DRAMATIS_EMBED_MODEL",
        "",
        "The embedding model by which lore and memories are found beside their words; empty: none",
    ),
    setting(
        "DRAMATIS_EMBED_BASE",
        "",
        "Its OpenAI-compatible endpoint; not set: that of OPENAI_API_BASE, with its key",
    ),
    setting("DRAMATIS_EMBED_KEY", "", "The key of that endpoint"),
    setting(
        "DRAMATIS_EMBED_FOLDER",
        "",
        "The folder of a static embedding model instead; needs a build with the feature embed-local",
    ),
    setting(
        "DRAMATIS_EMBED_FLOOR",
        "0.35",
        "From which cosine on, -1 to 1, the embedding model's word counts",
    ),
    setting(
        "GAME_AGENT_LOG_LEVEL",
        "INFO",
        "ERROR, WARN, INFO, DEBUG, TRACE, or a filter as in dramatis=debug",
    ),
    setting("DRAMATIS_LOG_FORMAT", "text", "How the server's own log is written: text or json"),
];
