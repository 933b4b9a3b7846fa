//! Commands, done. Each is answered with a frame that says what was done or why it couldn't be; what
//! changed something is followed by how things stand. Whatever has to wait for the store waits here, in
//! a future of its own: the connection goes on meanwhile.

use dramatis_protocol::Id;
use dramatis_protocol::rpc::{FaultCode, History, HistoryMessage, RpcFrame, RpcPayload, Update};

use super::chosen::{self, Chosen};
use super::command::{self, Command};
use crate::chat::{Attached, Changes, ChatError, Chats};
use crate::record::{ChatMessage, Role};

/// How many messages of a session are shown when it is taken up again.
const SHOWN: usize = 50;

/// Most bytes of those together; the newest are shown, and the last in any case.
const SHOWN_BYTES: usize = 256 * 1024;

/// The rule that `/nsfw` switches.
const NSFW: &str = "nsfw";

/// Somebody for whom something is done.
#[derive(Clone)]
pub(super) struct Doer {
    pub chats: Chats,
    /// The name under which choices are kept.
    pub client: Option<String>,
}

/// What was done for somebody.
pub(super) struct Outcome {
    /// What is chosen from now on.
    pub chosen: Chosen,
    /// What is told of it.
    pub frames: Vec<RpcFrame<'static>>,
}

impl Doer {
    /// Finds the choices of somebody who comes, and tells how things stand.
    pub async fn arrive(self) -> Outcome {
        let mut chosen = Chosen::default();
        if let Some(client) = &self.client {
            match self.chats.client(client).await {
                Ok(kept) => chosen = kept.unwrap_or_default(),
                Err(error) => tracing::warn!(%error, "what a client has chosen can't be read"),
            }
            chosen.forget_lost(&self.chats).await;
            // Whoever comes is not forgotten.
            drop(self.chats.keep_client(client, &chosen).await);
        }
        self.synchronize(chosen).await
    }

    /// Tells how things stand.
    pub async fn synchronize(self, chosen: Chosen) -> Outcome {
        let frames = vec![synchronized(&chosen, &self.chats).await];
        Outcome { chosen, frames }
    }

    /// Does a command.
    pub async fn perform(self, command: Command, mut chosen: Chosen) -> Outcome {
        let before = chosen.session_id.clone();
        let Done { update, changed, history } = perform(command, &mut chosen, &self.chats).await;
        let mut frames = vec![update];
        if changed {
            frames.extend(self.keep(&chosen).await);
            frames.push(synchronized(&chosen, &self.chats).await);
        }
        frames.extend(history.map(|messages| self::history(&messages)));
        if let Some(session) = before.filter(|session| chosen.session_id.as_ref() != Some(session))
        {
            self.chats.rest(&session);
        }
        Outcome { chosen, frames }
    }

    /// Keeps the choices of somebody who has said who it is; what is told if that fails.
    async fn keep(&self, chosen: &Chosen) -> Option<RpcFrame<'static>> {
        let error = self.chats.keep_client(self.client.as_ref()?, chosen).await.err()?;
        let message = format!("your choice holds, but could not be stored: {error}");
        Some(RpcFrame::error(FaultCode::NotStored, message))
    }
}

async fn synchronized(chosen: &Chosen, chats: &Chats) -> RpcFrame<'static> {
    let metadata = chosen.sync_state(chats).await;
    RpcFrame::SyncState(RpcPayload { content: "State synchronized".into(), metadata })
}

/// What a command has done.
struct Done {
    /// What is told of it.
    update: RpcFrame<'static>,
    /// Whether something is another than before.
    changed: bool,
    /// The history that is shown now.
    history: Option<Vec<ChatMessage>>,
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

async fn perform(command: Command, chosen: &mut Chosen, chats: &Chats) -> Done {
    match command {
        Command::Model(id) => choose_model(&id, chosen, chats),
        Command::WorldSelect(id) => select_world(&id, chosen, chats),
        Command::CharacterSelect(id) => select_character(&id, chosen, chats),
        Command::WorldAttachLore(text) => attach_lore(&text, chosen, chats).await,
        Command::WorldClearLore => clear_lore(chosen, chats).await,
        Command::WorldSyncFolder(path) => sync_folder(&path, chats).await,
        Command::RulesAdd(id) => add_rule(&id, chosen, chats),
        Command::RulesRemove(id) => remove_rule(&id, chosen),
        Command::RulesClear if chosen.rules.is_empty() => {
            Done { changed: false, ..rules_now("No rule is active.", chosen) }
        }
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
        Command::Cancel => cancel(chosen.session_id.as_ref(), chats),
        Command::Help => Done::told(&format!("The commands:\n{}", command::help())),
    }
}

/// The connection's own reply is none of this: what may run is another's, in the same session.
fn cancel(session: Option<&Id>, chats: &Chats) -> Done {
    match session {
        Some(session) if chats.cancel(session) => {
            Done::told("The reply that another connection asked for is cancelled.")
        }
        _ => Done::failed("Nothing is running."),
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
        Ok(Attached::Full) => Done::failed(format!(
            "{world} has as much attached lore as it may have: put some into its file."
        )),
        Ok(Attached::Known) => Done::told(&format!("{world} has this lore already.")),
        Err(error) => Done::failed(format!("The lore is not attached: {error}")),
    }
}

async fn clear_lore(chosen: &Chosen, chats: &Chats) -> Done {
    let Some(world) = &chosen.world_id else {
        return Done::failed("Select a world first: /world select <id>");
    };
    match chats.clear_lore(world).await {
        Ok(true) => {
            Done::well(&format!("{world} has no attached lore any more."), Update::default())
        }
        Ok(false) => Done::told(&format!("Nothing was attached to {world}.")),
        Err(error) => Done::failed(format!("The lore stays: {error}")),
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
        Err(error) => return Done::failed(no_session(&error)),
    };
    let session = chat.session;
    if session.model == chats.default_model() {
        chosen.model = None;
    } else if chats.knows_model(&session.model) {
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
        Err(error @ ChatError::NoSession(_)) => Done::failed(no_session(&error)),
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

fn no_session(error: &ChatError) -> String {
    match error {
        ChatError::NoSession(id) => {
            format!("There is no session \"{id}\": /session list names some.")
        }
        other => format!("The session can't be had: {other}"),
    }
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
fn history(messages: &[ChatMessage]) -> RpcFrame<'static> {
    let mut room = SHOWN_BYTES.max(messages.last().map_or(0, |last| last.told().len()));
    let newest = messages.iter().rev().map(|message| HistoryMessage {
        role: if message.role == Role::Assistant { "assistant" } else { "user" }.to_owned(),
        content: message.told(),
    });
    let fitting = newest.map_while(|message| {
        room = room.checked_sub(message.content.len())?;
        Some(message)
    });
    let mut history: Vec<_> = fitting.collect();
    history.reverse();
    let history = History { history };
    RpcFrame::ChatHistory(RpcPayload { content: "".into(), metadata: history })
}
