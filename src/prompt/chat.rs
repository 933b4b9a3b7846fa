//! What is a chat's own in a prompt: both sides write plain text, so nothing is quoted and nobody is
//! told of tags.

use dramatis_protocol::AgentState;
use dramatis_protocol::sentences::fill;

use crate::record::{Observation, PastTurn, told};

use super::reply::Reply;
use super::section::{Place, Section};
use super::{Background, observation, quote, system};

/// Rules, world, character, a closing word; what is empty is left out.
pub fn sections(state: &AgentState, background: &Background) -> Vec<Section> {
    let say = background.sentences();
    let name = quote::one_line(&state.name);
    let own = |sentence| fill(sentence, &[("name", &name)]);
    let who = introduced(&own(&say.you_are), background.persona().unwrap_or_default());
    let closing = Section::new(Place::System, "closing", "", own(&say.chat_closing));
    let mut sections = Vec::from(system::of_assets(background));
    sections.extend([system::character(background, who.trim_end().to_owned()), closing]);
    sections.retain(|section| section.chars() > 0);
    sections
}

/// The persona after the character's name, unless it begins with that itself.
fn introduced(you_are: &str, persona: &str) -> String {
    let begins = you_are.trim_end_matches(|c: char| !c.is_alphanumeric());
    match persona.starts_with(begins) {
        true => persona.to_owned(),
        false => format!("{you_are}\n{persona}"),
    }
}

/// What was said, after the name of who said it where there is one.
pub fn line(observation: &Observation) -> String {
    let (Observation::Event(said) | Observation::Notification(said)) = observation else {
        return String::new();
    };
    let text = said.text.as_deref().unwrap_or_default();
    told(observation::speaker(said.actor.as_ref()), text)
}

/// What the character answered.
pub fn reply(turn: &PastTurn) -> Reply {
    let content = turn.result.as_ref().and_then(|result| result.content.clone());
    Reply { text: content.unwrap_or_default(), notes: Vec::new(), calls: Vec::new() }
}
