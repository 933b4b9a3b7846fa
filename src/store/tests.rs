//! The store over both its homes, memory and a file, and what happens when the file lets it down.

use std::sync::mpsc;
use std::time::Duration;

use dramatis_protocol::{AgentState, InterruptReason, Origin, Outcome, TagKind, TagOutcome};
use rusqlite::params;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::queue::MAX_QUEUED;
use super::*;
use crate::record::{LedgerTag, Observation, Occurrence, TurnEnd, TurnResult};

fn id(text: &str) -> Id {
    text.into()
}

fn heard(text: &str) -> Observation {
    Observation::Notification(Occurrence { text: Some(text.to_owned()), ..Occurrence::default() })
}

fn turn(turn_id: &str, events: &[&str]) -> PastTurn {
    PastTurn {
        turn_id: id(turn_id),
        origin: Origin::Llm,
        event_ids: events.iter().map(|event| id(event)).collect(),
        input: vec![heard("before it")],
        tags: Vec::new(),
        end: None,
        result: None,
    }
}

fn speech(text: &str) -> LedgerTag {
    LedgerTag {
        tag_id: 0,
        parent_id: None,
        tag: id("speech"),
        kind: TagKind::Speech,
        empty: false,
        attributes: [("mood".to_owned(), json!("grim"))].into_iter().collect(),
        call_id: None,
        arguments: None,
        signature: None,
        text: text.to_owned(),
        children: vec![(1, 3)],
        complete: true,
    }
}

fn observation(agent: &str, text: &str) -> Write {
    Write::Observation { session: id("s"), agent: id(agent), observation: heard(text) }
}

fn started(agent: &str, turn: PastTurn) -> Write {
    Write::TurnStarted { session: id("s"), agent: id(agent), turn }
}

fn ended(agent: &str, turn_id: &str, end: TurnEnd) -> Write {
    let tags = vec![speech("Halt!")];
    Write::TurnEnded { session: id("s"), agent: id(agent), turn_id: id(turn_id), tags, end }
}

fn result(agent: &str, turn_id: &str, content: &str) -> Write {
    let result = TurnResult {
        content: Some(content.to_owned()),
        tags: Some(vec![TagOutcome {
            tag_id: 0,
            outcome: Outcome::Partial,
            presented_chars: Some(3),
            detail: None,
        }]),
    };
    let memory = None;
    Write::TurnResult { session: id("s"), agent: id(agent), turn_id: id(turn_id), result, memory }
}

async fn put(store: &Store, write: Write) -> Result<(), StoreError> {
    store.submit(write).await.await
}

async fn in_memory() -> Store {
    let store = Store::in_memory().unwrap();
    store.open_session(&id("s"), true).await.unwrap();
    store
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn in_folder(folder: &TempDir) -> Store {
    let store = Store::open(&folder.path().join("data/dramatis.db")).unwrap();
    store.open_session(&id("s"), true).await.unwrap();
    store
}

async fn load(store: &Store, agent: &str) -> StoredAgent {
    store.load_agent(&id("s"), &id(agent), 20).await.unwrap()
}

fn texts(pending: &[Observation]) -> Vec<&str> {
    fn text(observation: &Observation) -> &str {
        match observation {
            Observation::Notification(occurrence) => occurrence.text.as_deref().unwrap(),
            other => panic!("{other:?}"),
        }
    }
    pending.iter().map(text).collect()
}

fn turn_ids(agent: &StoredAgent) -> Vec<&str> {
    agent.history.turns.iter().map(|turn| &*turn.turn_id).collect()
}

/// One turn with all that belongs to it.
async fn live_through(store: &Store, agent: &str, turn_id: &str, event: &str) {
    put(store, started(agent, turn(turn_id, &[event]))).await.unwrap();
    let end = TurnEnd::Finished { reason: "stop".to_owned() };
    put(store, ended(agent, turn_id, end)).await.unwrap();
}

#[tokio::test]
async fn what_was_written_is_read_back_whole() {
    let folder = folder();
    for store in [in_memory().await, in_folder(&folder).await] {
        let state = Arc::new(dramatis_protocol::AgentState {
            name: "Čeněk 東 🐉".to_owned(),
            temperature: Some(0.1),
            ..Default::default()
        });
        let write = Write::State { session: id("s"), agent: id("guard"), state: state.clone() };
        put(&store, write).await.unwrap();
        put(&store, observation("guard", "gone with the turn")).await.unwrap();
        put(&store, started("guard", turn("t1", &["e1", "e2"]))).await.unwrap();
        put(&store, observation("guard", "\u{0}\u{feff}line\nbreak \"quoted\" 🐉")).await.unwrap();
        let end = TurnEnd::Interrupted { reason: InterruptReason::NewerEvent };
        put(&store, ended("guard", "t1", end.clone())).await.unwrap();
        put(&store, result("guard", "t1", "first")).await.unwrap();
        put(&store, result("guard", "t1", "last")).await.unwrap();

        let agent = load(&store, "guard").await;
        assert_eq!(agent.state, Some(state));
        assert_eq!(agent.turn_count, 1);
        assert_eq!(agent.known_events, [id("e1"), id("e2")]);
        assert_eq!(texts(&agent.history.pending), ["\u{0}\u{feff}line\nbreak \"quoted\" 🐉"]);
        let past = agent.history.turns.first().unwrap();
        assert_eq!(past.tags, [speech("Halt!")]);
        assert_eq!(past.end, Some(end));
        assert_eq!(past.result.as_ref().unwrap().content.as_deref(), Some("last"));
        assert_eq!(
            store.find_turn(&id("s"), &id("guard"), &id("t1")).await.unwrap().as_ref(),
            Some(past)
        );
        store.close().await;
    }
}

#[tokio::test]
async fn sessions_and_agents_are_apart() {
    let store = in_memory().await;
    store.open_session(&id("other"), false).await.unwrap();
    put(&store, started("guard", turn("t1", &["e1"]))).await.unwrap();
    let elsewhere =
        Write::TurnStarted { session: id("other"), agent: id("guard"), turn: turn("t1", &["x"]) };
    put(&store, elsewhere).await.unwrap();

    assert_eq!(load(&store, "guard").await.known_events, [id("e1")]);
    assert_eq!(load(&store, "baker").await, StoredAgent::default());
    assert_eq!(store.find_turn(&id("s"), &id("baker"), &id("t1")).await.unwrap(), None);
    let error = put(&store, result("baker", "t1", "not mine")).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::UnknownTurn);

    assert_eq!(store.drop_session(&id("other")).await, Ok(true));
    assert_eq!(store.drop_session(&id("other")).await, Ok(false));
    assert_eq!(load(&store, "guard").await.turn_count, 1);
    let late =
        Write::Observation { session: id("other"), agent: id("guard"), observation: heard("") };
    assert_eq!(put(&store, late).await.unwrap_err().kind, StoreErrorKind::UnknownSession);
    assert!(store.healthy(), "a write that can't be is no fault of the disk");
}

