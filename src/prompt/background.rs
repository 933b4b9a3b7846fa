//! What the server's assets bring to a turn: the rules that always hold, those that the game has
//! switched on, the world and the character; and the sentences of prompts. Found by the ids of the agent's state, and only among
//! what was read from the folder.

use std::sync::Arc;

use dramatis_protocol::{AgentState, Id, Sentences};

use crate::assets::{Assets, Character, Rule, World};

/// The assets of one turn.
#[derive(Debug, Clone, Default)]
pub struct Background {
    /// Where all of it is from.
    pub assets: Arc<Assets>,
    /// The rules that the state names, in its order.
    pub rules: Vec<Arc<Rule>>,
    /// The world that the state names.
    pub world: Option<Arc<World>>,
    /// The character that the state names.
    pub character: Option<Arc<Character>>,
    /// Ids that the state names and no asset has, each with the field that names it.
    pub unknown: Vec<(&'static str, Id)>,
}

impl Background {
    /// What a state asks for.
    #[must_use]
    pub fn of(assets: Arc<Assets>, state: &AgentState) -> Self {
        let mut unknown = Vec::new();
        let mut known = |field, id: &Id, is_known: bool| {
            if !is_known {
                unknown.push((field, id.clone()));
            }
        };
        let world = state.world_id.as_ref().and_then(|id| {
            let world = assets.world(id).cloned();
            known("world_id", id, world.is_some());
            world
        });
        let character = state.character_id.as_ref().and_then(|id| {
            let character = assets.character(id).cloned();
            known("character_id", id, character.is_some());
            character
        });
        let rules = state.rules.iter().filter_map(|id| {
            let rule = assets.rule(id).cloned();
            known("rules", id, rule.is_some());
            rule
        });
        let rules = rules.collect();
        Self { assets, rules, world, character, unknown }
    }

    /// Our own words.
    pub(super) fn sentences(&self) -> &Arc<Sentences> {
        self.assets.sentences()
    }

    /// What every model is told.
    pub(super) fn base_rules(&self) -> impl Iterator<Item = &str> {
        self.assets.base_rules().iter().map(|rule| &**rule)
    }

    /// What the world is like, told in every turn.
    pub(super) fn world_prompt(&self) -> Option<&str> {
        told(self.world.as_ref()?.system_prompt.as_deref()?)
    }

    /// Who the character is.
    pub(super) fn persona(&self) -> Option<&str> {
        told(&self.character.as_ref()?.persona)
    }

    /// Where everything begins.
    pub(super) fn scene(&self) -> Option<&str> {
        told(self.world.as_ref()?.scene.as_deref()?)
    }
}

fn told(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}
