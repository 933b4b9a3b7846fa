//! Time and ids, handed in from outside so that a test decides both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use dramatis_protocol::Id;
use tokio::time::Instant;
use uuid::Uuid;

/// Milliseconds since the clock was made.
pub type Millis = u64;

/// Tells the time: monotonic in milliseconds, and the wall's. Follows tokio's virtual time.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Instant,
    wall: DateTime<Utc>,
}

impl Clock {
    /// A clock that starts now, at the wall's time.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at(Utc::now())
    }

    /// A clock that starts now and says that it is `wall`.
    #[must_use]
    pub fn start_at(wall: DateTime<Utc>) -> Self {
        Self { start: Instant::now(), wall }
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn now(&self) -> Millis {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The wall's time.
    #[must_use]
    pub fn wall(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.start.elapsed()).unwrap_or(TimeDelta::MAX);
        self.wall.checked_add_signed(elapsed).unwrap_or(self.wall)
    }

    /// When the clock will say `at`.
    #[must_use]
    pub fn instant(&self, at: Millis) -> Instant {
        self.start + std::time::Duration::from_millis(at)
    }
}

/// Makes up ids: random ones in service, counted ones in tests.
#[derive(Debug, Clone, Default)]
pub struct Ids {
    counter: Option<Arc<AtomicU64>>,
}

impl Ids {
    /// Ids that are never made twice (UUID version 7: they sort by time).
    #[must_use]
    pub const fn random() -> Self {
        Self { counter: None }
    }

    /// Ids that count from 1.
    #[must_use]
    pub fn counted() -> Self {
        Self { counter: Some(Arc::new(AtomicU64::new(0))) }
    }

    /// The next id, beginning with `prefix`.
    #[must_use]
    pub fn next(&self, prefix: &str) -> Id {
        let id = match &self.counter {
            Some(counter) => {
                format!("{prefix}-{}", counter.fetch_add(1, Ordering::Relaxed).saturating_add(1))
            }
            None => format!("{prefix}-{}", Uuid::now_v7().simple()),
        };
        id.into()
    }
}
