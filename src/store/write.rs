//! What can be written, and the statements that write it.

use std::sync::Arc;

use dramatis_protocol::{AgentState, Id};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::error::{Failure, StoreError, StoreErrorKind};
use super::search::{self, Findable};
use super::sessions;
use crate::record::{LedgerTag, Observation, PastTurn, TurnEnd, TurnResult};

/// How many observations between two turns count; older ones give way.
pub const MAX_PENDING: u32 = 50;

/// One thing to be kept. The session must be open, but for [`Write::CatchUp`]; an agent begins with its first write.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// The agent perceived something; it waits for the next turn.
    Observation { session: Id, agent: Id, observation: Observation },
    /// The agent's last known state.
    State { session: Id, agent: Id, state: Arc<AgentState> },
    /// A turn began. Its `input` takes the place of the observations that waited.
    TurnStarted { session: Id, agent: Id, turn: PastTurn },
    /// A turn ended.
    TurnEnded { session: Id, agent: Id, turn_id: Id, tags: Vec<LedgerTag>, end: TurnEnd },
    /// The game confirmed a turn; the last result counts. With what the agent is to remember of it, if
    /// anything, as [`Write::Memory`]: nothing is remembered that was refused.
    TurnResult { session: Id, agent: Id, turn_id: Id, result: TurnResult, memory: Option<Findable> },
    /// What the agent is to remember of a turn, for [`super::Store::search`]; the last text counts, and
    /// none if there is nothing. It shares the turn's fate: copied with it, and gone when it is set aside.
    Memory { session: Id, agent: Id, turn_id: Id, text: Option<Findable> },
    /// Earlier writes of the agent failed: what it knows takes the place of what the store has. A
    /// session that could not be opened is opened; `named` as for [`super::Store::open_session`].
    CatchUp { session: Id, named: bool, agent: Id, memory: Box<UnwrittenMemory> },
}

/// What an agent knows, from the first turn on that was not written as it should be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UnwrittenMemory {
    /// How many turns the agent had before `turns`.
    pub from: u64,
    /// The turns from there on, the newest last. If there is none, the store's turns stay.
    pub turns: Vec<PastTurn>,
    /// What the agent is to remember of turns, as [`Write::Memory`].
    pub memories: Vec<(Id, Option<Findable>)>,
    /// Everything that waits for the next turn, in its order.
    pub pending: Vec<Observation>,
    /// The last known state, if there is one.
    pub state: Option<Arc<AgentState>>,
}

/// Writes one thing. Whoever calls undoes the rest of a write that fails.
pub(super) fn apply(connection: &Connection, write: &Write) -> Result<(), Failure> {
    match write {
        Write::Observation { session, agent, observation } => {
            observe(connection, agent_key(connection, session, agent)?.agent, observation)
        }
        Write::State { session, agent, state } => {
            keep_state(connection, agent_key(connection, session, agent)?.agent, state)
        }
        Write::TurnStarted { session, agent, turn } => {
            start_turn(connection, &agent_key(connection, session, agent)?, turn)
        }
        Write::TurnEnded { session, agent, turn_id, tags, end } => {
            let key = turn_key(connection, session, agent, turn_id)?;
            connection
                .prepare_cached("UPDATE turns SET tags = ?2, ending = ?3 WHERE turn = ?1")?
                .execute(params![key, json(tags)?, json(end)?])?;
            Ok(())
        }
        Write::TurnResult { session, agent, turn_id, result, memory } => {
            let key = turn_key(connection, session, agent, turn_id)?;
            connection
                .prepare_cached("UPDATE turns SET result = ?2 WHERE turn = ?1")?
                .execute(params![key, json(result)?])?;
            search::remember(connection, (session, agent), turn_id, memory.as_ref())
        }
        Write::Memory { session, agent, turn_id, text } => {
            search::remember(connection, (session, agent), turn_id, text.as_ref())
        }
        Write::CatchUp { session, named, agent, memory } => {
            sessions::open(connection, session, *named)?;
            catch_up(connection, &agent_key(connection, session, agent)?, memory)?;
            memory.memories.iter().try_for_each(|(turn_id, text)| {
                search::remember(connection, (session, agent), turn_id, text.as_ref())
            })
        }
    }
}

/// An agent's row and that of its session.
pub(super) struct AgentKey {
    pub(super) session: i64,
    pub(super) agent: i64,
}

/// The agent's row, which is made if it is missing.
pub(super) fn agent_key(
    connection: &Connection,
    session: &str,
    agent: &str,
) -> Result<AgentKey, Failure> {
    if let Some(key) = find_agent(connection, session, agent)? {
        return Ok(key);
    }
    connection
        .prepare_cached(
            "INSERT INTO agents (session, id) SELECT session, ?2 FROM sessions WHERE id = ?1",
        )?
        .execute([session, agent])?;
    find_agent(connection, session, agent)?.ok_or_else(|| {
        let message = format!("the play session {session:?} is not open");
        StoreError::new(StoreErrorKind::UnknownSession, message).into()
    })
}

