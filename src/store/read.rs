//! What can be read, and the statements that read it: only as much as the next prompt needs.

use std::sync::Arc;

use dramatis_protocol::{AgentState, Id};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::error::Failure;
use super::write::find_agent;
use crate::record::{AgentHistory, PastTurn};

/// How many events that got a turn are remembered, for telling a repeated one.
pub const KNOWN_EVENTS: usize = 100;

/// An agent as the store remembers it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredAgent {
    /// Its last turns, and what it perceived since.
    pub history: AgentHistory,
    /// Its last known state.
    pub state: Option<Arc<AgentState>>,
    /// The last events that got a turn, oldest first; [`KNOWN_EVENTS`] at most.
    pub known_events: Vec<Id>,
    /// How many turns it had in all.
    pub turn_count: u64,
}

const TURN_COLUMNS: &str = "turn_id, origin, event_ids, input, tags, ending, result";

/// The agent with its last `turns` turns; an agent that was never heard of is empty.
pub(super) fn load_agent(
    connection: &Connection,
    session: &str,
    agent: &str,
    turns: usize,
) -> Result<StoredAgent, Failure> {
    let Some(key) = find_agent(connection, session, agent)? else {
        return Ok(StoredAgent::default());
    };
    let history = AgentHistory {
        turns: last_turns(connection, key.agent, turns)?,
        pending: pending(connection, key.agent)?,
    };
    let state: Option<String> = connection
        .prepare_cached("SELECT state FROM agents WHERE agent = ?1")?
        .query_row([key.agent], |row| row.get(0))?;
    let turn_count: u32 = connection
        .prepare_cached(
            "SELECT coalesce(max(position) + 1, 0) FROM turns WHERE agent = ?1 AND set_aside = 0",
        )?
        .query_row([key.agent], |row| row.get(0))?;
    Ok(StoredAgent {
        history,
        state: state.map(|text| serde_json::from_str(&text)).transpose()?,
        known_events: known_events(connection, key.agent)?,
        turn_count: u64::from(turn_count),
    })
}

/// A turn that the agent remembers, however old.
pub(super) fn find_turn(
    connection: &Connection,
    session: &str,
    agent: &str,
    turn_id: &str,
) -> Result<Option<PastTurn>, Failure> {
    let Some(key) = find_agent(connection, session, agent)? else {
        return Ok(None);
    };
    let sql = format!(
        "SELECT {TURN_COLUMNS} FROM turns
         WHERE session = ?1 AND turn_id = ?2 AND set_aside = 0 AND agent = ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let row = statement
        .query_row(params![key.session, turn_id, key.agent], |row| Ok(turn(row)))
        .optional()?;
    row.transpose()
}

fn last_turns(connection: &Connection, agent: i64, turns: usize) -> Result<Vec<PastTurn>, Failure> {
    let sql = format!(
        "SELECT {TURN_COLUMNS} FROM turns WHERE agent = ?1 AND set_aside = 0
         ORDER BY position DESC LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![agent, i64::try_from(turns).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(turn(row)?);
    }
    found.reverse();
    Ok(found)
}

fn pending<T: DeserializeOwned>(connection: &Connection, agent: i64) -> Result<Vec<T>, Failure> {
    let sql = "SELECT body FROM observations WHERE agent = ?1 ORDER BY observation";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([agent])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(json(row, 0)?);
    }
    Ok(found)
}

/// Walks back through the turns until enough events are found. Follow-ups have none.
fn known_events(connection: &Connection, agent: i64) -> Result<Vec<Id>, Failure> {
    let sql = "SELECT event_ids FROM turns WHERE agent = ?1 AND set_aside = 0
               ORDER BY position DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([agent])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let of_turn: Vec<Id> = json(row, 0)?;
        events.extend(of_turn.into_iter().rev());
        if events.len() >= KNOWN_EVENTS {
            break;
        }
    }
    events.truncate(KNOWN_EVENTS);
    events.reverse();
    Ok(events)
}

/// Reads a row of [`TURN_COLUMNS`].
fn turn(row: &Row<'_>) -> Result<PastTurn, Failure> {
    let turn_id: String = row.get(0)?;
    Ok(PastTurn {
        turn_id: turn_id.into(),
        origin: json(row, 1)?,
        event_ids: json(row, 2)?,
        input: json(row, 3)?,
        tags: json(row, 4)?,
        end: optional_json(row, 5)?,
        result: optional_json(row, 6)?,
    })
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, Failure> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(serde_json::from_str(text)?)
}

fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<Option<T>, Failure> {
    let text = row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    Ok(text.map(serde_json::from_str).transpose()?)
}
