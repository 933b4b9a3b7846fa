//! The roleplay door over real sockets: sessions, commands, prompts, and what goes wrong.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use bytes::Bytes;
use dramatis::actor::Pace;
use dramatis::assets::Library;
use futures::StreamExt;
use futures::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::stage::{Game, PATIENCE, Plan, Stage};
use super::talk::Talk;

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Two worlds, two characters and a rule.
fn assets(folder: &Path) -> Arc<Library> {
    write(
        folder,
        "worlds/river.yaml",
        "id: river\nname: The River\nsystem_prompt: The water is always cold.\n\
         start_message: The ferry creaks.\nscene: Dusk, and nobody else waits.\n\
         lore: [Eels cost four bits.]\n",
    );
    write(folder, "worlds/moor.yaml", "id: moor\nname: The Moor\nlore: [Peat burns for days.]\n");
    write(folder, "characters/tam.yaml", "id: tam\nname: Tam\npersona: You row the ferry.\n");
    write(folder, "characters/una.yaml", "id: una\nname: Una\npersona: You cut peat.\n");
    write(folder, "rules/rhymes.yaml", "id: rhymes\nname: Rhymes\nprompt: Speak in rhymes.\n");
    write(folder, "rules/nsfw.yaml", "id: nsfw\nname: Grown-ups\nprompt: Nothing is left out.\n");
    let library = Arc::new(Library::open(Some(folder)).unwrap());
    assert_eq!(library.problems(), []);
    library
}

async fn stage(folder: &Path, reply: &str) -> Stage {
    Plan { assets: assets(folder), ..Plan::saying(reply) }.begin().await
}

/// A stage whose model takes its time.
async fn slow_stage(folder: &Path) -> Stage {
    let pace = Pace::tokens_per_second(100.0);
    let plan = Plan::saying(&"word ".repeat(20_000));
    Plan { assets: assets(folder), pace, ..plan }.begin().await
}

/// The messages that the model was told last.
fn told(stage: &Stage) -> Vec<(String, String)> {
    messages(&stage.mock.requests().pop().unwrap())
}

fn messages(request: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = request["messages"].as_array().unwrap();
    all.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
}

fn said(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

#[tokio::test]
async fn the_first_frames_tell_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Hm.").await;
    let state = Talk::begin(&stage).await.state;
    let named = |id: &str, name: &str| json!({"id": id, "name": name});
    assert_eq!(state["model"], "mock");
    assert_eq!(state["model_confirmed"], false);
    for nothing in ["world_id", "character_id", "session_id"] {
        assert_eq!(state[nothing], "", "{nothing}");
    }
    let worlds = json!([named("moor", "The Moor"), named("river", "The River")]);
    assert_eq!(state["available_worlds"], worlds);
    assert_eq!(state["available_characters"], json!([named("tam", "Tam"), named("una", "Una")]));
    let rules = json!([named("nsfw", "Grown-ups"), named("rhymes", "Rhymes")]);
    assert_eq!(state["available_rules"], rules);
    assert_eq!((&state["active_rules"], &state["available_sessions"]), (&json!([]), &json!([])));
    let models = state["available_models"].as_array().unwrap();
    let deepseek = json!({"id": "deepseek-chat", "name": "[DeepSeek] DeepSeek Chat",
        "prompt_price": 0.14, "completion_price": 0.28});
    assert!(models.contains(&deepseek), "{models:?}");
    assert!(models.iter().any(|model| model["id"] == "scripted/actor"), "{models:?}");
}

