//! The contract as an AsyncAPI 3 document, for generators and viewers: who sends what over the
//! socket, and what answers what. The messages themselves are the files of [`mod@crate::schema`], which
//! it points at. The file `protocol/asyncapi.json` is written by the test that holds it against
//! this module.

use serde_json::{Map, Value, json};

use crate::limits::PROTOCOL_VERSION;
use crate::schema;

/// How the schemas are written.
const SCHEMA_FORMAT: &str = "application/schema+json;version=draft-2020-12";

/// What is said in one breath: the server's part in it, the messages, their answer, and what for.
struct Exchange {
    name: &'static str,
    action: &'static str,
    messages: &'static [&'static str],
    answer: Option<&'static str>,
    summary: &'static str,
}

/// `receive` and `send` are the server's words, as the specification of AsyncAPI has it: the
/// document describes the server.
const EXCHANGES: &[Exchange] = &[
    Exchange {
        name: "hello",
        action: "receive",
        messages: &["hello"],
        answer: Some("welcome"),
        summary: "A game presents its token and names its play session.",
    },
    Exchange {
        name: "ping",
        action: "receive",
        messages: &["ping"],
        answer: Some("pong"),
        summary: "A game asks whether the server is there.",
    },
    Exchange {
        name: "events",
        action: "receive",
        messages: &["interaction_event", "notification_event"],
        answer: None,
        summary: "Something happened: to be reacted to, or only to be known.",
    },
    Exchange {
        name: "state",
        action: "send",
        messages: &["get_agent_state"],
        answer: Some("agent_state_snapshot"),
        summary: "Before a turn the server asks how the agent is. A game may also tell unasked.",
    },
    Exchange {
        name: "turn",
        action: "send",
        messages: &[
            "agent_turn_started",
            "agent_tag_open",
            "agent_tag_chunk",
            "agent_tag_close",
            "agent_turn_interrupted",
            "agent_turn_finished",
        ],
        answer: None,
        summary: "A turn as it is spoken, numbered by seq.",
    },
    Exchange {
        name: "confirm",
        action: "receive",
        messages: &["agent_turn_result", "tool_results"],
        answer: Some("stored"),
        summary: "What the player really saw and what the game's tools answered.",
    },
    Exchange {
        name: "cancel",
        action: "receive",
        messages: &["cancel_turn"],
        answer: None,
        summary: "A game stops an agent.",
    },
    Exchange {
        name: "trouble",
        action: "send",
        messages: &["event_dropped", "error"],
        answer: None,
        summary: "An event that gets no turn, and whatever else went wrong.",
    },
];

/// The document.
#[must_use]
pub fn document() -> Value {
    let named = |pick: fn(&str) -> Value| -> Map<String, Value> {
        schema::all().iter().map(|(name, _)| ((*name).to_owned(), pick(name))).collect()
    };
    let operations: Map<String, Value> =
        EXCHANGES.iter().map(|exchange| (exchange.name.to_owned(), operation(exchange))).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "dramatis: the game protocol",
            "version": PROTOCOL_VERSION,
            "description": "What a game and the dramatis server say to each other. README.md beside \
                this file is the specification in words: the order of messages, time limits, close \
                codes.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {
            "host": "127.0.0.1:8000",
            "protocol": "ws",
            "description": "A server with its default settings. A token, where one is set, comes in \
                a header, in the query or in hello.",
            "security": [
                {"$ref": "#/components/securitySchemes/header"},
                {"$ref": "#/components/securitySchemes/query"},
            ],
        }},
        "channels": {"game": {
            "address": "/ws",
            "description": "One WebSocket for all agents of a game; a text frame is one message.",
            "messages": named(|name| json!({"$ref": format!("#/components/messages/{name}")})),
        }},
        "operations": operations,
        "components": {
            "messages": schema::all().into_iter().map(|(name, schema)| message(name, &schema))
                .collect::<Map<_, _>>(),
            "securitySchemes": {
                "header": {"type": "http", "scheme": "bearer"},
                "query": {"type": "httpApiKey", "in": "query", "name": "token"},
            },
        },
    })
}

fn message(name: &str, schema: &Value) -> (String, Value) {
    let told = json!({
        "name": name,
        "summary": schema.get("description"),
        "payload": {
            "schemaFormat": SCHEMA_FORMAT,
            "schema": {"$ref": format!("schemas/{name}.json")},
        },
    });
    (name.to_owned(), told)
}

fn operation(exchange: &Exchange) -> Value {
    let channel = json!({"$ref": "#/channels/game"});
    let on_channel = |name: &&str| json!({"$ref": format!("#/channels/game/messages/{name}")});
    let mut operation = json!({
        "action": exchange.action,
        "channel": channel,
        "summary": exchange.summary,
        "messages": exchange.messages.iter().map(on_channel).collect::<Vec<_>>(),
    });
    if let (Some(answer), Value::Object(fields)) = (exchange.answer, &mut operation) {
        let reply = json!({"channel": channel, "messages": [on_channel(&answer)]});
        fields.insert("reply".to_owned(), reply);
    }
    operation
}
