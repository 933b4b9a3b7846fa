//! One task for each agent: it owns everything about the agent while it lives.
//!
//! The registry sends it what the game says; the running generation is a value that it holds and
//! drops to interrupt. Rules are `state`'s, frames are `active_stream`'s; this module carries
//! messages and effects between them, the memory, the store and the log. It ends when the registry
//! lets go of it or when nothing has happened for long.

mod inbox;
mod logging;
mod look_up;
mod memory;
mod messages;
mod metrics;
mod remembering;
mod results;
mod running;
mod states;
mod storing;
mod turns;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use dramatis_protocol::{
    DropReason, ErrorCode, ErrorMessage, EventDropped, GetAgentState, Id, InterruptReason,
    ServerMessage, TagDefinition,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::sleep_until;

pub use inbox::{AgentMessage, Connected, Delivery, ToAgent};
use look_up::{LookUp, next_found};
use memory::Memory;
pub use memory::TURNS_IN_MEMORY;
use running::{Running, next_step};
use writes::{Promise, Writes};

use super::state::{Effect, Event, Input, Rules, State};
use crate::clock::{Clock, Ids, Millis};
use crate::generation::Generator;
use crate::llm::Learnt;
use crate::record::{Observation, TurnEnd};
use crate::store::{Store, StoredAgent};
use crate::tags::Vocabulary;
use crate::turn_log::TurnLog;

/// How long it stays in memory, at least, for tools that have not answered: a player may take a
/// while to choose.
const TOOL_PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What every agent works with.
#[derive(Clone)]
pub struct Services {
    /// Keeps what must outlive the task.
    pub store: Store,
    /// Keeps what people and replay need.
    pub log: TurnLog,
    /// The way to the model.
    pub generator: Generator,
    /// Time.
    pub clock: Clock,
    /// Ids.
    pub ids: Ids,
    /// Times and sizes of a turn.
    pub rules: Rules,
    /// The model that plays an agent whose state names none.
    pub default_model: String,
    /// Which models begin inside their reasoning.
    pub reasoning: Learnt,
    /// How long an agent stays in memory when nothing happens.
    pub idle_timeout: Duration,
}

/// Why an agent's task came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing happened for long; everything is committed.
    Idle,
    /// Nobody can reach it any more.
    LetGo,
}

/// What is left to be done about a turn that was cut; nothing else happens before.
struct Aftermath {
    cut: Box<Running>,
    reason: InterruptReason,
    then: Vec<Effect>,
}

/// An agent's task.
pub struct Agent {
    session_id: Id,
    agent_id: Id,
    services: Arc<Services>,
    connection: Option<Connected>,
    state: State,
    memory: Memory,
    /// Boxed, because few of the agents in memory are speaking.
    running: Option<Box<Running>>,
    aftermath: Option<Aftermath>,
    look_up: Option<LookUp>,
    writes: Writes,
    /// Who waits until everything is written.
    settling: Vec<oneshot::Sender<bool>>,
    /// Whether the game has been told that nothing can be stored.
    told_of_failure: bool,
    /// Whether the play session has a name, and so outlives its connections.
    named: bool,
    vocabulary: Option<(Vec<TagDefinition>, Arc<Vocabulary>)>,
    last_activity: Millis,
}

impl Agent {
    /// The agent as the store knows it.
    #[must_use]
    pub fn new(session_id: Id, agent_id: Id, services: Arc<Services>, stored: StoredAgent) -> Self {
        let state = State::new(
            services.rules.clone(),
            services.ids.clone(),
            stored.state,
            stored.known_events,
        );
        let writes = Writes::new(services.store.clone(), session_id.clone(), agent_id.clone());
        let last_activity = services.clock.now();
        Self {
            session_id,
            agent_id,
            services,
            connection: None,
            state,
            memory: Memory::new(stored.history, stored.turn_count),
            running: None,
            aftermath: None,
            look_up: None,
            writes,
            settling: Vec::new(),
            told_of_failure: false,
            named: false,
            vocabulary: None,
            last_activity,
        }
    }