#[tokio::test]
async fn a_session_is_begun_talked_in_taken_up_again_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "It <is> late & cold.").await;
    let mut talk = Talk::begin(&stage).await;
    assert!(talk.refused("/session new").await.contains("Select world/char first."));
    talk.send("Hello?").await;
    let (told_why, _) = talk.expect("system_update").await;
    assert_eq!(told_why, "✗ Prepare the stage first (World, Char, Session).");
    assert_eq!(talk.expect("chat_end").await.1, json!({"total_tokens": 0}));
    let (session, history) = talk.open("river", "tam").await;
    assert_eq!(history, json!([said("assistant", "The ferry creaks.")]));

    // What it is told: rules, world, character; the scene once; what was said.
    talk.command("/rules add rhymes").await;
    talk.send("Good evening, ferryman. How late\nis it?").await;
    let (chunk, beside) = talk.expect("chat_chunk").await;
    assert_eq!(chunk, "It <is> late & cold.");
    assert_eq!(beside, json!({"model": "mock", "tokens_per_second": 0.0, "world_id": "river"}));
    let end = talk.expect("chat_end").await.1;
    assert!(end["total_tokens"].as_u64().unwrap() > 0 && end["usage"].is_object(), "{end}");
    let state = talk.expect("sync_state").await.1;
    talk.untitled = false;
    let title = "Good evening, ferryman. How la";
    let name = format!("[The River] Tam: {title}");
    assert_eq!(state["available_sessions"], json!([{"id": session, "name": name}]));
    let first = told(&stage);
    let roles: Vec<&str> = first.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    let parts = [
        "### UNIVERSAL LAWS ###",
        "Speak in rhymes.",
        "The water is always cold.",
        "You are Tam.",
        "You row the ferry.",
        "Answer as Tam",
    ];
    let places: Vec<_> = parts.iter().map(|part| first[0].1.find(part).expect(part)).collect();
    assert!(places.is_sorted() && !first[0].1.contains("<speech>"), "{}", first[0].1);
    assert_eq!(first[2].1, "The ferry creaks.");
    let last = &first[3].1;
    assert!(last.starts_with("### CURRENT CONTEXT ###"), "{last}");
    assert!(last.contains("Dusk, and nobody else waits."), "{last}");
    assert!(last.ends_with("\nGood evening, ferryman. How late\nis it?"), "{last}");

    // The history is what was said, without the context.
    talk.ask("And then?").await;
    let second = told(&stage);
    assert_eq!(second[0], first[0]);
    assert_eq!(second[3].1, "Good evening, ferryman. How late\nis it?");
    assert_eq!(second[4], ("assistant".to_owned(), "It <is> late & cold.".to_owned()));
    assert_eq!(second[5].1, "And then?", "the scene is told once");
    drop(talk);

    let mut talk = Talk::begin(&stage).await;
    let history = talk.go_on(&session).await;
    assert_eq!(history.as_array().unwrap().len(), 5);
    assert_eq!(history[1], said("user", "Good evening, ferryman. How late\nis it?"));
    let (told, state) = talk.command(&format!("/session delete {session}")).await;
    assert!(told.contains(&session), "{told}");
    assert_eq!((&state["session_id"], &state["available_sessions"]), (&json!(""), &json!([])));
    assert_eq!((&state["world_id"], &state["character_id"]), (&json!("river"), &json!("tam")));
    assert!(talk.refused(&format!("/session continue {session}")).await.contains(&session));
    assert!(talk.refused(&format!("/session delete {session}")).await.contains("no session"));
}

#[tokio::test]
async fn lore_that_is_attached_is_told_from_the_next_turn_on_and_in_its_world_alone() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Hm.").await;
    let mut talk = Talk::begin(&stage).await;
    assert!(talk.refused("/world attach_lore Bells.").await.contains("Select a world first"));
    talk.open("river", "tam").await;
    talk.ask("What do eels cost? And the toll of the bridge?").await;
    let before = told(&stage).pop().unwrap().1;
    assert!(before.contains("Eels cost four bits.") && !before.contains("seven"), "{before}");
    talk.command("/world attach_lore The toll of the bridge is seven bits.\n\nBut not on Sundays.")
        .await;
    talk.ask("What is the toll of the bridge?").await;
    let after = told(&stage).pop().unwrap().1;
    assert!(after.contains("The toll of the bridge is seven bits."), "{after}");
    assert!(!after.contains("Peat"), "{after}");
    talk.send("/world attach_lore The toll of the bridge is seven bits.\n\nBut not on Sundays.")
        .await;
    assert!(talk.expect("system_update").await.0.contains("already"));
    talk.open("moor", "una").await;
    talk.ask("What is the toll of the bridge? Does peat burn?").await;
    let elsewhere = told(&stage).pop().unwrap().1;
    assert!(elsewhere.contains("Peat burns") && !elsewhere.contains("seven"), "{elsewhere}");
}

