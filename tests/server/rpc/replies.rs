//! Replies: as they come, cut short, and while others want something, too.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use bytes::Bytes;
use dramatis::actor::Pace;
use futures::{StreamExt, stream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{assets, said, slow_stage, stage, told};
use crate::stage::{PATIENCE, Plan, Stage};
use crate::talk::Talk;

#[tokio::test]
async fn a_reply_is_cancelled_and_what_there_was_of_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let stage = slow_stage(folder.path()).await;
    let mut talk = Talk::begin(&stage).await;
    assert!(talk.refused("/cancel").await.contains("Nothing is running"));
    let (session, _) = talk.open("river", "tam").await;
    talk.send("Tell me a story.").await;
    let mut heard = talk.expect("chat_chunk").await.0;

    // Commands are answered meanwhile; one more prompt waits, and no second one.
    talk.send("/rules add rhymes").await;
    talk.send("And another.").await;
    talk.send("And a third.").await;
    let mut others = Vec::new();
    while others.len() < 3 {
        match talk.next().await {
            (event, content, _) if event == "chat_chunk" => heard.push_str(&content),
            (event, content, _) => others.push((event, content)),
        }
    }
    assert!(others[0].1.contains("'rhymes' activated"), "{others:?}");
    assert_eq!(others[1].0, "sync_state");
    assert!(others[2].1.starts_with("✗ A message waits"), "{others:?}");
    let busy = talk_busy(&stage, &session).await;
    assert!(busy.starts_with("✗ Another connection is using this session"), "{busy}");

    talk.send("/cancel").await;
    let told_end = loop {
        match talk.next().await {
            (event, content, _) if event == "chat_chunk" => heard.push_str(&content),
            (event, content, _) => break (event, content),
        }
    };
    assert_eq!(told_end.1, "✗ Stream cancelled by user.");
    talk.expect("chat_end").await;
    talk.expect("sync_state").await;
    // What waited is said at once, and hears the story so far.
    talk.expect("chat_chunk").await;
    let request = told(&stage);
    let last = request.len() - 1;
    assert_eq!(request[last].1, "And another.");
    assert_eq!(request[last - 1], ("assistant".to_owned(), heard));
    drop(talk);

    // Whoever leaves cancels, too.
    let mut talk = Talk::begin(&stage).await;
    let history = loop {
        let history = talk.go_on(&session).await;
        if history.as_array().unwrap().len() == 5 {
            break history;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(history[3], said("user", "And another."));
    assert!(history[4]["content"].as_str().unwrap().starts_with("word"), "{history}");
}

/// What somebody else hears who talks in a session that is answering.
async fn talk_busy(stage: &Stage, session: &str) -> String {
    let mut other = Talk::begin(stage).await;
    other.go_on(session).await;
    let refused = other.refused(&format!("/session delete {session}")).await;
    assert!(refused.contains("a reply is under way"), "{refused}");
    other.send("Me too!").await;
    let (told, _) = other.expect("system_update").await;
    other.expect("chat_end").await;
    told
}

/// A provider that sends a piece and then nothing, and tells when its request is dropped.
struct Dripping {
    url: String,
    dropped: mpsc::Receiver<()>,
    _tasks: JoinSet<()>,
}

/// Tells that it was dropped.
struct Guard(mpsc::Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

impl Dripping {
    async fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (tell, dropped) = mpsc::channel(10);
        let answer = move || {
            let guard = Guard(tell.clone());
            let piece = "data: {\"choices\":[{\"delta\":{\"content\":\"Once\"}}]}\n\n";
            let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from(piece))]);
            let silence = stream::once(async move {
                let _guard = guard;
                std::future::pending().await
            });
            let body = Body::from_stream(first.chain(silence));
            async move { ([(CONTENT_TYPE, "text/event-stream")], body) }
        };
        let router = Router::new().route("/v1/chat/completions", post(answer));
        let mut tasks = JoinSet::new();
        tasks.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, dropped, _tasks: tasks }
    }

    async fn is_dropped(&mut self) {
        timeout(PATIENCE, self.dropped.recv()).await.expect("the request goes on").unwrap();
    }
}

#[tokio::test]
async fn the_provider_s_request_ends_with_a_cancel_and_with_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = Dripping::serve().await;
    let mut plan = Plan::saying("");
    plan.llm.silence = PATIENCE;
    plan.assets = assets(folder.path());
    plan.provider = Some(provider.url.clone());
    let stage = plan.begin().await;
    let mut talk = Talk::begin(&stage).await;
    talk.open("river", "tam").await;
    talk.send("A story.").await;
    assert_eq!(talk.expect("chat_chunk").await.0, "Once");
    talk.send("/cancel").await;
    assert!(talk.expect("system_update").await.0.contains("cancelled"));
    assert_eq!(talk.expect("chat_end").await.1["total_tokens"], 1);
    provider.is_dropped().await;
    talk.expect("sync_state").await;
    talk.send("A story!").await;
    assert_eq!(talk.expect("chat_chunk").await.0, "Once");
    drop(talk);
    provider.is_dropped().await;
}

