//! Reads a folder of assets again when it changes: a thread that waits for the system's word, and
//! then for the editor to be done. It ends with its [`Watcher`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::folder::FOLDERS;
use super::library::Library;
use super::problem::Problem;

/// How long nothing may happen before the files are read: editors write in several steps.
const QUIET: Duration = Duration::from_millis(150);

/// How long that is waited for at the most.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many signals may wait. What is beyond is dropped: one says as much as many.
const SIGNALS: usize = 8;

enum Signal {
    Changed,
    End,
}

/// Keeps a library up to date for as long as it lives.
#[derive(Debug)]
pub struct Watcher {
    signals: SyncSender<Signal>,
    thread: Option<JoinHandle<()>>,
}

/// Why changes can't be noticed.
#[derive(Debug, thiserror::Error)]
#[error("changes of assets are not noticed until the next start: {0}")]
pub struct WatchError(String);

impl Watcher {
    /// Watches a library's folder. `None`: it has none, and nothing can change.
    ///
    /// # Errors
    /// If the system can't tell of changes.
    pub fn start(library: Arc<Library>) -> Result<Option<Self>, WatchError> {
        let Some(folder) = library.folder() else { return Ok(None) };
        let fail = |error: &dyn std::fmt::Display| WatchError(error.to_string());
        let folder = std::fs::canonicalize(folder).map_err(|error| fail(&error))?;
        let (signals, received) = sync_channel(SIGNALS);
        let mut eyes = eyes(folder.clone(), signals.clone()).map_err(|error| fail(&error))?;
        look_at(&mut eyes, &folder).map_err(|error| fail(&error))?;
        // What has changed since the library was opened.
        let _ = signals.try_send(Signal::Changed);
        let thread = std::thread::Builder::new().name("assets".to_owned());
        let thread = thread
            .spawn(move || watch(&library, &folder, &mut eyes, &received))
            .map_err(|error| fail(&error))?;
        Ok(Some(Self { signals, thread: Some(thread) }))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Fails if the thread has ended already.
        let _ = self.signals.send(Signal::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn eyes(folder: PathBuf, signals: SyncSender<Signal>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<Event>| {
        let matters = match &event {
            // That it was read tells nothing, and we read it ourselves.
            Ok(event) => {
                !event.kind.is_access() && event.paths.iter().any(|path| path.starts_with(&folder))
            }
            // Something may have been missed.
            Err(_) => true,
        };
        if matters {
            // Full: a reload is due anyway.
            let _ = signals.try_send(Signal::Changed);
        }
    })
}

/// Watches the folder and those in it that are there. The parent tells when the folder itself comes
/// back after it was gone.
fn look_at(eyes: &mut RecommendedWatcher, folder: &Path) -> notify::Result<()> {
    if let Some(parent) = folder.parent() {
        // Of use, but not needed.
        let _ = eyes.watch(parent, RecursiveMode::NonRecursive);
    }
    let watched = eyes.watch(folder, RecursiveMode::NonRecursive);
    for (name, _) in FOLDERS {
        let inner = folder.join(name);
        if inner.is_dir() {
            eyes.watch(&inner, RecursiveMode::NonRecursive)?;
        }
    }
    watched
}

fn watch(
    library: &Library,
    folder: &Path,
    eyes: &mut RecommendedWatcher,
    signals: &Receiver<Signal>,
) {
    while let Ok(Signal::Changed) = signals.recv() {
        if !wait_for_quiet(signals) {
            return;
        }
        // Before the files are read, so that nothing is missed in between; folders may be new.
        let _ = look_at(eyes, folder);
        tracing::debug!("the assets are looked through again");
        let (before, assets) = (library.problems(), library.current());
        tell(&before, &library.reload());
        let now = library.current();
        if !Arc::ptr_eq(&assets, &now) {
            tracing::info!("the assets have changed: {}", now.counts());
        }
    }
}

/// Until nothing has happened for a while; false: it is time to end.
fn wait_for_quiet(signals: &Receiver<Signal>) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        match signals.recv_timeout(QUIET) {
            Ok(Signal::Changed) => {}
            Ok(Signal::End) | Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => break,
        }
    }
    true
}

/// Logs what is wrong now and wasn't before, and that everything is well again.
fn tell(before: &[Problem], now: &[Problem]) {
    for problem in now.iter().filter(|problem| !before.contains(problem)) {
        tracing::warn!("{problem}");
    }
    if now.is_empty() && !before.is_empty() {
        tracing::info!("all assets can be read again");
    }
}
