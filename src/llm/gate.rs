//! How many requests are under way at a time, in all and with each provider, and the bounded queue
//! in front: highest priority first, then first come first served. A thousand agents that speak at
//! once then wait a little instead of meeting a provider's 429.
//!
//! [`Gate::stream`] puts any stream of deltas behind it. A place is held until the reply ends or is
//! dropped; whoever is dropped while waiting leaves the queue. How long a reply may take once it was
//! let through is [`super::limits`]'s business.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::oneshot;

use super::request::{DeltaStream, ErrorKind, LlmError};
use crate::record::Delta;

/// How many requests may be under way and may wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateLimits {
    /// Under way at a time, in all.
    pub requests: usize,
    /// Under way at a time with one provider.
    pub per_provider: usize,
    /// How many may wait. Beyond, the newest of the lowest priority is refused.
    pub waiting: usize,
    /// How long one may wait.
    pub patience: Duration,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self { requests: 256, per_provider: 256, waiting: 1024, patience: Duration::from_secs(30) }
    }
}

/// How busy a gate is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests under way.
    pub under_way: usize,
    /// Requests that wait for their turn.
    pub waiting: usize,
}

/// The gate. Clones share it.
#[derive(Debug, Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: GateLimits,
    state: Mutex<State>,
}

/// The place of a request in the queue: in the map's order they are let through.
type Place = (Reverse<i32>, u64);

#[derive(Debug, Default)]
struct State {
    under_way: BTreeMap<&'static str, usize>,
    waiting: BTreeMap<Place, Waiting>,
    arrivals: u64,
}

#[derive(Debug)]
struct Waiting {
    provider: &'static str,
    answer: oneshot::Sender<Answer>,
}

/// What a request that waits is told.
#[derive(Debug)]
enum Answer {
    /// Go on; a place is already counted for it.
    Through,
    /// One of a higher priority needed the room.
    Displaced,
}

impl Gate {
    /// A gate through which nobody has gone yet.
    #[must_use]
    pub fn new(limits: GateLimits) -> Self {
        Self { shared: Arc::new(Shared { limits, state: Mutex::default() }) }
    }

    /// How busy it is.
    #[must_use]
    pub fn load(&self) -> Load {
        let state = self.shared.state();
        Load { under_way: state.total(), waiting: state.waiting.len() }
    }

    /// The same stream, polled for the first time when there is a place for it.
    #[must_use]
    pub fn stream(&self, provider: &'static str, priority: i32, inner: DeltaStream) -> DeltaStream {
        let gate = self.clone();
        let entering = async move { gate.enter(provider, priority).await }.boxed();
        Gated::Waiting { entering, inner: Some(inner) }.boxed()
    }

    /// Waits for a place.
    pub(super) async fn enter(
        self,
        provider: &'static str,
        priority: i32,
    ) -> Result<Pass, LlmError> {
        let mut ticket = match self.shared.knock(provider, priority)? {
            Entry::Through(pass) => return Ok(pass),
            Entry::Wait(ticket) => ticket,
        };
        let patience = self.shared.limits.patience;
        match tokio::time::timeout(patience, &mut ticket.answer).await {
            Ok(Ok(Answer::Through)) => Ok(ticket.into_pass()),
            Ok(Ok(Answer::Displaced) | Err(_)) => {
                Err(self.shared.overloaded("a request of a higher priority took its place"))
            }
            Err(_) => {
                let cause = format!("not let through within {} ms", patience.as_millis());
                Err(self.shared.overloaded(&cause))
            }
        }
    }
}

/// What whoever knocks is given.
enum Entry {
    Through(Pass),
    Wait(Ticket),
}

impl Shared {
    /// Lets a request through, or gives it a place in the queue.
    fn knock(self: &Arc<Self>, provider: &'static str, priority: i32) -> Result<Entry, LlmError> {
        let mut state = self.state();
        // Whoever could be let through has been: a newcomer that fits overtakes nobody.
        if state.has_room(provider, &self.limits) {
            state.count(provider);
            return Ok(Entry::Through(Pass { shared: Arc::clone(self), provider }));
        }
        if state.waiting.len() >= self.limits.waiting {
            let last = state.waiting.last_entry();
            let Some(last) = last.filter(|last| last.key().0 > Reverse(priority)) else {
                return Err(self.overloaded("the queue in front of the models is full"));
            };
            // Its ticket holds the other end, so the word arrives.
            let _ = last.remove().answer.send(Answer::Displaced);
        }
        let (answer, receiver) = oneshot::channel();
        let place = (Reverse(priority), state.arrivals);
        state.arrivals = state.arrivals.saturating_add(1);
        state.waiting.insert(place, Waiting { provider, answer });
        let shared = Arc::clone(self);
        Ok(Entry::Wait(Ticket { shared, provider, place, answer: receiver }))
    }

