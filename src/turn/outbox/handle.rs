//! The queue shared between a connection and the agents that speak over it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dramatis_protocol::ServerMessage;
use tokio::sync::Notify;

use super::{Closing, Outbox};

/// A connection's queue. Clones share it; the lock is held for the length of one call.
#[derive(Debug, Clone, Default)]
pub struct OutboxHandle {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    outbox: Mutex<Outbox>,
    changed: Notify,
}

impl OutboxHandle {
    /// Does something with the queue and wakes whoever drains it.
    pub fn with<T>(&self, act: impl FnOnce(&mut Outbox) -> T) -> T {
        let mut outbox = self.lock();
        let outcome = act(&mut outbox);
        let something = outbox.waiting_bytes() > 0 || outbox.closing().is_some();
        drop(outbox);
        if something {
            self.shared.changed.notify_one();
        }
        outcome
    }

    /// Looks at the queue.
    pub fn look<T>(&self, at: impl FnOnce(&Outbox) -> T) -> T {
        at(&self.lock())
    }

    /// A message that belongs to no turn.
    pub fn send(&self, message: ServerMessage) {
        self.with(|outbox| outbox.push(message));
    }

    /// Closes the connection once everything that waits is sent.
    pub fn close(&self, closing: Closing) {
        self.with(|outbox| outbox.close(closing));
    }

    /// Takes the next frame; see [`Outbox::take`].
    pub fn take(&self, json: &mut String) -> bool {
        self.lock().take(json)
    }

    /// How the connection is to be closed, if it is.
    #[must_use]
    pub fn closing(&self) -> Option<Closing> {
        self.lock().closing()
    }

    /// How much waits, in bytes.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.lock().waiting_bytes()
    }

    /// Waits until something was put in since the last wait.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// A panic while the lock is held leaves a queue that is still whole enough to be drained.
    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.shared.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
