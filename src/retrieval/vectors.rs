//! Has vectors made: the question's at once, those of texts in the background, one batch after the
//! other. What lacks a vector is asked of the store each time, so that nothing is forgotten when the
//! model fails or the server stops; the next text of the same scope brings it up again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Settings;
use super::embed::{Embed, EmbedError};
use crate::store::{Scope, Store, StoreError};

/// How many texts are sent at a time.
const BATCH: usize = 64;

pub(super) struct Vectors {
    store: Store,
    embedder: Arc<dyn Embed>,
    settings: Settings,
    waiting: Mutex<Waiting>,
    /// The one that makes vectors, while there is something to do.
    workers: TaskTracker,
    closing: CancellationToken,
    healthy: AtomicBool,
}

/// What is to be done. It can't outgrow the agents and worlds that there are.
#[derive(Default)]
struct Waiting {
    scopes: BTreeSet<Scope>,
    working: bool,
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
            workers: TaskTracker::new(),
            closing: CancellationToken::new(),
            healthy: AtomicBool::new(true),
        })
    }

    /// The vector of a question, with the name of the model that made it.
    pub(super) async fn of_question(&self, text: &str) -> Result<(String, Vec<f32>), EmbedError> {
        let vectors = self.embed(vec![text.to_owned()], self.settings.question_time).await?;
        let vector = vectors.into_iter().next();
        let vector = vector.ok_or_else(|| EmbedError::Answer("it has no vector".to_owned()))?;
        Ok((self.embedder.model().to_owned(), vector))
    }

    /// Has those vectors of a scope made that are missing.
    pub(super) fn make(self: &Arc<Self>, scope: Scope) {
        let mut waiting = self.waiting();
        if self.closing.is_cancelled() {
            return;
        }
        waiting.scopes.insert(scope);
        if !waiting.working {
            waiting.working = true;
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
        self.settle().await;
    }

    pub(super) async fn settle(&self) {
        self.workers.close();
        self.workers.wait().await;
    }

    /// Ends when nothing waits.
    async fn work(&self) {
        loop {
            let scope = {
                let mut waiting = self.waiting();
                let Some(scope) = waiting.scopes.pop_first() else {
                    waiting.working = false;
                    return;
                };
                scope
            };
            if let Err(error) = self.fill(&scope).await {
                tracing::debug!(%error, "texts stay without vectors for now");
            }
        }
    }

    async fn fill(&self, scope: &Scope) -> Result<(), Failure> {
        let model = self.embedder.model();
        loop {
            let missing = self.store.without_vector(scope.clone(), model, BATCH).await?;
            if missing.is_empty() {
                return Ok(());
            }
            let (documents, texts): (Vec<i64>, Vec<String>) = missing.into_iter().unzip();
            let vectors = self.embed(texts, self.settings.texts_time).await?;
            let vectors = documents.into_iter().zip(vectors).collect();
            if !self.store.keep_vectors(model, vectors).await? {
                // They are gone, or can't be kept: asking again would bring the same.
                return Ok(());
            }
        }
    }

    async fn embed(
        &self,
        texts: Vec<String>,
        limit: Duration,
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let count = texts.len();
        let made = tokio::time::timeout(limit, self.embedder.embed(texts)).await;
        let made = made.unwrap_or(Err(EmbedError::Slow(limit))).and_then(|vectors| {
            let fits = vectors.len() == count;
            let error = || EmbedError::Answer(format!("it is not {count} vectors"));
            fits.then_some(vectors).ok_or_else(error)
        });
        self.note_health(made.as_ref().err());
        made
    }

    /// While a model is down every turn tries again: one line says it all.
    fn note_health(&self, error: Option<&EmbedError>) {
        match error {
            Some(error) if self.healthy.swap(false, Ordering::Relaxed) => {
                tracing::warn!(%error, "no vectors: lore and memories are found by words alone");
            }
            None if !self.healthy.swap(true, Ordering::Relaxed) => {
                tracing::info!("the embedding model answers again");
            }
            _ => {}
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