#[tokio::test]
async fn the_last_50_observations_count() {
    let store = in_memory().await;
    for count in 0..=MAX_PENDING {
        put(&store, observation("guard", &count.to_string())).await.unwrap();
    }
    put(&store, observation("baker", "bread")).await.unwrap();
    let pending = load(&store, "guard").await.history.pending;
    assert_eq!(pending.len(), 50);
    assert_eq!(texts(&pending)[0], "1");
    assert_eq!(texts(&pending)[49], "50");
    assert_eq!(texts(&load(&store, "baker").await.history.pending), ["bread"]);
}

#[tokio::test]
async fn the_last_100_events_are_known_follow_ups_or_not() {
    let store = in_memory().await;
    for count in 0..60 {
        let events = [format!("e{}", 2 * count), format!("e{}", 2 * count + 1)];
        let events = events.each_ref().map(String::as_str);
        put(&store, started("guard", turn(&format!("t{count}"), &events))).await.unwrap();
        put(&store, started("guard", turn(&format!("f{count}"), &[]))).await.unwrap();
    }
    let known = load(&store, "guard").await.known_events;
    let expected: Vec<Id> = (20..120).map(|count| id(&format!("e{count}"))).collect();
    assert_eq!(known, expected);
}

#[tokio::test]
async fn history_goes_on_in_the_same_session_after_a_restart() {
    let folder = folder();
    let store = in_folder(&folder).await;
    live_through(&store, "guard", "t1", "e1").await;
    store.open_session(&id("nameless"), false).await.unwrap();
    store.close().await;

    let store = in_folder(&folder).await;
    live_through(&store, "guard", "t2", "e2").await;
    assert_eq!(turn_ids(&load(&store, "guard").await), ["t1", "t2"]);
    assert_eq!(store.drop_session(&id("nameless")).await, Ok(false), "it ended with the server");
}

/// What a kill would leave: the files as they lie there while the store is open.
#[tokio::test]
async fn what_was_committed_survives_a_kill() {
    let folder = folder();
    let store = in_folder(&folder).await;
    live_through(&store, "guard", "t1", "e1").await;
    let left = tempfile::tempdir().unwrap();
    fs::create_dir(left.path().join("data")).unwrap();
    for file in fs::read_dir(folder.path().join("data")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), left.path().join("data").join(file.file_name())).unwrap();
    }
    let after = in_folder(&left).await;
    assert_eq!(load(&after, "guard").await, load(&store, "guard").await);
    assert_eq!(load(&after, "guard").await.turn_count, 1);
}

