//! Whose lore and memories reach whose prompt: random lives of play sessions, played by whole agents.
//! Everything that is said has a word of its own. A request holds exactly the words that its agent has
//! heard and said in its play session, and the lore of its own world and character.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dramatis::assets::Library;
use dramatis::clock::Ids;
use dramatis::retrieval::{self, Retriever};
use dramatis::store::Store;
use dramatis::turn::agent::AgentMessage;
use dramatis::turn::outbox::OutboxHandle;
use dramatis::turn::registry::{Registry, SessionPlan};
use dramatis_protocol::{
    AgentState, AgentTurnResult, Id, InteractionEvent, Interrupt, Outcome, ServerMessage,
    TagOutcome,
};
use proptest::prelude::*;
use tempfile::TempDir;

use super::config;
use super::game::registry;
use super::puppet::{Asked, Puppet};

const SESSIONS: [&str; 3] = ["one", "two", "three"];
const AGENTS: [&str; 2] = ["guard", "baker"];

#[derive(Debug, Clone)]
enum Move {
    /// Somebody says something to the agent, who answers.
    Say { session: usize, agent: usize, confirmed: bool },
    /// An older save game.
    Resume { session: usize, agent: usize, turn: prop::sample::Index },
    /// A session becomes the beginning of another, as it was after one turn of an agent.
    Fork { from: usize, to: usize, agent: usize, turn: prop::sample::Index, others: bool },
    /// The server goes down and comes back.
    Restart,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let (session, agent) = (|| 0..SESSIONS.len(), || 0..AGENTS.len());
    let turn = any::<prop::sample::Index>;
    let next = prop_oneof![
        8 => (session(), agent(), prop::bool::weighted(0.7))
            .prop_map(|(session, agent, confirmed)| Move::Say { session, agent, confirmed }),
        2 => (session(), agent(), turn())
            .prop_map(|(session, agent, turn)| Move::Resume { session, agent, turn }),
        2 => (session(), session(), agent(), turn(), any::<bool>())
            .prop_map(|(from, to, agent, turn, others)| Move::Fork { from, to, agent, turn, others }),
        1 => Just(Move::Restart),
    ];
    prop::collection::vec(next, 1..25)
}

/// By agent its turns, each with the words that it left.
type Session = BTreeMap<usize, Vec<(Id, BTreeSet<String>)>>;

struct World {
    folder: TempDir,
    store: Store,
    registry: Registry,
    puppet: Arc<Puppet>,
    ids: Ids,
    sessions: BTreeMap<usize, Session>,
    words: usize,
}

impl World {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: String, text: String| {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for agent in AGENTS {
            let world = format!("id: w{agent}\nname: W\nlore: A treasure, {}.\n", lore('w', agent));
            write(format!("worlds/{agent}.yaml"), world);
            let own = lore('c', agent);
            let text = format!("id: {agent}\nname: X\npersona: Y\nlore: A treasure, {own}.\n");
            write(format!("characters/{agent}.yaml"), text);
        }
        let (store, puppet, ids) = (Store::in_memory().unwrap(), Arc::default(), Ids::counted());
        let registry = serve(&folder, &store, &puppet, &ids).await;
        Self { folder, store, registry, puppet, ids, sessions: BTreeMap::new(), words: 0 }
    }

    async fn make(&mut self, next: &Move) -> Result<(), TestCaseError> {
        match next {
            Move::Say { session, agent, confirmed } => {
                self.say(*session, *agent, *confirmed).await?;
            }
            Move::Resume { session, agent, turn } => self.resume(*session, *agent, turn).await,
            Move::Fork { from, to, agent, turn, others } => {
                self.fork((*from, *to), (*agent, turn), *others).await;
            }
            Move::Restart => {
                self.registry.close().await;
                self.registry = serve(&self.folder, &self.store, &self.puppet, &self.ids).await;
            }
        }
        Ok(())
    }

    async fn say(
        &mut self,
        session: usize,
        agent: usize,
        confirmed: bool,
    ) -> Result<(), TestCaseError> {
        let outbox = OutboxHandle::default();
        let plan = SessionPlan::named(SESSIONS[session]);
        let mut attached = self.registry.attach(plan, outbox.clone()).await.unwrap().attachment;
        let (heard, said) = (self.word(), self.word());
        let event = AgentMessage::Event(Box::new(event(agent, &heard)));
        attached.deliver(&AGENTS[agent].into(), event, None).await.unwrap();
        rest().await;
        let asked = self.puppet.asked().pop().unwrap();
        let turns = self.sessions.entry(session).or_default().entry(agent).or_default();
        let mut expected: BTreeSet<String> =
            turns.iter().flat_map(|(_, words)| words).cloned().collect();
        expected.extend([heard.clone(), lore('w', AGENTS[agent]), lore('c', AGENTS[agent])]);
        prop_assert_eq!(told(&asked), expected, "{} in {}", AGENTS[agent], SESSIONS[session]);

        asked.text(&format!("<speech>The treasure is {said}.</speech>"));
        asked.finish("stop");
        rest().await;
        let turn_id = begun(&outbox);
        if confirmed {
            let result = AgentTurnResult {
                agent_id: AGENTS[agent].into(),
                turn_id: turn_id.clone(),
                content: None,
                tags: Some(vec![TagOutcome {
                    tag_id: 0,
                    outcome: Outcome::Done,
                    presented_chars: None,
                    detail: None,
                }]),
            };
            let result = AgentMessage::Result(Box::new(result));
            attached.deliver(&AGENTS[agent].into(), result, None).await.unwrap();
        }
        turns.push((turn_id, BTreeSet::from([heard, said])));
        rest().await;
        attached.detach(false).await;
        Ok(())
    }

