//! What is said after the scene: a table of its turns with their times, and how to connect a game.

use std::fmt::Write as _;

use dramatis_protocol::{InterruptReason, Origin};

use crate::simulation::{End, Report, TurnReport};

/// The table of a report.
pub(super) fn of(report: &Report, color: bool) -> String {
    let dim = |text: &str| {
        if color { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    let head = row(["", "first token", "first words", "whole turn", "heard", "what became of it"]);
    let mut out = format!("\n{}\n", dim(&head));
    for turn in &report.turns {
        let _ = writeln!(out, "{}", turn_row(turn));
    }
    let shown = report.interruptions().count();
    let totals = [
        count(report.turns.len(), "turn"),
        count(shown, "interruption"),
        count(report.tools().count(), "tool call"),
        count(report.notifications, "notification"),
        format!("{} confirmed by the server", count(report.stored, "result")),
        format!("{} s in all", report.total_ms / 1000),
    ];
    let _ = writeln!(out, "\n{}", dim(&format!("  {}", totals.join(" · "))));
    for error in report.errors.iter().chain(&report.dropped) {
        let _ = writeln!(out, "  ✗ {error}");
    }
    out
}

fn turn_row(turn: &TurnReport) -> String {
    let ms = |ms: Option<u64>| ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms"));
    let who = match turn.origin {
        Origin::ToolFollowUp => format!("{} (after the tool)", turn.agent),
        Origin::Llm | Origin::Scripted => turn.agent.clone(),
    };
    let end = match &turn.end {
        End::Finished { cut_by_player: true, .. } => "cut while it was being shown".to_owned(),
        End::Finished { reason, .. } => reason.clone(),
        End::Interrupted { reason } => {
            let reason = match reason {
                InterruptReason::NewerEvent => "interrupted (newer event)",
                InterruptReason::Cancelled => "cancelled",
                InterruptReason::Disconnected => "cut off (disconnected)",
                InterruptReason::Timeout => "failed (timeout)",
                InterruptReason::ProviderError => "failed (the model)",
                InterruptReason::Shutdown => "cut off (shutdown)",
            };
            reason.to_owned()
        }
    };
    let heard = turn.heard.chars().count().min(turn.forwarded_chars);
    row([
        &who,
        &ms(turn.timings.first_token),
        &ms(turn.first_speech_ms),
        &ms(Some(turn.total_ms)),
        &format!("{heard} of {}", turn.forwarded_chars),
        &end,
    ])
}

fn row(cells: [&str; 6]) -> String {
    let [who, token, words, whole, chars, end] = cells;
    format!("  {who:<24}{token:>11}  {words:>11}  {whole:>10}  {chars:>12}  {end}")
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// What a reader can do next; `address` is where the server listens (`127.0.0.1:8000`).
#[must_use]
pub fn connect_help(address: &str) -> String {
    format!(
        "\n  The server goes on at ws://{address}/ws. To talk to a character of your own, send:\n\n\
         {}\n{}\n\n  It asks for the character's state before each turn; answer with what is so now:\n\n\
         {}\n\n  Press Ctrl+C to end it.\n",
        r#"    {"type":"hello","protocol":"1","game":"mine"}"#,
        r#"    {"type":"interaction_event","agent_id":"ada","text":"Good evening!","actor":{"name":"You"}}"#,
        r#"    {"type":"agent_state_snapshot","agent_id":"ada","state":{"name":"Ada"}}"#,
    )
}
