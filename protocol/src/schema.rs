//! The contract as JSON Schemas, made from the types.
//!
//! They describe the strict form that the specification shows: snake case, ids as text, nothing
//! that means nothing. What else is read tolerantly (see [`mod@crate::read`]) isn't in them. The files
//! in `protocol/schemas/` are written by the test that holds them against this module.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::limits::{MAX_ID_BYTES, PROTOCOL_VERSION};
use crate::{assets, client, rpc, sentences, server, state};

/// Every message type with its schema, first what the game sends, then what the server sends.
#[must_use]
pub fn all() -> Vec<(&'static str, Value)> {
    let mut all = of_games();
    all.extend(of_server());
    all
}

/// What a game sends.
#[must_use]
pub fn of_games() -> Vec<(&'static str, Value)> {
    vec![
        from_game::<client::Hello>("hello"),
        from_game::<client::Ping>("ping"),
        from_game::<client::InteractionEvent>("interaction_event"),
        from_game::<client::NotificationEvent>("notification_event"),
        from_game::<client::AgentStateSnapshot>("agent_state_snapshot"),
        from_game::<client::AgentTurnResult>("agent_turn_result"),
        from_game::<client::ToolResults>("tool_results"),
        from_game::<client::CancelTurn>("cancel_turn"),
    ]
}

/// What the server sends.
#[must_use]
pub fn of_server() -> Vec<(&'static str, Value)> {
    vec![
        from_server::<server::Welcome>("welcome"),
        from_server::<server::Pong>("pong"),
        from_server::<server::GetAgentState>("get_agent_state"),
        from_server::<server::AgentTurnStarted>("agent_turn_started"),
        from_server::<server::AgentTagOpen>("agent_tag_open"),
        from_server::<server::AgentTagChunk>("agent_tag_chunk"),
        from_server::<server::AgentTagClose>("agent_tag_close"),
        from_server::<server::AgentTurnInterrupted>("agent_turn_interrupted"),
        from_server::<server::AgentTurnFinished>("agent_turn_finished"),
        from_server::<server::Stored>("stored"),
        from_server::<server::EventDropped>("event_dropped"),
        from_server::<server::ErrorMessage>("error"),
    ]
}

/// The files of designers. `$schema` of a file points to the one of its kind.
#[must_use]
pub fn assets() -> Vec<(&'static str, Value)> {
    vec![
        asset::<assets::WorldFile>("world"),
        asset::<assets::CharacterFile>("character"),
        asset::<assets::RuleFile>("rule"),
        asset::<assets::SystemRulesFile>("system_rules"),
        asset::<sentences::Sentences>("sentences"),
    ]
}

/// What crosses the socket of the roleplay door: what a client may send, and what it gets.
#[must_use]
pub fn of_rpc() -> Vec<(&'static str, Value)> {
    vec![rpc::<rpc::Prompt>("prompt"), rpc::<rpc::RpcFrame<'_>>("frame")]
}

/// Open: later versions may add fields, and clients send what else they like.
fn rpc<T: JsonSchema>(kind: &'static str) -> (&'static str, Value) {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with_transform(RecursiveTransform(forget_null));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), format!("urn:dramatis:rpc:1:{kind}").into());
    schema.insert("title".to_owned(), kind.into());
    (kind, head_first(schema))
}

fn asset<T: JsonSchema>(kind: &'static str) -> (&'static str, Value) {
    let settings = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(forget_null))
        .with_transform(RecursiveTransform(forget_empty))
        .with_transform(RecursiveTransform(bound_asset_ids))
        .with_transform(RecursiveTransform(refuse_other_fields));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), format!("urn:dramatis:assets:1:{kind}").into());
    schema.insert("title".to_owned(), kind.into());
    (kind, head_first(schema))
}

/// Strict: a field that isn't listed is a mistake, most likely a misspelt one.
fn from_game<T: JsonSchema>(kind: &'static str) -> (&'static str, Value) {
    let mut schema = message::<T>(kind);
    let message_id = json!({"type": "string", "minLength": 1, "maxLength": MAX_ID_BYTES,
        "description": "The game's id of the message, which answers name."});
    set_property(&mut schema, "message_id", message_id);
    RecursiveTransform(refuse_other_fields).transform(&mut schema);
    (kind, head_first(schema))
}

/// Open: later versions of the server may add fields, and a game must not stumble over them.
fn from_server<T: JsonSchema>(kind: &'static str) -> (&'static str, Value) {
    (kind, head_first(message::<T>(kind)))
}