/// The agent's row, if there is one.
pub(super) fn find_agent(
    connection: &Connection,
    session: &str,
    agent: &str,
) -> Result<Option<AgentKey>, Failure> {
    let sql = "SELECT session, agent FROM agents JOIN sessions USING (session)
               WHERE sessions.id = ?1 AND agents.id = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let key = statement
        .query_row([session, agent], |row| {
            Ok(AgentKey { session: row.get(0)?, agent: row.get(1)? })
        })
        .optional()?;
    Ok(key)
}

/// The row of a turn that the agent remembers.
pub(super) fn turn_key(
    connection: &Connection,
    session: &str,
    agent: &str,
    turn_id: &str,
) -> Result<i64, Failure> {
    let sql = "SELECT turn FROM turns JOIN agents USING (agent)
               JOIN sessions ON sessions.session = turns.session
               WHERE sessions.id = ?1 AND agents.id = ?2 AND turn_id = ?3 AND set_aside = 0";
    let mut statement = connection.prepare_cached(sql)?;
    let key = statement.query_row([session, agent, turn_id], |row| row.get(0)).optional()?;
    key.ok_or_else(|| {
        let message = format!("the agent {agent:?} has no turn {turn_id:?}");
        StoreError::new(StoreErrorKind::UnknownTurn, message).into()
    })
}

fn observe(connection: &Connection, agent: i64, observation: &Observation) -> Result<(), Failure> {
    connection
        .prepare_cached("INSERT INTO observations (agent, body) VALUES (?1, ?2)")?
        .execute(params![agent, json(observation)?])?;
    let sql = "DELETE FROM observations WHERE agent = ?1 AND observation <=
               (SELECT observation FROM observations WHERE agent = ?1
                ORDER BY observation DESC LIMIT 1 OFFSET ?2)";
    connection.prepare_cached(sql)?.execute(params![agent, MAX_PENDING])?;
    Ok(())
}

fn keep_state(connection: &Connection, agent: i64, state: &AgentState) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE agents SET state = ?2 WHERE agent = ?1")?
        .execute(params![agent, json(state)?])?;
    Ok(())
}

fn start_turn(connection: &Connection, key: &AgentKey, turn: &PastTurn) -> Result<(), Failure> {
    insert_turn(connection, key, turn, None)?;
    forget_observations(connection, key.agent)
}

/// Writes what the agent knows over whatever part of it the store has. What was set aside stays.
fn catch_up(
    connection: &Connection,
    key: &AgentKey,
    memory: &UnwrittenMemory,
) -> Result<(), Failure> {
    if !memory.turns.is_empty() {
        forget_lost(connection, key.agent, memory)?;
        connection
            .prepare_cached(
                "DELETE FROM turns WHERE agent = ?1 AND set_aside = 0 AND position >= ?2",
            )?
            .execute(params![key.agent, position(memory.from)])?;
    }
    for (place, turn) in (memory.from..).zip(&memory.turns) {
        // It may have got through to an earlier place, that of one that is lost.
        connection
            .prepare_cached(
                "DELETE FROM turns
                 WHERE session = ?1 AND turn_id = ?2 AND set_aside = 0 AND agent = ?3",
            )?
            .execute(params![key.session, &*turn.turn_id, key.agent])?;
        insert_turn(connection, key, turn, Some(position(place)))?;
    }
    forget_observations(connection, key.agent)?;
    for observation in &memory.pending {
        observe(connection, key.agent, observation)?;
    }
    memory.state.iter().try_for_each(|state| keep_state(connection, key.agent, state))
}

/// Forgets what was remembered of turns that don't come back.
fn forget_lost(
    connection: &Connection,
    agent: i64,
    memory: &UnwrittenMemory,
) -> Result<(), Failure> {
    let sql = "SELECT turn_id FROM turns WHERE agent = ?1 AND set_aside = 0 AND position >= ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![agent, position(memory.from)])?;
    while let Some(row) = rows.next()? {
        let turn_id: String = row.get(0)?;
        if !memory.turns.iter().any(|turn| *turn.turn_id == *turn_id) {
            search::forget_turn(connection, agent, &turn_id)?;
        }
    }
    Ok(())
}

fn position(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

/// Adds a turn, at its place or after all others.
fn insert_turn(
    connection: &Connection,
    key: &AgentKey,
    turn: &PastTurn,
    position: Option<i64>,
) -> Result<(), Failure> {
    let sql = "INSERT INTO turns
               (session, agent, turn_id, origin, event_ids, ending, result, input, tags, position)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
                      coalesce(?10, max(position) + 1, 0)
               FROM turns WHERE agent = ?2 AND set_aside = 0";
    connection.prepare_cached(sql)?.execute(params![
        key.session,
        key.agent,
        &*turn.turn_id,
        json(&turn.origin)?,
        json(&turn.event_ids)?,
        turn.end.as_ref().map(json).transpose()?,
        turn.result.as_ref().map(json).transpose()?,
        json(&turn.input)?,
        json(&turn.tags)?,
        position,
    ])?;
    Ok(())
}

fn forget_observations(connection: &Connection, agent: i64) -> Result<(), Failure> {
    connection.prepare_cached("DELETE FROM observations WHERE agent = ?1")?.execute([agent])?;
    Ok(())
}

fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    Ok(serde_json::to_string(value)?)
}
