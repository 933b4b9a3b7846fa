//! What a game sends, and what is read of it: one table for each rule of the envelope, one for
//! each type of message.

use serde_json::{Value, json};

use super::*;
use crate::ServerMessage;
use crate::limits::MAX_QUOTED_CHARS;

/// The message that `text` is read as, in its strict form.
fn strict(text: &str) -> Value {
    let received = read(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    serde_json::from_str(&received.message.to_json(received.message_id.as_deref())).unwrap()
}

/// `sent` is read as if it were `expected`.
fn reads(sent: &Value, expected: &Value) {
    assert_eq!(&strict(&sent.to_string()), expected, "{sent}");
}

fn fails(text: &str) -> ReadError {
    read(text).expect_err(text)
}

/// `sent` is `bad_message` at `field`, in a sentence that holds `part`.
fn refused(sent: &Value, field: &str, part: &str) {
    let error = fails(&sent.to_string());
    assert_eq!(error.code, ErrorCode::BadMessage, "{sent}");
    assert_eq!(error.field.as_deref(), Some(field), "{sent}: {error}");
    assert!(error.message.contains(part), "{sent}: {error}");
    assert!(error.message.starts_with(&format!("`{field}` ")), "{sent}: {error}");
}

/// An event with more fields.
fn event(more: &Value) -> Value {
    with(&json!({"type": "interaction_event", "agent_id": "guard", "text": "Hello"}), more)
}

/// A snapshot whose state has more fields.
fn state(more: &Value) -> Value {
    let state = with(&json!({"name": "Brann"}), more);
    json!({"type": "agent_state_snapshot", "agent_id": "guard", "state": state})
}

fn with(base: &Value, more: &Value) -> Value {
    let mut base = base.clone();
    for (key, value) in more.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}

#[test]
fn strict_messages_are_read_as_they_stand() {
    for message in [
        json!({"type": "hello"}),
        json!({"type": "hello", "token": "t", "protocol": "1", "game": "Keep", "session_id": "s",
            "fork_of": "r", "resume_after": {"guard": "t-1", "smith": "t-2"},
            "forget_others": true}),
        json!({"type": "ping"}),
        json!({"type": "ping", "nonce": [1.5, "a", {"b": null}]}),
        event(&json!({})),
        event(&json!({"event_id": "e1", "event_type": "spoke", "actor": {"id": "p", "name": "P"},
            "data": {"a": [1]}, "state": {"name": "Brann"}, "priority": -3, "interrupt": "queue"})),
        json!({"type": "notification_event", "agent_ids": ["a", "b"], "text": "It rains."}),
        json!({"type": "notification_event", "agent_ids": ["a"], "event_id": "e",
            "event_type": "weather", "actor": {}, "data": 3}),
        state(&json!({})),
        json!({"type": "agent_turn_result", "agent_id": "a", "turn_id": "t", "content": ""}),
        json!({"type": "agent_turn_result", "agent_id": "a", "turn_id": "t", "tags": []}),
        json!({"type": "agent_turn_result", "agent_id": "a", "turn_id": "t", "tags": [
            {"tag_id": 0, "outcome": "partial", "presented_chars": 3, "detail": "ran away"},
            {"tag_id": 1, "outcome": "done"}, {"tag_id": 2, "outcome": "skipped"},
            {"tag_id": 3, "outcome": "failed"}, {"tag_id": 4, "outcome": "cancelled"}]}),
        json!({"type": "tool_results", "agent_id": "a", "turn_id": "t", "results": [
            {"tag_id": 0, "ok": true, "output": null},
            {"call_id": "c", "name": "buy", "ok": false, "output": {"why": ["poor"]}}]}),
        json!({"type": "tool_results", "agent_id": "a", "turn_id": "t", "results": [],
            "follow_up": false}),
        json!({"type": "cancel_turn", "agent_id": "a"}),
        json!({"type": "cancel_turn", "agent_id": "a", "turn_id": "t", "reason": "left"}),
    ] {
        reads(&message, &message);
        reads(
            &with(&message, &json!({"message_id": "m1"})),
            &with(&message, &json!({"message_id": "m1"})),
        );
    }
}

#[test]
fn what_is_the_default_need_not_be_said() {
    reads(&event(&json!({"priority": 0, "interrupt": "now"})), &event(&json!({})));
    let results = json!({"type": "tool_results", "agent_id": "a", "turn_id": "t", "results": []});
    reads(&with(&results, &json!({"follow_up": true})), &results);
}

#[test]
fn null_is_absent() {
    reads(
        &event(&json!({"event_id": null, "actor": null, "data": null, "state": null,
            "priority": null, "interrupt": null, "message_id": null, "payload": null})),
        &event(&json!({})),
    );
    reads(&json!({"type": "ping", "nonce": null}), &json!({"type": "ping"}));
    reads(&json!({"type": "hello", "resume_after": {"a": null}}), &json!({"type": "hello"}));
    reads(
        &state(&json!({"tags": null, "dossier": {"A": null, "B": "b"}})),
        &state(&json!({"dossier": [{"title": "B", "content": "b"}]})),
    );
    refused(&json!({"type": "cancel_turn", "agent_id": null}), "agent_id", "is missing");
}

#[test]
fn null_stays_inside_what_is_the_games_own() {
    let own = json!({"data": {"a": null, "b": [null]}});
    reads(&event(&own), &event(&own));
}

#[test]
fn fields_may_lie_under_payload() {
    let plain = event(&json!({"priority": 2}));
    for sent in [
        json!({"type": "interaction_event", "payload":
            {"agent_id": "guard", "text": "Hello", "priority": 2}}),
        json!({"payload": {"type": "interaction_event", "agentId": "guard", "text": "Hello",
            "priority": 2}}),
        event(&json!({"payload": {"text": "no", "agent_id": "no", "priority": 2.0}})),
        event(&json!({"priority": null, "payload": {"priority": 2}})),
    ] {
        reads(&sent, &plain);
        assert_eq!(read(&sent.to_string()).unwrap().unknown_fields, Vec::<String>::new());
    }
    // Flat camel case wins over snake case under `payload`.
    reads(
        &json!({"type": "cancel_turn", "agentId": "a", "payload": {"agent_id": "b"}}),
        &json!({"type": "cancel_turn", "agent_id": "a"}),
    );
    refused(&event(&json!({"payload": [1]})), "payload", "an object, not [1]");
    refused(&event(&json!({"payload": "x"})), "payload", "an object");
}

#[test]
fn camel_case_is_accepted_where_the_names_are_the_protocols() {
    reads(
        &json!({"type": "interaction_event", "agentId": "guard", "text": "Hello", "eventId": "e",
            "eventType": "spoke", "messageId": "m"}),
        &event(&json!({"event_id": "e", "event_type": "spoke", "message_id": "m"})),
    );
    reads(
        &json!({"type": "agent_turn_result", "agentId": "a", "turnId": "t", "tags":
            [{"tagId": 0, "outcome": "done", "presentedChars": 4}]}),
        &json!({"type": "agent_turn_result", "agent_id": "a", "turn_id": "t", "tags":
            [{"tag_id": 0, "outcome": "done", "presented_chars": 4}]}),
    );
    reads(
        &json!({"type": "tool_results", "agentId": "a", "turnId": "t", "followUp": false,
            "results": [{"callId": "c", "ok": true, "output": {"itemCount": 1}}]}),
        &json!({"type": "tool_results", "agent_id": "a", "turn_id": "t", "follow_up": false,
            "results": [{"call_id": "c", "ok": true, "output": {"itemCount": 1}}]}),
    );
    reads(
        &state(&json!({"characterId": "c", "worldId": "w", "promptParts": [], "strayText": "drop",
            "maxTokens": 9, "historyTurns": 0, "loreResults": 1, "memoryResults": 2})),
        &state(&json!({"character_id": "c", "world_id": "w", "stray_text": "drop",
            "max_tokens": 9, "history_turns": 0, "lore_results": 1, "memory_results": 2})),
    );
    reads(
        &json!({"type": "hello", "sessionId": "s", "forkOf": "f", "resumeAfter": {"a": "t"}}),
        &json!({"type": "hello", "session_id": "s", "fork_of": "f", "resume_after": {"a": "t"}}),
    );
}

#[test]
fn snake_case_wins_over_camel_case() {
    reads(
        &json!({"type": "cancel_turn", "agentId": "camel", "agent_id": "snake"}),
        &json!({"type": "cancel_turn", "agent_id": "snake"}),
    );
    reads(
        &json!({"type": "cancel_turn", "agentId": "camel", "agent_id": null}),
        &json!({"type": "cancel_turn", "agent_id": "camel"}),
    );
}

#[test]
fn the_games_own_keys_keep_their_case() {
    for own in [
        json!({"data": {"agentId": 1, "agent_id": 2}}),
        json!({"state": {"name": "B", "dossier": [{"title": "agentId", "content": {"eventId": 1}}]}}),
        json!({"state": {"name": "B", "tools": [{"name": "t", "parameters": {"maxTokens": 1}}]}}),
    ] {
        reads(&event(&own), &event(&own));
    }
    reads(
        &json!({"type": "hello", "resume_after": {"agentId": "t"}}),
        &json!({"type": "hello", "resume_after": {"agentId": "t"}}),
    );
}

#[test]
fn whole_floats_are_integers() {
    for (sent, expected) in [
        ("1.0", 1),
        ("-1.0", -1),
        ("1e3", 1000),
        ("0.0", 0),
        ("-0.0", 0),
        ("2147483647.0", i32::MAX),
        ("-2147483648", i32::MIN),
    ] {
        let text = format!(
            r#"{{"type":"interaction_event","agent_id":"a","text":"t","priority":{sent}}}"#
        );
        let ClientMessage::InteractionEvent(event) = read(&text).unwrap().message else { panic!() };
        assert_eq!(event.priority, expected, "{sent}");
    }
    for sent in [
        json!(1.5),
        json!(2_147_483_648_i64),
        json!(-2_147_483_649_i64),
        json!(1e300),
        json!("1"),
        json!(true),
        json!([1]),
    ] {
        refused(&event(&json!({"priority": sent})), "priority", "from -2147483648 to 2147483647");
    }
}

#[test]
fn ids_are_text_or_whole_numbers() {
    for (sent, expected) in [
        ("\"guard\"", "guard"),
        ("7", "7"),
        ("7.0", "7"),
        ("-7.0", "-7"),
        ("-0.0", "0"),
        ("18446744073709551615", "18446744073709551615"),
        ("1e15", "1000000000000000"),
        ("9007199254740992.0", "9007199254740992"),
        ("\" \"", " "),
        ("\"7.0\"", "7.0"),
    ] {
        let text = format!(r#"{{"type":"cancel_turn","agent_id":{sent}}}"#);
        assert_eq!(strict(&text)["agent_id"], expected, "{sent}");
    }
    for sent in [json!(7.5), json!(true), json!({}), json!([]), json!(1e17)] {
        let part = format!("must be an id: text, or a whole number, not {sent}");
        refused(&json!({"type": "cancel_turn", "agent_id": sent}), "agent_id", &part);
    }
    refused(&json!({"type": "cancel_turn", "agent_id": ""}), "agent_id", "text that is not empty");
}

#[test]
fn ids_names_and_nonces_are_short() {
    let (longest, longer) = ("é".repeat(128), format!("{}a", "é".repeat(128)));
    let check = |field: &str, sent: &dyn Fn(&str) -> Value| {
        assert!(read(&sent(&longest).to_string()).is_ok(), "{field}");
        refused(&sent(&longer), field, "at most 256 bytes");
    };
    check("agent_id", &|id| json!({"type": "cancel_turn", "agent_id": id}));
    check("turn_id", &|id| json!({"type": "cancel_turn", "agent_id": "a", "turn_id": id}));
    check("message_id", &|id| event(&json!({"message_id": id})));
    check("event_id", &|id| event(&json!({"event_id": id})));
    check("actor.id", &|id| event(&json!({"actor": {"id": id}})));
    check("actor.name", &|name| event(&json!({"actor": {"name": name}})));
    check(
        "agent_ids[1]",
        &|id| json!({"type": "notification_event", "agent_ids": ["a", id], "text": "t"}),
    );
    check("state.name", &|name| state(&json!({"name": name})));
    check("state.rules[0]", &|id| state(&json!({"rules": [id]})));
    check("state.model", &|name| state(&json!({"model": name})));
    check("game", &|name| json!({"type": "hello", "game": name}));
    check("session_id", &|id| json!({"type": "hello", "session_id": id}));
    check("resume_after.a", &|id| json!({"type": "hello", "resume_after": {"a": id}}));
    // 256 bytes of JSON, quotes included.
    assert!(read(&json!({"type": "ping", "nonce": "n".repeat(254)}).to_string()).is_ok());
    refused(&json!({"type": "ping", "nonce": "n".repeat(255)}), "nonce", "at most 256 bytes");
    let mut resume = json!({"type": "hello", "resume_after": {}});
    resume["resume_after"][&longer] = json!("t");
    assert_eq!(fails(&resume.to_string()).code, ErrorCode::BadMessage);
    refused(&json!({"type": "hello", "resume_after": {"": "t"}}), "resume_after.", "an agent's id");
}

#[test]
fn errors_quote_little() {
    let long = "ü".repeat(5000);
    for sent in [
        event(&json!({"priority": long})),
        event(&json!({"interrupt": {"a": long}})),
        json!({"type": long}),
        json!({"type": 3, "long": long}),
        json!({"type": "cancel_turn", "agent_id": long}),
        json!({"type": "ping", "nonce": long}),
        json!({"type": "hello", "resume_after": {&long: 1.5}}),
        state(&json!({"tags": [{"name": long}]})),
    ] {
        let error = fails(&sent.to_string());
        let quoted = error.message.chars().filter(|c| *c == 'ü').count();
        assert!(quoted <= 2 * MAX_QUOTED_CHARS, "{error}");
        assert!(error.message.chars().count() <= 360, "{error}");
        assert!(error.field.unwrap_or_default().chars().count() <= 2 * MAX_QUOTED_CHARS);
    }
}

#[test]
fn unknown_fields_are_named_and_ignored() {
    let sent = event(&json!({
        "mood": 1, "payload": {"extra": 1, "text": "no", "payload": {}},
        "actor": {"id": "p", "Id": "q"}, "data": {"unknown": 1},
        "state": {"name": "B", "tags": [{"name": "say", "colour": "red",
            "attributes": [{"name": "to", "default": "all"}]}],
            "tools": [{"type": "function", "function": {"name": "f", "strict": true}}]},
    }));
    let received = read(&sent.to_string()).unwrap();
    let mut unknown = received.unknown_fields;
    unknown.sort();
    assert_eq!(
        unknown,
        [
            "actor.Id",
            "extra",
            "mood",
            "payload",
            "state.tags[0].attributes[0].default",
            "state.tags[0].colour",
            "state.tools[0].function.strict"
        ]
    );
}

#[test]
fn the_list_of_unknown_fields_has_an_end() {
    let mut sent = event(&json!({}));
    for n in 0..100 {
        sent[format!("field{n}{}", "x".repeat(200))] = json!(n);
        sent["actor"][format!("field{n}")] = json!(n);
    }
    let unknown = read(&sent.to_string()).unwrap().unknown_fields;
    assert_eq!(unknown.len(), 32);
    assert!(unknown.iter().all(|path| path.chars().count() <= MAX_QUOTED_CHARS + 1));
}

#[test]
fn what_is_no_json_is_bad_json() {
    for (text, part) in [
        ("", "send one JSON object"),
        ("hello", "line 1 column 1"),
        ("{\"type\":\"ping\",}", "line 1"),
        ("{\"type\":\"ping\"} {}", "trailing"),
        ("{\"type\":\"ping\",\"nonce\":1e99999}", "Godot writes INF as 1e99999"),
        ("{\"type\":\"ping\",\"nonce\":-1e99999}", "Godot writes INF as 1e99999"),
        ("{\"type\":\"ping\",\"nonce\":\"\\ud800\"}", "hex escape"),
    ] {
        let error = fails(text);
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadJson, None), "{text}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
    let deep = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!(r#"{{"type":"interaction_event","agent_id":"a","data":{open}{close}}}"#)
    };
    assert!(read(&deep(64)).is_ok());
    assert_eq!(fails(&deep(65)).code, ErrorCode::BadJson);
    assert_eq!(fails(&"[".repeat(1 << 20)).code, ErrorCode::BadJson);
}

#[test]
fn what_is_no_object_is_a_bad_message() {
    for text in ["[]", "1", "null", "\"ping\"", "true"] {
        let error = fails(text);
        assert_eq!((error.code, error.field), (ErrorCode::BadMessage, None), "{text}");
    }
}

#[test]
fn the_type_must_be_one_that_a_game_sends() {
    refused(&json!({}), "type", "is missing");
    refused(&json!({"type": 1}), "type", "must be text");
    for (kind, part) in [
        ("interaction", "did you mean \"interaction_event\"?"),
        ("interactionEvent", "did you mean \"interaction_event\"?"),
        ("", "did you mean"),
        ("agent_turn_started", "is what the server sends"),
        ("get_agent_state", "\"agent_state_snapshot\""),
    ] {
        let error = fails(&json!({"type": kind, "message_id": 5}).to_string());
        assert_eq!(error.code, ErrorCode::UnknownType, "{kind}");
        assert_eq!(error.field.as_deref(), Some("type"));
        assert_eq!(error.in_reply_to.as_deref(), Some("5"));
        assert!(error.message.contains(part), "{error}");
    }
    for kind in types::FROM_GAME {
        let read = read(&json!({"type": kind}).to_string());
        assert!(
            read.is_ok_and(|r| r.message.to_json(None).contains(kind))
                || fails(&json!({"type": kind}).to_string()).code == ErrorCode::BadMessage,
            "{kind}"
        );
    }
}

#[test]
fn errors_name_what_they_answer() {
    let check = |ids: &Value, agent: Option<&str>, turn: Option<&str>, reply: Option<&str>| {
        let sent =
            with(&json!({"type": "interaction_event", "priority": "high", "text": "t"}), ids);
        let error = fails(&sent.to_string());
        assert_eq!(error.agent_id.as_deref(), agent, "{sent}");
        assert_eq!(error.turn_id.as_deref(), turn, "{sent}");
        assert_eq!(error.in_reply_to.as_deref(), reply, "{sent}");
    };
    check(&json!({}), None, None, None);
    check(&json!({"agent_id": 7.0}), Some("7"), None, None);
    check(&json!({"agent_id": true}), None, None, None);
    check(&json!({"agent_id": null, "agentId": "a"}), Some("a"), None, None);
    check(&json!({"turnId": "t"}), None, Some("t"), Some("t"));
    check(&json!({"turn_id": "t", "request_id": "r"}), None, Some("t"), Some("r"));
    check(&json!({"turn_id": "t", "request_id": "r", "event_id": "e"}), None, Some("t"), Some("e"));
    check(&json!({"event_id": "e", "message_id": "m"}), None, None, Some("m"));
    check(&json!({"event_id": "e", "message_id": {}}), None, None, Some("e"));
    check(&json!({"payload": {"agentId": "a", "messageId": 3}}), Some("a"), None, Some("3"));
    check(&json!({"agent_id": "a", "payload": 1}), Some("a"), None, None);
    let message = fails(&event(&json!({"message_id": "m", "actor": 1})).to_string()).into_message();
    assert_eq!(
        serde_json::to_value(ServerMessage::Error(message)).unwrap(),
        json!({"type": "error", "code": "bad_message", "message": "`actor` must be an object, not 1",
            "field": "actor", "agent_id": "guard", "in_reply_to": "m", "retryable": false})
    );
}

#[test]
fn a_binary_frame_holds_utf8() {
    assert_eq!(read_bytes(b"{\"type\":\"ping\"}"), read("{\"type\":\"ping\"}"));
    let error = read_bytes(b"{\"type\":\"p\xffng\"}").unwrap_err();
    assert_eq!((error.code, error.close), (ErrorCode::BadJson, Some(1007)));
    assert_eq!(read_bytes(b"{").unwrap_err().close, None);
}

#[test]
fn control_characters_in_strings_do_no_harm() {
    let text = "{\"type\":\"interaction_event\",\"agent_id\":\"a\",\"text\":\"a\tb\nc\u{1}\\vd\"}";
    assert_eq!(strict(text)["text"], "a\tb\ncd");
}

#[test]
fn an_event_says_what_happened() {
    let base = json!({"type": "interaction_event", "agent_id": "a"});
    for one in [
        json!({"text": "t"}),
        json!({"event_type": "e"}),
        json!({"data": {}}),
        json!({"data": false}),
        json!({"text": "", "data": 1}),
    ] {
        reads(&with(&base, &one), &with(&base, &one));
    }
    for none in [
        json!({}),
        json!({"text": ""}),
        json!({"text": " \n", "event_type": ""}),
        json!({"data": null}),
        json!({"actor": {"name": "P"}}),
    ] {
        refused(&with(&base, &none), "text", "`text`, `event_type` or `data`");
    }
    refused(&with(&base, &json!({"text": 5})), "text", "must be text, not 5");
    refused(&with(&base, &json!({"event_type": ["a"]})), "event_type", "must be text");
    refused(
        &event(&json!({"interrupt": "later"})),
        "interrupt",
        "one of \"now\", \"queue\", \"drop\", not \"later\"",
    );
    refused(&event(&json!({"interrupt": true})), "interrupt", "one of");
    refused(&event(&json!({"actor": "Mira"})), "actor", "an object, not \"Mira\"");
    refused(&event(&json!({"actor": {"name": 3}})), "actor.name", "must be text");
    refused(&event(&json!({"state": {}})), "state.name", "is missing");
    refused(&json!({"type": "interaction_event", "text": "t"}), "agent_id", "is missing");
}

#[test]
fn a_notification_names_its_agents() {
    let base = json!({"type": "notification_event", "text": "t"});
    for (sent, expected) in [
        (json!({"agent_id": "a"}), json!(["a"])),
        (json!({"agent_id": 1.0, "agent_ids": []}), json!(["1"])),
        (json!({"agent_ids": ["b", "a", "b", 2.0]}), json!(["b", "a", "2"])),
        (json!({"agentId": "c", "agentIds": ["b", "c"]}), json!(["c", "b"])),
    ] {
        reads(&with(&base, &sent), &with(&base, &json!({"agent_ids": expected})));
    }
    refused(&base, "agent_ids", "is missing");
    refused(&with(&base, &json!({"agent_ids": []})), "agent_ids", "at least one agent");
    refused(&with(&base, &json!({"agent_ids": "a"})), "agent_ids", "a list");
    refused(&with(&base, &json!({"agent_ids": ["a", null]})), "agent_ids[1]", "an id");
    refused(&json!({"type": "notification_event", "agent_id": "a"}), "text", "is missing");
}

#[test]
fn results_of_a_turn_are_checked() {
    let base = json!({"type": "agent_turn_result", "agent_id": "a", "turn_id": "t"});
    let tags = |tag: Value| with(&base, &json!({"tags": [{"tag_id": 0, "outcome": "done"}, tag]}));
    refused(&base, "content", "`content`, `tags` or both");
    refused(&with(&base, &json!({"content": 5})), "content", "must be text");
    refused(&with(&base, &json!({"tags": {}})), "tags", "a list");
    refused(&tags(json!(1)), "tags[1]", "an object");
    refused(&tags(json!({"outcome": "done"})), "tags[1].tag_id", "is missing");
    refused(&tags(json!({"tag_id": -1, "outcome": "done"})), "tags[1].tag_id", "from 0");
    refused(&tags(json!({"tag_id": 1})), "tags[1].outcome", "is missing");
    refused(&tags(json!({"tag_id": 1, "outcome": "ok"})), "tags[1].outcome", "\"cancelled\"");
    for chars in [json!(-1), json!(1.5), json!("3")] {
        refused(
            &tags(json!({"tag_id": 1, "outcome": "done", "presented_chars": chars})),
            "tags[1].presented_chars",
            "not below 0",
        );
    }
    refused(
        &json!({"type": "agent_turn_result", "agent_id": "a", "tags": []}),
        "turn_id",
        "is missing",
    );
}

#[test]
fn results_of_tools_are_checked() {
    let base = json!({"type": "tool_results", "agent_id": "a", "turn_id": "t"});
    let results = |result: Value| with(&base, &json!({"results": [result]}));
    refused(&base, "results", "is missing");
    refused(&with(&base, &json!({"results": {}})), "results", "a list");
    refused(&results(json!({"ok": true, "output": 1})), "results[0].tag_id", "`call_id`");
    refused(&results(json!({"tag_id": 0, "output": 1})), "results[0].ok", "is missing");
    refused(
        &results(json!({"tag_id": 0, "ok": 1.0, "output": 1})),
        "results[0].ok",
        "true or false",
    );
    refused(&results(json!({"tag_id": 0, "ok": true})), "results[0].output", "is missing");
    refused(
        &results(json!({"tag_id": 1.5, "ok": true, "output": 1})),
        "results[0].tag_id",
        "whole",
    );
    refused(
        &results(json!({"call_id": {}, "ok": true, "output": 1})),
        "results[0].call_id",
        "an id",
    );
    refused(
        &with(&results(json!({"tag_id": 0, "ok": true, "output": 1})), &json!({"follow_up": "no"})),
        "follow_up",
        "true or false",
    );
}

#[test]
fn a_hello_is_checked() {
    reads(&json!({"type": "hello", "protocol": 1.0}), &json!({"type": "hello", "protocol": "1"}));
    // The server refuses an unknown version itself: the token beside it counts.
    reads(&json!({"type": "hello", "protocol": "9"}), &json!({"type": "hello", "protocol": "9"}));
    refused(&json!({"type": "hello", "fork_of": "s"}), "session_id", "is missing");
    refused(&json!({"type": "hello", "token": 5}), "token", "must be text");
    refused(&json!({"type": "hello", "resume_after": ["t"]}), "resume_after", "an object");
    refused(&json!({"type": "hello", "resume_after": {"a": 1.5}}), "resume_after.a", "an id");
}

#[test]
fn a_dossier_keeps_its_order() {
    let sections = json!([{"title": "Zeal", "content": "high"}, {"title": "Age", "content": "41"},
        {"title": "Brave", "content": "true"}, {"title": "Likes", "content": ["ale", 2.0]},
        {"title": "Ties", "content": {"Mira": "sister"}}]);
    let object = json!({"Zeal": "high", "Age": 41.0, "Brave": true, "Likes": ["ale", 2.0],
        "Ties": {"Mira": "sister"}});
    reads(&state(&json!({"dossier": object})), &state(&json!({"dossier": sections})));
    reads(&state(&json!({"dossier": sections})), &state(&json!({"dossier": sections})));
    refused(&state(&json!({"dossier": "brave"})), "state.dossier", "under each heading");
    refused(&state(&json!({"dossier": [{"content": 1}]})), "state.dossier[0].title", "is missing");
    refused(
        &state(&json!({"dossier": [{"title": "A"}]})),
        "state.dossier[0].content",
        "is missing",
    );
}

#[test]
fn prompt_parts_have_title_and_text() {
    let parts = json!({"prompt_parts": [{"title": "Scene", "text": "Night."}]});
    reads(&state(&parts), &state(&parts));
    refused(
        &state(&json!({"prompt_parts": [{"title": "A"}]})),
        "state.prompt_parts[0].text",
        "missing",
    );
    refused(
        &state(&json!({"prompt_parts": [{"text": "A"}]})),
        "state.prompt_parts[0].title",
        "missing",
    );
    refused(&state(&json!({"prompt_parts": {"A": "b"}})), "state.prompt_parts", "a list");
}

#[test]
fn a_vocabulary_is_checked() {
    let tag = |more: Value| {
        state(&json!({"tags": [{"name": "say"}, with(&json!({"name": "do"}), &more)]}))
    };
    for name in ["a", "_", "Say-2.x:y_z", "h1"] {
        assert!(read(&tag(json!({"name": name})).to_string()).is_ok(), "{name}");
    }
    for name in ["1st", "-a", "a b", "a/b", "é", "a>", ".a"] {
        refused(&tag(json!({"name": name})), "state.tags[1].name", "a letter or _");
    }
    refused(&tag(json!({"name": ""})), "state.tags[1].name", "not empty");
    refused(&tag(json!({"name": null})), "state.tags[1].name", "is missing");
    refused(&tag(json!({"kind": "talk"})), "state.tags[1].kind", "\"hidden\", not \"talk\"");
    refused(&tag(json!({"content": "xml"})), "state.tags[1].content", "\"text\", \"none\"");
    refused(&tag(json!({"contains": "say"})), "state.tags[1].contains", "a list");
    refused(&tag(json!({"contains": ["say", "a b"]})), "state.tags[1].contains[1]", "a tag's name");
    refused(&tag(json!({"interruptible": 0})), "state.tags[1].interruptible", "true or false");
    refused(&tag(json!({"description": 1})), "state.tags[1].description", "text");
    refused(&state(&json!({"tags": ["say"]})), "state.tags[0]", "an object");
    refused(&state(&json!({"tags": {"say": {}}})), "state.tags", "a list");
}

#[test]
fn attributes_are_checked() {
    let attribute = |more: Value| {
        let attribute = with(&json!({"name": "to"}), &more);
        state(&json!({"tags": [{"name": "say", "attributes": [attribute]}]}))
    };
    let at = |field: &str| format!("state.tags[0].attributes[0].{field}");
    for kind in ["integer", "number", "boolean"] {
        reads(&attribute(json!({"type": kind})), &attribute(json!({"type": kind})));
    }
    reads(&attribute(json!({"type": "string"})), &attribute(json!({})));
    let sent = attribute(json!({"values": ["a", 1.0, 2.5, true, -3, "1.0"]}));
    assert_eq!(
        strict(&sent.to_string())["state"]["tags"][0]["attributes"][0]["values"],
        json!(["a", "1", "2.5", "true", "-3", "1.0"])
    );
    refused(&attribute(json!({"type": "float"})), &at("type"), "one of");
    refused(&attribute(json!({"values": "a"})), &at("values"), "a list");
    refused(&attribute(json!({"values": [null]})), &at("values[0]"), "not null");
    refused(&attribute(json!({"values": [[]]})), &at("values[0]"), "text, a number");
    refused(&attribute(json!({"required": "yes"})), &at("required"), "true or false");
    refused(&attribute(json!({"name": ""})), &at("name"), "not empty");
    for name in ["a b", "a=b", "a/b", "<a", "a>", "a\"", "\u{1}"] {
        refused(&attribute(json!({"name": name})), &at("name"), "an attribute's name");
    }
    assert!(read(&attribute(json!({"name": "lautstärke"})).to_string()).is_ok());
}

#[test]
fn tools_come_flat_or_wrapped() {
    let flat = json!({"name": "buy", "description": "Buys.", "parameters": {"type": "object"}});
    let expected = state(&json!({"tools": [flat]}));
    reads(&state(&json!({"tools": [flat]})), &expected);
    reads(&state(&json!({"tools": [{"type": "function", "function": flat}]})), &expected);
    reads(&state(&json!({"tools": [with(&flat, &json!({"type": "function"}))]})), &expected);
    let tools = |tool: Value| state(&json!({"tools": [tool]}));
    refused(&tools(json!({"type": "web_search"})), "state.tools[0].type", "\"function\"");
    refused(&tools(json!({"function": {}})), "state.tools[0].function.name", "is missing");
    refused(&tools(json!({"function": 1})), "state.tools[0].function", "an object");
    refused(&tools(json!({})), "state.tools[0].name", "is missing");
    refused(&tools(json!({"name": "buy it"})), "state.tools[0].name", "a tool's name");
    refused(
        &tools(json!({"name": "buy", "parameters": []})),
        "state.tools[0].parameters",
        "JSON Schema",
    );
}

#[test]
fn settings_have_ranges() {
    let good = [
        json!({"temperature": 0}),
        json!({"temperature": 2.0}),
        json!({"temperature": 0.7}),
        json!({"max_tokens": 1}),
        json!({"max_tokens": 4096.0}),
        json!({"history_turns": 0}),
        json!({"lore_results": 0}),
        json!({"memory_results": 12}),
        json!({"stray_text": "say"}),
    ];
    for setting in good {
        assert!(read(&state(&setting).to_string()).is_ok(), "{setting}");
    }
    for (field, value, part) in [
        ("temperature", json!(-0.1), "from 0 to 2"),
        ("temperature", json!(2.1), "from 0 to 2"),
        ("temperature", json!("hot"), "from 0 to 2"),
        ("max_tokens", json!(0.0), "from 1"),
        ("max_tokens", json!(-1), "whole number"),
        ("max_tokens", json!(1.5), "whole number"),
        ("history_turns", json!(-1), "from 0"),
        ("lore_results", json!("3"), "from 0"),
        ("memory_results", json!(4_294_967_296_u64), "to 4294967295"),
        ("stray_text", json!(""), "not empty"),
        ("stray_text", json!(true), "text"),
        ("name", json!(7), "text"),
        ("rules", json!("a"), "a list"),
        ("world_id", json!(7.5), "an id"),
    ] {
        refused(&state(&json!({field: value})), &format!("state.{field}"), part);
    }
    refused(&json!({"type": "agent_state_snapshot", "agent_id": "a"}), "state", "is missing");
    refused(
        &json!({"type": "agent_state_snapshot", "agent_id": "a", "state": []}),
        "state",
        "an object",
    );
}

#[test]
fn states_and_vocabularies_are_read_alone_too() {
    assert_eq!(read_agent_state(json!({"name": "B"})).unwrap().name, "B");
    assert_eq!(read_agent_state(json!({})).unwrap_err().field.as_deref(), Some("name"));
    assert_eq!(read_tags(json!([{"name": "say"}])).unwrap()[0].name, "say");
    assert_eq!(read_tags(json!([{"name": "a b"}])).unwrap_err().field.as_deref(), Some("[0].name"));
    assert!(read_tags(json!({})).unwrap_err().message.contains("must be a list"));
}

#[test]
fn recorded_attribute_values_may_be_numbers() {
    let read = |values: Value| {
        serde_json::from_value::<crate::AttributeDefinition>(json!({"name": "n", "values": values}))
    };
    assert_eq!(read(json!(["a", 1.0, 2.5, false])).unwrap().values, ["a", "1", "2.5", "false"]);
    assert!(read(json!([{}])).is_err());
}
