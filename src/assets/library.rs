//! What was read of a folder, kept up to date: a file that can't be read any more stays in use as it
//! was. Driven by whoever calls [`Library::reload`]: the watcher, a command.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dramatis_protocol::Id;
use dramatis_protocol::assets::limits::{MAX_ENTRIES, MAX_REGEXES};
use tokio::sync::watch;

use super::parse::{Asset, Kind, Parsed, parse};
use super::problem::{Fault, Problem};
use super::{Assets, built_in, folder};

/// What a file's fault says when the file was good before.
const STILL_IN_USE: &str = "; what it said before stays in use";

/// The assets of a folder, or those that are part of the program.
#[derive(Debug)]
pub struct Library {
    /// Absent: the built-in ones.
    folder: Option<PathBuf>,
    files: Mutex<Files>,
    current: watch::Sender<Arc<Assets>>,
}

/// Why a folder of assets can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the folder of assets `{}` can't be looked into ({error}): name another, or make it", folder.display())]
pub struct OpenError {
    /// The folder.
    pub folder: PathBuf,
    /// The reason; the sentence has it already.
    pub error: std::io::Error,
}

impl Library {
    /// Reads a folder; without one, the assets that are part of the program. What is wrong with its
    /// files is told by [`Library::problems`], and the rest is used.
    ///
    /// # Errors
    /// If the folder isn't there or can't be looked into.
    pub fn open(folder: Option<&Path>) -> Result<Self, OpenError> {
        if let Some(folder) = folder
            && let Err(error) = std::fs::read_dir(folder)
        {
            return Err(OpenError { folder: folder.to_owned(), error });
        }
        let library = Self {
            folder: folder.map(Path::to_owned),
            files: Mutex::default(),
            current: watch::Sender::default(),
        };
        library.reload();
        Ok(library)
    }

    /// The folder; absent for the built-in assets, which never change.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// What there is now. It stays as it is, whatever becomes of the files.
    #[must_use]
    pub fn current(&self) -> Arc<Assets> {
        self.current.borrow().clone()
    }

    /// Tells of each change from now on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Assets>> {
        self.current.subscribe()
    }

    /// What was wrong when the files were last read.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        self.files().problems.clone()
    }

    /// Reads what has changed, and says what is wrong with the files now. Reads the disk, so it
    /// belongs on a thread that may wait.
    pub fn reload(&self) -> Vec<Problem> {
        let mut files = self.files();
        let listing = match &self.folder {
            Some(folder) => folder::list(folder),
            None => Ok(built_in::list()),
        };
        let problems = match listing {
            Ok(listing) => {
                let (assets, problems) = files.update(listing);
                if let Some(assets) = assets {
                    self.current.send_replace(Arc::new(assets));
                }
                problems
            }
            Err(error) => {
                let message = format!("the folder can't be looked into ({error}){STILL_IN_USE}");
                vec![(String::new(), Fault::new(None, message))]
            }
        };
        let told =
            |(name, fault): (String, Fault)| folder::problem(self.folder.as_deref(), &name, fault);
        files.problems = problems.into_iter().map(told).collect();
        files.problems.clone()
    }

    /// A thread that panicked while it read leaves files that are whole each for itself.
    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All files by name, as they were read last.
#[derive(Debug, Default)]
struct Files {
    slots: BTreeMap<String, Slot>,
    /// Which file an id belongs to: the first keeps it.
    owners: BTreeMap<(Kind, Id), String>,
    problems: Vec<Problem>,
    /// Whether anything was ever put together.
    is_read: bool,
}

/// A file.
#[derive(Debug)]
struct Slot {
    kind: Kind,
    /// Of the text that was read last; absent if it couldn't be.
    digest: Option<u64>,
    /// What it said when it was last good.
    good: Option<Arc<Parsed>>,
    /// What is wrong with it as it is now, if nothing of that can be used.
    refused: Vec<Fault>,
}

type Told = Vec<(String, Fault)>;

impl Files {
    /// Takes over what has changed; the assets, if any have.
    fn update(&mut self, listing: folder::Listing) -> (Option<Assets>, Told) {
        let mut before = std::mem::take(&mut self.slots);
        let mut changed = !std::mem::replace(&mut self.is_read, true);
        for found in listing.files {
            let name = found.name.clone();
            let (slot, is_new) = refresh(before.remove(&name), found);
            changed |= is_new;
            self.slots.insert(name, slot);
        }
        for (name, slot) in before {
            // What can't be looked into may still be there.
            if listing.unreadable.contains(&slot.kind) {
                self.slots.insert(name, slot);
            } else {
                changed = true;
            }
        }
        let mut problems = listing.problems;
        let assets = self.assemble(&mut problems);
        (changed.then_some(assets), problems)
    }

