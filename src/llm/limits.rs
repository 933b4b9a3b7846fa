//! How long and how big a reply may get, and the combinator that holds a stream to it. Driven by
//! whoever makes a [`DeltaStream`]; it knows no provider, so that its rules are tested with made-up
//! streams and virtual time. What may be retried is the provider's business.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::time::{Instant, Sleep};

use super::gate::GateLimits;
use super::request::{DeltaStream, ErrorKind, LlmError};
use crate::record::Delta;

/// All limits of requests to models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// For one connection to be made, name resolution and TLS included.
    pub connect: Duration,
    /// From the request to the first piece of text, reasoning or tool call, over all attempts
    /// together. Comment lines don't count.
    pub first_token: Duration,
    /// From then on, without a single byte.
    pub silence: Duration,
    /// For the whole reply, attempts included.
    pub reply: Duration,
    /// For the rest of the stream, once the finish reason has come: the usage that may follow is
    /// not worth more.
    pub after_finish: Duration,
    /// Text, reasoning and arguments of a reply together, in bytes.
    pub reply_bytes: usize,
    /// What a provider may send for one reply in all, in bytes: chunks carry far more than their
    /// text.
    pub wire_bytes: u64,
    /// How often a request is sent, if attempts fail before the first piece.
    pub attempts: u32,
    /// The last attempt starts at the latest this long after the first.
    pub retry_window: Duration,
    /// How many requests go out at a time; the others wait, before any other limit counts.
    pub gate: GateLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(30),
            silence: Duration::from_secs(20),
            reply: Duration::from_secs(120),
            after_finish: Duration::from_secs(2),
            reply_bytes: 1024 * 1024,
            wire_bytes: 8 * 1024 * 1024,
            attempts: 3,
            retry_window: Duration::from_secs(10),
            gate: GateLimits::default(),
        }
    }
}

/// When a provider last gave a sign of life that is no delta (a comment line, half a chunk).
#[derive(Debug)]
pub struct Pulse {
    start: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    /// A pulse that beats now.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), last_ms: AtomicU64::new(0) })
    }

    /// Something came.
    pub fn beat(&self) {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(ms, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }
}

/// Holds a stream to the limits of time and size. The clocks start when the result is first polled;
/// it ends after [`Delta::Finish`] or an error, and a stream that ends without either is an error.
/// One timer serves the whole reply: it is only moved when it fires.
pub fn limited(inner: DeltaStream, limits: Arc<Limits>, pulse: Option<Arc<Pulse>>) -> DeltaStream {
    let guarded = stream::once(async move { Guard::new(inner, limits, pulse) }).flat_map(|guard| {
        stream::unfold(Some(guard), |guard| async move {
            let mut guard = guard?;
            let item = guard.next().await;
            let over = matches!(&item, Err(_) | Ok(Delta::Finish(_)));
            // Dropping the guard here closes the connection without waiting for the consumer.
            Some((item, (!over).then_some(guard)))
        })
    });
    guarded.boxed()
}

struct Guard {
    inner: DeltaStream,
    limits: Arc<Limits>,
    pulse: Option<Arc<Pulse>>,
    started: Instant,
    last_delta: Option<Instant>,
    bytes: usize,
    timer: Pin<Box<Sleep>>,
}

impl Guard {
    fn new(inner: DeltaStream, limits: Arc<Limits>, pulse: Option<Arc<Pulse>>) -> Self {
        let started = Instant::now();
        let timer = Box::pin(tokio::time::sleep(limits.first_token.min(limits.reply)));
        Self { inner, limits, pulse, started, last_delta: None, bytes: 0, timer }
    }

    async fn next(&mut self) -> Result<Delta, LlmError> {
        loop {
            tokio::select! {
                biased;
                item = self.inner.next() => return self.weigh(item.ok_or_else(unfinished)??),
                () = self.timer.as_mut() => self.look_at_the_clock()?,
            }
        }
    }

    fn weigh(&mut self, delta: Delta) -> Result<Delta, LlmError> {
        let bytes = match &delta {
            Delta::Text(text) | Delta::Reasoning(text) => text.len(),
            Delta::ToolCall(piece) => piece.arguments.len(),
            _ => return Ok(delta),
        };
        if self.last_delta.is_none() {
            // From here on silence is what counts, and it is shorter than the first token's limit
            // may have left: the timer must not sleep past it.
            let silence = Instant::now() + self.limits.silence;
            self.timer.as_mut().reset(silence.min(self.started + self.limits.reply));
        }
        self.last_delta = Some(Instant::now());
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.reply_bytes {
            let limit = self.limits.reply_bytes;
            return Err(passed("the reply of the model grew too long", &format!("{limit} bytes")));
        }
        Ok(delta)
    }

    /// The timer fired: is a limit really over, or has something come since it was set?
    fn look_at_the_clock(&mut self) -> Result<(), LlmError> {
        let now = Instant::now();
        let limits = &self.limits;
        let reply = self.started + limits.reply;
        if now >= reply {
            return Err(timeout("the model took too long for the whole reply", limits.reply));
        }
        let due = match self.last_delta {
            None => self.started + limits.first_token,
            Some(delta) => {
                let byte = self.pulse.as_ref().map_or(delta, |pulse| pulse.last());
                delta.max(byte) + limits.silence
            }
        };
        if now < due {
            self.timer.as_mut().reset(due.min(reply));
            return Ok(());
        }
        Err(match self.last_delta {
            None => timeout("the model did not begin its reply in time", limits.first_token),
            Some(_) => timeout("the model fell silent in the middle of its reply", limits.silence),
        })
    }
}

