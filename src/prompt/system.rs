//! The system message, which stays the same from turn to turn, and the present situation, which
//! doesn't and therefore stands in the last message.

use std::fmt::Write as _;

use dramatis_protocol::AgentState;

use crate::tags::Vocabulary;

use super::sentences as say;
use super::{Background, dialect, dossier, quote};

/// Who the character is, how it speaks, what holds.
pub fn text(state: &AgentState, background: &Background, vocabulary: &Vocabulary) -> String {
    let mut out = format!("{}\n{}\n", say::you_are(&quote::one_line(&state.name)), say::ROLE);
    let rules = background.rules.iter().map(|rule| &*rule.prompt);
    list(&mut out, say::BASE_RULES_HEADING, background.base_rules());
    list(&mut out, say::LAWS_HEADING, rules);
    if let Some(world) = background.world_prompt() {
        // Writing to a string can't fail.
        let _ = write!(out, "\n{}\n{world}\n", say::WORLD_HEADING);
    }
    if let Some(persona) = background.persona() {
        let _ = write!(out, "\n## {}\n{persona}\n", say::CHARACTER);
    }
    for (title, text) in state.dossier.iter().filter_map(dossier::section) {
        // Writing to a string can't fail.
        let _ = write!(out, "\n## {title}\n{text}\n");
    }
    let _ = write!(out, "\n{}\n{}\n", say::SPEAK_HEADING, dialect::text(vocabulary));
    list(&mut out, say::RULES_HEADING, say::RULES);
    out.truncate(out.trim_end().len());
    out
}

/// A heading with a line for each rule under it; nothing where there is no rule.
fn list<'a>(out: &mut String, heading: &str, rules: impl IntoIterator<Item = &'a str>) {
    let mut rules = rules.into_iter().map(str::trim).filter(|rule| !rule.is_empty()).peekable();
    if rules.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "\n{heading}");
    for rule in rules {
        let _ = writeln!(out, "- {rule}");
    }
}

/// How things stand now, up to the heading under which it is told what happens; empty if the game
/// says nothing of it.
pub fn context(state: &AgentState, scene: Option<&str>) -> String {
    let mut out = String::new();
    let parts = state.prompt_parts.iter().map(|part| (&*part.title, &*part.text));
    let parts = scene.map(|scene| (say::SCENE, scene)).into_iter().chain(parts);
    for (title, text) in parts.filter(|(_, text)| !text.trim().is_empty()) {
        let (title, text) = (quote::one_line(title), quote::block(text, ""));
        let (title, text) = (quote::escaped(&title), quote::escaped(&text));
        let _ = write!(out, "\n#### {title}\n{text}\n");
    }
    if out.is_empty() {
        return out;
    }
    format!("{}\n{out}\n{}", say::CONTEXT_HEADING, say::EVENTS_HEADING)
}
