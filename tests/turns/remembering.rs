//! What agents remember of turns that did not end as others do.

use dramatis::record::{Observation, Occurrence, PastTurn};
use dramatis::store::{Store, Write};
use dramatis::turn::agent::AgentMessage;
use dramatis_protocol::{AgentTurnResult, Interrupt, Origin};

use super::game::{Move, Play, agent_name, memories};

/// A store in which a server that went down has left a turn of agent 0 under way.
async fn cut_by_a_crash() -> Store {
    let store = Store::in_memory().unwrap();
    store.open_session(&"play".into(), true).await.unwrap();
    let heard = Occurrence { text: Some("agent0treasure!".to_owned()), ..Occurrence::default() };
    let turn = PastTurn {
        turn_id: "cut".into(),
        origin: Origin::Llm,
        event_ids: Vec::new(),
        input: vec![Observation::Event(heard)],
        tags: Vec::new(),
        end: None,
        result: None,
    };
    let started = Write::TurnStarted { session: "play".into(), agent: agent_name(0), turn };
    store.submit(started).await.await.unwrap();
    store
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_a_crash_cut_is_remembered_as_the_game_confirms_it() {
    let mut play = Play::begin(cut_by_a_crash().await, None).await;
    let result = AgentTurnResult {
        agent_id: agent_name(0),
        turn_id: "cut".into(),
        content: Some("It lies below the stone.".to_owned()),
        tags: None,
    };
    let result = AgentMessage::Result(Box::new(result));
    play.attachment.deliver(&agent_name(0), result, None).await.unwrap();
    play.make(&Move::Wait(1_000)).await.unwrap();
    let remembered = memories(&play.store, agent_name(0), 0).await;
    assert!(remembered["cut"].ends_with("It lies below the stone."), "{remembered:?}");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_a_crash_cut_is_remembered_when_the_next_one_begins() {
    let mut play = Play::begin(cut_by_a_crash().await, None).await;
    play.event(0, Interrupt::Now, 0, true).await;
    play.make(&Move::Wait(1_000)).await.unwrap();
    let remembered = memories(&play.store, agent_name(0), 0).await;
    assert_eq!(remembered["cut"], "agent0treasure!");
}
