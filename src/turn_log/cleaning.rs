//! Removes the files of play sessions that have rested for too long: whole sessions only, never one
//! that is open, and never a file that the log didn't make.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::files::is_ours;

/// Looks through the folder of the log. `open`: the folders of sessions that are being played.
pub(super) fn remove_old(dir: &Path, now: SystemTime, max_age: Duration, open: &HashSet<String>) {
    let Ok(folders) = fs::read_dir(dir) else { return };
    for folder in folders.flatten() {
        let name = folder.file_name().to_string_lossy().into_owned();
        // Links are not followed: what they point to is not the log's.
        if open.contains(&name) || !folder.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let old = last_change(&folder.path())
            .and_then(|at| now.duration_since(at).ok())
            .is_some_and(|age| age > max_age);
        if !old {
            continue;
        }
        match remove_session(&folder.path()) {
            Ok(()) => tracing::info!(folder = name, "an old session's log was removed"),
            Err(error) => tracing::warn!(folder = name, %error, "an old log can't be removed"),
        }
    }
}

/// When the newest of the log's files in a folder was written; `None`: there is none.
fn last_change(folder: &Path) -> Option<SystemTime> {
    let files = fs::read_dir(folder).ok()?.flatten();
    let ours = files.filter(|file| is_ours(&file.file_name().to_string_lossy()));
    ours.filter_map(|file| file.metadata().ok()?.modified().ok()).max()
}

fn remove_session(folder: &Path) -> io::Result<()> {
    let mut alone = true;
    for file in fs::read_dir(folder)? {
        let file = file?;
        if is_ours(&file.file_name().to_string_lossy()) {
            fs::remove_file(file.path())?;
        } else {
            alone = false;
        }
    }
    if alone { fs::remove_dir(folder) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn write(path: &Path, days_ago: u32, now: SystemTime) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "{}\n").unwrap();
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(now - days_ago * DAY).unwrap();
    }

    #[test]
    fn only_whole_old_closed_sessions_go_and_nothing_that_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let put = |name: &str, days_ago| write(&dir.path().join(name), days_ago, now);
        put("old/guard.conversation.jsonl", 40);
        put("old/guard.conversation.jsonl.1", 41);
        put("old/guard.transcript.md", 31);
        put("mixed/guard.conversation.jsonl", 40);
        put("mixed/baker.conversation.jsonl", 2);
        put("open/guard.conversation.jsonl", 40);
        put("shared/guard.model-input.jsonl", 40);
        put("shared/notes.txt", 40);
        put("foreign/photo.jpg", 400);
        put("file.jsonl", 400);
        let open = HashSet::from(["open".to_owned()]);
        remove_old(dir.path(), now, 30 * DAY, &open);
        let exists = |name: &str| dir.path().join(name).exists();
        assert!(!exists("old"));
        assert!(exists("mixed/guard.conversation.jsonl"));
        assert!(exists("open/guard.conversation.jsonl"));
        assert!(!exists("shared/guard.model-input.jsonl") && exists("shared/notes.txt"));
        assert!(exists("foreign/photo.jpg") && exists("file.jsonl"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_elsewhere_is_left_alone() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now = SystemTime::now();
        let file = elsewhere.path().join("guard.conversation.jsonl");
        write(&file, 400, now);
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("link")).unwrap();
        remove_old(dir.path(), now, DAY, &HashSet::new());
        assert!(file.exists());
    }
}