#[tokio::test]
async fn clones_that_are_dropped_without_close_let_the_file_go() {
    let folder = folder();
    let store = in_folder(&folder).await;
    put(&store, observation("guard", "kept")).await.unwrap();
    drop(store.clone());
    drop(store);
    // The writer may still be on its way out with the lock in its hand.
    let store = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match Store::open(&folder.path().join("data/dramatis.db")) {
                Ok(store) => break store,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(texts(&load(&store, "guard").await.history.pending), ["kept"]);
}

/// Holds the writer up until the sender is used or dropped.
fn hold(store: &Store) -> mpsc::Sender<()> {
    let (go, gate) = mpsc::channel();
    let (held, is_held) = mpsc::channel();
    let queue = Arc::clone(&store.queue);
    std::thread::spawn(move || {
        let _desk = queue.hold();
        held.send(()).unwrap();
        let _ = gate.recv();
    });
    is_held.recv().unwrap();
    go
}

#[tokio::test]
async fn a_group_keeps_its_order_and_tickets_follow_the_commit() {
    let store = in_memory().await;
    let go = hold(&store);
    let mut tickets: Vec<_> = (0..40)
        .map(|count| store.try_submit(observation("guard", &count.to_string())).unwrap())
        .collect();
    assert!(futures::poll!(&mut tickets[0]).is_pending());
    go.send(()).unwrap();
    for ticket in tickets {
        ticket.await.unwrap();
    }
    let expected: Vec<String> = (0..40).map(|count| count.to_string()).collect();
    assert_eq!(texts(&load(&store, "guard").await.history.pending), expected);
}

#[tokio::test]
async fn a_full_queue_gives_the_write_back_or_lets_it_wait() {
    let store = in_memory().await;
    let go = hold(&store);
    let tickets: Vec<_> =
        (0..MAX_QUEUED).map(|_| store.try_submit(observation("guard", "x")).unwrap()).collect();
    let refused = store.try_submit(observation("guard", "y")).unwrap_err();
    assert_eq!(refused, observation("guard", "y"));
    let mut waiting = Box::pin(store.submit(refused));
    assert!(futures::poll!(&mut waiting).is_pending());
    go.send(()).unwrap();
    waiting.await.await.unwrap();
    for ticket in tickets {
        ticket.await.unwrap();
    }
    assert_eq!(texts(&load(&store, "guard").await.history.pending).last(), Some(&"y"));
}

#[tokio::test]
async fn a_read_sees_what_was_submitted_before_it() {
    let store = in_memory().await;
    let go = hold(&store);
    drop(store.try_submit(observation("guard", "just now")).unwrap());
    // With one reader left, a read that did not wait for the writer would be over before the
    // second read is.
    let busy = store.readers.free.acquire_many(READERS - 1).await.unwrap();
    let mut reading = Box::pin(load(&store, "guard"));
    assert!(futures::poll!(&mut reading).is_pending());
    store.readers.run(|_| Ok(())).await.unwrap();
    drop(busy);
    go.send(()).unwrap();
    assert_eq!(texts(&reading.await.history.pending), ["just now"]);
}

/// A timer must not fire while a commit or a read is under way, or tests with virtual time would
/// see time limits pass.
#[tokio::test(start_paused = true)]
async fn virtual_time_stands_still_for_the_store() {
    let store = Store::in_memory().unwrap();
    let before = tokio::time::Instant::now();
    tokio::time::timeout(Duration::from_millis(1), async {
        store.open_session(&id("s"), true).await.unwrap();
        for count in 0..100 {
            put(&store, started("guard", turn(&count.to_string(), &[]))).await.unwrap();
            load(&store, "guard").await;
        }
    })
    .await
    .unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_agents_write_side_by_side() {
    let folder = folder();
    let store = in_folder(&folder).await;
    let mut tasks = JoinSet::new();
    for agent in 0..64 {
        let store = store.clone();
        tasks.spawn(async move {
            let agent = format!("agent {agent}");
            for count in 0..20 {
                live_through(&store, &agent, &format!("{agent} {count}"), &count.to_string()).await;
                assert_eq!(load(&store, &agent).await.turn_count, count + 1);
            }
            let expected: Vec<_> = (0..20).map(|count| format!("{agent} {count}")).collect();
            assert_eq!(turn_ids(&load(&store, &agent).await), expected);
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn one_bad_write_does_not_take_its_group_down() {
    let store = in_memory().await;
    put(&store, started("guard", turn("t1", &["e1"]))).await.unwrap();
    let go = hold(&store);
    let before = store.try_submit(observation("guard", "before")).unwrap();
    let twice = store.try_submit(started("guard", turn("t1", &["e1"]))).unwrap();
    let unknown = store.try_submit(result("guard", "t9", "")).unwrap();
    let after = store.try_submit(observation("guard", "after")).unwrap();
    go.send(()).unwrap();
    before.await.unwrap();
    assert_eq!(twice.await.unwrap_err().kind, StoreErrorKind::Conflict);
    assert_eq!(unknown.await.unwrap_err().kind, StoreErrorKind::UnknownTurn);
    after.await.unwrap();
    let agent = load(&store, "guard").await;
    assert_eq!(agent.turn_count, 1);
    assert_eq!(texts(&agent.history.pending), ["before", "after"], "the failed start took nothing");

    put(&store, started("baker", turn("t1", &[]))).await.unwrap_err();
    assert!(store.healthy(), "a write that can't be is no fault of the disk");
}

#[tokio::test]
async fn a_full_disk_fails_what_does_not_fit_and_nothing_else() {
    let folder = folder();
    let store = in_folder(&folder).await;
    put(&store, started("guard", turn("t1", &["e1"]))).await.unwrap();
    store.queue.limit_pages(1);
    let go = hold(&store);
    let big = "x".repeat(100_000);
    let too_big = store.try_submit(observation("guard", &big)).unwrap();
    let small = store.try_submit(result("guard", "t1", "fits")).unwrap();
    go.send(()).unwrap();
    let error = too_big.await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
    small.await.unwrap();
    assert!(store.healthy(), "the last commit succeeded");

    assert_eq!(
        put(&store, observation("guard", &big)).await.unwrap_err().kind,
        StoreErrorKind::Full
    );
    assert!(!store.healthy());
    assert_eq!(load(&store, "guard").await.turn_count, 1, "reading goes on");
    store.queue.limit_pages(1_000_000);
    put(&store, observation("guard", &big)).await.unwrap();
    assert!(store.healthy());
}

fn catch_up(agent: &str, memory: UnwrittenMemory) -> Write {
    Write::CatchUp { session: id("s"), named: true, agent: id(agent), memory: Box::new(memory) }
}

#[tokio::test]
async fn catching_up_takes_the_place_of_what_came_through_and_opens_the_session() {
    let store = Store::in_memory().unwrap();
    assert_eq!(
        put(&store, observation("guard", "rain")).await.unwrap_err().kind,
        StoreErrorKind::UnknownSession
    );
    let pending = vec![heard("thunder"), heard("rain")];
    let memory = UnwrittenMemory { pending: pending.clone(), ..UnwrittenMemory::default() };
    put(&store, catch_up("guard", memory)).await.unwrap();
    assert!(store.has_session(&id("s")).await.unwrap());
    assert_eq!(texts(&load(&store, "guard").await.history.pending), ["thunder", "rain"]);

    // The second turn was refused, the third got through to where the second belongs.
    for turn_id in ["t1", "t3"] {
        live_through(&store, "guard", turn_id, turn_id).await;
    }
    put(&store, observation("guard", "later than thunder")).await.unwrap();
    let turns = vec![turn("t2", &["e2"]), turn("t3", &["e3"])];
    let state = Some(Arc::new(AgentState { name: "Guard".to_owned(), ..AgentState::default() }));
    let memory = UnwrittenMemory {
        from: 1,
        turns: turns.clone(),
        pending,
        state: state.clone(),
        memories: Vec::new(),
    };
    for _ in 0..2 {
        put(&store, catch_up("guard", memory.clone())).await.unwrap();
        let agent = load(&store, "guard").await;
        assert_eq!(turn_ids(&agent), ["t1", "t2", "t3"]);
        assert_eq!(agent.history.turns[1..], turns);
        assert_eq!(texts(&agent.history.pending), ["thunder", "rain"]);
        assert_eq!((agent.state, agent.turn_count), (state.clone(), 3));
    }
    put(&store, started("guard", turn("t4", &[]))).await.unwrap();
    assert_eq!(turn_ids(&load(&store, "guard").await), ["t1", "t2", "t3", "t4"]);
}

#[tokio::test]
async fn catching_up_moves_a_turn_that_got_through_to_the_place_of_one_that_is_lost() {
    let store = in_memory().await;
    // The second turn was refused, and is so long ago that the agent has it no more.
    for turn_id in ["t1", "t3"] {
        live_through(&store, "guard", turn_id, turn_id).await;
    }
    let turns = vec![turn("t3", &["e3"]), turn("t4", &["e4"])];
    let memory = UnwrittenMemory { from: 2, turns: turns.clone(), ..UnwrittenMemory::default() };
    put(&store, catch_up("guard", memory)).await.unwrap();
    let agent = load(&store, "guard").await;
    assert_eq!(turn_ids(&agent), ["t1", "t3", "t4"]);
    assert_eq!(agent.history.turns[1..], turns);
}

#[tokio::test]
async fn catching_up_on_a_full_disk_changes_nothing() {
    let folder = folder();
    let store = in_folder(&folder).await;
    live_through(&store, "guard", "t1", "e1").await;
    let before = load(&store, "guard").await;
    store.queue.limit_pages(1);
    let turns = vec![turn("t1", &[]), turn("t2", &["x".repeat(100_000).as_str()])];
    let memory = UnwrittenMemory { turns, ..UnwrittenMemory::default() };
    let error = put(&store, catch_up("guard", memory.clone())).await.unwrap_err();
    assert_eq!((error.kind, store.healthy()), (StoreErrorKind::Full, false));
    assert_eq!(load(&store, "guard").await, before);
    store.queue.limit_pages(1_000_000);
    put(&store, catch_up("guard", memory)).await.unwrap();
    assert_eq!(turn_ids(&load(&store, "guard").await), ["t1", "t2"]);
}

#[tokio::test]
async fn a_disk_with_room_again_is_found_out_without_a_game() {
    let folder = folder();
    let store = in_folder(&folder).await;
    let big = "x".repeat(100_000);
    let fill_up = || async {
        store.queue.limit_pages(1);
        put(&store, observation("guard", &big)).await.unwrap_err();
        store.queue.limit_pages(1_000_000);
    };
    fill_up().await;
    assert!(!store.healthy() && store.probe().await && store.healthy());
    fill_up().await;
    store.clone().close().await;
    assert!(!store.probe().await, "a store that is closed stays unwell");
}

#[tokio::test]
async fn after_close_everything_says_so() {
    let store = in_memory().await;
    let other = store.clone();
    let go = hold(&store);
    let queued = store.try_submit(observation("guard", "in time")).unwrap();
    let mut closing = Box::pin(store.close());
    assert!(futures::poll!(&mut closing).is_pending());
    let late = other.try_submit(observation("guard", "too late")).unwrap();
    go.send(()).unwrap();
    closing.await;
    queued.await.unwrap();
    assert_eq!(late.await.unwrap_err().kind, StoreErrorKind::Closed);
    let error = other.load_agent(&id("s"), &id("guard"), 1).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Closed);
    other.close().await;
}

#[tokio::test]
async fn closing_leaves_one_file_without_a_journal() {
    let folder = folder();
    let store = in_folder(&folder).await;
    put(&store, observation("guard", "x")).await.unwrap();
    store.close().await;
    let mut names: Vec<_> = fs::read_dir(folder.path().join("data"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["dramatis.db", "dramatis.db.lock"]);
}

fn refused(path: &Path) -> String {
    let error = Store::open(path).err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::Unusable, "{error}");
    assert!(error.message.contains(&path.display().to_string()), "{error}");
    error.message
}

#[tokio::test]
async fn a_path_that_can_not_be_used_is_named_with_what_to_do() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "no folder").unwrap();
    assert!(refused(&at("file/dramatis.db")).contains("choose another data folder"));

    fs::create_dir(at("a folder")).unwrap();
    assert!(refused(&at("a folder")).contains("check the permissions"));

    fs::write(at("text.db"), "Once upon a time there was no database in this file.".repeat(99))
        .unwrap();
    assert!(refused(&at("text.db")).contains("damaged"));

    let foreign = Connection::open(at("foreign.db")).unwrap();
    foreign.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    assert!(refused(&at("foreign.db")).contains("another program"));

    let newer = Store::open(&at("newer.db")).unwrap();
    newer.close().await;
    Connection::open(at("newer.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(refused(&at("newer.db")).contains("newer dramatis"));

    let store = Store::open(&at("used.db")).unwrap();
    assert!(refused(&at("used.db")).contains("another dramatis is using it"));
    drop(store);
}

#[tokio::test]
async fn a_damaged_page_is_reported_and_does_no_more_harm() {
    let folder = folder();
    let path = folder.path().join("data/dramatis.db");
    let store = in_folder(&folder).await;
    for count in 0..50 {
        let mut long = turn(&count.to_string(), &[]);
        long.input = vec![heard(&"x".repeat(4000))];
        put(&store, started("guard", long)).await.unwrap();
    }
    store.close().await;
    let mut bytes = fs::read(&path).unwrap();
    // All but the first pages, which hold the schema.
    bytes[32 * 4096..].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let store = Store::open(&path).unwrap();
    let error = store.load_agent(&id("s"), &id("guard"), 100).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unusable, "{error}");
    assert!(error.message.contains("damaged"), "{error}");
}

#[test]
fn a_file_of_every_older_version_is_brought_up_to_date() {
    let newest = schema::MIGRATIONS.len();
    let tables = |connection: &Connection| -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT sql FROM sqlite_schema ORDER BY name").unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
        rows.map(|sql| sql.unwrap().unwrap_or_default()).collect()
    };
    let mut fresh = Connection::open_in_memory().unwrap();
    schema::migrate(&mut fresh, schema::MIGRATIONS).unwrap();
    for older in 0..=newest {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, &schema::MIGRATIONS[..older]).unwrap();
        schema::migrate(&mut connection, schema::MIGRATIONS).unwrap();
        assert_eq!(tables(&connection), tables(&fresh));
    }
}

#[test]
fn a_migration_that_fails_leaves_the_version_before_it() {
    let steps =
        ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y; INSERT INTO nowhere VALUES (1)"];
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection, &steps).unwrap_err();
    let version: u32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
    connection.execute("INSERT INTO a VALUES (?1)", params![1]).unwrap();
    schema::migrate(&mut connection, &[steps[0], "ALTER TABLE a ADD COLUMN y"]).unwrap();
    connection.execute("UPDATE a SET y = x", []).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_window_of_a_long_life_is_read() {
    let store = in_memory().await;
    for count in 0..10_000 {
        let long = PastTurn {
            tags: vec![speech(&"word ".repeat(50))],
            ..turn(&count.to_string(), &["e"])
        };
        drop(store.submit(started("guard", long)).await);
    }
    let whole = store.load_agent(&id("s"), &id("guard"), usize::MAX).await.unwrap();
    assert_eq!(whole.history.turns.len(), 10_000);
    let window = store
        .read(|connection| {
            let before = std::time::Instant::now();
            let agent = read::load_agent(connection, "s", "guard", 20)?;
            assert_eq!(agent.history.turns.len(), 20);
            assert_eq!(agent.turn_count, 10_000);
            Ok(before.elapsed())
        })
        .await
        .unwrap();
    let all = store
        .read(|connection| {
            let before = std::time::Instant::now();
            read::load_agent(connection, "s", "guard", 10_000)?;
            Ok(before.elapsed())
        })
        .await
        .unwrap();
    assert!(window * 10 < all, "the window took {window:?}, the whole life {all:?}");
}

#[tokio::test]
async fn a_save_game_takes_an_agent_back() {
    let store = in_memory().await;
    for (turn, event) in [("t1", "e1"), ("t2", "e2"), ("t3", "e3")] {
        live_through(&store, "guard", turn, event).await;
    }
    live_through(&store, "baker", "b1", "e1").await;
    put(&store, observation("guard", "later")).await.unwrap();
    let (session, guard) = (id("s"), id("guard"));

    assert_eq!(store.resume_after(&session, &guard, &id("b1")).await, Ok(false));
    assert_eq!(load(&store, "guard").await.turn_count, 3);
    assert_eq!(store.resume_after(&session, &guard, &id("t1")).await, Ok(true));

    let agent = load(&store, "guard").await;
    assert_eq!(turn_ids(&agent), ["t1"]);
    assert_eq!(agent.known_events, [id("e1")]);
    assert_eq!(agent.history.pending, []);
    assert_eq!(store.find_turn(&session, &guard, &id("t2")).await.unwrap(), None);
    assert_eq!(store.resume_after(&session, &guard, &id("t2")).await, Ok(false), "for good");
    assert_eq!(turn_ids(&load(&store, "baker").await), ["b1"]);

    // Life goes on, and the same ids may come again, over and over.
    for _ in 0..3 {
        live_through(&store, "guard", "t2", "e2").await;
        assert_eq!(turn_ids(&load(&store, "guard").await), ["t1", "t2"]);
        assert_eq!(store.resume_after(&session, &guard, &id("t1")).await, Ok(true));
    }
    assert_eq!(store.drop_session(&session).await, Ok(true));
    assert_eq!(load(&store, "guard").await, StoredAgent::default());
}

#[tokio::test]
async fn a_session_that_has_ended_is_gone_at_once_and_its_rows_go_bit_by_bit() {
    let folder = folder();
    let store = in_folder(&folder).await;
    for count in 0..250 {
        live_through(&store, "guard", &format!("t{count}"), "e").await;
    }
    put(&store, observation("guard", "waits")).await.unwrap();
    assert_eq!(store.drop_session(&id("s")).await, Ok(true));
    assert_eq!(store.has_session(&id("s")).await, Ok(false));
    store.open_session(&id("s"), true).await.unwrap();
    live_through(&store, "guard", "t0", "e").await;
    assert_eq!(turn_ids(&load(&store, "guard").await), ["t0"]);
    // A server that stops has no time for it, the next one goes on.
    store.close().await;
    let store = in_folder(&folder).await;
    live_through(&store, "guard", "t1", "e").await;
    let rows = || {
        let sql = "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM turns),
                          (SELECT count(*) FROM observations)";
        let counts = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        store.read(move |connection| Ok(connection.query_row(sql, [], counts)?))
    };
    let swept = async { while rows().await.unwrap() != (1, 2, 0) {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), swept).await.unwrap();
    assert_eq!(turn_ids(&load(&store, "guard").await), ["t0", "t1"]);
}

#[tokio::test]
async fn whoever_is_not_kept_begins_anew() {
    let store = in_memory().await;
    for (agent, turn) in [("guard", "g1"), ("baker", "b1")] {
        live_through(&store, agent, turn, "e1").await;
        put(&store, observation(agent, "waits")).await.unwrap();
    }
    store.forget_others(&id("s"), vec![id("guard"), id("nobody")]).await.unwrap();
    let guard = load(&store, "guard").await;
    assert_eq!((turn_ids(&guard).len(), guard.history.pending.len()), (1, 1));
    let baker = load(&store, "baker").await;
    assert_eq!((baker.turn_count, baker.history.pending), (0, Vec::new()));
    live_through(&store, "baker", "b1", "e1").await;
    assert_eq!(turn_ids(&load(&store, "baker").await), ["b1"], "its ids are free again");
    store.forget_others(&id("no such session"), Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_fork_is_a_copy_with_a_life_of_its_own() {
    let store = in_memory().await;
    for (turn, event) in [("t1", "e1"), ("t2", "e2")] {
        live_through(&store, "guard", turn, event).await;
    }
    store.resume_after(&id("s"), &id("guard"), &id("t1")).await.unwrap();
    live_through(&store, "guard", "t3", "e3").await;
    put(&store, result("guard", "t3", "seen")).await.unwrap();
    put(&store, observation("guard", "waits")).await.unwrap();
    put(&store, observation("baker", "bread")).await.unwrap();

    assert_eq!(store.has_session(&id("copy")).await, Ok(false));
    assert_eq!(store.fork(&id("s"), &id("copy"), BTreeMap::new(), false).await, Ok(true));
    assert_eq!(store.has_session(&id("copy")).await, Ok(true));
    for agent in ["guard", "baker"] {
        let copy = store.load_agent(&id("copy"), &id(agent), 20).await.unwrap();
        assert_eq!(copy, load(&store, agent).await);
    }
    assert_eq!(
        store.fork(&id("s"), &id("copy"), BTreeMap::new(), false).await,
        Ok(false),
        "it exists"
    );
    assert_eq!(
        store.fork(&id("nobody"), &id("new"), BTreeMap::new(), false).await,
        Ok(false),
        "nothing to copy"
    );

    live_through(&store, "guard", "t4", "e4").await;
    let copy = store.load_agent(&id("copy"), &id("guard"), 20).await.unwrap();
    assert_eq!(turn_ids(&copy), ["t1", "t3"]);
}

fn findable(body: &str) -> Findable {
    let terms = body.to_lowercase().split_whitespace().map(str::to_owned).collect();
    Findable { body: body.to_owned(), terms }
}

fn memory(agent: &str, turn_id: &str, body: &str) -> Write {
    let (session, agent, turn_id) = (id("s"), id(agent), id(turn_id));
    Write::Memory { session, agent, turn_id, text: Some(findable(body)) }
}

fn of(session: &str, agent: &str) -> Scope {
    Scope::Memories { session: id(session), agent: id(agent) }
}

fn lore(text: &str) -> Vec<LoreChunk> {
    let chunk = |line: &str| LoreChunk {
        hash: line.bytes().fold(7, |hash, byte| hash.rotate_left(9) ^ u64::from(byte)),
        text: findable(line),
    };
    text.lines().map(chunk).collect()
}

fn look_for(scopes: &[Scope], terms: &[&str]) -> Search {
    let terms = terms.iter().map(|term| (*term).to_owned()).collect();
    Search { scopes: scopes.into(), terms, limit: 10, ..Search::default() }
}

async fn find(store: &Store, scopes: &[Scope], terms: &[&str]) -> Vec<Found> {
    store.search(look_for(scopes, terms)).await.unwrap().by_text
}

fn bodies(found: &[Found]) -> Vec<&str> {
    found.iter().map(|found| &*found.body).collect()
}

#[tokio::test]
async fn what_fits_better_is_found_first_and_only_in_its_scope() {
    let folder = folder();
    for store in [in_memory().await, in_folder(&folder).await] {
        for (turn_id, body) in [
            ("t1", "silver sword lost at the mill"),
            ("t2", "the mill burns"),
            ("t3", "no such thing"),
        ] {
            live_through(&store, "guard", turn_id, turn_id).await;
            put(&store, memory("guard", turn_id, body)).await.unwrap();
        }
        live_through(&store, "baker", "b1", "b1").await;
        put(&store, memory("baker", "b1", "the mill again")).await.unwrap();
        store.index_lore("world:x", lore("a mill of lore\nand a sword")).await.unwrap();

        let found = find(&store, &[of("s", "guard")], &["mill", "silver"]).await;
        assert_eq!(bodies(&found), ["silver sword lost at the mill", "the mill burns"]);
        assert_eq!(found[0].matched, ["mill", "silver"]);
        assert_eq!(found[1].matched, ["mill"]);
        assert!(found[0].score > found[1].score && found[1].score > 0.0);
        assert_eq!((found[0].turn_id.as_deref(), &found[0].scope), (Some("t1"), &of("s", "guard")));

        let lore = Scope::Lore("world:x".to_owned());
        assert_eq!(
            bodies(&find(&store, std::slice::from_ref(&lore), &["mill"]).await),
            ["a mill of lore"]
        );
        let both = find(&store, &[lore, of("s", "baker")], &["mill"]).await;
        assert_eq!(both.len(), 2);
        for (scopes, terms) in [
            (vec![], vec!["mill"]),
            (vec![of("s", "guard")], vec![]),
            (vec![of("x", "guard")], vec!["mill"]),
        ] {
            assert_eq!(find(&store, &scopes, &terms).await, []);
        }
        // A term is a term, whatever it looks like to the index.
        for odd in ["mill*", "\"", "mill OR burns", "terms:mill", "NOT", ""] {
            assert_eq!(find(&store, &[of("s", "guard")], &[odd]).await, [], "{odd:?}");
        }
        store.close().await;
    }
}

/// What is rare depends on the scope, not on all that the store holds.
#[tokio::test]
async fn a_scope_ranks_the_same_alone_and_beside_very_many_others() {
    let store = in_memory().await;
    let scope = [Scope::Lore("world:x".to_owned())];
    let common: String = (0..40).map(|count| format!("old mill inn {count}\n")).collect();
    let text = format!("the sword of a king\n{common}");
    store.index_lore("world:x", lore(&text)).await.unwrap();
    let search = || Search { limit: 1, ..look_for(&scope, &["old", "mill", "inn", "sword"]) };
    let alone = store.search(search()).await.unwrap().by_text;
    assert_eq!(bodies(&alone), ["the sword of a king"]);
    let others: String = (0..3_000).map(|count| format!("other {count}\n")).collect();
    store.index_lore("world:y", lore(&others)).await.unwrap();
    assert_eq!(store.search(search()).await.unwrap().by_text, alone);
}

/// Of such a word not all texts are known, and the newest of them are no better than the others.
#[tokio::test]
async fn a_word_that_stands_in_very_many_texts_says_next_to_nothing() {
    let store = in_memory().await;
    let scope = [Scope::Lore("world:x".to_owned())];
    let rare: String = (0..300).map(|count| format!("rare {count}\n")).collect();
    let common: String = (0..1_200).map(|count| format!("very common {count}\n")).collect();
    store.index_lore("world:x", lore(&format!("{rare}{common}"))).await.unwrap();
    let search = Search { limit: 3, ..look_for(&scope, &["very", "common", "rare"]) };
    let found = store.search(search).await.unwrap().by_text;
    assert!(found.iter().all(|found| found.score > 0.5 && found.matched == ["rare"]), "{found:?}");
}

#[tokio::test]
async fn what_is_excluded_takes_nobodys_place() {
    let store = in_memory().await;
    for turn_id in ["t1", "t2", "t3"] {
        live_through(&store, "guard", turn_id, turn_id).await;
        put(&store, memory("guard", turn_id, &format!("mill {turn_id}"))).await.unwrap();
    }
    let excluding = [id("t1"), id("t2")].into();
    let search = Search { limit: 1, excluding, ..look_for(&[of("s", "guard")], &["mill"]) };
    let found = store.search(search).await.unwrap().by_text;
    let counts: Vec<_> = found.iter().filter(|it| !it.excluded).map(|it| &*it.body).collect();
    assert_eq!(counts, ["mill t3"]);
}

#[tokio::test]
async fn a_memory_shares_the_fate_of_its_turn() {
    let store = in_memory().await;
    for turn_id in ["t1", "t2"] {
        live_through(&store, "guard", turn_id, turn_id).await;
        put(&store, memory("guard", turn_id, &format!("mill {turn_id}"))).await.unwrap();
    }
    put(&store, memory("guard", "t1", "mill anew")).await.unwrap();
    let guard = [of("s", "guard")];
    assert_eq!(bodies(&find(&store, &guard, &["t1"]).await), Vec::<&str>::new(), "the last counts");
    let mut found = find(&store, &guard, &["mill"]).await;
    found.sort_by_key(|found| found.position);
    assert_eq!(bodies(&found), ["mill anew", "mill t2"], "a correction keeps its place");
    let error = put(&store, memory("guard", "t9", "mill")).await.unwrap_err();
    assert_eq!((error.kind, store.healthy()), (StoreErrorKind::UnknownTurn, true));

    let after = BTreeMap::from([(id("guard"), id("t1"))]);
    assert_eq!(store.fork(&id("s"), &id("copy"), after, false).await, Ok(true));
    let copy = find(&store, &[of("copy", "guard")], &["mill"]).await;
    assert_eq!((bodies(&copy), copy[0].turn_id.as_deref()), (vec!["mill anew"], Some("t1")));

    store.resume_after(&id("s"), &id("guard"), &id("t1")).await.unwrap();
    assert_eq!(bodies(&find(&store, &guard, &["mill"]).await), ["mill anew"]);
    let error = put(&store, memory("guard", "t2", "mill")).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::UnknownTurn, "it comes too late");
    store.forget_others(&id("s"), Vec::new()).await.unwrap();
    assert_eq!(find(&store, &guard, &["mill"]).await, []);
    assert_eq!(bodies(&find(&store, &[of("copy", "guard")], &["mill"]).await), ["mill anew"]);

    store.drop_session(&id("copy")).await.unwrap();
    assert_eq!(find(&store, &[of("copy", "guard")], &["mill"]).await, []);
    let left = || {
        let sql = "SELECT (SELECT count(*) FROM documents) + (SELECT count(*) FROM words)";
        store.read(move |connection| Ok(connection.query_row(sql, [], |row| row.get::<_, i64>(0))?))
    };
    let swept = async { while left().await.unwrap() > 0 {} };
    tokio::time::timeout(Duration::from_secs(20), swept).await.unwrap();
}

#[tokio::test]
async fn where_there_is_nothing_to_remember_what_was_remembered_is_forgotten() {
    let store = in_memory().await;
    let (session, agent, nothing) = (id("s"), id("guard"), None);
    let writes = |turn_id: Id| {
        let (session, agent) = (session.clone(), agent.clone());
        let text = nothing.clone();
        let unwritten = UnwrittenMemory {
            turns: vec![turn(&turn_id, &["t"])],
            memories: vec![(turn_id.clone(), nothing.clone())],
            ..UnwrittenMemory::default()
        };
        [
            result("guard", &turn_id, ""),
            Write::Memory { session, agent, turn_id, text },
            catch_up("guard", unwritten),
        ]
    };
    live_through(&store, "guard", "t", "t").await;
    for forgetting in writes(id("t")) {
        put(&store, memory("guard", "t", "mill")).await.unwrap();
        assert_eq!(find(&store, &[of("s", "guard")], &["mill"]).await.len(), 1);
        put(&store, forgetting).await.unwrap();
        assert_eq!(find(&store, &[of("s", "guard")], &["mill"]).await, []);
    }
}

#[tokio::test]
async fn catching_up_keeps_the_memories_of_the_turns_that_stay() {
    let store = in_memory().await;
    for turn_id in ["t1", "t2", "t3"] {
        live_through(&store, "guard", turn_id, turn_id).await;
        put(&store, memory("guard", turn_id, &format!("mill {turn_id}"))).await.unwrap();
    }
    let turns = vec![turn("t3", &["t3"])];
    let known = UnwrittenMemory { from: 1, turns, ..UnwrittenMemory::default() };
    put(&store, catch_up("guard", known)).await.unwrap();
    let found = find(&store, &[of("s", "guard")], &["mill"]).await;
    let mut turns: Vec<_> = found.iter().filter_map(|found| found.turn_id.as_deref()).collect();
    turns.sort_unstable();
    assert_eq!(turns, ["t1", "t3"]);
}

#[tokio::test]
async fn lore_is_written_where_it_changed() {
    let store = in_memory().await;
    let world = [Scope::Lore("world:x".to_owned())];
    let long: String = (0..250).map(|count| format!("mill {count}\n")).collect();
    assert_eq!(store.index_lore("world:x", lore(&long)).await, Ok(true));
    assert_eq!(store.index_lore("world:x", lore(&long)).await, Ok(false), "as it was");
    let numbers = async || {
        let search = Search { limit: 999, ..look_for(&world, &["mill"]) };
        let found = store.search(search).await.unwrap().by_text;
        found.into_iter().map(|found| (found.body, found.id)).collect::<BTreeMap<_, _>>()
    };
    let before = numbers().await;
    assert_eq!(before.len(), 250);
    let edited = long.replace("mill 77\n", "mill of the giant\n");
    assert_eq!(store.index_lore("world:x", lore(&edited)).await, Ok(true));
    let mut after = numbers().await;
    assert!(
        after.remove("mill of the giant").is_some_and(|id| !before.values().any(|it| *it == id))
    );
    assert!(after.iter().all(|(body, id)| before[body] == *id) && after.len() == 249);

    assert_eq!(store.add_lore("world:x", lore("mill 1\nmill more")).await, Ok(true));
    assert_eq!(numbers().await.len(), 251);
    assert_eq!(store.index_lore("world:x", Vec::new()).await, Ok(true));
    assert_eq!(numbers().await.len(), 0);
}

#[tokio::test]
async fn vectors_count_for_the_model_that_made_them() {
    let store = in_memory().await;
    let scope = Scope::Lore("world:x".to_owned());
    store.index_lore("world:x", lore("north\neast\nsouth")).await.unwrap();
    let missing = store.without_vector(scope.clone(), "compass", 0, 10).await.unwrap();
    let vector = |text: &str| match text {
        "north" => vec![0.0, 1.0],
        "east" => vec![1.0, 0.0],
        _ => vec![f32::NAN, -1.0],
    };
    let vectors: Vec<_> = missing.iter().map(|(id, body)| (*id, vector(body))).collect();
    assert_eq!(store.keep_vectors("compass", vectors.clone()).await, Ok(true));
    assert_eq!(store.without_vector(scope.clone(), "compass", 0, 10).await.unwrap().len(), 1);
    assert_eq!(store.without_vector(scope.clone(), "other", 0, 10).await.unwrap().len(), 3);
    let (newest, middle) = (&missing[0], &missing[1]);
    let after = store.without_vector(scope.clone(), "other", middle.0, 10).await.unwrap();
    assert_eq!(after, std::slice::from_ref(newest));

    let north_east = |model: &str, vector: Vec<f32>| Search {
        vector: Some((model.to_owned(), vector)),
        ..look_for(std::slice::from_ref(&scope), &[])
    };
    let found = store.search(north_east("compass", vec![0.6, 0.8])).await.unwrap();
    assert_eq!((bodies(&found.by_vector), found.by_text), (vec!["north", "east"], Vec::new()));
    // A number is stored as one of 255.
    assert!((found.by_vector[0].score - 0.8).abs() < 0.004);
    for other in [north_east("other", vec![0.6, 0.8]), north_east("compass", vec![0.6; 3])] {
        assert_eq!(store.search(other).await.unwrap(), Hits::default());
    }
    // What is gone meanwhile gets no vector, and neither does what came in its place.
    store.index_lore("world:x", lore("west")).await.unwrap();
    assert_eq!(store.keep_vectors("compass", vectors).await, Ok(false));
}
