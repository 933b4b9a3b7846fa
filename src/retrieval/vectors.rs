//! Has vectors made: the question's at once, those of texts in the background, a batch of each scope in
//! its turn. What lacks a vector is asked of the store each time, so that nothing is forgotten when the
//! model fails or the server stops. While the model fails the scopes wait; a text that it refuses is
//! passed over, and found by its words alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Settings;
use super::embed::{Embed, EmbedError};
use crate::store::{Scope, Store, StoreError};

/// How many texts are sent at a time.
const BATCH: usize = 64;

/// How long it takes after a failure until texts are sent again, unless a question is answered before.
const AGAIN: Duration = Duration::from_secs(30);

/// Any model that works at all makes a vector of this.
const HARMLESS: &str = "a";

/// Of so many scopes it is known how far they are; of one that isn't, all is asked of the store.
const MAX_KNOWN: usize = 10_000;

pub(super) struct Vectors {
    store: Store,
    embedder: Arc<dyn Embed>,
    settings: Settings,
    waiting: Mutex<Waiting>,
    phase: watch::Sender<Phase>,
    /// The one that makes vectors, while there is something to do.
    workers: TaskTracker,
    closing: CancellationToken,
    questions: Health,
    texts: Health,
}

/// What is to be done. It can't outgrow the agents and worlds that there are.
#[derive(Default)]
struct Waiting {
    queue: VecDeque<Scope>,
    progress: BTreeMap<Scope, Progress>,
}

/// What the worker does. It changes to and from resting while the queue is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There is none.
    Resting,
    Working,
    /// It waits for the model.
    Pausing,
}

