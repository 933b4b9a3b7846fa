//! The transcripts of sessions that have ended, written by a thread of their own: reading a long
//! game back takes a while, and the lines of games that go on must not wait for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, TrySendError};
use std::thread::{self, JoinHandle};

use dramatis_protocol::Id;

use super::files::{Kind, path};
use super::{LogError, reader, transcript};

/// A session that has ended, and those who lived in it.
type Owed = (Id, Vec<Id>);

/// How many sessions may wait. Beyond that a transcript is left out: `dramatis logs transcript` makes
/// it at any time.
const MAX_OWED: usize = 1024;

/// Has transcripts written, one session after the other.
pub(super) struct Scribe {
    owed: mpsc::SyncSender<Owed>,
    thread: JoinHandle<()>,
}

impl Scribe {
    /// Starts the thread, which writes below this folder.
    pub(super) fn start(dir: PathBuf) -> io::Result<Self> {
        let (owed, sessions) = mpsc::sync_channel::<Owed>(MAX_OWED);
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

    /// Queues a session, if anybody has lived in it since its transcripts were last written.
    pub(super) fn write(&self, session: Id, agents: Vec<Id>) {
        if agents.is_empty() {
            return;
        }
        if let Err(TrySendError::Full((session, _))) = self.owed.try_send((session, agents)) {
            tracing::warn!(%session, "too many transcripts wait: these are left out");
        }
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