    /// The same agent, speaking over this connection.
    #[must_use]
    pub fn connected(mut self, connected: Option<Connected>) -> Self {
        self.named = connected.as_ref().is_some_and(|connected| connected.named);
        self.connection = connected;
        self
    }

    /// The agent's id.
    #[must_use]
    pub const fn id(&self) -> &Id {
        &self.agent_id
    }

    /// Serves the inbox until the agent is let go or has been idle for long.
    pub async fn run(&mut self, inbox: &mut mpsc::Receiver<ToAgent>) -> Rest {
        let alarm = sleep_until(self.services.clock.instant(self.wake_at()));
        tokio::pin!(alarm);
        loop {
            if self.aftermath.is_some() {
                yield_now().await;
                self.carry_out_aftermath();
            }
            self.keep_up();
            // The alarm is moved only where something is due before it: moving it costs, and this
            // is on the way of every delta. Too early, it is set anew when it rings.
            let wake = self.services.clock.instant(self.wake_at());
            if wake < alarm.deadline() {
                alarm.as_mut().reset(wake);
            }
            tokio::select! {
                biased;
                found = next_found(self.look_up.as_mut()) => self.on_found(found),
                next = inbox.recv(), if self.listens() => match next {
                    Some(next) => self.receive(next),
                    None => {
                        // Whoever lets go has told it to leave before; a turn must end all the same.
                        self.leave(true);
                        return Rest::LetGo;
                    }
                },
                done = self.writes.next_done(), if !self.writes.are_done() => {
                    self.acknowledge(done);
                }
                step = next_step(self.running.as_deref_mut()) => self.advance(step),
                () = alarm.as_mut() => {
                    if self.is_idle() {
                        return Rest::Idle;
                    }
                    self.tell(Input::Tick);
                    alarm.as_mut().reset(self.services.clock.instant(self.wake_at()));
                }
            }
        }
    }

    /// Whether it takes messages: not while one waits for a look-up, or too many writes wait.
    fn listens(&self) -> bool {
        self.look_up.is_none() && self.writes.have_room()
    }

    fn receive(&mut self, next: ToAgent) {
        self.last_activity = self.now();
        match next {
            ToAgent::Connect { connected, done } => {
                if self.epoch().is_none_or(|epoch| epoch < connected.epoch) {
                    self.leave(false);
                    self.named = connected.named;
                    self.connection = Some(connected);
                }
                drop(done);
            }
            ToAgent::Disconnect { connected, shutdown, done } => {
                if self.epoch() == Some(connected.epoch) {
                    self.leave(shutdown);
                    self.connection = None;
                }
                if !shutdown {
                    self.settle_turns(&connected.outbox);
                }
                drop(done);
            }
            ToAgent::Settle { done } => self.settle(done),
            ToAgent::Message(delivery) => {
                if self.epoch() == Some(delivery.epoch) {
                    self.on_delivery(delivery);
                }
            }
        }
    }

    /// The connection is another's from now on, or nobody's.
    fn leave(&mut self, shutdown: bool) {
        self.tell(Input::Leave { shutdown });
    }

    /// Tells the rules and carries out what follows.
    fn tell(&mut self, input: Input) {
        let now = self.now();
        for effect in self.state.handle(now, input) {
            self.carry_out(effect);
        }
    }

    /// As [`Self::tell`]; but when a turn is cut, its game and its provider hear of it before what
    /// there was of it is kept and the next turn is prepared.
    fn tell_and_let_hear(&mut self, input: Input) {
        let now = self.now();
        let mut effects = self.state.handle(now, input).into_iter();
        while let Some(effect) = effects.next() {
            let Effect::Cut { turn_id, reason, by_event_id } = effect else {
                self.carry_out(effect);
                continue;
            };
            if let Some(cut) = self.interrupt_turn(&turn_id, reason, by_event_id) {
                self.aftermath = Some(Aftermath { cut, reason, then: effects.collect() });
                return;
            }
        }
    }

