//! A plan performed: as deltas with their faults (what a client would have made of them), and the
//! pacing that the mock server shares. One timer serves a whole reply, however many tokens it has.

use std::pin::Pin;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio::time::{Instant, Sleep};

use super::fault::{Fault, HttpFault};
use super::plan::{Pace, Plan};
use crate::llm::{DeltaStream, ErrorKind, HttpAnswer, LlmError};
use crate::record::{Delta, Usage};

/// What comes after the last item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The stream ends.
    End,
    /// Nothing, ever.
    Silence,
}

/// Gives each item at its time, counted from the first poll.
pub(super) fn paced<T: Send + 'static>(
    items: Vec<(Duration, T)>,
    then: Then,
) -> impl Stream<Item = T> + Send {
    let state = (items.into_iter(), None::<(Instant, Pin<Box<Sleep>>)>);
    stream::unfold(state, move |(mut items, mut clock)| async move {
        let Some((at, item)) = items.next() else {
            if then == Then::Silence {
                std::future::pending::<()>().await;
            }
            return None;
        };
        let (start, timer) = clock
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(Duration::ZERO))));
        let due = *start + at;
        // Late items follow each other at once, without a turn of the timer.
        if due > Instant::now() {
            timer.as_mut().reset(due);
            timer.await;
        }
        Some((item, (items, clock)))
    })
}

/// The reply as a client would get it. `input_tokens` is what the usage says of the prompt.
pub(super) fn perform(plan: &Plan, pace: Pace, input_tokens: u64) -> DeltaStream {
    if let Some(fault) = plan.faults.iter().find_map(|fault| fault.http()) {
        return failing(http_error(&fault));
    }
    if plan.has(Fault::Html) {
        return failing(broken("the model provider answered with a web page", Fault::Html));
    }
    if plan.has(Fault::StallAfterConnect) {
        return stream::pending().boxed();
    }
    let pace = if plan.has(Fault::JsonAnswer) { Pace::AT_ONCE } else { pace };
    let mut items: Vec<_> =
        plan.timeline(pace).into_iter().map(|(at, delta)| (at, Ok(delta))).collect();
    let end = items.last().map_or(Duration::ZERO, |(at, _)| *at);
    let breaks = [Fault::StallMidway, Fault::ErrorInStream, Fault::Truncated, Fault::Reset];
    if let Some(fault) = plan.faults.iter().find(|fault| breaks.contains(fault)) {
        items.truncate(items.len().div_ceil(2));
        if *fault == Fault::StallMidway {
            return paced(items, Then::Silence).boxed();
        }
        let middle = items.last().map_or(Duration::ZERO, |(at, _)| *at);
        items.push((middle, Err(broken("the reply of the model broke off", *fault))));
        return paced(items, Then::End).boxed();
    }
    let output_tokens = plan.tokens() as u64;
    items.push((end, Ok(Delta::Usage(Usage { input_tokens, output_tokens, ..Usage::default() }))));
    let reason = if plan.has(Fault::DoneWithoutReason) { "unknown" } else { plan.finish_reason() };
    items.push((end, Ok(Delta::Finish(reason.to_owned()))));
    paced(items, Then::End).boxed()
}

fn failing(error: LlmError) -> BoxStream<'static, Result<Delta, LlmError>> {
    stream::once(async { Err(error) }).boxed()
}

fn http_error(fault: &HttpFault) -> LlmError {
    let retry_after = fault.retry_after.map(|seconds| Duration::from_secs(seconds.into()));
    HttpAnswer { status: fault.code, body: &fault.body, retry_after }.error()
}

fn broken(message: &str, fault: Fault) -> LlmError {
    LlmError {
        kind: ErrorKind::Provider,
        message: message.to_owned(),
        cause: format!("the script plays the fault `{fault}`"),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn items_come_at_their_times_without_drift() {
        let start = Instant::now();
        let items = (0..100).map(|n| (Duration::from_millis(20 * n), n)).collect();
        let mut stream = std::pin::pin!(paced(items, Then::End));
        while let Some(n) = stream.next().await {
            assert_eq!(start.elapsed(), Duration::from_millis(20 * n));
            if n == 50 {
                // A slow reader catches up.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_ends_a_reply_as_a_client_would_see_it() {
        for (fault, expected) in [
            ("401", "Auth"),
            ("402", "Auth"),
            ("403", "Auth"),
            ("403-moderation", "Refused"),
            ("429:7", "RateLimited"),
            ("500", "Provider"),
            ("html", "Provider"),
            ("reset", "Provider after half"),
            ("truncated", "Provider after half"),
            ("error-in-stream", "Provider after half"),
            ("stall-midway", "silence after half"),
            ("stall-after-connect", "silence"),
            ("done-without-reason", "unknown"),
            ("comments", "stop"),
            ("one-byte", "stop"),
            ("json-answer", "stop"),
        ] {
            let plan = Plan {
                faults: vec![fault.parse().unwrap()],
                ..Plan::text("<speech>Good evening, traveller.</speech>")
            };
            let all = perform(&plan, Pace::default(), 1);
            let deadline = tokio::time::sleep(Duration::from_secs(60));
            let all: Vec<_> = all.take_until(deadline).collect().await;
            let whole = plan.timeline(Pace::default()).len();
            let deltas = all.iter().filter(|item| matches!(item, Ok(Delta::Text(_)))).count();
            let half = if deltas == whole.div_ceil(2) { " after half" } else { "" };
            let got = match all.last() {
                Some(Ok(Delta::Finish(reason))) => reason.clone(),
                Some(Err(error)) => format!("{:?}{half}", error.kind),
                _ => format!("silence{half}"),
            };
            assert_eq!(got, expected, "{fault}");
        }
    }
}
