//! Logs to files and back, and what becomes of them when the disk, the ids or the machine misbehave.

use std::fs;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use dramatis_protocol::{
    Actor, AgentState, DropReason, InterruptReason, Origin, Outcome, TagKind, TagOutcome, Timings,
};
use serde_json::json;

use super::files::file_name;
use super::writer::MAX_QUEUED;
use super::*;
use crate::record::{
    Delta, LedgerTag, Message, Occurrence, RECORD_VERSION, RawDelta, Role, ToolAnswer, ToolSpec,
    TurnEnd, TurnRecord, TurnResult, Usage,
};

fn at(seconds: i64) -> DateTime<Utc> {
    "2026-11-20T15:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

fn entry(seconds: i64, what: Logged) -> LogEntry {
    LogEntry::new(at(seconds), "save-1".into(), "guard".into(), what)
}

fn said(agent: &str, text: &str) -> LogEntry {
    let occurrence = Occurrence { text: Some(text.to_owned()), ..Occurrence::default() };
    LogEntry::new(at(0), "save-1".into(), agent.into(), Logged::Event(occurrence))
}

fn writer(dir: &Path) -> Writer {
    let scribe = Scribe::start(dir.to_owned()).unwrap();
    Writer::new(dir.to_owned(), &LogLimits::default(), scribe)
}

fn tag(tag_id: u32, name: &str, text: &str) -> LedgerTag {
    LedgerTag {
        tag_id,
        parent_id: None,
        tag: name.into(),
        kind: TagKind::Speech,
        empty: text.is_empty(),
        attributes: serde_json::Map::new(),
        call_id: None,
        arguments: None,
        signature: None,
        text: text.to_owned(),
        children: Vec::new(),
        complete: true,
    }
}

fn sent() -> (Arc<Vec<Message>>, Vec<ToolSpec>) {
    let messages = vec![
        Message::text(Role::System, "You are Brom, a guard."),
        Message::text(Role::User, "Mara: Who are you? 🐉\u{2028}\n"),
    ];
    let tool = ToolSpec { name: "open_gate".to_owned(), description: None, parameters: None };
    (Arc::new(messages), vec![tool])
}

fn record(turn_id: &str, tags: Vec<LedgerTag>, end: TurnEnd) -> TurnRecord {
    let (messages, tools) = sent();
    TurnRecord {
        version: RECORD_VERSION,
        session_id: "save-1".into(),
        agent_id: "guard".into(),
        turn_id: turn_id.into(),
        event_ids: vec!["e1".into()],
        origin: Origin::Llm,
        model: "mock/actor".to_owned(),
        answered_by: None,
        started_at: at(1),
        state: Arc::new(AgentState { name: "Brom *the* Grim".to_owned(), ..AgentState::default() }),
        messages,
        context: None,
        tools,
        deltas: vec![
            RawDelta { at_ms: 12, delta: Delta::Text("<speech>Hal".to_owned()) },
            RawDelta {
                at_ms: 15,
                delta: Delta::Usage(Usage { cost: Some(0.1), ..Usage::default() }),
            },
            RawDelta { at_ms: 15, delta: Delta::Finish("stop".to_owned()) },
        ],
        tags,
        end,
        fault: None,
        warnings: [("unclosed".to_owned(), 2)].into_iter().collect(),
        timings: Timings { first_speech: Some(320), total: Some(900), ..Timings::default() },
        usage: Some(Usage { input_tokens: 512, output_tokens: 34, ..Usage::default() }),
        starts_in_reasoning: false,
        is_chat: false,
    }
}

fn finished() -> TurnEnd {
    TurnEnd::Finished { reason: "stop".to_owned() }
}

fn started(turn_id: &str) -> Logged {
    Logged::TurnStarted {
        turn_id: turn_id.into(),
        event_ids: vec!["e1".into()],
        origin: Origin::Llm,
        model: "mock/actor".to_owned(),
    }
}

fn model_input(turn_id: &str) -> Logged {
    let (messages, tools) = sent();
    Logged::ModelInput { turn_id: turn_id.into(), model: "mock/actor".to_owned(), messages, tools }
}

fn mara(text: &str) -> Occurrence {
    Occurrence {
        event_id: Some("e1".into()),
        event_type: Some("player_spoke".to_owned()),
        text: Some(text.to_owned()),
        actor: Some(Actor { id: Some("p1".into()), name: Some("Mara".to_owned()) }),
        data: None,
    }
}

fn ended(record: TurnRecord) -> Logged {
    Logged::TurnRecord(Box::new(record))
}

fn told(turn_id: &str, content: Option<&str>, tags: Option<Vec<TagOutcome>>) -> Logged {
    let result = TurnResult { content: content.map(str::to_owned), tags };
    Logged::Result { turn_id: turn_id.into(), result }
}

/// Speech with an emotion inside.
fn speech() -> Vec<LedgerTag> {
    let mut speech = tag(0, "speech", "Halt! Who goes there?");
    speech.attributes = [("to".to_owned(), json!("Mara"))].into_iter().collect();
    speech.children = vec![(1, 6)];
    vec![speech, LedgerTag { parent_id: Some(0), ..tag(1, "emotion", "") }]
}

/// Speech that was cut off, and a native call.
fn cut_speech_and_call() -> Vec<LedgerTag> {
    let cut = LedgerTag { complete: false, ..tag(0, "speech", "I never said that the ga") };
    let mut call = LedgerTag { kind: TagKind::Tool, ..tag(1, "open_gate", "") };
    let arguments = [("width".to_owned(), json!(2.5)), ("slow".to_owned(), json!({"a": 1}))];
    call.arguments = Some(arguments.into_iter().collect());
    call.attributes = [("width".to_owned(), json!("2.5"))].into_iter().collect();
    vec![cut, call]
}

fn stuck() -> Logged {
    let answer = ToolAnswer {
        turn_id: "t2".into(),
        tag_id: 1,
        tool: "open_gate".into(),
        call_id: None,
        ok: false,
        output: json!("stuck"),
    };
    Logged::ToolAnswers { turn_id: "t2".into(), answers: vec![answer] }
}

/// A scene with one of everything.
fn scene() -> Vec<LogEntry> {
    let interrupted = |reason| TurnEnd::Interrupted { reason };
    let failed = TurnRecord {
        fault: Some("the provider answered 500".to_owned()),
        ..record("t3", vec![], interrupted(InterruptReason::ProviderError))
    };
    let partial =
        TagOutcome { tag_id: 0, outcome: Outcome::Partial, presented_chars: Some(8), detail: None };
    let bare = Occurrence { data: Some(json!({"weather": "`rain`"})), ..Occurrence::default() };
    let newer = interrupted(InterruptReason::NewerEvent);
    vec![
        entry(0, Logged::Event(mara("Who are you?\n# Not <b>a</b> heading"))),
        entry(1, started("t1")),
        entry(1, model_input("t1")),
        entry(2, Logged::Notification(bare)),
        entry(3, ended(record("t1", speech(), finished()))),
        entry(4, told("t1", Some("An older telling"), None)),
        entry(4, told("t1", Some("Halt! [Who]"), Some(vec![partial]))),
        entry(5, Logged::Event(mara("The gate, now!"))),
        entry(5, started("t2")),
        entry(5, model_input("t2")),
        entry(6, ended(record("t2", cut_speech_and_call(), newer))),
        entry(6, stuck()),
        entry(7, started("t3")),
        entry(7, model_input("t3")),
        entry(8, ended(failed)),
        entry(9, Logged::EventDropped { event_id: "e9".into(), reason: DropReason::StateTimeout }),
        entry(9, Logged::Fault { turn_id: None, message: "the state did not come".to_owned() }),
        entry(9, Logged::Lost { count: 3 }),
        entry(10, started("t4")),
    ]
}

async fn write(dir: &Path, entries: &[LogEntry]) {
    let log = TurnLog::open(dir).unwrap();
    for entry in entries {
        log.note(entry.clone());
    }
    log.close().await;
}

#[tokio::test]
async fn entries_come_back_as_they_went_in() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &scene()).await;
    assert_eq!(read(dir.path()).unwrap(), scene());
}

