//! The system message, which stays the same from turn to turn, and the present situation, which
//! doesn't and therefore stands in the last message.

use std::fmt::Write as _;

use dramatis_protocol::AgentState;

use crate::tags::Vocabulary;

use super::sentences as say;
use super::{dialect, dossier, quote};

/// Who the character is, how it speaks, what holds.
pub fn text(state: &AgentState, vocabulary: &Vocabulary) -> String {
    let mut out = format!("{}\n{}\n", say::you_are(&quote::one_line(&state.name)), say::ROLE);
    for (title, text) in state.dossier.iter().filter_map(dossier::section) {
        // Writing to a string can't fail.
        let _ = write!(out, "\n## {title}\n{text}\n");
    }
    let _ = write!(out, "\n{}\n{}\n", say::SPEAK_HEADING, dialect::text(vocabulary));
    let _ = write!(out, "\n{}", say::RULES_HEADING);
    for rule in say::RULES {
        let _ = write!(out, "\n- {rule}");
    }
    out
}

/// How things stand now, up to the heading under which it is told what happens; empty if the game
/// says nothing of it.
pub fn context(state: &AgentState) -> String {
    let mut out = String::new();
    for part in state.prompt_parts.iter().filter(|part| !part.text.trim().is_empty()) {
        let (title, text) = (quote::one_line(&part.title), quote::block(&part.text, ""));
        let (title, text) = (quote::escaped(&title), quote::escaped(&text));
        let _ = write!(out, "\n#### {title}\n{text}\n");
    }
    if out.is_empty() {
        return out;
    }
    format!("{}\n{out}\n{}", say::CONTEXT_HEADING, say::EVENTS_HEADING)
}
