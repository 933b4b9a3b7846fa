//! The typed settings.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{AllowedModels, ContextSettings, ProviderChoices, SETTINGS, Secret, SettingError};

/// Everything that a server is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port to listen on; 0: any free one.
    pub port: u16,
    /// What games must present to be served.
    pub token: Option<Secret>,
    /// Where web pages may come from beside the server's own host.
    pub origins: Vec<String>,
    /// The folder of the database.
    pub data: PathBuf,
    /// The folder of conversation logs.
    pub logs: PathBuf,
    /// How large one of their files may grow, in bytes.
    pub logs_max_bytes: Option<u64>,
    /// How long they stay when their session has come to rest.
    pub logs_max_age: Option<Duration>,
    /// The folder of worlds, characters and rules.
    pub assets: PathBuf,
    /// Whether somebody set it, so that it has to be there.
    pub assets_are_set: bool,
    /// How long things may take.
    pub times: TimeLimits,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Most agents of one connection.
    pub max_agents: usize,
    /// Most events that wait for one agent.
    pub max_waiting: usize,
    /// Longest message of a game, in bytes.
    pub max_message_bytes: usize,
    /// Most events of one connection in a second; 0: no limit.
    pub max_events_per_second: u32,
    /// Most requests to models at a time, in all.
    pub max_requests: usize,
    /// Most requests to one model provider at a time.
    pub max_requests_per_provider: usize,
    /// Most requests to models that wait for their turn.
    pub max_queued_requests: usize,
    /// Who plays the agents.
    pub llm: LlmChoice,
    /// Who plays in chats, where nobody has chosen a model.
    pub chat_llm: LlmChoice,
    /// Who can be asked for models.
    pub providers: ProviderChoices,
    /// The models that a game may name beside that.
    pub models: AllowedModels,
    /// What a model is told.
    pub context: ContextSettings,
    /// What goes to the server's own log, as a filter.
    pub log_level: String,
    /// How that is written.
    pub log_format: LogFormat,
}

/// How the server's own log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// How long things may take.
#[derive(Debug, Clone)]
pub struct TimeLimits {
    /// A game's answer to `get_agent_state`.
    pub state: Duration,
    /// Presenting a turn, at the least.
    pub result: Duration,
    /// A model's first piece, all attempts together.
    pub first_token: Duration,
    /// A model's silence after its first piece.
    pub silence: Duration,
    /// A whole reply.
    pub turn: Duration,
    /// Presenting a token.
    pub hello: Duration,
    /// No sign of life from a connection.
    pub ping: Duration,
    /// A request that waits for its turn.
    pub queue: Duration,
}

/// Who plays agents whose state names no model.
#[derive(Debug, Clone)]
pub enum LlmChoice {
    /// The built-in actor: nothing else is configured.
    Scripted,
    /// A model of one of the providers.
    Model {
        /// The model of game turns.
        model: String,
    },
}

impl Settings {
    /// Reads the settings through a look-up by environment name.
    ///
    /// # Errors
    /// The first setting that can't be used, by name.
    pub fn read(look_up: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let read = Reader { look_up };
        let most = 1..=1_000_000;
        let providers = ProviderChoices::read(&read)?;
        let settings = Self {
            host: read.parsed("DRAMATIS_HOST", "an IP address such as 127.0.0.1")?,
            port: read.parsed("DRAMATIS_PORT", "a number from 0 to 65535")?,
            token: read.secret("DRAMATIS_TOKEN")?,
            origins: read.origins()?,
            data: read.text("DRAMATIS_DATA").into(),
            logs: read.text("DRAMATIS_LOGS").into(),
            logs_max_bytes: read.logs_max_bytes()?,
            logs_max_age: read.logs_max_age()?,
            assets: read.text("DRAMATIS_ASSETS").into(),
            assets_are_set: read.set("DRAMATIS_ASSETS").is_some(),
            times: TimeLimits {
                state: read.millis("DRAMATIS_STATE_TIMEOUT_MS")?,
                result: read.millis("DRAMATIS_RESULT_TIMEOUT_MS")?,
                first_token: read.millis("DRAMATIS_FIRST_TOKEN_TIMEOUT_MS")?,
                silence: read.millis("DRAMATIS_SILENCE_TIMEOUT_MS")?,
                turn: read.millis("DRAMATIS_TURN_TIMEOUT_MS")?,
                hello: read.millis("DRAMATIS_HELLO_TIMEOUT_MS")?,
                ping: read.millis("DRAMATIS_PING_TIMEOUT_MS")?,
                queue: read.millis("DRAMATIS_QUEUE_TIMEOUT_MS")?,
            },
            max_connections: read.count("DRAMATIS_MAX_CONNECTIONS", most.clone())?,
            max_agents: read.count("DRAMATIS_MAX_AGENTS", most.clone())?,
            max_events_per_second: read
                .parsed("DRAMATIS_MAX_EVENTS_PER_SECOND", "a number; 0: no limit")?,
            max_requests: read.count("DRAMATIS_MAX_REQUESTS", most.clone())?,
            max_requests_per_provider: read.count("DRAMATIS_MAX_REQUESTS_PER_PROVIDER", most)?,
            max_queued_requests: read.count("DRAMATIS_MAX_QUEUED_REQUESTS", 0..=1_000_000)?,
            max_waiting: read.count("DRAMATIS_MAX_WAITING", 1..=64)?,
            max_message_bytes: read
                .count("DRAMATIS_MAX_MESSAGE_BYTES", 1_024..=64 * 1024 * 1024)?,
            llm: read.llm(&providers, "ACTIVE_STREAM_LLM_MODEL"),
            chat_llm: read.llm(&providers, "LLM_MODEL"),
            providers,
            models: AllowedModels::from_list(&read.text("DRAMATIS_MODELS")),
            context: ContextSettings::read(&read)?,
            log_level: read.log_level()?,
            log_format: read.parsed("DRAMATIS_LOG_FORMAT", "text or json")?,
        };
        settings.check()
    }

