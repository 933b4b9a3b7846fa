//! The rows of chats, and the statements that write and read them.

use chrono::{DateTime, Utc};
use dramatis_protocol::Id;
use dramatis_protocol::limits::MAX_ID_BYTES;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::record::{ChatMessage, ChatSession, Role};
use crate::store::error::{Failure, StoreError, StoreErrorKind};
use crate::store::search::{self, Findable};
use crate::store::write::agent_key;
use crate::store::{ended, sessions};

/// So many clients are known; whoever has not come for longest is forgotten.
const MAX_CLIENTS: u32 = 10_000;

/// Longer than any id that a game can give.
const BEYOND_IDS: usize = MAX_ID_BYTES + 1;

/// The session of a chat, under which its characters' memories are found.
#[must_use]
pub fn chat_memories(chat: &str) -> Id {
    format!("{chat:>BEYOND_IDS$}").into()
}

/// What is to be kept of chats.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) enum ChatWrite {
    Open { session: ChatSession, start: Option<ChatMessage> },
    Message { chat: Id, message: ChatMessage },
    Turn(Box<ChatTurn>),
    Forget { chat: Id },
    Client { id: String, body: String, used: DateTime<Utc> },
}

/// What is kept of a turn when it is over.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatTurn {
    /// The session as it is from now on.
    pub session: ChatSession,
    /// The character's message, if it said anything.
    pub reply: Option<ChatMessage>,
    /// What the character is to remember.
    pub memory: Option<Findable>,
}

/// A chat session with its last messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChat {
    /// The session.
    pub session: ChatSession,
    /// Its last messages, oldest first.
    pub messages: Vec<ChatMessage>,
    /// How many messages there were before those.
    pub earlier: usize,
}

/// Writes one thing; whether there was anything to do.
pub(in crate::store) fn apply(connection: &Connection, write: &ChatWrite) -> Result<bool, Failure> {
    match write {
        ChatWrite::Open { session, start } => {
            open(connection, session)?;
            start.iter().try_for_each(|start| add(connection, &session.id, start))?;
            Ok(true)
        }
        ChatWrite::Message { chat, message } => add(connection, chat, message).map(|()| true),
        ChatWrite::Turn(turn) => end_turn(connection, turn).map(|()| true),
        ChatWrite::Forget { chat } => forget(connection, chat),
        ChatWrite::Client { id, body, used } => keep_client(connection, id, body, *used),
    }
}

fn open(connection: &Connection, session: &ChatSession) -> Result<(), Failure> {
    let name = chat_memories(&session.id);
    sessions::open(connection, &name, true)?;
    let sql = "INSERT INTO chats (session, id, title, world, character, model, created, updated)
               SELECT session, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM sessions WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        &*name,
        &*session.id,
        session.title,
        &*session.world_id,
        &*session.character_id,
        session.model,
        session.created.timestamp_millis(),
        session.updated.timestamp_millis(),
    ])?;
    Ok(())
}

fn find(connection: &Connection, chat: &str) -> Result<Option<i64>, Failure> {
    let mut statement = connection.prepare_cached("SELECT session FROM chats WHERE id = ?1")?;
    Ok(statement.query_row([chat], |row| row.get(0)).optional()?)
}

fn key(connection: &Connection, chat: &str) -> Result<i64, Failure> {
    find(connection, chat)?.ok_or_else(|| {
        let message = format!("there is no chat session {chat:?}");
        StoreError::new(StoreErrorKind::UnknownSession, message).into()
    })
}

fn add(connection: &Connection, chat: &str, message: &ChatMessage) -> Result<(), Failure> {
    let sql = "INSERT INTO messages (session, id, role, character, sender, content, partial, time)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute(params![
        key(connection, chat)?,
        &*message.id,
        role_name(message.role),
        message.character_id.as_deref(),
        message.sender,
        message.content,
        message.partial,
        message.time.timestamp_millis(),
    ])?;
    Ok(())
}

