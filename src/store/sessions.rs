//! Play sessions as wholes: begun, ended, taken back to a save game, copied.

use dramatis_protocol::Id;
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Failure;
use super::search;
use super::write::find_agent;

/// Begins a session, or goes on with the one that exists. One with a name outlives its connection.
pub(super) fn open(connection: &Connection, id: &str, named: bool) -> Result<(), Failure> {
    let sql = "INSERT INTO sessions (id, named) VALUES (?1, ?2)
               ON CONFLICT (id) DO UPDATE SET named = max(named, excluded.named)";
    connection.prepare_cached(sql)?.execute(params![id, named])?;
    Ok(())
}

/// Whether there is such a session.
pub(super) fn exists(connection: &Connection, id: &str) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM sessions WHERE id = ?1")?;
    Ok(statement.exists([id])?)
}

/// Takes an agent back to the moment after a turn: later turns and all that waits are set aside
/// for good, so that their ids may come again. `false`: the agent remembers no such turn.
pub(super) fn resume_after(
    connection: &Connection,
    session: &str,
    agent: &str,
    turn_id: &str,
) -> Result<bool, Failure> {
    let Some(key) = find_agent(connection, session, agent)? else {
        return Ok(false);
    };
    let position: Option<i64> = connection
        .prepare_cached(
            "SELECT position FROM turns
             WHERE session = ?1 AND turn_id = ?2 AND set_aside = 0 AND agent = ?3",
        )?
        .query_row(params![key.session, turn_id, key.agent], |row| row.get(0))
        .optional()?;
    let Some(position) = position else {
        return Ok(false);
    };
    set_aside_after(connection, key.agent, position)?;
    Ok(true)
}

/// Takes every agent of a session but these back to the moment before its first turn.
pub(super) fn forget_others(
    connection: &Connection,
    session: &str,
    kept: &[Id],
) -> Result<(), Failure> {
    let sql = "SELECT agents.agent, agents.id FROM agents JOIN sessions USING (session)
               WHERE sessions.id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut agents = statement.query([session])?;
    while let Some(row) = agents.next()? {
        let (agent, id): (i64, String) = (row.get(0)?, row.get(1)?);
        if !kept.iter().any(|kept| **kept == *id) {
            set_aside_after(connection, agent, -1)?;
        }
    }
    Ok(())
}

/// What was remembered of the turns goes for good: it can be made again from what they say.
fn set_aside_after(connection: &Connection, agent: i64, position: i64) -> Result<(), Failure> {
    search::forget_after(connection, agent, position)?;
    let sql = "UPDATE turns
               SET set_aside = (SELECT max(set_aside) + 1 FROM turns WHERE agent = ?1)
               WHERE agent = ?1 AND set_aside = 0 AND position > ?2";
    connection.prepare_cached(sql)?.execute([agent, position])?;
    connection.prepare_cached("DELETE FROM observations WHERE agent = ?1")?.execute([agent])?;
    Ok(())
}

/// What a copy of the session `?1` under the id `?2` consists of. What was set aside stays behind.
const FORK: &[&str] = &[
    "INSERT INTO agents (session, id, state)
     SELECT (SELECT session FROM sessions WHERE id = ?2), agents.id, state
     FROM agents JOIN sessions USING (session) WHERE sessions.id = ?1",
    "INSERT INTO turns
     (session, agent, position, turn_id, origin, event_ids, ending, result, input, tags)
     SELECT copy.session, copy.agent, position, turn_id, origin, event_ids, ending, result,
            input, tags
     FROM turns
     JOIN agents AS original ON original.agent = turns.agent
     JOIN agents AS copy ON copy.id = original.id
     WHERE original.session = (SELECT session FROM sessions WHERE id = ?1)
       AND copy.session = (SELECT session FROM sessions WHERE id = ?2)
       AND set_aside = 0
     ORDER BY turn",
    "INSERT INTO observations (agent, body)
     SELECT copy.agent, body
     FROM observations
     JOIN agents AS original ON original.agent = observations.agent
     JOIN agents AS copy ON copy.id = original.id
     WHERE original.session = (SELECT session FROM sessions WHERE id = ?1)
       AND copy.session = (SELECT session FROM sessions WHERE id = ?2)
     ORDER BY observation",
];

/// Begins the session `to` as a copy of `from`, turn ids included. `false`: there is no `from`, or
/// `to` exists already.
pub(super) fn fork(connection: &Connection, from: &str, to: &str) -> Result<bool, Failure> {
    let sql = "INSERT INTO sessions (id, named) SELECT ?2, 1 FROM sessions WHERE id = ?1
               ON CONFLICT (id) DO NOTHING";
    if connection.prepare_cached(sql)?.execute([from, to])? == 0 {
        return Ok(false);
    }
    for step in FORK {
        connection.prepare_cached(step)?.execute([from, to])?;
    }
    search::fork(connection, from, to)?;
    Ok(true)
}
