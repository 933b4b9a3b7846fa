//! Looking in the store for what memory doesn't hold. The message that needs it waits, and so do those
//! behind it; the running turn doesn't.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Agent, AgentMessage, Delivery};
use crate::record::PastTurn;
use crate::store::{StoreError, StoredAgent};

/// What the store knows of a turn.
pub(super) type FoundTurn = Result<Option<PastTurn>, StoreError>;

/// What was found.
pub(super) enum Found {
    /// The turn that a message is about.
    Turn(FoundTurn),
    /// Older turns, which a state asks to see in prompts.
    Turns(Result<StoredAgent, StoreError>),
}

/// A message that waits, and the look-up that it waits for.
pub(super) struct LookUp {
    delivery: Delivery,
    found: BoxFuture<'static, Found>,
}

/// What the look-up under way finds; never, if there is none. Safe to be dropped.
pub(super) async fn next_found(look_up: Option<&mut LookUp>) -> Found {
    match look_up {
        Some(look_up) => (&mut look_up.found).await,
        None => std::future::pending().await,
    }
}

impl Agent {
    /// Deals with a message at once, or when what it needs has been looked up.
    pub(super) fn on_delivery(&mut self, delivery: Delivery) {
        match self.needed_for(&delivery.message) {
            Some(found) => self.look_up = Some(LookUp { delivery, found }),
            None => self.on_message(delivery, None),
        }
    }

    /// The look-up has come to its end.
    pub(super) fn on_found(&mut self, found: Found) {
        let Some(LookUp { delivery, .. }) = self.look_up.take() else { return };
        let turn = match found {
            Found::Turn(turn) => Some(turn),
            Found::Turns(Ok(stored)) => {
                self.memory.recall(stored.history.turns);
                None
            }
            Found::Turns(Err(error)) => {
                tracing::error!(agent = %self.agent_id, %error, "no turns are recalled");
                None
            }
        };
        self.on_message(delivery, turn);
    }

    fn needed_for(&mut self, message: &AgentMessage) -> Option<BoxFuture<'static, Found>> {
        let (turn_id, state) = match message {
            AgentMessage::Result(result) => (Some(&result.turn_id), None),
            AgentMessage::ToolResults(results) => (Some(&results.turn_id), None),
            AgentMessage::Cancel(cancel) => (cancel.turn_id.as_ref(), None),
            AgentMessage::Snapshot(snapshot) => (None, Some(&snapshot.state)),
            AgentMessage::Event(event) => (None, event.state.as_ref()),
            AgentMessage::Notification(_) => (None, None),
        };
        let (store, session) = (self.services.store.clone(), self.session_id.clone());
        let agent = self.agent_id.clone();
        if let Some(turn_id) = turn_id.filter(|turn_id| self.memory.turn(turn_id).is_none()) {
            let turn_id = turn_id.clone();
            let find =
                async move { Found::Turn(store.find_turn(&session, &agent, &turn_id).await) };
            return Some(find.boxed());
        }
        let wanted = state?.history_turns.and_then(|turns| usize::try_from(turns).ok());
        let turns = self.memory.keep(wanted.unwrap_or_default())?;
        let load = async move { Found::Turns(store.load_agent(&session, &agent, turns).await) };
        Some(load.boxed())
    }
}