#[tokio::test]
async fn a_log_goes_on_where_the_last_server_left_it() {
    let dir = tempfile::tempdir().unwrap();
    let scene = scene();
    let (before, after) = scene.split_at(7);
    write(dir.path(), before).await;
    write(dir.path(), after).await;
    assert_eq!(read(dir.path()).unwrap(), scene);
}

#[tokio::test]
async fn what_the_model_was_sent_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &scene()).await;
    let folder = dir.path().join("save-1");
    let conversation = fs::read_to_string(folder.join("guard.conversation.jsonl")).unwrap();
    let input = fs::read_to_string(folder.join("guard.model-input.jsonl")).unwrap();
    assert!(!conversation.contains("a guard"));
    assert_eq!(input.lines().count(), 3);
    assert!(input.lines().all(|line| line.matches("a guard").count() == 1));
    assert!(conversation.contains(r"<speech>Hal"), "the raw deltas are in the record");
}

/// The golden transcript lies beside this file; a change is accepted by putting there what is printed.
#[tokio::test]
async fn the_transcript_is_written_when_the_game_has_gone() {
    let dir = tempfile::tempdir().unwrap();
    let log = TurnLog::open(dir.path()).unwrap();
    scene().into_iter().for_each(|entry| log.note(entry));
    log.end_of_session(&"save-1".into());
    log.end_of_session(&"never was".into());
    log.close().await;
    let written = fs::read_to_string(dir.path().join("save-1/guard.transcript.md")).unwrap();
    let golden = include_str!("transcript.golden.md");
    assert!(written == golden, "{written}");
}

