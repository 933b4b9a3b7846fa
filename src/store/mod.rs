//! What must outlive a connection or the server: play sessions, and for each agent its turns, what
//! it perceived since, its last known state, and what it can be reminded of; chats with their messages
//! (`chats`); and the lore that is looked up. A facade over SQLite that lets none of its types out.
//!
//! An agent's task is the truth while it lives; it sends its writes in order and waits for a commit
//! only where the game was promised one. Reads see whatever was submitted before them. All of it
//! happens within a tokio runtime. The log for people and replay is `turn_log`'s.

mod bm25;
mod chats;
mod ended;
mod error;
mod queue;
mod read;
mod schema;
mod search;
mod sessions;
mod vector;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dramatis_protocol::Id;
use rusqlite::Connection;
use tokio::sync::Semaphore;

pub use chats::{ChatTurn, StoredChat, chat_memories};
pub use error::{StoreError, StoreErrorKind};
pub use queue::Ticket;
pub use read::{KNOWN_EVENTS, StoredAgent};
pub use search::{Findable, Found, Hits, LoreChunk, Scope, Search};
pub use write::{MAX_PENDING, UnwrittenMemory, Write};

use crate::record::PastTurn;
use error::Failure;
use queue::{Desk, Job, Queue};

/// How many reads may run side by side, with one another and with the writer.
const READERS: u32 = 3;

/// The store. Clones share it; it ends with [`Store::close`], or with the last clone.
#[derive(Clone)]
pub struct Store {
    queue: Arc<Queue>,
    readers: Arc<Readers>,
}

struct Readers {
    resting: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
}