/// How far a scope is.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Up to this document nothing is missing that could be made.
    done: i64,
    /// The newest that was seen.
    newest: i64,
    /// What the model refused of those after `done`.
    refused: BTreeSet<i64>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Embedder(#[from] EmbedError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Vectors {
    pub(super) fn new(store: Store, embedder: Arc<dyn Embed>, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            store,
            embedder,
            settings,
            waiting: Mutex::default(),
            phase: watch::Sender::new(Phase::Resting),
            workers: TaskTracker::new(),
            closing: CancellationToken::new(),
            questions: Health::default(),
            texts: Health::default(),
        })
    }

    /// The vector of a question, with the name of the model that made it.
    pub(super) async fn of_question(&self, text: &str) -> Result<(String, Vec<f32>), EmbedError> {
        let made = self.embed(vec![text.to_owned()], self.settings.question_time).await;
        self.note_question(&made);
        let vector = made?.into_iter().next();
        let vector = vector.ok_or_else(|| EmbedError::Answer("it has no vector".to_owned()))?;
        Ok((self.embedder.model().to_owned(), vector))
    }

    /// Has those vectors of a scope made that are missing.
    pub(super) fn make(self: &Arc<Self>, scope: Scope) {
        let mut waiting = self.waiting();
        if self.closing.is_cancelled() {
            return;
        }
        waiting.put_back(scope);
        let rests = |phase: &mut Phase| {
            let rests = *phase == Phase::Resting;
            *phase = if rests { Phase::Working } else { *phase };
            rests
        };
        if self.phase.send_if_modified(rests) {
            let this = Arc::clone(self);
            self.workers.spawn(async move {
                let work = this.work();
                this.closing.run_until_cancelled(work).await;
            });
        }
    }

    /// Gives up what is under way; the next server goes on with it.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.workers.close();
        self.workers.wait().await;
        self.phase.send_replace(Phase::Resting);
    }

    /// Waits until everything is made, or the model fails.
    pub(super) async fn settle(&self) {
        // The sender is here, so that it can't be gone.
        let _ = self.phase.subscribe().wait_for(|phase| *phase != Phase::Working).await;
    }

    /// Ends when nothing waits.
    async fn work(&self) {
        while let Some(scope) = self.next() {
            let filled = self.fill(&scope).await;
            self.note_texts(&filled);
            if !matches!(filled, Ok(true)) {
                self.waiting().put_back(scope);
            }
            if filled.is_err() {
                self.pause().await;
            }
        }
    }

    fn next(&self) -> Option<Scope> {
        let mut waiting = self.waiting();
        let next = waiting.queue.pop_front();
        if next.is_none() {
            self.phase.send_replace(Phase::Resting);
        }
        next
    }

    async fn pause(&self) {
        self.phase.send_replace(Phase::Pausing);
        let mut phase = self.phase.subscribe();
        let goes_on = phase.wait_for(|phase| *phase == Phase::Working);
        // Whichever comes first.
        let _ = tokio::time::timeout(AGAIN, goes_on).await;
        self.phase.send_replace(Phase::Working);
    }

    fn go_on(&self) {
        self.phase.send_if_modified(|phase| {
            let pauses = *phase == Phase::Pausing;
            *phase = if pauses { Phase::Working } else { *phase };
            pauses
        });
    }

    /// Makes a batch of a scope's vectors. Whether those were all.
    async fn fill(&self, scope: &Scope) -> Result<bool, Failure> {
        let mut progress = self.waiting().progress.get(scope).cloned().unwrap_or_default();
        let limit = BATCH + progress.refused.len();
        let (model, after) = (self.embedder.model(), progress.done);
        let mut missing = self.store.without_vector(scope.clone(), model, after, limit).await?;
        let is_last = missing.len() < limit;
        let newest = missing.first().map_or(0, |(document, _)| *document);
        progress.newest = progress.newest.max(newest);
        missing.retain(|(document, _)| !progress.refused.contains(document));
        progress.refused.extend(self.make_batch(missing).await?);
        if is_last {
            let done = progress.done.max(progress.newest);
            progress = Progress { done, ..Progress::default() };
        }
        self.waiting().note(scope, progress);
        Ok(is_last)
    }

    /// Makes vectors of these documents; those that got none. Of many, one that the model refuses is
    /// found by halving.
    async fn make_batch(&self, batch: Vec<(i64, String)>) -> Result<Vec<i64>, Failure> {
        let mut refused = Vec::new();
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let (documents, texts): (Vec<i64>, Vec<String>) = part.iter().cloned().unzip();
            let made = match part.len() {
                0 => continue,
                _ => self.embed(texts, self.settings.texts_time).await,
            };
            match made {
                Ok(vectors) => {
                    let vectors = documents.iter().copied().zip(vectors).collect();
                    // If none is kept they are gone, or can't be: again would bring the same.
                    if !self.store.keep_vectors(self.embedder.model(), vectors).await? {
                        refused.extend(documents);
                    }
                }
                Err(error) if part.len() == 1 => {
                    let error = self.blame_texts(error).await?;
                    tracing::info!(?documents, %error, "a text gets no vector");
                    refused.extend(documents);
                }
                Err(error) => {
                    self.blame_texts(error).await?;
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
            }
        }
        Ok(refused)
    }

    /// Whether a failure comes from the texts: then the model still makes others. Else it is returned.
    async fn blame_texts(&self, error: EmbedError) -> Result<EmbedError, EmbedError> {
        let harmless = vec![HARMLESS.to_owned()];
        if error.may_be_of_texts() && self.embed(harmless, self.settings.texts_time).await.is_ok() {
            Ok(error)
        } else {
            Err(error)
        }
    }

    async fn embed(
        &self,
        texts: Vec<String>,
        limit: Duration,
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let count = texts.len();
        let made = tokio::time::timeout(limit, self.embedder.embed(texts)).await;
        made.unwrap_or(Err(EmbedError::Slow(limit))).and_then(|vectors| {
            let fits = vectors.len() == count;
            let error = || EmbedError::Answer(format!("it is not {count} vectors"));
            fits.then_some(vectors).ok_or_else(error)
        })
    }

    fn note_question(&self, made: &Result<Vec<Vec<f32>>, EmbedError>) {
        let turns = self.questions.turns(made.is_ok());
        match made {
            Ok(_) => {
                self.go_on();
                if turns {
                    tracing::info!("the embedding model answers again");
                }
            }
            Err(error) if turns => {
                tracing::warn!(%error, "no vectors: lore and memories are found by words alone");
            }
            Err(_) => {}
        }
    }

    fn note_texts(&self, filled: &Result<bool, Failure>) {
        match filled {
            Ok(_) if self.texts.turns(true) => tracing::info!("texts get vectors again"),
            Err(Failure::Embedder(error)) if self.texts.turns(false) => {
                tracing::warn!(%error, "texts get no vectors, and are found by words alone for now");
            }
            Err(error) => tracing::debug!(%error, "texts stay without vectors for now"),
            Ok(_) => {}
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn put_back(&mut self, scope: Scope) {
        if !self.queue.contains(&scope) {
            self.queue.push_back(scope);
        }
    }

    fn note(&mut self, scope: &Scope, progress: Progress) {
        if self.progress.len() >= MAX_KNOWN {
            self.progress.clear();
        }
        self.progress.insert(scope.clone(), progress);
    }
}

/// Whether something works. While it doesn't, every turn tries again: one line says it all.
#[derive(Debug, Default)]
struct Health {
    fails: AtomicBool,
}

impl Health {
    /// Notes how it went; whether that is another than before.
    fn turns(&self, is_well: bool) -> bool {
        self.fails.swap(!is_well, Ordering::Relaxed) == is_well
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;
    use crate::store::{Findable, LoreChunk};

    /// Answers questions and can't do with other texts.
    struct Sphinx;

    impl Embed for Sphinx {
        fn model(&self) -> &'static str {
            "sphinx"
        }

        fn embed(
            &self,
            texts: Vec<String>,
        ) -> BoxFuture<'static, Result<Vec<Vec<f32>>, EmbedError>> {
            let made = match texts.iter().all(|text| text.ends_with('?')) {
                true => Ok(vec![vec![1.0]; texts.len()]),
                false => Err(EmbedError::Endpoint("who cares".to_owned())),
            };
            futures::future::ready(made).boxed()
        }
    }

    /// Each change of either is a line of the log.
    #[tokio::test]
    async fn that_questions_are_answered_does_not_make_texts_well() {
        let store = Store::in_memory().unwrap();
        let text = Findable { body: "I walk.".to_owned(), terms: Vec::new() };
        store.index_lore("world:x", vec![LoreChunk { hash: 1, text }]).await.unwrap();
        let vectors = Vectors::new(store, Arc::new(Sphinx), Settings::default());
        for _ in 0..3 {
            vectors.make(Scope::Lore("world:x".to_owned()));
            vectors.settle().await;
            assert!(vectors.of_question("Who walks on three legs?").await.is_ok());
            let fail = |health: &Health| health.fails.load(Ordering::Relaxed);
            assert_eq!((fail(&vectors.questions), fail(&vectors.texts)), (false, true));
        }
        vectors.close().await;
    }

    #[test]
    fn a_change_is_told_once() {
        let health = Health::default();
        let told = [true, false, false, true, true].map(|is_well| health.turns(is_well));
        assert_eq!(told, [false, true, false, true, false]);
    }
}
