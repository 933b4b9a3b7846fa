//! Every way in which a provider fails, as the game sees it: one error with the right code, one end,
//! the connection alive, the next turn fine; and the record tells the cause.

use std::time::Duration;

use dramatis::actor::Pace;
use dramatis::turn_log::Logged;
use serde_json::json;

use crate::stage::{Plan, count, text_of};

/// What a fault looks like to a game.
enum Seen {
    /// One error of this code, and the turn interrupted for this reason.
    Error(&'static str, &'static str),
    /// A turn that finishes with this reason, saying this.
    Finished(&'static str, &'static str),
}

const REPLY: &str = "<speech>Good evening, traveller. Sit down.</speech>";
const SAID: &str = "Good evening, traveller. Sit down.";

async fn check(fault: &'static str, expected: Seen) {
    let mut plan = Plan::saying(REPLY);
    plan.faults = vec![fault];
    plan.pace = Pace::tokens_per_second(1_000.0);
    let stage = plan.begin().await;
    let mut game = stage.game().await;
    game.event("ada", "e1").await;
    let turn = game.turn().await;
    let end = turn.last().unwrap();
    assert_eq!(count(&turn, "agent_turn_started"), 1, "{fault}");
    assert_eq!(count(&turn, "agent_tag_open"), count(&turn, "agent_tag_close"), "{fault}");
    match expected {
        Seen::Error(code, reason) => {
            assert_eq!(end["reason"], reason, "{fault}: {end}");
            let errors: Vec<_> = turn.iter().filter(|it| it["type"] == "error").collect();
            assert_eq!(errors.len(), 1, "{fault}");
            let error = errors[0];
            assert_eq!(error["code"], code, "{fault}: {error}");
            assert_eq!(error["agent_id"], "ada");
            assert_eq!(error["turn_id"], turn[0]["turn_id"]);
            let place = |kind: &str| turn.iter().rposition(|it| it["type"] == kind);
            // A reset may take along what was sent before it; of the others it is known.
            let begins_to_speak = ["stall-midway", "error-in-stream", "truncated"];
            if fault != "reset" {
                let spoke = place("agent_tag_close").is_some();
                assert_eq!(
                    spoke,
                    begins_to_speak.contains(&fault),
                    "{fault}: what was said before"
                );
            }
            assert!(place("agent_tag_close") < place("error"), "{fault}: tags are closed first");
            let retryable = matches!(code, "provider_rate_limited" | "provider_error");
            assert_eq!(error["retryable"], retryable, "{fault}");
            assert!(!error["message"].as_str().unwrap().contains("sk-"), "{error}");
        }
        Seen::Finished(reason, said) => {
            assert_eq!(end["finish_reason"], reason, "{fault}: {end}");
            assert_eq!(count(&turn, "error"), 0, "{fault}");
            assert_eq!(text_of(&turn, "speech"), said, "{fault}");
        }
    }
    game.ping().await;
    let failed = matches!(expected, Seen::Error(..));
    let cause_is_told = stage.end().await.into_iter().any(|entry| match entry.what {
        Logged::TurnRecord(record) => record.fault.is_some_and(|cause| !cause.is_empty()),
        _ => false,
    });
    assert_eq!(cause_is_told, failed, "{fault}: the record");
}

macro_rules! faults {
    ($($name:ident: $fault:literal => $expected:expr;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                check($fault, $expected).await;
            }
        )*
    };
}

faults! {
    a_provider_that_never_answers: "stall-after-connect" => Seen::Error("provider_error", "timeout");
    a_provider_that_falls_silent: "stall-midway" => Seen::Error("provider_error", "timeout");
    an_error_inside_the_stream: "error-in-stream" => Seen::Error("provider_error", "provider_error");
    a_wrong_key: "401" => Seen::Error("provider_auth", "provider_error");
    no_credit: "402" => Seen::Error("provider_auth", "provider_error");
    no_right: "403" => Seen::Error("provider_auth", "provider_error");
    a_refused_content: "403-moderation" => Seen::Error("provider_refused", "provider_error");
    too_many_requests_for_an_hour: "429:3600" => Seen::Error("provider_rate_limited", "provider_error");
    too_many_requests_for_a_second: "429:1*1" => Seen::Finished("stop", SAID);
    a_failing_provider: "500" => Seen::Error("provider_error", "provider_error");
    a_provider_that_fails_once: "503*1" => Seen::Finished("stop", SAID);
    a_web_page: "html" => Seen::Error("provider_error", "provider_error");
    a_stream_that_is_cut: "truncated" => Seen::Error("provider_error", "provider_error");
    an_end_without_a_reason: "done-without-reason" => Seen::Finished("unknown", SAID);
    a_broken_connection: "reset" => Seen::Error("provider_error", "provider_error");
    comments_between_the_pieces: "comments" => Seen::Finished("stop", SAID);
    one_byte_at_a_time: "one-byte" => Seen::Finished("stop", SAID);
    reasoning_in_the_text: "reasoning-leak" => Seen::Finished("stop", SAID);
    a_lone_closing_half: "lone-closing-half" => Seen::Finished("stop", SAID);
    a_tag_that_is_never_closed: "unclosed" => Seen::Finished("stop", SAID);
    tags_that_nobody_defined: "unknown-tags" => Seen::Finished("stop", SAID);
    chunks_of_strange_providers: "odd-chunks" => Seen::Finished("stop", SAID);
    a_document_for_a_stream: "json-answer" => Seen::Finished("stop", SAID);
}

#[tokio::test]
async fn a_reply_beyond_every_limit_is_cut() {
    let mut plan = Plan::saying(REPLY);
    plan.faults = vec!["oversize"];
    plan.llm.silence = Duration::from_secs(5);
    let stage = plan.begin().await;
    let mut game = stage.game().await;
    game.event("ada", "e1").await;
    let turn = game.turn().await;
    assert_eq!(turn.last().unwrap()["reason"], "timeout");
    assert_eq!(count(&turn, "error"), 1);
    game.ping().await;
}

#[tokio::test]
async fn a_provider_that_is_not_there() {
    let mut plan = Plan::saying(REPLY);
    plan.provider = Some("http://127.0.0.1:9/v1".to_owned());
    let stage = plan.begin().await;
    let mut game = stage.game().await;
    game.event("ada", "e1").await;
    let turn = game.turn().await;
    assert_eq!(count(&turn, "error"), 1);
    assert_eq!(turn.last().unwrap()["reason"], "provider_error");
    game.ping().await;
}

#[tokio::test]
async fn after_a_fault_the_next_turn_is_fine_and_history_is_in_order() {
    let mut plan = Plan::saying(REPLY);
    plan.faults = vec!["error-in-stream*1"];
    plan.pace = Pace::tokens_per_second(1_000.0);
    let stage = plan.begin().await;
    let mut game = stage.game().await;
    game.event("ada", "e1").await;
    let failed = game.turn().await;
    let part = text_of(&failed, "speech");
    assert!(!part.is_empty() && part.len() < SAID.len());
    game.event("ada", "e2").await;
    assert_eq!(text_of(&game.turn().await, "speech"), SAID);
    let requests = stage.mock.requests();
    let messages = requests.last().unwrap()["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, [&json!("system"), &json!("user"), &json!("assistant"), &json!("user")]);
    assert!(messages[2]["content"].as_str().unwrap().contains(&part));
}
