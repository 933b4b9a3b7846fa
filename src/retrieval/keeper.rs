//! Keeps the index of lore as the assets have it: all of it at the start, and what has changed each
//! time that the files are read again. Driven by whoever owns the library.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::chunk::Chunk;
use super::{LoreOf, Retriever, findable};
use crate::assets::Assets;
use crate::store::{Scope, StoreError};

/// How long it takes to the next attempt when the store refuses.
const AGAIN: Duration = Duration::from_secs(30);

impl Retriever {
    /// Indexes the lore of all worlds and characters, and forgets that of those that are gone. What
    /// did not change since the last time is not written again.
    ///
    /// # Errors
    /// If something of it can't be committed.
    pub async fn index_assets(&self, assets: &Assets) -> Result<(), StoreError> {
        let _one_at_a_time = self.indexing.lock().await;
        self.index_all(assets).await
    }

    /// The same for assets that may change while others are indexed: which are the newest is asked when
    /// those are done, so that the newest have the last word.
    ///
    /// # Errors
    /// If something of it can't be committed.
    pub async fn index_newest(
        &self,
        newest: impl FnOnce() -> Arc<Assets> + Send,
    ) -> Result<(), StoreError> {
        let _one_at_a_time = self.indexing.lock().await;
        let assets = newest();
        self.index_all(&assets).await
    }

    async fn index_all(&self, assets: &Assets) -> Result<(), StoreError> {
        let worlds = assets.worlds().map(|world| (LoreOf::World(&world.id), &world.lore));
        let characters = assets
            .characters()
            .map(|character| (LoreOf::Character(&character.id), &character.lore));
        let mut known = self.store.lore_names().await?;
        let mut changed = false;
        for (of, lore) in worlds.chain(characters) {
            let was_there = known.remove(&of.name());
            if was_there || !lore.is_empty() {
                let texts: Vec<&str> = lore.iter().map(String::as_str).collect();
                changed |= self.index_lore(of, &texts).await?;
            }
        }
        for name in known {
            if LoreOf::is_of_a_file(&name) {
                changed |= self.store.index_lore(&name, Vec::new()).await?;
            } else {
                changed |= self.renew(&name).await?;
                self.make_vectors(Scope::Lore(name));
            }
        }
        if changed {
            self.store.join_lore().await?;
        }
        Ok(())
    }

    /// Lore that is in no file is indexed anew from what is stored, if its terms are not today's.
    async fn renew(&self, name: &str) -> Result<bool, StoreError> {
        let stored = self.store.lore_texts(name).await?;
        let hashes: Vec<u64> = stored.iter().map(|(hash, _)| *hash).collect();
        let chunks: Vec<Chunk> = stored.into_iter().map(|(_, text)| Chunk::new(text)).collect();
        if chunks.iter().map(|chunk| chunk.hash).eq(hashes) {
            return Ok(false);
        }
        self.store.index_lore(name, chunks.into_iter().map(findable).collect()).await
    }

    /// Indexes the lore again after each change, and what the store refused as soon as it doesn't. Ends
    /// when the library is gone.
    pub async fn follow(&self, mut changes: watch::Receiver<Arc<Assets>>, mut is_indexed: bool) {
        loop {
            if is_indexed && changes.changed().await.is_err() {
                return;
            }
            let newest = || Arc::clone(&changes.borrow_and_update());
            is_indexed = is_done(&self.index_newest(newest).await);
            if !is_indexed {
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    changed = changes.changed() => {
                        if changed.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// As [`Self::index_assets`]; a failure is logged.
    pub async fn try_to_index(&self, assets: &Assets) -> bool {
        is_done(&self.index_assets(assets).await)
    }
}

/// Whether it is; a failure is logged.
fn is_done(indexed: &Result<(), StoreError>) -> bool {
    if let Err(error) = indexed {
        tracing::warn!(%error, "lore can't be indexed; what was indexed before is found");
    }
    indexed.is_ok()
}
