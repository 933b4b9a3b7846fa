//! The game's world without its socket: messages and time go in; messages, things to show and a
//! report come out. It answers for the characters' states, shows what they say, runs tools, and
//! tells the server what was really shown.

use std::collections::BTreeMap;

use dramatis_protocol::{
    AgentStateSnapshot, AgentTagClose, AgentTagOpen, AgentTurnResult, AgentTurnStarted,
    ClientMessage, GetAgentState, Id, InterruptReason, Outcome, ServerMessage, TagKind, ToolResult,
    ToolResults,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::agent::{Agent, Ended, Turn};
use super::report::{Report, ToolRun};
use super::scenario::{OutcomeRule, Scenario};
use super::stage::{Beat, Pace, Stage, StageEvent};

/// Where a step wants the presentation to stop.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub agent: Id,
    pub chars: usize,
    pub text: Option<String>,
}

/// The game's world.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub scenario: &'a Scenario,
    pub agents: BTreeMap<Id, Agent>,
    pub pace: Pace,
    /// Messages to send.
    pub out: Vec<ClientMessage>,
    /// Things to show.
    pub shown: Vec<StageEvent>,
    /// What was sent and must be confirmed, less what has been.
    pub unconfirmed: usize,
    /// Where the presentation stops until the step is taken.
    pub mark: Option<Mark>,
    pub report: Report,
    used: Vec<u32>,
}

impl<'a> World<'a> {
    pub fn new(scenario: &'a Scenario, pace: Pace, now: Instant) -> Self {
        let agents = scenario.states().into_iter();
        Self {
            agents: agents.map(|(id, state)| (id.clone(), Agent::new(id, state, now))).collect(),
            pace,
            out: Vec::new(),
            shown: Vec::new(),
            unconfirmed: 0,
            mark: None,
            report: Report { title: scenario.title.clone(), ..Report::default() },
            used: vec![0; scenario.outcomes.len()],
            scenario,
        }
    }

    /// Takes a message of the server.
    pub fn receive(&mut self, message: ServerMessage, now: Instant) {
        match message {
            ServerMessage::GetAgentState(ask) => self.tell_state(ask),
            ServerMessage::AgentTurnStarted(started) => self.begin(started, now),
            ServerMessage::AgentTagOpen(open) => self.open(open, now),
            ServerMessage::AgentTagChunk(chunk) => {
                self.on_turn(&chunk.agent_id, &chunk.turn_id, chunk.seq, |turn| {
                    let elapsed = turn.elapsed_ms(now);
                    let kind = turn.stage.tag(chunk.tag_id).map(|tag| tag.open.kind);
                    if kind == Some(TagKind::Speech) {
                        turn.first_speech_ms.get_or_insert(elapsed);
                    }
                    turn.stage.text(chunk.tag_id, &chunk.text, now);
                });
            }
            ServerMessage::AgentTagClose(close) => self.close(&close, now),
            ServerMessage::AgentTurnFinished(end) => {
                self.end(Ended::Finished(end), now);
            }
            ServerMessage::AgentTurnInterrupted(end) => {
                self.end(Ended::Interrupted(end), now);
            }
            ServerMessage::Stored(_) => {
                self.report.stored += 1;
                self.unconfirmed = self.unconfirmed.saturating_sub(1);
            }
            ServerMessage::EventDropped(drop) => {
                if let Some(agent) = self.agents.get_mut(&drop.agent_id) {
                    agent.waiting.retain(|event| *event != drop.event_id);
                }
                let why = format!("{} got no turn: {:?}", drop.event_id, drop.reason);
                self.shown.push(StageEvent::Trouble(why.clone()));
                self.report.dropped.push(why);
            }
            ServerMessage::Error(error) => {
                self.trouble(format!("{}: {}", error.code, error.message));
            }
            ServerMessage::Welcome(_) | ServerMessage::Pong(_) => {}
        }
    }

    /// Shows what is due, up to the mark, and closes what is over.
    pub fn tick(&mut self, now: Instant) {
        let ids: Vec<Id> = self.agents.keys().cloned().collect();
        for id in ids {
            while !self.is_marked() {
                let beat = self.agents.get_mut(&id).and_then(|agent| {
                    agent.turn.as_mut().filter(|turn| !turn.cut)?.stage.next(now)
                });
                let Some(beat) = beat else { break };
                self.present(&id, &beat);
            }
            self.settle(&id, now);
        }
    }

    /// When the next thing is to be shown.
    pub fn due(&self) -> Option<Instant> {
        if self.is_marked() {
            return None;
        }
        let turns = self.agents.values().filter_map(|agent| agent.turn.as_ref());
        turns.filter(|turn| !turn.cut).filter_map(|turn| turn.stage.due()).min()
    }

    /// Whether the presentation stands at its mark.
    pub fn is_marked(&self) -> bool {
        let Some(mark) = &self.mark else { return false };
        let turn = self.agents.get(&mark.agent).and_then(|agent| agent.turn.as_ref());
        turn.is_some_and(|turn| {
            let heard = turn.stage.heard();
            heard.chars().count() >= mark.chars
                || mark.text.as_ref().is_some_and(|text| heard.ends_with(text.as_str()))
        })
    }

