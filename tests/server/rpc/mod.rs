//! The roleplay door over real sockets: its tests, and the stage that they share.

mod choices;
mod faults;
mod replies;
mod sessions;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use dramatis::actor::Pace;
use dramatis::assets::Library;
use serde_json::{Value, json};

use crate::stage::{Plan, Stage};

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
