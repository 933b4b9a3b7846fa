//! `dramatis logs`: what the turn log holds, for people at a terminal.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use super::context;
use crate::record::TurnRecord;
use crate::turn_log::{self, LogEntry, Logged, LoggedAgent};

/// Looks at the logs of past and present turns.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The folder that the server writes its logs to.
    #[arg(long, value_name = "DIR", default_value = "logs", global = true)]
    logs: PathBuf,
    #[command(subcommand)]
    command: LogsCommand,
}

#[derive(Debug, Subcommand)]
enum LogsCommand {
    /// Lists play sessions and their agents, the latest last.
    List,
    /// Shows what happened, one line for each thing.
    Show {
        #[command(flatten)]
        whose: Whose,
        /// Prints whole entries as JSON lines, with everything that models were sent and answered.
        #[arg(long)]
        json: bool,
    },
    /// Prints a transcript to read (Markdown).
    Transcript {
        #[command(flatten)]
        whose: Whose,
    },
    /// Shows what the model was told in a turn, what that was made of, and what was left out and why.
    Prompt {
        #[command(flatten)]
        whose: Whose,
        /// The turn, or how its id begins; without it the latest.
        #[arg(long, value_name = "ID")]
        turn: Option<String>,
    },
}

/// Which logs are meant.
#[derive(Debug, Args)]
struct Whose {
    /// The play session, or how its id begins; without it the latest.
    session: Option<String>,
    /// The agent, or how its id begins; without it all.
    agent: Option<String>,
}

/// Runs the command and writes to `out`, which may be a pipe that is closed early.
///
/// # Errors
/// If a log can't be read, or there is none of that name.
pub fn run(args: &LogsArgs, out: &mut impl Write) -> Result<()> {
    let agents =
        turn_log::list(&args.logs).context("can't read the logs; --logs names their folder")?;
    let done = match &args.command {
        LogsCommand::List => list(&agents, out),
        LogsCommand::Show { whose, json } => {
            let mut entries = Vec::new();
            for agent in find(&agents, whose, &args.logs)? {
                entries.extend(entries_of(&args.logs, agent)?);
            }
            entries.sort_by_key(|entry| entry.time);
            show(&entries, *json, out)
        }
        LogsCommand::Transcript { whose } => {
            let mut texts = Vec::new();
            for agent in find(&agents, whose, &args.logs)? {
                texts.push(turn_log::transcript(&entries_of(&args.logs, agent)?));
            }
            out.write_all(texts.join("\n").as_bytes())
        }
        LogsCommand::Prompt { whose, turn } => {
            let mut records = Vec::new();
            for agent in find(&agents, whose, &args.logs)? {
                records.extend(entries_of(&args.logs, agent)?.into_iter().filter_map(record_of));
            }
            records.sort_by_key(|record| record.started_at);
            let record = choose_turn(&records, turn.as_deref())?;
            prompt_of(record, out)
        }
    };
    match done.and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("can't print"),
    }
}

fn entries_of(logs: &Path, agent: &LoggedAgent) -> Result<Vec<LogEntry>> {
    Ok(turn_log::read_agent(logs, &agent.session_id, &agent.agent_id)?)
}

/// The agents that are meant; never none.
fn find<'a>(agents: &'a [LoggedAgent], whose: &Whose, logs: &Path) -> Result<Vec<&'a LoggedAgent>> {
    let Some(latest) = agents.last() else {
        bail!("there are no logs in {} yet; --logs names another folder", logs.display());
    };
    let session = match &whose.session {
        None => latest.session_id.to_string(),
        Some(start) => {
            let mut ids: Vec<&str> = agents.iter().map(|agent| &*agent.session_id).collect();
            ids.dedup();
            choose(&ids, start, "play session")?
        }
    };
    let mut found: Vec<_> = agents.iter().filter(|agent| *agent.session_id == *session).collect();
    if let Some(start) = &whose.agent {
        let ids: Vec<&str> = found.iter().map(|agent| &*agent.agent_id).collect();
        let agent = choose(&ids, start, "agent")?;
        found.retain(|found| *found.agent_id == *agent);
    }
    Ok(found)
}

/// The id that is `start`, or the only one that begins so.
fn choose(ids: &[&str], start: &str, what: &str) -> Result<String> {
    if ids.contains(&start) {
        return Ok(start.to_owned());
    }
    let fitting: Vec<&str> = ids.iter().copied().filter(|id| id.starts_with(start)).collect();
    match *fitting.as_slice() {
        [id] => Ok(id.to_owned()),
        [] => bail!("there is no log of the {what} {start:?}; there are: {}", ids.join(", ")),
        _ => bail!("{start:?} may be more than one {what}: {}", fitting.join(", ")),
    }
}

