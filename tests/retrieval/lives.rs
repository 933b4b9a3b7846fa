//! Random lives of play sessions: agents live through turns and remember a secret of each; sessions
//! are copied, taken back to a save game and ended. What is found is exactly what the agent in that
//! session still remembers, and never anybody else's.

use std::collections::BTreeMap;

use dramatis::record::{PastTurn, PieceSource};
use dramatis::retrieval::{Exchange, LoreOf, Question, Retriever, Settings};
use dramatis::store::{Store, Write};
use dramatis_protocol::{Id, Origin};
use proptest::prelude::*;
use proptest::test_runner::Config;

const SESSIONS: [&str; 3] = ["one", "two", "three"];
const AGENTS: [&str; 2] = ["guard", "baker"];

#[derive(Debug, Clone)]
enum Move {
    /// A turn, with something to remember.
    Live {
        session: usize,
        agent: usize,
    },
    /// The last turn is confirmed once more, with other words.
    Correct {
        session: usize,
        agent: usize,
    },
    Resume {
        session: usize,
        agent: usize,
        turn: prop::sample::Index,
    },
    Fork {
        from: usize,
        to: usize,
        others: bool,
        turn: prop::sample::Index,
    },
    ForgetOthers {
        session: usize,
        kept: usize,
    },
    End {
        session: usize,
    },
    /// Somebody's lore changes.
    Lore {
        agent: usize,
    },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let (session, agent) = (|| 0..SESSIONS.len(), || 0..AGENTS.len());
    let turn = any::<prop::sample::Index>;
    let next = prop_oneof![
        8 => (session(), agent()).prop_map(|(session, agent)| Move::Live { session, agent }),
        1 => (session(), agent()).prop_map(|(session, agent)| Move::Correct { session, agent }),
        2 => (session(), agent(), turn())
            .prop_map(|(session, agent, turn)| Move::Resume { session, agent, turn }),
        2 => (session(), session(), any::<bool>(), turn())
            .prop_map(|(from, to, others, turn)| Move::Fork { from, to, others, turn }),
        1 => (session(), agent()).prop_map(|(session, kept)| Move::ForgetOthers { session, kept }),
        1 => session().prop_map(|session| Move::End { session }),
        1 => agent().prop_map(|agent| Move::Lore { agent }),
    ];
    prop::collection::vec(next, 1..30)
}

/// Turns with what is remembered of each, by agent.
type Session = BTreeMap<Id, Vec<(Id, String)>>;

struct World {
    store: Store,
    retriever: Retriever,
    sessions: BTreeMap<Id, Session>,
    lore: BTreeMap<Id, String>,
    count: usize,
}

impl World {
    fn new() -> Self {
        let store = Store::in_memory().unwrap();
        let retriever = Retriever::new(store.clone(), Settings::default(), None);
        let (sessions, lore) = (BTreeMap::new(), BTreeMap::new());
        Self { store, retriever, sessions, lore, count: 0 }
    }

