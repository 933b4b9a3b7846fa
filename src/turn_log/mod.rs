//! Records to files and back, for people, analysis and replay: everything that happened to an agent
//! and exactly what its model was sent, as JSON lines, written as it happens, and a transcript to
//! read when the game has gone.
//!
//! ```text
//! logs/<play session>/<agent>.conversation.jsonl
//! logs/<play session>/<agent>.model-input.jsonl
//! logs/<play session>/<agent>.transcript.md
//! ```
//! A `.jsonl` that has grown full goes on as `.1`, `.2` and so on, the oldest with the highest number.
//! Turns note things and never wait for the disk. Nothing here is needed to go on playing: that is
//! `store`'s.

mod cleaning;
mod entry;
mod files;
mod reader;
mod scribe;
mod transcript;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dramatis_protocol::Id;

pub use entry::{ENTRY_VERSION, LogEntry, Logged};
pub use reader::{LoggedAgent, list, read, read_agent};
pub use transcript::render as transcript;

use scribe::Scribe;
use writer::{Queue, Writer};

/// How much of the log is kept. Nothing is limited unless told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogLimits {
    /// How large a file may grow, in bytes: then it is put aside as `.1`, up to four of them.
    pub max_file_bytes: Option<u64>,
    /// How long the files of a play session stay when it has come to rest.
    pub max_age: Option<Duration>,
}

/// A log that can't be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LogError {
    /// Which file or folder, and what is wrong with it.
    pub message: String,
}

impl LogError {
    fn at(path: &Path, error: &std::io::Error) -> Self {
        Self { message: format!("{}: {error}", path.display()) }
    }
}

/// The log. Clones share it; it ends with [`TurnLog::close`], or with the last clone.
#[derive(Clone)]
pub struct TurnLog {
    /// `None`: nothing is logged.
    owner: Option<Arc<Owner>>,
}

/// Ends the writing thread when the last clone goes.
struct Owner {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl TurnLog {
    /// A log below the folder `dir`, which is made if it is missing.
    ///
    /// # Errors
    /// If the folder can't be made.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        Self::open_within(dir, &LogLimits::default())
    }

    /// As [`TurnLog::open`], where files and sessions don't stay for ever.
    ///
    /// # Errors
    /// If the folder can't be made.
    pub fn open_within(dir: &Path, limits: &LogLimits) -> Result<Self, LogError> {
        std::fs::create_dir_all(dir).map_err(|error| LogError::at(dir, &error))?;
        let queue = Arc::new(Queue::default());
        let scribe = Scribe::start(dir.to_owned()).map_err(|error| LogError::at(dir, &error))?;
        let writer = Writer::new(dir.to_owned(), limits, scribe);
        let shared = Arc::clone(&queue);
        let thread = thread::Builder::new()
            .name("turn-log".to_owned())
            .spawn(move || writer.run(&shared))
            .map_err(|error| LogError::at(dir, &error))?;
        Ok(Self { owner: Some(Arc::new(Owner { queue, thread: Mutex::new(Some(thread)) })) })
    }

    /// A log that writes nothing.
    #[must_use]
    pub const fn disabled() -> Self {
        Self { owner: None }
    }

    /// Writes something down, without waiting: if the disk can't keep up the entry is given up, and
    /// a line says so.
    pub fn note(&self, entry: LogEntry) {
        if let Some(owner) = &self.owner {
            owner.queue.note(entry);
        }
    }

    /// Writes the transcripts of a session whose game has gone.
    pub fn end_of_session(&self, session: &Id) {
        if let Some(owner) = &self.owner {
            owner.queue.end_of_session(session.clone());
        }
    }

    /// How many entries wait for the disk.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.owner.as_ref().map_or(0, |owner| owner.queue.waiting())
    }

    /// How many entries were given up because the disk could not keep up.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.owner.as_ref().map_or(0, |owner| owner.queue.lost())
    }

    /// Writes what is queued and the transcripts that are owed. Other clones write nothing more.
    pub async fn close(self) {
        let Some(owner) = self.owner else { return };
        owner.queue.close();
        let thread = owner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            drop(tokio::task::spawn_blocking(move || thread.join()).await);
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests;
