//! The bounded way to the disk: what has queued up is committed as one transaction, in order.
//!
//! There is one writer at a time: whoever finds the queue at rest starts it on a thread for
//! blocking work, and it ends when nothing is left. That the runtime knows of this thread matters
//! for tests: virtual time stands still while a commit is under way.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use dramatis_protocol::Id;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use super::chats::rows::{self, ChatWrite};
use super::error::{Failure, StoreError};
use super::search::LoreChunk;
use super::write::{self, Write};
use super::{ended, search, sessions};

/// How many jobs may wait. Beyond that, `submit` waits for room and `try_submit` says no.
pub(super) const MAX_QUEUED: usize = 1024;

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    Write(Write),
    OpenSession {
        id: Id,
        named: bool,
    },
    ForgetSession {
        id: Id,
    },
    ResumeAfter {
        session: Id,
        agent: Id,
        turn_id: Id,
    },
    ForgetOthers {
        session: Id,
        kept: Vec<Id>,
    },
    Fork {
        from: Id,
        to: Id,
        resume_after: BTreeMap<Id, Id>,
        forget_others: bool,
    },
    KeepLore {
        name: String,
        hashes: Vec<u64>,
    },
    AddLore {
        name: String,
        chunks: Vec<LoreChunk>,
    },
    /// The index of lore becomes one piece.
    JoinLore,
    Chat(ChatWrite),
    Vectors {
        model: String,
        vectors: Vec<(i64, Vec<f32>)>,
    },
    /// Nothing: its answer tells that what came before has been dealt with.
    Barrier,
}

impl Job {
    const fn ends_a_session(&self) -> bool {
        matches!(self, Self::ForgetSession { .. } | Self::Chat(ChatWrite::Forget { .. }))
    }
}

/// Whether there was anything to do.
type Answer = Result<bool, StoreError>;

/// A promise that a write will be committed; resolves when it has been, or could not be. It may be
/// dropped by whoever doesn't need to know.
#[derive(Debug)]
pub struct Ticket {
    answer: oneshot::Receiver<Answer>,
}

impl Ticket {
    /// Waits for the answer of a job that tells whether there was anything to do.
    pub(super) async fn answer(self) -> Answer {
        self.answer.await.unwrap_or_else(|_| Err(StoreError::closed()))
    }
}

impl Future for Ticket {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        Poll::Ready(answer.unwrap_or_else(|_| Err(StoreError::closed())).map(|_| ()))
    }
}

struct Entry {
    job: Job,
    answer: oneshot::Sender<Answer>,
    /// The place in the queue, given back when the entry is taken out; none for the last barrier.
    room: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// Whether a writer is at work, or about to be.
    writing: bool,
    closed: bool,
}

/// The writer's connection, with the lock that keeps other servers away from its file.
pub(super) struct Desk {
    pub(super) connection: Connection,
    pub(super) lock: Option<File>,
    /// Whether rows of sessions that have ended may be left.
    pub(super) to_sweep: bool,
}

impl Desk {
    /// Deletes a little of what has ended. What fails now is tried when another session ends.
    fn sweep(&mut self) {
        self.to_sweep = ended::sweep(&self.connection).unwrap_or_else(|error| {
            let error = StoreError::from(error);
            tracing::debug!(%error, "sessions that have ended stay in the store for now");
            false
        });
    }
}

pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    room: Arc<Semaphore>,
    desk: Mutex<Option<Desk>>,
    /// The writer, while it is at work.
    writers: TaskTracker,
    healthy: AtomicBool,
}

