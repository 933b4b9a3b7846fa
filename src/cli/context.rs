//! A prompt for people: its messages, what they were made of, and what was left out and why.

use std::io::{self, Write};

use crate::record::{
    ContextReport, Fate, LeftOut, LeftOutBecause, Message, Piece, PieceSource, Role, SectionReport,
    WokenBy, WokenEntry,
};

/// Of a text so much is shown, in characters.
const SHOWN_CHARS: usize = 60;

/// Writes what a model is told, and with it what is known of that.
pub(super) fn show_prompt(
    messages: &[Message],
    report: Option<&ContextReport>,
    out: &mut impl Write,
) -> io::Result<()> {
    for message in messages {
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        writeln!(out, "──── {role}\n{}", printable(&message.content))?;
        for call in &message.tool_calls {
            writeln!(out, "calls {}", printable(&format!("{} {}", call.name, call.arguments)))?;
        }
        writeln!(out)?;
    }
    report.iter().try_for_each(|report| show(report, out))
}

/// Text from a game must not steer the terminal.
fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), " ")
}

/// Writes the report.
fn show(report: &ContextReport, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "──── {} tokens of {} at the most (a token is taken for four characters)",
        report.tokens, report.budget
    )?;
    if report.over_budget {
        writeln!(out, "more than the budget, though all that may be left out was")?;
    }
    for section in &report.sections {
        writeln!(out, "{:>6}  {}{}", section.tokens, section.name, fate(section))?;
    }
    let turns = report.turns_shown;
    if turns + report.turns_outside + report.turns_dropped > 0 {
        writeln!(
            out,
            "{:>6}  history: {turns} turns; {} older ones not shown, {} without room",
            report.history_tokens, report.turns_outside, report.turns_dropped
        )?;
    }
    if report.observations_dropped > 0 {
        writeln!(out, "        {} older events without room", report.observations_dropped)?;
    }
    reminded(report, out)?;
    left_out(report, out)
}

fn fate(section: &SectionReport) -> String {
    match section.fate {
        Fate::Included => String::new(),
        Fate::Trimmed => format!(" (cut: it has {})", section.wanted),
        Fate::Dropped => format!(" (left out: it has {})", section.wanted),
    }
}

fn reminded(report: &ContextReport, out: &mut impl Write) -> io::Result<()> {
    for entry in &report.lorebook.entries {
        writeln!(out, "lorebook: {} ({})", entry.id, woken_by(entry))?;
    }
    let retrieved = &report.retrieved;
    for piece in retrieved.lore.iter().chain(&retrieved.memories) {
        writeln!(out, "{}", line(piece))?;
    }
    let search = &retrieved.report;
    if !search.terms.is_empty() {
        let model = search.model.as_ref();
        let model = model.map_or_else(String::new, |model| format!(", and by vectors of {model}"));
        writeln!(out, "looked up by the words {}{model}", search.terms.join(", "))?;
    }
    search.faults.iter().try_for_each(|fault| writeln!(out, "fault: {fault}"))
}

fn left_out(report: &ContextReport, out: &mut impl Write) -> io::Result<()> {
    for entry in &report.lorebook.no_room {
        let why = woken_by(entry);
        writeln!(out, "left out, because there is no room: lorebook: {} ({why})", entry.id)?;
    }
    for LeftOut { piece, because } in &report.retrieved.report.left_out {
        let because = match because {
            LeftOutBecause::Irrelevant => "it has too little to do with it",
            LeftOutBecause::Shown => "the history shows it",
            LeftOutBecause::Enough => "better ones were enough",
            LeftOutBecause::NoRoom => "there is no room",
        };
        writeln!(out, "left out, because {because}: {}", line(piece))?;
    }
    Ok(())
}

fn woken_by(entry: &WokenEntry) -> String {
    match &entry.by {
        WokenBy::Constant => "always".to_owned(),
        WokenBy::Key { key, secondary, entry } => {
            let with = secondary.iter().map(|key| format!(" with \"{key}\"")).collect::<String>();
            let by = entry.as_ref().map_or_else(String::new, |by| format!(" in {by}"));
            format!("by the key \"{key}\"{with}{by}")
        }
    }
}

fn line(piece: &Piece) -> String {
    let source = match &piece.source {
        PieceSource::Lore { name } => format!("lore of {name}"),
        PieceSource::Memory { turn_id } => format!("memory of {turn_id}"),
    };
    let text: String = piece.text.chars().take(SHOWN_CHARS).collect();
    let more = if text.len() < piece.text.len() && !text.ends_with('…') { "…" } else { "" };
    let text = printable(&text).replace('\n', " / ");
    format!("{source} ({}): {text}{more}", piece.reason)
}