    /// Stops showing the agent's turn: someone cuts in. What the server hasn't ended yet is closed
    /// when it does.
    pub fn cut(&mut self, id: &Id, by: &str, now: Instant) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        let name = agent.name();
        let Some(turn) = agent.turn.as_mut().filter(|turn| !turn.cut) else { return };
        turn.cut = true;
        self.shown.push(interrupted(name, by.to_owned(), turn));
        self.settle(id, now);
    }

    /// Notes what is against the protocol or the scenario.
    pub fn trouble(&mut self, what: String) {
        self.shown.push(StageEvent::Trouble(what.clone()));
        self.report.errors.push(what);
    }

    fn tell_state(&mut self, ask: GetAgentState) {
        let Some(agent) = self.agents.get(&ask.agent_id) else {
            self.trouble(format!("asked for the state of `{}`, which isn't there", ask.agent_id));
            return;
        };
        self.out.push(ClientMessage::AgentStateSnapshot(AgentStateSnapshot {
            request_id: Some(ask.request_id),
            agent_id: ask.agent_id,
            state: agent.state.clone(),
        }));
    }

    fn begin(&mut self, started: AgentTurnStarted, now: Instant) {
        let id = started.agent_id.clone();
        let turn_before = self.agents.get(&id).and_then(|agent| agent.turn.as_ref());
        if turn_before.is_some_and(|turn| turn.ended.is_none()) {
            self.trouble(format!("`{id}` has two open turns"));
        }
        self.cut(&id, "its next turn", now);
        let pace = self.pace;
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.waiting.retain(|event| !started.event_ids.contains(event));
        agent.follow_up_since = None;
        self.shown
            .push(StageEvent::TurnStarted { agent: agent.name(), model: started.model.clone() });
        agent.turn = Some(Turn::new(started, Stage::new(pace, now), agent.asked_at));
    }

    /// Does something with the turn that a frame is about, and checks the frame's number.
    fn on_turn(&mut self, agent: &Id, turn_id: &Id, seq: u64, with: impl FnOnce(&mut Turn)) {
        let turn = self.agents.get_mut(agent).and_then(|agent| agent.turn.as_mut());
        let Some(turn) = turn.filter(|turn| turn.started.turn_id == *turn_id) else {
            self.trouble(format!("frame {seq} of turn `{turn_id}`, which is not open"));
            return;
        };
        let wrong = (turn.next_seq != seq || turn.ended.is_some())
            .then(|| format!("frame {seq} of turn `{turn_id}` where {} is next", turn.next_seq));
        turn.next_seq = seq + 1;
        with(turn);
        if let Some(wrong) = wrong {
            self.trouble(wrong);
        }
    }

    fn open(&mut self, open: AgentTagOpen, now: Instant) {
        let (agent, turn_id, seq) = (open.agent_id.clone(), open.turn_id.clone(), open.seq);
        self.on_turn(&agent, &turn_id, seq, |turn| {
            turn.first_tag_ms.get_or_insert(turn.elapsed_ms(now));
            turn.open.push(open.tag_id);
            turn.stage.open(open, now);
        });
    }

    fn close(&mut self, close: &AgentTagClose, now: Instant) {
        let mut innermost = None;
        self.on_turn(&close.agent_id, &close.turn_id, close.seq, |turn| {
            innermost = turn.open.pop();
            turn.stage.close(close.tag_id, close.complete, now);
        });
        if innermost.is_some_and(|innermost| innermost != close.tag_id) {
            self.trouble(format!("tag {} closed before what is inside it", close.tag_id));
        }
    }

    fn end(&mut self, ended: Ended, now: Instant) {
        let (agent, turn_id, seq) = match &ended {
            Ended::Finished(end) => (end.agent_id.clone(), end.turn_id.clone(), end.seq),
            Ended::Interrupted(end) => (end.agent_id.clone(), end.turn_id.clone(), end.seq),
        };
        let mut open = 0;
        self.on_turn(&agent, &turn_id, seq, |turn| {
            open = turn.open.len();
            turn.ended = Some((ended, turn.elapsed_ms(now)));
        });
        if open > 0 {
            self.trouble(format!("turn `{turn_id}` ended with {open} open tags"));
        }
        self.settle(&agent, now);
    }

    /// Shows a beat, and does what it says.
    fn present(&mut self, id: &Id, beat: &Beat) {
        let Some(agent) = self.agents.get(id) else { return };
        let Some(turn) = &agent.turn else { return };
        let (Beat::Open(tag_id) | Beat::Text(tag_id, _) | Beat::Close(tag_id)) = *beat;
        let Some(tag) = turn.stage.tag(tag_id) else { return };
        let (name, open) = (agent.name(), tag.open.clone());
        match beat {
            Beat::Open(_) => self.shown.push(StageEvent::Opened { agent: name, tag: open }),
            Beat::Text(_, text) => {
                let text = text.clone();
                self.shown.push(StageEvent::Text { agent: name, kind: open.kind, text });
            }
            Beat::Close(_) => {
                let (complete, input) = (tag.complete, tag.forwarded.clone());
                self.conclude(id, &open, complete, input);
            }
        }
    }

    /// A tag's end has come: an action succeeds or not, a tool runs.
    fn conclude(&mut self, id: &Id, open: &AgentTagOpen, complete: bool, input: String) {
        let (outcome, detail) = match open.kind {
            TagKind::Action => self.outcome(id, open),
            _ if complete => (Outcome::Done, None),
            _ => (Outcome::Partial, None),
        };
        let run = (open.kind == TagKind::Tool && complete).then(|| self.run_tool(open, input));
        let Some(agent) = self.agents.get_mut(id) else { return };
        let name = agent.name();
        let Some(turn) = agent.turn.as_mut() else { return };
        turn.stage.decide(open.tag_id, outcome, detail);
        if let Some(tag) = turn.stage.tag(open.tag_id) {
            let (agent, tag, outcome) = (name.clone(), open.clone(), tag.result());
            self.shown.push(StageEvent::Closed { agent, tag, outcome });
        }
        if let Some(run) = run {
            turn.results.push(result(open, &run));
            self.shown.push(StageEvent::ToolRan {
                agent: name,
                tool: run.tool.clone(),
                input: run.input.clone(),
                ok: run.ok,
                output: run.output.clone(),
            });
            turn.tools.push(run);
        }
    }

    fn outcome(&mut self, id: &Id, open: &AgentTagOpen) -> (Outcome, Option<String>) {
        let rules = self.scenario.outcomes.iter().zip(&mut self.used);
        for (OutcomeRule { outcome, detail, times, .. }, used) in
            rules.filter(|(rule, _)| rule.fits(id, &open.tag, &open.attributes))
        {
            if times.is_none_or(|times| *used < times) {
                *used += 1;
                return (*outcome, detail.clone());
            }
        }
        (Outcome::Done, None)
    }

    fn run_tool(&self, open: &AgentTagOpen, text: String) -> ToolRun {
        let given = open.arguments.as_ref().unwrap_or(&open.attributes);
        let input = if given.is_empty() { text } else { Value::Object(given.clone()).to_string() };
        let tool = open.tag.to_string();
        match self.scenario.tools.iter().find(|rule| rule.fits(&tool, given)) {
            Some(rule) => ToolRun { tool, input, ok: rule.ok, output: rule.output.clone() },
            None => ToolRun { tool, input, ok: false, output: json!("nothing was found") },
        }
    }

    /// When a turn is over, tells the server what became of it, and the report too.
    fn settle(&mut self, id: &Id, now: Instant) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        let Some(turn) = agent.turn.take_if(|turn| turn.is_over()) else { return };
        let (agent_id, turn_id) = (id.clone(), turn.started.turn_id.clone());
        if turn.stage.has_tags() {
            self.unconfirmed += 1;
            self.out.push(ClientMessage::AgentTurnResult(AgentTurnResult {
                agent_id: agent_id.clone(),
                turn_id: turn_id.clone(),
                content: None,
                tags: Some(turn.stage.outcomes()),
            }));
        }
        if !turn.results.is_empty() {
            self.unconfirmed += 1;
            if turn.is_whole() && agent.waiting.is_empty() {
                agent.follow_up_since = Some(now);
                agent.asked_at = now;
            }
            let (results, follow_up) = (turn.results.clone(), true);
            let message = ToolResults { agent_id, turn_id, results, follow_up };
            self.out.push(ClientMessage::ToolResults(message));
        }
        if let (Some((Ended::Interrupted(end), _)), false) = (&turn.ended, turn.cut) {
            self.shown.push(interrupted(agent.name(), reason(end.reason), &turn));
        } else if !turn.cut {
            let context = turn.context().cloned();
            self.shown.push(StageEvent::Finished { agent: agent.name(), context });
        }
        self.report.turns.extend(turn.into_report(agent));
    }
}

fn interrupted(agent: String, by: String, turn: &Turn) -> StageEvent {
    let (heard, unheard) = (turn.stage.heard().to_owned(), turn.stage.unheard());
    StageEvent::Interrupted { agent, by, heard, unheard }
}

fn result(open: &AgentTagOpen, run: &ToolRun) -> ToolResult {
    ToolResult {
        tag_id: Some(open.tag_id),
        call_id: open.call_id.clone(),
        name: Some(run.tool.clone()),
        ok: run.ok,
        output: run.output.clone(),
    }
}

fn reason(reason: InterruptReason) -> String {
    match reason {
        InterruptReason::NewerEvent => "a newer event",
        InterruptReason::Cancelled => "the game",
        InterruptReason::Disconnected => "the connection's end",
        InterruptReason::Timeout => "the model's silence",
        InterruptReason::ProviderError => "the model's failure",
        InterruptReason::Shutdown => "the server's shutdown",
    }
    .to_owned()
}
