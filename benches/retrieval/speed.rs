//! Look-ups while 100,000 memories are in the store, 2,000 of them the agent's own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dramatis::record::PastTurn;
use dramatis::retrieval::embed::Embed;
use dramatis::retrieval::{Exchange, LoreOf, Question, Retriever, Settings};
use dramatis::store::{Store, Write};
use dramatis_protocol::{Id, Origin};

use crate::model::PartsOfWords;

const AGENTS: usize = 50;
const MEMORIES: usize = 2_000;
const QUESTIONS: usize = 400;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of 20,000 words, the n-th about 1/n as often as the first: as in any language.
    fn word(&mut self) -> String {
        let rank = 20_000_f64.powf(self.roll()) as usize;
        let syllables = ["ka", "lo", "mir", "ten", "dus", "ra", "vel", "sho", "qui", "bor", "na"];
        let mut word = String::new();
        let mut rest = rank;
        loop {
            word.push_str(syllables[rest % syllables.len()]);
            rest /= syllables.len();
            if rest == 0 {
                return word;
            }
        }
    }

    fn words(&mut self, count: usize) -> String {
        (0..count).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

pub async fn measure() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = Store::open(&folder.path().join("dramatis.db")).expect("the store can be made");
    let words = Retriever::new(store.clone(), Settings::default(), None);
    let session: Id = "s".into();
    store.open_session(&session, true).await.expect("the session begins");
    let mut dice = Dice(7);

    let before = Instant::now();
    for turn in 0..MEMORIES {
        for agent in 0..AGENTS {
            live(&store, &session, &agent_id(agent), turn, &mut dice).await;
        }
    }
    store
        .submit(Write::State {
            session: session.clone(),
            agent: agent_id(0),
            state: Arc::default(),
        })
        .await
        .await
        .expect("the last write succeeds");
    let each = before.elapsed().as_secs_f64() * 1e6 / (AGENTS * MEMORIES) as f64;
    println!("{} turns with memories of 60 words stored, {each:.0} µs each", AGENTS * MEMORIES);

    let lore: Vec<String> = (0..1_000).map(|_| dice.words(100)).collect();
    let lore: Vec<&str> = lore.iter().map(String::as_str).collect();
    let before = Instant::now();
    words.index_lore(LoreOf::World("w"), &lore).await.expect("the lore is stored");
    println!("1,000 chunks of lore of 100 words indexed in {:.0} ms", millis(before.elapsed()));
    let before = Instant::now();
    words.index_lore(LoreOf::World("w"), &lore).await.expect("the lore is stored");
    println!("the same lore once more in {:.0} ms\n", millis(before.elapsed()));

    println!("look-up of 3 memories and 2 pieces of lore      median      p99");
    report("by words", &look_up(&words, &session, &mut dice, 10).await);
    report("by words, a long question (60 words)", &look_up(&words, &session, &mut dice, 60).await);
    let embedder = Arc::new(PartsOfWords) as Arc<dyn Embed>;
    let both = Retriever::new(store.clone(), Settings::default(), Some(embedder));
    both.remembered(&session, &agent_id(3));
    both.attach_lore(LoreOf::World("w"), "one more").await.expect("the lore is stored");
    both.settle().await;
    report("by words and vectors of 256 numbers", &look_up(&both, &session, &mut dice, 10).await);

    let before = Instant::now();
    let copy: Id = "copy".into();
    let copied = store.fork(&session, &copy, BTreeMap::new(), false);
    assert!(copied.await.expect("the session is copied"));
    let each = before.elapsed().as_secs_f64() * 1e6 / (AGENTS * MEMORIES) as f64;
    println!("\ncopying the play session: {each:.0} µs for each turn with its memory");
}

fn agent_id(agent: usize) -> Id {
    format!("agent {agent}").into()
}

async fn live(store: &Store, session: &Id, agent: &Id, turn: usize, dice: &mut Dice) {
    let turn_id: Id = format!("{agent} {turn}").into();
    let turn = PastTurn {
        turn_id: turn_id.clone(),
        origin: Origin::Llm,
        event_ids: Vec::new(),
        input: Vec::new(),
        tags: Vec::new(),
        end: None,
        result: None,
    };
    let (in_session, of_agent) = (session.clone(), agent.clone());
    drop(store.submit(Write::TurnStarted { session: in_session, agent: of_agent, turn }).await);
    let (heard, answered) = (dice.words(20), dice.words(40));
    let (heard, answered) = (heard.as_str(), answered.as_str());
    let exchange = Exchange { session, agent, turn: &turn_id, heard, name: "Maren", answered };
    let memory = Retriever::memory(&exchange).expect("there is something to remember");
    drop(store.submit(memory).await);
}

async fn look_up(
    retriever: &Retriever,
    session: &Id,
    dice: &mut Dice,
    words: usize,
) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..QUESTIONS {
        let (text, agent) = (dice.words(words), agent_id(3));
        let question = Question {
            text: &text,
            world: Some("w"),
            character: Some("c"),
            session,
            agent: &agent,
            shown: &[],
            lore: 2,
            memories: 3,
        };
        let before = Instant::now();
        let found = retriever.look_up(&question).await;
        times.push(before.elapsed());
        assert!(found.report.faults.is_empty(), "{:?}", found.report.faults);
        assert!(!found.memories.is_empty(), "nothing is found of {text}");
    }
    times.sort_unstable();
    times
}

fn report(name: &str, times: &[Duration]) {
    let (median, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{name:<44} {:>6.2} ms {:>6.2} ms", millis(median), millis(late));
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