fn end_turn(connection: &Connection, turn: &ChatTurn) -> Result<(), Failure> {
    let ChatTurn { session, reply, memory } = turn;
    let sql = "UPDATE chats SET title = ?2, world = ?3, character = ?4, model = ?5, updated = ?6
               WHERE session = ?1";
    connection.prepare_cached(sql)?.execute(params![
        key(connection, &session.id)?,
        session.title,
        &*session.world_id,
        &*session.character_id,
        session.model,
        session.updated.timestamp_millis(),
    ])?;
    let Some(reply) = reply else { return Ok(()) };
    add(connection, &session.id, reply)?;
    if let Some(memory) = memory {
        let agent =
            agent_key(connection, &chat_memories(&session.id), &session.character_id)?.agent;
        search::keep_memory(connection, agent, &reply.id, memory)?;
    }
    Ok(())
}

/// The messages go at once, memories a few at a time: nobody finds them any more.
fn forget(connection: &Connection, chat: &str) -> Result<bool, Failure> {
    let Some(session) = find(connection, chat)? else { return Ok(false) };
    connection.prepare_cached("DELETE FROM chats WHERE session = ?1")?.execute([session])?;
    ended::forget(connection, &chat_memories(chat))
}

fn keep_client(
    connection: &Connection,
    id: &str,
    body: &str,
    used: DateTime<Utc>,
) -> Result<bool, Failure> {
    let sql = "INSERT INTO clients (id, body, used) VALUES (?1, ?2, ?3)
               ON CONFLICT (id) DO UPDATE SET body = excluded.body, used = excluded.used";
    connection.prepare_cached(sql)?.execute(params![id, body, used.timestamp_millis()])?;
    let sql = "DELETE FROM clients WHERE used <
               (SELECT used FROM clients ORDER BY used DESC LIMIT 1 OFFSET ?1)";
    connection.prepare_cached(sql)?.execute([MAX_CLIENTS - 1])?;
    Ok(true)
}

pub(super) fn load(
    connection: &Connection,
    chat: &str,
    most: usize,
) -> Result<Option<StoredChat>, Failure> {
    let Some(key) = find(connection, chat)? else { return Ok(None) };
    let sql = format!("{SESSION} WHERE session = ?1");
    let session = connection.prepare_cached(&sql)?.query_row([key], session)?;
    let sql = "SELECT id, role, character, sender, content, partial, time FROM messages
               WHERE session = ?1 ORDER BY message DESC LIMIT ?2";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([key, most], message)?;
    let mut messages = rows.collect::<Result<Vec<_>, _>>()?;
    messages.reverse();
    let all: i64 = connection
        .prepare_cached("SELECT count(*) FROM messages WHERE session = ?1")?
        .query_row([key], |row| row.get(0))?;
    let earlier = usize::try_from(all).unwrap_or(usize::MAX).saturating_sub(messages.len());
    Ok(Some(StoredChat { session, messages, earlier }))
}

pub(super) fn recent(connection: &Connection, most: u32) -> Result<Vec<ChatSession>, Failure> {
    let sql = format!("{SESSION} ORDER BY updated DESC, session DESC LIMIT ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([most], session)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const SESSION: &str = "SELECT id, title, world, character, model, created, updated FROM chats";

fn session(row: &Row<'_>) -> rusqlite::Result<ChatSession> {
    Ok(ChatSession {
        id: row.get::<_, String>(0)?.into(),
        title: row.get(1)?,
        world_id: row.get::<_, String>(2)?.into(),
        character_id: row.get::<_, String>(3)?.into(),
        model: row.get(4)?,
        created: time(row.get(5)?),
        updated: time(row.get(6)?),
    })
}

fn message(row: &Row<'_>) -> rusqlite::Result<ChatMessage> {
    Ok(ChatMessage {
        id: row.get::<_, String>(0)?.into(),
        role: if row.get_ref(1)?.as_str()? == ASSISTANT { Role::Assistant } else { Role::User },
        character_id: row.get::<_, Option<String>>(2)?.map(Id::from),
        sender: row.get(3)?,
        content: row.get(4)?,
        partial: row.get(5)?,
        time: time(row.get(6)?),
    })
}

const ASSISTANT: &str = "assistant";

/// Chats have no other roles.
const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Assistant => ASSISTANT,
        Role::User | Role::System | Role::Tool => "user",
    }
}

fn time(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}
