//! Who goes through when, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream;
use proptest::prelude::*;
use proptest::test_runner::Config;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::*;

fn gate(requests: usize, per_provider: usize, waiting: usize) -> Gate {
    let patience = Duration::from_secs(30);
    Gate::new(GateLimits { requests, per_provider, waiting, patience })
}

/// A reply that takes so many seconds from its first poll on.
fn reply(seconds: u64) -> DeltaStream {
    let slow = async move {
        sleep(Duration::from_secs(seconds)).await;
        Ok(Delta::Finish("stop".to_owned()))
    };
    stream::once(slow).boxed()
}

/// How the requests `(provider, priority, seconds)`, made in this order at one moment, end: a name
/// for each, its number and the second of its end.
async fn outcome(gate: &Gate, requests: &[(&'static str, i32, u64)]) -> Vec<(String, u64)> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    let (ends, mut ended) = mpsc::channel(100);
    for (number, (provider, priority, seconds)) in requests.iter().enumerate() {
        let mut stream = gate.stream(provider, *priority, reply(*seconds));
        let ends = ends.clone();
        tasks.spawn(async move {
            let end = match stream.next().await {
                Some(Ok(_)) => format!("{number} done"),
                Some(Err(error)) => format!("{number} {:?}", error.kind),
                None => format!("{number} nothing"),
            };
            ends.send((end, start.elapsed().as_secs())).await.unwrap();
        });
        tokio::task::yield_now().await;
    }
    drop(ends);
    let mut all = Vec::new();
    while let Some(end) = ended.recv().await {
        all.push(end);
    }
    assert_eq!(gate.load(), Load::default(), "every place is given back");
    all
}

async fn check(gate: Gate, requests: &[(&'static str, i32, u64)], expected: &[(&str, u64)]) {
    let expected: Vec<_> = expected.iter().map(|(end, at)| ((*end).to_owned(), *at)).collect();
    assert_eq!(outcome(&gate, requests).await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_limit_in_all_holds_and_the_queue_is_first_in_first_out() {
    let requests = [("a", 0, 1), ("a", 0, 1), ("a", 0, 1), ("b", 0, 1), ("a", 0, 1)];
    let expected = [("0 done", 1), ("1 done", 1), ("2 done", 2), ("3 done", 2), ("4 done", 3)];
    check(gate(2, 9, 9), &requests, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_higher_priority_goes_first_and_within_one_the_older() {
    let requests = [("a", 9, 1), ("a", 0, 1), ("a", -5, 1), ("a", 3, 1), ("a", 0, 1)];
    let expected = [("0 done", 1), ("3 done", 2), ("1 done", 3), ("4 done", 4), ("2 done", 5)];
    check(gate(1, 1, 9), &requests, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_provider_holds_up_nobody_else() {
    let requests = [("a", 0, 5), ("a", 9, 1), ("b", 0, 1), ("b", 0, 1)];
    let expected = [("2 done", 1), ("3 done", 2), ("0 done", 5), ("1 done", 6)];
    check(gate(2, 1, 9), &requests, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_queue_the_newest_of_the_lowest_priority_is_refused() {
    let requests = [("a", 0, 1), ("a", 0, 1), ("a", 0, 1), ("a", 0, 1), ("a", 1, 1), ("a", -1, 1)];
    let expected = [
        ("3 Overloaded", 0),
        ("2 Overloaded", 0),
        ("5 Overloaded", 0),
        ("0 done", 1),
        ("4 done", 2),
        ("1 done", 3),
    ];
    check(gate(1, 1, 2), &requests, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn patience_ends_and_the_error_says_that_later_is_better() {
    let requests = [("a", 0, 40), ("a", 0, 1), ("a", 0, 1)];
    let expected = [("1 Overloaded", 30), ("2 Overloaded", 30), ("0 done", 40)];
    check(gate(1, 1, 9), &requests, &expected).await;
    let full = gate(0, 0, 0);
    let error = full.stream("a", 0, reply(1)).next().await.unwrap().unwrap_err();
    assert!(error.message.contains("try again later"), "{}", error.message);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_dropped_leaves_the_queue_or_gives_its_place_back() {
    let gate = gate(1, 1, 9);
    let mut first = gate.stream("a", 0, reply(1_000));
    let mut second = gate.stream("a", 0, reply(1));
    let mut third = gate.stream("a", 0, reply(1));
    assert!(futures::poll!(first.next()).is_pending());
    assert!(futures::poll!(second.next()).is_pending());
    assert!(futures::poll!(third.next()).is_pending());
    assert_eq!(gate.load(), Load { under_way: 1, waiting: 2 });
    drop(second);
    assert_eq!(gate.load(), Load { under_way: 1, waiting: 1 });
    // Let through, but never polled again.
    drop(first);
    assert_eq!(gate.load(), Load { under_way: 1, waiting: 0 });
    drop(third);
    assert_eq!(gate.load(), Load::default());
}

#[tokio::test(start_paused = true)]
async fn the_place_is_free_as_soon_as_the_reply_has_finished() {
    let gate = gate(1, 1, 9);
    let mut stream = gate.stream("a", 0, reply(1));
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(gate.load(), Load::default());
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_a_reply_starts_when_it_is_let_through() {
    let gate = Gate::new(GateLimits {
        requests: 1,
        patience: Duration::from_secs(1_000),
        ..GateLimits::default()
    });
    let limits = Arc::new(super::super::Limits::default());
    let slow = |seconds| super::super::limited(reply(seconds), Arc::clone(&limits), None);
    let mut first = gate.stream("a", 0, reply(100));
    let mut second = gate.stream("a", 0, slow(29));
    let (first, second) = futures::join!(first.next(), second.next());
    assert!(matches!((first, second), (Some(Ok(_)), Some(Ok(_)))));
}

/// What happens to one request of a play: it comes at a moment and may be given up at another.
#[derive(Debug, Clone)]
struct Visit {
    provider: &'static str,
    priority: i32,
    at: u64,
    takes: u64,
    leaves_after: Option<u64>,
}

fn visit() -> impl Strategy<Value = Visit> {
    let provider = prop_oneof![Just("a"), Just("b"), Just("c")];
    (provider, -1..2_i32, 0..40_u64, 0..20_u64, prop::option::of(0..30_u64)).prop_map(
        |(provider, priority, at, takes, leaves_after)| Visit {
            provider,
            priority,
            at,
            takes,
            leaves_after,
        },
    )
}

/// Counts the replies that are polled, and holds the limits against them.
#[derive(Default)]
struct Count {
    now: Mutex<BTreeMap<&'static str, usize>>,
}

struct Counted {
    count: Arc<Count>,
    provider: &'static str,
}

impl Counted {
    fn begin(count: Arc<Count>, provider: &'static str) -> Self {
        let mut now = count.now.lock().unwrap();
        *now.entry(provider).or_default() += 1;
        assert!(now.values().sum::<usize>() <= 3 && now[provider] <= 2, "{now:?}");
        drop(now);
        Self { count, provider }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        *self.count.now.lock().unwrap().get_mut(self.provider).unwrap() -= 1;
    }
}

async fn pay(gate: Gate, visit: Visit, count: Arc<Count>) {
    sleep(Duration::from_secs(visit.at)).await;
    let provider = visit.provider;
    let takes = visit.takes;
    let inner = stream::once(async move {
        let _counted = Counted::begin(count, provider);
        sleep(Duration::from_secs(takes)).await;
        Ok(Delta::Finish("stop".to_owned()))
    });
    let mut stream = gate.stream(provider, visit.priority, inner.boxed());
    let leaves_after = visit.leaves_after.unwrap_or(u64::from(u32::MAX));
    let _ = tokio::time::timeout(Duration::from_secs(leaves_after), stream.next()).await;
}

proptest! {
    #![proptest_config(Config { cases: 300, ..Config::default() })]

    #[test]
    fn however_they_come_and_go_no_limit_is_passed_and_no_place_is_lost(
        visits in prop::collection::vec(visit(), 0..60),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let gate = gate(3, 2, 4);
            let count = Arc::new(Count::default());
            let mut tasks = JoinSet::new();
            for visit in visits {
                tasks.spawn(pay(gate.clone(), visit, Arc::clone(&count)));
            }
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
                let load = gate.load();
                assert!(load.under_way <= 3 && load.waiting <= 4, "{load:?}");
            }
            assert_eq!(gate.load(), Load::default());
        });
    }
}
