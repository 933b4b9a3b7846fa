//! How many events a connection may send a second: a bucket that holds one second's worth and fills
//! up evenly.

use std::time::Duration;

use tokio::time::Instant;

/// The bucket of one connection.
#[derive(Debug)]
pub(in crate::server) struct Pace {
    /// How long one event takes to be made up for; `None`: there is no limit.
    each: Option<Duration>,
    /// When the bucket will be, or was, full.
    full_at: Instant,
}

impl Pace {
    /// A full bucket; `per_second` 0 is no limit.
    pub fn new(per_second: u32) -> Self {
        let each = Duration::from_secs(1).checked_div(per_second);
        Self { each, full_at: Instant::now() }
    }

    /// Counts an event, or tells how long the game should wait with it.
    pub fn count(&mut self) -> Result<(), Duration> {
        let Some(each) = self.each else { return Ok(()) };
        let now = Instant::now();
        let full_at = self.full_at.max(now) + each;
        let over = full_at.duration_since(now).saturating_sub(Duration::from_secs(1));
        if !over.is_zero() {
            return Err(over);
        }
        self.full_at = full_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_s_worth_at_once_then_one_at_a_time() {
        let mut pace = Pace::new(4);
        for _ in 0..4 {
            assert_eq!(pace.count(), Ok(()));
        }
        let wait = Duration::from_millis(250);
        assert_eq!(pace.count(), Err(wait));
        assert_eq!(pace.count(), Err(wait), "a refused one counts for nothing");
        tokio::time::advance(wait).await;
        assert_eq!(pace.count(), Ok(()));
        assert_eq!(pace.count(), Err(wait));
        tokio::time::advance(Duration::from_secs(60)).await;
        let most = std::iter::repeat_with(|| pace.count()).take_while(Result::is_ok).count();
        assert_eq!(most, 4, "patience is not saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn one_a_second_and_no_limit() {
        let mut pace = Pace::new(1);
        assert_eq!(pace.count(), Ok(()));
        assert_eq!(pace.count(), Err(Duration::from_secs(1)));
        let mut free = Pace::new(0);
        assert!((0..10_000).all(|_| free.count().is_ok()));
    }
}