/// What a reader wants to know first stands first.
fn head_first(mut schema: Schema) -> Value {
    if let Some(Value::Object(properties)) = schema.get_mut("properties")
        && let Some(kind) = properties.shift_remove("type")
    {
        properties.shift_insert(0, "type".to_owned(), kind);
    }
    let Value::Object(mut all) = schema.to_value() else { return Value::Null };
    let head = ["$schema", "$id", "title", "description"];
    let mut sorted: Map<String, Value> =
        head.iter().filter_map(|key| all.shift_remove_entry(*key)).collect();
    sorted.extend(all);
    sorted.into()
}

fn message<T: JsonSchema>(kind: &str) -> Schema {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with_transform(RecursiveTransform(forget_null))
        .with_transform(RecursiveTransform(bound_ids));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let id = format!("urn:dramatis:protocol:{PROTOCOL_VERSION}:{kind}");
    schema.insert("$id".to_owned(), id.into());
    schema.insert("title".to_owned(), kind.into());
    set_property(&mut schema, "type", json!({"const": kind}));
    let required = schema.ensure_object().entry("required").or_insert_with(|| json!([]));
    if let Value::Array(required) = required {
        required.insert(0, "type".into());
    }
    schema
}

fn set_property(schema: &mut Schema, name: &str, property: Value) {
    let properties = schema.ensure_object().entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        properties.insert(name.to_owned(), property);
    }
}

fn refuse_other_fields(schema: &mut Schema) {
    if schema.get("properties").is_some() {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
}

/// The types allow `null` for what is optional; on the wire it is left out.
fn forget_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.retain(|option| *option != json!({"type": "null"}));
        if let [Value::Object(only)] = options.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            schema.ensure_object().extend(only);
        }
    }
    if schema.get("default").is_some_and(|default| *default == "" || default.is_null()) {
        schema.remove("default");
    }
}

/// A default that says "none" says nothing.
fn forget_empty(schema: &mut Schema) {
    if schema.get("default").is_some_and(|default| *default == json!([]) || *default == json!({})) {
        schema.remove("default");
    }
}

/// Gives every property that is an id, by its name, an id's length.
fn bound_ids(schema: &mut Schema) {
    bound(schema, |name| name.ends_with("_id"));
}

/// The same for assets, which have an id of their own.
fn bound_asset_ids(schema: &mut Schema) {
    bound(schema, |name| name == "id");
}

fn bound(schema: &mut Schema, is_id: fn(&str) -> bool) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for (_, property) in properties.iter_mut().filter(|(name, _)| is_id(name)) {
        if let Value::Object(property) = property
            && property.get("type").is_some_and(|kind| kind == "string")
        {
            property.insert("minLength".to_owned(), 1.into());
            property.insert("maxLength".to_owned(), MAX_ID_BYTES.into());
        }
    }
}

/// A dossier is an object of headings or a list of sections.
pub(crate) fn dossier(generator: &mut SchemaGenerator) -> Schema {
    let section = generator.subschema_for::<state::DossierSection>();
    let content = section_content(generator);
    json_schema!({"anyOf": [
        {"type": "object", "additionalProperties": content},
        {"type": "array", "items": section},
    ]})
}

/// What may stand under a heading.
pub(crate) fn section_content(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "number", "boolean", "array", "object"]})
}

/// Tools come flat, or wrapped as OpenAI's API has them.
pub(crate) fn tools(generator: &mut SchemaGenerator) -> Schema {
    let tool = generator.subschema_for::<state::ToolDefinition>();
    json_schema!({"type": "array", "items": {"anyOf": [
        tool,
        {
            "type": "object",
            "properties": {"type": {"const": "function"}, "function": tool},
            "required": ["type", "function"],
        },
    ]}})
}

/// The values of an attribute; numbers and truth values are read as text.
pub(crate) fn scalars(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": ["string", "number", "boolean"]}})
}

/// An object of any content.
pub(crate) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object"})
}

/// An object of texts.
pub(crate) fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "additionalProperties": {"type": "string"}})
}

/// `agent_id` or `agent_ids`, and something that happened.
pub(crate) fn notification(schema: &mut Schema) {
    let agent_id = json!({"type": "string", "description": "An agent that learns of it."});
    set_property(schema, "agent_id", agent_id);
    let happened = schema.remove("anyOf").unwrap_or_default();
    schema.insert("required".to_owned(), json!([]));
    schema.insert(
        "allOf".to_owned(),
        json!([
            {"anyOf": happened},
            {"anyOf": [{"required": ["agent_id"]}, {"required": ["agent_ids"]}]},
        ]),
    );
}
