//! The settings of what a model is told: how much, and how lore and memories are found.

use std::path::PathBuf;

use super::settings::{Reader, wrong};
use super::{Secret, SettingError};

/// What a model is told.
#[derive(Debug, Clone)]
pub struct ContextSettings {
    /// Most tokens of a prompt.
    pub prompt_tokens: usize,
    /// Past turns shown where a state says nothing.
    pub history_turns: usize,
    /// Messages that a prompt of a chat shows.
    pub history_messages: usize,
    /// Pieces of lore looked up for a turn where a state says nothing.
    pub lore_results: usize,
    /// Memories looked up for a turn where a state says nothing.
    pub memory_results: usize,
    /// What makes vectors.
    pub embedder: EmbedderChoice,
    /// From which cosine on a vector counts as relevant.
    pub embed_floor: f64,
}

/// What makes the vectors by which lore and memories are found.
#[derive(Debug, Clone)]
pub enum EmbedderChoice {
    /// Nothing: they are found by their words.
    None,
    /// A model behind an OpenAI-compatible `/embeddings`.
    Endpoint {
        /// The endpoint.
        base_url: String,
        /// Its key; local servers have none.
        key: Option<Secret>,
        /// The model.
        model: String,
    },
    /// A static model in a folder.
    Folder(PathBuf),
}

impl ContextSettings {
    pub(super) fn read(read: &Reader<'_>) -> Result<Self, SettingError> {
        Ok(Self {
            prompt_tokens: read.count("DRAMATIS_PROMPT_TOKENS", 1_000..=10_000_000)?,
            history_turns: read.count("DRAMATIS_HISTORY_TURNS", 0..=1_000)?,
            history_messages: read.count("DRAMATIS_HISTORY_MESSAGES", 0..=1_000)?,
            lore_results: read.count("DRAMATIS_LORE_RESULTS", 0..=20)?,
            memory_results: read.count("DRAMATIS_MEMORY_RESULTS", 0..=20)?,
            embedder: EmbedderChoice::read(read)?,
            embed_floor: floor(read)?,
        })
    }
}

impl EmbedderChoice {
    fn read(read: &Reader<'_>) -> Result<Self, SettingError> {
        let folder = read.set("DRAMATIS_EMBED_FOLDER").map(PathBuf::from);
        match (read.set("DRAMATIS_EMBED_MODEL"), folder) {
            (None, None) => Ok(Self::None),
            (None, Some(folder)) => Ok(Self::Folder(folder)),
            (Some(_), Some(_)) => Err(SettingError {
                name: "DRAMATIS_EMBED_FOLDER",
                problem: "DRAMATIS_EMBED_MODEL is set as well: keep one of the two".to_owned(),
            }),
            (Some(model), None) => {
                let name = "DRAMATIS_EMBED_BASE";
                let base_url = read.set(name).unwrap_or_else(|| read.text("OPENAI_API_BASE"));
                if !base_url.starts_with("http://") && !base_url.starts_with("https://") {
                    let wanted = "an address that begins with http:// or https://";
                    return Err(wrong(name, base_url, wanted));
                }
                // A key is for its own endpoint only.
                let is_own = read.set(name).is_some();
                let key = if is_own { "DRAMATIS_EMBED_KEY" } else { "OPENAI_API_KEY" };
                let key = read.secret("DRAMATIS_EMBED_KEY")?.or(read.secret(key)?);
                Ok(Self::Endpoint { base_url, key, model })
            }
        }
    }
}

fn floor(read: &Reader<'_>) -> Result<f64, SettingError> {
    let (name, wanted) = ("DRAMATIS_EMBED_FLOOR", "a number from -1 to 1");
    let floor: f64 = read.parsed(name, wanted)?;
    if (-1.0..=1.0).contains(&floor) { Ok(floor) } else { Err(wrong(name, floor, wanted)) }
}
