//! What a headless game plays: characters as the game would report them, the answers of its tools,
//! and the steps of the story. Read from YAML.

use std::collections::BTreeMap;

use dramatis_protocol::{Actor, AgentState, Id, Interrupt, Outcome, PromptPart, TagDefinition};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::report::TurnReport;
use super::strict;

/// A scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its title.
    pub title: String,
    /// A sentence or two for whoever watches.
    #[serde(default)]
    pub introduction: String,
    /// Who speaks where a step names nobody.
    #[serde(default)]
    pub player: Actor,
    /// What every agent's state has in common.
    #[serde(default)]
    pub shared: Shared,
    /// The agents by id, as the game knows them.
    pub agents: BTreeMap<Id, AgentState>,
    /// What the game's tools answer; the first that fits counts.
    #[serde(default)]
    pub tools: Vec<ToolRule>,
    /// Actions that do not simply succeed; the first that fits counts.
    #[serde(default)]
    pub outcomes: Vec<OutcomeRule>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// What every agent's state has in common; it stands before the agent's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shared {
    /// Tags that all may use.
    pub tags: Vec<TagDefinition>,
    /// Parts of the present situation.
    pub prompt_parts: Vec<PromptPart>,
    /// The world of all that name none.
    pub world_id: Option<Id>,
    /// Rules for all.
    pub rules: Vec<Id>,
    /// How many past turns all are shown that don't say it.
    pub history_turns: Option<u32>,
}

/// What a tool answers to certain calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolRule {
    /// The tool.
    pub tool: String,
    /// Attributes or arguments that the call must have; without regard to case.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// Whether it does what it was asked.
    #[serde(default = "yes")]
    pub ok: bool,
    /// Its answer.
    pub output: Value,
}

/// What becomes of certain actions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeRule {
    /// The agent; absent: any.
    #[serde(default)]
    pub agent: Option<Id>,
    /// The tag.
    pub tag: String,
    /// Attributes that it must have; without regard to case.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// What becomes of it.
    pub outcome: Outcome,
    /// The game's word of explanation.
    #[serde(default)]
    pub detail: Option<String>,
    /// How often the rule applies; absent: always.
    #[serde(default)]
    pub times: Option<u32>,
}

/// One step of the story.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Words for whoever watches.
    Narrate(String),
    /// Something an agent reacts to.
    Event(EventStep),
    /// Something agents learn without reacting.
    Notify(NotifyStep),
    /// Until the agent has said everything, follow-ups included.
    Wait(AgentStep),
    /// Until so much of the agent's turn has been shown, or the turn is over.
    Until(UntilStep),
    /// The agent shall stop.
    Cancel(AgentStep),
    /// A part of an agent's present situation changes.
    Set(SetStep),
    /// A pause, in milliseconds at reading pace.
    Pause(u64),
    /// What must be so of the agent's last turn.
    Expect(ExpectStep),
}

/// An `interaction_event`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventStep {
    /// The agent that reacts.
    pub agent: Id,
    /// Who speaks or acts; absent: the player.
    #[serde(default)]
    pub actor: Option<Actor>,
    /// What kind of thing happens.
    #[serde(default)]
    pub event_type: Option<String>,
    /// What is said, or what happens.
    #[serde(default)]
    pub text: Option<String>,
    /// Anything else.
    #[serde(default)]
    pub data: Option<Value>,
    /// Whether it interrupts.
    #[serde(default)]
    pub interrupt: Interrupt,
    /// Its priority.
    #[serde(default)]
    pub priority: i32,
    /// For whoever watches, where the event has no words.
    #[serde(default)]
    pub narrate: Option<String>,
}

/// A `notification_event`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyStep {
    /// Who learns of it.
    pub agents: Vec<Id>,
    /// What kind of thing happened.
    #[serde(default)]
    pub event_type: Option<String>,
    /// What happened.
    pub text: String,
    /// Who did it.
    #[serde(default)]
    pub actor: Option<Actor>,
}

/// A step about one agent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentStep {
    /// The agent.
    pub agent: Id,
}

/// Until so much has been shown: whichever comes first.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UntilStep {
    /// The agent.
    pub agent: Id,
    /// So many characters of speech.
    pub chars: usize,
    /// Speech that ends so.
    #[serde(default)]
    pub text: Option<String>,
}

