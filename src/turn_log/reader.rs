//! Logs back to entries. A line that can't be read, as a kill leaves one, is skipped with a
//! warning.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use dramatis_protocol::Id;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::LogError;
use super::entry::{LogEntry, Logged};
use super::files::{Kind, parts, path, whole};
use crate::record::{Message, ToolSpec};

/// An agent of whom there is a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedAgent {
    /// The play session.
    pub session_id: Id,
    /// The agent.
    pub agent_id: Id,
    /// How many turns of it began.
    pub turns: usize,
    /// When the log begins.
    pub first: DateTime<Utc>,
    /// When it ends.
    pub last: DateTime<Utc>,
}

/// As much of a line as a list needs.
#[derive(Deserialize)]
struct Head {
    time: DateTime<Utc>,
    session_id: Id,
    agent_id: Id,
    #[serde(rename = "type")]
    kind: String,
}

/// Everyone of whom there is a log below `dir`: the session that was last active comes last, agents
/// by their ids.
///
/// # Errors
/// If the folder or a file in it can't be read.
pub fn list(dir: &Path) -> Result<Vec<LoggedAgent>, LogError> {
    let mut agents: HashMap<(Id, Id), LoggedAgent> = HashMap::new();
    for folder in children(dir)?.into_iter().filter(|path| path.is_dir()) {
        for file in children(&folder)? {
            if !whole(&file).to_string_lossy().ends_with(Kind::Conversation.suffix()) {
                continue;
            }
            for head in lines_of_part::<Head>(&file)? {
                let key = (head.session_id.clone(), head.agent_id.clone());
                let agent = agents.entry(key).or_insert_with(|| LoggedAgent {
                    session_id: head.session_id,
                    agent_id: head.agent_id,
                    turns: 0,
                    first: head.time,
                    last: head.time,
                });
                agent.turns += usize::from(head.kind == "turn_started");
                agent.first = agent.first.min(head.time);
                agent.last = agent.last.max(head.time);
            }
        }
    }
    let mut active: HashMap<Id, DateTime<Utc>> = HashMap::new();
    for agent in agents.values() {
        let last = active.entry(agent.session_id.clone()).or_insert(agent.last);
        *last = agent.last.max(*last);
    }
    let mut agents: Vec<_> = agents.into_values().collect();
    agents.sort_by_cached_key(|agent| {
        let last = active.get(&agent.session_id).copied();
        (last, agent.session_id.clone(), agent.agent_id.clone())
    });
    Ok(agents)
}

/// All entries below `dir`, agent after agent in the order of [`list`], each in the order in which
/// they were written.
///
/// # Errors
/// If the folder or a file in it can't be read.
pub fn read(dir: &Path) -> Result<Vec<LogEntry>, LogError> {
    let mut entries = Vec::new();
    for agent in list(dir)? {
        entries.extend(read_agent(dir, &agent.session_id, &agent.agent_id)?);
    }
    Ok(entries)
}

/// The entries of one agent, in the order in which they were written; what the model was sent
/// stands behind the beginning of its turn.
///
/// # Errors
/// If a file can't be read.
pub fn read_agent(dir: &Path, session: &Id, agent: &Id) -> Result<Vec<LogEntry>, LogError> {
    let mut inputs: HashMap<Id, Vec<LogEntry>> = HashMap::new();
    let mut sent: HashMap<Id, (Arc<Vec<Message>>, Vec<ToolSpec>)> = HashMap::new();
    for entry in entries_of(dir, session, agent, Kind::ModelInput)? {
        if let Logged::ModelInput { turn_id, messages, tools, .. } = &entry.what {
            sent.insert(turn_id.clone(), (Arc::clone(messages), tools.clone()));
            inputs.entry(turn_id.clone()).or_default().push(entry);
        }
    }
    let mut entries = Vec::new();
    for mut entry in read_conversation(dir, session, agent)? {
        if let Logged::TurnRecord(record) = &mut entry.what
            && let Some((messages, tools)) = sent.get(&record.turn_id)
        {
            record.messages = Arc::clone(messages);
            record.tools.clone_from(tools);
        }
        let began = match &entry.what {
            Logged::TurnStarted { turn_id, .. } => inputs.remove(turn_id),
            _ => None,
        };
        entries.push(entry);
        entries.extend(began.into_iter().flatten());
    }
    let mut strays: Vec<_> = inputs.into_values().flatten().collect();
    strays.sort_by_key(|entry| entry.time);
    entries.extend(strays);
    Ok(entries)
}

/// As [`read_agent`], without what the model was sent.
pub(super) fn read_conversation(
    dir: &Path,
    session: &Id,
    agent: &Id,
) -> Result<Vec<LogEntry>, LogError> {
    entries_of(dir, session, agent, Kind::Conversation)
}

fn entries_of(dir: &Path, session: &Id, agent: &Id, kind: Kind) -> Result<Vec<LogEntry>, LogError> {
    let mut entries: Vec<LogEntry> = lines(&path(dir, session, agent, kind))?;
    // Ids made to collide share a file.
    entries.retain(|entry| entry.session_id == *session && entry.agent_id == *agent);
    Ok(entries)
}

fn children(dir: &Path) -> Result<Vec<PathBuf>, LogError> {
    let paths = fs::read_dir(dir).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
    });
    paths.map_err(|error| LogError::at(dir, &error))
}

/// The lines of a file, and of what was put aside of it, that can be read as `T`.
fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, LogError> {
    let mut found = Vec::new();
    for part in parts(path) {
        found.extend(lines_of_part(&part)?);
    }
    Ok(found)
}

/// The lines of one file; none if there is no file.
fn lines_of_part<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, LogError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LogError::at(path, &error)),
    };
    let mut found = Vec::new();
    for (index, line) in BufReader::new(file).split(b'\n').enumerate() {
        let line = line.map_err(|error| LogError::at(path, &error))?;
        if line.is_empty() {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(entry) => found.push(entry),
            Err(error) => {
                let file = path.display();
                tracing::warn!(%file, line = index + 1, %error, "a line of a log can't be read and is skipped");
            }
        }
    }
    Ok(found)
}
