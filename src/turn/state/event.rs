//! An event on its way to a turn, and the bound on how many may be on it.

use std::sync::Arc;

use dramatis_protocol::{AgentState, Id, Interrupt};

use crate::clock::Millis;
use crate::record::Occurrence;

/// An event that the agent should react to.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its id.
    pub id: Id,
    /// What happened.
    pub occurrence: Occurrence,
    /// Higher goes first.
    pub priority: i32,
    /// What it does to a turn that runs.
    pub interrupt: Interrupt,
    /// The agent's state at that moment, if it came along.
    pub state: Option<Arc<AgentState>>,
    /// When it came.
    pub arrived: Millis,
    /// Its place among everything that the agent perceived.
    pub order: u64,
}

/// Adds an event to a list of at most `max`. Beyond, the oldest of the lowest priority has to go,
/// which may be the new one; it comes back.
pub fn push_bounded(list: &mut Vec<Event>, event: Event, max: usize) -> Option<Event> {
    list.push(event);
    if list.len() <= max {
        return None;
    }
    let victim = list
        .iter()
        .enumerate()
        .min_by_key(|(_, event)| (event.priority, event.order))
        .map(|(index, _)| index)?;
    Some(list.remove(victim))
}

/// The order in which what waited is answered: highest priority first, then oldest.
pub fn sort_waiting(list: &mut [Event]) {
    list.sort_by_key(|event| (std::cmp::Reverse(event.priority), event.order));
}