pub(super) fn timeout(message: &str, limit: Duration) -> LlmError {
    passed(message, &format!("{} ms", limit.as_millis()))
}

fn passed(message: &str, limit: &str) -> LlmError {
    LlmError {
        kind: ErrorKind::Timeout,
        message: message.to_owned(),
        cause: format!("limit of {limit} passed"),
        retry_after: None,
    }
}

pub(super) fn unfinished() -> LlmError {
    LlmError {
        kind: ErrorKind::Provider,
        message: "the reply of the model was cut off by its provider".to_owned(),
        cause: "the stream ended without a finish reason".to_owned(),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::BoxStream;

    use super::*;

    fn text(text: &str) -> Result<Delta, LlmError> {
        Ok(Delta::Text(text.to_owned()))
    }

    fn stop() -> Result<Delta, LlmError> {
        Ok(Delta::Finish("stop".to_owned()))
    }

    /// Seconds after the one before, and what comes then; `None` is a byte that is no delta.
    type Timed = (u64, Option<Result<Delta, LlmError>>);

    fn timed(items: Vec<Timed>, pulse: Arc<Pulse>) -> BoxStream<'static, Result<Delta, LlmError>> {
        stream::iter(items)
            .then(move |(seconds, item)| {
                let pulse = Arc::clone(&pulse);
                async move {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    pulse.beat();
                    item
                }
            })
            .filter_map(std::future::ready)
            .chain(stream::pending())
            .boxed()
    }

    /// Runs the items; gives the last thing that came, and after how many seconds.
    async fn outcome(items: Vec<Timed>) -> (String, u64) {
        let start = Instant::now();
        let pulse = Pulse::new();
        let inner = timed(items, Arc::clone(&pulse));
        let limits = Arc::new(Limits::default());
        let all: Vec<_> = limited(inner, limits, Some(pulse)).collect().await;
        let last = match all.into_iter().last() {
            Some(Ok(Delta::Finish(reason))) => reason,
            Some(Err(error)) if error.kind == ErrorKind::Timeout => error.message,
            other => format!("{other:?}"),
        };
        (last, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn each_limit_ends_the_reply_in_its_time() {
        let begin = "the model did not begin its reply in time";
        let silent = "the model fell silent in the middle of its reply";
        let long = "the model took too long for the whole reply";
        let model = || Some(Ok(Delta::Model("m".to_owned())));
        let comments = |count: usize| vec![(10, None); count];
        let cases: Vec<(Vec<Timed>, &str, u64)> = vec![
            (vec![], begin, 30),
            // Neither comment lines nor the model's name are a first token.
            (comments(9), begin, 30),
            (vec![(29, model())], begin, 30),
            (vec![(29, Some(text("a"))), (1, Some(stop()))], "stop", 30),
            (vec![(1, Some(text("a")))], silent, 21),
            (vec![(29, Some(text("a")))], silent, 49),
            // Any byte ends the silence.
            (vec![(1, Some(text("a"))), (19, None), (19, None), (1, Some(stop()))], "stop", 40),
            (vec![(1, Some(text("a"))), (19, Some(text("b"))), (3, None)], silent, 43),
            ([vec![(1, Some(text("a")))], comments(20)].concat(), long, 120),
            ((0..200).map(|_| (1, Some(text("a")))).collect(), long, 120),
        ];
        for (number, (items, expected, seconds)) in cases.into_iter().enumerate() {
            assert_eq!(outcome(items).await, (expected.to_owned(), seconds), "case {number}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_beyond_its_size_is_ended() {
        let piece = "x".repeat(1000);
        let inner = stream::repeat_with(move || text(&piece)).boxed();
        let all: Vec<_> = limited(inner, Arc::new(Limits::default()), None).collect().await;
        assert_eq!(all.len(), 1024 * 1024 / 1000 + 1);
        assert!(matches!(all.last(), Some(Err(error)) if error.kind == ErrorKind::Timeout));
    }

    #[tokio::test]
    async fn nothing_follows_the_finish_and_an_end_without_one_is_a_fault() {
        let limits = Arc::new(Limits::default());
        let inner = stream::iter(vec![text("a"), stop(), text("b")]).boxed();
        let all: Vec<_> = limited(inner, Arc::clone(&limits), None).collect().await;
        assert_eq!(all.len(), 2);
        let inner = stream::iter(vec![text("a")]).boxed();
        let all: Vec<_> = limited(inner, limits, None).collect().await;
        assert!(matches!(all.last(), Some(Err(error)) if error.kind == ErrorKind::Provider));
    }

    #[tokio::test(start_paused = true)]
    async fn the_clocks_start_with_the_first_poll() {
        let inner = stream::iter(vec![text("a"), stop()]).boxed();
        let stream = limited(inner, Arc::new(Limits::default()), None);
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(stream.filter_map(|item| async { item.ok() }).count().await, 2);
    }
}
