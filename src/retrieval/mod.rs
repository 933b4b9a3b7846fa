//! What an agent is reminded of: lore and memories that fit what was said, found by their words and,
//! where an embedder is configured, by their meaning; and the entries of lorebooks.
//!
//! A look-up never fails a turn: what goes wrong is told in its report, and the rest is done without
//! it. Vectors are made in the background, after the text is committed; what has none yet is found
//! by its words.

pub mod chunk;
mod common;
pub mod embed;
pub mod exchange;
mod keeper;
pub mod lorebook;
pub mod rank;
mod stem;
pub mod terms;
mod vectors;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dramatis_protocol::Id;
use tokio::sync::Mutex;

use crate::record::{LeftOut, LeftOutBecause, Piece, Retrieved};
use crate::store::{Findable, Hits, LoreChunk, Scope, Search, Store, StoreError, Ticket, Write};
use chunk::Chunk;
use embed::Embed;
use rank::{Candidate, Floors, fuse};
use vectors::Vectors;

/// As much of a memory is kept, in characters: of the answer at least the first half, of what was heard
/// the last.
const MEMORY_CHARS: usize = 4_000;

/// So many chunks may be attached to a world.
const MOST_ATTACHED: usize = 5_000;

/// So many more than wanted are looked at, for the two rankings to agree on.
const CANDIDATES: usize = 5;

/// How much of a piece that was left out is told, in characters.
const EXCERPT_CHARS: usize = 120;

/// How to look things up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// What is relevant at all.
    pub floors: Floors,
    /// How long a turn waits for the vector of its question.
    pub question_time: Duration,
    /// How long the vectors of some texts may take, in the background.
    pub texts_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            floors: Floors::default(),
            question_time: Duration::from_secs(1),
            texts_time: Duration::from_secs(30),
        }
    }
}

/// What somebody wants to be reminded of.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What was said or happened.
    pub text: &'a str,
    /// The world whose lore counts.
    pub world: Option<&'a str>,
    /// The character whose lore counts.
    pub character: Option<&'a str>,
    /// The play session of the memories.
    pub session: &'a Id,
    /// The agent of the memories.
    pub agent: &'a Id,
    /// The turns that the history shows anyway.
    pub shown: &'a [Id],
    /// How many pieces of lore.
    pub lore: usize,
    /// How many memories.
    pub memories: usize,
}

/// What one said and the other answered.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The play session.
    pub session: &'a Id,
    /// The agent.
    pub agent: &'a Id,
    /// The turn.
    pub turn: &'a Id,
    /// What was said and happened, a line for each, with who it was.
    pub heard: &'a str,
    /// The agent's name.
    pub name: &'a str,
    /// What it said and did.
    pub answered: &'a str,
}

/// The lore of a world's or a character's file, or what was attached to a world while it was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoreOf<'a> {
    /// The world's file.
    World(&'a str),
    /// The character's file: nobody else knows it.
    Character(&'a str),
    /// Attached to the world.
    Attached(&'a str),
}

impl LoreOf<'_> {
    /// The name in the store. Ids can't be taken for another's: what stands before the first colon
    /// is ours.
    fn name(self) -> String {
        match self {
            Self::World(id) => format!("world:{id}"),
            Self::Character(id) => format!("character:{id}"),
            Self::Attached(id) => format!("attached:{id}"),
        }
    }

    fn scope(self) -> Scope {
        Scope::Lore(self.name())
    }

    /// Whether a name in the store is that of a file's lore.
    fn is_of_a_file(name: &str) -> bool {
        name.starts_with("world:") || name.starts_with("character:")
    }
}

/// What became of lore that was to be attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// It is found from now on.
    New,
    /// It was there before.
    Known,
    /// There is as much as may be; it was not added.
    Full,
}

/// Looks things up, and has them indexed. Clones share everything.
#[derive(Clone)]
pub struct Retriever {
    store: Store,
    settings: Settings,
    vectors: Option<Arc<Vectors>>,
    /// Held while the lore of the assets is indexed, or other lore is attached.
    indexing: Arc<Mutex<()>>,
}

