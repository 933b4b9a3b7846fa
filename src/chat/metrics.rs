//! What is counted at the end of a turn in a chat.

use metrics::counter;

use super::end::Outcome;

/// A turn is over.
pub(super) fn count_turn(outcome: &Outcome) {
    let outcome = match outcome {
        Outcome::Finished { .. } => "finished",
        Outcome::Cancelled(_) => "cancelled",
        Outcome::Failed { .. } => "failed",
        Outcome::Refused(_) | Outcome::NotStored(_) => "refused",
    };
    counter!("dramatis_chat_turns_total", "outcome" => outcome).increment(1);
}
