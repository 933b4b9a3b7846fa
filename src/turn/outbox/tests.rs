//! The queue: what is joined, what is taken back, what a slow client does to it.

use dramatis_protocol::{
    AgentTagClose, AgentTagOpen, AgentTurnFinished, AgentTurnInterrupted, AgentTurnStarted,
    InterruptReason, Origin, Pong, ServerMessage, TagKind, Timings, Warnings, limits,
};
use serde_json::Value;

use super::{Closing, Delivered, Keep, Outbox, Reached, TurnEndFrame};

/// Fills a queue for one turn, `t` of agent `a`.
#[derive(Default)]
struct Bench {
    outbox: Outbox,
}

impl Bench {
    fn started() -> Self {
        let mut bench = Self::default();
        bench.start("t");
        bench
    }

    fn start(&mut self, turn: &str) {
        self.outbox.start(AgentTurnStarted {
            agent_id: "a".into(),
            turn_id: turn.into(),
            seq: 0,
            event_id: "e".into(),
            event_ids: vec!["e".into()],
            model: "m".to_owned(),
            origin: Origin::Llm,
        });
    }

    fn open(&mut self, tag_id: u32, interruptible: bool) {
        let open = AgentTagOpen {
            agent_id: "a".into(),
            turn_id: "t".into(),
            seq: 0,
            tag_id,
            parent_id: None,
            tag: "speech".into(),
            kind: TagKind::Speech,
            attributes: serde_json::Map::new(),
            call_id: None,
            arguments: None,
        };
        self.outbox.open(open, interruptible);
    }

    fn chunk(&mut self, turn: &str, tag_id: u32, text: &str) {
        self.outbox.chunk(&"a".into(), &turn.into(), tag_id, text);
    }

    fn close(&mut self, tag_id: u32) {
        self.outbox.close_tag(AgentTagClose {
            agent_id: "a".into(),
            turn_id: "t".into(),
            seq: 0,
            tag_id,
            tag: "speech".into(),
            complete: true,
        });
    }

    fn interrupt(&mut self, keep: Keep) -> Option<Delivered> {
        let end = TurnEndFrame::Interrupted(AgentTurnInterrupted {
            agent_id: "a".into(),
            turn_id: "t".into(),
            seq: 0,
            reason: InterruptReason::NewerEvent,
            by_event_id: None,
            usage: None,
            timings: Timings::default(),
            warnings: Warnings::new(),
        });
        self.outbox.interrupt(&"a".into(), end, keep)
    }

    fn finish(&mut self) {
        self.outbox.finish(TurnEndFrame::Finished(AgentTurnFinished {
            agent_id: "a".into(),
            turn_id: "t".into(),
            seq: 0,
            finish_reason: "stop".to_owned(),
            model: None,
            usage: None,
            context: None,
            timings: Timings::default(),
            warnings: Warnings::new(),
        }));
    }

    fn take(&mut self) -> Option<Value> {
        let mut json = String::new();
        self.outbox.take(&mut json).then(|| serde_json::from_str(&json).unwrap())
    }

    /// Takes everything: each frame as its `seq` and what it is.
    fn take_all(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.take()).map(|frame| line(&frame)).collect()
    }
}

fn line(frame: &Value) -> String {
    let word = |field: &str| frame[field].as_str().unwrap_or_default().to_owned();
    let number = |field: &str| frame[field].as_u64().unwrap_or_default();
    let kind = word("type");
    let seq = number("seq");
    match kind.strip_prefix("agent_").unwrap_or(&kind) {
        "tag_open" => format!("{seq} open {}", number("tag_id")),
        "tag_chunk" => format!("{seq} chunk {} {}", number("tag_id"), word("text")),
        "tag_close" => format!("{seq} close {} {}", number("tag_id"), frame["complete"]),
        "turn_started" => format!("{seq} started"),
        "turn_finished" => format!("{seq} finished"),
        "turn_interrupted" => format!("{seq} interrupted"),
        other => other.to_owned(),
    }
}

fn reached(bytes: usize, closed: bool) -> Reached {
    Reached { tag: "speech".into(), bytes, closed }
}

#[test]
fn frames_are_numbered_when_they_are_taken() {
    let mut bench = Bench::started();
    bench.open(0, true);
    assert_eq!(bench.take_all(), ["0 started", "1 open 0"]);
    bench.chunk("t", 0, "a");
    bench.outbox.push(ServerMessage::Pong(Pong { nonce: None, server_time: 1 }));
    bench.close(0);
    bench.finish();
    assert_eq!(bench.take_all(), ["2 chunk 0 a", "pong", "3 close 0 true", "4 finished"]);
    assert!(bench.outbox.has_sent(&"t".into()));
}

#[test]
fn chunks_that_wait_side_by_side_in_their_turn_become_one() {
    let mut bench = Bench::started();
    bench.start("u");
    bench.open(0, true);
    bench.chunk("t", 0, "a");
    bench.chunk("u", 0, "x");
    bench.chunk("t", 0, "b");
    bench.open(1, true);
    bench.chunk("t", 0, "c");
    bench.chunk("t", 1, "d");
    assert_eq!(
        bench.take_all(),
        [
            "0 started",
            "0 started",
            "1 open 0",
            "2 chunk 0 ab",
            "1 chunk 0 x",
            "3 open 1",
            "4 chunk 0 c",
            "5 chunk 1 d"
        ]
    );
    bench.chunk("t", 1, "e");
    assert_eq!(bench.take_all(), ["6 chunk 1 e"], "a chunk that was taken is not joined to");
}

