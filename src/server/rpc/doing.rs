//! Commands, done. Each is answered with a frame that says what was done or why it couldn't be; what
//! changed something is followed by how things stand.

use dramatis_protocol::rpc::{History, HistoryMessage, RpcFrame, RpcPayload, Update};

use super::chosen::{self, Chosen};
use super::command::{self, Command};
use crate::chat::{Attached, Changes, ChatError, Chats};
use crate::record::{ChatMessage, Role};

/// How many messages of a session are shown when it is taken up again.
const SHOWN: usize = 50;

/// The rule that `/nsfw` switches.
const NSFW: &str = "nsfw";

/// What a command has done.
pub(super) struct Done {
    /// What is told of it.
    pub update: RpcFrame<'static>,
    /// Whether something is another than before.
    pub changed: bool,
    /// The history that is shown now.
    pub history: Option<Vec<ChatMessage>>,
}

impl Done {
    fn well(content: &str, metadata: Update) -> Self {
        let payload = RpcPayload { content: format!("✓ {content}").into(), metadata };
        Self { update: RpcFrame::SystemUpdate(payload), changed: true, history: None }
    }

    fn told(content: &str) -> Self {
        Self { changed: false, ..Self::well(content, Update::default()) }
    }

    fn failed(content: impl std::fmt::Display) -> Self {
        let update = RpcFrame::update(format!("✗ {content}"));
        Self { update, changed: false, history: None }
    }
}

/// Does a command for somebody who has chosen so.
pub(super) async fn perform(command: Command, chosen: &mut Chosen, chats: &Chats) -> Done {
    match command {
        Command::Model(id) => choose_model(&id, chosen, chats),
        Command::WorldSelect(id) => select_world(&id, chosen, chats),
        Command::CharacterSelect(id) => select_character(&id, chosen, chats),
        Command::WorldAttachLore(text) => attach_lore(&text, chosen, chats).await,
        Command::WorldSyncFolder(path) => sync_folder(&path, chats).await,
        Command::RulesAdd(id) => add_rule(&id, chosen, chats),
        Command::RulesRemove(id) => remove_rule(&id, chosen),
        Command::RulesClear => {
            chosen.rules.clear();
            rules_now("All active rules cleared.", chosen)
        }
        Command::Nsfw if chosen.rules.iter().any(|rule| **rule == *NSFW) => {
            remove_rule(NSFW, chosen)
        }
        Command::Nsfw => add_rule(NSFW, chosen, chats),
        Command::SessionNew => begin_session(chosen, chats).await,
        Command::SessionContinue(id) => continue_session(&id, chosen, chats).await,
        Command::SessionDelete(id) => delete_session(&id, chosen, chats).await,
        Command::SessionList => list_sessions(chats).await,
        Command::Cancel => Done::failed("Nothing is running."),
        Command::Help => Done::told(&format!("The commands:\n{}", command::help())),
    }
}

fn choose_model(id: &str, chosen: &mut Chosen, chats: &Chats) -> Done {
    if !chats.knows_model(id) {
        return Done::failed(format!(
            "There is no model \"{id}\" here: choose one of available_models, or add it to the \
             server's DRAMATIS_MODELS."
        ));
    }
    chosen.model = Some(id.to_owned());
    let metadata =
        Update { model: Some(id.to_owned()), model_confirmed: Some(true), ..Update::default() };
    Done::well(&format!("Hot-swapped model to {id}"), metadata)
}

fn select_world(id: &str, chosen: &mut Chosen, chats: &Chats) -> Done {
    let assets = chats.assets();
    let Some(world) = assets.world(id) else {
        return Done::failed(unknown("world", id, assets.worlds().map(|world| &*world.id)));
    };
    chosen.world_id = Some(world.id.clone());
    let metadata = Update { world_id: Some(id.to_owned()), ..Update::default() };
    Done::well(&format!("Active world set to {id}"), metadata)
}

fn select_character(id: &str, chosen: &mut Chosen, chats: &Chats) -> Done {
    let assets = chats.assets();
    let Some(character) = assets.character(id) else {
        return Done::failed(unknown("character", id, assets.characters().map(|it| &*it.id)));
    };
    chosen.character_id = Some(character.id.clone());
    let metadata = Update { character_id: Some(id.to_owned()), ..Update::default() };
    Done::well(&format!("Active character set to {id}"), metadata)
}

async fn attach_lore(text: &str, chosen: &Chosen, chats: &Chats) -> Done {
    let Some(world) = &chosen.world_id else {
        return Done::failed("Select a world first: /world select <id>");
    };
    match chats.attach_lore(world, text).await {
        Ok(Attached::New) => Done::well(&format!("Lore attached to {world}."), Update::default()),
        Ok(Attached::Known) => Done::told(&format!("{world} has this lore already.")),
        Err(error) => Done::failed(format!("The lore is not attached: {error}")),
    }
}

