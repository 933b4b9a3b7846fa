//! What a prompt is about as plain data: the built-in actor plays from this and not from the
//! messages, which are written for models.

use crate::llm::{Cue, CueSection};
use crate::record::{Observation, Occurrence};

use super::{TurnPrompt, dossier, observation};

/// The cue for a prompt that shows `past_turns` turns.
pub fn of(prompt: &TurnPrompt<'_>, past_turns: usize) -> Cue {
    let newest = prompt.input.iter().rposition(|seen| matches!(seen, Observation::Event(_)));
    let event = newest.and_then(|at| prompt.input.get(at)).and_then(occurrence);
    let others = prompt.input.iter().enumerate().filter(|(at, _)| Some(*at) != newest);
    Cue {
        agent: prompt.agent.to_owned(),
        name: prompt.state.name.clone(),
        sections: sections(prompt),
        speaker: event
            .and_then(|event| observation::speaker(event.actor.as_ref()))
            .map(ToOwned::to_owned),
        event_type: event.and_then(|event| event.event_type.clone()),
        text: event.and_then(|event| event.text.clone()),
        observations: others.filter_map(|(_, seen)| occurrence(seen)).filter_map(plain).collect(),
        tool_answers: prompt
            .input
            .iter()
            .filter_map(|seen| match seen {
                Observation::ToolAnswer(answer) if prompt.follow_up => Some(answer.clone()),
                _ => None,
            })
            .collect(),
        memories: Vec::new(),
        past_turns,
        vocabulary: prompt.vocabulary.clone(),
    }
}

fn sections(prompt: &TurnPrompt<'_>) -> Vec<CueSection> {
    let persona = prompt.background.persona();
    let heading = &prompt.background.sentences().character_heading;
    let persona = persona.map(|text| (heading.clone(), text.to_owned()));
    let dossier = prompt.state.dossier.iter().filter_map(dossier::section);
    let parts = prompt.state.prompt_parts.iter();
    persona
        .into_iter()
        .chain(dossier)
        .chain(parts.map(|part| (part.title.clone(), part.text.clone())))
        .map(|(title, text)| CueSection { title, text })
        .collect()
}

const fn occurrence(seen: &Observation) -> Option<&Occurrence> {
    match seen {
        Observation::Event(event) | Observation::Notification(event) => Some(event),
        Observation::ToolAnswer(_) => None,
    }
}

/// `Aldo: Good evening`, or the text or the type alone.
fn plain(event: &Occurrence) -> Option<String> {
    let text = event.text.as_ref().or(event.event_type.as_ref())?;
    Some(match observation::speaker(event.actor.as_ref()) {
        Some(who) => format!("{who}: {text}"),
        None => text.clone(),
    })
}