    /// Puts together what can be used.
    fn assemble(&mut self, problems: &mut Told) -> Assets {
        let mut shelf = Shelf::of(self);
        for (name, slot) in &self.slots {
            let stays = if slot.good.is_some() { STILL_IN_USE } else { "" };
            problems.extend(slot.refused.iter().map(|fault| {
                (name.clone(), Fault::new(fault.place, format!("{}{stays}", fault.message)))
            }));
            let Some(parsed) = &slot.good else { continue };
            if slot.refused.is_empty() {
                problems.extend(parsed.faults.iter().map(|fault| (name.clone(), fault.clone())));
            }
            if let Err(fault) = shelf.put(name, parsed) {
                problems.push((name.clone(), fault));
            }
        }
        if !self.slots.values().any(|slot| slot.kind == Kind::BaseRules && slot.good.is_some()) {
            shelf.assets.base_rules = built_in::base_rules();
        }
        let Shelf { assets, owners, .. } = shelf;
        self.owners = owners;
        assets
    }
}

/// Reads a file, if it isn't as it was; and whether that changes what is in use.
fn refresh(before: Option<Slot>, found: folder::Found) -> (Slot, bool) {
    let kind = found.kind;
    let mut slot = before.unwrap_or(Slot { kind, digest: None, good: None, refused: Vec::new() });
    let text = match found.read() {
        Ok(text) => text,
        Err(fault) => {
            (slot.digest, slot.refused) = (None, vec![fault]);
            return (slot, false);
        }
    };
    let digest = Some(digest(&text));
    if slot.digest == digest {
        return (slot, false);
    }
    slot.digest = digest;
    match parse(kind, &text) {
        Ok(parsed) => {
            (slot.good, slot.refused) = (Some(Arc::new(parsed)), Vec::new());
            (slot, true)
        }
        Err(faults) => {
            slot.refused = faults;
            (slot, false)
        }
    }
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Assets that are being put together.
struct Shelf {
    assets: Assets,
    owners: BTreeMap<(Kind, Id), String>,
    /// Ids that a file had before and still has: nobody else gets them.
    kept: BTreeMap<(Kind, Id), String>,
    entries: usize,
    regexes: usize,
}

impl Shelf {
    fn of(files: &Files) -> Self {
        let owns = |(kind, id): &(Kind, Id), name: &String| {
            let slot = files.slots.get(name).filter(|slot| slot.kind == *kind);
            let good = slot.and_then(|slot| slot.good.as_ref());
            good.is_some_and(|good| good.asset.id() == Some(id))
        };
        let kept = files.owners.iter().filter(|(key, name)| owns(key, name));
        Self {
            assets: Assets::default(),
            owners: BTreeMap::new(),
            kept: kept.map(|(key, name)| (key.clone(), name.clone())).collect(),
            entries: 0,
            regexes: 0,
        }
    }

    /// Adds a file; `Err`: why it isn't used.
    fn put(&mut self, name: &str, parsed: &Parsed) -> Result<(), Fault> {
        let kind = kind_of(&parsed.asset);
        if let Some(id) = parsed.asset.id() {
            let key = (kind, id.clone());
            let owner = self.owners.get(&key).or_else(|| self.kept.get(&key));
            if let Some(owner) = owner.filter(|owner| *owner != name) {
                let message = format!(
                    "the id `{id}` belongs to {owner} already, and this file is not used: change one of the two"
                );
                return Err(Fault::new(parsed.id_place, message));
            }
            self.count(parsed)?;
            self.owners.insert(key, name.to_owned());
        }
        match &parsed.asset {
            Asset::World(world) => {
                self.assets.worlds.insert(world.id.clone(), world.clone());
            }
            Asset::Character(character) => {
                self.assets.characters.insert(character.id.clone(), character.clone());
            }
            Asset::Rule(rule) => {
                self.assets.rules.insert(rule.id.clone(), rule.clone());
            }
            Asset::BaseRules(rules) => self.assets.base_rules.clone_from(rules),
            Asset::Sentences(sentences) => self.assets.sentences = sentences.clone(),
        }
        Ok(())
    }

    /// Holds the bounds of all files together.
    fn count(&mut self, parsed: &Parsed) -> Result<(), Fault> {
        let entries = self.entries.saturating_add(parsed.entries);
        let regexes = self.regexes.saturating_add(parsed.regexes);
        for (count, most, what) in [
            (entries, MAX_ENTRIES, "lorebook entries"),
            (regexes, MAX_REGEXES, "keys that are regular expressions"),
        ] {
            if count > most {
                let message = format!(
                    "with it there are {count} {what} in all files, and this file is not used: keep to {most}"
                );
                return Err(Fault::new(None, message));
            }
        }
        (self.entries, self.regexes) = (entries, regexes);
        Ok(())
    }
}

fn kind_of(asset: &Asset) -> Kind {
    match asset {
        Asset::World(_) => Kind::World,
        Asset::Character(_) => Kind::Character,
        Asset::Rule(_) => Kind::Rule,
        Asset::BaseRules(_) => Kind::BaseRules,
        Asset::Sentences(_) => Kind::Sentences,
    }
}
