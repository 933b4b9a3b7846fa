//! Worlds, characters and rules from files in the turns of a game.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use dramatis::assets::Library;
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
