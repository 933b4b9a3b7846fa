//! The rules, played move by move: each line of a play is an input at a time and what follows.

use std::fmt::Write;
use std::sync::Arc;

use dramatis_protocol::{AgentState, Interrupt};

use super::{Effect, Ending, Event, Input, Rules, State};
use crate::clock::{Ids, Millis};
use crate::record::Occurrence;

/// An agent under test, and the effects of each move as a line of text.
struct Play {
    state: State,
    order: u64,
}

impl Play {
    fn new() -> Self {
        let state = State::new(Rules::default(), Ids::counted(), None, Vec::new());
        Self { state, order: 0 }
    }

    /// Starts with a turn under way: `turn-2` for event `e`.
    fn running() -> Self {
        let mut play = Self::new();
        play.event(0, "e", Interrupt::Now, 0);
        assert_eq!(play.snapshot(0), "start turn-2 for e [e]");
        play
    }

    fn event(&mut self, now: Millis, id: &str, interrupt: Interrupt, priority: i32) -> String {
        let event = self.new_event(now, id, interrupt, priority);
        self.tell(now, Input::Event(event))
    }

    fn new_event(&mut self, now: Millis, id: &str, interrupt: Interrupt, priority: i32) -> Event {
        self.order += 1;
        Event {
            id: id.into(),
            occurrence: Occurrence::default(),
            priority,
            interrupt,
            state: None,
            arrived: now,
            order: self.order,
        }
    }

    fn snapshot(&mut self, now: Millis) -> String {
        self.tell(now, Input::Snapshot { request_id: None, state: Arc::default() })
    }

    fn finish(&mut self, now: Millis, tags: &[u32]) -> String {
        let ending =
            Ending { finished: true, any_tag: true, speech_chars: 10, calls: tags.to_vec() };
        self.tell(now, Input::Ended(ending))
    }

    fn answers(&mut self, now: Millis, turn: &str, tags: &[u32]) -> String {
        let tag_ids = tags.to_vec();
        self.tell(now, Input::ToolAnswers { turn_id: turn.into(), tag_ids, follow_up: true })
    }

    fn tell(&mut self, now: Millis, input: Input) -> String {
        let effects = self.state.handle(now, input);
        effects.iter().map(line).collect::<Vec<_>>().join("; ")
    }
}

fn line(effect: &Effect) -> String {
    match effect {
        Effect::AskState { request_id, event_id } => format!("ask {request_id} for {event_id}"),
        Effect::Start(start) => {
            let ids: Vec<&str> = start.events.iter().map(|event| &*event.id).collect();
            let mut line = format!("start {} for {} {ids:?}", start.turn_id, start.event_id);
            line = line.replace('"', "");
            if start.stale {
                line.push_str(" stale");
            }
            if start.follow_up {
                line.push_str(" follow-up");
            }
            line
        }
        Effect::Cut { turn_id, reason, by_event_id } => {
            let mut line = format!("cut {turn_id} {reason:?}");
            if let Some(by) = by_event_id {
                write!(line, " by {by}").unwrap();
            }
            line
        }
        Effect::Drop { event_id, reason } => format!("drop {event_id} {reason:?}"),
        Effect::Observe(event) => format!("observe {}", event.id),
        Effect::StateMissing { event_id, .. } => format!("no state for {event_id}"),
    }
}

use Interrupt::{Drop, Now, Queue};

#[test]
fn an_event_asks_for_the_state_and_the_snapshot_starts_the_turn() {
    let mut play = Play::new();
    assert_eq!(play.event(0, "e1", Now, 0), "ask state-1 for e1");
    assert_eq!(play.snapshot(5), "start turn-2 for e1 [e1]");
    assert_eq!(play.finish(900, &[]), "");
}

#[test]
fn a_snapshot_for_another_question_does_not_start_the_turn_but_is_known_then() {
    let mut play = Play::new();
    play.event(0, "e1", Now, 0);
    let request_id = Some("state-77".into());
    assert_eq!(play.tell(1, Input::Snapshot { request_id, state: Arc::default() }), "");
    assert_eq!(play.tell(2_000, Input::Tick), "start turn-2 for e1 [e1] stale");
}

