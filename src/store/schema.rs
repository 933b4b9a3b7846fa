//! The tables, how an older file becomes a newer one, and how a connection is set up.
//!
//! The file's version is `user_version`: the number of [`MIGRATIONS`] that it has been through.
//! A migration that has been released is never changed; what follows is a new one.

use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::ended;
use super::error::{Failure, StoreError, StoreErrorKind};

/// Marks a file as a store of this program (`dram`).
const APPLICATION_ID: i32 = 0x6472_616d;

/// How long a connection waits for another's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Each step leads from the version of its index to the next.
///
/// `turns.position` counts an agent's turns without gaps. Turns that a save game left behind keep
/// their rows under the number of that event in `set_aside`; 0 is what the agent remembers.
///
/// A document is a chunk of lore or what an agent remembers of a turn; its number is never given
/// again, since its vector may come later. `terms` is what `words` was made from, which itself keeps
/// an index only.
pub(super) const MIGRATIONS: &[&str] = &[
    r"
CREATE TABLE sessions (
    session    INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    named      INTEGER NOT NULL
);
CREATE TABLE agents (
    agent      INTEGER PRIMARY KEY,
    session    INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    id         TEXT NOT NULL,
    state      TEXT,
    UNIQUE (session, id)
);
CREATE TABLE turns (
    turn       INTEGER PRIMARY KEY,
    session    INTEGER NOT NULL,
    agent      INTEGER NOT NULL REFERENCES agents ON DELETE CASCADE,
    set_aside  INTEGER NOT NULL DEFAULT 0,
    position   INTEGER NOT NULL,
    turn_id    TEXT NOT NULL,
    origin     TEXT NOT NULL,
    event_ids  TEXT NOT NULL,
    ending     TEXT,
    result     TEXT,
    input      TEXT NOT NULL,
    tags       TEXT NOT NULL,
    UNIQUE (agent, set_aside, position),
    UNIQUE (session, turn_id, set_aside)
);
CREATE TABLE observations (
    observation INTEGER PRIMARY KEY,
    agent       INTEGER NOT NULL REFERENCES agents ON DELETE CASCADE,
    body        TEXT NOT NULL
);
CREATE INDEX observations_of_agent ON observations (agent, observation);
",
    r"
CREATE TABLE lore (
    lore       INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE
);
CREATE TABLE documents (
    document   INTEGER PRIMARY KEY AUTOINCREMENT,
    lore       INTEGER REFERENCES lore ON DELETE CASCADE,
    hash       INTEGER,
    agent      INTEGER REFERENCES agents ON DELETE CASCADE,
    turn_id    TEXT,
    body       TEXT NOT NULL,
    terms      TEXT NOT NULL,
    CHECK ((lore IS NULL) <> (agent IS NULL)),
    UNIQUE (lore, hash),
    UNIQUE (agent, turn_id)
);
CREATE TABLE vectors (
    document   INTEGER PRIMARY KEY REFERENCES documents ON DELETE CASCADE,
    model      TEXT NOT NULL,
    vector     BLOB NOT NULL
);
CREATE VIRTUAL TABLE words USING fts5 (
    terms, content = '', contentless_delete = 1, tokenize = 'ascii'
);
CREATE TRIGGER words_of_document AFTER DELETE ON documents
BEGIN
    DELETE FROM words WHERE rowid = old.document;
END;
",
    // Lore gets an index of its own; it is read from its files again when a server starts. Vectors lie
    // together by their scope (an agent's row, or minus that of lore), since a question looks at all of
    // them; they are made again.
    r"
DROP TABLE vectors;
CREATE TABLE vectors (
    scope      INTEGER NOT NULL,
    document   INTEGER NOT NULL UNIQUE REFERENCES documents ON DELETE CASCADE,
    model      TEXT NOT NULL,
    vector     BLOB NOT NULL,
    PRIMARY KEY (scope, document)
) WITHOUT ROWID;
DELETE FROM documents WHERE lore IS NOT NULL;
DROP TRIGGER words_of_document;
CREATE VIRTUAL TABLE lore_words USING fts5 (
    terms, content = '', contentless_delete = 1, tokenize = 'ascii'
);
CREATE TRIGGER words_of_lore AFTER DELETE ON documents WHEN old.lore IS NOT NULL
BEGIN
    DELETE FROM lore_words WHERE rowid = old.document;
END;
CREATE TRIGGER words_of_memory AFTER DELETE ON documents WHEN old.agent IS NOT NULL
BEGIN
    DELETE FROM words WHERE rowid = old.document;
END;
",
    // A chat has a session of a name that no game can give; its characters are agents there, and
    // remember as those do. Times are milliseconds since 1970.
    r"
CREATE TABLE chats (
    session    INTEGER PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    id         TEXT NOT NULL UNIQUE,
    title      TEXT NOT NULL,
    world      TEXT NOT NULL,
    character  TEXT NOT NULL,
    model      TEXT NOT NULL,
    created    INTEGER NOT NULL,
    updated    INTEGER NOT NULL
);
CREATE INDEX chats_by_time ON chats (updated);
CREATE TABLE messages (
    message    INTEGER PRIMARY KEY,
    session    INTEGER NOT NULL REFERENCES chats ON DELETE CASCADE,
    id         TEXT NOT NULL,
    role       TEXT NOT NULL,
    character  TEXT,
    sender     TEXT,
    content    TEXT NOT NULL,
    partial    INTEGER NOT NULL,
    time       INTEGER NOT NULL,
    UNIQUE (session, id)
);
CREATE INDEX messages_of_session ON messages (session, message);
CREATE TABLE clients (
    id         TEXT PRIMARY KEY,
    body       TEXT NOT NULL,
    used       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX clients_by_time ON clients (used);
",
    // A scope's documents in their order: what is new of it is found without a look at the rest.
    r"
CREATE INDEX documents_of_lore ON documents (lore) WHERE lore IS NOT NULL;
CREATE INDEX documents_of_agent ON documents (agent) WHERE agent IS NOT NULL;
",
];

/// Sets up the one connection that writes, and brings its file up to date.
pub(super) fn prepare_writer(connection: &mut Connection) -> Result<(), Failure> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    check_owner(connection)?;
    // A file system without shared memory refuses WAL and stays with a rollback journal.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Else a prepared statement may be prepared again for each new value that is bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    migrate(connection, MIGRATIONS)?;
    ended::forget_nameless(connection)
}

/// Sets up a connection that only reads. It reads at once, so that it has all its files open from
/// the start and finds out now if it can't.
pub(super) fn prepare_reader(connection: &Connection) -> Result<(), Failure> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    Ok(())
}

/// Refuses a database of another program.
fn check_owner(connection: &Connection) -> Result<(), Failure> {
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    if tables > 0 {
        return Err(unusable("the file is a database of another program"));
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(())
}

/// Takes the file through the steps that it lacks, each in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), Failure> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version as usize > steps.len() {
        return Err(unusable("the file was written by a newer dramatis: update this one"));
    }
    for (next, step) in (1_u32..).zip(steps).skip(version as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", next)?;
        transaction.commit()?;
    }
    Ok(())
}

fn unusable(message: &str) -> Failure {
    StoreError::new(StoreErrorKind::Unusable, message).into()
}