/// A change of the situation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetStep {
    /// The agent; absent: all.
    #[serde(default)]
    pub agent: Option<Id>,
    /// The part's title; a new one is added.
    pub title: String,
    /// Its text from now on.
    pub text: String,
}

/// What must be so of an agent's last turn.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectStep {
    /// The agent.
    pub agent: Id,
    /// Words that were heard.
    #[serde(default)]
    pub heard: Option<String>,
    /// Words that were not.
    #[serde(default)]
    pub not_heard: Option<String>,
    /// Whether it was interrupted.
    #[serde(default)]
    pub interrupted: Option<bool>,
    /// A tool that it called.
    #[serde(default)]
    pub tool: Option<String>,
}

/// A scenario that can't be played.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ScenarioError(String);

impl Scenario {
    /// Reads a scenario and checks that its steps name agents that it has; `name`, mostly the
    /// file's, stands in errors.
    ///
    /// # Errors
    /// With line and reason, if the text can't be read or has a key that means nothing; with the
    /// step's number, if a step names an agent that the scenario doesn't have.
    pub fn parse(yaml: &str, name: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = strict::read(yaml, name).map_err(ScenarioError)?;
        for (number, step) in scenario.steps.iter().enumerate() {
            if let Some(unknown) = step.agents().find(|id| !scenario.agents.contains_key(*id)) {
                let number = number + 1;
                let problem = format!(
                    "step {number} names the agent `{unknown}`, which the scenario doesn't have"
                );
                return Err(ScenarioError(strict::fault(name, None, &problem)));
            }
        }
        Ok(scenario)
    }

    /// The agents' states as the story begins.
    pub(super) fn states(&self) -> BTreeMap<Id, AgentState> {
        let mut states = self.agents.clone();
        for state in states.values_mut() {
            state.tags.splice(0..0, self.shared.tags.iter().cloned());
            state.prompt_parts.splice(0..0, self.shared.prompt_parts.iter().cloned());
            state.rules.splice(0..0, self.shared.rules.iter().cloned());
            state.world_id = state.world_id.take().or_else(|| self.shared.world_id.clone());
            state.history_turns = state.history_turns.or(self.shared.history_turns);
        }
        states
    }
}

impl Step {
    fn agents(&self) -> impl Iterator<Item = &Id> {
        let (one, many): (Option<&Id>, &[Id]) = match self {
            Self::Narrate(_) | Self::Pause(_) => (None, &[]),
            Self::Event(step) => (Some(&step.agent), &[]),
            Self::Notify(step) => (None, &step.agents),
            Self::Wait(step) | Self::Cancel(step) => (Some(&step.agent), &[]),
            Self::Until(step) => (Some(&step.agent), &[]),
            Self::Set(step) => (step.agent.as_ref(), &[]),
            Self::Expect(step) => (Some(&step.agent), &[]),
        };
        one.into_iter().chain(many)
    }
}

impl ExpectStep {
    /// What is not as it should be.
    pub(super) fn not_met_by(&self, turn: &TurnReport) -> Option<String> {
        let heard = |words: &String| turn.heard.contains(words.as_str());
        if let Some(words) = self.heard.as_ref().filter(|words| !heard(words)) {
            return Some(format!("`{words}` to be heard, but it said `{}`", turn.heard));
        }
        if let Some(words) = self.not_heard.as_ref().filter(|words| heard(words)) {
            return Some(format!("`{words}` not to be heard, but it said `{}`", turn.heard));
        }
        if let Some(cut) = self.interrupted.filter(|cut| *cut != turn.is_cut()) {
            return Some(format!("interrupted: {cut}, but it was {:?}", turn.end));
        }
        let called = |tool: &String| turn.tools.iter().any(|run| run.tool == *tool);
        let tool = self.tool.as_ref().filter(|tool| !called(tool))?;
        Some(format!("a call of `{tool}`, but it made none"))
    }
}

impl ToolRule {
    /// Whether the rule is about this call.
    pub(super) fn fits(&self, tool: &str, given: &Map<String, Value>) -> bool {
        self.tool == tool && has(given, &self.when)
    }
}

impl OutcomeRule {
    /// Whether the rule is about this action.
    pub(super) fn fits(&self, agent: &Id, tag: &str, given: &Map<String, Value>) -> bool {
        self.agent.as_ref().is_none_or(|of| of == agent)
            && self.tag == tag
            && has(given, &self.when)
    }
}