impl Retriever {
    /// A retriever over a store. Without an embedder words alone are looked for.
    #[must_use]
    pub fn new(store: Store, settings: Settings, embedder: Option<Arc<dyn Embed>>) -> Self {
        let vectors = embedder.map(|embedder| Vectors::new(store.clone(), embedder, settings));
        Self { store, settings, vectors, indexing: Arc::default() }
    }

    /// Makes these texts all the lore of its kind. What did not change is not written again.
    /// `false`: nothing changed.
    ///
    /// # Errors
    /// If it can't be committed.
    pub async fn index_lore(&self, of: LoreOf<'_>, texts: &[&str]) -> Result<bool, StoreError> {
        let changed = self.store.index_lore(&of.name(), lore(texts)).await?;
        self.make_vectors(of.scope());
        Ok(changed)
    }

    /// Adds a text to the lore of its kind.
    ///
    /// # Errors
    /// If it can't be committed.
    pub async fn attach_lore(&self, of: LoreOf<'_>, text: &str) -> Result<Attached, StoreError> {
        // Else it could be forgotten by whoever renews what was attached before.
        let _one_at_a_time = self.indexing.lock().await;
        let (name, chunks) = (of.name(), lore(&[text]));
        if self.store.lore_size(&name).await? + chunks.len() > MOST_ATTACHED {
            return Ok(Attached::Full);
        }
        let is_new = self.store.add_lore(&name, chunks).await?;
        self.make_vectors(of.scope());
        Ok(if is_new { Attached::New } else { Attached::Known })
    }

    /// Forgets everything that was attached to a world. `false`: there was nothing.
    ///
    /// # Errors
    /// If it can't be committed.
    pub async fn clear_attached(&self, world: &str) -> Result<bool, StoreError> {
        let _one_at_a_time = self.indexing.lock().await;
        self.store.index_lore(&LoreOf::Attached(world).name(), Vec::new()).await
    }

