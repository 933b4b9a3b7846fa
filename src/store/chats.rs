//! Chat sessions with their messages, and what clients of chats have chosen. Each has a session that no
//! game can join, in which its characters remember as agents do.

use chrono::{DateTime, Utc};
use dramatis_protocol::Id;
use dramatis_protocol::limits::MAX_ID_BYTES;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::{Failure, StoreError, StoreErrorKind};
use super::queue::{Job, Ticket};
use super::search::{self, Findable};
use super::write::agent_key;
use super::{Store, ended, sessions};
use crate::record::{ChatMessage, ChatSession, Role};

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
pub(super) enum ChatWrite {
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

impl Store {
    /// Begins a chat session, with a first message of the character if there is one.
    ///
    /// # Errors
    /// If it can't be committed.
    pub async fn open_chat(
        &self,
        session: ChatSession,
        start: Option<ChatMessage>,
    ) -> Result<(), StoreError> {
        self.ask(Job::Chat(ChatWrite::Open { session, start })).await.map(drop)
    }

    /// A chat session with its last `messages` messages; `None`: there is none of this id.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn load_chat(
        &self,
        chat: &str,
        messages: usize,
    ) -> Result<Option<StoredChat>, StoreError> {
        let chat = chat.to_owned();
        self.read(move |connection| load(connection, &chat, messages)).await
    }

