//! What is counted at the end of a turn, and only there. Labels are few and fixed: no id is one.

use dramatis_protocol::InterruptReason;
use metrics::{counter, histogram};

use crate::llm::ErrorKind;
use crate::record::{TurnEnd, TurnRecord};

/// A turn is over.
pub(super) fn count_turn(record: &TurnRecord, provider: &'static str) {
    match &record.end {
        TurnEnd::Finished { .. } => {
            counter!("dramatis_turns_total", "outcome" => "finished").increment(1);
        }
        TurnEnd::Interrupted { reason } => {
            counter!("dramatis_turns_total", "outcome" => "interrupted").increment(1);
            counter!("dramatis_interruptions_total", "cause" => cause(*reason)).increment(1);
        }
    }
    if let Some(millis) = record.timings.first_speech {
        histogram!("dramatis_first_speech_seconds").record(seconds(millis));
    }
    if let Some(millis) = record.timings.total {
        histogram!("dramatis_turn_duration_seconds").record(seconds(millis));
    }
    for (kind, count) in &record.warnings {
        counter!("dramatis_parse_repairs_total", "kind" => kind.clone()).increment(*count);
    }
    let Some(usage) = &record.usage else { return };
    let tokens = [
        ("input", Some(usage.input_tokens)),
        ("output", Some(usage.output_tokens)),
        ("cached_input", usage.cached_input_tokens),
    ];
    for (kind, count) in tokens {
        let counted = counter!("dramatis_tokens_total", "provider" => provider, "type" => kind);
        counted.increment(count.unwrap_or_default());
    }
}

/// A fallback spoke for a model of this provider.
pub(super) fn count_fallback(provider: &'static str) {
    counter!("dramatis_fallbacks_total", "provider" => provider).increment(1);
}

/// A request to a model failed.
pub(super) fn count_failure(provider: &'static str, kind: ErrorKind) {
    let kind = match kind {
        ErrorKind::Auth => "auth",
        ErrorKind::Refused => "refused",
        ErrorKind::RateLimited => "rate_limited",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::Provider => "provider",
    };
    counter!("dramatis_provider_errors_total", "provider" => provider, "kind" => kind).increment(1);
}

/// As the wire spells it.
const fn cause(reason: InterruptReason) -> &'static str {
    match reason {
        InterruptReason::NewerEvent => "newer_event",
        InterruptReason::Cancelled => "cancelled",
        InterruptReason::Disconnected => "disconnected",
        InterruptReason::Timeout => "timeout",
        InterruptReason::ProviderError => "provider_error",
        InterruptReason::Shutdown => "shutdown",
    }
}

fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}
