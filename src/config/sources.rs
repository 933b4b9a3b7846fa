//! Where settings come from.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use super::folders::user_data;
use super::{SETTINGS, UnknownSetting, unknown};

/// Flags, environment, `.env` and `config.yaml`; the first that knows a setting decides.
#[derive(Debug, Default)]
pub struct Sources {
    flags: HashMap<String, String>,
    env_file: HashMap<String, String>,
    config_file: HashMap<String, String>,
    /// What counts where nothing else is set.
    instead_of_defaults: HashMap<String, String>,
}

/// A file with settings that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct SourcesError {
    /// The file.
    pub file: String,
    /// What is wrong, with the line where it is known.
    pub problem: String,
}

/// The keys of `config.yaml`, which are those of the Flower Engine.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigFile {
    default_model: Option<String>,
    supported_models: Vec<SupportedModel>,
    openai_base_url: Option<String>,
    openai_api_key: Option<String>,
    deepseek_api_key: Option<String>,
    groq_api_key: Option<String>,
    groq_base_url: Option<String>,
    gemini_api_key: Option<String>,
}

/// A model by its id alone, or with more about it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum SupportedModel {
    Id(String),
    Model(ModelEntry),
}

/// What a file says of a model beside its id means nothing here and is no slip.
#[derive(Debug, Deserialize)]
struct ModelEntry {
    id: Option<String>,
    name: Option<String>,
}

impl ConfigFile {
    /// What it sets, by the environment's names.
    fn into_entries(self) -> HashMap<String, String> {
        let models = self.supported_models.into_iter().filter_map(|model| match model {
            SupportedModel::Id(id) => Some(id),
            SupportedModel::Model(model) => model.id.or(model.name),
        });
        let models: Vec<String> = models.collect();
        let entries = [
            ("LLM_MODEL", self.default_model),
            ("DRAMATIS_MODELS", Some(models.join(", "))),
            ("OPENAI_API_BASE", self.openai_base_url),
            ("OPENAI_API_KEY", self.openai_api_key),
            ("DEEPSEEK_API_KEY", self.deepseek_api_key),
            ("GROQ_API_KEY", self.groq_api_key),
            ("GROQ_BASE_URL", self.groq_base_url),
            ("GEMINI_API_KEY", self.gemini_api_key),
        ];
        entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl Sources {
    /// Reads `.env` and `config.yaml` of a folder, where they exist. `flags` by environment name.
    ///
    /// # Errors
    /// If one of the files exists and can't be read.
    pub fn of_folder(folder: &Path, flags: HashMap<String, String>) -> Result<Self, SourcesError> {
        Ok(Self {
            flags,
            env_file: read_env_file(&folder.join(".env"))?,
            config_file: read_config_file(&folder.join("config.yaml"))?,
            instead_of_defaults: HashMap::new(),
        })
    }

    /// The same, where data and logs lie in the user's data folder unless something else is set:
    /// for a server that comes along with a game, whose own folder may not be written. Without such
    /// a folder nothing changes.
    #[must_use]
    pub fn with_user_folders(mut self) -> Self {
        if let Some(folder) = user_data(&environment) {
            let folders = [("DRAMATIS_DATA", "data"), ("DRAMATIS_LOGS", "logs")];
            self.instead_of_defaults = folders
                .map(|(name, part)| (name.to_owned(), folder.join(part).display().to_string()))
                .into();
        }
        self
    }

    /// What of the environment and `.env` bears our prefix and is read by nothing.
    #[must_use]
    pub fn unknown(&self) -> Vec<UnknownSetting> {
        unknown::unknown(environment_names().chain(self.env_file.keys().cloned()))
    }

    /// What a setting is set to.
    #[must_use]
    pub fn look_up(&self, name: &str) -> Option<String> {
        let also = SETTINGS.iter().find(|setting| setting.name == name);
        let also = also.map_or(&[] as &[&str], |setting| setting.also);
        let names = || std::iter::once(name).chain(also.iter().copied());
        // Source by source, so that another name in the environment counts before a file.
        let of = |source: &HashMap<String, String>| {
            names().filter_map(|name| source.get(name)).find(|value| !value.is_empty()).cloned()
        };
        let flag = self.flags.get(name).cloned();
        flag.or_else(|| names().find_map(environment))
            .or_else(|| of(&self.env_file))
            .or_else(|| of(&self.config_file))
            .or_else(|| of(&self.instead_of_defaults))
    }
}

/// The names of what is set.
fn environment_names() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn read_env_file(path: &Path) -> Result<HashMap<String, String>, SourcesError> {
    if !path.exists() {
        return Ok(HashMap::new());
    }
    let entries = dotenvy::from_path_iter(path).and_then(Iterator::collect);
    entries.map_err(|error| match error {
        // What the line holds may be a key: only its place is told.
        dotenvy::Error::LineParse(line, _) => {
            let problem = match line_of(path, &line) {
                Some(number) => format!("line {number} is not NAME=value"),
                None => "a line is not NAME=value".to_owned(),
            };
            fault(path, &problem)
        }
        other => fault(path, &other),
    })
}

/// Which line of a file, from 1, begins a text that could not be read.
fn line_of(path: &Path, text: &str) -> Option<usize> {
    let file = std::fs::read_to_string(path).ok()?;
    let first = text.lines().next()?.trim();
    file.lines().position(|line| line.trim() == first).map(|index| index.saturating_add(1))
}

fn read_config_file(path: &Path) -> Result<HashMap<String, String>, SourcesError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(fault(path, &error)),
    };
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let file: ConfigFile =
        serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
            let problem = match (error.location(), &error) {
                (Some(place), serde_saphyr::Error::SerdeUnknownField { field, .. }) => format!(
                    "line {}: there is no setting `{field}`: set default_model, supported_models \
                     and the keys and addresses of providers (openai_api_key, openai_base_url, \
                     …) here, and the others in the environment or in .env",
                    place.line()
                ),
                // The library's own words may quote what stands there, which may be a key.
                (Some(place), _) => {
                    format!("line {}, column {} can't be read", place.line(), place.column())
                }
                (None, _) => "it is no map of settings".to_owned(),
            };
            fault(path, &problem)
        })?;
    Ok(file.into_entries())
}

fn fault(path: &Path, error: &dyn std::fmt::Display) -> SourcesError {
    SourcesError { file: path.display().to_string(), problem: error.to_string() }
}
