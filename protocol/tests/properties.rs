//! What must hold for any message, however odd. The strategies are boxed: by value they outgrow
//! the stack of a test's thread.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use dramatis_protocol::limits::{MAX_DEPTH, MAX_ID_BYTES};
use dramatis_protocol::{
    Actor, AgentState, AgentStateSnapshot, AgentTurnResult, AttributeDefinition, AttributeType,
    CancelTurn, ClientMessage, DossierSection, Hello, Id, InteractionEvent, Interrupt,
    NotificationEvent, Outcome, Ping, PromptPart, TagContent, TagDefinition, TagKind, TagOutcome,
    ToolDefinition, ToolResult, ToolResults, read, read_bytes, schema,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample;
use serde_json::{Map, Value, json};

fn id() -> BoxedStrategy<Id> {
    prop_oneof!["[a-z0-9]{1,8}", "\\PC{1,20}"].prop_map(Id::from).boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof!["[ -~]{0,20}", any::<String>()].boxed()
}

fn name() -> BoxedStrategy<String> {
    "\\PC{1,20}".boxed()
}

fn tag_name() -> BoxedStrategy<String> {
    "[A-Za-z_][A-Za-z0-9_.:-]{0,12}".boxed()
}

/// Any JSON of moderate size.
fn json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e12..1e12_f64).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4)
                .prop_map(|entries| entries.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
    .boxed()
}

fn present() -> BoxedStrategy<Value> {
    json().prop_filter("null is absent", |value| !value.is_null()).boxed()
}

fn object() -> BoxedStrategy<Value> {
    vec((text(), json()), 0..3)
        .prop_map(|entries| entries.into_iter().collect::<Map<_, _>>().into())
        .boxed()
}

fn actor() -> BoxedStrategy<Actor> {
    (of(id()), of(name())).prop_map(|(id, name)| Actor { id, name }).boxed()
}

fn attribute() -> BoxedStrategy<AttributeDefinition> {
    let types = prop_oneof![
        Just(AttributeType::String),
        Just(AttributeType::Integer),
        Just(AttributeType::Number),
        Just(AttributeType::Boolean)
    ];
    ("[a-zäöü_-]{1,10}", of(text()), types, vec(text(), 0..3), any::<bool>())
        .prop_map(|(name, description, value_type, values, required)| AttributeDefinition {
            name,
            description,
            value_type,
            values,
            required,
        })
        .boxed()
}

fn tag() -> BoxedStrategy<TagDefinition> {
    let kinds = prop_oneof![
        Just(TagKind::Speech),
        Just(TagKind::Action),
        Just(TagKind::Tool),
        Just(TagKind::Hidden)
    ];
    let contents = prop_oneof![Just(TagContent::Text), Just(TagContent::None)];
    let contains = of(vec(tag_name(), 0..3));
    let attributes = vec(attribute(), 0..3);
    (tag_name(), of(text()), kinds, contents, contains, attributes, any::<bool>())
        .prop_map(|(name, description, kind, content, contains, attributes, interruptible)| {
            TagDefinition { name, description, kind, content, contains, attributes, interruptible }
        })
        .boxed()
}

fn section() -> BoxedStrategy<DossierSection> {
    let content = prop_oneof![
        text().prop_map(Value::from),
        vec(json(), 0..3).prop_map(Value::from),
        object()
    ];
    (text(), content).prop_map(|(title, content)| DossierSection { title, content }).boxed()
}

fn tool() -> BoxedStrategy<ToolDefinition> {
    ("[A-Za-z0-9_-]{1,12}", of(text()), of(object()))
        .prop_map(|(name, description, parameters)| ToolDefinition {
            name,
            description,
            parameters,
        })
        .boxed()
}

fn state() -> BoxedStrategy<AgentState> {
    let part = (text(), text()).prop_map(|(title, text)| PromptPart { title, text });
    let assets = (of(id()), of(id()), vec(id(), 0..3));
    let words = (vec(section(), 0..3), vec(part, 0..3), vec(tag(), 0..3), vec(tool(), 0..2));
    let model = (of(name()), of(name()), of(0.0..=2.0_f64), of(1..u32::MAX));
    let sizes = (of(any::<u32>()), of(any::<u32>()), of(any::<u32>()));
    (name(), assets, words, model, sizes)
        .prop_map(|(name, assets, words, model, sizes)| AgentState {
            name,
            character_id: assets.0,
            world_id: assets.1,
            rules: assets.2,
            dossier: words.0,
            prompt_parts: words.1,
            tags: words.2,
            tools: words.3,
            stray_text: model.0,
            model: model.1,
            temperature: model.2,
            max_tokens: model.3,
            history_turns: sizes.0,
            lore_results: sizes.1,
            memory_results: sizes.2,
        })
        .boxed()
}