#[test]
fn without_any_state_the_events_are_observed_and_dropped() {
    let mut play = Play::new();
    play.event(0, "e1", Now, 0);
    play.event(10, "e2", Queue, 0);
    assert_eq!(play.state.deadline(), Some(2_000));
    assert_eq!(play.tell(1_999, Input::Tick), "");
    assert_eq!(
        play.tell(2_000, Input::Tick),
        "no state for e1; observe e1; drop e1 StateTimeout; observe e2; drop e2 StateTimeout"
    );
    assert_eq!(play.event(2_001, "e1", Now, 0), "ask state-2 for e1");
}

#[test]
fn a_fresh_state_in_the_newest_event_spares_the_question() {
    let mut play = Play::new();
    let mut event = play.new_event(0, "e1", Now, 0);
    event.state = Some(Arc::default());
    assert_eq!(play.tell(0, Input::Event(event)), "start turn-2 for e1 [e1]");

    let mut waiting = play.new_event(1, "e2", Queue, 0);
    waiting.state = Some(Arc::new(AgentState { name: "old".into(), ..AgentState::default() }));
    play.tell(1, Input::Event(waiting));
    assert_eq!(play.tell(2_001, Input::Ended(Ending::default())), "ask state-3 for e2");
}

#[test]
fn an_event_with_a_state_that_joins_answers_the_open_question() {
    let mut play = Play::new();
    play.event(0, "e1", Now, 0);
    let mut event = play.new_event(3, "e2", Now, 0);
    event.state = Some(Arc::default());
    assert_eq!(play.tell(3, Input::Event(event)), "start turn-2 for e1 [e1, e2]");
}

#[test]
fn while_the_state_is_awaited_events_join_and_drop_is_dropped() {
    let mut play = Play::new();
    play.event(0, "e1", Now, 0);
    assert_eq!(play.event(1, "e2", Queue, 9), "");
    assert_eq!(play.event(2, "e3", Drop, 99), "drop e3 Drop");
    assert_eq!(play.event(3, "e4", Now, -5), "");
    assert_eq!(play.snapshot(4), "start turn-2 for e1 [e1, e2, e4]");
    // Its priority is the highest of those that joined.
    assert_eq!(play.event(5, "e5", Now, 8), "");
    assert_eq!(play.event(6, "e6", Now, 9), "cut turn-2 NewerEvent by e6; ask state-3 for e5");
}

#[test]
fn a_newer_event_interrupts_unless_the_turn_is_more_important() {
    let mut play = Play::running();
    assert_eq!(play.event(1, "low", Now, -1), "");
    assert_eq!(play.event(2, "queued", Queue, 5), "");
    assert_eq!(play.event(3, "dropped", Drop, 5), "drop dropped Drop");
    assert_eq!(
        play.event(4, "now", Now, 0),
        "cut turn-2 NewerEvent by now; ask state-3 for queued"
    );
    assert_eq!(play.snapshot(5), "start turn-4 for queued [queued, low, now]");
}

#[test]
fn what_waits_is_answered_when_the_turn_has_been_presented() {
    let mut play = Play::running();
    play.event(1, "a", Queue, 0);
    play.event(2, "b", Queue, 7);
    assert_eq!(play.finish(100, &[]), "");
    assert_eq!(play.event(101, "c", Drop, 0), "drop c Drop");
    assert_eq!(play.tell(200, Input::Result { turn_id: "turn-2".into() }), "ask state-3 for b");
    assert_eq!(play.snapshot(201), "start turn-4 for b [b, a]");
}

#[test]
fn a_turn_counts_as_presented_after_its_time() {
    let check = |speech_chars: u64, expected: Millis| {
        let mut play = Play::running();
        play.event(1, "a", Queue, 0);
        let ending = Ending { finished: true, any_tag: true, speech_chars, calls: Vec::new() };
        play.tell(1_000, Input::Ended(ending));
        assert_eq!(play.state.deadline(), Some(1_000 + expected));
        assert_eq!(play.tell(999 + expected, Input::Tick), "");
        assert_eq!(play.tell(1_000 + expected, Input::Tick), "ask state-3 for a");
    };
    check(0, 15_000);
    check(250, 15_000);
    check(300, 18_000);
    check(1_000_000, 120_000);
}

