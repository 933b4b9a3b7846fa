//! Worlds, characters and rules from files in the turns of a game.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use dramatis::assets::Library;
use dramatis::record::PieceSource;
use dramatis::turn_log::Logged;
use serde_json::{Value, json};

use super::stage::{Game, Plan, Stage};

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A turn of an agent with that state; what the model was told, and the turn's warnings.
async fn play(stage: &Stage, game: &mut Game, event: &str, state: Value) -> (Vec<String>, Value) {
    game.send(&json!({
        "type": "interaction_event", "agent_id": "guard", "event_id": event, "text": "Well?",
        "state": state,
    }))
    .await;
    let turn = game.turn().await;
    let request = stage.mock.requests().pop().unwrap();
    let messages = request["messages"].as_array().unwrap();
    let told = messages.iter().map(|it| it["content"].as_str().unwrap().to_owned()).collect();
    (told, turn.last().unwrap()["warnings"].clone())
}

#[tokio::test]
async fn a_turn_is_played_with_the_assets_that_its_state_names() {
    let folder = tempfile::tempdir().unwrap();
    let guard = "id: guard\nname: Guard\npersona: You count the stars.\n";
    write(folder.path(), "characters/guard.yaml", guard);
    write(folder.path(), "rules/rhymes.yaml", "id: rhymes\nname: R\nprompt: Speak in rhymes.\n");
    let world = "id: keep\nname: Keep\nsystem_prompt: It never thaws.\nscene: A gate at dusk.\n";
    write(folder.path(), "worlds/keep.yaml", world);
    let library = Arc::new(Library::open(Some(folder.path())).unwrap());
    assert_eq!(library.problems(), []);
    let plan = Plan::saying("<speech>Hm.</speech>");
    let stage = Plan { assets: Arc::clone(&library), ..plan }.begin().await;
    let mut game = stage.game().await;
    let state = json!({
        "name": "Guard", "character_id": "guard", "world_id": "keep", "rules": ["rhymes"],
        "dossier": {"Mood": "Cold."},
    });

    let (told, warnings) = play(&stage, &mut game, "e1", state.clone()).await;
    let parts = ["Speak in rhymes.", "It never thaws.", "You count the stars.", "Cold."];
    let places: Vec<_> = parts.iter().map(|part| told[0].find(part).unwrap()).collect();
    assert!(places.is_sorted(), "{}", told[0]);
    assert!(told[1].contains("A gate at dusk."), "{}", told[1]);
    assert_eq!(warnings, json!({}));

    // A file that changes is in the next turn; one that breaks stays as it was.
    write(folder.path(), "characters/guard.yaml", &guard.replace("stars", "sheep"));
    write(folder.path(), "rules/rhymes.yaml", "id: rhymes\nprompt: [");
    assert_eq!(library.reload().len(), 1);
    let (told, _) = play(&stage, &mut game, "e2", state).await;
    assert!(told[0].contains("You count the sheep.") && told[0].contains("Speak in rhymes."));
    assert!(!told.last().unwrap().contains("A gate at dusk."), "the scene is told once");

    // An id is only ever looked up; one that is unknown is told, and the turn goes on without.
    let state = json!({
        "name": "Guard", "character_id": "../../etc/passwd", "world_id": "keep", "rules": ["none"],
    });
    let (told, warnings) = play(&stage, &mut game, "e3", state).await;
    assert!(told[0].contains("It never thaws.") && !told[0].contains("You count"));
    assert_eq!(warnings, json!({"unknown_asset": 2}));
}

/// A world with two characters, of whom each knows something that the other doesn't.
fn river(folder: &Path) -> Arc<Library> {
    let world = "id: river\nname: River\nlore:\n  - The ferry goes at dawn.\n  - Eels cost four bits.\n\
                 entries:\n  - id: bell\n    keys: [bell]\n    content: Two strokes mean a boat in need.\n";
    write(folder, "worlds/river.yaml", world);
    for (id, secret) in [("ferryman", "You hid the oars."), ("fishwife", "You found the oars.")] {
        let file = format!("id: {id}\nname: {id}\npersona: You are {id}.\nlore: [\"{secret}\"]\n");
        write(folder, &format!("characters/{id}.yaml"), &file);
    }
    let library = Arc::new(Library::open(Some(folder)).unwrap());
    assert_eq!(library.problems(), []);
    library
}

fn state(character: &str) -> Value {
    json!({
        "name": character, "character_id": character, "world_id": "river", "history_turns": 1,
    })
}

