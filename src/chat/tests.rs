//! Chats over a real store, with the built-in model: what becomes of a turn when the disk is full, and
//! when somebody cancels.

use crate::actor::{Actor, Pace, Script};
use crate::llm::{Llm, LlmSettings};
use crate::prompt::PromptLimits;
use crate::retrieval::{self, Retriever};

use super::*;

/// Chats with a model that answers everything so, and their store.
async fn chats(reply: &str, pace: Pace) -> (Chats, Store) {
    let script = format!("rules:\n  - reply: {}\n", serde_json::json!(reply));
    let actor = Actor::new(Script::parse(&script, "test").unwrap(), pace);
    let llm = Llm::new(LlmSettings::default(), Arc::new(actor)).unwrap();
    let store = Store::in_memory().unwrap();
    let library = Arc::new(Library::open(None).unwrap());
    let retriever = Retriever::new(store.clone(), retrieval::Settings::default(), None);
    let generator = Generator::new(llm, PromptLimits::default())
        .with_assets(Arc::clone(&library))
        .reminding(retriever, crate::generation::Results::default());
    let services = Services {
        store: store.clone(),
        log: TurnLog::disabled(),
        generator,
        library,
        clock: Clock::start(),
        ids: Ids::counted(),
        default_model: "scripted/actor".to_owned(),
        reasoning: Learnt::default(),
        history: 10,
    };
    (Chats::new(services), store)
}

fn stage() -> Stage {
    Stage {
        world_id: "drowned_lantern".into(),
        character_id: "oswin".into(),
        rules: Vec::new(),
        model: "scripted/actor".to_owned(),
    }
}

/// Says something and listens to the end.
async fn ask(chats: &Chats, session: &Id, text: &str) -> (String, End) {
    let mut listener = chats.say(session, text.to_owned(), None, stage()).unwrap();
    hear(&mut listener).await
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

async fn said(chats: &Chats, session: &str) -> Vec<String> {
    let chat = chats.find(session, 100).await.unwrap();
    chat.messages.into_iter().map(|message| message.content).collect()
}

#[tokio::test]
async fn what_a_full_disk_refuses_is_told_and_the_next_turn_goes_on() {
    let (chats, store) = chats("Aye.", Pace::AT_ONCE).await;
    let session = chats.begin(&stage()).await.unwrap().session.id;
    let before = said(&chats, &session).await;
    store.limit_pages(1);
    let long = "x".repeat(100_000);
    let (heard, end) = ask(&chats, &session, &long).await;
    assert!(matches!(end.outcome, Outcome::NotStored(_)), "{end:?}");
    assert_eq!(said(&chats, &session).await, before, "nothing of it is kept: {heard}");
    store.limit_pages(1_000_000);
    let (heard, end) = ask(&chats, &session, "Well?").await;
    assert_eq!((heard.as_str(), end.unstored), ("Aye.", None));
    assert_eq!(said(&chats, &session).await[before.len()..], ["Well?", "Aye."]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_can_t_be_stored_is_heard_all_the_same() {
    let reply = "word ".repeat(30_000);
    let (chats, store) = chats(&reply, Pace::tokens_per_second(10_000.0)).await;
    let session = chats.begin(&stage()).await.unwrap().session.id;
    let mut listener = chats.say(&session, "Well?".to_owned(), None, stage()).unwrap();
    listener.changed().await;
    store.limit_pages(1);
    let (heard, end) = hear(&mut listener).await;
    assert_eq!(heard.len(), reply.len());
    assert!(end.unstored.is_some() && matches!(end.outcome, Outcome::Finished { .. }), "{end:?}");
    store.limit_pages(1_000_000);
    assert_eq!(said(&chats, &session).await.last().unwrap(), "Well?");
    ask(&chats, &session, "Once more?").await.1.unstored.map_or((), |why| panic!("{why}"));
}

#[tokio::test(start_paused = true)]
async fn going_down_keeps_every_reply_so_far() {
    let (chats, _store) = chats(&"word ".repeat(1_000), Pace::tokens_per_second(10.0)).await;
    let session = chats.begin(&stage()).await.unwrap().session.id;
    let mut listener = chats.say(&session, "Well?".to_owned(), None, stage()).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (closed, (heard, end)) = tokio::join!(chats.close(), hear(&mut listener));
    drop(closed);
    assert_eq!(end.outcome, Outcome::Cancelled(CancelReason::Shutdown));
    let chat = chats.find(&session, 100).await.unwrap();
    let last = chat.messages.last().unwrap();
    assert!(last.partial && last.content == heard && heard.starts_with("word word"), "{last:?}");
    assert!(heard.len() < 500, "{}", heard.len());
}

#[tokio::test]
async fn a_session_that_answers_is_nobody_else_s_and_is_not_deleted() {
    let (chats, _store) = chats("Aye.", Pace::AT_ONCE).await;
    let session = chats.begin(&stage()).await.unwrap().session.id;
    let mut listener = chats.say(&session, "Well?".to_owned(), None, stage()).unwrap();
    let second = chats.say(&session, "And I?".to_owned(), None, stage());
    assert!(matches!(second.err(), Some(ChatError::Busy)));
    assert!(matches!(chats.delete(&session).await, Err(ChatError::Busy)));
    hear(&mut listener).await;
    chats.delete(&session).await.unwrap();
    let (_, end) = ask(&chats, &session, "Anybody?").await;
    assert!(matches!(end.outcome, Outcome::Refused(_)), "{end:?}");
}
