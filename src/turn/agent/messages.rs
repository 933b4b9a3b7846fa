//! What the game says to an agent, handed to whoever deals with it.

use dramatis_protocol::{CancelTurn, Id, InteractionEvent, NotificationEvent};

use super::super::state::{Event, Input};
use super::look_up::FoundTurn;
use super::{Agent, AgentMessage, Delivery};
use crate::record::{Observation, Occurrence};

impl Agent {
    /// Deals with a message; `found` is the turn that it is about, where it had to be looked up.
    pub(super) fn on_message(&mut self, delivery: Delivery, found: Option<FoundTurn>) {
        let message_id = delivery.message_id;
        match delivery.message {
            AgentMessage::Event(event) => self.on_event(*event, message_id),
            AgentMessage::Notification(notification) => self.on_notification(*notification),
            AgentMessage::Snapshot(snapshot) => {
                let at_fault = message_id.or_else(|| snapshot.request_id.clone());
                if let Some(state) = self.take_state(snapshot.state, at_fault) {
                    self.tell(Input::Snapshot { request_id: snapshot.request_id, state });
                }
            }
            AgentMessage::Result(result) => self.on_result(*result, message_id, found),
            AgentMessage::ToolResults(results) => {
                self.on_tool_results(*results, message_id, found);
            }
            AgentMessage::Cancel(cancel) => self.on_cancel(cancel, message_id.as_ref(), found),
        }
    }

    fn on_event(&mut self, event: InteractionEvent, message_id: Option<Id>) {
        let id = event.event_id.unwrap_or_else(|| self.services.ids.next("event"));
        let state = match event.state {
            None => None,
            Some(state) => {
                let at_fault = message_id.unwrap_or_else(|| id.clone());
                let Some(state) = self.take_state(state, Some(at_fault)) else { return };
                Some(state)
            }
        };
        let occurrence = Occurrence {
            event_id: Some(id.clone()),
            event_type: event.event_type,
            text: event.text,
            actor: event.actor,
            data: event.data,
        };
        self.log_event(&occurrence);
        let event = Event {
            id,
            occurrence,
            priority: event.priority,
            interrupt: event.interrupt,
            state,
            arrived: self.now(),
            order: self.memory.next_order(),
        };
        self.tell_and_let_hear(Input::Event(event));
    }

    fn on_notification(&mut self, notification: NotificationEvent) {
        let occurrence = Occurrence {
            event_id: notification.event_id,
            event_type: notification.event_type,
            text: notification.text,
            actor: notification.actor,
            data: notification.data,
        };
        self.log_notification(&occurrence);
        let order = self.memory.next_order();
        self.observe(order, Observation::Notification(occurrence), None);
    }

    fn on_cancel(&mut self, cancel: CancelTurn, message_id: Option<&Id>, found: Option<FoundTurn>) {
        if let Some(turn_id) = &cancel.turn_id
            && self.known_turn(turn_id, message_id, found).is_none()
        {
            return;
        }
        self.log_cancel(&cancel);
        self.tell_and_let_hear(Input::Cancel { turn_id: cancel.turn_id });
    }
}