    /// The chat sessions in which something was said last, the newest first.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn recent_chats(&self, most: u32) -> Result<Vec<ChatSession>, StoreError> {
        self.read(move |connection| recent(connection, most)).await
    }

    /// Queues what somebody said in a chat, as soon as there is room.
    pub async fn add_message(&self, chat: &Id, message: ChatMessage) -> Ticket {
        self.queue.submit(Job::Chat(ChatWrite::Message { chat: chat.clone(), message })).await
    }

    /// Keeps what became of a turn: all of it, or nothing.
    ///
    /// # Errors
    /// If it can't be committed; also if the session is gone.
    pub async fn end_chat_turn(&self, turn: ChatTurn) -> Result<(), StoreError> {
        self.ask(Job::Chat(ChatWrite::Turn(Box::new(turn)))).await.map(drop)
    }

    /// Deletes a chat session with its messages and memories. `false`: there was none.
    ///
    /// # Errors
    /// If it can't be committed.
    pub async fn forget_chat(&self, chat: &str) -> Result<bool, StoreError> {
        self.ask(Job::Chat(ChatWrite::Forget { chat: chat.into() })).await
    }

    /// What a client of chats has chosen, as it was kept.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn client(&self, id: &str) -> Result<Option<String>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT body FROM clients WHERE id = ?1")?;
            Ok(statement.query_row([&id], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Keeps what a client of chats has chosen.
    ///
    /// # Errors
    /// If it can't be committed.
    pub async fn keep_client(
        &self,
        id: &str,
        body: String,
        used: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.ask(Job::Chat(ChatWrite::Client { id: id.to_owned(), body, used })).await.map(drop)
    }
}

/// Writes one thing; whether there was anything to do.
pub(super) fn apply(connection: &Connection, write: &ChatWrite) -> Result<bool, Failure> {
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
    let sql = "INSERT INTO messages (session, id, role, sender, content, partial, time)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    connection.prepare_cached(sql)?.execute(params![
        key(connection, chat)?,
        &*message.id,
        role_name(message.role),
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
    connection.prepare_cached(sql)?.execute([MAX_CLIENTS])?;
    Ok(true)
}

fn load(connection: &Connection, chat: &str, most: usize) -> Result<Option<StoredChat>, Failure> {
    let Some(key) = find(connection, chat)? else { return Ok(None) };
    let sql = format!("{SESSION} WHERE session = ?1");
    let session = connection.prepare_cached(&sql)?.query_row([key], session)?;
    let sql = "SELECT id, role, sender, content, partial, time FROM messages
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

fn recent(connection: &Connection, most: u32) -> Result<Vec<ChatSession>, Failure> {
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
        sender: row.get(2)?,
        content: row.get(3)?,
        partial: row.get(4)?,
        time: time(row.get(5)?),
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

#[cfg(test)]
mod tests {
    use super::super::{Scope, Search};
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn session(id: &str, updated: i64) -> ChatSession {
        ChatSession {
            id: id.into(),
            title: "New session".to_owned(),
            world_id: "river".into(),
            character_id: "tam".into(),
            model: "m".to_owned(),
            created: at(0),
            updated: at(updated),
        }
    }

    fn message(id: &str, role: Role, content: &str) -> ChatMessage {
        ChatMessage {
            id: id.into(),
            role,
            sender: None,
            content: content.to_owned(),
            partial: false,
            time: at(1),
        }
    }

    async fn say(store: &Store, chat: &str, id: &str) {
        store.add_message(&chat.into(), message(id, Role::User, "Hello")).await.await.unwrap();
    }

    async fn found(store: &Store, chat: &str) -> usize {
        let agent = Id::from("tam");
        let search = Search {
            scopes: vec![Scope::Memories { session: chat_memories(chat), agent }],
            terms: vec!["kettle".to_owned()],
            limit: 5,
            ..Search::default()
        };
        store.search(search).await.unwrap().by_text.len()
    }

    #[tokio::test]
    async fn what_was_said_is_read_back_whole_also_by_the_next_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chats.db");
        let store = Store::open(&path).unwrap();
        let start = message("m0", Role::Assistant, "The ferry creaks.");
        store.open_chat(session("a", 1), Some(start.clone())).await.unwrap();
        let said =
            ChatMessage { sender: Some("Wren".to_owned()), ..message("m1", Role::User, "Ünï\n") };
        store.add_message(&"a".into(), said.clone()).await.await.unwrap();
        let reply = ChatMessage { partial: true, ..message("m2", Role::Assistant, "Aye") };
        let titled = ChatSession {
            title: "Ünï".to_owned(),
            world_id: "moor".into(),
            character_id: "una".into(),
            model: "n".to_owned(),
            ..session("a", 9)
        };
        let turn = ChatTurn { session: titled.clone(), reply: Some(reply.clone()), memory: None };
        store.end_chat_turn(turn).await.unwrap();
        store.close().await;

        let store = Store::open(&path).unwrap();
        let all = store.load_chat("a", 50).await.unwrap().unwrap();
        let messages = vec![start, said, reply.clone()];
        assert_eq!(all, StoredChat { session: titled, messages, earlier: 0 });
        let last = store.load_chat("a", 1).await.unwrap().unwrap();
        assert_eq!((last.messages, last.earlier), (vec![reply], 2));
        assert_eq!(store.load_chat("b", 1).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_newest_sessions_come_first() {
        let store = Store::in_memory().unwrap();
        for (id, updated) in [("old", 1), ("new", 3), ("middle", 2), ("newer", 3)] {
            store.open_chat(session(id, updated), None).await.unwrap();
        }
        let recent = store.recent_chats(3).await.unwrap();
        let ids: Vec<&str> = recent.iter().map(|session| &*session.id).collect();
        assert_eq!(ids, ["newer", "new", "middle"]);
    }

    #[tokio::test]
    async fn a_session_that_is_forgotten_leaves_nothing_and_hears_nothing() {
        let store = Store::in_memory().unwrap();
        for id in ["a", "b"] {
            store.open_chat(session(id, 1), None).await.unwrap();
            say(&store, id, "m1").await;
            let turn = ChatTurn {
                session: session(id, 2),
                reply: Some(message("m2", Role::Assistant, "A kettle")),
                memory: Some(Findable {
                    body: "A kettle".to_owned(),
                    terms: vec!["kettle".to_owned()],
                }),
            };
            store.end_chat_turn(turn).await.unwrap();
            assert_eq!(found(&store, id).await, 1);
        }
        assert!(store.forget_chat("a").await.unwrap() && !store.forget_chat("a").await.unwrap());
        assert_eq!(store.load_chat("a", 9).await.unwrap(), None);
        assert_eq!((found(&store, "a").await, found(&store, "b").await), (0, 1));
        let late = store.add_message(&"a".into(), message("m3", Role::User, "?")).await.await;
        assert_eq!(late.unwrap_err().kind, StoreErrorKind::UnknownSession);
        let turn = ChatTurn { session: session("a", 3), reply: None, memory: None };
        assert!(store.end_chat_turn(turn).await.is_err());
        let left = store.read(|connection| {
            let sql =
                "SELECT count(*) FROM messages WHERE session NOT IN (SELECT session FROM chats)";
            Ok(connection.query_row(sql, [], |row| row.get::<_, i64>(0))?)
        });
        assert_eq!(left.await.unwrap(), 0);
    }

    #[tokio::test]
    async fn no_game_can_be_in_a_chat() {
        let store = Store::in_memory().unwrap();
        store.open_chat(session("a", 1), None).await.unwrap();
        assert!(!store.has_session(&"a".into()).await.unwrap());
        store.open_session(&"a".into(), true).await.unwrap();
        assert!(store.drop_session(&"a".into()).await.unwrap());
        assert!(store.load_chat("a", 1).await.unwrap().is_some());
        assert!(chat_memories("a").len() > MAX_ID_BYTES);
        assert_ne!(chat_memories("a"), chat_memories(" a b"));
    }

    #[tokio::test]
    async fn what_a_client_chose_last_is_kept() {
        let store = Store::in_memory().unwrap();
        assert_eq!(store.client("wren").await.unwrap(), None);
        for body in ["one", "two"] {
            store.keep_client("wren", body.to_owned(), at(1)).await.unwrap();
        }
        assert_eq!(store.client("wren").await.unwrap().as_deref(), Some("two"));
    }
}
