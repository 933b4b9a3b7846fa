//! The messages of a game turn: who the character is, how it speaks, what it lived through, how
//! things stand and what happens now. Pure functions over plain data: the turn's task hands in what
//! it has, gets messages, and a report of what found no room.
//!
//! What stays the same from turn to turn stands first (the system message, then history cut in
//! blocks), what changes stands last, so that a provider's prefix cache holds. All words of ours
//! are in `sentences`; all words of others pass `quote`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use dramatis_protocol::{AgentState, Id};
use serde::{Deserialize, Serialize};

use crate::llm::Cue;
use crate::record::{Message, Observation, PastTurn};
use crate::tags::Vocabulary;

mod background;
mod cue;
mod dialect;
mod dossier;
mod messages;
mod observation;
mod quote;
mod reply;
mod sentences;
mod system;
mod window;

#[cfg(test)]
mod tests;

pub use background::Background;
use messages::Turn;

/// What a prompt may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptLimits {
    /// Most tokens of all messages together, a token being four characters.
    pub tokens: usize,
    /// How many past turns are shown where the agent's state says nothing.
    pub history_turns: usize,
    /// How many turns leave the window at a time.
    pub block: usize,
}

impl Default for PromptLimits {
    fn default() -> Self {
        Self { tokens: 16_000, history_turns: 20, block: 5 }
    }
}

/// Everything that the messages of one game turn are made from.
#[derive(Debug, Clone, Copy)]
pub struct GamePrompt<'a> {
    /// The agent's id, for the cue.
    pub agent: &'a str,
    /// The state that the game reported for this turn.
    pub state: &'a AgentState,
    /// What the server's assets bring.
    pub background: &'a Background,
    /// The tags that the agent may use.
    pub vocabulary: &'a Arc<Vocabulary>,
    /// The turns in memory, oldest first.
    pub history: &'a [PastTurn],
    /// How many older turns there were before those in memory.
    pub forgotten: usize,
    /// What stands in this turn's user message, in order.
    pub input: &'a [Observation],
    /// Whether this turn answers the tool calls of the last turn in `history`.
    pub follow_up: bool,
    /// What the prompt may hold.
    pub limits: &'a PromptLimits,
}

/// The messages of a turn, and what is known of them.
#[derive(Debug, Clone)]
pub struct Built {
    /// One system message, then user and assistant in turn.
    pub messages: Vec<Message>,
    /// The same as plain data, for the built-in actor.
    pub cue: Cue,
    /// What was included and what found no room.
    pub report: PromptReport,
}

/// What went into a prompt, and what didn't.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptReport {
    /// Most tokens allowed.
    pub budget: usize,
    /// Tokens of all messages.
    pub tokens: usize,
    /// Those of the system message.
    pub system_tokens: usize,
    /// Those of the present situation.
    pub context_tokens: usize,
    /// Past turns shown.
    pub turns_shown: usize,
    /// Past turns left out because only so many are shown.
    pub turns_outside: usize,
    /// Past turns left out because the budget was full.
    pub turns_dropped: usize,
    /// Observations of this turn left out because the budget was full.
    pub observations_dropped: usize,
    /// Whether the messages pass the budget though all that may be left out was.
    pub over_budget: bool,
}

/// Builds the messages of a turn.
#[must_use]
pub fn build(prompt: &GamePrompt<'_>) -> Built {
    let system = system::text(prompt.state, prompt.background, prompt.vocabulary);
    // Where it all begins is told once; from then on the game says how things stand.
    let is_first = prompt.history.is_empty() && prompt.forgotten == 0;
    let scene = prompt.background.scene().filter(|_| is_first);
    let context = system::context(prompt.state, scene);
    let mut report = PromptReport {
        budget: prompt.limits.tokens,
        system_tokens: window::tokens(system.chars().count()),
        context_tokens: window::tokens(context.chars().count()),
        ..PromptReport::default()
    };
    // The line ends around the context, and the sentence that stands where nothing else does.
    let around = sentences::GOES_ON.chars().count() + 3;
    let fixed = system.chars().count() + context.chars().count() + around;
    let room = prompt.limits.tokens.saturating_mul(window::CHARS_PER_TOKEN).saturating_sub(fixed);
    let (turns, input) = fitting(prompt, room, &mut report);
    report.turns_shown = turns.len();
    let messages = messages::assemble(system, &context, turns, &input, prompt.follow_up);
    report.tokens = window::tokens(messages.iter().map(messages::chars).sum());
    report.over_budget = report.tokens > report.budget;
    let cue = cue::of(prompt, report.turns_shown);
    Built { messages, cue, report }
}

/// The past turns and the observations that fit `room` characters.
fn fitting<'a>(
    prompt: &GamePrompt<'a>,
    room: usize,
    report: &mut PromptReport,
) -> (Vec<Turn>, Vec<(&'a Observation, String)>) {
    let rule = window::Rule {
        turns: prompt.state.history_turns.map_or(prompt.limits.history_turns, |turns| {
            usize::try_from(turns).unwrap_or(usize::MAX)
        }),
        block: prompt.limits.block,
        first: prompt.forgotten,
        keep: usize::from(prompt.follow_up && !prompt.history.is_empty()),
    };
    let outside = rule.by_number(prompt.history.len());
    let mut turns = read_turns(prompt, outside);
    let mut input: Vec<_> = prompt
        .input
        .iter()
        .map(|observation| (observation, observation::line(observation)))
        .collect();
    let input_chars =
        |input: &[(_, String)]| input.iter().map(|(_, line)| line.chars().count() + 1).sum();
    let wanted: usize = input_chars(&input);
    let costs: Vec<_> = turns.iter().map(Turn::chars).collect();
    let shifted = window::Rule { first: rule.first + outside, ..rule };
    let dropped = shifted.by_cost(0, &costs, room.saturating_sub(wanted));
    turns.drain(..dropped);
    let history: usize = costs.iter().skip(dropped).sum();
    while history + input_chars(&input) > room {
        let droppable = input.iter().take(input.len().saturating_sub(1)).position(|(seen, _)| {
            !(prompt.follow_up && matches!(seen, Observation::ToolAnswer(_)))
        });
        let Some(oldest) = droppable else { break };
        input.remove(oldest);
    }
    report.turns_outside = prompt.forgotten + outside;
    report.turns_dropped = dropped;
    report.observations_dropped = prompt.input.len() - input.len();
    (turns, input)
}

/// The turns from `outside` on, each with what became of its calls since.
fn read_turns(prompt: &GamePrompt<'_>, outside: usize) -> Vec<Turn> {
    let mut answered: HashMap<&Id, BTreeSet<u32>> = HashMap::new();
    let shown = prompt.history.iter().skip(outside);
    for observation in shown.clone().flat_map(|turn| &turn.input).chain(prompt.input) {
        if let Observation::ToolAnswer(answer) = observation {
            answered.entry(&answer.turn_id).or_default().insert(answer.tag_id);
        }
    }
    let none = BTreeSet::new();
    shown
        .enumerate()
        .map(|(number, turn)| {
            let last = outside + number + 1 == prompt.history.len();
            let answered = answered.get(&turn.turn_id).unwrap_or(&none);
            let reply = reply::read(turn, answered, prompt.vocabulary, last && prompt.follow_up);
            let input = turn.input.iter().map(observation::line).collect();
            Turn { turn_id: turn.turn_id.clone(), input, reply }
        })
        .collect()
}
