//! Who is who: play sessions, the agents that live in each, and the connection that a session has
//! now. A message for an agent finds its task here, or wakes it from the store.
//!
//! A newer connection takes a session over; what the older one still sends is recognised by its
//! epoch and passed over. The tasks are this module's: it waits for them when the server goes down.

mod arrival;
mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dramatis_protocol::{ErrorMessage, Id};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

pub use arrival::{Attached, SessionPlan};
pub use session::Attachment;
use session::Session;

use super::agent::{Connected, Services};
use super::outbox::OutboxHandle;
use crate::llm::Load;

/// How everything stands that turns go through, for operators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Agents' tasks that are alive.
    pub agents: usize,
    /// What waits to be sent to games, in bytes.
    pub unsent_bytes: usize,
    /// Requests to models.
    pub requests: Load,
    /// Whether the store's last commit succeeded.
    pub store_is_healthy: bool,
    /// Whether the store takes more without waiting.
    pub store_has_room: bool,
    /// Writes that wait for the store.
    pub store_waiting: usize,
    /// Entries that wait for the turn log.
    pub log_waiting: usize,
    /// Entries of the turn log that were given up.
    pub log_lost: u64,
}

/// How long agents may take to their end when the server goes down.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// All play sessions of the server.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    services: Arc<Services>,
    sessions: Mutex<HashMap<Id, Arc<Session>>>,
    tasks: TaskTracker,
    max_agents: usize,
}

impl Registry {
    /// A registry without sessions. `max_agents`: how many agents one connection may speak for.
    #[must_use]
    pub fn new(services: Services, max_agents: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                services: Arc::new(services),
                sessions: Mutex::default(),
                tasks: TaskTracker::new(),
                max_agents,
            }),
        }
    }

    /// Gives a connection the play session that it asks for. A named one is taken over if another
    /// connection has it; without a name it is a new one of the connection's own.
    ///
    /// # Errors
    /// If the session can't be copied or its agents can't be taken back as asked.
    pub async fn attach(
        &self,
        plan: SessionPlan,
        outbox: OutboxHandle,
    ) -> Result<Attached, ErrorMessage> {
        arrival::attach(&self.shared, plan, outbox).await
    }

    /// How many agents' tasks are alive.
    #[must_use]
    pub fn agents(&self) -> usize {
        self.shared.sessions().values().map(|session| session.agents()).sum()
    }

    /// Tries a small write where the store's last one failed.
    pub async fn probe_store(&self) -> bool {
        self.shared.services.store.probe().await
    }

    /// How everything stands that turns go through.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        let Services { store, log, generator, .. } = &*self.shared.services;
        let unsent = self.shared.sessions().values().map(|session| session.unsent_bytes()).sum();
        Vitals {
            agents: self.agents(),
            unsent_bytes: unsent,
            requests: generator.load(),
            store_is_healthy: store.healthy(),
            store_has_room: store.has_room(),
            store_waiting: store.waiting(),
            log_waiting: log.waiting(),
            log_lost: log.lost(),
        }
    }

    /// Waits until every task has come to its end, but not for ever; connections should have been
    /// detached before.
    pub async fn close(&self) {
        let sessions: Vec<_> = self.shared.sessions().drain().map(|(_, session)| session).collect();
        for session in sessions {
            session.let_go();
        }
        self.shared.tasks.close();
        if timeout(LAST_WRITES, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.shared.tasks.len(), "agents did not end in time");
        }
    }
}

impl Shared {
    /// The map is whole between any two statements, so a panic elsewhere leaves nothing broken.
    fn sessions(&self) -> MutexGuard<'_, HashMap<Id, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a session without a name when its connection ends; `false` if it goes on.
    fn end_if_last(&self, session: &Session, connected: &Connected) -> bool {
        // Connections come to a session under this lock, so none comes in between.
        let mut sessions = self.sessions();
        let ends = session.ends_with(connected);
        if ends {
            sessions.remove(session.id());
        }
        ends
    }

    /// Forgets a session that has neither a connection nor an agent.
    fn forget_if_empty(&self, id: &Id) {
        let mut sessions = self.sessions();
        if sessions.get(id).is_some_and(|session| session.is_empty()) {
            sessions.remove(id);
        }
    }
}
