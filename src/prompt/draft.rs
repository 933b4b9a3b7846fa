//! The plan of a prompt: what it shows of the state, the assets and the history, and how much room
//! there is for lore and memories. What those are is looked up in between; then [`Draft::finish`]
//! makes the messages. The history that is shown doesn't depend on what is found, so that
//! consecutive turns share their beginning.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use dramatis_protocol::{Id, Sentences};

use super::messages::{self, Line, Now, Turn};
use super::question::{self, Question};
use super::section::{self, Section};
use super::sentences::{Say, heading, note};
use super::window::{self, CHARS_PER_TOKEN, tokens};
use super::{Built, Form, Reminders, TurnPrompt, chat, cue, observation, reply, system};
use crate::llm::Cue;
use crate::record::{ContextReport, Observation, PastTurn};

/// The plan of a turn's prompt.
#[derive(Debug)]
pub struct Draft {
    form: Form,
    sentences: Arc<Sentences>,
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
    pub fn new(prompt: &TurnPrompt<'_>) -> Self {
        // Where it all begins is told once; from then on the game says how things stand.
        let is_first = prompt.forgotten == 0 && !prompt.history.iter().any(is_exchange);
        let scene = prompt.background.scene().filter(|_| is_first);
        let sentences = prompt.background.sentences();
        let say = Say::new(sentences);
        let mut sections = match prompt.form {
            Form::Game => system::sections(prompt.state, prompt.background, prompt.vocabulary),
            Form::Chat => chat::sections(prompt.state, prompt.background),
        };
        sections.extend(system::context(prompt, scene));
        let mut report = ContextReport { budget: prompt.limits.tokens, ..ContextReport::default() };
        let budget = prompt.limits.tokens.saturating_mul(CHARS_PER_TOKEN);
        let input: Vec<Line> =
            prompt.input.iter().map(|seen| line(seen, prompt.form, &say)).collect();
        let around = around(prompt.form, sentences);
        let newest = input.last().map_or(0, Line::chars);
        section::fit(&mut sections, budget.saturating_sub(around + newest));
        let fixed: usize = sections.iter().map(Section::chars).sum::<usize>() + around;
        let left = budget.saturating_sub(fixed);
        let wanted = prompt.limits.reminders.saturating_mul(CHARS_PER_TOKEN);
        let room = wanted.min(left.saturating_sub(newest) / 2);
        let (turns, input) = fitting(prompt, input, left - room, &say, &mut report);
        report.turns_shown = turns.len();
        let question = question::of(prompt.history, prompt.input, prompt.follow_up);
        let cue = cue::of(prompt, turns.len());
        let (form, follow_up, sentences) = (prompt.form, prompt.follow_up, sentences.clone());
        Self { form, sentences, sections, turns, input, follow_up, room, question, cue, report }
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
        let Self { form, sentences, mut sections, turns, input, follow_up, .. } = self;
        let (mut cue, mut report) = (self.cue, self.report);
        reminders.fit(self.room, form, &sentences);
        reminders.tell(&mut cue, &sentences);
        // After the scene, before how things stand.
        let context = sections.iter().position(|section| section.name.starts_with("part: "));
        let at = context.unwrap_or(sections.len());
        sections.splice(at..at, reminders.sections(form, &sentences));
        let system = system::text(&sections);
        let context = system::context_text(&sections, form, &sentences);
        report.sections = sections.iter().map(Section::report).collect();
        report.system_tokens = tokens(system.chars().count());
        report.context_tokens = tokens(context.chars().count());
        report.history_tokens = tokens(turns.iter().map(Turn::chars).sum());
        let goes_on = note(&sentences.goes_on);
        let now = Now { context: &context, input: &input, goes_on: &goes_on };
        let messages = messages::assemble(system, turns, &now, follow_up);
        report.tokens = tokens(messages.iter().map(messages::chars).sum());
        report.over_budget = report.tokens > report.budget;
        Reminders { lorebook: report.lorebook, retrieved: report.retrieved } = reminders.excerpts();
        Built { messages, cue, report }
    }
}

/// Whether a turn was one between two: not a beginning that nobody asked for, nor a word without an
/// answer.
fn is_exchange(turn: &PastTurn) -> bool {
    let words = turn.result.as_ref().and_then(|result| result.content.as_deref());
    !turn.input.is_empty() && words != Some("")
}

/// The length of the headings of the present situation, and of the sentence that stands where nothing
/// else does.
fn around(form: Form, say: &Sentences) -> usize {
    let now = system::now_heading(form, say);
    let headings = [heading(&say.context_heading), heading(now), note(&say.goes_on)];
    headings.iter().map(|text| text.chars().count() + 2).sum()
}

fn line(observation: &Observation, form: Form, say: &Say<'_>) -> Line {
    let answer = match observation {
        Observation::ToolAnswer(answer) => Some(answer.clone()),
        Observation::Event(_) | Observation::Notification(_) => None,
    };
    Line { text: told(observation, form, say), answer }
}

fn told(observation: &Observation, form: Form, say: &Say<'_>) -> String {
    match form {
        Form::Game => observation::line(observation, say),
        Form::Chat => chat::line(observation),
    }
}

/// The past turns and the observations that fit `room` characters.
fn fitting(
    prompt: &TurnPrompt<'_>,
    mut input: Vec<Line>,
    room: usize,
    say: &Say<'_>,
    report: &mut ContextReport,
) -> (Vec<Turn>, Vec<Line>) {
    let wanted = prompt.state.history_turns.map(usize::try_from);
    let wanted = wanted.map_or(prompt.limits.history_turns, |turns| turns.unwrap_or(usize::MAX));
    let (turns, block) = match prompt.form {
        Form::Game => (wanted, prompt.limits.block),
        // Whoever chats counts messages, and has counted them.
        Form::Chat => (usize::MAX, 1),
    };
    let rule = window::Rule {
        turns,
        block,
        first: prompt.forgotten,
        keep: usize::from(prompt.follow_up && !prompt.history.is_empty()),
    };
    let outside = rule.by_number(prompt.history.len());
    let mut turns = read_turns(prompt, outside, say);
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
fn read_turns(prompt: &TurnPrompt<'_>, outside: usize, say: &Say<'_>) -> Vec<Turn> {
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
            let follow_up = last && prompt.follow_up;
            let reply = match prompt.form {
                Form::Game => reply::read(turn, answered, prompt.vocabulary, follow_up, say),
                Form::Chat => chat::reply(turn),
            };
            let input = turn.input.iter().map(|seen| told(seen, prompt.form, say)).collect();
            Turn { turn_id: turn.turn_id.clone(), input, reply }
        })
        .collect()
}
