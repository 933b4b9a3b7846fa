//! The facts of `tests/data/facts.yaml`, found by words alone.

use std::collections::BTreeSet;

use dramatis::retrieval::{LoreOf, Question, Retriever, Settings, terms};
use dramatis::store::Store;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    fact: String,
    question: String,
}

#[tokio::test]
async fn words_alone_find_what_shares_a_word_with_its_question() {
    let cases = include_str!("../data/facts.yaml");
    let cases: Vec<Case> = serde_saphyr::from_str(cases).unwrap();
    assert!(cases.len() >= 100);
    let retriever = Retriever::new(Store::in_memory().unwrap(), Settings::default(), None);
    let facts: Vec<&str> = cases.iter().map(|case| case.fact.as_str()).collect();
    retriever.index_lore(LoreOf::World("facts"), &facts).await.unwrap();

    let (mut sharing, mut missed) = (0, Vec::new());
    for Case { fact, question } in &cases {
        let asked: BTreeSet<String> = terms::of_query(question).into_iter().collect();
        if !terms::of_document(fact).iter().any(|term| asked.contains(term)) {
            continue;
        }
        sharing += 1;
        let question = Question {
            text: question,
            world: Some("facts"),
            character: None,
            session: &"s".into(),
            agent: &"a".into(),
            shown: &[],
            lore: 3,
            memories: 0,
        };
        let found = retriever.look_up(&question).await;
        if !found.lore.iter().any(|piece| piece.text == *fact) {
            missed.push(format!("{} -- {fact}", question.text));
        }
    }
    assert!(sharing >= 80, "only {sharing} questions share a word with their fact");
    assert!(missed.len() * 5 <= sharing, "of {sharing} not found:\n{}", missed.join("\n"));
}