    fn carry_out_aftermath(&mut self) {
        let Some(Aftermath { cut, reason, then }) = self.aftermath.take() else { return };
        self.keep_turn(*cut, TurnEnd::Interrupted { reason }, None);
        for effect in then {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::AskState { request_id, event_id } => {
                let agent_id = self.agent_id.clone();
                self.send(ServerMessage::GetAgentState(GetAgentState {
                    request_id,
                    agent_id,
                    event_id,
                }));
            }
            Effect::Start(start) => self.begin_turn(*start),
            Effect::Cut { turn_id, reason, by_event_id } => {
                self.cut_turn(&turn_id, reason, by_event_id);
            }
            Effect::Drop { event_id, reason } => self.drop_event(event_id, reason),
            Effect::Observe(event) => self.observe_event(event),
            Effect::StateMissing { request_id, event_id } => {
                self.report_missing_state(&request_id, event_id);
            }
        }
    }

    fn drop_event(&mut self, event_id: Id, reason: DropReason) {
        self.log_dropped(&event_id, reason);
        let agent_id = self.agent_id.clone();
        self.send(ServerMessage::EventDropped(EventDropped { agent_id, event_id, reason }));
    }

    fn observe_event(&mut self, event: Event) {
        self.observe(event.order, Observation::Event(event.occurrence), None);
    }

    fn observe(&mut self, order: u64, observation: Observation, promise: Option<Promise>) {
        if self.memory.observe(order, observation.clone()) {
            self.writes.observation(observation, promise);
        } else {
            self.writes.out_of_order(promise);
        }
    }

    fn report_missing_state(&mut self, request_id: &Id, event_id: Id) {
        let message = format!(
            "the state of agent \"{}\" did not come within {} ms and none is known: answer \
             get_agent_state {request_id} with agent_state_snapshot",
            self.agent_id, self.services.rules.state_timeout,
        );
        let mut error = ErrorMessage::new(ErrorCode::StateTimeout, message);
        error.in_reply_to = Some(event_id);
        self.fail(error);
    }

    /// Sends an error about this agent.
    fn fail(&mut self, mut error: ErrorMessage) {
        error.agent_id = Some(self.agent_id.clone());
        self.log_error(&error);
        self.send(ServerMessage::Error(error));
    }

    fn send(&self, message: ServerMessage) {
        if let Some(connected) = &self.connection {
            connected.outbox.send(message);
        }
    }

    fn epoch(&self) -> Option<u64> {
        self.connection.as_ref().map(|connected| connected.epoch)
    }

    fn now(&self) -> Millis {
        self.services.clock.now()
    }

    fn wake_at(&self) -> Millis {
        let patience = u64::try_from(self.patience().as_millis()).unwrap_or(u64::MAX);
        let idle = self.last_activity.saturating_add(patience.max(1));
        let idle =
            if self.is_at_rest() { idle } else { idle.max(self.now().saturating_add(1_000)) };
        let next = [self.state.deadline(), self.writes.next_catch_up()];
        next.into_iter().flatten().fold(idle, u64::min)
    }

    fn is_at_rest(&self) -> bool {
        self.running.is_none()
            && self.state.is_at_rest()
            && self.writes.are_done()
            && !self.writes.are_behind()
            && self.is_newest_turn_sent()
    }

    /// While the game has not been handed all of the newest turn, its history may still change.
    fn is_newest_turn_sent(&self) -> bool {
        let (Some(newest), Some(connected)) = (self.memory.newest(), &self.connection) else {
            return true;
        };
        connected.outbox.with(|outbox| outbox.has_sent(&newest.turn_id))
    }

    fn is_idle(&self) -> bool {
        let silent_for = self.now().saturating_sub(self.last_activity);
        Duration::from_millis(silent_for) >= self.patience() && self.is_at_rest()
    }

    /// How long it stays awake when nothing happens. Only an agent that is awake can speak to what
    /// its tools answer.
    fn patience(&self) -> Duration {
        let idle = self.services.idle_timeout;
        if self.state.awaits_answers() { idle.max(TOOL_PATIENCE) } else { idle }
    }
}
