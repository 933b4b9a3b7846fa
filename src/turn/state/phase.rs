//! The phases of an agent: at rest, asking for its state, running a turn, presenting it.

use dramatis_protocol::Id;

use super::event::Event;
use crate::clock::Millis;

/// The turn that a follow-up answers.
#[derive(Debug, Clone)]
pub struct FollowUp {
    /// The turn whose calls were answered.
    pub turn_id: Id,
    /// The event that it was for.
    pub event_id: Id,
    /// Its priority.
    pub priority: i32,
}

/// The state has been asked for.
#[derive(Debug)]
pub struct Asking {
    /// The open question.
    pub request_id: Id,
    /// What the turn will answer; empty for a follow-up.
    pub events: Vec<Event>,
    /// The turn that it follows up, while no event took it over.
    pub follow_up: Option<FollowUp>,
    /// When the agent turned to it.
    pub since: Millis,
    /// Whether the question was sent: not where an event brought the state along.
    pub asked: bool,
}

/// An interruption that waits for an uninterruptible tag.
#[derive(Debug)]
pub struct Cut {
    /// The event that interrupts.
    pub by: Id,
    /// What the next turn will answer.
    pub batch: Vec<Event>,
    /// When it won't wait any longer.
    pub deadline: Millis,
}

/// A turn is open.
#[derive(Debug)]
pub struct Running {
    /// The turn.
    pub turn_id: Id,
    /// The highest priority of its events.
    pub priority: i32,
    /// Whether a tag is open that must be finished before an interruption.
    pub holding: bool,
    /// The interruption that waits for that.
    pub cut: Option<Cut>,
    /// Whether the game has confirmed it already.
    pub confirmed: bool,
}

/// Where an agent stands.
#[derive(Debug)]
pub enum Phase {
    /// At rest.
    Idle,
    /// A turn is being prepared.
    Asking(Asking),
    /// A turn is open.
    Running(Running),
    /// The turn has ended, the character is still speaking.
    Presenting {
        /// The turn.
        turn_id: Id,
        /// When it counts as presented without a word of the game.
        until: Millis,
    },
}
