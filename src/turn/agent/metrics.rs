//! What is counted at the end of a turn, and only there. Labels are few and fixed: no id is one.

use dramatis_protocol::InterruptReason;
use metrics::{counter, histogram};

use crate::record::{TurnEnd, TurnRecord};

/// A turn is over.
pub(super) fn count_turn(record: &TurnRecord) {
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