fn events() -> BoxedStrategy<ClientMessage> {
    let interrupts =
        prop_oneof![Just(Interrupt::Now), Just(Interrupt::Queue), Just(Interrupt::Drop)];
    let happened = ("[a-z]{1,20}", of(text()), of(actor()), of(present()));
    let how = (of(state()), any::<i32>(), interrupts);
    (id(), of(id()), happened, how)
        .prop_map(|(agent_id, event_id, happened, how)| {
            ClientMessage::InteractionEvent(InteractionEvent {
                agent_id,
                event_id,
                text: Some(happened.0),
                event_type: happened.1,
                actor: happened.2,
                data: happened.3,
                state: how.0,
                priority: how.1,
                interrupt: how.2,
            })
        })
        .boxed()
}

fn notifications() -> BoxedStrategy<ClientMessage> {
    let agents = proptest::collection::btree_set(id(), 1..4);
    (agents, of(id()), "[a-z]{1,9}", of(text()), of(actor()), of(present()))
        .prop_map(|(agents, event_id, event_type, text, actor, data)| {
            ClientMessage::NotificationEvent(NotificationEvent {
                agent_ids: agents.into_iter().collect(),
                event_id,
                event_type: Some(event_type),
                text,
                actor,
                data,
            })
        })
        .boxed()
}

fn turn_results() -> BoxedStrategy<ClientMessage> {
    let outcomes = prop_oneof![
        Just(Outcome::Done),
        Just(Outcome::Partial),
        Just(Outcome::Skipped),
        Just(Outcome::Failed),
        Just(Outcome::Cancelled)
    ];
    let tag = (any::<u32>(), outcomes, of(any::<u64>()), of(text())).prop_map(
        |(tag_id, outcome, presented_chars, detail)| TagOutcome {
            tag_id,
            outcome,
            presented_chars,
            detail,
        },
    );
    (id(), id(), text(), of(vec(tag, 0..4)))
        .prop_map(|(agent_id, turn_id, content, tags)| {
            let content = (tags.is_none() || content.len() > 5).then_some(content);
            ClientMessage::AgentTurnResult(AgentTurnResult { agent_id, turn_id, content, tags })
        })
        .boxed()
}

fn tool_results() -> BoxedStrategy<ClientMessage> {
    let call = prop_oneof![
        (any::<u32>(), of(name())).prop_map(|(tag, call)| (Some(tag), call)),
        name().prop_map(|call| (None, Some(call)))
    ];
    let result = (call, of(name()), any::<bool>(), json()).prop_map(|(call, name, ok, output)| {
        ToolResult { tag_id: call.0, call_id: call.1, name, ok, output }
    });
    (id(), id(), vec(result, 0..4), any::<bool>())
        .prop_map(|(agent_id, turn_id, results, follow_up)| {
            ClientMessage::ToolResults(ToolResults { agent_id, turn_id, results, follow_up })
        })
        .boxed()
}

fn hellos() -> BoxedStrategy<ClientMessage> {
    let session = of((id(), of(id())));
    let save_game = (btree_map(id(), id(), 0..3), any::<bool>());
    (of(text()), of(name()), of(name()), session, save_game)
        .prop_map(|(token, protocol, game, session, (resume_after, forget_others))| {
            let (session_id, fork_of) = session.map_or((None, None), |(id, fork)| (Some(id), fork));
            ClientMessage::Hello(Hello {
                token,
                protocol,
                game,
                session_id,
                fork_of,
                resume_after,
                forget_others,
            })
        })
        .boxed()
}

fn messages() -> BoxedStrategy<ClientMessage> {
    let short = |nonce: &Value| nonce.to_string().len() <= MAX_ID_BYTES;
    prop_oneof![
        hellos(),
        of(present().prop_filter("short", short))
            .prop_map(|nonce| ClientMessage::Ping(Ping { nonce })),
        events(),
        notifications(),
        (of(id()), id(), state()).prop_map(|(request_id, agent_id, state)| {
            ClientMessage::AgentStateSnapshot(AgentStateSnapshot { request_id, agent_id, state })
        }),
        turn_results(),
        tool_results(),
        (id(), of(id()), of(text())).prop_map(|(agent_id, turn_id, reason)| {
            ClientMessage::CancelTurn(CancelTurn { agent_id, turn_id, reason })
        }),
    ]
    .boxed()
}