    async fn resume(&mut self, session: usize, agent: usize, turn: &prop::sample::Index) {
        let agents = self.sessions.get_mut(&session);
        let Some(turns) = agents.and_then(|agents| agents.get_mut(&agent)) else { return };
        if turns.is_empty() {
            return;
        }
        turns.truncate(turn.index(turns.len()) + 1);
        let after = turns.last().unwrap().0.clone();
        let resume_after = BTreeMap::from([(AGENTS[agent].into(), after)]);
        self.arrive(SessionPlan { resume_after, ..SessionPlan::named(SESSIONS[session]) }).await;
    }

    async fn fork(
        &mut self,
        (from, to): (usize, usize),
        (agent, turn): (usize, &prop::sample::Index),
        others: bool,
    ) {
        if self.sessions.contains_key(&to) || !self.sessions.contains_key(&from) {
            return;
        }
        let mut copy = self.sessions[&from].clone();
        let Some(turns) = copy.get_mut(&agent).filter(|turns| !turns.is_empty()) else { return };
        turns.truncate(turn.index(turns.len()) + 1);
        let after = turns.last().unwrap().0.clone();
        if others {
            copy.retain(|known, _| *known == agent);
        }
        let plan = SessionPlan {
            fork_of: Some(SESSIONS[from].into()),
            resume_after: BTreeMap::from([(AGENTS[agent].into(), after)]),
            forget_others: others,
            ..SessionPlan::named(SESSIONS[to])
        };
        self.arrive(plan).await;
        self.sessions.insert(to, copy);
    }

    async fn arrive(&self, plan: SessionPlan) {
        let attached = self.registry.attach(plan, OutboxHandle::default()).await.unwrap();
        assert!(attached.complaints.is_empty(), "{:?}", attached.complaints);
        attached.attachment.detach(false).await;
    }

    /// One that was never used before.
    fn word(&mut self) -> String {
        self.words += 1;
        format!("w{:06}x", self.words)
    }
}

/// A server's inside around a store, with the lore of the folder indexed.
async fn serve(folder: &TempDir, store: &Store, puppet: &Arc<Puppet>, ids: &Ids) -> Registry {
    let library = Arc::new(Library::open(Some(folder.path())).unwrap());
    assert_eq!(library.problems(), []);
    let retriever = Retriever::new(store.clone(), retrieval::Settings::default(), None);
    retriever.index_assets(&library.current()).await.unwrap();
    registry(store, puppet, ids, Some(library))
}

fn event(agent: usize, word: &str) -> InteractionEvent {
    let id = AGENTS[agent];
    let state = AgentState {
        name: "X".to_owned(),
        character_id: Some(id.into()),
        world_id: Some(format!("w{id}").into()),
        // What is not in the history must be remembered.
        history_turns: Some(1),
        lore_results: Some(20),
        memory_results: Some(20),
        model: Some("scripted/puppet".to_owned()),
        ..AgentState::default()
    };
    InteractionEvent {
        agent_id: id.into(),
        event_id: None,
        event_type: None,
        text: Some(format!("Where is the treasure, {word}?")),
        actor: None,
        data: None,
        state: Some(state),
        priority: 0,
        interrupt: Interrupt::Now,
    }
}

/// The word of a world's or a character's lore.
fn lore(kind: char, agent: &str) -> String {
    let number = AGENTS.iter().position(|it| *it == agent).unwrap();
    format!("w{}x", if kind == 'w' { 900_000 + number } else { 800_000 + number })
}

/// The words of a request.
fn told(asked: &Asked) -> BTreeSet<String> {
    let messages = asked.request.messages.iter();
    messages.flat_map(|message| super::checker::words(&message.content)).collect()
}

/// Lets every task and every commit come to rest.
async fn rest() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// The turn that began; everything is read.
fn begun(outbox: &OutboxHandle) -> Id {
    let (mut json, mut begun) = (String::new(), None);
    while outbox.take(&mut json) {
        if let ServerMessage::AgentTurnStarted(started) = serde_json::from_str(&json).unwrap() {
            begun = Some(started.turn_id);
        }
    }
    begun.unwrap()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_prompt_holds_what_its_agent_lived_through_and_may_know_and_nothing_else(
        moves in moves(),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let mut world = World::begin().await;
            for next in &moves {
                world.make(next).await?;
            }
            world.registry.close().await;
            Ok::<_, TestCaseError>(())
        })?;
    }
}