#[tokio::test]
async fn reasoning_is_no_part_of_what_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "<think>He lies, \nsurely.</think>\n\nOf course, sir.").await;
    let mut talk = Talk::begin(&stage).await;
    let (session, _) = talk.open("moor", "una").await;
    assert_eq!(talk.ask("Do you believe me?").await.0, "Of course, sir.");
    assert_eq!(talk.go_on(&session).await[1], said("assistant", "Of course, sir."));
}

#[tokio::test]
async fn a_model_that_was_learnt_to_reason_stays_so_when_its_reply_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let reply = format!("{}</think>Aye.", "He lies. ".repeat(40));
    let plan = Plan { assets: assets(folder.path()), ..Plan::saying(&reply) };
    let pace = Pace::tokens_per_second(400.0);
    let stage = Plan { pace, ..plan }.begin().await;
    let mut talk = Talk::begin(&stage).await;
    let (session, _) = talk.open("moor", "una").await;
    // Twice the reasoning is taken for the reply, then it is known.
    for _ in 0..2 {
        assert!(talk.ask("Well?").await.0.starts_with("He lies."));
    }
    assert_eq!(talk.ask("Well?").await.0, "Aye.");
    talk.send("Well?").await;
    while stage.mock.request_count() < 4 {
        tokio::task::yield_now().await;
    }
    talk.send("/cancel").await;
    assert!(talk.expect("system_update").await.0.contains("cancelled"));
    talk.expect("chat_end").await;
    assert_eq!(talk.ask("Well?").await.0, "Aye.");
    let history = talk.go_on(&session).await;
    assert_eq!(history.as_array().unwrap().last().unwrap(), &said("assistant", "Aye."));
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_reply_is_no_end_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let stage = slow_stage(folder.path()).await;
    let mut talk = Talk::begin(&stage).await;
    let (told_in, _) = talk.open("river", "tam").await;
    let (other, _) = talk.open("river", "tam").await;
    talk.go_on(&told_in).await;
    talk.send("A story.").await;
    talk.expect("chat_chunk").await;
    for text in [&format!("/session continue {other}"), &format!("/session delete {other}"), "Hm?"]
    {
        talk.send(text).await;
    }
    let mut seen = Vec::new();
    while !seen.iter().any(|(_, content): &(String, String)| content.contains("Prepare the stage"))
    {
        let (event, content, _) = talk.next().await;
        seen.push((event, content));
    }
    assert!(talk.expect("chat_chunk").await.0.contains("word"), "it goes on");
    assert!(seen.iter().all(|(event, _)| event != "chat_end"), "{seen:?}");

    // Whoever is in the same session may cancel what another has asked for.
    let mut second = Talk::begin(&stage).await;
    second.go_on(&told_in).await;
    second.send("/cancel").await;
    assert!(second.expect("system_update").await.0.starts_with('✓'));
    let ended = loop {
        let (event, content, _) = talk.next().await;
        if event != "chat_chunk" {
            break content;
        }
    };
    assert_eq!(ended, "✗ Stream cancelled by user.");
    talk.expect("chat_end").await;
}

#[tokio::test]
async fn a_server_that_goes_down_keeps_the_reply_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = slow_stage(folder.path()).await;
    let mut talk = Talk::begin(&stage).await;
    talk.open("river", "tam").await;
    talk.send("A story.").await;
    talk.expect("chat_chunk").await;
    stage.stop();
    let code = loop {
        match talk.next().await {
            (event, ..) if event == "chat_chunk" => {}
            (event, _, metadata) if event == "error" => break metadata["code"].clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, "shutdown");
    talk.expect("chat_end").await;
    assert_eq!(talk.closed().await["code"], 1001);
    let log = stage.end().await;
    let transcript = format!("{log:?}");
    assert!(transcript.contains("Interrupted { reason: Shutdown }"), "{transcript:.2000}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::saying(&"A long answer. ".repeat(20_000));
    let stage = Plan { assets: assets(folder.path()), ..plan }.begin().await;
    let mut slow = Talk::begin(&stage).await;
    let (session, _) = slow.open("moor", "una").await;
    slow.send("Well?").await;
    let mut quick = Talk::begin(&stage).await;
    quick.open("moor", "una").await;
    let (reply, _) = timeout(Duration::from_secs(15), quick.ask("Well?")).await.unwrap();
    assert_eq!(reply.len(), 15 * 20_000);
    // The slow one gets all of it, too, when it reads.
    let (reply, _) = slow.reply().await;
    assert_eq!(reply.len(), 15 * 20_000);
    let history = slow.go_on(&session).await;
    assert_eq!(history.as_array().unwrap().len(), 1, "so much at once is not shown, but the last");
}