#[tokio::test]
async fn what_left_the_history_is_remembered_in_its_session_and_gone_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "I shall think of it.").await;
    let mut talk = Talk::begin(&stage).await;
    let (session, _) = talk.open("river", "tam").await;
    talk.ask("My brother Jory owes me a kettle.").await;
    for _ in 0..6 {
        talk.ask("Nice weather.").await;
    }
    let shown = told(&stage);
    assert!(!shown.iter().any(|(_, text)| text.contains("kettle")), "{shown:?}");
    assert_eq!(shown.len(), 1 + 10 + 1, "the last ten messages");
    talk.ask("What does Jory owe me?").await;
    let last = told(&stage).pop().unwrap().1;
    let memory = "User: My brother Jory owes me a kettle.\nTam: I shall think of it.";
    assert!(last.contains(memory), "{last}");

    // Another session, and another character of the same one, know nothing of it.
    talk.open("river", "tam").await;
    talk.ask("What does Jory owe me?").await;
    assert!(!told(&stage).pop().unwrap().1.contains("kettle"));
    talk.go_on(&session).await;
    talk.command("/character select una").await;
    talk.ask("What does Jory owe me?").await;
    let request = told(&stage);
    assert!(!request.last().unwrap().1.contains("kettle"), "una was not there");
    let assistants = request.iter().filter(|(role, _)| role == "assistant").count();
    assert_eq!(assistants, 0, "what tam has said is not una's: {request:?}");
    assert!(request[1].1.contains("[Tam]: I shall think of it."), "{request:?}");
    talk.command(&format!("/session delete {session}")).await;
    let found = stage.store.search(dramatis::store::Search {
        scopes: vec![dramatis::store::Scope::Memories {
            session: dramatis::store::chat_memories(&session),
            agent: "tam".into(),
        }],
        terms: vec!["kettl".to_owned(), "jori".to_owned()],
        limit: 10,
        ..Default::default()
    });
    assert_eq!(found.await.unwrap().by_text, []);
}

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
async fn a_prompt_right_after_the_end_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    let mut talk = Talk::begin(&stage).await;
    talk.open("moor", "una").await;
    for number in 1..=20 {
        let (reply, _) = talk.ask(&format!("Question {number}?")).await;
        assert_eq!(reply, "Aye.");
        let request = told(&stage);
        let last = &request.last().unwrap().1;
        assert!(last.ends_with(&format!("Question {number}?")), "{last}");
        let shown = request.iter().filter(|(role, _)| role == "assistant").count();
        assert_eq!(shown, (number - 1).min(5), "every answer is in the history");
    }
}

#[tokio::test]
async fn connections_never_see_each_other_s_state() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    let (mut one, mut two) = (Talk::begin(&stage).await, Talk::begin(&stage).await);
    let (session, _) = one.open("river", "tam").await;
    one.command("/rules add rhymes").await;
    one.command("/model scripted/actor").await;
    let (_, state) = two.command("/world select moor").await;
    assert_eq!((&state["world_id"], &state["character_id"]), (&json!("moor"), &json!("")));
    assert_eq!((&state["model"], &state["active_rules"]), (&json!("mock"), &json!([])));
    assert_eq!(state["session_id"], "");
    let (_, state) = one.command("/nsfw").await;
    assert_eq!(state["active_rules"], json!(["rhymes", "nsfw"]));
    assert_eq!((&state["world_id"], &state["session_id"]), (&json!("river"), &json!(session)));
    let (_, state) = one.command("/nsfw").await;
    assert_eq!(state["active_rules"], json!(["rhymes"]));
}

