//! What is added to the worlds while they are played: lore that somebody attaches, and files that were
//! changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Chats;
use crate::assets::Assets;
use crate::retrieval::{Attached, LoreOf};
use crate::store::StoreError;

/// Longest text that is attached at a time, in bytes.
const MAX_LORE: usize = 256 * 1024;

/// Why lore can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LoreError {
    /// Nothing is looked up on this server.
    #[error("this server looks up no lore")]
    Off,
    /// There is no such world.
    #[error("there is no world \"{0}\"")]
    NoWorld(String),
    /// There is nothing to attach.
    #[error("there is no text to attach")]
    Empty,
    /// The text is too long.
    #[error("a text to attach may have {MAX_LORE} bytes: attach it in parts")]
    TooLong,
    /// The assets are part of the program.
    #[error(
        "the assets are those of the program and never change: set DRAMATIS_ASSETS to a folder"
    )]
    BuiltIn,
    /// The path is none of the folder's.
    #[error("\"{0}\" is no folder within the folder of assets")]
    Outside(String),
    /// The store doesn't do it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A thread that reads files ended.
    #[error("the files could not be read")]
    Reading,
}

/// What reading the files again has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// What is new: `world mill`.
    pub added: Vec<String>,
    /// What says something else.
    pub changed: Vec<String>,
    /// What is gone.
    pub removed: Vec<String>,
    /// What is wrong with the files that were read, each with its place.
    pub problems: Vec<String>,
}

impl Changes {
    /// Whether anything is another than before.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

impl Chats {
    /// Attaches a text to the lore of a world: it is found from the next turn on, in every session of
    /// the world, and stays.
    ///
    /// # Errors
    /// If the text can't be used, or can't be stored.
    pub async fn attach_lore(&self, world: &str, text: &str) -> Result<Attached, LoreError> {
        if self.assets().world(world).is_none() {
            return Err(LoreError::NoWorld(world.to_owned()));
        }
        match text.trim().len() {
            0 => return Err(LoreError::Empty),
            length if length > MAX_LORE => return Err(LoreError::TooLong),
            _ => {}
        }
        let retriever = self.services.generator.retriever().ok_or(LoreError::Off)?;
        Ok(retriever.attach_lore(LoreOf::Attached(world), text.trim()).await?)
    }

    /// Forgets everything that was attached to a world. `false`: there was nothing.
    ///
    /// # Errors
    /// If it can't be stored.
    pub async fn clear_lore(&self, world: &str) -> Result<bool, LoreError> {
        let retriever = self.services.generator.retriever().ok_or(LoreError::Off)?;
        Ok(retriever.clear_attached(world).await?)
    }

    /// Reads a folder within the folder of assets again, or all of it for `.`. What has changed counts
    /// from the next turn on.
    ///
    /// # Errors
    /// If the folder is none of the assets', or its lore can't be indexed.
    pub async fn sync_folder(&self, path: &str) -> Result<Changes, LoreError> {
        let library = &self.services.library;
        let root = library.folder().ok_or(LoreError::BuiltIn)?.to_owned();
        let within = folder_within(&root, path)?;
        let before = library.current();
        let reading = std::sync::Arc::clone(library);
        let problems = tokio::task::spawn_blocking(move || reading.reload()).await;
        let problems = problems.map_err(|_| LoreError::Reading)?;
        let now = library.current();
        if let Some(retriever) = self.services.generator.retriever() {
            retriever.index_newest(|| library.current()).await?;
        }
        let mut changes = difference(&before, &now);
        let problems = problems.iter().filter(|it| Path::new(&it.file).starts_with(&within));
        changes.problems = problems.map(ToString::to_string).collect();
        Ok(changes)
    }
}

/// The folder, named from the root or from where the server runs. It must be there and must not lead
/// out of the root.
fn folder_within(root: &Path, path: &str) -> Result<PathBuf, LoreError> {
    let inside = |named: PathBuf| {
        let found = named.canonicalize().ok().filter(|found| found.is_dir())?;
        let rest = found.strip_prefix(root.canonicalize().ok()?).ok()?;
        Some(root.join(rest))
    };
    let found = inside(root.join(path)).or_else(|| inside(PathBuf::from(path)));
    found.ok_or_else(|| LoreError::Outside(path.to_owned()))
}

/// What is another now.
fn difference(before: &Assets, now: &Assets) -> Changes {
    let (before, mut now) = (named(before), named(now));
    let mut changes = Changes::default();
    for (name, text) in before {
        match now.remove(&name) {
            None => changes.removed.push(name),
            Some(other) if other != text => changes.changed.push(name),
            Some(_) => {}
        }
    }
    changes.added = now.into_keys().collect();
    changes
}

/// Everything by its kind and id, as text that is the same for the same content.
fn named(assets: &Assets) -> BTreeMap<String, String> {
    let worlds = assets.worlds().map(|it| (format!("world {}", it.id), format!("{it:?}")));
    let characters =
        assets.characters().map(|it| (format!("character {}", it.id), format!("{it:?}")));
    let rules = assets.rules().map(|it| (format!("rule {}", it.id), format!("{it:?}")));
    let base = format!("{:?}", assets.base_rules());
    let base = std::iter::once(("base rules".to_owned(), base));
    worlds.chain(characters).chain(rules).chain(base).collect()
}
