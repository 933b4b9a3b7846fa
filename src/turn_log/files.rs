//! Where lines go: names that are safe whatever the ids are, and files that are kept open as long
//! as they are much used.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How many files are open at a time.
const MAX_OPEN: usize = 64;

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

/// Where an agent's file lies.
pub(super) fn path(dir: &Path, session: &str, agent: &str, kind: Kind) -> PathBuf {
    dir.join(file_name(session)).join(file_name(agent) + kind.suffix())
}

/// A name for an id, of letters, digits, `_`, `-`, `%` and `~` alone. Ids that differ have names
/// that differ, also where the file system ignores case: what the letters can't tell (case, a tail
/// that is cut off, a name that Windows keeps for itself) a hash at the end does.
pub(super) fn file_name(id: &str) -> String {
    let mut name = String::new();
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
#[derive(Default)]
pub(super) struct Files {
    open: HashMap<PathBuf, Open>,
    uses: u64,
}

struct Open {
    file: File,
    last_use: u64,
}

impl Files {
    /// Adds a line, which brings its line feed, in one write. After a failure the file is closed, and the
    /// next line begins afresh even if a part of this one was written.
    pub(super) fn append(&mut self, path: &Path, line: &[u8]) -> io::Result<()> {
        self.uses += 1;
        if !self.open.contains_key(path) {
            self.make_room();
            let open = Open { file: open(path)?, last_use: 0 };
            self.open.insert(path.to_owned(), open);
        }
        let Some(open) = self.open.get_mut(path) else { return Ok(()) };
        open.last_use = self.uses;
        let written = open.file.write_all(line);
        if written.is_err() {
            self.open.remove(path);
        }
        written
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
        let mut files = Files::default();
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
        let mut files = Files::default();
        let busy = dir.path().join("busy");
        for count in 0..1000 {
            files.append(&busy, b"x\n").unwrap();
            files.append(&dir.path().join(count.to_string()), b"x\n").unwrap();
            assert!(files.open.contains_key(&busy));
        }
    }
}