#[tokio::test]
async fn two_hundred_prompts_at_once_each_land_in_their_own_session() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::saying("I heard you.");
    let plan = Plan { assets: assets(folder.path()), max_connections: 300, ..plan };
    let stage = plan.begin().await;
    let mut talks = Vec::new();
    for _ in 0..200 {
        let mut talk = Talk::begin(&stage).await;
        let (session, _) = talk.open("river", "tam").await;
        talks.push((session, talk));
    }
    for (number, (_, talk)) in talks.iter_mut().enumerate() {
        talk.send(&format!("My number is n{number}e.")).await;
    }
    for (_, talk) in &mut talks {
        talk.reply().await;
    }
    let mut requests = stage.mock.requests();
    for (number, (_, talk)) in talks.iter_mut().enumerate() {
        talk.send(&format!("Again n{number}e.")).await;
    }
    for (_, talk) in &mut talks {
        talk.reply().await;
    }
    let marks = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric());
        let number = |word: &&str| word.strip_prefix('n')?.strip_suffix('e')?.parse::<u32>().ok();
        words.filter(|word| number(word).is_some()).map(str::to_owned).collect()
    };
    let mut seen = Vec::new();
    let second = stage.mock.requests();
    requests.extend_from_slice(&second[second.len() - 200..]);
    for request in &requests {
        let mut all = marks(&request["messages"].to_string());
        all.dedup();
        assert_eq!(all.len(), 1, "{request}");
        seen.append(&mut all);
    }
    seen.sort_unstable();
    let mut expected: Vec<String> =
        (0..200).flat_map(|number| [format!("n{number}e"), format!("n{number}e")]).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected);
    let mut talk = Talk::begin(&stage).await;
    for (number, (session, _)) in talks.iter().enumerate() {
        let history = talk.go_on(session).await;
        let own = format!("n{number}e");
        assert_eq!(marks(&history.to_string()), [own.clone(), own]);
    }
}

#[tokio::test]
async fn a_client_that_says_who_it_is_finds_its_choices_again() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    let mut talk = Talk::at(&stage, "/ws/rpc?client=wren").await;
    let (session, _) = talk.open("river", "tam").await;
    talk.command("/rules add rhymes").await;
    talk.command("/model deepseek-chat").await;
    drop(talk);
    let found = Talk::at(&stage, "/ws/rpc?client=wren").await.state;
    assert_eq!((&found["world_id"], &found["character_id"]), (&json!("river"), &json!("tam")));
    assert_eq!(
        (&found["session_id"], &found["active_rules"]),
        (&json!(session), &json!(["rhymes"]))
    );
    assert_eq!(
        (&found["model"], &found["model_confirmed"]),
        (&json!("deepseek-chat"), &json!(true))
    );
    let other = Talk::at(&stage, "/ws/rpc?client=jory").await.state;
    assert_eq!((&other["world_id"], &other["session_id"]), (&json!(""), &json!("")));

    // What is gone meanwhile is not chosen any more.
    Talk::begin(&stage).await.command(&format!("/session delete {session}")).await;
    let found = Talk::at(&stage, "/ws/rpc?client=wren").await.state;
    assert_eq!((&found["session_id"], &found["world_id"]), (&json!(""), &json!("river")));
}

#[tokio::test]
async fn ids_are_looked_up_and_never_used_as_paths() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    let mut talk = Talk::begin(&stage).await;
    for path in ["../worlds/river", "river.yaml", "/etc/passwd", "..", "river\0"] {
        for command in [
            "/world select",
            "/character select",
            "/rules add",
            "/rules remove",
            "/session continue",
            "/session delete",
            "/model",
        ] {
            let told = talk.refused(&format!("{command} {path}")).await;
            assert!(told.contains("no ") && told.contains(path), "{command} {path}: {told}");
        }
    }
    assert!(talk.refused("/world select rivr").await.contains("choose moor, river"));
    for path in ["..", "/etc", "/", "../../..", "worlds/river.yaml", "nowhere"] {
        let told = talk.refused(&format!("/world sync_folder {path}")).await;
        assert!(told.contains("no folder within"), "{path}: {told}");
    }
}

#[tokio::test]
async fn a_folder_is_read_again_and_what_changed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    let mut talk = Talk::begin(&stage).await;
    talk.open("moor", "una").await;
    let own = folder.path().display().to_string();
    for path in [".", "worlds", "worlds/../rules", &own] {
        talk.send(&format!("/world sync_folder {path}")).await;
        assert!(talk.expect("system_update").await.0.contains("nothing has changed"), "{path}");
    }
    let moor = "id: moor\nname: The Moor\nlore: [Peat burns for a week.]\n";
    write(folder.path(), "worlds/moor.yaml", moor);
    write(folder.path(), "worlds/hill.yaml", "id: hill\nname: The Hill\n");
    fs::remove_file(folder.path().join("rules/nsfw.yaml")).unwrap();
    write(folder.path(), "characters/tam.yaml", "id: tam\nname: [");
    let (told_now, state) = talk.command("/world sync_folder .").await;
    for part in ["new: world hill", "changed: world moor", "gone: rule nsfw", "tam.yaml"] {
        assert!(told_now.contains(part), "{told_now}");
    }
    assert_eq!(state["available_worlds"].as_array().unwrap().len(), 3);
    talk.ask("How long does peat burn?").await;
    let last = told(&stage).pop().unwrap().1;
    assert!(last.contains("for a week") && !last.contains("for days"), "{last}");
}

