//! A chat as the prompt and the logs know it: its messages as turns, whoever is talked to as an agent's
//! state. Pure.

use dramatis_protocol::{Actor, AgentState, Id, Origin, TagKind};

use crate::assets::{Assets, Character};
use crate::record::{
    ChatMessage, LedgerTag, Observation, Occurrence, PastTurn, Role, TurnEnd, TurnResult,
};
use crate::retrieval::exchange::one_line;
use crate::retrieval::{Exchange, Retriever};
use crate::store::Findable;

/// What a turn in a chat is played with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The world.
    pub world_id: Id,
    /// The character.
    pub character_id: Id,
    /// The rules that are active, in their order.
    pub rules: Vec<Id>,
    /// The model.
    pub model: String,
}

/// The stage as the state of an agent.
pub(super) fn state(stage: &Stage, character: &Character) -> AgentState {
    AgentState {
        name: character.name.clone(),
        character_id: Some(stage.character_id.clone()),
        world_id: Some(stage.world_id.clone()),
        rules: stage.rules.clone(),
        ..AgentState::default()
    }
}

/// The messages as turns of a character: what was said, and its answer, where there was one. What
/// another character has said in the session was said to it, too.
pub(super) fn turns(messages: &[ChatMessage], character: &str, assets: &Assets) -> Vec<PastTurn> {
    let mut turns = Vec::new();
    let mut input = Vec::new();
    let mut asked: Option<&ChatMessage> = None;
    for message in messages {
        let other = message.character_id.as_ref().filter(|id| ***id != *character);
        if let Some(other) = other {
            let name = assets.character(other).map_or(&**other, |character| &*character.name);
            let named = ChatMessage { sender: Some(name.to_owned()), ..message.clone() };
            input.push(observation(&named));
            asked = Some(message);
        } else if message.role == Role::Assistant {
            let heard = std::mem::take(&mut input);
            turns.push(turn(message.id.clone(), heard, message.content.clone()));
            asked = None;
        } else {
            input.push(observation(message));
            asked = Some(message);
        }
    }
    turns.extend(asked.map(|asked| turn(asked.id.clone(), input, String::new())));
    turns
}

fn turn(turn_id: Id, input: Vec<Observation>, answer: String) -> PastTurn {
    PastTurn {
        turn_id,
        origin: Origin::Llm,
        event_ids: Vec::new(),
        input,
        tags: Vec::new(),
        end: Some(TurnEnd::Finished { reason: "stop".to_owned() }),
        result: Some(TurnResult { content: Some(answer), tags: None }),
    }
}

/// What somebody said.
pub(super) fn occurrence(message: &ChatMessage) -> Occurrence {
    let actor = message.sender.clone().map(|name| Actor { id: None, name: Some(name) });
    Occurrence {
        event_id: Some(message.id.clone()),
        text: Some(message.content.clone()),
        actor,
        ..Occurrence::default()
    }
}

pub(super) fn observation(message: &ChatMessage) -> Observation {
    Observation::Event(occurrence(message))
}

/// A reply as the one tag that it would be in a game.
pub(super) fn spoken(text: &str, complete: bool) -> Vec<LedgerTag> {
    if text.is_empty() {
        return Vec::new();
    }
    vec![LedgerTag {
        tag_id: 0,
        parent_id: None,
        tag: "speech".into(),
        kind: TagKind::Speech,
        empty: false,
        attributes: serde_json::Map::new(),
        call_id: None,
        arguments: None,
        signature: None,
        text: text.to_owned(),
        children: Vec::new(),
        complete,
    }]
}

/// What a character is to remember of an exchange. `user`: what whoever gave no name is called.
pub(super) fn memory(
    (session, character): (&Id, &Character),
    user: &str,
    said: &ChatMessage,
    reply: &ChatMessage,
) -> Option<Findable> {
    let who = said.sender.as_deref().unwrap_or(user);
    Retriever::memory_of(&Exchange {
        session,
        agent: &character.id,
        turn: &reply.id,
        heard: &format!("{who}: {}", one_line(&said.content)),
        name: &character.name,
        answered: &one_line(&reply.content),
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn message(id: &str, role: Role, content: &str) -> ChatMessage {
        ChatMessage {
            id: id.into(),
            role,
            character_id: None,
            sender: None,
            content: content.to_owned(),
            partial: false,
            time: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_another_character_has_said_is_told_with_its_name() {
        let by = |id: &str, who: &str| ChatMessage {
            character_id: Some(who.into()),
            ..message(id, Role::Assistant, "Aye.")
        };
        let all = [message("1", Role::User, "Hello."), by("2", "una"), by("3", "tam")];
        let turns = turns(&all, "tam", &Assets::default());
        assert_eq!((turns.len(), &*turns[0].turn_id, turns[0].input.len()), (1, "3", 2));
        let Observation::Event(heard) = &turns[0].input[1] else { panic!("{turns:?}") };
        assert_eq!(heard.actor.as_ref().unwrap().name.as_deref(), Some("una"));
    }

    #[test]
    fn an_answer_ends_a_turn_and_what_was_never_answered_is_one_at_the_end() {
        let all = [
            message("0", Role::Assistant, "Welcome."),
            message("1", Role::User, "Hello."),
            message("2", Role::User, "Anybody?"),
            message("3", Role::Assistant, "Yes."),
            message("4", Role::User, "Who?"),
        ];
        let told: Vec<_> = turns(&all, "tam", &Assets::default())
            .into_iter()
            .map(|turn| (turn.turn_id.to_string(), turn.input.len(), turn.result.unwrap().content))
            .collect();
        let told: Vec<_> = told
            .iter()
            .map(|(id, heard, said)| (id.as_str(), *heard, said.as_deref().unwrap()))
            .collect();
        assert_eq!(told, [("0", 0, "Welcome."), ("3", 2, "Yes."), ("4", 1, "")]);
        assert_eq!(turns(&[], "tam", &Assets::default()), []);
    }
}