#[test]
fn no_entries_make_an_empty_transcript() {
    assert_eq!(transcript(&[]), "");
}

#[test]
fn a_broken_ledger_does_not_lead_the_transcript_round_in_circles() {
    let mut inner = tag(1, "speech", "žába");
    // Offsets within a character and beyond the end, a child that is its own parent.
    inner.children = vec![(1, 1), (0, 99), (7, 2), (2, 3)];
    inner.parent_id = Some(0);
    let mut outer = tag(0, "speech", "x");
    outer.children = vec![(1, 0)];
    let record = record("t1", vec![outer, inner, tag(2, "action", "")], finished());
    let text = transcript(&[entry(0, ended(record))]);
    assert!(text.contains("Turn 1"), "{text}");
}

#[test]
fn a_reply_of_a_hundred_thousand_tags_inside_one_another_can_be_read() {
    let count = 100_000_u32;
    let nested = (0..count).map(|id| LedgerTag {
        parent_id: id.checked_sub(1),
        children: vec![(id + 1, 1)],
        ..tag(id, "a", "xy")
    });
    let record = record("t1", nested.collect(), finished());
    let text = transcript(&[entry(0, ended(record)), entry(0, told("t1", None, Some(vec![])))]);
    assert!(text.contains("**a**: x\\[**a**: x\\["), "{text}");
    assert_eq!(text.matches("skipped").count(), count as usize);
}

#[tokio::test]
async fn a_torn_line_is_skipped_and_the_next_one_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[said("guard", "one"), said("guard", "two")]).await;
    let file = dir.path().join("save-1/guard.conversation.jsonl");
    let whole = fs::read(&file).unwrap();
    for length in whole.len() / 2..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        write(dir.path(), &[said("guard", "three")]).await;
        let read = read(dir.path()).unwrap();
        assert_eq!(read.first(), Some(&said("guard", "one")));
        assert_eq!(read.last(), Some(&said("guard", "three")));
    }
}

#[tokio::test]
async fn what_is_no_entry_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[said("guard", "one")]).await;
    let file = dir.path().join("save-1/guard.conversation.jsonl");
    let mut bytes = fs::read(&file).unwrap();
    bytes.splice(0..0, *b"\xff\xfe\n\n{}\nnull\n{\"version\":1,\"type\":\"dance\"}\n");
    fs::write(&file, bytes).unwrap();
    fs::write(dir.path().join("notes.txt"), "not a session").unwrap();
    fs::write(dir.path().join("save-1/notes.txt"), "not an agent").unwrap();
    assert_eq!(read(dir.path()).unwrap(), [said("guard", "one")]);
}

#[tokio::test]
async fn ids_stay_within_the_folder_and_apart() {
    let dir = tempfile::tempdir().unwrap();
    let long = "x".repeat(256);
    let ids = [
        "../../up",
        "/etc/passwd",
        "a/b",
        "a%2fb",
        "",
        ".",
        "..",
        "nul",
        "Bob",
        "bob",
        "\0",
        &long,
        "🐉",
    ];
    let mut entries = Vec::new();
    for session in ids {
        for agent in ids {
            entries.push(LogEntry::new(
                at(0),
                session.into(),
                agent.into(),
                Logged::Lost { count: 1 },
            ));
        }
    }
    write(&dir.path().join("logs"), &entries).await;
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(dir.path().join("logs")).unwrap().count(), ids.len());
    for entry in entries {
        let found =
            read_agent(&dir.path().join("logs"), &entry.session_id, &entry.agent_id).unwrap();
        assert_eq!(found, [entry]);
    }
}

#[tokio::test]
async fn ids_that_share_a_file_are_told_apart_by_its_lines() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[said("guard", "mine")]).await;
    let file = dir.path().join("save-1").join(file_name("guard") + ".conversation.jsonl");
    let foreign = serde_json::to_string(&said("baker", "not mine")).unwrap() + "\n";
    let mine = fs::read_to_string(&file).unwrap();
    fs::write(&file, foreign + &mine).unwrap();
    let guard = read_agent(dir.path(), &"save-1".into(), &"guard".into()).unwrap();
    assert_eq!(guard, [said("guard", "mine")]);
}