impl Store {
    /// Opens the store's file, or makes it together with its folder. Sessions without a name that
    /// an earlier server left behind are forgotten.
    ///
    /// # Errors
    /// If the file can't be used; the message names it and says what to do.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let attempt = || {
            let lock = claim(path)?;
            // An absolute path can't be taken for one of the database's special names.
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            Ok(Self::start(&path, Some(lock))?)
        };
        attempt().map_err(|error: StoreError| {
            let message = format!("can't open the store {}: {}", path.display(), error.message);
            StoreError::new(StoreErrorKind::Unusable, message)
        })
    }

    /// A store that lives in memory and ends with this value.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn in_memory() -> Result<Self, StoreError> {
        let name = format!("file:/{}?vfs=memdb", uuid::Uuid::now_v7());
        Ok(Self::start(Path::new(&name), None)?)
    }

    fn start(name: &Path, lock: Option<File>) -> Result<Self, Failure> {
        let mut connection = Connection::open(name)?;
        schema::prepare_writer(&mut connection)?;
        let mut resting = Vec::new();
        for _ in 0..READERS {
            let reader = Connection::open(name)?;
            schema::prepare_reader(&reader)?;
            resting.push(reader);
        }
        let free = Arc::new(Semaphore::new(resting.len()));
        let readers = Arc::new(Readers { resting: Mutex::new(resting), free });
        Ok(Self { queue: Queue::new(Desk { connection, lock, to_sweep: true }), readers })
    }

    /// Commits what is queued and closes the file. Whatever other clones ask for afterwards fails.
    pub async fn close(self) {
        let desk = self.queue.close().await;
        self.readers.close().await;
        let Some(Desk { connection, lock, .. }) = desk else { return };
        let closing = move || {
            // Without it the next start would find a journal to work off; it would not mind.
            let folded = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            if let Err(error) = folded {
                tracing::warn!(%error, "the store's journal could not be folded in");
            }
            drop((connection, lock));
        };
        drop(tokio::task::spawn_blocking(closing).await);
    }

    /// Queues a write.
    ///
    /// # Errors
    /// If the queue is full, the write comes back.
    #[expect(clippy::result_large_err, reason = "the write comes back as it went in")]
    pub fn try_submit(&self, write: Write) -> Result<Ticket, Write> {
        match self.queue.try_reserve() {
            Some(room) => Ok(self.queue.push(Job::Write(write), Some(room))),
            None => Err(write),
        }
    }

    /// Queues a write, as soon as there is room.
    pub async fn submit(&self, write: Write) -> Ticket {
        self.queue.submit(Job::Write(write)).await
    }

    /// Begins a play session, or goes on with it if it exists. One that is not `named` is
    /// forgotten by [`Self::drop_session`], and at the latest when the store is opened next.
    ///
    /// # Errors
    /// If it can't be committed.
    pub async fn open_session(&self, id: &Id, named: bool) -> Result<(), StoreError> {
        self.ask(Job::OpenSession { id: id.clone(), named }).await.map(|_| ())
    }

    /// Forgets a play session and everything in it. `false`: there was none. Its rows are deleted
    /// when there is nothing else to write.
    ///
    /// # Errors
    /// If it can't be committed.
    pub async fn drop_session(&self, id: &Id) -> Result<bool, StoreError> {
        self.ask(Job::ForgetSession { id: id.clone() }).await
    }

    /// Takes an agent back to the moment after a turn: later turns and what waits are set aside for
    /// good, their turn ids unknown and their event ids free again. The last known state stays.
    /// `false`: the agent has no such turn, and nothing changed.
    ///
    /// # Errors
    /// If it can't be committed.
    pub async fn resume_after(
        &self,
        session: &Id,
        agent: &Id,
        turn: &Id,
    ) -> Result<bool, StoreError> {
        let (session, agent, turn_id) = (session.clone(), agent.clone(), turn.clone());
        self.ask(Job::ResumeAfter { session, agent, turn_id }).await
    }

    /// Takes every agent of a session but those `kept` back to the moment before its first turn, as
    /// [`Store::resume_after`] would.
    ///
    /// # Errors
    /// If it can't be committed.
    pub async fn forget_others(&self, session: &Id, kept: Vec<Id>) -> Result<(), StoreError> {
        self.ask(Job::ForgetOthers { session: session.clone(), kept }).await.map(drop)
    }

    /// Whether there is such a session.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn has_session(&self, id: &Id) -> Result<bool, StoreError> {
        let id = id.clone();
        self.read(move |connection| sessions::exists(connection, &id)).await
    }

    /// Begins the named session `to` as a copy of `from`, turn ids included, and takes its agents
    /// back as [`Self::resume_after`] and [`Self::forget_others`] do; a turn that is unknown is
    /// passed over. `false`: there is no `from`, or there is a `to`, and nothing changed.
    ///
    /// # Errors
    /// If it can't be committed as a whole.
    pub async fn fork(
        &self,
        from: &Id,
        to: &Id,
        resume_after: BTreeMap<Id, Id>,
        forget_others: bool,
    ) -> Result<bool, StoreError> {
        let (from, to) = (from.clone(), to.clone());
        self.ask(Job::Fork { from, to, resume_after, forget_others }).await
    }

    /// An agent with its last `turns` turns; one that was never heard of is empty.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn load_agent(
        &self,
        session: &Id,
        agent: &Id,
        turns: usize,
    ) -> Result<StoredAgent, StoreError> {
        let (session, agent) = (session.clone(), agent.clone());
        self.read(move |connection| read::load_agent(connection, &session, &agent, turns)).await
    }

    /// A turn of an agent, however old.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn find_turn(
        &self,
        session: &Id,
        agent: &Id,
        turn: &Id,
    ) -> Result<Option<PastTurn>, StoreError> {
        let (session, agent, turn) = (session.clone(), agent.clone(), turn.clone());
        self.read(move |connection| read::find_turn(connection, &session, &agent, &turn)).await
    }

    /// Makes this all the lore under a name; nothing is written for chunks that were there before.
    /// `false`: nothing changed. Much of it is written bit by bit, and others' writes in between.
    ///
    /// # Errors
    /// If it can't be committed; a part may be.
    pub async fn index_lore(&self, name: &str, chunks: Vec<LoreChunk>) -> Result<bool, StoreError> {
        let hashes = chunks.iter().map(|chunk| chunk.hash).collect();
        // Nothing is lost if only the first succeeds.
        let changed = self.add_lore(name, chunks).await?;
        Ok(self.ask(Job::KeepLore { name: name.to_owned(), hashes }).await? || changed)
    }

    /// How many chunks of lore there are under a name.
    ///
    /// # Errors
    /// If they can't be counted.
    pub async fn lore_size(&self, name: &str) -> Result<usize, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| search::lore_size(connection, &name)).await
    }

    /// The names under which there is lore.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn lore_names(&self) -> Result<BTreeSet<String>, StoreError> {
        self.read(search::lore_names).await
    }

    /// The lore under a name: the hash and the text of each chunk.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn lore_texts(&self, name: &str) -> Result<Vec<(u64, String)>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| search::lore_texts(connection, &name)).await
    }

    /// Adds to the lore under a name, as [`Self::index_lore`] does, and forgets nothing of it.
    ///
    /// # Errors
    /// If it can't be committed; a part may be.
    pub async fn add_lore(
        &self,
        name: &str,
        mut chunks: Vec<LoreChunk>,
    ) -> Result<bool, StoreError> {
        let known = name.to_owned();
        let known = self.read(move |connection| search::lore_hashes(connection, &known)).await?;
        chunks.retain(|chunk| !known.contains(&chunk.hash));
        let mut changed = false;
        while !chunks.is_empty() {
            let rest = chunks.split_off(chunks.len().min(search::PORTION));
            let name = name.to_owned();
            changed |= self.ask(Job::AddLore { name, chunks }).await?;
            chunks = rest;
        }
        Ok(changed)
    }

    /// Makes one piece of the index of all lore: looking into one is cheaper than into many. It is
    /// written as a whole, so that this is for the end of many changes.
    ///
    /// # Errors
    /// If it can't be committed.
    pub async fn join_lore(&self) -> Result<(), StoreError> {
        self.ask(Job::JoinLore).await.map(drop)
    }

    /// Of how many pieces the index of lore is.
    #[cfg(test)]
    pub(crate) async fn lore_pieces(&self) -> i64 {
        let sql = "SELECT count(DISTINCT segid) FROM lore_words_idx";
        self.read(move |connection| Ok(connection.query_row(sql, [], |row| row.get(0))?))
            .await
            .unwrap()
    }

    /// Looks for lore and memories. What isn't committed yet is not waited for: the history that a
    /// prompt shows has it.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn search(&self, search: Search) -> Result<Hits, StoreError> {
        let [hits] = self.search_each([search]).await?;
        Ok(hits)
    }

    /// The same for several, in one go: a turn waits for them together.
    ///
    /// # Errors
    /// If one can't be read.
    pub async fn search_each<const N: usize>(
        &self,
        searches: [Search; N],
    ) -> Result<[Hits; N], StoreError> {
        self.readers
            .run(move |connection| {
                let mut found = [const { Hits { by_text: Vec::new(), by_vector: Vec::new() } }; N];
                for (hits, search) in found.iter_mut().zip(&searches) {
                    *hits = search::search(connection, search)?;
                }
                Ok(found)
            })
            .await
    }

    /// Documents of a scope after number `after` without a vector of this model: number and text, the
    /// newest first.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn without_vector(
        &self,
        scope: Scope,
        model: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        let model = model.to_owned();
        self.read(move |connection| {
            search::without_vector(connection, &scope, &model, (after, limit))
        })
        .await
    }

    /// Keeps vectors of length 1 for documents, with the name of the model that made them.
    ///
    /// # Errors
    /// If they can't be committed.
    pub async fn keep_vectors(
        &self,
        model: &str,
        vectors: Vec<(i64, Vec<f32>)>,
    ) -> Result<bool, StoreError> {
        self.ask(Job::Vectors { model: model.to_owned(), vectors }).await
    }

    /// How many writes wait for the disk.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Whether more can be queued without waiting.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting() < queue::MAX_QUEUED
    }

    /// Whether the last commit succeeded. `false` means that the disk refuses; turns go on from
    /// memory.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.queue.healthy()
    }

    /// As [`Self::healthy`], but if it isn't, a small write is tried: where nobody plays, nothing
    /// else would find out that the disk takes writes again.
    pub async fn probe(&self) -> bool {
        if !self.healthy() {
            let id = format!("probe-{}", uuid::Uuid::now_v7()).into();
            if self.open_session(&id, false).await.is_ok() {
                // If not now, it is forgotten when the store is opened next.
                drop(self.drop_session(&id).await);
            }
        }
        self.healthy()
    }

    async fn ask(&self, job: Job) -> Result<bool, StoreError> {
        self.queue.submit(job).await.answer().await
    }

    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.queue.settle().await;
        self.readers.run(look).await
    }
}

