//! The plan of a prompt: what it shows of the state, the assets and the history, and how much room
//! there is for lore and memories. What those are is looked up in between; then [`Draft::finish`]
//! makes the messages. The history that is shown doesn't depend on what is found, so that
//! consecutive turns share their beginning.

use std::collections::{BTreeSet, HashMap};

use dramatis_protocol::Id;

use super::messages::{self, Line, Turn};
use super::question::{self, Question};
use super::section::{self, Section};
use super::window::{self, CHARS_PER_TOKEN, tokens};
use super::{Built, GamePrompt, Reminders, cue, observation, reply, sentences, system};
use crate::llm::Cue;
use crate::record::{ContextReport, Observation};

/// The plan of a turn's prompt.
#[derive(Debug)]
pub struct Draft {
    sections: Vec<Section>,
    turns: Vec<Turn>,
    input: Vec<Line>,
    follow_up: bool,
    /// For lore and memories, in characters.
    room: usize,
    question: Question,
    cue: Cue,
    report: ContextReport,
}

impl Draft {
    /// Plans a turn's prompt.
    #[must_use]
    pub fn new(prompt: &GamePrompt<'_>) -> Self {
        // Where it all begins is told once; from then on the game says how things stand.
        let is_first = prompt.history.is_empty() && prompt.forgotten == 0;
        let scene = prompt.background.scene().filter(|_| is_first);
        let mut sections = system::sections(prompt.state, prompt.background, prompt.vocabulary);
        sections.extend(system::context(prompt.state, scene));
        let mut report = ContextReport { budget: prompt.limits.tokens, ..ContextReport::default() };
        let budget = prompt.limits.tokens.saturating_mul(CHARS_PER_TOKEN);
        let input: Vec<Line> = prompt.input.iter().map(line).collect();
        // The headings of the present situation, and the sentence that stands where nothing else does.
        let headings = [sentences::CONTEXT_HEADING, sentences::EVENTS_HEADING, sentences::GOES_ON];
        let around: usize = headings.iter().map(|text| text.chars().count() + 2).sum();
        let newest = input.last().map_or(0, Line::chars);
        section::fit(&mut sections, budget.saturating_sub(around + newest));
        let fixed: usize = sections.iter().map(Section::chars).sum::<usize>() + around;
        let left = budget.saturating_sub(fixed);
        let wanted = prompt.limits.reminders.saturating_mul(CHARS_PER_TOKEN);
        let room = wanted.min(left.saturating_sub(newest) / 2);
        let (turns, input) = fitting(prompt, input, left - room, &mut report);
        report.turns_shown = turns.len();
        let question = question::of(prompt.history, prompt.input, prompt.follow_up);
        let cue = cue::of(prompt, turns.len());
        let follow_up = prompt.follow_up;
        Self { sections, turns, input, follow_up, room, question, cue, report }
    }

    /// The turns that the history shows.
    #[must_use]
    pub fn shown(&self) -> Vec<Id> {
        self.turns.iter().map(|turn| turn.turn_id.clone()).collect()
    }

    /// Whether there are past turns that the history doesn't show.
    #[must_use]
    pub const fn hides_turns(&self) -> bool {
        self.report.turns_outside + self.report.turns_dropped > 0
    }

    /// What to look up lore and memories for.
    #[must_use]
    pub const fn question(&self) -> &Question {
        &self.question
    }

    /// How many characters lore and memories may take together.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.room
    }

    /// The messages, with what the character is reminded of.
    #[must_use]
    pub fn finish(self, mut reminders: Reminders) -> Built {
        let Self { mut sections, turns, input, follow_up, room, mut cue, mut report, .. } = self;
        reminders.fit(room);
        reminders.tell(&mut cue);
        // After the scene, before how things stand.
        let context = sections.iter().position(|section| section.name.starts_with("part: "));
        let at = context.unwrap_or(sections.len());
        sections.splice(at..at, reminders.sections());
        let system = system::text(&sections);
        let context = system::context_text(&sections);
        report.sections = sections.iter().map(Section::report).collect();
        report.system_tokens = tokens(system.chars().count());
        report.context_tokens = tokens(context.chars().count());
        report.history_tokens = tokens(turns.iter().map(Turn::chars).sum());
        let messages = messages::assemble(system, &context, turns, &input, follow_up);
        report.tokens = tokens(messages.iter().map(messages::chars).sum());
        report.over_budget = report.tokens > report.budget;
        Reminders { lorebook: report.lorebook, retrieved: report.retrieved } = reminders.excerpts();
        Built { messages, cue, report }
    }
}

fn line(observation: &Observation) -> Line {
    let answer = match observation {
        Observation::ToolAnswer(answer) => Some(answer.clone()),
        Observation::Event(_) | Observation::Notification(_) => None,
    };
    Line { text: observation::line(observation), answer }
}

/// The past turns and the observations that fit `room` characters.
fn fitting(
    prompt: &GamePrompt<'_>,
    mut input: Vec<Line>,
    room: usize,
    report: &mut ContextReport,
) -> (Vec<Turn>, Vec<Line>) {
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
    let input_chars = |input: &[Line]| input.iter().map(Line::chars).sum::<usize>();
    let costs: Vec<_> = turns.iter().map(Turn::chars).collect();
    let shifted = window::Rule { first: rule.first + outside, ..rule };
    let dropped = shifted.by_cost(0, &costs, room.saturating_sub(input_chars(&input)));
    turns.drain(..dropped);
    let history: usize = costs.iter().skip(dropped).sum();
    while history + input_chars(&input) > room {
        let older = input.iter().take(input.len().saturating_sub(1));
        let droppable =
            older.map(|line| !(prompt.follow_up && line.answer.is_some())).position(|may| may);
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
