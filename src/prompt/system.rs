//! The sections of the system message, which stay the same from turn to turn, and those of the
//! present situation, which don't and therefore stand in the last message.

use std::fmt::Write as _;

use dramatis_protocol::sentences::fill;
use dramatis_protocol::{AgentState, Sentences};

use crate::tags::Vocabulary;

use super::section::{Place, Section};
use super::sentences::heading;
use super::{Background, dialect, dossier, quote};

/// What gives way when there is no room: the scene and the game's parts before its dossier, the
/// dossier before the world; of several the last first. Who the character is, the rules and the tags
/// never do.
const SCENE_RANK: u32 = 3_000_000;
const PART_RANK: u32 = 2_000_000;
const DOSSIER_RANK: u32 = 1_000_000;
const WORLD_RANK: u32 = 1;

/// Who the character is, how it speaks, what holds.
pub fn sections(
    state: &AgentState,
    background: &Background,
    vocabulary: &Vocabulary,
) -> Vec<Section> {
    let new = |name: &str, heading: &str, body| Section::new(Place::System, name, heading, body);
    let say = background.sentences();
    let you_are = fill(&say.you_are, &[("name", &quote::one_line(&state.name))]);
    let opening = format!("{you_are}\n{}", say.role);
    let laws = list(background.rules.iter().map(|rule| &*rule.prompt));
    let rules = list(say.rules.iter().map(String::as_str));
    let world = background.world_prompt().unwrap_or_default().to_owned();
    let persona = background.persona().unwrap_or_default().to_owned();
    let persona_heading = format!("## {}", say.character_heading);
    let mut sections = vec![
        new("opening", "", opening),
        new("base_rules", &heading(&say.play_heading), list(background.base_rules())),
        new("rules", &heading(&say.laws_heading), laws),
        new("world", &heading(&say.world_heading), world).ranked(WORLD_RANK),
        new("character", &persona_heading, persona),
    ];
    for (rank, (title, text)) in
        (DOSSIER_RANK..).zip(state.dossier.iter().filter_map(dossier::section))
    {
        let name = format!("dossier: {title}");
        sections.push(new(&name, &format!("## {title}"), text).ranked(rank));
    }
    sections.push(new("tags", &heading(&say.speak_heading), dialect::text(vocabulary, say)));
    sections.push(new("closing", &heading(&say.rules_heading), rules));
    sections.retain(|section| section.chars() > 0);
    sections
}

/// A line for each rule.
fn list<'a>(rules: impl IntoIterator<Item = &'a str>) -> String {
    let rules = rules.into_iter().map(str::trim).filter(|rule| !rule.is_empty());
    let mut out = String::new();
    for rule in rules {
        // Writing to a string can't fail.
        let _ = writeln!(out, "- {rule}");
    }
    out.truncate(out.trim_end().len());
    out
}

/// How things stand now.
pub fn context(state: &AgentState, scene: Option<&str>, say: &Sentences) -> Vec<Section> {
    let scene = scene.map(|text| situation("scene", &say.scene_heading, text).ranked(SCENE_RANK));
    let parts = state.prompt_parts.iter().filter(|part| !part.text.trim().is_empty());
    let parts = (PART_RANK..).zip(parts).map(|(rank, part)| {
        let name = format!("part: {}", quote::one_line(&part.title));
        situation(&name, &part.title, &part.text).ranked(rank)
    });
    scene.into_iter().chain(parts).collect()
}

/// A section of the present situation. Its words may be a player's.
pub fn situation(name: &str, title: &str, text: &str) -> Section {
    let (title, text) = (quote::one_line(title), quote::block(text, ""));
    let heading = format!("#### {}", quote::escaped(&title));
    Section::new(Place::Context, name, &heading, quote::escaped(&text).into_owned())
}

/// The system message.
pub fn text(sections: &[Section]) -> String {
    let mut out = joined(sections, Place::System);
    out.truncate(out.trim_end().len());
    out
}

/// How things stand now, up to the heading under which it is told what happens; empty if there is
/// nothing to say of it.
pub fn context_text(sections: &[Section], say: &Sentences) -> String {
    let out = joined(sections, Place::Context);
    if out.is_empty() {
        return out;
    }
    format!("{}\n\n{out}\n{}", heading(&say.context_heading), heading(&say.events_heading))
}

fn joined(sections: &[Section], place: Place) -> String {
    let mut out = String::new();
    for section in sections.iter().filter(|section| section.place == place) {
        section.write(&mut out);
    }
    out
}