impl Readers {
    /// Runs a read on a free connection, as one transaction: it sees one moment.
    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let free = Arc::clone(&self.free).acquire_owned().await;
        let free = free.map_err(|_| StoreError::closed())?;
        let readers = Arc::clone(self);
        let reading = move || {
            let mut connection = readers.resting().pop().ok_or_else(StoreError::closed)?;
            let found = connection
                .transaction()
                .map_err(Failure::from)
                .and_then(|transaction| look(&transaction));
            readers.resting().push(connection);
            drop(free);
            Ok(found?)
        };
        tokio::task::spawn_blocking(reading).await.unwrap_or_else(|_| Err(StoreError::closed()))
    }

    /// Waits for the reads that run, then closes the connections.
    async fn close(&self) {
        drop(self.free.acquire_many(READERS).await);
        self.free.close();
        self.resting().clear();
    }

    fn resting(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the store's folder, and keeps other servers away from its file: two truths in memory over
/// one file would contradict each other. The lock ends with the process, however that ends.
fn claim(path: &Path) -> Result<File, StoreError> {
    let unusable = |message: String| StoreError::new(StoreErrorKind::Unusable, message);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| {
            unusable(format!("its folder can't be made ({error}): choose another data folder"))
        })?;
    }
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock = File::create(lock_path).map_err(|error| {
        unusable(format!("its folder can't be written ({error}): check its permissions"))
    })?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(unusable(
            "another dramatis is using it: stop that one, or choose another data folder".to_owned(),
        )),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, "the store can't be locked here; let no other server use it");
            Ok(lock)
        }
    }
}

#[cfg(test)]
mod tests;
