//! A reply under way, as its connection hears it.

use dramatis_protocol::Usage;
use dramatis_protocol::rpc::{ChatEnd, Chunk, FaultCode, RpcFrame, RpcPayload};

use super::outgoing::Outgoing;
use crate::chat::{CancelReason, End, Listener, New, Outcome, Stage};

/// A reply under way. Dropping it cancels the reply.
pub(super) struct Turn {
    listener: Listener,
    stage: Stage,
}

impl Turn {
    pub const fn new(listener: Listener, stage: Stage) -> Self {
        Self { listener, stage }
    }

    pub fn cancel(&self, reason: CancelReason) {
        self.listener.cancel(reason);
    }

    /// Sends what is new, as much as is sent in one go. The end, once everything is sent.
    pub fn take(&mut self, out: &mut Outgoing) -> Option<End> {
        let Self { listener, stage } = self;
        let end = listener.look(|new| match new {
            New::Text { text, piece, since } => {
                let metadata = Chunk {
                    model: stage.model.as_str().into(),
                    tokens_per_second: pace(piece, since.as_secs_f64()),
                    world_id: (&*stage.world_id).into(),
                };
                let payload = RpcPayload { content: text.into(), metadata };
                out.push(&RpcFrame::ChatChunk(payload));
                None
            }
            New::End(end) => Some(End::clone(end)),
        });
        end.flatten()
    }
}

/// The next change of the turn that is listened to; never, if there is none. Safe to be dropped.
pub(super) async fn next_change(turn: Option<&mut Turn>) {
    match turn {
        Some(turn) => turn.listener.changed().await,
        None => std::future::pending().await,
    }
}

/// Before this much time has passed nothing can be said of a pace, in seconds.
const TOO_SOON: f64 = 0.01;

/// Tokens a second with two decimals; 0 until there are two.
fn pace(pieces: usize, seconds: f64) -> f64 {
    if pieces < 2 || seconds < TOO_SOON {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let pace = pieces as f64 / seconds;
    (pace * 100.0).round() / 100.0
}

/// What a client is told of an end, the last of it `chat_end`.
pub(super) fn tell_end(end: &End, out: &mut Outgoing) {
    match &end.outcome {
        Outcome::Finished { .. } => {}
        Outcome::Cancelled(CancelReason::Shutdown) => {
            let message = "the server is going down; what was said so far is kept";
            out.push(&RpcFrame::error(FaultCode::Shutdown, message));
        }
        Outcome::Cancelled(_) => out.push(&RpcFrame::update("✗ Stream cancelled by user.")),
        Outcome::Failed { code, message } => out.push(&RpcFrame::error(*code, message)),
        Outcome::Refused(message) => out.push(&RpcFrame::update(format!("✗ {message}"))),
        Outcome::NotStored(message) => {
            out.push(&RpcFrame::error(FaultCode::NotStored, message));
        }
    }
    if let Some(reason) = &end.unstored {
        let message = format!("the reply could not be stored, and is not in the history: {reason}");
        out.push(&RpcFrame::error(FaultCode::NotStored, message));
    }
    out.push(&chat_end(end));
}

fn chat_end(end: &End) -> RpcFrame<'static> {
    let pieces = u64::try_from(end.pieces).unwrap_or(u64::MAX);
    let usage = end.usage.clone().map(Usage::from);
    let total_tokens = usage.as_ref().map_or(pieces, |usage| usage.output_tokens);
    RpcFrame::ChatEnd(RpcPayload { content: "".into(), metadata: ChatEnd { total_tokens, usage } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "the figures are exact")]
    fn the_pace_has_two_decimals_and_begins_with_the_second_piece() {
        assert_eq!(pace(1, 0.5), 0.0);
        assert_eq!(pace(2, 0.000_001), 0.0);
        assert_eq!(pace(10, 3.0), 3.33);
        assert_eq!(pace(50, 1.0), 50.0);
    }
}
