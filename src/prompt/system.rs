//! The sections of the system message, which stay the same from turn to turn, and those of the
//! present situation, which don't and therefore stand in the last message.

use std::fmt::Write as _;

use dramatis_protocol::sentences::fill;
use dramatis_protocol::{AgentState, Sentences};

use crate::tags::Vocabulary;

use super::section::{Place, Section};
use super::sentences::heading;
use super::{Background, Form, TurnPrompt, dialect, dossier, quote};

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
    let rules = list(say.rules.iter().map(String::as_str));
    let mut sections = vec![new("opening", "", opening)];
    sections.extend(of_assets(background));
    sections.push(character(background, background.persona().unwrap_or_default().to_owned()));
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

/// What holds in the world: the rules, and the world itself.
pub fn of_assets(background: &Background) -> [Section; 3] {
    let new =
        |name: &str, title: &str, body| Section::new(Place::System, name, &heading(title), body);
    let say = background.sentences();
    let laws = list(background.rules.iter().map(|rule| &*rule.prompt));
    let world = background.world_prompt().unwrap_or_default().to_owned();
    [
        new("base_rules", &say.play_heading, list(background.base_rules())),
        new("rules", &say.laws_heading, laws),
        new("world", &say.world_heading, world).ranked(WORLD_RANK),
    ]
}

/// Who the character is.
pub fn character(background: &Background, text: String) -> Section {
    let heading = format!("## {}", background.sentences().character_heading);
    Section::new(Place::System, "character", &heading, text)
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
pub fn context(prompt: &TurnPrompt<'_>, scene: Option<&str>) -> Vec<Section> {
    let title = &prompt.background.sentences().scene_heading;
    let scene = scene.map(|text| situation(prompt.form, "scene", title, text).ranked(SCENE_RANK));
    let parts = prompt.state.prompt_parts.iter().filter(|part| !part.text.trim().is_empty());
    let parts = (PART_RANK..).zip(parts).map(|(rank, part)| {
        let name = format!("part: {}", quote::one_line(&part.title));
        situation(prompt.form, &name, &part.title, &part.text).ranked(rank)
    });
    scene.into_iter().chain(parts).collect()
}

/// A section of the present situation. Its words may be a player's.
pub fn situation(form: Form, name: &str, title: &str, text: &str) -> Section {
    let title = quote::one_line(title);
    let title = match form {
        Form::Game => quote::escaped(&title),
        Form::Chat => title,
    };
    Section::new(Place::Context, name, &format!("#### {title}"), situation_text(form, text))
}

/// A text as it stands in such a section. Where there are no tags, none can be forged.
pub fn situation_text(form: Form, text: &str) -> String {
    let text = quote::block(text, "");
    match form {
        Form::Game => quote::escaped(&text).into_owned(),
        Form::Chat => text,
    }
}

/// The system message.
pub fn text(sections: &[Section]) -> String {
    let mut out = joined(sections, Place::System);
    out.truncate(out.trim_end().len());
    out
}

/// How things stand now, up to the heading under which it is told what happens; empty if there is
/// nothing to say of it.
pub fn context_text(sections: &[Section], form: Form, say: &Sentences) -> String {
    let out = joined(sections, Place::Context);
    if out.is_empty() {
        return out;
    }
    format!("{}\n\n{out}\n{}", heading(&say.context_heading), heading(now_heading(form, say)))
}

/// The heading of what happens, or is said, now.
pub fn now_heading(form: Form, say: &Sentences) -> &str {
    match form {
        Form::Game => &say.events_heading,
        Form::Chat => &say.said_heading,
    }
}

fn joined(sections: &[Section], place: Place) -> String {
    let mut out = String::new();
    for section in sections.iter().filter(|section| section.place == place) {
        section.write(&mut out);
    }
    out
}