    async fn make(&mut self, next: &Move) {
        match next {
            Move::Live { session, agent } => self.live(*session, *agent).await,
            Move::Correct { session, agent } => self.correct(*session, *agent).await,
            Move::Resume { session, agent, turn } => self.resume(*session, *agent, turn).await,
            Move::Fork { from, to, others, turn } => self.fork(*from, *to, *others, turn).await,
            Move::ForgetOthers { session, kept } => {
                let (session, kept) = (id(SESSIONS[*session]), id(AGENTS[*kept]));
                self.store.forget_others(&session, vec![kept.clone()]).await.unwrap();
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.retain(|agent, _| *agent == kept);
                }
            }
            Move::End { session } => {
                let session = id(SESSIONS[*session]);
                self.store.drop_session(&session).await.unwrap();
                self.sessions.remove(&session);
            }
            Move::Lore { agent } => {
                let agent = id(AGENTS[*agent]);
                let secret = self.secret(&agent);
                let of = LoreOf::Character(&agent);
                self.retriever.index_lore(of, &[secret.as_str()]).await.unwrap();
                self.lore.insert(agent, secret);
            }
        }
    }

    /// All have words in common, and one of their own.
    fn secret(&mut self, agent: &Id) -> String {
        self.count += 1;
        format!("The secret number {} of the {agent} is a treasure.", self.count)
    }

    async fn live(&mut self, session: usize, agent: usize) {
        let (session, agent) = (id(SESSIONS[session]), id(AGENTS[agent]));
        let secret = self.secret(&agent);
        self.store.open_session(&session, true).await.unwrap();
        let turn = PastTurn {
            turn_id: format!("t{}", self.count).into(),
            origin: Origin::Llm,
            event_ids: Vec::new(),
            input: Vec::new(),
            tags: Vec::new(),
            end: None,
            result: None,
        };
        let turn_id = turn.turn_id.clone();
        let (in_session, of_agent) = (session.clone(), agent.clone());
        let started = Write::TurnStarted { session: in_session, agent: of_agent, turn };
        self.store.submit(started).await.await.unwrap();
        self.remember(&session, &agent, &turn_id, &secret).await;
        let turns = self.sessions.entry(session).or_default().entry(agent).or_default();
        turns.push((turn_id, secret));
    }

    async fn correct(&mut self, session: usize, agent: usize) {
        let (session, agent) = (id(SESSIONS[session]), id(AGENTS[agent]));
        let secret = self.secret(&agent);
        let agents = self.sessions.get_mut(&session);
        let last = agents.and_then(|agents| agents.get_mut(&agent)?.last_mut());
        let Some((turn, known)) = last else { return };
        known.clone_from(&secret);
        let turn = turn.clone();
        self.remember(&session, &agent, &turn, &secret).await;
    }

    async fn remember(&self, session: &Id, agent: &Id, turn: &Id, secret: &str) {
        let exchange = Exchange {
            session,
            agent,
            turn,
            heard: "Wren: Tell me!",
            name: agent,
            answered: secret,
        };
        self.retriever.remember(&exchange).await.unwrap().await.unwrap();
    }

    fn turns(&mut self, session: &Id, agent: &Id) -> Option<&mut Vec<(Id, String)>> {
        let turns = self.sessions.get_mut(session)?.get_mut(agent)?;
        (!turns.is_empty()).then_some(turns)
    }

    async fn resume(&mut self, session: usize, agent: usize, turn: &prop::sample::Index) {
        let (session, agent) = (id(SESSIONS[session]), id(AGENTS[agent]));
        let Some(turns) = self.turns(&session, &agent) else { return };
        let place = turn.index(turns.len());
        let turn = turns[place].0.clone();
        turns.truncate(place + 1);
        assert!(self.store.resume_after(&session, &agent, &turn).await.unwrap());
    }

    async fn fork(&mut self, from: usize, to: usize, others: bool, turn: &prop::sample::Index) {
        let (from, to, guard) = (id(SESSIONS[from]), id(SESSIONS[to]), id(AGENTS[0]));
        let mut copy = self.sessions.get(&from).cloned().unwrap_or_default();
        let mut resume = BTreeMap::new();
        if let Some(turns) = copy.get_mut(&guard).filter(|turns| !turns.is_empty()) {
            let place = turn.index(turns.len());
            resume.insert(guard.clone(), turns[place].0.clone());
            turns.truncate(place + 1);
        }
        if others {
            copy.retain(|agent, _| resume.contains_key(agent));
        }
        if self.store.fork(&from, &to, resume, others).await.unwrap() {
            self.sessions.insert(to, copy);
        }
    }

    /// Everybody is asked for everything.
    async fn check(&self) -> Result<(), TestCaseError> {
        for (session, agent) in SESSIONS.iter().flat_map(|it| AGENTS.map(|agent| (it, agent))) {
            let (session, agent) = (id(session), id(agent));
            let question = Question {
                text: "secret number treasure guard baker",
                world: Some(&agent),
                character: Some(&agent),
                session: &session,
                agent: &agent,
                shown: &[],
                lore: 100,
                memories: 100,
            };
            let found = self.retriever.look_up(&question).await;
            prop_assert_eq!(&found.report.faults, &Vec::<String>::new());
            let memories: BTreeMap<Id, String> = found
                .memories
                .into_iter()
                .map(|piece| match piece.source {
                    PieceSource::Memory { turn_id } => (turn_id, piece.text),
                    PieceSource::Lore { name } => (id(&name), piece.text),
                })
                .collect();
            let turns = self.sessions.get(&session).and_then(|agents| agents.get(&agent));
            let expected: BTreeMap<Id, String> = turns
                .into_iter()
                .flatten()
                .map(|(turn, secret)| (turn.clone(), format!("Wren: Tell me!\n{agent}: {secret}")))
                .collect();
            prop_assert_eq!(memories, expected, "{} in {}", agent, session);
            let lore: Vec<String> = found.lore.into_iter().map(|piece| piece.text).collect();
            let expected: Vec<String> = self.lore.get(&agent).cloned().into_iter().collect();
            prop_assert_eq!(lore, expected, "the lore of {}", agent);
        }
        Ok(())
    }
}

fn id(text: &str) -> Id {
    text.into()
}

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: cases.unwrap_or(100), max_shrink_iters: 2_000, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nobody_finds_what_another_remembers(moves in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for next in &moves {
                world.make(next).await;
                world.check().await?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}