#[test]
fn an_agent_is_free_at_once_after_a_turn_that_showed_nothing_failed_or_was_confirmed() {
    let mut play = Play::running();
    play.event(1, "a", Queue, 0);
    let nothing = Ending { finished: true, ..Ending::default() };
    assert_eq!(play.tell(2, Input::Ended(nothing)), "ask state-3 for a");

    let mut play = Play::running();
    play.event(1, "a", Queue, 0);
    assert_eq!(play.tell(2, Input::Ended(Ending::default())), "ask state-3 for a");

    let mut play = Play::running();
    play.event(1, "a", Queue, 0);
    play.tell(2, Input::Result { turn_id: "turn-2".into() });
    assert_eq!(play.finish(3, &[]), "ask state-3 for a");
}

#[test]
fn a_newer_event_starts_at_once_while_the_turn_is_presented() {
    let mut play = Play::running();
    play.event(1, "a", Queue, 3);
    play.finish(2, &[]);
    assert_eq!(play.event(3, "b", Now, 0), "ask state-3 for a");
    assert_eq!(play.snapshot(4), "start turn-4 for a [a, b]");
}

#[test]
fn known_events_are_not_taken_twice() {
    let mut play = Play::new();
    play.event(0, "e1", Now, 0);
    assert_eq!(play.event(1, "e1", Now, 0), "drop e1 Duplicate");
    play.snapshot(2);
    assert_eq!(play.event(3, "e1", Now, 9), "drop e1 Duplicate");
    play.event(4, "e2", Queue, 0);
    assert_eq!(play.event(5, "e2", Now, 9), "drop e2 Duplicate");
    play.tell(6, Input::Cancel { turn_id: None });
    assert_eq!(play.event(7, "e2", Now, 0), "ask state-3 for e2");
}

#[test]
fn an_event_id_is_known_for_a_hundred_turns() {
    let mut play = Play::new();
    for number in 0..101 {
        play.event(number, &format!("e{number}"), Now, 0);
        play.snapshot(number);
    }
    assert_eq!(play.event(200, "e1", Queue, 0), "drop e1 Duplicate");
    assert_eq!(play.event(201, "e0", Queue, 0), "");
}

#[test]
fn beyond_sixteen_the_oldest_of_the_lowest_priority_goes() {
    let mut play = Play::running();
    for number in 0..16 {
        play.event(1, &format!("w{number}"), Queue, i32::from(number >= 4));
    }
    assert_eq!(play.event(2, "new", Queue, 0), "drop w0 Overloaded");
    assert_eq!(play.event(3, "least", Queue, -1), "drop least Overloaded");
    // An interrupting event takes fifteen of them along.
    let line = play.event(4, "now", Now, 5);
    assert_eq!(line, "drop w1 Overloaded; cut turn-2 NewerEvent by now; ask state-3 for w4");
    assert!(play.snapshot(5).ends_with("w15, w2, w3, new, now]"));
}

#[test]
fn the_same_bound_holds_while_the_state_is_awaited() {
    let mut play = Play::new();
    for number in 0..16 {
        play.event(number, &format!("e{number}"), Now, 0);
    }
    assert_eq!(play.event(20, "e16", Now, 0), "drop e0 Overloaded");
    assert_eq!(play.event(21, "e17", Now, -1), "drop e17 Overloaded");
    assert!(play.snapshot(22).starts_with("start turn-2 for e1 [e1, e2"));
}

