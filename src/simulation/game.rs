//! A game: the world, its socket, and the steps of a scenario, taken one after the other.

use std::time::Duration;

use dramatis_protocol::limits::PROTOCOL_VERSION;
use dramatis_protocol::{
    CancelTurn, ClientMessage, Hello, Id, InteractionEvent, Interrupt, NotificationEvent,
    PromptPart, ServerMessage, Welcome,
};
use tokio::time::{Instant, sleep_until, timeout};

use super::SimulationError;
use super::report::Report;
use super::scenario::{EventStep, ExpectStep, NotifyStep, Scenario, SetStep, Step};
use super::socket::Socket;
use super::stage::{Pace, Presenter, StageEvent};
use super::world::{Mark, World};

/// How long a server may take to answer `hello`.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last results may take to be confirmed.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a turn about tool answers may take to begin; there may be none.
const FOLLOW_UP_TIMEOUT: Duration = Duration::from_secs(40);

/// How a scenario is played.
#[derive(Debug, Clone)]
pub struct PlayOptions {
    /// How fast the game presents.
    pub pace: Pace,
    /// The model that plays every character, if another than the server's.
    pub model: Option<String>,
    /// How long a step may wait.
    pub patience: Duration,
    /// How many events the play session has had: they have numbers of their own.
    pub events_before: usize,
}

impl Default for PlayOptions {
    fn default() -> Self {
        let patience = Duration::from_secs(150);
        Self { pace: Pace::READING, model: None, patience, events_before: 0 }
    }
}

/// A connected game.
pub struct Game {
    socket: Socket,
    welcome: Welcome,
}

/// What a step waits for.
enum Until {
    Now,
    Idle(Id),
    Marked(Id),
    Time(Instant),
    Quiet,
    Confirmed(Instant),
}

impl Game {
    /// Connects and says hello.
    ///
    /// # Errors
    /// If there is no connection, or the server doesn't welcome the game within ten seconds.
    pub async fn connect(url: &str, hello: Hello) -> Result<Self, SimulationError> {
        let mut socket = Socket::connect(url).await?;
        let hello = Hello { protocol: Some(PROTOCOL_VERSION.to_owned()), ..hello };
        socket.send(&ClientMessage::Hello(hello)).await?;
        let welcome = timeout(WELCOME_TIMEOUT, welcome(&mut socket)).await.map_err(|_| {
            SimulationError::Refused("it did not answer `hello` within 10 s".to_owned())
        })??;
        Ok(Self { socket, welcome })
    }

    /// The server's answer to `hello`.
    #[must_use]
    pub const fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Plays a scenario to its end and says goodbye.
    ///
    /// # Errors
    /// If the connection breaks, or a step waits in vain. What characters and server do wrong is
    /// no error but stands in the report.
    pub async fn play(
        self,
        scenario: &Scenario,
        options: &PlayOptions,
        presenter: &mut dyn Presenter,
    ) -> Result<Report, SimulationError> {
        let began = Instant::now();
        let mut world = World::new(scenario, options.pace, began);
        world.report.session_id = self.welcome.session_id.to_string();
        for agent in world.agents.values_mut() {
            agent.state.model = options.model.clone().or(agent.state.model.take());
        }
        let mut run = Run { socket: self.socket, world, presenter, options };
        for (number, step) in scenario.steps.iter().enumerate() {
            let until = run.take(step);
            run.wait(number + 1, until).await?;
        }
        run.wait(scenario.steps.len(), Until::Quiet).await?;
        let confirmed = Until::Confirmed(Instant::now() + CONFIRM_TIMEOUT);
        run.wait(scenario.steps.len(), confirmed).await?;
        let mut report = run.world.report;
        report.total_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        run.socket.close().await;
        Ok(report)
    }
}

async fn welcome(socket: &mut Socket) -> Result<Welcome, SimulationError> {
    loop {
        match socket.receive().await? {
            ServerMessage::Welcome(welcome) => return Ok(welcome),
            ServerMessage::Error(error) => return Err(SimulationError::Refused(error.message)),
            _ => {}
        }
    }
}

/// A scenario that is being played.
struct Run<'a> {
    socket: Socket,
    world: World<'a>,
    presenter: &'a mut dyn Presenter,
    options: &'a PlayOptions,
}

