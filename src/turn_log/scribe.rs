//! The transcripts of sessions that have ended, written by a thread of their own: reading a long
//! game back takes a while, and the lines of games that go on must not wait for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use dramatis_protocol::Id;

use super::files::{Kind, path};
use super::{LogError, reader, transcript};

/// A session that has ended, and those who lived in it.
type Owed = (Id, Vec<Id>);

/// Has transcripts written, one session after the other.
pub(super) struct Scribe {
    owed: mpsc::Sender<Owed>,
    thread: JoinHandle<()>,
}

impl Scribe {
    /// Starts the thread, which writes below this folder.
    pub(super) fn start(dir: PathBuf) -> io::Result<Self> {
        let (owed, sessions) = mpsc::channel::<Owed>();
        let write_all = move || {
            for (session, agents) in sessions {
                for agent in agents {
                    if let Err(error) = write(&dir, &session, &agent) {
                        tracing::warn!(%error, "a transcript can't be written");
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("transcripts".to_owned()).spawn(write_all)?;
        Ok(Self { owed, thread })
    }

    /// Queues a session. As many wait as sessions have ended, some bytes for each.
    pub(super) fn write(&self, session: Id, agents: Vec<Id>) {
        // Fails only if the thread has panicked, and then nothing can be written.
        let _ = self.owed.send((session, agents));
    }

    /// Waits until all that is queued is written.
    pub(super) fn finish(self) {
        drop(self.owed);
        let _ = self.thread.join();
    }
}

fn write(dir: &Path, session: &Id, agent: &Id) -> Result<(), LogError> {
    let entries = reader::read_conversation(dir, session, agent)?;
    let path = path(dir, session, agent, Kind::Transcript);
    fs::write(&path, transcript::render(&entries)).map_err(|error| LogError::at(&path, &error))
}
