//! Chats over a real store, with the built-in model and no sockets: what becomes of a turn when the disk
//! is full, when the server goes down, and when two want to talk at once.

use std::path::PathBuf;
use std::sync::Arc;

use dramatis::actor::{Actor, Pace, Script};
use dramatis::assets::Library;
use dramatis::chat::{
    CancelReason, ChatError, Chats, End, Listener, New, Outcome, Services, Stage,
};
use dramatis::clock::{Clock, Ids};
use dramatis::generation::{Generator, Results};
use dramatis::llm::{Learnt, Llm, LlmSettings};
use dramatis::prompt::PromptLimits;
use dramatis::retrieval::{self, Retriever};
use dramatis::store::Store;
use dramatis::turn_log::TurnLog;
use dramatis_protocol::Id;
use rusqlite::Connection;
use tempfile::TempDir;

/// Chats with a model that answers everything alike, and the folder of their store.
pub struct Talks {
    pub chats: Chats,
    folder: TempDir,
}

impl Talks {
    pub async fn begin(reply: &str, pace: Pace) -> (Self, Id) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("dramatis.db")).unwrap();
        let script = format!("rules:\n  - reply: {}\n", serde_json::json!(reply));
        let actor = Actor::new(Script::parse(&script, "test").unwrap(), pace);
        let llm = Llm::new(LlmSettings::default(), Arc::new(actor)).unwrap();
        let library = Arc::new(Library::open(None).unwrap());
        let retriever = Retriever::new(store.clone(), retrieval::Settings::default(), None);
        let generator = Generator::new(llm, PromptLimits::default())
            .with_assets(Arc::clone(&library))
            .reminding(retriever, Results::default());
        let chats = Chats::new(Services {
            store,
            log: TurnLog::disabled(),
            generator,
            library,
            clock: Clock::start(),
            ids: Ids::counted(),
            default_model: "scripted/actor".to_owned(),
            reasoning: Learnt::default(),
            history: 10,
        });
        let talks = Self { chats, folder };
        let session = talks.open().await;
        (talks, session)
    }

    /// Begins one more session.
    pub async fn open(&self) -> Id {
        self.chats.begin(&stage()).await.unwrap().session.id
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("dramatis.db")
    }

    /// Lets the table of messages refuse what is written to it, as if the disk was full.
    fn fill_disk(&self) {
        self.execute(
            "CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'no room'); END",
        );
    }

    fn free_disk(&self) {
        self.execute("DROP TRIGGER full");
    }

    fn execute(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }

    pub fn say(&self, session: &Id, text: &str) -> Result<Listener, ChatError> {
        self.chats.say(session, text.to_owned(), None, stage())
    }

    /// Says something and listens to the end.
    async fn ask(&self, session: &Id, text: &str) -> (String, End) {
        hear(&mut self.say(session, text).unwrap()).await
    }

    async fn said(&self, session: &str) -> Vec<String> {
        let chat = self.chats.find(session, 100).await.unwrap();
        chat.messages.into_iter().map(|message| message.content).collect()
    }
}

fn stage() -> Stage {
    Stage {
        world_id: "drowned_lantern".into(),
        character_id: "oswin".into(),
        rules: Vec::new(),
        model: "scripted/actor".to_owned(),
    }
}

async fn hear(listener: &mut Listener) -> (String, End) {
    let mut heard = String::new();
    loop {
        listener.changed().await;
        let mut end = None;
        while listener
            .look(|new| match new {
                New::Text { text, .. } => heard.push_str(text),
                New::End(told) => end = Some(End::clone(told)),
            })
            .is_some()
        {}
        if let Some(end) = end {
            return (heard, end);
        }
    }
}

#[tokio::test]
async fn what_a_full_disk_refuses_is_told_and_the_next_turn_goes_on() {
    let (talks, session) = Talks::begin("Aye.", Pace::AT_ONCE).await;
    let before = talks.said(&session).await;
    talks.fill_disk();
    let (_, end) = talks.ask(&session, "Hello?").await;
    assert!(matches!(end.outcome, Outcome::NotStored(_)), "{end:?}");
    assert_eq!(talks.said(&session).await, before, "nothing of it is kept");
    talks.free_disk();
    let (heard, end) = talks.ask(&session, "Well?").await;
    assert_eq!((heard.as_str(), end.unstored), ("Aye.", None));
    assert_eq!(talks.said(&session).await[before.len()..], ["Well?", "Aye."]);
}

#[tokio::test]
async fn a_reply_that_can_t_be_stored_is_heard_all_the_same() {
    let reply = "word ".repeat(100);
    let (talks, session) = Talks::begin(&reply, Pace::tokens_per_second(200.0)).await;
    let mut listener = talks.say(&session, "Well?").unwrap();
    listener.changed().await;
    // What was said is there before the second piece of the answer.
    while !talks.said(&session).await.contains(&"Well?".to_owned()) {
        tokio::task::yield_now().await;
    }
    talks.fill_disk();
    let (heard, end) = hear(&mut listener).await;
    assert_eq!(heard, reply);
    assert!(end.unstored.is_some() && matches!(end.outcome, Outcome::Finished { .. }), "{end:?}");
    talks.free_disk();
    assert_eq!(talks.said(&session).await.last().unwrap(), "Well?");
    assert_eq!(talks.ask(&session, "Once more?").await.1.unstored, None);
}

#[tokio::test(start_paused = true)]
async fn going_down_keeps_every_reply_so_far() {
    let reply = "word ".repeat(1_000);
    let (talks, session) = Talks::begin(&reply, Pace::tokens_per_second(10.0)).await;
    let mut listener = talks.say(&session, "Well?").unwrap();
    let mut first = String::new();
    while first.is_empty() {
        listener.changed().await;
        listener.look(|new| {
            if let New::Text { text, .. } = new {
                first.push_str(text);
            }
        });
    }
    let ((), (rest, end)) = tokio::join!(talks.chats.close(), hear(&mut listener));
    let heard = first + &rest;
    assert_eq!(end.outcome, Outcome::Cancelled(CancelReason::Shutdown));
    let chat = talks.chats.find(&session, 100).await.unwrap();
    let last = chat.messages.last().unwrap();
    assert!(last.partial && last.content == heard && heard.starts_with("word"), "{last:?}");
    assert!(heard.len() < 500, "{}", heard.len());
}

#[tokio::test]
async fn a_session_that_answers_is_nobody_else_s_and_is_not_deleted() {
    let (talks, session) = Talks::begin("Aye.", Pace::AT_ONCE).await;
    let mut listener = talks.say(&session, "Well?").unwrap();
    assert!(matches!(talks.say(&session, "And I?").err(), Some(ChatError::Busy)));
    assert!(matches!(talks.chats.delete(&session).await, Err(ChatError::Busy)));
    hear(&mut listener).await;
    talks.chats.delete(&session).await.unwrap();
    let (_, end) = talks.ask(&session, "Anybody?").await;
    assert!(matches!(end.outcome, Outcome::Refused(_)), "{end:?}");
}
