//! Chats at random: whatever is said, cancelled, left and deleted in whatever order, each prompt has one
//! end, and the history is what was heard.

use std::time::Duration;

use dramatis::chat::{CancelReason, ChatError, End, Listener, New, Outcome};
use dramatis::record::{ChatMessage, Role};
use dramatis_protocol::Id;
use proptest::prelude::*;

use super::chats::Talks;
use dramatis::actor::Pace;

/// What the model writes in answer to everything, a word each tenth of a second.
const WRITTEN: &str = "<think>What now?</think> one two three four five <six> seven eight nine <th";

/// What is heard of it.
const REPLY: &str = "one two three four five <six> seven eight nine <th";

/// How many sessions are played in.
const SESSIONS: usize = 3;

#[derive(Debug, Clone, Copy)]
enum Move {
    Say,
    Cancel,
    Leave,
    Delete,
}

fn moves() -> impl Strategy<Value = Vec<(usize, Move, u64)>> {
    let kind = prop_oneof![
        4 => Just(Move::Say),
        2 => Just(Move::Cancel),
        1 => Just(Move::Leave),
        1 => Just(Move::Delete),
    ];
    // Some moves follow at once, others after a part of a reply or all of it.
    let pause = prop_oneof![3 => Just(0), 3 => 1..400_u64, 1 => 1_200..1_500_u64];
    prop::collection::vec((0..SESSIONS, kind, pause), 1..40)
}

/// A reply that somebody asked for.
struct Asked {
    prompt: String,
    listener: Option<Listener>,
    heard: String,
    end: Option<End>,
}

impl Asked {
    fn hear(&mut self) {
        let Self { listener: Some(listener), heard, end, .. } = self else { return };
        while listener
            .look(|new| match new {
                New::Text { text, .. } => heard.push_str(text),
                New::End(told) => {
                    assert!(end.is_none(), "the end came twice");
                    *end = Some(End::clone(told));
                }
            })
            .is_some()
        {}
    }

    fn is_over(&self) -> bool {
        self.end.is_some()
    }
}

/// A session, and everything that was asked in it.
#[derive(Default)]
struct Scene {
    session: Option<Id>,
    asked: Vec<Asked>,
}

async fn play(moves: Vec<(usize, Move, u64)>) {
    let (talks, _) = Talks::begin(WRITTEN, Pace::tokens_per_second(10.0)).await;
    let mut scenes: Vec<Scene> = (0..SESSIONS).map(|_| Scene::default()).collect();
    for (number, (scene, kind, pause)) in moves.into_iter().enumerate() {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let scene = &mut scenes[scene];
        if let Some(asked) = scene.asked.last_mut() {
            asked.hear();
        }
        make(&talks, scene, kind, number).await;
    }
    for scene in &mut scenes {
        for asked in &mut scene.asked {
            while let (Some(listener), None) = (&mut asked.listener, &asked.end) {
                listener.changed().await;
                asked.hear();
            }
        }
    }
    // Whoever left is not heard of again, but its reply has an end, too.
    talks.chats.close().await;
    for scene in &scenes {
        if let Some(session) = &scene.session {
            let chat = talks.chats.find(session, 1_000).await.unwrap();
            assert_eq!(chat.earlier, 0);
            check(&scene.asked, &chat.messages[1..]);
        }
    }
}

async fn make(talks: &Talks, scene: &mut Scene, kind: Move, number: usize) {
    let running = scene.asked.last().is_some_and(|asked| !asked.is_over());
    let left = scene.asked.last().is_some_and(|asked| asked.listener.is_none());
    match kind {
        Move::Say => {
            if scene.session.is_none() {
                scene.session = Some(talks.open().await);
            }
            let session = scene.session.clone().unwrap();
            let prompt = format!("Prompt {number}");
            match talks.say(&session, &prompt) {
                Ok(listener) => {
                    assert!(!running || left, "two replies in one session");
                    let listener = Some(listener);
                    scene.asked.push(Asked { prompt, listener, heard: String::new(), end: None });
                }
                Err(error) => assert!(matches!(error, ChatError::Busy) && running, "{error}"),
            }
        }
        Move::Cancel => {
            let listener = scene.asked.last().and_then(|asked| asked.listener.as_ref());
            listener.inspect(|listener| listener.cancel(CancelReason::User));
        }
        Move::Leave => {
            if let Some(asked) = scene.asked.last_mut() {
                asked.listener = None;
            }
        }
        Move::Delete => {
            let Some(session) = scene.session.clone() else { return };
            match talks.chats.delete(&session).await {
                Ok(()) => {
                    assert!(!running || left, "deleted under a reply");
                    *scene = Scene::default();
                }
                Err(error) => assert!(matches!(error, ChatError::Busy) && running, "{error}"),
            }
        }
    }
}

/// Each prompt stands in the history, and behind it what was heard of its answer.
fn check(asked: &[Asked], messages: &[ChatMessage]) {
    let mut messages = messages.iter().peekable();
    for Asked { prompt, heard, end, .. } in asked {
        let said = messages.next().unwrap();
        assert_eq!((said.role, &said.content), (Role::User, prompt));
        let reply = messages.next_if(|message| message.role == Role::Assistant);
        let (text, partial) = reply.map_or(("", true), |it| (it.content.as_str(), it.partial));
        match end {
            Some(end) => {
                assert_eq!((text, &end.unstored), (heard.as_str(), &None));
                assert_eq!(end.message_id.is_some(), !heard.is_empty());
                let whole = matches!(end.outcome, Outcome::Finished { .. });
                assert!(whole || matches!(end.outcome, Outcome::Cancelled(CancelReason::User)));
                assert_eq!((whole, !partial), (text == REPLY, text == REPLY && whole), "{text}");
            }
            None => assert!(REPLY.starts_with(text) && text.starts_with(heard), "{text}"),
        }
    }
    assert!(messages.next().is_none(), "more was kept than was said");
}

#[expect(clippy::disallowed_methods, reason = "proptest's own setting, which ours would hide")]
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: cases.unwrap_or(40), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_history_is_what_was_heard(moves in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(play(moves));
    }
}
