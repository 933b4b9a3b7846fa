//! One play session: its agents' inboxes and its present connection.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dramatis_protocol::{ErrorCode, ErrorMessage, Id};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Shared;
use crate::turn::agent::{
    Agent, AgentMessage, Connected, Delivery, Rest, TURNS_IN_MEMORY, ToAgent,
};
use crate::turn::outbox::OutboxHandle;

/// How many messages may wait for an agent; the connection that sends more waits.
const INBOX: usize = 64;

/// A play session that is in memory.
pub(super) struct Session {
    id: Id,
    /// Held while agents are taken back to a save game: a task that another arrival is ending may
    /// still write.
    pub taking_back: tokio::sync::Mutex<()>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    agents: HashMap<Id, Awake>,
    connected: Option<Connected>,
    epoch: u64,
    /// Whether a game has asked for it by its name: then it outlives its connection.
    named: bool,
}

/// An agent that has a task.
struct Awake {
    inbox: mpsc::Sender<ToAgent>,
    task: JoinHandle<()>,
}

impl Session {
    pub fn new(id: Id) -> Self {
        Self { id, taking_back: tokio::sync::Mutex::default(), inner: Mutex::default() }
    }

    pub const fn id(&self) -> &Id {
        &self.id
    }

    pub fn agents(&self) -> usize {
        self.inner().agents.len()
    }

    /// What waits to be sent over the session's connection, in bytes.
    pub fn unsent_bytes(&self) -> usize {
        let connected = self.inner().connected.clone();
        connected.map_or(0, |connected| connected.outbox.waiting_bytes())
    }

    pub fn is_empty(&self) -> bool {
        let inner = self.inner();
        inner.agents.is_empty() && inner.connected.is_none()
    }

    /// Drops the agents' inboxes: their tasks end when they have read what is in them.
    pub fn let_go(&self) {
        self.inner().agents.clear();
    }

    /// Makes a connection the session's; the one before comes back. `named`: it asks for the session
    /// by its name.
    pub fn connect(&self, outbox: OutboxHandle, named: bool) -> (Connected, Option<Connected>) {
        let mut inner = self.inner();
        inner.named |= named;
        inner.epoch = inner.epoch.saturating_add(1);
        let connected = Connected { outbox, epoch: inner.epoch, named: inner.named };
        let before = inner.connected.replace(connected.clone());
        (connected, before)
    }

    /// Tells the agents of their new connection. What is returned resolves when all of them have
    /// left the one before.
    pub async fn hand_over(&self, connected: &Connected) -> impl Future<Output = ()> + use<> {
        let (done, mut all_done) = mpsc::channel::<()>(1);
        for agent in self.inboxes() {
            // One that has just ended is woken with the connection of that moment.
            let connect = ToAgent::Connect { connected: connected.clone(), done: done.clone() };
            let _ = agent.send(connect).await;
        }
        async move {
            drop(done);
            let _ = all_done.recv().await;
        }
    }

    /// Lets an agent write what it could not write before, if it is awake. `false`: it still can't.
    pub async fn settle(&self, agent_id: &Id) -> bool {
        let inbox = self.inner().agents.get(agent_id).map(|awake| awake.inbox.clone());
        match inbox {
            Some(inbox) => settle(&inbox).await,
            None => true,
        }
    }

    /// As [`Self::settle`], for all of its agents.
    pub async fn settle_all(&self) -> bool {
        for inbox in self.inboxes() {
            if !settle(&inbox).await {
                return false;
            }
        }
        true
    }

    /// The agents that have a task.
    pub fn awake(&self) -> Vec<Id> {
        self.inner().agents.keys().cloned().collect()
    }

    /// Ends an agent's task, if it has one, once it has read its inbox and stored what it knows.
    /// `false`: the connection is not the session's any more, and nothing was done.
    pub async fn put_to_sleep(&self, agent_id: &Id, connected: &Connected) -> bool {
        let awake = {
            let mut inner = self.inner();
            if inner.epoch != connected.epoch {
                return false;
            }
            inner.agents.remove(agent_id)
        };
        if let Some(Awake { inbox, task }) = awake {
            drop(inbox);
            // A task that panicked has ended as well.
            let _ = task.await;
        }
        true
    }

    /// Whether it ends with this connection; if so, its agents are let go.
    pub fn ends_with(&self, connected: &Connected) -> bool {
        let mut inner = self.inner();
        let ends = inner.epoch == connected.epoch && !inner.named;
        if ends {
            inner.agents.clear();
        }
        ends
    }

    fn inboxes(&self) -> Vec<mpsc::Sender<ToAgent>> {
        self.inner().agents.values().map(|awake| awake.inbox.clone()).collect()
    }