#[tokio::test]
async fn several_people_talk_and_each_has_a_name_in_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    let mut talk = Talk::begin(&stage).await;
    let (session, _) = talk.open("moor", "una").await;
    let spoken =
        |who: &str, text: &str| Message::text(json!({"prompt": text, "sender": who}).to_string());
    talk.send_frame(spoken("Wren", "Is it far?")).await;
    talk.reply().await;
    assert_eq!(told(&stage).pop().unwrap().1, "[Wren]: Is it far?");
    talk.send_frame(spoken("Jory", "And cold?")).await;
    talk.reply().await;
    let request = told(&stage);
    assert_eq!(request[1].1, "[Wren]: Is it far?");
    assert_eq!(request[3].1, "[Jory]: And cold?");
    let history = talk.go_on(&session).await;
    assert_eq!(history[2], said("user", "[Jory]: And cold?"));
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
async fn what_means_nothing_is_answered_and_the_connection_lives() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    let mut talk = Talk::begin(&stage).await;
    let cases = [
        (Message::text("{}"), "invalid_message", "\"prompt\""),
        (Message::text(r#"{"prompt": 7}"#), "invalid_message", "\"prompt\""),
        (Message::text(" "), "invalid_message", "nothing was said"),
        (Message::binary(&b"hello"[..]), "invalid_message", "text, not bytes"),
        (Message::text("/wrld select river"), "unknown_command", "/world select"),
        (Message::text("x".repeat(64 * 1024 + 1)), "too_large", "65536 bytes"),
    ];
    for (frame, code, part) in cases {
        talk.send_frame(frame).await;
        let (told, metadata) = talk.expect("error").await;
        assert!(told.contains(part), "{code}: {told}");
        assert_eq!(metadata, json!({"code": code}));
    }
    assert!(talk.refused("/world select").await.contains("/world select <id>"));
    talk.send("/help").await;
    assert!(talk.expect("system_update").await.0.contains("/session continue <id>"));
    talk.command("/world select river").await;
}

/// Everything up to the end of a turn that fails at the provider: the error's code, and the history.
async fn failing(fault: &'static str) -> (Value, Value) {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { assets: assets(folder.path()), ..Plan::saying("One two three four.") };
    let stage = Plan { faults: vec![fault], ..plan }.begin().await;
    let mut talk = Talk::begin(&stage).await;
    let (session, _) = talk.open("moor", "una").await;
    talk.send("Well?").await;
    let mut code = json!(null);
    loop {
        match talk.next().await {
            (event, content, metadata) if event == "error" => {
                assert!(!content.contains("sk-test") && !content.contains('{'), "{content}");
                code = metadata["code"].clone();
            }
            (event, ..) if event == "chat_end" => break,
            _ => {}
        }
    }
    talk.expect("sync_state").await;
    (code, talk.go_on(&session).await)
}

#[tokio::test]
async fn what_fails_at_the_provider_is_told_and_ends_the_turn() {
    for (fault, expected, kept) in [
        ("401", "provider_auth", 1),
        ("402", "provider_auth", 1),
        ("403-moderation", "provider_refused", 1),
        ("429:60", "provider_rate_limited", 1),
        ("500", "provider_error", 1),
        ("html", "provider_error", 1),
        ("stall-after-connect", "provider_error", 1),
        ("error-in-stream", "provider_error", 2),
        ("truncated", "provider_error", 2),
        ("stall-midway", "provider_error", 2),
    ] {
        let (code, history) = failing(fault).await;
        assert_eq!(code, expected, "{fault}");
        assert_eq!(history.as_array().unwrap().len(), kept, "{fault}: {history}");
    }
}

#[tokio::test]
async fn a_model_whose_provider_has_no_key_names_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    let mut talk = Talk::begin(&stage).await;
    talk.open("moor", "una").await;
    talk.command("/model gemini/gemini-3-flash-preview").await;
    talk.send("Well?").await;
    let (told, _) = talk.expect("system_update").await;
    assert!(told.starts_with('✗') && told.contains("GEMINI_API_KEY"), "{told}");
    talk.expect("chat_end").await;
    talk.expect("sync_state").await;
    talk.untitled = false;
    talk.command("/model scripted/actor").await;
    assert!(!talk.ask("Do you cut peat?").await.0.is_empty());
}

