//! An agent's writes, in order. The store's queue is bounded: what it has no room for waits here,
//! and while much waits the agent takes no more messages. Deltas never wait for a write.
//!
//! When a write fails, those after it may succeed, so nothing is simply sent again: from then on
//! what would be written is only noted, until all that the agent knows and the store may lack has
//! been written in one go. That goes on until it succeeds; `storing` says what is in it. What would
//! be written out of its order takes the same way.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use dramatis_protocol::{AgentState, Id};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesOrdered, StreamExt};

use crate::clock::Millis;
use crate::record::{LedgerTag, Observation, PastTurn, TurnEnd, TurnResult};
use crate::store::{Findable, Store, StoreError, Ticket, UnwrittenMemory, Write};

/// How many writes may wait for room before the agent stops listening.
const MAX_BACKLOG: usize = 64;

/// How long it takes after a catch-up that failed until the next, unless a game waits for it.
const CATCH_UP_AGAIN: Millis = 5_000;

/// A message of the game that is answered with `stored` after the commit.
#[derive(Debug, Clone)]
pub struct Promise {
    /// The message's id.
    pub in_reply_to: Id,
    /// The turn that it is about.
    pub turn_id: Id,
    /// The connection that the message came over: a later one knows nothing of it.
    pub epoch: u64,
}

/// What a write is about, for when it fails.
#[derive(Debug, Clone)]
enum About {
    /// What waits for the next turn, the state, or nothing.
    Moment,
    /// A turn in memory.
    Turn(Id),
    /// A turn that memory doesn't hold: the game has to send it again.
    OldTurn(Id),
    /// All that was not written, these turns among it.
    CatchUp(HashSet<Id>),
}

impl About {
    const fn turn(&self) -> Option<&Id> {
        match self {
            Self::Turn(turn) | Self::OldTurn(turn) => Some(turn),
            Self::Moment | Self::CatchUp(_) => None,
        }
    }
}

/// A write on its way; without one, nothing but answers that must not overtake those before them.
#[derive(Debug, Clone)]
struct Job {
    write: Option<Write>,
    promises: Vec<Promise>,
    about: About,
}

/// A write that is committed or has failed.
pub struct Done {
    outcome: Result<(), StoreError>,
    promises: Vec<Promise>,
    about: About,
}

/// What follows from a write that is done.
pub enum Settled {
    /// It is committed: these may be told.
    Stored(Vec<Promise>),
    /// All that was missing is committed: these may be told.
    CaughtUp(Vec<Promise>),
    /// It failed, or one before it did; it is going to be caught up on.
    Later(Option<StoreError>),
    /// It failed: these have to be told.
    Failed(StoreError, Vec<Promise>),
}

/// What was noted instead of being written.
#[derive(Debug, Default)]
struct Behind {
    /// Turns that the store doesn't have as they are.
    turns: HashSet<Id>,
    /// Who waits for the catch-up.
    promises: Vec<Promise>,
    /// Whether anything was noted since the catch-up under way began.
    again: bool,
    /// The turns of the catch-up under way.
    under_way: Option<HashSet<Id>>,
    /// When the next catch-up is due, if nobody waits for it.
    next: Millis,
}

impl Behind {
    fn note(&mut self, about: About, promises: Vec<Promise>) {
        self.again = true;
        self.promises.extend(promises);
        match about {
            About::Turn(turn) => drop(self.turns.insert(turn)),
            About::CatchUp(turns) => self.turns.extend(turns),
            About::Moment | About::OldTurn(_) => {}
        }
    }

    /// When the next catch-up is due; none while one is under way.
    fn due(&self) -> Option<Millis> {
        let next = if self.promises.is_empty() { self.next } else { 0 };
        self.under_way.is_none().then_some(next)
    }
}

/// The agent's way to the store.
pub struct Writes {
    store: Store,
    session: Id,
    agent: Id,
    backlog: VecDeque<Job>,
    under_way: FuturesOrdered<BoxFuture<'static, Done>>,
    /// The turns that those are about, in their order.
    turns_under_way: VecDeque<Option<Id>>,
    behind: Option<Behind>,
}

impl Writes {
    /// No write yet.
    pub fn new(store: Store, session: Id, agent: Id) -> Self {
        Self {
            store,
            session,
            agent,
            backlog: VecDeque::new(),
            under_way: FuturesOrdered::new(),
            turns_under_way: VecDeque::new(),
            behind: None,
        }
    }

