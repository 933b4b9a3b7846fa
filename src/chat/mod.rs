//! Conversations outside of games: chat sessions, what is said in them, and the replies under way. One
//! facade, [`Chats`], for every door; `live` has the replies, a task of its own plays each (`reply`).
//! Nothing here knows sockets, HTTP or SQL.

mod choices;
mod conversation;
mod end;
mod live;
mod lore;
mod metrics;
mod reasoning;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use dramatis_protocol::Id;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

pub use crate::retrieval::Attached;
pub use conversation::Stage;
pub use end::{CancelReason, End, Outcome};
pub use live::{Leaving, Listener, Live, New, Place};
pub use lore::{Changes, LoreError};

use crate::assets::{Assets, Library};
use crate::clock::{Clock, Ids};
use crate::generation::Generator;
use crate::llm::Learnt;
use crate::record::{ChatMessage, ChatSession, NEW_SESSION, Role};
use crate::store::{Store, StoreError, StoredChat};
use crate::turn_log::TurnLog;
use reply::Asked;

/// How long replies may take to be kept when the server goes down.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// What chats work with.
#[derive(Clone)]
pub struct Services {
    /// Keeps sessions and messages.
    pub store: Store,
    /// Keeps what people and replay need.
    pub log: TurnLog,
    /// The way to the model.
    pub generator: Generator,
    /// Worlds, characters and rules.
    pub library: Arc<Library>,
    /// Time.
    pub clock: Clock,
    /// Ids.
    pub ids: Ids,
    /// The model of those who have chosen none.
    pub default_model: String,
    /// Which models begin inside their reasoning.
    pub reasoning: Learnt,
    /// How many messages a prompt shows.
    pub history: usize,
}

/// All chats of the server. Clones share them.
#[derive(Clone)]
pub struct Chats {
    services: Arc<Services>,
    live: Live,
    tasks: TaskTracker,
}

/// What can't be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// A reply is under way in the session.
    #[error("a reply is under way in this session: wait for its end, or /cancel it")]
    Busy,
    /// There is no such session.
    #[error("there is no session \"{0}\"")]
    NoSession(String),
    /// There is no such world.
    #[error("there is no world \"{0}\"")]
    NoWorld(String),
    /// The store doesn't do it.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Chats {
    /// No reply is under way yet.
    #[must_use]
    pub fn new(services: Services) -> Self {
        Self { services: Arc::new(services), live: Live::default(), tasks: TaskTracker::new() }
    }

    /// The worlds, characters and rules that there are now.
    #[must_use]
    pub fn assets(&self) -> Arc<Assets> {
        self.services.library.current()
    }

    /// Begins a session: its first message is the world's, if that has one.
    ///
    /// # Errors
    /// If there is no such world, or the session can't be stored.
    pub async fn begin(&self, stage: &Stage) -> Result<StoredChat, ChatError> {
        let Services { clock, ids, store, .. } = &*self.services;
        let assets = self.assets();
        let Stage { world_id, character_id, model, .. } = stage;
        let world =
            assets.world(world_id).ok_or_else(|| ChatError::NoWorld(world_id.to_string()))?;
        let now = clock.wall();
        let session = ChatSession {
            id: ids.next("chat"),
            title: NEW_SESSION.to_owned(),
            world_id: world_id.clone(),
            character_id: character_id.clone(),
            model: model.clone(),
            created: now,
            updated: now,
        };
        let start = world.start_message.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let start = start.map(|text| ChatMessage {
            id: ids.next("message"),
            role: Role::Assistant,
            character_id: None,
            sender: None,
            content: text.to_owned(),
            partial: false,
            time: now,
        });
        store.open_chat(session.clone(), start.clone()).await?;
        Ok(StoredChat { session, messages: start.into_iter().collect(), earlier: 0 })
    }

    /// A session with its last messages.
    ///
    /// # Errors
    /// If there is none of this id, or it can't be read.
    pub async fn find(&self, session: &str, messages: usize) -> Result<StoredChat, ChatError> {
        let found = self.services.store.load_chat(session, messages).await?;
        found.ok_or_else(|| ChatError::NoSession(session.to_owned()))
    }

    /// The sessions in which something was said last, the newest first.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn recent(&self, most: u32) -> Result<Vec<ChatSession>, ChatError> {
        Ok(self.services.store.recent_chats(most).await?)
    }

    /// Cancels the reply under way in a session, whoever asked for it. `false`: there is none.
    #[must_use]
    pub fn cancel(&self, session: &str) -> bool {
        self.live.cancel(session, CancelReason::User)
    }

    /// Deletes a session with its messages and memories.
    ///
    /// # Errors
    /// If there is none of this id, if a reply is under way in it, or if it can't be deleted.
    pub async fn delete(&self, session: &str) -> Result<(), ChatError> {
        // Nobody begins a reply until it is gone.
        let _place = self.live.take(&session.into()).ok_or(ChatError::Busy)?;
        match self.services.store.forget_chat(session).await? {
            true => Ok(()),
            false => Err(ChatError::NoSession(session.to_owned())),
        }
    }

    /// Says something in a session. Everything that can go wrong is told at the reply's end.
    ///
    /// # Errors
    /// If a reply is under way in the session: it hears nothing else before its end.
    pub fn say(
        &self,
        session: &Id,
        text: String,
        sender: Option<String>,
        stage: Stage,
    ) -> Result<Listener, ChatError> {
        let place = self.live.take(session).ok_or(ChatError::Busy)?;
        let listener = place.listen(Leaving::Cancels).ok_or(ChatError::Busy)?;
        let said = ChatMessage {
            id: self.services.ids.next("message"),
            role: Role::User,
            character_id: None,
            sender,
            content: text,
            partial: false,
            time: self.services.clock.wall(),
        };
        let asked = Asked { session_id: session.clone(), said, stage };
        self.tasks.spawn(reply::play(Arc::clone(&self.services), place, asked));
        Ok(listener)
    }

    /// How many replies are under way.
    #[must_use]
    pub fn replies(&self) -> usize {
        self.live.count()
    }

    /// Whoever talked in a session has gone: it can be read in the log.
    pub fn rest(&self, session: &Id) {
        self.services.log.end_of_session(session);
    }

    /// Cancels every reply and waits until all is kept, but not for ever.
    pub async fn close(&self) {
        self.live.cancel_all(CancelReason::Shutdown);
        self.tasks.close();
        if timeout(LAST_WRITES, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "replies did not end in time");
        }
    }
}
