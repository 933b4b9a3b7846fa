//! How a reply in a chat ends.

use dramatis_protocol::rpc::FaultCode;
use dramatis_protocol::{Id, InterruptReason};

use crate::record::Usage;

/// Who ended a reply before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// Whoever asked for it.
    User,
    /// Nobody: whoever asked for it has gone.
    Left,
    /// The server goes down.
    Shutdown,
}

impl CancelReason {
    /// As records spell it.
    pub(super) const fn as_interruption(self) -> InterruptReason {
        match self {
            Self::User => InterruptReason::Cancelled,
            Self::Left => InterruptReason::Disconnected,
            Self::Shutdown => InterruptReason::Shutdown,
        }
    }
}

/// How a reply ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The model came to its end.
    Finished {
        /// The finish reason, as the wire spells it.
        reason: String,
    },
    /// It was cancelled.
    Cancelled(CancelReason),
    /// The model or its provider failed.
    Failed {
        /// What kind of failure.
        code: FaultCode,
        /// A sentence for whoever asked.
        message: String,
    },
    /// Nobody can be asked: a sentence that says what is missing.
    Refused(String),
    /// What was said could not be stored, and so nobody was asked.
    NotStored(String),
}

/// The end of a reply, when everything about it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// How it ended.
    pub outcome: Outcome,
    /// The reply's message, if there is one.
    pub message_id: Option<Id>,
    /// How many pieces it had.
    pub pieces: usize,
    /// What it used, where the provider says so.
    pub usage: Option<Usage>,
    /// Whether the session has a title since.
    pub has_new_title: bool,
    /// Why the reply is not in the history, if it isn't.
    pub unstored: Option<String>,
}

impl End {
    /// Whether somebody ended it before its time.
    #[must_use]
    pub const fn was_cancelled(&self) -> bool {
        matches!(self.outcome, Outcome::Cancelled(_))
    }

    /// An end of which there is nothing more to tell.
    #[must_use]
    pub const fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            message_id: None,
            pieces: 0,
            usage: None,
            has_new_title: false,
            unstored: None,
        }
    }
}