#[test]
fn what_finds_no_room_is_counted_and_the_log_says_so_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Arc::new(Queue::default());
    for count in 0..MAX_QUEUED {
        queue.note(said("guard", &count.to_string()));
    }
    for _ in 0..5 {
        queue.note(said("guard", "lost"));
    }
    queue.note(said("baker", "lost"));
    queue.end_of_session("save-1".into());
    assert_eq!(queue.lost(), 6);
    queue.close();
    queue.note(said("guard", "after the end"));
    writer(dir.path()).run(&queue);

    let guard = read_agent(dir.path(), &"save-1".into(), &"guard".into()).unwrap();
    assert_eq!(guard.len(), MAX_QUEUED + 1);
    assert_eq!(guard[MAX_QUEUED - 1], said("guard", &(MAX_QUEUED - 1).to_string()));
    assert_eq!(guard[MAX_QUEUED].what, Logged::Lost { count: 5 });
    let baker = read_agent(dir.path(), &"save-1".into(), &"baker".into()).unwrap();
    assert_eq!(baker[0].what, Logged::Lost { count: 1 });
}

#[test]
fn what_the_disk_refuses_is_told_when_it_takes_lines_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("save-1");
    let mut writer = writer(dir.path());
    fs::write(&folder, "a file where a folder should be").unwrap();
    writer.write(said("guard", "refused"));
    writer.write(said("guard", "refused"));
    fs::remove_file(&folder).unwrap();
    writer.write(said("guard", "taken"));
    let entries = read(dir.path()).unwrap();
    assert_eq!(entries[0].what, Logged::Lost { count: 2 });
    assert_eq!(entries[1], said("guard", "taken"));
    assert_eq!(entries.len(), 2);
}

#[tokio::test]
async fn the_list_ends_with_the_session_that_was_last_active() {
    let dir = tempfile::tempdir().unwrap();
    let entry = |session: &str, agent: &str, seconds| {
        LogEntry::new(at(seconds), session.into(), agent.into(), started("t"))
    };
    let entries = [
        entry("b", "guard", 1),
        entry("a", "guard", 2),
        entry("b", "baker", 2),
        entry("b", "baker", 9),
        entry("c", "guard", 3),
    ];
    write(dir.path(), &entries).await;
    let list = list(dir.path()).unwrap();
    let seen: Vec<_> =
        list.iter().map(|agent| (&*agent.session_id, &*agent.agent_id, agent.turns)).collect();
    assert_eq!(seen, [("a", "guard", 1), ("c", "guard", 1), ("b", "baker", 2), ("b", "guard", 1)]);
    assert_eq!((list[2].first, list[2].last), (at(2), at(9)));
}

#[tokio::test]
async fn a_folder_that_can_not_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = TurnLog::open(&file.join("logs")).err().unwrap();
    assert!(error.to_string().contains("file/logs"), "{error}");
    let error = read(&dir.path().join("nowhere")).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[tokio::test]
async fn a_disabled_log_writes_nothing() {
    let log = TurnLog::disabled();
    log.note(said("guard", "unheard"));
    log.end_of_session(&"save-1".into());
    assert_eq!(log.lost(), 0);
    log.close().await;
}

#[tokio::test]
async fn what_was_put_aside_is_read_with_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let limits = LogLimits { max_file_bytes: Some(600), max_age: None };
    let log = TurnLog::open_within(dir.path(), &limits).unwrap();
    let texts: Vec<_> = (0..12).map(|number| format!("word {number}")).collect();
    for text in &texts {
        log.note(said("guard", text));
    }
    log.close().await;
    let aside = dir.path().join("save-1/guard.conversation.jsonl.1");
    assert!(aside.exists());
    let entries = read(dir.path()).unwrap();
    let read: Vec<_> = entries
        .iter()
        .map(|entry| match &entry.what {
            Logged::Event(event) => event.text.clone().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(read, texts);
    assert_eq!(list(dir.path()).unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_that_has_rested_for_long_is_removed_when_the_log_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let log = TurnLog::open(dir.path()).unwrap();
    log.note(said("guard", "Long ago."));
    log.close().await;
    let day = Duration::from_secs(24 * 60 * 60);
    for file in fs::read_dir(dir.path().join("save-1")).unwrap() {
        let file = fs::File::options().append(true).open(file.unwrap().path()).unwrap();
        file.set_modified(std::time::SystemTime::now() - 8 * day).unwrap();
    }
    for (days, kept) in [(9, true), (7, false)] {
        let limits = LogLimits { max_file_bytes: None, max_age: Some(days * day) };
        let log = TurnLog::open_within(dir.path(), &limits).unwrap();
        let elsewhere = LogEntry { session_id: "save-2".into(), ..said("guard", "Today.") };
        log.note(elsewhere);
        log.close().await;
        assert_eq!(dir.path().join("save-1").exists(), kept, "{days}");
    }
    assert!(dir.path().join("save-2").exists());
}