    /// Puts a message into an agent's inbox, unless the connection is not the session's any more.
    fn try_send(&self, epoch: u64, agent_id: &Id, message: ToAgent) -> Sent {
        let inner = self.inner();
        if inner.epoch != epoch {
            return Sent::Done;
        }
        let Some(Awake { inbox, .. }) = inner.agents.get(agent_id) else {
            return Sent::Asleep(message);
        };
        match inbox.try_send(message) {
            Ok(()) => Sent::Done,
            Err(TrySendError::Full(back)) => Sent::Full(inbox.clone(), back),
            Err(TrySendError::Closed(back)) => Sent::Asleep(back),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn settle(inbox: &mpsc::Sender<ToAgent>) -> bool {
    let (done, settled) = oneshot::channel();
    let _ = inbox.send(ToAgent::Settle { done }).await;
    // One that has just gone to sleep had nothing left to write.
    settled.await.unwrap_or(true)
}

/// What became of a message for an agent.
enum Sent {
    /// It is in the inbox, or nobody wants it any more.
    Done,
    /// The inbox is full.
    Full(mpsc::Sender<ToAgent>, ToAgent),
    /// The agent has no task.
    Asleep(ToAgent),
}

/// A connection's hold on its play session.
pub struct Attachment {
    session: Arc<Session>,
    shared: Arc<Shared>,
    connected: Connected,
    spoken_for: HashSet<Id>,
}

impl Attachment {
    pub(super) fn new(session: Arc<Session>, shared: Arc<Shared>, connected: Connected) -> Self {
        Self { session, shared, connected, spoken_for: HashSet::new() }
    }

    /// The play session.
    #[must_use]
    pub fn session_id(&self) -> &Id {
        &self.session.id
    }

    /// Sends a message to an agent, which is woken if it sleeps.
    ///
    /// # Errors
    /// If the connection speaks for too many agents, or the store can't be read.
    pub async fn deliver(
        &mut self,
        agent_id: &Id,
        message: AgentMessage,
        message_id: Option<Id>,
    ) -> Result<(), ErrorMessage> {
        self.count_agent(agent_id)?;
        let epoch = self.connected.epoch;
        let mut next = ToAgent::Message(Delivery { message, message_id, epoch });
        loop {
            match self.session.try_send(epoch, agent_id, next) {
                Sent::Done => return Ok(()),
                Sent::Full(inbox, back) => {
                    // It has much to do, so it won't fall asleep before this is in its inbox.
                    let _ = inbox.send(back).await;
                    return Ok(());
                }
                Sent::Asleep(back) => next = back,
            }
            self.wake(agent_id).await?;
        }
    }

    /// The connection is gone, or the server goes down (`shutdown`). Returns when every agent has
    /// dealt with it.
    pub async fn detach(self, shutdown: bool) {
        let (done, mut all_done) = mpsc::channel(1);
        {
            let mut inner = self.session.inner();
            if inner.epoch == self.connected.epoch {
                inner.connected = None;
            }
        }
        let agents = self.session.inboxes();
        for agent in &agents {
            let (connected, done) = (self.connected.clone(), done.clone());
            let _ = agent.send(ToAgent::Disconnect { connected, shutdown, done }).await;
        }
        drop((agents, done));
        let _ = all_done.recv().await;
        let id = &self.session.id;
        self.shared.services.log.end_of_session(id);
        if self.shared.end_if_last(&self.session, &self.connected) {
            if let Err(error) = self.shared.services.store.drop_session(id).await {
                tracing::warn!(session = %id, %error, "a play session stays in the store");
            }
        } else {
            self.shared.forget_if_empty(id);
        }
    }

    fn count_agent(&mut self, agent_id: &Id) -> Result<(), ErrorMessage> {
        let max = self.shared.max_agents;
        if !self.spoken_for.contains(agent_id) {
            if self.spoken_for.len() >= max {
                let message = format!(
                    "this connection speaks for {max} agents already: use another connection"
                );
                return Err(ErrorMessage::new(ErrorCode::Overloaded, message));
            }
            self.spoken_for.insert(agent_id.clone());
        }
        Ok(())
    }

    async fn wake(&self, agent_id: &Id) -> Result<(), ErrorMessage> {
        let services = Arc::clone(&self.shared.services);
        let id = &self.session.id;
        let stored = services.store.load_agent(id, agent_id, TURNS_IN_MEMORY).await;
        let stored = stored.map_err(|error| {
            tracing::error!(session = %id, agent = %agent_id, %error, "an agent could not be loaded");
            let message = "the agent could not be loaded from the store: try again later";
            ErrorMessage::new(ErrorCode::Internal, message)
        })?;
        let mut inner = self.session.inner();
        // Another connection may have taken the session over meanwhile, and back to an older save.
        let is_current = inner.epoch == self.connected.epoch;
        let is_awake = inner.agents.get(agent_id).is_some_and(|awake| !awake.inbox.is_closed());
        if is_awake || !is_current {
            return Ok(());
        }
        let agent = Agent::new(id.clone(), agent_id.clone(), services, stored);
        let agent = agent.connected(inner.connected.clone());
        let (inbox, receiver) = mpsc::channel(INBOX);
        let life = live(agent, receiver, Arc::clone(&self.session), Arc::clone(&self.shared));
        let task = self.shared.tasks.spawn(life);
        inner.agents.insert(agent_id.clone(), Awake { inbox, task });
        Ok(())
    }
}

/// An agent's life: until it is let go, or has slept long enough that nobody wakes it any more.
async fn live(
    mut agent: Agent,
    mut inbox: mpsc::Receiver<ToAgent>,
    session: Arc<Session>,
    shared: Arc<Shared>,
) {
    while agent.run(&mut inbox).await == Rest::Idle {
        // Messages are put in under the same lock, so none can slip in between.
        let mut inner = session.inner();
        if inbox.is_empty() {
            let mine = tokio::task::try_id();
            if inner.agents.get(agent.id()).map(|awake| awake.task.id()) == mine {
                inner.agents.remove(agent.id());
            }
            inbox.close();
            break;
        }
    }
    agent.finish_writes().await;
    shared.forget_if_empty(&session.id);
}
