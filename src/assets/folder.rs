//! A folder of assets on the disk: which files count, and what stands in them. Nothing outside of the
//! folder is ever opened, nothing is read that isn't a plain file, and of that no more than a bound.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use dramatis_protocol::assets::limits::{MAX_FILE_BYTES, MAX_FILES};

use super::parse::Kind;
use super::problem::{Fault, Problem};

/// The folders that are read, and what lies in each.
pub(super) const FOLDERS: [(&str, Kind); 3] =
    [("worlds", Kind::World), ("characters", Kind::Character), ("rules", Kind::Rule)];

/// The file of base rules.
pub(super) const BASE_RULES: &str = "system_rules.yaml";

/// The file of our own sentences.
const SENTENCES: &str = "sentences.yaml";

/// The files that lie beside the folders.
const FILES: [(&str, Kind); 2] = [(BASE_RULES, Kind::BaseRules), (SENTENCES, Kind::Sentences)];

/// Whether a folder looks like one of assets: it has one of the folders or of the files. Many a game
/// has an `assets` of quite another kind.
#[must_use]
pub fn is_folder_of_assets(folder: &Path) -> bool {
    FOLDERS.iter().any(|(name, _)| folder.join(name).is_dir())
        || FILES.iter().any(|(name, _)| folder.join(name).is_file())
}

/// A file that counts.
#[derive(Debug)]
pub(super) struct Found {
    /// Its path within the folder, as in `worlds/tavern.yaml`.
    pub name: String,
    pub kind: Kind,
    pub text: Text,
}

#[derive(Debug)]
pub(super) enum Text {
    /// Part of the program.
    BuiltIn(&'static str),
    /// To be read here, unless it is refused.
    At(Result<PathBuf, Fault>),
}

impl Found {
    /// What stands in it.
    pub fn read(self) -> Result<Cow<'static, str>, Fault> {
        match self.text {
            Text::BuiltIn(text) => Ok(text.into()),
            Text::At(path) => read(&path?).map(Cow::Owned),
        }
    }
}

/// The files that count, in order.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub files: Vec<Found>,
    /// Folders that are there and can't be looked into.
    pub unreadable: BTreeSet<Kind>,
    /// By path within the folder.
    pub problems: Vec<(String, Fault)>,
}

impl Listing {
    fn problem(&mut self, name: &str, message: impl Into<String>) {
        self.problems.push((name.to_owned(), Fault::new(None, message)));
    }
}

/// Looks into a folder. Files are named but not opened.
///
/// # Errors
/// If it isn't there or can't be looked into.
pub(super) fn list(folder: &Path) -> io::Result<Listing> {
    let root = fs::canonicalize(folder)?;
    let mut listing = Listing::default();
    look_around(&root, &mut listing)?;
    for (name, kind) in FOLDERS {
        list_kind(&root, name, kind, &mut listing);
    }
    for (name, kind) in FILES {
        if fs::symlink_metadata(root.join(name)).is_ok() {
            let text = Text::At(within(&root, &root.join(name)));
            listing.files.push(Found { name: name.to_owned(), kind, text });
        }
    }
    if listing.files.len() > MAX_FILES {
        let message = format!(
            "there are {} files, and those behind the first {MAX_FILES} are not read: take some \
             away",
            listing.files.len()
        );
        listing.problem("", message);
        listing.files.truncate(MAX_FILES);
    }
    Ok(listing)
}

/// Tells of what lies where it isn't read. Other things may lie there: a game's pictures, a README.
fn look_around(root: &Path, listing: &mut Listing) -> io::Result<()> {
    for entry in sorted(root)? {
        let name = name_of(&entry);
        let is_ours = FILES.iter().chain(&FOLDERS).any(|(ours, _)| *ours == name);
        if is_ours || name.starts_with('.') {
            continue;
        }
        if is_yaml(&name) {
            let message = "only `system_rules.yaml` and `sentences.yaml` are read here: move the \
                           file to `worlds`, `characters` or `rules`";
            listing.problem(&name, message);
        } else if entry.is_dir() && FOLDERS.iter().any(|(folder, _)| is_near(folder, &name)) {
            let message = "this folder is not read: call it `worlds`, `characters` or `rules`";
            listing.problem(&name, message);
        }
    }
    Ok(())
}

/// Whether a folder's name is probably a slip for one of ours.
fn is_near(ours: &str, name: &str) -> bool {
    let first = |text: &str| text.chars().take(4).flat_map(char::to_lowercase).collect::<String>();
    first(ours) == first(name)
}

fn list_kind(root: &Path, folder: &str, kind: Kind, listing: &mut Listing) {
    let path = root.join(folder);
    if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return;
    }
    let entries = match within(root, &path) {
        Ok(path) => sorted(&path).map_err(|error| {
            Fault::new(
                None,
                format!("the folder can't be looked into ({error}): give access to it"),
            )
        }),
        Err(fault) => Err(fault),
    };
    let entries = match entries {
        Ok(entries) => entries,
        Err(fault) => {
            listing.unreadable.insert(kind);
            listing.problems.push((folder.to_owned(), fault));
            return;
        }
    };
    for entry in entries {
        let name = name_of(&entry);
        let shown = format!("{folder}/{name}");
        if name.starts_with('.') {
            continue;
        }
        if is_yaml(&name) {
            let text = Text::At(within(root, &entry));
            listing.files.push(Found { name: shown, kind, text });
        } else if entry.is_dir() {
            listing.problem(
                &shown,
                format!("folders within `{folder}` are not read: move its files up"),
            );
        }
    }
}

/// A folder's content, sorted, so that everything is the same everywhere.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
    entries.sort();
    Ok(entries)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_yaml(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// Where a path really leads, if that is within the folder.
fn within(root: &Path, path: &Path) -> Result<PathBuf, Fault> {
    let real = fs::canonicalize(path).map_err(|error| unreadable(&error))?;
    if real.starts_with(root) {
        return Ok(real);
    }
    Err(Fault::new(
        None,
        "it is a link that leads out of the folder of assets: put the file itself here",
    ))
}

fn unreadable(error: &io::Error) -> Fault {
    Fault::new(None, format!("it can't be read ({error}): give access to it, or remove it"))
}

fn read(path: &Path) -> Result<String, Fault> {
    let about = fs::metadata(path).map_err(|error| unreadable(&error))?;
    // A pipe would be waited for, a device has no end.
    if !about.is_file() {
        return Err(Fault::new(None, "it is not a file: remove it"));
    }
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(&error))?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(Fault::new(
            None,
            format!("it is larger than {MAX_FILE_BYTES} bytes: divide it"),
        ));
    }
    text_of(bytes)
}

/// A file's text, without the mark that some editors put in front.
fn text_of(bytes: Vec<u8>) -> Result<String, Fault> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        let line = u64::try_from(lines).unwrap_or(u64::MAX).saturating_add(1);
        Fault {
            place: Some((line, 1)),
            message: "this is not UTF-8: save the file as UTF-8".to_owned(),
        }
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// A problem of a file, told by where it lies for whoever started the program.
pub(super) fn problem(folder: Option<&Path>, name: &str, fault: Fault) -> Problem {
    let file = match folder {
        Some(folder) if name.is_empty() => folder.display().to_string(),
        Some(folder) => folder.join(name).display().to_string(),
        None => format!("built-in {name}"),
    };
    fault.in_file(&file)
}
