//! What reaches an agent's task, and over which connection.

use dramatis_protocol::{
    AgentStateSnapshot, AgentTurnResult, CancelTurn, Id, InteractionEvent, NotificationEvent,
    ToolResults,
};
use tokio::sync::{mpsc, oneshot};

use super::super::outbox::OutboxHandle;

/// The connection that a play session has now.
#[derive(Debug, Clone)]
pub struct Connected {
    /// Its queue.
    pub outbox: OutboxHandle,
    /// Its number in the session: what an older one sent late is told from it.
    pub epoch: u64,
    /// Whether the session has a name, and so outlives its connections.
    pub named: bool,
}

/// A message of the game for one agent.
#[derive(Debug, Clone)]
pub enum AgentMessage {
    /// Something to react to.
    Event(Box<InteractionEvent>),
    /// Something to know.
    Notification(Box<NotificationEvent>),
    /// The agent's state.
    Snapshot(Box<AgentStateSnapshot>),
    /// What was shown of a turn.
    Result(Box<AgentTurnResult>),
    /// What tools answered.
    ToolResults(Box<ToolResults>),
    /// Stop.
    Cancel(CancelTurn),
}

impl AgentMessage {
    /// What an error about it names if it carries no message id.
    #[must_use]
    pub const fn own_id(&self) -> Option<&Id> {
        match self {
            Self::Event(event) => event.event_id.as_ref(),
            Self::Notification(notification) => notification.event_id.as_ref(),
            Self::Snapshot(snapshot) => snapshot.request_id.as_ref(),
            Self::Result(result) => Some(&result.turn_id),
            Self::ToolResults(results) => Some(&results.turn_id),
            Self::Cancel(cancel) => cancel.turn_id.as_ref(),
        }
    }
}

/// A message with what is needed to answer it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message.
    pub message: AgentMessage,
    /// The game's id of the message.
    pub message_id: Option<Id>,
    /// The connection that it came over.
    pub epoch: u64,
}

/// What an agent's task is told.
#[derive(Debug)]
pub enum ToAgent {
    /// The session has a connection; an older one is left.
    Connect {
        /// The new connection.
        connected: Connected,
        /// Dropped when the agent is done with the older one.
        done: mpsc::Sender<()>,
    },
    /// The session's connection is gone.
    Disconnect {
        /// Which connection.
        connected: Connected,
        /// The server goes down: the connection still takes what waits.
        shutdown: bool,
        /// Dropped when the agent is done with it.
        done: mpsc::Sender<()>,
    },
    /// Everything shall be written.
    Settle {
        /// Told whether it is.
        done: oneshot::Sender<bool>,
    },
    /// The game says something.
    Message(Delivery),
}