#[test]
fn an_uninterruptible_tag_is_finished_first() {
    let mut play = Play::running();
    play.tell(1, Input::Hold(true));
    assert_eq!(play.event(10, "now", Now, 0), "");
    assert_eq!(play.event(11, "later", Now, -3), "");
    assert_eq!(play.event(12, "dropped", Drop, 0), "drop dropped Drop");
    assert_eq!(play.state.deadline(), Some(2_010));
    assert_eq!(
        play.tell(500, Input::Hold(false)),
        "cut turn-2 NewerEvent by now; ask state-3 for now"
    );
    assert_eq!(play.snapshot(501), "start turn-4 for now [now, later]");
}

#[test]
fn an_uninterruptible_tag_holds_up_for_two_seconds_and_a_cancel_does_not_wait() {
    let mut play = Play::running();
    play.tell(1, Input::Hold(true));
    play.event(10, "now", Now, 0);
    assert_eq!(play.tell(2_009, Input::Tick), "");
    assert_eq!(play.tell(2_010, Input::Tick), "cut turn-2 NewerEvent by now; ask state-3 for now");

    let mut play = Play::running();
    play.tell(1, Input::Hold(true));
    play.event(10, "now", Now, 0);
    let turn_id = Some("turn-2".into());
    assert_eq!(
        play.tell(11, Input::Cancel { turn_id }),
        "cut turn-2 Cancelled; ask state-3 for now"
    );
}

#[test]
fn a_turn_that_ends_while_it_holds_up_an_interruption_is_whole() {
    let mut play = Play::running();
    play.tell(1, Input::Hold(true));
    play.event(10, "now", Now, 0);
    assert_eq!(play.finish(20, &[]), "ask state-3 for now");
}

#[test]
fn a_turn_that_ends_when_the_hold_is_overdue_is_whole_too() {
    let mut play = Play::running();
    play.tell(1, Input::Hold(true));
    play.event(10, "now", Now, 0);
    let mut joining = play.new_event(11, "later", Now, 0);
    joining.state = Some(Arc::default());
    play.tell(11, Input::Event(joining));
    assert_eq!(play.finish(2_010, &[]), "start turn-4 for now [now, later]");
    assert_eq!(play.state.open_turn().map(|turn| &**turn), Some("turn-4"));
}

#[test]
fn the_state_of_an_event_that_waits_is_the_last_known_one() {
    let mut play = Play::running();
    let mut waiting = play.new_event(1, "waits", Queue, 0);
    let state = AgentState { name: "newer".into(), ..AgentState::default() };
    waiting.state = Some(Arc::new(state.clone()));
    play.tell(1, Input::Event(waiting));
    assert_eq!(play.state.last_state().map(|known| &**known), Some(&state));
}

#[test]
fn cancelling_a_turn_stops_it_alone_and_cancelling_all_stops_everything() {
    let mut play = Play::running();
    play.event(1, "waits", Queue, 0);
    let one = Input::Cancel { turn_id: Some("turn-2".into()) };
    assert_eq!(play.tell(2, one.clone()), "cut turn-2 Cancelled; ask state-3 for waits");
    assert_eq!(play.tell(3, one), "");
    assert_eq!(play.tell(4, Input::Cancel { turn_id: None }), "drop waits Cancelled");
    assert_eq!(play.tell(5, Input::Cancel { turn_id: None }), "");

    let mut play = Play::running();
    play.event(1, "waits", Queue, 0);
    assert_eq!(
        play.tell(2, Input::Cancel { turn_id: None }),
        "cut turn-2 Cancelled; drop waits Cancelled"
    );
    assert!(play.state.is_at_rest());
}

#[test]
fn a_disconnect_and_a_shutdown_end_everything() {
    let mut play = Play::running();
    play.event(1, "waits", Queue, 0);
    assert_eq!(
        play.tell(2, Input::Leave { shutdown: false }),
        "cut turn-2 Disconnected; drop waits Disconnected"
    );
    let mut play = Play::new();
    play.event(1, "e", Now, 0);
    assert_eq!(play.tell(2, Input::Leave { shutdown: true }), "drop e Shutdown");
}

