//! Chat sessions with their messages, and what clients of chats have chosen. Each has a session that no
//! game can join, in which its characters remember as agents do. The facade; `rows` has the SQL.

pub(super) mod rows;

use chrono::{DateTime, Utc};
use dramatis_protocol::Id;
use rusqlite::OptionalExtension;

use super::Store;
use super::error::StoreError;
use super::queue::{Job, Ticket};
use crate::record::{ChatMessage, ChatSession};
use rows::ChatWrite;
pub use rows::{ChatTurn, StoredChat, chat_memories};

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
        self.read(move |connection| rows::load(connection, &chat, messages)).await
    }

    /// The chat sessions in which something was said last, the newest first.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn recent_chats(&self, most: u32) -> Result<Vec<ChatSession>, StoreError> {
        self.read(move |connection| rows::recent(connection, most)).await
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

#[cfg(test)]
mod tests {
    use dramatis_protocol::limits::MAX_ID_BYTES;

    use super::super::{Findable, Scope, Search, StoreErrorKind};
    use super::*;
    use crate::record::Role;

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
            character_id: (role == Role::Assistant).then(|| "tam".into()),
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
