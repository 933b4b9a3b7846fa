//! Recall@3 over the facts of `tests/data/facts.yaml`.

use std::sync::Arc;

use dramatis::retrieval::embed::Embed;
use dramatis::retrieval::rank::Floors;
use dramatis::retrieval::{LoreOf, Question, Retriever, Settings, terms};
use dramatis::store::Store;
use serde::Deserialize;

use crate::model::PartsOfWords;

/// How many texts are in the store that have nothing to do with it.
const OTHERS: usize = 20_000;

#[derive(Deserialize)]
struct Case {
    fact: String,
    question: String,
}

#[derive(Default)]
struct Tally {
    asked: usize,
    by_text: usize,
    by_vector: usize,
    by_both: usize,
}

pub async fn measure() {
    let cases = include_str!("../../tests/data/facts.yaml");
    let cases: Vec<Case> = serde_saphyr::from_str(cases).expect("the facts can be read");
    let by_text = filled(&cases, false).await;
    let by_both = filled(&cases, true).await;
    let mut groups: [(&str, Tally); 4] = [
        ("shares a word, with spaces", Tally::default()),
        ("shares a pair, without spaces", Tally::default()),
        ("shares nothing", Tally::default()),
        ("all", Tally::default()),
    ];
    let mut missed = Vec::new();
    for case in &cases {
        let known = terms::of_document(&case.fact);
        let shared = terms::of_query(&case.question);
        let shared = shared.iter().find(|term| known.contains(term));
        let group = shared.map_or(2, |term| usize::from(terms::weight(term) < 1.0));
        for group in [group, 3] {
            let tally = &mut groups[group].1;
            tally.asked += 1;
            let found = finds(&by_text, case, &case.question).await;
            if !found && group == 3 && shared.is_some() {
                missed.push(format!("{} -- {}", case.question, case.fact));
            }
            tally.by_text += usize::from(found);
            tally.by_vector += usize::from(finds_by_vector(&by_both, case).await);
            tally.by_both += usize::from(finds(&by_both, case, &case.question).await);
        }
    }
    for missed in &missed {
        println!("not found by words: {missed}");
    }
    println!("recall@3                       questions   words  vectors    both");
    for (name, tally) in groups {
        let share = |found: usize| 100.0 * found as f64 / tally.asked.max(1) as f64;
        println!(
            "{name:<32} {:>7} {:>6.0}% {:>7.0}% {:>6.0}%",
            tally.asked,
            share(tally.by_text),
            share(tally.by_vector),
            share(tally.by_both)
        );
    }
    println!();
}

async fn filled(cases: &[Case], vectors: bool) -> Retriever {
    let store = Store::in_memory().expect("there is memory");
    let embedder = vectors.then(|| Arc::new(PartsOfWords) as Arc<dyn Embed>);
    let floors = Floors { vector: 0.2, ..Floors::default() };
    let retriever = Retriever::new(store, Settings { floors, ..Settings::default() }, embedder);
    // A store is never empty: what others know must not make the ranking worse.
    let others: Vec<String> = (0..OTHERS).map(|it| format!("Nobody knows {it} things.")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    retriever.index_lore(LoreOf::World("others"), &others).await.expect("they are stored");
    let facts: Vec<&str> = cases.iter().map(|case| case.fact.as_str()).collect();
    retriever.index_lore(LoreOf::World("facts"), &facts).await.expect("the facts are stored");
    retriever.settle().await;
    retriever
}

fn question(text: &str, lore: usize) -> Question<'_> {
    static NOBODY: std::sync::LazyLock<dramatis_protocol::Id> =
        std::sync::LazyLock::new(|| "nobody".into());
    Question {
        text,
        world: Some("facts"),
        character: None,
        session: &NOBODY,
        agent: &NOBODY,
        shown: &[],
        lore,
        memories: 0,
    }
}

async fn finds(retriever: &Retriever, case: &Case, text: &str) -> bool {
    let found = retriever.look_up(&question(text, 3)).await;
    assert!(found.report.faults.is_empty(), "{:?}", found.report.faults);
    found.lore.iter().any(|piece| piece.text == case.fact)
}

/// The places that both rankings give are in the report: the vectors' own ranking is read from it.
async fn finds_by_vector(retriever: &Retriever, case: &Case) -> bool {
    let found = retriever.look_up(&question(&case.question, 100)).await;
    let place = |scores: &dramatis::record::Scores| scores.vector.map(|ranked| ranked.place);
    found
        .lore
        .iter()
        .filter(|piece| place(&piece.scores).is_some_and(|place| (1..=3).contains(&place)))
        .any(|piece| piece.text == case.fact)
}
