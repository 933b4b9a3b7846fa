//! What a connection has chosen, and how things stand for it.

use dramatis_protocol::Id;
use dramatis_protocol::rpc::{Choice, ModelChoice, SyncState};
use serde::{Deserialize, Serialize};

use crate::assets::Assets;
use crate::chat::{ChatError, Chats, Stage};
use crate::record::ChatSession;

/// How many sessions there are to choose from.
const SESSIONS: u32 = 15;

/// How much of a session's title is shown, in characters.
const TITLE_CHARS: usize = 30;

/// What a connection has chosen; kept for a client that says who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Chosen {
    /// None: the server's own.
    pub model: Option<String>,
    pub world_id: Option<Id>,
    pub character_id: Option<Id>,
    pub session_id: Option<Id>,
    pub rules: Vec<Id>,
}

impl Chosen {
    /// The model that is asked.
    pub fn model<'a>(&'a self, chats: &'a Chats) -> &'a str {
        self.model.as_deref().unwrap_or_else(|| chats.default_model())
    }

    /// What a turn is played with, once there is a world and a character.
    pub fn stage(&self, chats: &Chats) -> Option<Stage> {
        Some(Stage {
            world_id: self.world_id.clone()?,
            character_id: self.character_id.clone()?,
            rules: self.rules.clone(),
            model: self.model(chats).to_owned(),
        })
    }

    /// Forgets what there is no more.
    pub async fn forget_lost(&mut self, chats: &Chats) {
        let assets = chats.assets();
        self.world_id.take_if(|id| assets.world(id).is_none());
        self.character_id.take_if(|id| assets.character(id).is_none());
        self.rules.retain(|id| assets.rule(id).is_some());
        self.model.take_if(|model| !chats.knows_model(model));
        if let Some(session) = &self.session_id
            && matches!(chats.find(session, 0).await, Err(ChatError::NoSession(_)))
        {
            self.session_id = None;
        }
    }

    /// How things stand.
    pub async fn sync_state(&self, chats: &Chats) -> SyncState {
        let assets = chats.assets();
        let text = |id: &Option<Id>| id.as_deref().unwrap_or_default().to_owned();
        let models = chats.models().into_iter().map(|model| ModelChoice {
            id: model.id,
            name: model.name,
            prompt_price: model.prompt_price,
            completion_price: model.completion_price,
        });
        SyncState {
            model: self.model(chats).to_owned(),
            model_confirmed: self.model.is_some(),
            world_id: text(&self.world_id),
            character_id: text(&self.character_id),
            session_id: text(&self.session_id),
            available_worlds: choices(assets.worlds().map(|it| (&*it.id, &*it.name))),
            available_characters: choices(assets.characters().map(|it| (&*it.id, &*it.name))),
            available_models: models.collect(),
            available_rules: choices(assets.rules().map(|it| (&*it.id, &*it.name))),
            active_rules: self.active_rules(),
            available_sessions: sessions(chats, &assets).await,
        }
    }

    pub fn active_rules(&self) -> Vec<String> {
        self.rules.iter().map(ToString::to_string).collect()
    }
}

fn choices<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Choice> {
    all.map(|(id, name)| Choice { id: id.to_owned(), name: name.to_owned() }).collect()
}

/// The sessions that were spoken in last. None where they can't be read: the rest is worth telling.
pub(super) async fn sessions(chats: &Chats, assets: &Assets) -> Vec<Choice> {
    let recent = chats.recent(SESSIONS).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the chat sessions can't be listed");
        Vec::new()
    });
    let choice = |session: &ChatSession| Choice {
        id: session.id.to_string(),
        name: name_of(session, assets),
    };
    recent.iter().map(choice).collect()
}

/// `[The Drowned Lantern] Oswin: Good evening`.
fn name_of(session: &ChatSession, assets: &Assets) -> String {
    let world = assets.world(&session.world_id).map(|world| &*world.name);
    let character = assets.character(&session.character_id).map(|character| &*character.name);
    let title: String = session.title.chars().take(TITLE_CHARS).collect();
    format!(
        "[{}] {}: {}",
        world.unwrap_or(&session.world_id),
        character.unwrap_or(&session.character_id),
        title.trim_end()
    )
}