async fn sync_folder(path: &str, chats: &Chats) -> Done {
    match chats.sync_folder(path).await {
        Ok(changes) if changes.is_none() && changes.problems.is_empty() => {
            Done::told(&format!("Read {path} again: nothing has changed."))
        }
        Ok(changes) => {
            let changed = !changes.is_none();
            let told = format!("Read {path} again: {}", in_words(&changes));
            Done { changed, ..Done::well(&told, Update::default()) }
        }
        Err(error) => Done::failed(format!("Nothing was read: {error}")),
    }
}

fn in_words(changes: &Changes) -> String {
    let list = |what: &str, names: &[String]| {
        (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
    };
    let parts = [
        list("new:", &changes.added),
        list("changed:", &changes.changed),
        list("gone:", &changes.removed),
        list("can't be used:", &changes.problems),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn add_rule(id: &str, chosen: &mut Chosen, chats: &Chats) -> Done {
    let assets = chats.assets();
    let Some(rule) = assets.rule(id) else {
        return Done::failed(unknown("rule", id, assets.rules().map(|rule| &*rule.id)));
    };
    if chosen.rules.contains(&rule.id) {
        return Done::told(&format!("Rule '{id}' is active already."));
    }
    chosen.rules.push(rule.id.clone());
    rules_now(&format!("Rule '{id}' activated"), chosen)
}

fn remove_rule(id: &str, chosen: &mut Chosen) -> Done {
    let before = chosen.rules.len();
    chosen.rules.retain(|rule| **rule != *id);
    if chosen.rules.len() == before {
        return Done::failed(unknown("active rule", id, chosen.rules.iter().map(|rule| &**rule)));
    }
    rules_now(&format!("Rule '{id}' deactivated"), chosen)
}

fn rules_now(content: &str, chosen: &Chosen) -> Done {
    Done::well(content, Update { active_rules: Some(chosen.active_rules()), ..Update::default() })
}

async fn begin_session(chosen: &mut Chosen, chats: &Chats) -> Done {
    let Some(stage) = chosen.stage(chats) else {
        return Done::failed("Select world/char first.");
    };
    match chats.begin(&stage).await {
        Ok(chat) => {
            let id = chat.session.id;
            let content = format!("New session: {id}");
            chosen.session_id = Some(id.clone());
            let metadata = Update { session_id: Some(id.to_string()), ..Update::default() };
            Done { history: Some(chat.messages), ..Done::well(&content, metadata) }
        }
        Err(error) => Done::failed(format!("No session was begun: {error}")),
    }
}

async fn continue_session(id: &str, chosen: &mut Chosen, chats: &Chats) -> Done {
    let chat = match chats.find(id, SHOWN).await {
        Ok(chat) => chat,
        Err(error) => return Done::failed(format!("{error}: /session list names some.")),
    };
    let session = chat.session;
    if chats.knows_model(&session.model) {
        chosen.model = Some(session.model);
    }
    let model = chosen.model(chats).to_owned();
    let metadata = Update {
        session_id: Some(session.id.to_string()),
        world_id: Some(session.world_id.to_string()),
        character_id: Some(session.character_id.to_string()),
        model: Some(model),
        model_confirmed: Some(chosen.model.is_some()),
        ..Update::default()
    };
    chosen.session_id = Some(session.id);
    chosen.world_id = Some(session.world_id);
    chosen.character_id = Some(session.character_id);
    Done {
        history: Some(chat.messages),
        ..Done::well(&format!("Continued session {id}"), metadata)
    }
}

async fn delete_session(id: &str, chosen: &mut Chosen, chats: &Chats) -> Done {
    match chats.delete(id).await {
        Ok(()) => {
            let own = chosen.session_id.take_if(|chosen| **chosen == *id).is_some();
            let metadata = Update { session_id: own.then(String::new), ..Update::default() };
            Done::well(&format!("Deleted session {id}"), metadata)
        }
        Err(error @ ChatError::NoSession(_)) => {
            Done::failed(format!("{error}: /session list names some."))
        }
        Err(error) => Done::failed(format!("Session {id} is not deleted: {error}")),
    }
}

async fn list_sessions(chats: &Chats) -> Done {
    let sessions = chosen::sessions(chats, &chats.assets()).await;
    if sessions.is_empty() {
        return Done::told("There is no session yet: /session new");
    }
    let lines = sessions.iter().map(|session| format!("\n{} {}", session.id, session.name));
    Done::told(&format!("The sessions spoken in last:{}", lines.collect::<String>()))
}

/// What there is not, and what there is.
fn unknown<'a>(what: &str, id: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match &*known {
        [] => format!("There is no {what} \"{id}\", and no other either."),
        known => format!("There is no {what} \"{id}\": choose {}.", known.join(", ")),
    }
}

/// What was said in a session, as a client shows it.
pub(super) fn history(messages: &[ChatMessage]) -> RpcFrame<'static> {
    let message = |message: &ChatMessage| HistoryMessage {
        role: if message.role == Role::Assistant { "assistant" } else { "user" }.to_owned(),
        content: message.told(),
    };
    let history = History { history: messages.iter().map(message).collect() };
    RpcFrame::ChatHistory(RpcPayload { content: "".into(), metadata: history })
}