fn record_of(entry: LogEntry) -> Option<TurnRecord> {
    match entry.what {
        Logged::TurnRecord(record) => Some(*record),
        _ => None,
    }
}

fn choose_turn<'a>(records: &'a [TurnRecord], start: Option<&str>) -> Result<&'a TurnRecord> {
    let Some(start) = start else {
        return records.last().context("no turn has ended yet; `logs show` has what happened");
    };
    let ids: Vec<&str> = records.iter().map(|record| &*record.turn_id).collect();
    let id = choose(&ids, start, "turn")?;
    records.iter().find(|record| *record.turn_id == *id).context("no such turn")
}

fn prompt_of(record: &TurnRecord, out: &mut impl Write) -> io::Result<()> {
    let (turn, model) = (printable(&record.turn_id), printable(&record.model));
    writeln!(out, "turn {turn} of {}, {model}\n", printable(&record.agent_id))?;
    if record.messages.is_empty() {
        writeln!(out, "it ended before the model was asked, or its model input is gone")?;
    }
    context::show_prompt(&record.messages, record.context.as_deref(), out)
}

fn list(agents: &[LoggedAgent], out: &mut impl Write) -> io::Result<()> {
    if agents.is_empty() {
        return writeln!(out, "no logs yet");
    }
    let mut session = None;
    for agent in agents {
        if session != Some(&agent.session_id) {
            session = Some(&agent.session_id);
            writeln!(out, "{}", printable(&agent.session_id))?;
        }
        let name = printable(&agent.agent_id);
        let (first, last) = (agent.first.format("%F %T"), agent.last.format("%F %T"));
        let turns = if agent.turns == 1 { "turn" } else { "turns" };
        writeln!(out, "  {name}  {} {turns}, {first} to {last} UTC", agent.turns)?;
    }
    Ok(())
}

fn show(entries: &[LogEntry], json: bool, out: &mut impl Write) -> io::Result<()> {
    for entry in entries {
        if json {
            writeln!(out, "{}", serde_json::to_string(entry)?)?;
        } else {
            let (time, agent) = (entry.time.format("%T%.3f"), printable(&entry.agent_id));
            writeln!(out, "{time}  {agent}  {}", printable(&summary(&entry.what)))?;
        }
    }
    Ok(())
}

