//! The queue in front of the disk and the thread behind it.
//!
//! Whoever notes something never waits: when the queue is full the entry is given up and counted,
//! and a line in the agent's log says how many are missing at that place.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use dramatis_protocol::Id;

use super::entry::{LogEntry, Logged};
use super::files::{Files, Kind, file_name, path};
use super::scribe::Scribe;
use super::{LogLimits, cleaning};

/// How many entries may wait.
pub(super) const MAX_QUEUED: usize = 2048;

/// With so many entries the thread begins at once.
const MUCH: usize = MAX_QUEUED / 4;

/// So long the thread leaves a first entry alone: it was noted by a turn that is under way, and
/// where there is one core only, writing now would keep the game waiting.
const LINGER: Duration = Duration::from_millis(5);

/// How often sessions that have become too old are looked for.
const CLEAN_EVERY: Duration = Duration::from_secs(60 * 60);

/// A session and an agent in it.
type Key = (Id, Id);

#[derive(Debug)]
pub(super) enum Command {
    Write(Box<LogEntry>),
    /// Bounded by the connections that end, so it always finds room.
    EndOfSession(Id),
}

#[derive(Default)]
struct State {
    commands: Vec<Command>,
    /// What found no room since the queue was last emptied: it belongs behind `commands`.
    lost: HashMap<Key, Gap>,
    lost_in_all: u64,
    closed: bool,
}

/// A hole in an agent's log.
#[derive(Debug, Clone, Copy)]
struct Gap {
    count: u64,
    last: DateTime<Utc>,
}

/// What the writing thread shares with whoever notes something.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    /// Queues an entry, or counts it as lost.
    pub(super) fn note(&self, entry: LogEntry) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if state.commands.len() < MAX_QUEUED {
            self.push(state, Command::Write(Box::new(entry)));
            return;
        }
        state.lost_in_all += 1;
        let gap = state.lost.entry((entry.session_id, entry.agent_id));
        let gap = gap.or_insert(Gap { count: 0, last: entry.time });
        gap.count += 1;
        gap.last = entry.time;
    }

    pub(super) fn end_of_session(&self, session: Id) {
        let state = self.lock();
        if !state.closed {
            self.push(state, Command::EndOfSession(session));
        }
    }

    /// The thread is woken for the first entry, and when much waits: a wake-up is what costs an
    /// agent most here. The lock is free by then, or the thread would wait again at once.
    fn push(&self, mut state: MutexGuard<'_, State>, command: Command) {
        state.commands.push(command);
        let queued = state.commands.len();
        drop(state);
        if queued == 1 || queued == MUCH {
            self.changed.notify_one();
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().commands.len()
    }

    /// How many entries found no room so far.
    pub(super) fn lost(&self) -> u64 {
        self.lock().lost_in_all
    }

    /// Takes nothing more; the thread ends when it has written what is queued.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Waits for something to write, but not longer than that; `None` at the end.
    fn take(&self, at_most: Option<Duration>) -> Option<(Vec<Command>, HashMap<Key, Gap>)> {
        let mut state = self.lock();
        while state.commands.is_empty() && !state.closed {
            let Some(at_most) = at_most else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.changed.wait_timeout(state, at_most);
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = after;
            if timeout.timed_out() {
                break;
            }
        }
        let few = |state: &mut State| state.commands.len() < MUCH && !state.closed;
        let lingered = self.changed.wait_timeout_while(state, LINGER, few);
        let (mut state, _) = lingered.unwrap_or_else(PoisonError::into_inner);
        let is_over = state.commands.is_empty() && state.closed;
        let commands = std::mem::take(&mut state.commands);
        (!is_over).then(|| (commands, std::mem::take(&mut state.lost)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's own: files, and what is still owed.
pub(super) struct Writer {
    dir: PathBuf,
    files: Files,
    /// How long a session that rests is kept.
    max_age: Option<Duration>,
    /// Agents that have lived since their session's transcripts were last written.
    touched: HashMap<Id, HashSet<Id>>,
    /// What the disk refused; told as soon as it takes lines again.
    refused: HashMap<Key, Gap>,
    scribe: Scribe,
}

impl Writer {
    pub(super) fn new(dir: PathBuf, limits: &LogLimits, scribe: Scribe) -> Self {
        Self {
            dir,
            scribe,
            files: Files::new(limits.max_file_bytes),
            max_age: limits.max_age,
            touched: HashMap::new(),
            refused: HashMap::new(),
        }
    }

    /// Writes until the queue is closed and empty; then has the transcripts written of the sessions
    /// that are still open.
    pub(super) fn run(mut self, queue: &Arc<Queue>) {
        self.clean();
        let mut cleaned = Instant::now();
        while let Some((commands, lost)) = queue.take(self.max_age.map(|_| CLEAN_EVERY)) {
            for command in commands {
                match command {
                    Command::Write(entry) => self.write(*entry),
                    Command::EndOfSession(session) => self.end_of_session(&session),
                }
            }
            for (key, gap) in lost {
                self.write_gap(key, gap);
            }
            if cleaned.elapsed() >= CLEAN_EVERY {
                cleaned = Instant::now();
                self.clean();
            }
        }
        let open: Vec<_> = self.touched.keys().cloned().collect();
        for session in open {
            self.end_of_session(&session);
        }
        self.scribe.finish();
    }

    /// Removes the sessions that have rested for too long.
    fn clean(&self) {
        let Some(max_age) = self.max_age else { return };
        let open: HashSet<_> = self.touched.keys().map(|session| file_name(session)).collect();
        cleaning::remove_old(&self.dir, SystemTime::now(), max_age, &open);
    }

    pub(super) fn write(&mut self, mut entry: LogEntry) {
        let key = (entry.session_id.clone(), entry.agent_id.clone());
        if let Some(gap) = self.refused.remove(&key) {
            self.write_gap(key.clone(), gap);
        }
        if let Logged::TurnRecord(record) = &mut entry.what {
            record.messages = Arc::default();
            record.tools.clear();
        }
        let kind = match entry.what {
            Logged::ModelInput { .. } => Kind::ModelInput,
            _ => Kind::Conversation,
        };
        self.touched.entry(key.0.clone()).or_default().insert(key.1.clone());
        let path = path(&self.dir, &key.0, &key.1, kind);
        if let Err(error) = self.append(&path, &entry) {
            self.refuse(key, Gap { count: 1, last: entry.time }, &error);
        }
    }

    fn write_gap(&mut self, key: Key, gap: Gap) {
        let what = Logged::Lost { count: gap.count };
        let entry = LogEntry::new(gap.last, key.0.clone(), key.1.clone(), what);
        let path = path(&self.dir, &key.0, &key.1, Kind::Conversation);
        if let Err(error) = self.append(&path, &entry) {
            self.refuse(key, gap, &error);
        }
    }

    fn append(&mut self, path: &Path, entry: &LogEntry) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.files.append(path, &line)
    }

    /// Counts what the disk would not take, and complains once for each agent and spell.
    fn refuse(&mut self, key: Key, gap: Gap, error: &std::io::Error) {
        match self.refused.get_mut(&key) {
            Some(before) => {
                before.count += gap.count;
                before.last = gap.last;
            }
            None => {
                tracing::warn!(session = &*key.0, agent = &*key.1, %error, "the turn log can't be written");
                self.refused.insert(key, gap);
            }
        }
    }

    fn end_of_session(&mut self, session: &Id) {
        self.files.close_folder(&self.dir.join(file_name(session)));
        let agents = self.touched.remove(session).into_iter().flatten().collect();
        self.scribe.write(session.clone(), agents);
    }
}
