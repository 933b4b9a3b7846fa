//! Sessions: begun, talked in, remembered, taken up again, deleted; and each for itself.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{assets, said, stage, told};
use crate::stage::Plan;
use crate::talk::Talk;

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