#[tokio::test]
async fn whoever_sends_too_much_is_told_and_at_last_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { assets: assets(folder.path()), ..Plan::saying("Aye.") };
    let plan = Plan { max_connections: 2, max_events_per_second: 20, ..plan };
    let stage = plan.begin().await;
    let mut talk = Talk::begin(&stage).await;
    talk.send(&"x".repeat(32 * 1024 + 1)).await;
    assert_eq!(talk.expect("error").await.1["code"], "too_large");
    let second = Talk::begin(&stage).await;
    let mut third = stage.game_at("/ws/rpc").await;
    let error = third.next().await.unwrap();
    assert_eq!(error["payload"]["metadata"]["code"], "overloaded");
    assert_eq!(third.next().await.unwrap()["code"], 4029);
    drop(second);
    for _ in 0..40 {
        talk.send("/help").await;
    }
    let told = loop {
        let (event, content, metadata) = talk.next().await;
        if event == "error" {
            assert_eq!(metadata["code"], "rate_limited");
            break content;
        }
    };
    assert!(told.starts_with("too much at once: wait"), "{told}");
    talk.send(&"x".repeat(2 * 1024 * 1024)).await;
    let code = loop {
        let (event, _, metadata) = talk.next().await;
        if event == "error" && metadata["code"] != "rate_limited" {
            break metadata["code"].clone();
        }
    };
    assert_eq!(code, "too_large");
    assert_eq!(talk.closed().await["code"], 1009);
}

#[tokio::test]
async fn a_name_that_can_t_be_one_is_told_and_the_connection_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "Aye.").await;
    for client in [String::new(), "x".repeat(300)] {
        let mut game = stage.game_at(&format!("/ws/rpc?client={client}")).await;
        assert_eq!(game.next().await.unwrap()["event"], "system_update");
        let error = game.next().await.unwrap();
        assert_eq!(error["payload"]["metadata"]["code"], "invalid_message");
        assert_eq!(game.next().await.unwrap()["event"], "sync_state");
    }
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
async fn the_scene_is_told_until_there_was_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { assets: assets(folder.path()), ..Plan::saying("Aye.") };
    let stage = Plan { faults: vec!["401*1"], ..plan }.begin().await;
    let mut talk = Talk::begin(&stage).await;
    talk.open("river", "tam").await;
    talk.send("Hello?").await;
    talk.expect("error").await;
    talk.expect("chat_end").await;
    talk.expect("sync_state").await;
    talk.untitled = false;
    let scene = "Dusk, and nobody else waits.";
    talk.ask("Anybody?").await;
    assert!(told(&stage).pop().unwrap().1.contains(scene));
    talk.ask("And now?").await;
    assert!(!told(&stage).pop().unwrap().1.contains(scene));
}

#[tokio::test]
async fn the_token_is_needed_where_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { assets: assets(folder.path()), ..Plan::saying("Aye.") };
    let stage = Plan { token: Some("secret"), ..plan }.begin().await;
    for path in ["/ws/rpc", "/ws/rpc?token=wrong"] {
        let mut game = stage.game_at(path).await;
        let error = game.next().await.unwrap();
        assert_eq!(error["payload"]["metadata"]["code"], "unauthorized");
        assert_eq!(game.next().await.unwrap()["code"], 4001, "{path}");
    }
    Talk::at(&stage, "/ws/rpc?token=secret").await;
    let url = format!("ws://{}/ws/rpc", stage.address);
    let mut game = Game::connect(&url, &[("authorization", "Bearer secret")]).await;
    assert_eq!(game.next().await.unwrap()["event"], "system_update");
    let mut game = Game::connect(&url, &[("origin", "https://evil.example")]).await;
    let error = game.next().await.unwrap();
    assert!(error["payload"]["content"].as_str().unwrap().contains("DRAMATIS_ORIGINS"), "{error}");
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
