//! What a character is reminded of in a turn: asks `retrieval` for lore and memories, and wakes the
//! entries of its lorebooks. Nothing here fails a turn: what can't be looked up in time is told in the
//! report.

use std::time::Duration;

use dramatis_protocol::{AgentState, Id};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::assets::Entry;
use crate::prompt::{Background, Draft, Reminders};
use crate::record::{Retrieved, Woken};
use crate::retrieval::lorebook::{self, Bounds};
use crate::retrieval::{Question, Retriever, terms};

/// How long a turn waits for everything that is looked up.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most pieces of lore, and most memories, that a state may ask for.
const MOST_RESULTS: u32 = 20;

/// How many times the entries of lorebooks may wake others: those that are mentioned, and no more.
const RECURSION: usize = 1;

/// How much a turn is reminded of, where its state says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Results {
    /// Pieces of lore.
    pub lore: usize,
    /// Memories.
    pub memories: usize,
}

impl Default for Results {
    fn default() -> Self {
        Self { lore: 2, memories: 3 }
    }
}

impl Results {
    /// As a state has it.
    fn of(self, state: &AgentState) -> Self {
        let wanted = |wanted: Option<u32>, usual| {
            let wanted = wanted.map(|wanted| wanted.min(MOST_RESULTS));
            wanted.and_then(|wanted| usize::try_from(wanted).ok()).unwrap_or(usual)
        };
        Self {
            lore: wanted(state.lore_results, self.lore),
            memories: wanted(state.memory_results, self.memories),
        }
    }
}

/// Whose lore and memories.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// The play session.
    pub session: &'a Id,
    /// The agent.
    pub agent: &'a Id,
    /// Its state.
    pub state: &'a AgentState,
    /// What the assets bring.
    pub background: &'a Background,
    /// Turns of which nothing is to be remembered.
    pub unsettled: &'a [Id],
}

/// All that a turn is reminded of, for whoever shows a prompt without asking a model.
pub async fn remind(
    retriever: &Retriever,
    results: Results,
    whose: &Whose<'_>,
    draft: &Draft,
) -> Reminders {
    let retrieved = match look_up(retriever, results, whose, draft) {
        Some(look_up) => look_up.await,
        None => Retrieved::default(),
    };
    reminders(whose.background, draft, retrieved)
}

/// The look-up of lore and memories; `None`: there is nothing to look for.
pub(super) fn look_up(
    retriever: &Retriever,
    results: Results,
    whose: &Whose<'_>,
    draft: &Draft,
) -> Option<BoxFuture<'static, Retrieved>> {
    let mut results = results.of(whose.state);
    // What the history shows in full needs no memory.
    if !draft.hides_turns() {
        results.memories = 0;
    }
    let world = whose.background.world.as_ref().map(|world| world.id.clone());
    let character = whose.background.character.as_ref().map(|character| character.id.clone());
    if world.is_none() && character.is_none() {
        results.lore = 0;
    }
    if results.lore == 0 && results.memories == 0 {
        return None;
    }
    let question = draft.question();
    // "And then?" asks about what was said before.
    let says_nothing = terms::of_query(&question.text).is_empty();
    let text = if says_nothing { &question.around } else { &question.text };
    let (text, mut shown) = (text.clone(), draft.shown());
    shown.extend_from_slice(whose.unsettled);
    let (session, agent) = (whose.session.clone(), whose.agent.clone());
    let retriever = retriever.clone();
    let look_up = async move {
        let question = Question {
            text: &text,
            world: world.as_deref(),
            character: character.as_deref(),
            session: &session,
            agent: &agent,
            shown: &shown,
            lore: results.lore,
            memories: results.memories,
        };
        let found = tokio::time::timeout(PATIENCE, retriever.look_up(&question)).await;
        found.unwrap_or_else(|_| {
            tracing::warn!(%agent, "lore and memories could not be looked up in time");
            let mut found = Retrieved::default();
            let fault = format!("the look-up took longer than {PATIENCE:?}");
            found.report.faults.push(fault);
            found
        })
    };
    Some(look_up.boxed())
}

/// The entries that what was said now and before wakes. They get half of the room at the most.
fn wake(background: &Background, draft: &Draft) -> Woken {
    let of_world = background.world.iter().flat_map(|world| &world.entries);
    let of_character = background.character.iter().flat_map(|character| &character.entries);
    let entries: Vec<&Entry> = of_world.chain(of_character).collect();
    let bounds = Bounds { budget: draft.room() / 2, recursion: RECURSION };
    lorebook::wake(&entries, &draft.question().around, bounds, |text| text.chars().count())
}

/// All that a turn is reminded of.
pub(super) fn reminders(background: &Background, draft: &Draft, retrieved: Retrieved) -> Reminders {
    Reminders { lorebook: wake(background, draft), retrieved }
}