impl Queue {
    pub(super) fn new(desk: Desk) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            room: Arc::new(Semaphore::new(MAX_QUEUED)),
            desk: Mutex::new(Some(desk)),
            writers: TaskTracker::new(),
            healthy: AtomicBool::new(true),
        })
    }

    /// A place in the queue, if there is one.
    pub(super) fn try_reserve(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Queues a job as soon as there is room.
    pub(super) async fn submit(self: &Arc<Self>, job: Job) -> Ticket {
        let room = Arc::clone(&self.room).acquire_owned().await;
        self.push(job, room.ok())
    }

    /// Waits until everything queued so far has been dealt with; at once when the queue rests.
    pub(super) async fn settle(self: &Arc<Self>) {
        if lock(&self.waiting).writing {
            // The answer can only be that the store was closed meanwhile: then nothing is left.
            drop(self.submit(Job::Barrier).await.answer().await);
        }
    }

    /// Commits what is queued, takes nothing more, and hands out the connection.
    pub(super) async fn close(self: &Arc<Self>) -> Option<Desk> {
        let last = self.push(Job::Barrier, None);
        lock(&self.waiting).closed = true;
        drop(last.answer().await);
        self.writers.close();
        self.writers.wait().await;
        lock(&self.desk).take()
    }

    /// How many places in the queue are taken.
    pub(super) fn waiting(&self) -> usize {
        MAX_QUEUED.saturating_sub(self.room.available_permits())
    }

    pub(super) fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Queues a job in the place that was reserved for it, and starts the writer if it rests.
    pub(super) fn push(self: &Arc<Self>, job: Job, room: Option<OwnedSemaphorePermit>) -> Ticket {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        // When the store is closed the sender falls here, and the ticket says so.
        if !waiting.closed {
            waiting.entries.push_back(Entry { job, answer: sender, room });
            if !waiting.writing {
                waiting.writing = true;
                self.writers.spawn(Arc::clone(self).write());
            }
        }
        Ticket { answer: receiver }
    }

    /// The writer. Whoever is ready to write something does so before it begins: what they write
    /// shares one transaction, and on a single core the writer would take their place.
    async fn write(self: Arc<Self>) {
        tokio::task::yield_now().await;
        let queue = Arc::clone(&self);
        if tokio::task::spawn_blocking(move || queue.write_all()).await.is_err() {
            // It panicked, and what it was writing has failed; the next write starts another.
            lock(&self.waiting).writing = false;
        }
    }

    /// Goes on until nothing is queued, and then until what has ended is swept away or something is
    /// queued again.
    fn write_all(&self) {
        let mut desk = lock(&self.desk);
        while let Some(group) = self.next_group(desk.as_ref().is_some_and(|desk| desk.to_sweep)) {
            let Some(desk) = desk.as_mut() else { continue };
            if group.is_empty() {
                desk.sweep();
                continue;
            }
            desk.to_sweep |= group.iter().any(|entry| entry.job.ends_a_session());
            let (entries, rooms): (Vec<_>, Vec<_>) =
                group.into_iter().map(|entry| ((entry.job, entry.answer), entry.room)).unzip();
            drop(rooms);
            self.write_group(&mut desk.connection, entries);
        }
    }

    /// What is queued, maybe nothing if there is something to sweep. `None`: the writer rests.
    fn next_group(&self, to_sweep: bool) -> Option<VecDeque<Entry>> {
        let mut waiting = lock(&self.waiting);
        waiting.writing = !waiting.entries.is_empty() || (to_sweep && !waiting.closed);
        waiting.writing.then(|| std::mem::take(&mut waiting.entries))
    }

    /// Commits a group as one transaction. If that fails each entry gets a transaction of its own,
    /// so that one can't take the others down.
    fn write_group(
        &self,
        connection: &mut Connection,
        entries: Vec<(Job, oneshot::Sender<Answer>)>,
    ) {
        if let Ok(answers) = commit(connection, entries.iter().map(|(job, _)| job)) {
            self.note_health(&entries, None);
            for ((_, sender), answer) in entries.into_iter().zip(answers) {
                drop(sender.send(Ok(answer)));
            }
            return;
        }
        for entry in entries {
            let answer = commit(connection, std::iter::once(&entry.0))
                .map(|answers| answers.contains(&true))
                .map_err(StoreError::from);
            self.note_health(std::slice::from_ref(&entry), answer.as_ref().err());
            drop(entry.1.send(answer));
        }
    }

    /// A failure that blames the disk makes the store unhealthy until something is committed.
    fn note_health(&self, entries: &[(Job, oneshot::Sender<Answer>)], error: Option<&StoreError>) {
        match error {
            Some(error) if error.blames_disk() => {
                // While the disk is full every agent tries again and again: one line says it all.
                if self.healthy.swap(false, Ordering::Relaxed) {
                    tracing::error!(%error, "the store could not write");
                } else {
                    tracing::debug!(%error, "the store still can't write");
                }
            }
            None if entries.iter().any(|(job, _)| !matches!(job, Job::Barrier))
                && !self.healthy.swap(true, Ordering::Relaxed) =>
            {
                tracing::info!("the store writes again");
            }
            _ => {}
        }
    }

    /// Lets the disk be full, at so many pages.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: i64) {
        let desk = lock(&self.desk);
        let desk = desk.as_ref().unwrap();
        desk.connection.pragma_update(None, "max_page_count", pages).unwrap();
    }

    /// Holds the writer up until the guard is dropped.
    #[cfg(test)]
    pub(super) fn hold(&self) -> MutexGuard<'_, Option<Desk>> {
        lock(&self.desk)
    }
}

/// Does the jobs in one transaction.
fn commit<'a>(
    connection: &mut Connection,
    jobs: impl Iterator<Item = &'a Job>,
) -> Result<Vec<bool>, Failure> {
    let transaction = connection.transaction()?;
    let answers = jobs.map(|job| perform(&transaction, job)).collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(answers)
}

fn perform(connection: &Connection, job: &Job) -> Result<bool, Failure> {
    match job {
        Job::Write(write) => write::apply(connection, write).map(|()| true),
        Job::OpenSession { id, named } => sessions::open(connection, id, *named).map(|()| true),
        Job::ForgetSession { id } => ended::forget(connection, id),
        Job::ResumeAfter { session, agent, turn_id } => {
            sessions::resume_after(connection, session, agent, turn_id)
        }
        Job::ForgetOthers { session, kept } => {
            sessions::forget_others(connection, session, kept).map(|()| true)
        }
        Job::Fork { from, to, resume_after, forget_others } => {
            if !sessions::fork(connection, from, to)? {
                return Ok(false);
            }
            for (agent, turn_id) in resume_after {
                sessions::resume_after(connection, to, agent, turn_id)?;
            }
            if *forget_others {
                let kept: Vec<_> = resume_after.keys().cloned().collect();
                sessions::forget_others(connection, to, &kept)?;
            }
            Ok(true)
        }
        Job::KeepLore { name, hashes } => search::keep_lore(connection, name, hashes),
        Job::AddLore { name, chunks } => search::add_lore(connection, name, chunks),
        Job::JoinLore => search::join_lore(connection),
        Job::Vectors { model, vectors } => search::keep_vectors(connection, model, vectors),
        Job::Chat(write) => rows::apply(connection, write),
        Job::Barrier => Ok(true),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