    /// Something that the agent perceived.
    pub fn observation(&mut self, observation: Observation, promise: Option<Promise>) {
        let (session, agent) = self.key();
        let write = Write::Observation { session, agent, observation };
        self.push(Some(write), promise, About::Moment);
    }

    /// Something that the agent perceived before what is written already: all that waits for the
    /// next turn is written anew.
    pub fn out_of_order(&mut self, promise: Option<Promise>) {
        let promises = promise.into_iter().collect();
        self.behind.get_or_insert_default().note(About::Moment, promises);
    }

    /// The agent's last known state.
    pub fn state(&mut self, state: Arc<AgentState>) {
        let (session, agent) = self.key();
        self.push(Some(Write::State { session, agent, state }), None, About::Moment);
    }

    /// A turn began.
    pub fn turn_started(&mut self, turn: PastTurn) {
        let (session, agent) = self.key();
        let about = About::Turn(turn.turn_id.clone());
        self.push(Some(Write::TurnStarted { session, agent, turn }), None, about);
    }

    /// A turn ended.
    pub fn turn_ended(&mut self, turn_id: Id, tags: Vec<LedgerTag>, end: TurnEnd) {
        let (session, agent) = self.key();
        let about = About::Turn(turn_id.clone());
        self.push(Some(Write::TurnEnded { session, agent, turn_id, tags, end }), None, about);
    }

    /// The game confirmed a turn.
    pub fn result(
        &mut self,
        turn_id: Id,
        (result, memory): (TurnResult, Option<Findable>),
        promise: Option<Promise>,
        is_in_memory: bool,
    ) {
        let (session, agent) = self.key();
        let about = if is_in_memory { About::Turn } else { About::OldTurn }(turn_id.clone());
        let write = Write::TurnResult { session, agent, turn_id, result, memory };
        self.push(Some(write), promise, about);
    }

    /// What the agent is to remember of a turn in memory, which is written already.
    pub fn memory(&mut self, turn_id: Id, text: Option<Findable>) {
        let (session, agent) = self.key();
        let about = About::Turn(turn_id.clone());
        self.push(Some(Write::Memory { session, agent, turn_id, text }), None, about);
    }

    /// Nothing to write, but an answer to give once everything before is committed.
    pub fn promise(&mut self, promise: Option<Promise>) {
        if promise.is_some() {
            self.push(None, promise, About::Moment);
        }
    }

    /// Whether the agent may take more messages.
    pub fn have_room(&self) -> bool {
        self.backlog.len() < MAX_BACKLOG
    }

    /// Whether every write has been committed or has failed.
    pub fn are_done(&self) -> bool {
        self.backlog.is_empty() && self.under_way.is_empty()
    }

    /// Whether the store lacks something because a write failed or would come out of its order.
    pub const fn are_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// The turns that the store may not have as they are: what it says of them doesn't count.
    pub fn unsettled(&self) -> Vec<Id> {
        let waiting = self.backlog.iter().filter_map(|job| job.about.turn());
        let on_their_way = waiting.chain(self.turns_under_way.iter().flatten());
        let behind = self.behind.iter();
        let behind =
            behind.flat_map(|behind| behind.under_way.iter().flatten().chain(&behind.turns));
        on_their_way.chain(behind).cloned().collect()
    }

    /// When a catch-up is due; 0: at once.
    pub fn next_catch_up(&self) -> Option<Millis> {
        self.behind.as_ref().and_then(Behind::due)
    }

    /// Makes a catch-up due at once, if one is needed.
    pub fn hurry(&mut self) {
        if let Some(behind) = &mut self.behind {
            behind.again = true;
            behind.next = 0;
        }
    }

    /// The turns that the store doesn't have as they are, for [`Self::catch_up`]; none if it lacks
    /// nothing.
    pub fn begin_catch_up(&mut self) -> Option<HashSet<Id>> {
        let behind = self.behind.as_mut()?;
        behind.again = false;
        let turns = std::mem::take(&mut behind.turns);
        behind.under_way = Some(turns.clone());
        Some(turns)
    }