#[test]
fn a_follow_up_starts_when_the_turn_has_ended_and_every_call_is_answered() {
    let mut play = Play::running();
    assert_eq!(play.answers(1, "turn-2", &[0]), "");
    assert_eq!(play.finish(2, &[0, 3]), "");
    assert_eq!(play.answers(3, "turn-2", &[3]), "ask state-3 for e");
    assert_eq!(play.snapshot(4), "start turn-4 for e [] follow-up");
    // It has the priority of the turn before it.
    assert_eq!(play.event(5, "low", Now, -1), "");

    let mut play = Play::running();
    play.answers(1, "turn-2", &[0]);
    assert_eq!(play.finish(2, &[0]), "ask state-3 for e");
}

#[test]
fn an_agent_awaits_its_tools_as_long_as_a_follow_up_may_come_of_it() {
    let mut play = Play::running();
    play.finish(1, &[0]);
    assert!(play.state.awaits_answers());
    play.tell(2, Input::Leave { shutdown: false });
    assert!(!play.state.awaits_answers());

    let mut play = Play::running();
    play.finish(1, &[0, 3]);
    let refused =
        Input::ToolAnswers { turn_id: "turn-2".into(), tag_ids: vec![0], follow_up: false };
    play.tell(2, refused);
    assert!(!play.state.awaits_answers(), "no follow-up can come of it any more");
}

#[test]
fn no_follow_up_where_it_is_refused_an_event_waits_or_the_turn_was_cut() {
    let mut play = Play::running();
    play.finish(1, &[0]);
    let refused =
        Input::ToolAnswers { turn_id: "turn-2".into(), tag_ids: vec![0], follow_up: false };
    assert_eq!(play.tell(2, refused), "");
    assert_eq!(play.answers(3, "turn-2", &[0]), "");

    let mut play = Play::running();
    play.event(1, "waits", Queue, 0);
    play.finish(2, &[0]);
    assert_eq!(play.answers(3, "turn-2", &[0]), "");

    let mut play = Play::running();
    play.tell(1, Input::Cancel { turn_id: None });
    assert_eq!(play.answers(2, "turn-2", &[0]), "");
}

#[test]
fn only_the_newest_turn_gets_a_follow_up() {
    let mut play = Play::running();
    play.finish(1, &[0]);
    play.event(2, "newer", Now, 0);
    play.snapshot(3);
    play.finish(4, &[]);
    assert_eq!(play.answers(5, "turn-2", &[0]), "");
}

#[test]
fn an_event_takes_over_a_follow_up_whose_state_is_awaited() {
    let mut play = Play::running();
    play.finish(1, &[0]);
    play.answers(2, "turn-2", &[0]);
    assert_eq!(play.event(3, "newer", Queue, 0), "");
    assert_eq!(play.snapshot(4), "start turn-4 for newer [newer]");
}

#[test]
fn four_follow_ups_in_a_row_are_enough() {
    let mut play = Play::running();
    let mut turn = 2;
    for round in 0..4 {
        play.finish(round, &[0]);
        let asked = play.answers(round, &format!("turn-{turn}"), &[0]);
        turn += 2;
        assert_eq!(asked, format!("ask state-{} for e", turn - 1));
        assert_eq!(play.snapshot(round), format!("start turn-{turn} for e [] follow-up"));
    }
    play.finish(9, &[0]);
    assert!(play.state.is_at_rest(), "an answer changes nothing any more");
    assert_eq!(play.answers(10, &format!("turn-{turn}"), &[0]), "");
    play.event(11, "newer", Now, 0);
    play.snapshot(11);
    play.finish(12, &[0]);
    assert_eq!(
        play.answers(13, &format!("turn-{}", turn + 2), &[0]),
        format!("ask state-{} for newer", turn + 3)
    );
}

#[test]
fn a_follow_up_without_a_state_is_given_up_without_a_word_about_events() {
    let mut play = Play::new();
    play.event(0, "e", Now, 0);
    play.snapshot(0);
    play.state.last_state = None;
    play.finish(1, &[0]);
    play.answers(2, "turn-2", &[0]);
    assert_eq!(play.tell(2_002, Input::Tick), "no state for e");
    assert!(play.state.is_at_rest());
}
