//! Where lines go: names that are safe whatever the ids are, and files that are kept open as long
//! as they are much used.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How many files are open at a time.
const MAX_OPEN: usize = 256;

/// How many full files of a kind are kept beside the one that is written.
const KEPT: u32 = 4;

/// Longest part of an id that a file's name shows, in bytes.
const MAX_SHOWN: usize = 80;

/// The files of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Conversation,
    ModelInput,
    Transcript,
}

impl Kind {
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Conversation => ".conversation.jsonl",
            Self::ModelInput => ".model-input.jsonl",
            Self::Transcript => ".transcript.md",
        }
    }
}

/// Whether a file's name is one that this log gives.
pub(super) fn is_ours(name: &str) -> bool {
    let bare = match name.rsplit_once('.') {
        Some((bare, number)) if is_number(number) => bare,
        _ => name,
    };
    let kinds = [Kind::Conversation, Kind::ModelInput, Kind::Transcript];
    kinds.iter().any(|kind| bare.ends_with(kind.suffix()))
}

fn is_number(text: &str) -> bool {
    text.parse().is_ok_and(|number: u32| (1..=KEPT).contains(&number))
}

/// The full files that were put aside for this one and then it itself, oldest first, whether they
/// exist or not.
pub(super) fn parts(path: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    (1..=KEPT).rev().map(|number| aside(path, number)).chain([path.to_owned()])
}

/// The file of which this one is a part.
pub(super) fn whole(path: &Path) -> PathBuf {
    match path.extension() {
        Some(number) if is_number(&number.to_string_lossy()) => path.with_extension(""),
        _ => path.to_owned(),
    }
}

fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Puts a full file aside as `.1`, those before it one further; the oldest goes.
fn roll(path: &Path) -> io::Result<()> {
    for number in (1..KEPT).rev() {
        match fs::rename(aside(path, number), aside(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, aside(path, 1))
}

/// Where an agent's file lies.
pub(super) fn path(dir: &Path, session: &str, agent: &str, kind: Kind) -> PathBuf {
    let (folder, file) = (file_name(session), file_name(agent));
    let length = dir.as_os_str().len() + folder.len() + file.len() + kind.suffix().len() + 2;
    let mut path = PathBuf::with_capacity(length);
    path.extend([dir, Path::new(&folder), Path::new(&file)]);
    path.as_mut_os_string().push(kind.suffix());
    path
}

/// A name for an id, of letters, digits, `_`, `-`, `%` and `~` alone. Ids that differ have names
/// that differ, also where the file system ignores case: what the letters can't tell (case, a tail
/// that is cut off, a name that Windows keeps for itself) a hash at the end does.
pub(super) fn file_name(id: &str) -> String {
    let mut name = String::with_capacity(id.len().min(MAX_SHOWN) + 4);
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            name.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(name, "%{byte:02x}");
        }
        if name.len() > MAX_SHOWN {
            break;
        }
    }
    let cut = name.len() > MAX_SHOWN;
    name.truncate(MAX_SHOWN);
    if cut || name.is_empty() || is_reserved(&name) || id.bytes().any(|b| b.is_ascii_uppercase()) {
        let _ = write!(name, "~{:016x}", fnv(id.as_bytes()));
    }
    name
}

/// Devices of Windows, which no file there may be called, whatever its ending.
fn is_reserved(name: &str) -> bool {
    let port = |rest: &str| rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_digit());
    match name.to_ascii_lowercase().as_str() {
        "con" | "prn" | "aux" | "nul" => true,
        name => name.strip_prefix("com").or_else(|| name.strip_prefix("lpt")).is_some_and(port),
    }
}

/// FNV-1a. The names must be the same in every run and version, which the standard library does not
/// promise of its hashes. Two ids made to collide would share a file; their lines still tell them
/// apart.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Files opened for appending, the least recently used of which give way.
pub(super) struct Files {
    open: HashMap<PathBuf, Open>,
    uses: u64,
    /// How large a file may grow before it is put aside, in bytes; `None`: without end.
    max_bytes: Option<u64>,
}

struct Open {
    file: File,
    bytes: u64,
    last_use: u64,
}

impl Files {
    /// Files that may grow to this size, in bytes.
    pub(super) fn new(max_bytes: Option<u64>) -> Self {
        Self { open: HashMap::new(), uses: 0, max_bytes }
    }

    /// Adds a line, which brings its line feed, in one write. After a failure the file is closed, and the
    /// next line begins afresh even if a part of this one was written.
    pub(super) fn append(&mut self, path: &Path, line: &[u8]) -> io::Result<()> {
        self.uses += 1;
        self.open(path)?;
        if self.is_full(path, line) {
            // Closed before it gets another name: not every system allows that otherwise.
            self.open.remove(path);
            if let Err(error) = roll(path) {
                tracing::warn!(%error, "a full log can't be put aside and grows on");
                self.max_bytes = None;
            }
            self.open(path)?;
        }
        let Some(open) = self.open.get_mut(path) else { return Ok(()) };
        open.last_use = self.uses;
        open.bytes = open.bytes.saturating_add(line.len() as u64);
        let written = open.file.write_all(line);
        if written.is_err() {
            self.open.remove(path);
        }
        written
    }