    /// A request is over: lets through whoever fits now, in the queue's order. Those who wait for
    /// a provider that is full hold nobody up.
    fn release(&self, provider: &'static str) {
        let mut state = self.state();
        if let Some(count) = state.under_way.get_mut(provider) {
            *count = count.saturating_sub(1);
        }
        while let Some(place) = state.next(&self.limits) {
            let Some(waiting) = state.waiting.remove(&place) else { return };
            state.count(waiting.provider);
            // Its ticket holds the other end; if it is just being dropped, it gives the place back.
            let _ = waiting.answer.send(Answer::Through);
        }
    }

    fn overloaded(&self, cause: &str) -> LlmError {
        LlmError {
            kind: ErrorKind::Overloaded,
            message: format!(
                "the server has as many requests to models under way as it may ({}) and no room \
                 for this one: try again later",
                self.limits.requests.min(self.limits.per_provider)
            ),
            cause: cause.to_owned(),
            retry_after: None,
        }
    }

    /// Nothing under the lock can fail half-way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn total(&self) -> usize {
        self.under_way.values().sum()
    }

    fn has_room(&self, provider: &str, limits: &GateLimits) -> bool {
        let with_provider = self.under_way.get(provider).copied().unwrap_or_default();
        self.total() < limits.requests && with_provider < limits.per_provider
    }

    fn count(&mut self, provider: &'static str) {
        *self.under_way.entry(provider).or_default() += 1;
    }

    /// The first in the queue that there is room for.
    fn next(&self, limits: &GateLimits) -> Option<Place> {
        if self.total() >= limits.requests {
            return None;
        }
        let fits = |waiting: &Waiting| self.has_room(waiting.provider, limits);
        self.waiting.iter().find(|(_, waiting)| fits(waiting)).map(|(place, _)| *place)
    }
}

/// A place among those under way, given back when it is dropped.
pub(super) struct Pass {
    shared: Arc<Shared>,
    provider: &'static str,
}

impl Pass {
    /// The same stream, with this place until it ends.
    pub fn hold(self, inner: DeltaStream) -> DeltaStream {
        Gated::Open { inner, _pass: self }.boxed()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.shared.release(self.provider);
    }
}

/// A place in the queue, given up when it is dropped.
struct Ticket {
    shared: Arc<Shared>,
    provider: &'static str,
    place: Place,
    answer: oneshot::Receiver<Answer>,
}

impl Ticket {
    /// Having been let through; the answer is taken, so that dropping the rest gives nothing back.
    fn into_pass(self) -> Pass {
        Pass { shared: Arc::clone(&self.shared), provider: self.provider }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Either it still waits, or its answer has been sent: both happen under the same lock.
        let waited = self.shared.state().waiting.remove(&self.place).is_some();
        if !waited && matches!(self.answer.try_recv(), Ok(Answer::Through)) {
            self.shared.release(self.provider);
        }
    }
}

/// A stream behind the gate.
enum Gated {
    Waiting { entering: BoxFuture<'static, Result<Pass, LlmError>>, inner: Option<DeltaStream> },
    Open { inner: DeltaStream, _pass: Pass },
    Over,
}

impl Stream for Gated {
    type Item = Result<Delta, LlmError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let gated = self.get_mut();
        loop {
            match gated {
                Self::Waiting { entering, inner } => {
                    let entered = std::task::ready!(entering.poll_unpin(context));
                    match (entered, inner.take()) {
                        (Ok(pass), Some(inner)) => *gated = Self::Open { inner, _pass: pass },
                        (Err(error), _) => {
                            *gated = Self::Over;
                            return Poll::Ready(Some(Err(error)));
                        }
                        (Ok(_), None) => *gated = Self::Over,
                    }
                }
                Self::Open { inner, .. } => {
                    let item = std::task::ready!(inner.poll_next_unpin(context));
                    if matches!(&item, None | Some(Err(_) | Ok(Delta::Finish(_)))) {
                        // The next one needn't wait until this reply's listener is done with it.
                        *gated = Self::Over;
                    }
                    return Poll::Ready(item);
                }
                Self::Over => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
mod tests;