fn has(given: &Map<String, Value>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| {
        given.get(name).is_some_and(|found| {
            let found = found.as_str().map_or_else(|| found.to_string(), ToOwned::to_owned);
            found.to_lowercase() == value.to_lowercase()
        })
    })
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scenario_shares_stands_before_what_an_agent_has() {
        let scenario = Scenario::parse(
            "title: T\n\
             shared: {tags: [{name: speech, kind: speech}], world_id: w, rules: [r], history_turns: 3}\n\
             agents: {a: {name: A, tags: [{name: wave}], world_id: v, rules: [s]}, b: {name: B}}\n\
             steps:\n  - narrate: hello\n  - event: {agent: a, text: 'no'}\n  - wait: {agent: a}\n",
            "test",
        )
        .unwrap();
        let states = scenario.states();
        let tags = |id: &str| states[id].tags.iter().map(|tag| &*tag.name).collect::<Vec<_>>();
        assert_eq!(tags("a"), ["speech", "wave"]);
        assert_eq!(tags("b"), ["speech"]);
        let of = |id: &str| (states[id].world_id.as_deref(), states[id].rules.len());
        assert_eq!((of("a"), of("b")), ((Some("v"), 2), (Some("w"), 1)));
        assert_eq!(states["b"].history_turns, Some(3));
    }

    #[test]
    fn a_scenario_that_cant_be_played_says_why() {
        let check = |yaml: &str, why: &str| {
            let error = Scenario::parse(yaml, "my.yaml").unwrap_err().to_string();
            assert!(error.starts_with("my.yaml:") && error.contains(why), "{error}");
        };
        let of_step = "my.yaml: step 1 names the agent `x`";
        check("title: T\nagents: {}\nsteps: [{wait: {agent: x}}]", of_step);
        check("title: T\nagents: {}\nsteps: [{dance: 1}]", "dance");
        check("title: T\nagents: {}\nstep: []", "my.yaml:3:1: unknown field `step`");
        check("title: T\nagents: {\n", "my.yaml:");
    }

    #[test]
    fn a_key_that_means_nothing_is_refused_wherever_it_stands() {
        let check = |place: &str, key: &str, yaml: &str| {
            let error = Scenario::parse(yaml, "my.yaml").unwrap_err().to_string();
            assert!(error.starts_with(&format!("my.yaml:{place}: ")), "{error}");
            assert!(error.contains(&format!("`{key}`")), "{error}");
        };
        let (head, steps) = ("title: T\n", "steps: []\n");
        let agents = |text: &str| format!("{head}agents:\n  a:\n    name: A\n{text}{steps}");
        check("5:5", "titel", &agents("    titel: x\n"));
        check("6:22", "knid", &agents("    tags:\n      - {name: wave, knid: speech}\n"));
        check("6:20", "txt", &agents("    prompt_parts:\n      - {title: x, txt: x, text: x}\n"));
        check("2:10", "nmae", &format!("{head}player: {{nmae: x}}\nagents: {{}}\n{steps}"));
        let shared = "shared:\n  tags: [{name: wave, attributes: [{name: at, typ: integer}]}]\n";
        check("3:47", "typ", &format!("{head}{shared}agents: {{}}\n{steps}"));
        let step = "steps:\n  - narrate: x\n  - event: {agent: a, actor: {nmae: x}, text: x}\n";
        check("5:31", "nmae", &format!("{head}agents: {{a: {{name: A}}}}\n{step}"));
        check(
            "5:23",
            "txet",
            &format!("{head}agents: {{a: {{name: A}}}}\n{step}")
                .replace("actor: {nmae: x}", "txet: x"),
        );
        // What is the game's own may have any keys.
        let own = "    dossier: [{title: x, content: {any: thing}}]\n    tools: [{name: t, parameters: {x: 1}}]\n";
        Scenario::parse(&agents(own), "my.yaml").unwrap();
    }

    #[test]
    fn rules_compare_what_was_given_without_regard_to_case() {
        let given = serde_json::json!({"name": "Wren", "room": 3}).as_object().cloned().unwrap();
        let check = |when: &[(&str, &str)], expected| {
            let when = when.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(has(&given, &when), expected);
        };
        check(&[], true);
        check(&[("name", "wren"), ("room", "3")], true);
        check(&[("name", "wren"), ("floor", "3")], false);
    }
}
