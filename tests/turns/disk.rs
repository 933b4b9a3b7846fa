//! A disk that can be full, and what becomes of what is played meanwhile.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dramatis::record::Observation;
use dramatis::store::Store;
use dramatis::turn::agent::AgentMessage;
use dramatis::turn::outbox::OutboxHandle;
use dramatis::turn::registry::SessionPlan;
use dramatis_protocol::{
    AgentTurnResult, ErrorCode, ErrorMessage, Id, Interrupt, ToolResult, ToolResults,
};
use rusqlite::Connection;
use tempfile::TempDir;

use super::game::{Move, Play, agent_name};

/// What the store's tables are called.
pub const TABLES: [&str; 5] = ["sessions", "agents", "turns", "observations", "documents"];

/// A folder with a store, whose tables can be made to refuse whatever is written to them: as if the
/// disk was full, but to the byte when the test says so.
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("dramatis.db")
    }

    pub fn open(&self) -> Store {
        Store::open(&self.path()).unwrap()
    }

    pub fn fill(&self, tables: &[&str]) {
        for table in tables {
            for change in ["INSERT", "UPDATE"] {
                self.execute(&format!(
                    "CREATE TRIGGER IF NOT EXISTS no_{change}_of_{table} BEFORE {change} ON {table}
                     BEGIN SELECT RAISE(ABORT, 'no room'); END"
                ));
            }
        }
    }

    pub fn free(&self) {
        for table in TABLES {
            for change in ["INSERT", "UPDATE"] {
                self.execute(&format!("DROP TRIGGER IF EXISTS no_{change}_of_{table}"));
            }
        }
    }

    fn execute(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }
}

/// A play on a disk that has room so far.
async fn begin() -> Play {
    let disk = Disk::new();
    Play::begin(disk.open(), Some(disk)).await
}

/// Agent 0 hears of the rain, is spoken to and answers; then it rains again.
async fn live_on(play: &mut Play) {
    let agent = 0;
    let moves = [
        Move::Notify { agent },
        Move::Event { agent, interrupt: Interrupt::Now, priority: 0, with_state: true },
        Move::Text { agent, fragment: 14 },
        Move::Finish { agent, truncated: false },
        Move::Read(usize::MAX),
        Move::Notify { agent },
    ];
    make(play, &moves).await;
}

async fn make(play: &mut Play, moves: &[Move]) {
    for next in moves {
        play.make(next).await.unwrap();
    }
}

/// What the store has of agent 0: for each turn, how much it was told and whether it ended; and how
/// much waits.
async fn stored(play: &Play, session: &str) -> (Vec<(usize, bool)>, usize) {
    let agent = play.store.load_agent(&session.into(), &agent_name(0), 100).await.unwrap();
    let turns = agent.history.turns.iter().map(|turn| (turn.input.len(), turn.end.is_some()));
    (turns.collect(), agent.history.pending.len())
}

/// Begins another session, over a connection of its own.
async fn attach(play: &mut Play, plan: SessionPlan) -> Result<Vec<ErrorMessage>, ErrorMessage> {
    let outbox = OutboxHandle::default();
    let attached = play.registry.attach(plan, outbox.clone()).await?;
    std::mem::replace(&mut play.attachment, attached.attachment).detach(false).await;
    play.outbox = outbox;
    Ok(attached.complaints)
}

fn resuming(session: &str, turn: &str) -> SessionPlan {
    let resume_after = BTreeMap::from([(agent_name(0), Id::from(turn))]);
    SessionPlan { resume_after, ..SessionPlan::named(session) }
}