impl Run<'_> {
    /// Goes on until what the step waits for has come: messages are taken as they come, text is
    /// shown when it is due.
    async fn wait(&mut self, step: usize, until: Until) -> Result<(), SimulationError> {
        let deadline = Instant::now() + self.options.patience;
        loop {
            self.world.tick(Instant::now());
            self.flush().await?;
            let now = Instant::now();
            self.give_up_follow_ups(now);
            if self.is_met(&until, now) {
                self.world.mark = None;
                return Ok(());
            }
            if now >= deadline {
                let seconds = self.options.patience.as_secs();
                return Err(SimulationError::Stuck { step, seconds, what: until.what() });
            }
            let due = self.world.due().unwrap_or(deadline).min(until.time().unwrap_or(deadline));
            tokio::select! {
                message = self.socket.receive() => {
                    self.world.receive(message?, Instant::now());
                }
                () = sleep_until(due.min(deadline).min(now + FOLLOW_UP_TIMEOUT)) => {}
            }
        }
    }

    async fn flush(&mut self) -> Result<(), SimulationError> {
        for event in self.world.shown.drain(..) {
            self.presenter.show(&event);
        }
        for message in self.world.out.drain(..) {
            self.socket.send(&message).await?;
        }
        Ok(())
    }

    fn is_met(&self, until: &Until, now: Instant) -> bool {
        let is_idle = |id: &Id| self.world.agents.get(id).is_none_or(super::agent::Agent::is_idle);
        match until {
            Until::Now => true,
            Until::Idle(id) => is_idle(id),
            Until::Marked(id) => self.world.is_marked() || is_idle(id),
            Until::Time(time) => now >= *time,
            Until::Quiet => self.world.agents.keys().all(is_idle),
            Until::Confirmed(latest) => self.world.unconfirmed == 0 || now >= *latest,
        }
    }

    /// The server may have its reasons to let no turn follow.
    fn give_up_follow_ups(&mut self, now: Instant) {
        for agent in self.world.agents.values_mut() {
            agent.follow_up_since.take_if(|since| now >= *since + FOLLOW_UP_TIMEOUT);
        }
    }

    fn take(&mut self, step: &Step) -> Until {
        match step {
            Step::Narrate(text) => self.world.shown.push(StageEvent::Narration(text.clone())),
            Step::Event(step) => self.event(step),
            Step::Notify(step) => self.notify(step),
            Step::Wait(step) => return Until::Idle(step.agent.clone()),
            Step::Until(step) => {
                let (agent, chars, text) = (step.agent.clone(), step.chars, step.text.clone());
                self.world.mark = Some(Mark { agent: agent.clone(), chars, text });
                return Until::Marked(agent);
            }
            Step::Cancel(step) => {
                self.world.cut(&step.agent, "the game", Instant::now());
                self.world.out.push(ClientMessage::CancelTurn(CancelTurn {
                    agent_id: step.agent.clone(),
                    turn_id: None,
                    reason: None,
                }));
            }
            Step::Set(step) => self.set(step),
            Step::Pause(millis) => {
                return Until::Time(Instant::now() + self.options.pace.pause(*millis));
            }
            Step::Expect(step) => self.expect(step),
        }
        Until::Now
    }

    fn event(&mut self, step: &EventStep) {
        let now = Instant::now();
        let actor = step.actor.clone().unwrap_or_else(|| self.world.scenario.player.clone());
        let who = actor.name.clone();
        let Some(agent) = self.world.agents.get(&step.agent) else { return };
        let (name, running) = (agent.name(), agent.priority);
        if step.interrupt == Interrupt::Now && step.priority >= running {
            self.world.cut(&step.agent, who.as_deref().unwrap_or("what happens"), now);
        }
        self.world.report.events += 1;
        let number = self.options.events_before + self.world.report.events;
        let event_id: Id = format!("e{number}").into();
        if let Some(agent) = self.world.agents.get_mut(&step.agent) {
            agent.waiting.push(event_id.clone());
            agent.priority = step.priority;
            agent.asked_at = now;
        }
        if let Some(text) = &step.narrate {
            self.world.shown.push(StageEvent::Narration(text.clone()));
        } else {
            self.world.shown.push(StageEvent::Event {
                actor: who,
                to: name,
                text: step.text.clone(),
                event_type: step.event_type.clone(),
            });
        }
        self.world.out.push(ClientMessage::InteractionEvent(InteractionEvent {
            agent_id: step.agent.clone(),
            event_id: Some(event_id),
            event_type: step.event_type.clone(),
            text: step.text.clone(),
            actor: Some(actor),
            data: step.data.clone(),
            state: None,
            priority: step.priority,
            interrupt: step.interrupt,
        }));
    }

    fn notify(&mut self, step: &NotifyStep) {
        self.world.report.notifications += 1;
        let names = step.agents.iter().filter_map(|id| self.world.agents.get(id));
        let to = names.map(super::agent::Agent::name).collect();
        self.world.shown.push(StageEvent::Notification { to, text: step.text.clone() });
        self.world.out.push(ClientMessage::NotificationEvent(NotificationEvent {
            agent_ids: step.agents.clone(),
            event_id: None,
            event_type: step.event_type.clone(),
            text: Some(step.text.clone()),
            actor: step.actor.clone(),
            data: None,
        }));
    }

    fn set(&mut self, step: &SetStep) {
        let agents = self.world.agents.values_mut();
        for agent in agents.filter(|agent| step.agent.as_ref().is_none_or(|id| *id == agent.id)) {
            let parts = &mut agent.state.prompt_parts;
            match parts.iter_mut().find(|part| part.title == step.title) {
                Some(part) => part.text.clone_from(&step.text),
                None => {
                    parts.push(PromptPart { title: step.title.clone(), text: step.text.clone() });
                }
            }
        }
    }

    fn expect(&mut self, step: &ExpectStep) {
        let turns = self.world.report.turns.iter().rev();
        let wrong = match turns.into_iter().find(|turn| turn.agent_id == step.agent) {
            None => Some("there is no turn".to_owned()),
            Some(turn) => step.not_met_by(turn),
        };
        if let Some(wrong) = wrong {
            self.world.trouble(format!("expected of {}: {wrong}", step.agent));
        }
    }
}

impl Until {
    const fn time(&self) -> Option<Instant> {
        match self {
            Self::Time(time) | Self::Confirmed(time) => Some(*time),
            _ => None,
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Idle(id) => format!("`{id}` to say everything"),
            Self::Marked(id) => format!("`{id}` to say so much"),
            Self::Quiet => "everyone to say everything".to_owned(),
            Self::Now | Self::Time(_) | Self::Confirmed(_) => "its time".to_owned(),
        }
    }
}