    fn open(&mut self, path: &Path) -> io::Result<()> {
        if !self.open.contains_key(path) {
            self.make_room();
            let file = open(path)?;
            let bytes = file.metadata()?.len();
            self.open.insert(path.to_owned(), Open { file, bytes, last_use: 0 });
        }
        Ok(())
    }

    /// Whether the line doesn't fit any more; into an empty file every line does.
    fn is_full(&self, path: &Path, line: &[u8]) -> bool {
        let bytes = self.open.get(path).map_or(0, |open| open.bytes);
        let after = bytes.saturating_add(line.len() as u64);
        bytes > 0 && self.max_bytes.is_some_and(|max| after > max)
    }

    /// Closes the files of a folder.
    pub(super) fn close_folder(&mut self, folder: &Path) {
        self.open.retain(|path, _| path.parent() != Some(folder));
    }

    fn make_room(&mut self) {
        if self.open.len() < MAX_OPEN {
            return;
        }
        let oldest = self.open.iter().min_by_key(|(_, open)| open.last_use);
        if let Some(path) = oldest.map(|(path, _)| path.clone()) {
            self.open.remove(&path);
        }
    }

    #[cfg(test)]
    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }
}

/// Opens a file for appending and ends a line that was torn when a server was killed.
fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn check(id: &str, expected: &str) {
        assert_eq!(file_name(id), expected, "of {id:?}");
    }

    #[test]
    fn an_id_becomes_a_name_that_can_be_read() {
        check("guard_2-b", "guard_2-b");
        check("", "~cbf29ce484222325");
        check("..", "%2e%2e");
        check("../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd");
        check("a%2e", "a%252e");
        check("C:\\x", "C%3a%5cx~aaf0e69dede14cfc");
        check("žába", "%c5%be%c3%a1ba");
        check("nul", "nul~2102ba192543f9e0");
        check("com1", "com1~0bcd4f911960351d");
        check("com12", "com12");
    }

    #[test]
    fn names_differ_where_ids_differ_even_without_case() {
        let long = [80, 81, 255, 256].map(|length| "x".repeat(length));
        let mut ids = vec![
            "guard", "Guard", "GUARD", "guard ", "guard~", "a/b", "a\\b", "a%2fb", "a%2Fb", "nul",
            "NUL", ".", "", "~", "é", "e\u{301}", "\0", "\n",
        ];
        ids.extend(long.iter().map(String::as_str));
        let names: HashSet<_> = ids.iter().map(|id| file_name(id).to_ascii_lowercase()).collect();
        assert_eq!(names.len(), ids.len());
        for name in names {
            assert!(name.len() <= 100, "{name}");
            assert!(
                name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-%~".contains(&b)),
                "{name}"
            );
        }
    }

    #[test]
    fn a_thousand_agents_do_not_take_a_thousand_handles() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::new(None);
        for round in 0..2 {
            for agent in 0..1000 {
                let path = path(dir.path(), "s", &agent.to_string(), Kind::Conversation);
                files.append(&path, format!("{round}\n").as_bytes()).unwrap();
                assert!(files.open_count() <= MAX_OPEN);
            }
        }
        for agent in 0..1000 {
            let path = path(dir.path(), "s", &agent.to_string(), Kind::Conversation);
            assert_eq!(fs::read_to_string(path).unwrap(), "0\n1\n");
        }
    }

    #[test]
    fn what_is_used_stays_open() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::new(None);
        let busy = dir.path().join("busy");
        for count in 0..1000 {
            files.append(&busy, b"x\n").unwrap();
            files.append(&dir.path().join(count.to_string()), b"x\n").unwrap();
            assert!(files.open.contains_key(&busy));
        }
    }

    #[test]
    fn a_full_file_is_put_aside_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), "s", "guard", Kind::Conversation);
        let mut files = Files::new(Some(10));
        for count in 0..10 {
            files.append(&path, format!("line {count}\n").as_bytes()).unwrap();
        }
        let kept: Vec<_> = parts(&path).map(|part| fs::read_to_string(part).unwrap()).collect();
        assert_eq!(kept, ["line 5\n", "line 6\n", "line 7\n", "line 8\n", "line 9\n"]);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 5);
        for part in parts(&path) {
            assert!(is_ours(&part.file_name().unwrap().to_string_lossy()));
            assert_eq!(whole(&part), path);
        }
        // A line that is too long alone still has a file, and an older server's file counts.
        let mut files = Files::new(Some(10));
        files.append(&path, "much too long\n".as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "much too long\n");
        assert_eq!(fs::read_to_string(aside(&path, 1)).unwrap(), "line 9\n");
    }

    #[test]
    fn only_names_that_the_log_gives_are_its_own() {
        let check = |name: &str, expected: bool| assert_eq!(is_ours(name), expected, "{name}");
        check("guard.conversation.jsonl", true);
        check("guard.model-input.jsonl.4", true);
        check("guard.transcript.md", true);
        check("guard.conversation.jsonl.5", false);
        check("guard.conversation.jsonl.01x", false);
        check("notes.md", false);
        check("holiday.jpg", false);
    }
}