    /// Writes what the store lacks.
    pub fn catch_up(&mut self, named: bool, turns: HashSet<Id>, unwritten: UnwrittenMemory) {
        let (session, agent) = self.key();
        let Some(behind) = self.behind.as_mut() else { return };
        let promises = std::mem::take(&mut behind.promises);
        let memory = Box::new(unwritten);
        let write = Some(Write::CatchUp { session, named, agent, memory });
        self.send(Job { write, promises, about: About::CatchUp(turns) });
    }

    /// The next write that is done, in order. Safe to be dropped and called again.
    pub async fn next_done(&mut self) -> Done {
        loop {
            let Some(job) = self.backlog.front().cloned() else {
                return match self.under_way.next().await {
                    Some(done) => self.arrived(done),
                    None => std::future::pending().await,
                };
            };
            let ticket = tokio::select! {
                Some(done) = self.under_way.next() => return self.arrived(done),
                ticket = submit(&self.store, job.write) => ticket,
            };
            self.backlog.pop_front();
            self.depart(ticket, job.promises, job.about);
        }
    }

    /// What follows from a write that is done. While something is missing nobody is told of a
    /// success: what the message was about may be in the part that is missing.
    /// `remembers`: whether memory still holds a turn.
    pub fn settle(
        &mut self,
        done: Done,
        now: Millis,
        remembers: impl FnOnce(&Id) -> bool,
    ) -> Settled {
        let Done { outcome, promises, about } = done;
        let about = match about {
            // Memory let go of it while the write was on its way: no catch-up will hold it.
            About::Turn(turn) if outcome.is_err() && !remembers(&turn) => About::OldTurn(turn),
            about => about,
        };
        match (outcome, about) {
            (Ok(()), About::OldTurn(_)) => Settled::Stored(promises),
            (Err(error), about @ About::OldTurn(_)) => {
                self.behind.get_or_insert_default().note(about, Vec::new());
                Settled::Failed(error, promises)
            }
            (Ok(()), About::CatchUp(_)) => {
                self.behind.take_if(|behind| !behind.again);
                if let Some(behind) = &mut self.behind {
                    behind.under_way = None;
                }
                Settled::CaughtUp(promises)
            }
            (Err(error), about @ About::CatchUp(_)) => {
                let behind = self.behind.get_or_insert_default();
                behind.note(about, Vec::new());
                behind.under_way = None;
                behind.next = now.saturating_add(CATCH_UP_AGAIN);
                Settled::Failed(error, promises)
            }
            (Ok(()), _) if self.behind.is_none() || promises.is_empty() => {
                Settled::Stored(promises)
            }
            (outcome, about) => {
                self.behind.get_or_insert_default().note(about, promises);
                Settled::Later(outcome.err())
            }
        }
    }

    /// Sends a write on its way, or notes it where something before it is missing.
    fn push(&mut self, write: Option<Write>, promise: Option<Promise>, about: About) {
        let promises = promise.into_iter().collect();
        match &mut self.behind {
            Some(behind) if !matches!(about, About::OldTurn(_)) => behind.note(about, promises),
            _ => self.send(Job { write, promises, about }),
        }
    }

    fn send(&mut self, job: Job) {
        if !self.backlog.is_empty() {
            self.backlog.push_back(job);
            return;
        }
        let Job { write, promises, about } = job;
        let Some(write) = write else {
            self.depart(None, promises, about);
            return;
        };
        match self.store.try_submit(write) {
            Ok(ticket) => self.depart(Some(ticket), promises, about),
            Err(write) => self.backlog.push_back(Job { write: Some(write), promises, about }),
        }
    }

    fn depart(&mut self, ticket: Option<Ticket>, promises: Vec<Promise>, about: About) {
        self.turns_under_way.push_back(about.turn().cloned());
        self.under_way.push_back(finish(ticket, promises, about));
    }

    fn arrived(&mut self, done: Done) -> Done {
        self.turns_under_way.pop_front();
        done
    }

    fn key(&self) -> (Id, Id) {
        (self.session.clone(), self.agent.clone())
    }
}

async fn submit(store: &Store, write: Option<Write>) -> Option<Ticket> {
    match write {
        Some(write) => Some(store.submit(write).await),
        None => None,
    }
}

fn finish(
    ticket: Option<Ticket>,
    promises: Vec<Promise>,
    about: About,
) -> BoxFuture<'static, Done> {
    async move {
        let outcome = match ticket {
            Some(ticket) => ticket.await,
            None => Ok(()),
        };
        Done { outcome, promises, about }
    }
    .boxed()
}