/// Something is said to a character, who answers; the game confirms it, and waits for that. What
/// the model was told, and the end of the turn.
async fn say(stage: &Stage, game: &mut Game, character: &str, text: &str) -> (String, Value) {
    game.send(&json!({
        "type": "interaction_event", "agent_id": character, "text": text,
        "actor": {"name": "Wren"}, "state": state(character),
    }))
    .await;
    let end = game.turn().await.pop().unwrap();
    let request = stage.mock.requests().pop().unwrap();
    let told = request["messages"].as_array().unwrap().last().unwrap()["content"].clone();
    game.send(&json!({
        "type": "agent_turn_result", "agent_id": character, "message_id": "m",
        "turn_id": end["turn_id"], "tags": [{"tag_id": 0, "outcome": "done"}],
    }))
    .await;
    game.until("stored").await;
    (told.as_str().unwrap().to_owned(), end)
}

#[tokio::test]
async fn a_character_is_told_the_lore_that_matters_now_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let library = river(folder.path());
    let plan = Plan::saying("<speech>Hm.</speech>");
    let stage = Plan { assets: Arc::clone(&library), ..plan }.begin().await;
    let mut game = stage.game().await;

    let (told, end) = say(&stage, &mut game, "ferryman", "When does the ferry go?").await;
    assert!(told.contains("goes at dawn") && !told.contains("Eels"), "{told}");
    assert_eq!(end["context"]["lore"], 1, "{end}");
    let (told, end) = say(&stage, &mut game, "ferryman", "The bell! Where are the oars?").await;
    assert!(told.contains("Two strokes mean") && told.contains("You hid the oars."), "{told}");
    assert!(!told.contains("found the oars"), "{told}");
    assert_eq!((&end["context"]["entries"], &end["context"]["lore"]), (&json!(1), &json!(1)));
    assert!(end["timings"]["retrieval"].is_u64(), "{end}");
    let (told, _) = say(&stage, &mut game, "fishwife", "Where are the oars?").await;
    assert!(told.contains("You found the oars.") && !told.contains("hid the oars"), "{told}");

    // Only what has changed is looked up anew, as soon as it is indexed.
    let path = folder.path().join("worlds/river.yaml");
    let changed = fs::read_to_string(&path).unwrap().replace("at dawn", "at noon");
    fs::write(&path, changed).unwrap();
    assert_eq!(library.reload(), []);
    stage.retriever.index_assets(&library.current()).await.unwrap();
    let (told, _) = say(&stage, &mut game, "ferryman", "When does the ferry go?").await;
    assert!(told.contains("goes at noon") && !told.contains("dawn"), "{told}");
}

#[tokio::test]
async fn what_the_history_no_longer_shows_is_remembered_in_its_play_session_alone() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::saying("<speech>I shall think of it.</speech>");
    let stage = Plan { assets: river(folder.path()), ..plan }.begin().await;
    let mut game = stage.game().await;
    game.send(&json!({"type": "hello", "session_id": "evening"})).await;
    game.until("welcome").await;
    say(&stage, &mut game, "ferryman", "My brother Jory owes me a kettle.").await;
    let (_, second) = say(&stage, &mut game, "ferryman", "Nice weather.").await;
    let (told, end) = say(&stage, &mut game, "ferryman", "It may rain.").await;
    assert!(!told.contains("kettle") && end["context"]["memories"] == 0, "{told}");
    drop(game);

    // The next day, over another connection.
    let mut game = stage.game().await;
    game.send(&json!({"type": "hello", "session_id": "evening"})).await;
    game.until("welcome").await;
    let (told, end) = say(&stage, &mut game, "ferryman", "What does Jory owe me?").await;
    let memory = "Wren: My brother Jory owes me a kettle.\nferryman: I shall think of it.";
    assert!(told.contains(memory), "{told}");
    assert_eq!(end["context"]["memories"], 1, "{end}");
    let (told, _) = say(&stage, &mut game, "fishwife", "What does Jory owe me?").await;
    assert!(!told.contains("kettle"), "{told}");
    drop(game);

    // Nobody remembers it in another session, nor after a save game that is older.
    let mut game = stage.game().await;
    let (told, _) = say(&stage, &mut game, "ferryman", "What does Jory owe me?").await;
    assert!(!told.contains("kettle"), "{told}");
    drop(game);
    let resume_after = json!({"ferryman": second["turn_id"]});
    let mut game = stage.game().await;
    game.send(&json!({"type": "hello", "session_id": "evening", "resume_after": resume_after}))
        .await;
    game.until("welcome").await;
    let (told, _) = say(&stage, &mut game, "ferryman", "What does Jory owe me? Rain?").await;
    assert!(told.contains("kettle") && !told.contains("It may rain."), "{told}");
    drop(game);

    let log = stage.end().await;
    let records = log.into_iter().filter_map(|entry| match entry.what {
        Logged::TurnRecord(record) => Some(record),
        _ => None,
    });
    let mut contexts = records.filter_map(|record| record.context);
    let found = contexts.find(|context| !context.retrieved.memories.is_empty()).unwrap();
    let piece = &found.retrieved.memories[0];
    assert!(matches!(piece.source, PieceSource::Memory { .. }), "{piece:?}");
    assert_eq!(piece.reason, "words: jori, ow");
    assert!(found.sections.iter().any(|section| section.name == "memories"));
}
