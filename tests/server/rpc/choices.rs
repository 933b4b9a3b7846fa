//! What a connection chooses, and what is added to its worlds.

use std::fs;

use serde_json::json;

use super::{stage, told, write};
use crate::talk::Talk;

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
    talk.send("/world clear_lore").await;
    talk.expect("system_update").await;
    talk.expect("sync_state").await;
    talk.ask("What is the toll of the bridge, again?").await;
    let cleared = told(&stage).pop().unwrap().1;
    assert!(!cleared.contains("toll of the bridge is seven"), "{cleared}");
    talk.send("/world clear_lore").await;
    assert!(talk.expect("system_update").await.0.contains("Nothing was attached"));
    talk.command("/world attach_lore The toll of the bridge is seven bits.").await;
    talk.open("moor", "una").await;
    talk.ask("What is the toll of the bridge? Does peat burn?").await;
    let elsewhere = told(&stage).pop().unwrap().1;
    assert!(elsewhere.contains("Peat burns") && !elsewhere.contains("seven"), "{elsewhere}");
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
