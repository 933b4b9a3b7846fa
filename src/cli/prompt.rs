//! `dramatis prompt`: what a model would be told of a character that is spoken to, without asking one.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use dramatis_protocol::{Actor, AgentState, Id};

use super::{assets, context};
use crate::assets::Assets;
use crate::generation::{Results, Whose, remind};
use crate::prompt::{Background, Built, Draft, Form, PromptLimits, TurnPrompt};
use crate::record::{Observation, Occurrence};
use crate::retrieval::{self, Retriever};
use crate::store::Store;
use crate::tags::Vocabulary;
use crate::turn::vocabulary::standard_vocabulary;

/// Shows the messages that a model would be sent, and what they are made of.
#[derive(Debug, Clone, Args)]
pub struct PromptArgs {
    /// What is said to the character
    text: String,
    /// The character, by its id
    #[arg(long, value_name = "ID")]
    character: Option<Id>,
    /// The world, by its id
    #[arg(long, value_name = "ID")]
    world: Option<Id>,
    /// A rule that is active, by its id; may be given several times
    #[arg(long = "rule", value_name = "ID")]
    rules: Vec<Id>,
    /// Who speaks
    #[arg(long, value_name = "NAME", default_value = "Player")]
    from: String,
    /// As it is told in a chat, rather than in a game
    #[arg(long)]
    chat: bool,
    /// The folder of assets; the server's own if absent
    #[arg(long, value_name = "DIR")]
    assets: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If the assets can't be read, an id is unknown, or the output can't be written.
pub async fn run(args: &PromptArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let library = assets::library(args.assets.as_deref())?;
    let built = build(args, &library.current()).await?;
    let shown = context::show_prompt(&built.messages, Some(&built.report), out);
    match shown.and_then(|()| out.flush()) {
        // Whoever reads may have seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn build(args: &PromptArgs, assets: &Arc<Assets>) -> anyhow::Result<Built> {
    let character = args.character.as_ref().and_then(|id| assets.character(id));
    let state = AgentState {
        name: character.map_or_else(|| "Somebody".to_owned(), |character| character.name.clone()),
        character_id: args.character.clone(),
        world_id: args.world.clone(),
        rules: args.rules.clone(),
        ..AgentState::default()
    };
    let background = Background::of(Arc::clone(assets), &state);
    if let Some((field, id)) = background.unknown.first() {
        bail!("there is no {}", missing(assets, field, id));
    }
    let event = Observation::Event(Occurrence {
        text: Some(args.text.clone()),
        actor: Some(Actor { id: None, name: Some(args.from.clone()) }),
        ..Occurrence::default()
    });
    let draft = Draft::new(&TurnPrompt {
        form: if args.chat { Form::Chat } else { Form::Game },
        agent: &state.name,
        state: &state,
        background: &background,
        vocabulary: &vocabulary(args.chat),
        history: &[],
        forgotten: 0,
        input: &[event],
        follow_up: false,
        limits: &PromptLimits::default(),
    });
    // An index of its own: a server may be using the other, and may know older files.
    let retriever = Retriever::new(Store::in_memory()?, retrieval::Settings::default(), None);
    retriever.index_assets(assets).await?;
    let (session, agent) = (Id::from("prompt"), Id::from(state.name.as_str()));
    let whose = Whose {
        session: &session,
        agent: &agent,
        state: &state,
        background: &background,
        unsettled: &[],
    };
    let reminders = remind(&retriever, Results::default(), &whose, &draft).await;
    Ok(draft.finish(reminders))
}

fn vocabulary(chat: bool) -> Arc<Vocabulary> {
    if chat { Arc::new(Vocabulary::none()) } else { standard_vocabulary() }
}

/// What is missing, and what there is instead.
fn missing(assets: &Assets, field: &str, id: &str) -> String {
    let (what, known): (_, Vec<&str>) = match field {
        "world_id" => ("world", assets.worlds().map(|world| &*world.id).collect()),
        "character_id" => ("character", assets.characters().map(|it| &*it.id).collect()),
        _ => ("rule", assets.rules().map(|rule| &*rule.id).collect()),
    };
    match &*known {
        [] => format!("{what} \"{id}\", and no other either: see --assets"),
        known => format!("{what} \"{id}\": there are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn args(text: &str, character: &str, world: &str) -> PromptArgs {
        PromptArgs {
            text: text.to_owned(),
            character: Some(character.into()),
            world: Some(world.into()),
            rules: Vec::new(),
            from: "Wren".to_owned(),
            chat: false,
            assets: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")),
        }
    }

    async fn prompt(
        text: &str,
        character: &str,
        world: &str,
        rules: &[&str],
    ) -> anyhow::Result<String> {
        let rules = rules.iter().map(|rule| Id::from(*rule)).collect();
        let args = PromptArgs { rules, ..args(text, character, world) };
        let mut out = Vec::new();
        run(&args, &mut out).await?;
        Ok(String::from_utf8(out)?)
    }

    #[tokio::test]
    async fn the_messages_stand_in_order_with_their_size_and_what_they_are_made_of() {
        let text = "Is there a room? What do two strokes of the bell mean?";
        let text = prompt(text, "oswin", "drowned_lantern", &["short_answers"]).await.unwrap();
        let parts = [
            "──── system",
            "You are Oswin.",
            "At most three sentences",
            "low country of rivers",
            "guard of the bridge",
            "──── user",
            "What you know",
            "The river bell hangs on a pole",
            "Is there a room?",
            "tokens of 16000",
            "  character\n",
            "  lore\n",
            "the key \"bell\"",
            "left out",
        ];
        let places: Vec<_> = parts.iter().map(|part| text.find(part).expect(part)).collect();
        assert!(places.is_sorted(), "{text}");
    }

    #[tokio::test]
    async fn a_chat_is_told_without_tags() {
        let library = assets::library(None).unwrap();
        let args =
            PromptArgs { chat: true, ..args("Is there a room?", "oswin", "drowned_lantern") };
        let built = build(&args, &library.current()).await.unwrap();
        let [system, user] = &built.messages[..] else { panic!("{:?}", built.messages) };
        assert!(system.content.contains("Answer as Oswin"), "{}", system.content);
        assert!(!system.content.contains("<speech>"), "{}", system.content);
        assert!(user.content.ends_with("[Wren]: Is there a room?"), "{}", user.content);
    }

    #[tokio::test]
    async fn what_one_character_knows_no_other_is_told() {
        let secret = "You changed the list on the wall; whose turn was the lantern?";
        let told = async |character| prompt(secret, character, "drowned_lantern", &[]).await;
        assert!(told("oswin").await.unwrap().contains("the one false thing"));
        assert!(!told("lio").await.unwrap().contains("the one false thing"));
    }

    #[tokio::test]
    async fn an_unknown_id_is_told_with_those_that_there_are() {
        for (character, world, rules, expected) in [
            ("osvin", "drowned_lantern", &[][..], "no character \"osvin\": there are "),
            ("oswin", "lantern", &[], "drowned_lantern, tern_station"),
            ("oswin", "drowned_lantern", &["../x"], "no rule \"../x\""),
        ] {
            let error = prompt("?", character, world, rules).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