#[tokio::test(start_paused = true)]
async fn what_happens_without_room_is_stored_when_there_is_room_even_if_nobody_plays() {
    let mut play = begin().await;
    live_on(&mut play).await;
    play.fill_disk(&TABLES);
    live_on(&mut play).await;
    live_on(&mut play).await;
    let before = (vec![(2, true)], 1);
    assert_eq!(stored(&play, "play").await, before);
    // Long enough for the agent to fall asleep, if it had nothing to keep.
    make(&mut play, &[Move::Wait(300_000)]).await;
    assert_eq!((stored(&play, "play").await, play.registry.agents()), (before, 1));
    play.free_disk();
    make(&mut play, &[Move::Wait(5_000)]).await;
    assert_eq!(stored(&play, "play").await, (vec![(2, true), (3, true), (3, true)], 1));
    make(&mut play, &[Move::Wait(300_000)]).await;
    assert_eq!(play.registry.agents(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_game_refused_while_there_was_no_room_is_not_remembered() {
    let mut play = begin().await;
    let agent = 0;
    for _ in 0..4 {
        live_on(&mut play).await;
    }
    // Both turns have been written down as they were forwarded; one is refused, which can't be stored.
    play.fill_disk(&["turns"]);
    make(&mut play, &[Move::Result { agent, back: 3, how: 4 }]).await;
    live_on(&mut play).await;
    let told = play.last_request();
    assert!(told.contains("What you remember"), "{told}");
    assert!(!told.contains("w000001x") && told.contains("w000002x"), "{told}");
    play.free_disk();
    make(&mut play, &[Move::Wait(6_000)]).await;
    live_on(&mut play).await;
    assert!(play.last_request().contains("Agent 0: So it was."), "{}", play.last_request());
}

#[tokio::test(start_paused = true)]
async fn a_long_evening_without_room_is_stored_whole() {
    let mut play = begin().await;
    play.fill_disk(&["turns"]);
    // More turns than an agent remembers by itself.
    for _ in 0..60 {
        live_on(&mut play).await;
    }
    assert_eq!(stored(&play, "play").await, (Vec::new(), 1));
    play.free_disk();
    make(&mut play, &[Move::Wait(5_000)]).await;
    let (turns, pending) = stored(&play, "play").await;
    assert_eq!((turns.len(), pending), (60, 1));
    assert!(turns.iter().skip(1).all(|turn| *turn == (3, true)), "{turns:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_had_no_room_is_opened_by_what_is_played_in_it() {
    let mut play = begin().await;
    play.fill_disk(&TABLES);
    let complaints = attach(&mut play, SessionPlan::named("late")).await.unwrap();
    assert_eq!(complaints[0].code, ErrorCode::Internal);
    assert!(complaints[0].message.contains("as soon as there is room"), "{complaints:?}");
    live_on(&mut play).await;
    let result = [Move::Result { agent: 0, back: 0, how: 0 }, Move::Read(usize::MAX)];
    make(&mut play, &result).await;
    assert!(play.promised.is_empty() && play.stored.is_empty(), "it was answered with an error");

    play.free_disk();
    make(&mut play, &result).await;
    assert_eq!(play.stored.len(), 1, "the result is stored at the first try");
    assert_eq!(stored(&play, "late").await, (vec![(2, true)], 1));
    let agent = play.store.load_agent(&"late".into(), &agent_name(0), 100).await.unwrap();
    assert!(agent.history.turns[0].result.is_some());
    // It outlives its connection, as it has a name.
    assert_eq!(attach(&mut play, SessionPlan::named("play")).await, Ok(Vec::new()));
    assert!(play.store.has_session(&"late".into()).await.unwrap());
}

/// Tells what the two tools of the newest turn answered.
async fn answer_two(play: &mut Play, message_id: &str) {
    let turn_id = play.known_turn(0, 0).unwrap();
    play.promised.insert(message_id.to_owned());
    play.kept.insert(message_id.to_owned(), (0, turn_id.clone(), false));
    let answer = |tag_id, output: &str| ToolResult {
        tag_id: Some(tag_id),
        call_id: None,
        name: None,
        ok: true,
        output: output.into(),
    };
    let results = ToolResults {
        agent_id: agent_name(0),
        turn_id: turn_id.into(),
        results: vec![answer(0, "too long"), answer(1, "fits")],
        follow_up: false,
    };
    let message = AgentMessage::ToolResults(Box::new(results));
    play.attachment.deliver(&agent_name(0), message, Some(message_id.into())).await.unwrap();
    make(play, &[Move::Wait(50), Move::Read(usize::MAX)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_of_which_a_part_had_room_is_not_called_stored() {
    let mut play = begin().await;
    let agent = 0;
    let moves = [
        Move::Event { agent, interrupt: Interrupt::Now, priority: 0, with_state: true },
        Move::Text { agent, fragment: 8 },
        Move::Text { agent, fragment: 8 },
        Move::Finish { agent, truncated: false },
        Move::Read(usize::MAX),
    ];
    make(&mut play, &moves).await;
    play.disk.as_ref().unwrap().execute(
        "CREATE TRIGGER no_INSERT_of_observations BEFORE INSERT ON observations
         WHEN new.body LIKE '%too long%' BEGIN SELECT RAISE(ABORT, 'no room'); END",
    );
    answer_two(&mut play, "m1").await;
    // Again: the agent knows both answers, and the store still doesn't.
    answer_two(&mut play, "m2").await;
    assert!(play.stored.is_empty() && play.promised.is_empty(), "{:?}", play.stored);
    play.free_disk();
    answer_two(&mut play, "m3").await;
    assert_eq!(play.stored.len(), 1);
    let agent = play.store.load_agent(&"play".into(), &agent_name(0), 1).await.unwrap();
    let outputs = agent.history.pending.iter().map(|observation| match observation {
        Observation::ToolAnswer(answer) => answer.output.as_str().unwrap(),
        other => panic!("{other:?}"),
    });
    assert_eq!(outputs.collect::<Vec<_>>(), ["too long", "fits"]);
}

#[tokio::test(start_paused = true)]
async fn the_result_of_a_turn_that_is_being_forgotten_is_not_called_stored_if_it_was_refused() {
    let mut play = begin().await;
    // As many turns as an agent remembers by itself.
    for _ in 0..40 {
        live_on(&mut play).await;
    }
    let oldest = play.known_turn(0, 39).unwrap();
    play.disk.as_ref().unwrap().execute(
        "CREATE TRIGGER no_UPDATE_of_turns BEFORE UPDATE OF result ON turns
         BEGIN SELECT RAISE(ABORT, 'no room'); END",
    );
    play.promised.insert("m1".to_owned());
    play.kept.insert("m1".to_owned(), (0, oldest.clone(), true));
    let result = AgentTurnResult {
        agent_id: agent_name(0),
        turn_id: oldest.into(),
        content: Some("So it was.".to_owned()),
        tags: None,
    };
    let result = AgentMessage::Result(Box::new(result));
    play.attachment.deliver(&agent_name(0), result, Some("m1".into())).await.unwrap();
    // The agent turns to this before it hears of the refusal.
    play.event(0, Interrupt::Now, 0, true).await;
    make(&mut play, &[Move::Wait(50), Move::Read(usize::MAX)]).await;
    assert!(play.stored.is_empty() && play.promised.is_empty(), "{:?}", play.stored);
}

#[tokio::test(start_paused = true)]
async fn without_room_no_save_game_is_taken_up() {
    for full in [&["turns"][..], &["observations"], &TABLES] {
        let mut play = begin().await;
        live_on(&mut play).await;
        let first = play.known_turn(0, 0).unwrap();
        live_on(&mut play).await;
        play.fill_disk(full);
        live_on(&mut play).await;
        let refusal = attach(&mut play, resuming("play", &first)).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::Internal);
        assert_eq!(refusal.field.as_deref(), Some("resume_after.agent0"));
        assert!(refusal.message.contains("was not set aside"), "{}", refusal.message);
        // Nothing is lost by the attempt, and the next succeeds.
        play.free_disk();
        make(&mut play, &[Move::Wait(5_000)]).await;
        assert_eq!(stored(&play, "play").await, (vec![(2, true), (3, true), (3, true)], 1));
        assert_eq!(attach(&mut play, resuming("play", &first)).await, Ok(Vec::new()));
        assert_eq!(stored(&play, "play").await, (vec![(2, true)], 0));
    }
}

#[tokio::test(start_paused = true)]
async fn without_room_no_session_is_copied() {
    for full in [&["turns"][..], &["observations"], &TABLES] {
        let mut play = begin().await;
        live_on(&mut play).await;
        play.fill_disk(full);
        live_on(&mut play).await;
        let copy = SessionPlan { fork_of: Some("play".into()), ..SessionPlan::named("copy") };
        let refusal = attach(&mut play, copy.clone()).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::Internal);
        assert_eq!(refusal.field.as_deref(), Some("fork_of"));
        assert!(refusal.message.contains("there is no copy"), "{}", refusal.message);
        assert!(!play.store.has_session(&"copy".into()).await.unwrap());
        play.free_disk();
        assert_eq!(attach(&mut play, copy).await, Ok(Vec::new()));
        assert_eq!(stored(&play, "copy").await, (vec![(2, true), (3, true)], 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_can_not_be_taken_back_does_not_stay() {
    let mut play = begin().await;
    live_on(&mut play).await;
    let first = play.known_turn(0, 0).unwrap();
    live_on(&mut play).await;
    // There is room for the copy, but not for what comes after.
    play.disk.as_ref().unwrap().execute(
        "CREATE TRIGGER no_UPDATE_of_turns BEFORE UPDATE ON turns
         BEGIN SELECT RAISE(ABORT, 'no room'); END;
         CREATE TRIGGER no_DELETE_of_sessions BEFORE DELETE ON sessions
         BEGIN SELECT RAISE(ABORT, 'no room'); END",
    );
    let copy = SessionPlan { fork_of: Some("play".into()), ..resuming("copy", &first) };
    let refusal = attach(&mut play, copy.clone()).await.unwrap_err();
    assert_eq!(refusal.field.as_deref(), Some("fork_of"));
    play.free_disk();
    assert_eq!(attach(&mut play, copy).await, Ok(Vec::new()));
    assert_eq!(stored(&play, "copy").await, (vec![(2, true)], 0));
    assert_eq!(stored(&play, "play").await, (vec![(2, true), (3, true)], 1));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_stored_yet_is_not_copied_over() {
    let mut play = begin().await;
    live_on(&mut play).await;
    play.fill_disk(&TABLES);
    attach(&mut play, SessionPlan::named("late")).await.unwrap();
    live_on(&mut play).await;
    play.free_disk();
    let copy = SessionPlan { fork_of: Some("play".into()), ..SessionPlan::named("late") };
    let refusal = attach(&mut play, copy).await.unwrap_err();
    assert_eq!(refusal.field.as_deref(), Some("session_id"));
    assert!(refusal.message.contains("exists already"), "{}", refusal.message);
    assert_eq!(stored(&play, "late").await, (vec![(2, true)], 1));
}