/// An entry in a line, without what is long.
fn summary(what: &Logged) -> String {
    match what {
        Logged::Event(event) => format!("event {}", json(event)),
        Logged::Notification(event) => format!("notification {}", json(event)),
        Logged::EventDropped { event_id, reason } => {
            format!("event {event_id} dropped: {}", json(reason))
        }
        Logged::TurnStarted { turn_id, model, origin, .. } => {
            format!("turn {turn_id} started: {model}, {}", json(origin))
        }
        Logged::ModelInput { turn_id, messages, tools, .. } => {
            let (count, tools) = (messages.len(), tools.len());
            let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
            format!("turn {turn_id} sent {count} messages of {bytes} bytes, {tools} tools")
        }
        Logged::TurnRecord(record) => {
            let (tags, deltas) = (record.tags.len(), record.deltas.len());
            let (turn, end, timings) = (&record.turn_id, json(&record.end), json(&record.timings));
            let fault = record.fault.as_ref().map(|fault| format!(" fault {fault}"));
            let fault = fault.unwrap_or_default();
            format!("turn {turn} ended: {tags} tags of {deltas} deltas, {end}, {timings}{fault}")
        }
        Logged::Result { turn_id, result } => format!("turn {turn_id} result {}", json(result)),
        Logged::ToolAnswers { turn_id, answers } => {
            format!("turn {turn_id} tools answered {}", json(answers))
        }
        Logged::Fault { turn_id: Some(turn_id), message } => {
            format!("fault in turn {turn_id}: {message}")
        }
        Logged::Fault { turn_id: None, message } => format!("fault: {message}"),
        Logged::Lost { count } => format!("{count} entries are missing here"),
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Text from a game must not steer the terminal.
fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use dramatis_protocol::Origin;

    use super::*;
    use crate::record::Occurrence;
    use crate::turn_log::TurnLog;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: LogsArgs,
    }

    fn logs(dir: &Path, line: &str) -> Result<String> {
        let dir = dir.to_str().unwrap();
        let words = ["logs", "--logs", dir].into_iter().chain(line.split_whitespace());
        let args = Line::try_parse_from(words)?.args;
        let mut out = Vec::new();
        run(&args, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// Two sessions, `save-1` with a guard and a baker and the later `save-2` with a guard.
    async fn written() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let log = TurnLog::open(dir.path()).unwrap();
        for (second, session, agent) in
            [(1, "save-1", "guard"), (2, "save-1", "baker"), (3, "save-2", "guard")]
        {
            let time = format!("2026-11-20T15:00:0{second}Z").parse().unwrap();
            let note = |what| log.note(LogEntry::new(time, session.into(), agent.into(), what));
            let text = Some(format!("Hello {session}\u{1b}[2J"));
            note(Logged::Event(Occurrence { text, ..Occurrence::default() }));
            note(Logged::TurnStarted {
                turn_id: format!("turn-{second}").into(),
                event_ids: Vec::new(),
                origin: Origin::Scripted,
                model: "mock/actor".to_owned(),
            });
        }
        log.close().await;
        dir
    }

    #[tokio::test]
    async fn list_shows_sessions_and_agents() {
        let dir = written().await;
        let expected = "save-1
  baker  1 turn, 2026-11-20 15:00:02 to 2026-11-20 15:00:02 UTC
  guard  1 turn, 2026-11-20 15:00:01 to 2026-11-20 15:00:01 UTC
save-2
  guard  1 turn, 2026-11-20 15:00:03 to 2026-11-20 15:00:03 UTC
";
        assert_eq!(logs(dir.path(), "list").unwrap(), expected);
    }

    #[tokio::test]
    async fn show_is_in_the_order_of_time_and_harmless_to_a_terminal() {
        let dir = written().await;
        let expected = r#"15:00:01.000  guard  event {"text":"Hello save-1\u001b[2J"}
15:00:01.000  guard  turn turn-1 started: mock/actor, "scripted"
15:00:02.000  baker  event {"text":"Hello save-1\u001b[2J"}
15:00:02.000  baker  turn turn-2 started: mock/actor, "scripted"
"#;
        assert_eq!(logs(dir.path(), "show save-1").unwrap(), expected);
    }

    #[tokio::test]
    async fn json_is_the_entries_themselves() {
        let dir = written().await;
        let shown = logs(dir.path(), "show --json save-1 g").unwrap();
        let entries: Vec<LogEntry> =
            shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let read = turn_log::read_agent(dir.path(), &"save-1".into(), &"guard".into()).unwrap();
        assert_eq!(entries, read);
    }

    #[test]
    fn a_prompt_is_shown_as_the_model_was_sent_it() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("logs/sample");
        let latest = logs(&sample, "prompt").unwrap();
        assert!(latest.starts_with("turn turn-") && latest.contains("──── system\n"), "{latest}");
        let id = latest.split_whitespace().nth(1).unwrap();
        assert_eq!(logs(&sample, &format!("prompt --turn {id}")).unwrap(), latest);
        let error = logs(&sample, "prompt --turn nothing").unwrap_err().to_string();
        assert!(error.contains("no log of the turn \"nothing\""), "{error}");
    }

    #[tokio::test]
    async fn a_transcript_is_of_the_latest_session_unless_told() {
        let dir = written().await;
        let transcript = logs(dir.path(), "transcript").unwrap();
        assert!(
            transcript.starts_with("# guard\n") && transcript.contains("save-2"),
            "{transcript}"
        );
        let transcript = logs(dir.path(), "transcript save-1").unwrap();
        assert!(
            transcript.contains("# baker\n") && transcript.contains("# guard\n"),
            "{transcript}"
        );
    }

    #[tokio::test]
    async fn what_is_not_there_is_said_with_what_is() {
        let dir = written().await;
        let empty = tempfile::tempdir().unwrap();
        let check = |dir: &Path, line: &str, expected: &str| {
            let error = format!("{:#}", logs(dir, line).unwrap_err());
            assert!(error.contains(expected), "{line}: {error}");
        };
        check(
            dir.path(),
            "show save-3",
            "there is no log of the play session \"save-3\"; there are: save-1, save-2",
        );
        check(dir.path(), "show save", "may be more than one play session: save-1, save-2");
        check(
            dir.path(),
            "show save-2 baker",
            "there is no log of the agent \"baker\"; there are: guard",
        );
        check(empty.path(), "transcript", "there are no logs in");
        check(&empty.path().join("nowhere"), "list", "--logs names their folder");
        assert_eq!(logs(empty.path(), "list").unwrap(), "no logs yet\n");
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_is_no_error() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let dir = written().await;
        let path = dir.path().to_str().unwrap();
        let args = Line::try_parse_from(["logs", "--logs", path, "list"]).unwrap().args;
        run(&args, &mut Gone).unwrap();
    }
}