/// Names that some part of a message has.
const FIELDS: &str = "agent_id agentId agent_ids turn_id event_id request_id message_id text data \
    actor state tags results content priority interrupt payload nonce resume_after name tools \
    dossier kind outcome tag_id ok output attributes values contains title function";

/// Messages with a known type whose fields hold anything.
fn odd_messages() -> BoxedStrategy<Value> {
    let kinds: Vec<_> = schema::all().into_iter().map(|(name, _)| name).collect();
    let fields = sample::select(FIELDS.split_whitespace().collect::<Vec<_>>());
    let inner = json().prop_recursive(3, 24, 6, move |inner| {
        vec((fields.clone(), inner), 0..6).prop_map(|entries| {
            let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), value));
            entries.collect::<Map<_, _>>().into()
        })
    });
    (sample::select(kinds), inner)
        .prop_map(|(kind, fields)| {
            let mut message = if fields.is_object() { fields } else { json!({"data": fields}) };
            message["type"] = kind.into();
            message
        })
        .boxed()
}

/// Whatever is wrong is told within bounds.
fn told(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = read(text) {
        prop_assert!(!error.message.is_empty() && error.message.chars().count() < 1000);
        prop_assert!(error.into_message().in_reply_to.is_none_or(|id| id.len() <= MAX_ID_BYTES));
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(message in messages(), message_id in of(name())) {
        let text = message.to_json(message_id.as_deref());
        let received = read(&text);
        prop_assert!(received.is_ok(), "{}: {:?}", text, received);
        let received = received.unwrap();
        prop_assert_eq!(received.message, message);
        prop_assert_eq!(received.message_id.as_deref(), message_id.as_deref());
        prop_assert_eq!(received.unknown_fields, Vec::<String>::new());
        prop_assert_eq!(read_bytes(text.as_bytes()).is_ok(), true);
    }

    #[test]
    fn what_is_written_fits_its_schema(message in messages()) {
        let text = message.to_json(Some("m"));
        let value: Value = serde_json::from_str(&text).unwrap();
        let schema = VALIDATORS.with(|all| {
            let kind = value["type"].as_str().unwrap();
            all.iter().find(|(name, _)| *name == kind).map(|(_, v)| v.validate(&value).map_err(|e| e.to_string()))
        });
        prop_assert_eq!(schema, Some(Ok(())), "{}", text);
    }

    #[test]
    fn any_text_gets_an_answer(text in any::<String>()) {
        told(&text)?;
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in vec(any::<u8>(), 0..200)) {
        let utf8 = std::str::from_utf8(&bytes).is_ok();
        let close = read_bytes(&bytes).err().and_then(|error| error.close);
        prop_assert_eq!(close, (!utf8).then_some(1007));
    }

    #[test]
    fn any_json_gets_an_answer(value in json()) {
        told(&value.to_string())?;
    }

    #[test]
    fn odd_fields_get_an_answer(message in odd_messages()) {
        told(&message.to_string())?;
        if let Ok(received) = read(&message.to_string()) {
            // What was read tolerantly is strict from then on.
            let again = read(&received.message.to_json(None));
            prop_assert_eq!(again.map(|r| (r.message, r.unknown_fields)), Ok((received.message, vec![])));
        }
    }

    #[test]
    fn cut_messages_get_an_answer(message in messages(), part in 0.0..1.0_f64) {
        let text = message.to_json(None);
        let kept = (text.chars().count() as f64 * part) as usize;
        told(&text.chars().take(kept).collect::<String>())?;
    }

    #[test]
    fn brackets_are_counted(depth in 1..200_usize) {
        let text = format!(r#"{{"type":"interaction_event","agent_id":"a","data":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        prop_assert_eq!(read(&text).is_ok(), depth < MAX_DEPTH);
    }
}

thread_local! {
    static VALIDATORS: Vec<(&'static str, jsonschema::Validator)> = schema::all()
        .into_iter()
        .map(|(name, schema)| (name, jsonschema::validator_for(&schema).unwrap()))
        .collect();
}
