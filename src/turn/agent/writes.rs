//! An agent's writes, in order. The store's queue is bounded: what it has no room for waits here,
//! and while much waits the agent takes no more messages. Deltas never wait for a write.

use std::collections::VecDeque;
use std::sync::Arc;

use dramatis_protocol::{AgentState, Id};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesOrdered, StreamExt};

use crate::record::{LedgerTag, Observation, PastTurn, TurnEnd, TurnResult};
use crate::store::{Store, StoreError, Ticket, Write};

/// How many writes may wait for room before the agent stops listening.
const MAX_BACKLOG: usize = 64;

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

/// What became of a write.
pub struct Done {
    /// Whether it was committed.
    pub outcome: Result<(), StoreError>,
    /// Who waits for it.
    pub promise: Option<Promise>,
    /// The turn, where it was the write that makes the turn known to the store.
    pub made_known: Option<Id>,
}

/// A write on its way, or nothing but an answer that must not overtake those before it.
type Job = (Option<Write>, Option<Promise>);

/// The agent's way to the store.
pub struct Writes {
    store: Store,
    session: Id,
    agent: Id,
    backlog: VecDeque<Job>,
    under_way: FuturesOrdered<BoxFuture<'static, Done>>,
}

impl Writes {
    /// No write yet.
    pub fn new(store: Store, session: Id, agent: Id) -> Self {
        Self { store, session, agent, backlog: VecDeque::new(), under_way: FuturesOrdered::new() }
    }

    /// Something that the agent perceived.
    pub fn observation(&mut self, observation: Observation, promise: Option<Promise>) {
        let (session, agent) = self.key();
        self.push((Some(Write::Observation { session, agent, observation }), promise));
    }

    /// The agent's last known state.
    pub fn state(&mut self, state: Arc<AgentState>) {
        let (session, agent) = self.key();
        self.push((Some(Write::State { session, agent, state }), None));
    }

    /// A turn, with all that is known of it: when it begins, and again if that could not be written.
    pub fn turn(&mut self, turn: PastTurn, promise: Option<Promise>) {
        let (session, agent) = self.key();
        self.push((Some(Write::TurnStarted { session, agent, turn }), promise));
    }

    /// A turn ended.
    pub fn turn_ended(&mut self, turn_id: Id, tags: Vec<LedgerTag>, end: TurnEnd) {
        let (session, agent) = self.key();
        self.push((Some(Write::TurnEnded { session, agent, turn_id, tags, end }), None));
    }

    /// The game confirmed a turn.
    pub fn result(&mut self, turn_id: Id, result: TurnResult, promise: Option<Promise>) {
        let (session, agent) = self.key();
        self.push((Some(Write::TurnResult { session, agent, turn_id, result }), promise));
    }

    /// Nothing to write, but an answer to give once everything before is committed.
    pub fn promise(&mut self, promise: Option<Promise>) {
        if promise.is_some() {
            self.push((None, promise));
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

    /// The next write that is done, in order. Safe to be dropped and called again.
    pub async fn next_done(&mut self) -> Done {
        loop {
            let Some((write, promise)) = self.backlog.front().cloned() else {
                return match self.under_way.next().await {
                    Some(done) => done,
                    None => std::future::pending().await,
                };
            };
            let made_known = write.as_ref().and_then(made_known);
            let ticket = tokio::select! {
                Some(done) = self.under_way.next() => return done,
                ticket = submit(&self.store, write) => ticket,
            };
            self.backlog.pop_front();
            self.under_way.push_back(finish(ticket, promise, made_known));
        }
    }

    fn push(&mut self, job: Job) {
        if !self.backlog.is_empty() {
            self.backlog.push_back(job);
            return;
        }
        let (write, promise) = job;
        let Some(write) = write else {
            self.under_way.push_back(finish(None, promise, None));
            return;
        };
        let made_known = made_known(&write);
        match self.store.try_submit(write) {
            Ok(ticket) => self.under_way.push_back(finish(Some(ticket), promise, made_known)),
            Err(write) => self.backlog.push_back((Some(write), promise)),
        }
    }

    fn key(&self) -> (Id, Id) {
        (self.session.clone(), self.agent.clone())
    }
}

fn made_known(write: &Write) -> Option<Id> {
    match write {
        Write::TurnStarted { turn, .. } => Some(turn.turn_id.clone()),
        _ => None,
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
    promise: Option<Promise>,
    made_known: Option<Id>,
) -> BoxFuture<'static, Done> {
    async move {
        let outcome = match ticket {
            Some(ticket) => ticket.await,
            None => Ok(()),
        };
        Done { outcome, promise, made_known }
    }
    .boxed()
}