    fn check(self) -> Result<Self, SettingError> {
        if self.token.is_none() && !self.host.is_loopback() {
            let problem = format!(
                "without a token the server listens on loopback only, and {} is not: set a token \
                 or DRAMATIS_HOST=127.0.0.1",
                self.host
            );
            return Err(SettingError { name: "DRAMATIS_TOKEN", problem });
        }
        Ok(self)
    }
}

pub(super) struct Reader<'a> {
    look_up: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    /// What is set, by any of the setting's names; empty counts as not set.
    pub(super) fn set(&self, name: &'static str) -> Option<String> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name)?;
        let names = std::iter::once(name).chain(setting.also.iter().copied());
        names
            .filter_map(self.look_up)
            .map(|value| value.trim().to_owned())
            .find(|value| !value.is_empty())
    }

    pub(super) fn text(&self, name: &'static str) -> String {
        let default = SETTINGS.iter().find(|setting| setting.name == name);
        self.set(name).unwrap_or_else(|| default.map_or("", |setting| setting.default).to_owned())
    }

    pub(super) fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        wanted: &str,
    ) -> Result<T, SettingError> {
        let text = self.text(name);
        text.parse().map_err(|_| wrong(name, &text, wanted))
    }

    pub(super) fn count(
        &self,
        name: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<usize, SettingError> {
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        let count = self.parsed(name, &wanted)?;
        if range.contains(&count) { Ok(count) } else { Err(wrong(name, count, &wanted)) }
    }

    fn millis(&self, name: &'static str) -> Result<Duration, SettingError> {
        let millis = self.count(name, 1..=86_400_000)?;
        Ok(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }

    /// A key or token travels in a header, so it can't hold anything that ends one.
    pub(super) fn secret(&self, name: &'static str) -> Result<Option<Secret>, SettingError> {
        let Some(value) = self.set(name) else { return Ok(None) };
        if !value.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            let problem = "it holds a space, a line break or another character that can't stand in \
                           an HTTP header: copy it again";
            return Err(SettingError { name, problem: problem.to_owned() });
        }
        Ok(Some(Secret::new(value)))
    }

    fn logs_max_bytes(&self) -> Result<Option<u64>, SettingError> {
        let name = "DRAMATIS_LOGS_MAX_BYTES";
        let bytes: u64 = self.parsed(name, "a number of bytes; 0: no limit")?;
        Ok((bytes > 0).then_some(bytes))
    }

    fn logs_max_age(&self) -> Result<Option<Duration>, SettingError> {
        let days = self.count("DRAMATIS_LOGS_MAX_DAYS", 0..=36_500)?;
        let seconds = u64::try_from(days).unwrap_or(u64::MAX).saturating_mul(24 * 60 * 60);
        Ok((days > 0).then(|| Duration::from_secs(seconds)))
    }

    fn origins(&self) -> Result<Vec<String>, SettingError> {
        let name = "DRAMATIS_ORIGINS";
        let list = self.text(name);
        let origins = list.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        origins
            .map(|origin| {
                let bare = origin.trim_end_matches('/');
                let is_one = bare
                    .split_once("://")
                    .is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'));
                if is_one || matches!(bare, "*" | "null") {
                    return Ok(bare.to_owned());
                }
                Err(wrong(name, origin, "an origin such as https://my.example, without a path"))
            })
            .collect()
    }

    /// Levels by name; a word that is none would be taken for a filter that silences everything.
    fn log_level(&self) -> Result<String, SettingError> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let text = self.text("GAME_AGENT_LOG_LEVEL");
        let is_level = |word: &str| LEVELS.contains(&word.trim().to_ascii_lowercase().as_str());
        let is_right = |part: &str| match part.rsplit_once('=') {
            Some((target, level)) => !target.trim().is_empty() && is_level(level),
            None => is_level(part),
        };
        if text.split(',').all(is_right) {
            return Ok(text);
        }
        let wanted = "ERROR, WARN, INFO, DEBUG, TRACE, or a filter such as dramatis=debug";
        Err(wrong("GAME_AGENT_LOG_LEVEL", text, wanted))
    }

    /// Where nobody can be asked, the model's name means nothing.
    fn llm(&self, providers: &ProviderChoices, setting: &'static str) -> LlmChoice {
        if providers.is_empty() {
            return LlmChoice::Scripted;
        }
        let model = self.set(setting).unwrap_or_else(|| self.text("LLM_MODEL"));
        LlmChoice::Model { model }
    }
}

pub(super) fn wrong(name: &'static str, value: impl Display, wanted: &str) -> SettingError {
    SettingError { name, problem: format!("\"{value}\" is not {wanted}") }
}
