//! Play sessions that have ended. Their name is free again at once; their rows go a few at a time,
//! when nobody has anything to write: a long game has half a million of them, and deleting those in
//! one go would keep everybody else's writes waiting.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::Failure;

/// What `named` says of a session that has ended.
const ENDED: i64 = -1;

/// How many turns go at a time, and as many memories: some milliseconds' work.
const STEP: i64 = 100;

/// Gives an ended session a name that no other can have: ids have 256 bytes at the most.
const END: &str = "UPDATE sessions SET named = ?1, id = printf('%0300d', session)";

/// Forgets a session and everything in it. `false`: there was none.
pub(super) fn forget(connection: &Connection, id: &str) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached(&format!("{END} WHERE id = ?2"))?;
    Ok(statement.execute(params![ENDED, id])? > 0)
}

/// Forgets the sessions without a name: they end with their connection, and so at the latest with
/// the server.
pub(super) fn forget_nameless(connection: &Connection) -> Result<(), Failure> {
    connection.execute(&format!("{END} WHERE named = 0"), [ENDED])?;
    Ok(())
}

/// Deletes a little of what has ended. `false`: there is nothing left.
pub(super) fn sweep(connection: &Connection) -> Result<bool, Failure> {
    let one = |sql: &str, key: i64| -> Result<Option<i64>, Failure> {
        Ok(connection.prepare_cached(sql)?.query_row([key], |row| row.get(0)).optional()?)
    };
    let Some(session) = one("SELECT session FROM sessions WHERE named = ?1 LIMIT 1", ENDED)? else {
        return Ok(false);
    };
    let Some(agent) = one("SELECT agent FROM agents WHERE session = ?1 LIMIT 1", session)? else {
        connection.prepare_cached("DELETE FROM sessions WHERE session = ?1")?.execute([session])?;
        return Ok(true);
    };
    let mut rows = 0;
    for some in [
        "DELETE FROM documents
         WHERE document IN (SELECT document FROM documents WHERE agent = ?1 LIMIT ?2)",
        "DELETE FROM turns WHERE turn IN (SELECT turn FROM turns WHERE agent = ?1 LIMIT ?2)",
    ] {
        rows += connection.prepare_cached(some)?.execute([agent, STEP])?;
    }
    if rows == 0 {
        connection.prepare_cached("DELETE FROM agents WHERE agent = ?1")?.execute([agent])?;
    }
    Ok(true)
}
