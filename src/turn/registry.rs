//! Who is who: play sessions, the agents that live in each, and the connection that a session has
//! now. A message for an agent finds its task here, or wakes it from the store.
//!
//! A newer connection takes a session over; what the older one still sends is recognised by its
//! epoch and passed over. The tasks are this module's: it waits for them when the server goes down.

mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dramatis_protocol::{ErrorCode, ErrorMessage, Id};
use tokio_util::task::TaskTracker;

pub use session::Attachment;
use session::{Session, dismiss};

use super::agent::Services;
use super::outbox::OutboxHandle;

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

    /// Gives a connection its play session: the named one, which it takes over if another
    /// connection has it, or a new one of its own.
    ///
    /// # Errors
    /// If the store can't open the session.
    pub async fn attach(
        &self,
        name: Option<Id>,
        outbox: OutboxHandle,
    ) -> Result<Attachment, ErrorMessage> {
        let named = name.is_some();
        let id = name.unwrap_or_else(|| self.shared.services.ids.next("session"));
        let store = &self.shared.services.store;
        store.open_session(&id, named).await.map_err(|error| {
            tracing::error!(session = %id, %error, "a play session could not be opened");
            let message = "the play session could not be opened in the store: try again later";
            ErrorMessage::new(ErrorCode::Internal, message)
        })?;
        let (session, connected, before) = {
            let mut sessions = self.shared.sessions();
            let new = || Arc::new(Session::new(id.clone(), named));
            let session = Arc::clone(sessions.entry(id.clone()).or_insert_with(new));
            let (connected, before) = session.connect(outbox);
            (session, connected, before)
        };
        let handed_over = session.hand_over(&connected).await;
        if let Some(before) = before {
            // The older connection hears of its turns' ends first; the newer needn't wait for that.
            self.shared.tasks.spawn(async move {
                handed_over.await;
                dismiss(&before);
            });
        }
        Ok(Attachment::new(session, Arc::clone(&self.shared), connected))
    }

    /// How many agents' tasks are alive.
    #[must_use]
    pub fn agents(&self) -> usize {
        self.shared.sessions().values().map(|session| session.agents()).sum()
    }

    /// Waits until every task has come to its end; connections must have been detached before.
    pub async fn close(&self) {
        let sessions: Vec<_> = self.shared.sessions().drain().map(|(_, session)| session).collect();
        for session in sessions {
            session.let_go();
        }
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Shared {
    /// The map is whole between any two statements, so a panic elsewhere leaves nothing broken.
    fn sessions(&self) -> MutexGuard<'_, HashMap<Id, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a session that has neither a connection nor an agent.
    fn forget_if_empty(&self, id: &Id) {
        let mut sessions = self.sessions();
        if sessions.get(id).is_some_and(|session| session.is_empty()) {
            sessions.remove(id);
        }
    }
}