    /// What an agent is to remember of an exchange, with the terms by which it is found. None: there
    /// is nothing to remember.
    #[must_use]
    pub fn memory_of(exchange: &Exchange<'_>) -> Option<Findable> {
        let (heard, answered) = (exchange.heard.trim(), exchange.answered.trim());
        let room = (MEMORY_CHARS / 2).max(MEMORY_CHARS.saturating_sub(heard.chars().count()));
        let answered = first_chars(answered, room);
        let heard = last_chars(heard, MEMORY_CHARS - answered.chars().count()).trim_start();
        let own = format!("{}: {answered}", exchange.name.trim());
        let lines = [heard, if answered.is_empty() { "" } else { &own }];
        let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            return None;
        }
        // Its own name stands in every memory: nothing is to be found by it.
        let terms = terms::of_document(&format!("{heard}\n{answered}"));
        Some(Findable { body: lines.join("\n"), terms })
    }

    /// The write of [`Self::memory_of`], to be submitted to the store in the order of the agent's
    /// others, after that of its turn.
    #[must_use]
    pub fn memory(exchange: &Exchange<'_>) -> Option<Write> {
        let text = Some(Self::memory_of(exchange)?);
        Some(Write::Memory {
            session: exchange.session.clone(),
            agent: exchange.agent.clone(),
            turn_id: exchange.turn.clone(),
            text,
        })
    }

    /// Submits [`Self::memory`] and, once it is committed, has its vector made. The ticket resolves
    /// with the commit.
    pub async fn remember(&self, exchange: &Exchange<'_>) -> Option<Ticket> {
        let ticket = self.store.submit(Self::memory(exchange)?).await;
        self.remembered(exchange.session, exchange.agent);
        Some(ticket)
    }

    /// Has the vectors made of what an agent remembers, after a write of [`Self::memory`] was
    /// submitted. Costs nothing where there is no embedder.
    pub fn remembered(&self, session: &Id, agent: &Id) {
        self.make_vectors(memories(session, agent));
    }

    fn make_vectors(&self, scope: Scope) {
        if let Some(vectors) = &self.vectors {
            vectors.make(scope);
        }
    }

    /// Ends the work in the background.
    pub async fn close(&self) {
        if let Some(vectors) = &self.vectors {
            vectors.close().await;
        }
    }

    /// Waits until all vectors that were asked for are made, or could not be.
    pub async fn settle(&self) {
        if let Some(vectors) = &self.vectors {
            vectors.settle().await;
        }
    }

    /// Finds what fits a question. What fails stands in the report.
    pub async fn look_up(&self, question: &Question<'_>) -> Retrieved {
        let mut found = Retrieved::default();
        found.report.terms = terms::of_query(question.text);
        let vector = match &self.vectors {
            Some(vectors) if !question.text.trim().is_empty() => {
                vectors.of_question(question.text).await.map_err(|error| {
                    found.report.faults.push(format!("{error}; words alone were looked for"));
                })
            }
            _ => Err(()),
        };
        let vector = vector.ok();
        found.report.model = vector.as_ref().map(|(model, _)| model.clone());
        let search = |scopes: Vec<Scope>, wanted: usize| Search {
            limit: if wanted == 0 || scopes.is_empty() { 0 } else { wanted + CANDIDATES },
            scopes,
            terms: found.report.terms.clone(),
            vector: vector.clone(),
            excluding: question.shown.iter().cloned().collect::<BTreeSet<_>>(),
        };
        let lore = search(lore_scopes(question), question.lore);
        let memories = search(vec![memories(question.session, question.agent)], question.memories);
        let hits = self.store.search_each([lore, memories]).await;
        let [lore, memories] = hits.unwrap_or_else(|error| {
            tracing::warn!(%error, "lore and memories could not be looked up");
            found.report.faults.push(error.to_string());
            Default::default()
        });
        found.lore = self.choose(lore, question.lore, &mut found);
        found.memories = self.choose(memories, question.memories, &mut found);
        found
    }

    /// The best, as many as are wanted; the others go into the report.
    fn choose(&self, hits: Hits, wanted: usize, found: &mut Retrieved) -> Vec<Piece> {
        let mut chosen = Vec::new();
        for Candidate { mut piece, relevant, shown } in
            fuse(hits, &found.report.terms, self.settings.floors)
        {
            let because = match (shown, relevant) {
                (true, _) => LeftOutBecause::Shown,
                (_, false) => LeftOutBecause::Irrelevant,
                _ if chosen.len() < wanted => {
                    chosen.push(piece);
                    continue;
                }
                _ => LeftOutBecause::Enough,
            };
            piece.text = first_chars(&piece.text, EXCERPT_CHARS).to_owned();
            found.report.left_out.push(LeftOut { piece, because });
        }
        chosen
    }
}

fn memories(session: &Id, agent: &Id) -> Scope {
    Scope::Memories { session: session.clone(), agent: agent.clone() }
}

fn lore_scopes(question: &Question<'_>) -> Vec<Scope> {
    let of_world =
        question.world.into_iter().flat_map(|id| [LoreOf::World(id), LoreOf::Attached(id)]);
    let of_character = question.character.map(LoreOf::Character);
    of_world.chain(of_character).map(LoreOf::scope).collect()
}

fn lore(texts: &[&str]) -> Vec<LoreChunk> {
    texts.iter().flat_map(|text| chunk::chunks(text)).map(findable).collect()
}

fn findable(chunk: Chunk) -> LoreChunk {
    let text = Findable { terms: terms::of_document(&chunk.text), body: chunk.text };
    LoreChunk { hash: chunk.hash, text }
}

fn first_chars(text: &str, count: usize) -> &str {
    let end = text.char_indices().nth(count).map(|(end, _)| end);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

fn last_chars(text: &str, count: usize) -> &str {
    let skipped = text.chars().count().saturating_sub(count);
    let start = text.char_indices().nth(skipped).map_or(text.len(), |(start, _)| start);
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