#[test]
fn an_interruption_takes_back_what_was_not_taken() {
    let mut bench = Bench::started();
    bench.open(0, true);
    bench.chunk("t", 0, "seen");
    for _ in 0..3 {
        bench.take();
    }
    bench.chunk("t", 0, "never");
    bench.close(0);
    bench.open(1, true);
    bench.close(1);
    let delivered = bench.interrupt(Keep::Uninterruptible).unwrap();
    assert_eq!(delivered.tags, [reached(4, false)]);
    assert_eq!(bench.take_all(), ["3 close 0 false", "4 interrupted"]);
    assert_eq!(bench.interrupt(Keep::Nothing), None, "its end was taken");
}

#[test]
fn a_turn_that_nothing_was_taken_of_still_begins_and_ends() {
    let mut bench = Bench::started();
    bench.open(0, true);
    assert_eq!(bench.interrupt(Keep::Nothing), Some(Delivered::default()));
    assert_eq!(bench.take_all(), ["0 started", "1 interrupted"]);
}

#[test]
fn inner_tags_are_closed_first() {
    let mut bench = Bench::started();
    bench.open(0, true);
    bench.open(1, true);
    bench.open(2, true);
    bench.close(2);
    for _ in 0..5 {
        bench.take();
    }
    bench.interrupt(Keep::Nothing);
    assert_eq!(bench.take_all(), ["5 close 1 false", "6 close 0 false", "7 interrupted"]);
}

#[test]
fn what_must_not_be_cut_is_kept_with_all_before_it() {
    let fill = |bench: &mut Bench| {
        bench.open(0, true);
        bench.chunk("t", 0, "before");
        bench.close(0);
        bench.open(1, false);
        bench.chunk("t", 1, "vow");
        bench.close(1);
        bench.open(2, true);
        bench.chunk("t", 2, "after");
    };
    let mut bench = Bench::started();
    fill(&mut bench);
    let delivered = bench.interrupt(Keep::Uninterruptible).unwrap();
    assert_eq!(delivered.tags, [reached(6, true), reached(3, true)]);
    assert_eq!(
        bench.take_all(),
        [
            "0 started",
            "1 open 0",
            "2 chunk 0 before",
            "3 close 0 true",
            "4 open 1",
            "5 chunk 1 vow",
            "6 close 1 true",
            "7 interrupted"
        ]
    );
    let mut bench = Bench::started();
    fill(&mut bench);
    bench.interrupt(Keep::Nothing);
    assert_eq!(bench.take_all(), ["0 started", "1 interrupted"]);
}

#[test]
fn a_long_text_becomes_several_frames_cut_at_characters() {
    for unit in ["a", "é", "\"", "\u{1}", "𝄞"] {
        let text = unit.repeat(100_000);
        let mut bench = Bench::started();
        bench.open(0, true);
        bench.chunk("t", 0, &text);
        bench.take();
        bench.take();
        let mut whole = String::new();
        let mut seq = 2;
        let mut json = String::new();
        while bench.outbox.take(&mut json) {
            assert!(json.len() <= limits::MAX_FRAME_BYTES, "{}", json.len());
            let frame: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(frame["seq"], seq);
            whole.push_str(frame["text"].as_str().unwrap());
            seq += 1;
        }
        assert_eq!(whole, text);
        assert!(seq > 4 && bench.outbox.waiting_bytes() == 0);
    }
}

#[test]
fn a_text_that_was_taken_in_part_counts_in_part() {
    let mut bench = Bench::started();
    bench.open(0, true);
    bench.chunk("t", 0, &"é".repeat(50_000));
    bench.take();
    bench.take();
    let part = bench.take().unwrap()["text"].as_str().unwrap().len();
    let delivered = bench.interrupt(Keep::Nothing).unwrap();
    assert!(part < 100_000);
    assert_eq!(delivered.tags, [reached(part, false)]);
    assert_eq!(bench.take_all(), ["3 close 0 false", "4 interrupted"]);
    assert_eq!(bench.outbox.waiting_bytes(), 0);
}

#[test]
fn a_client_that_takes_nothing_is_given_up_at_one_mebibyte() {
    let mut bench = Bench::started();
    bench.open(0, true);
    for _ in 0..1_023 {
        bench.chunk("t", 0, &"x".repeat(1_024));
    }
    assert_eq!(bench.outbox.closing(), None);
    bench.chunk("t", 0, &"x".repeat(1_024));
    assert_eq!(bench.outbox.closing(), Some(Closing::TOO_SLOW));
    assert_eq!(bench.take(), None);
    bench.chunk("t", 0, "more");
    bench.finish();
    assert_eq!(bench.take(), None, "nothing more is taken in");
    assert_eq!(bench.outbox.settle(&"t".into()), Some(Delivered::default()));
}

#[test]
fn many_small_frames_count_too() {
    let mut bench = Bench::default();
    for _ in 0..10_000 {
        bench.outbox.push(ServerMessage::Pong(Pong { nonce: None, server_time: 1 }));
    }
    assert_eq!(bench.outbox.closing(), Some(Closing::TOO_SLOW));
}

#[test]
fn settling_tells_how_far_a_lost_connection_got() {
    let mut bench = Bench::started();
    bench.open(0, true);
    bench.chunk("t", 0, "seen");
    for _ in 0..3 {
        bench.take();
    }
    bench.close(0);
    bench.finish();
    assert_eq!(bench.outbox.settle(&"t".into()).unwrap().tags, [reached(4, false)]);
    assert_eq!(bench.outbox.settle(&"t".into()), None);
}
