//! Field by field, what each message of a game holds.
//!
//! One function a type, in the order of the specification's tables. The agent's state, which
//! two of them carry, is read next door.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::fields::{Fields, Item, Reading};
use super::state;
use super::values::{any, boolean, id, integer, name, one_of, text};
use crate::Id;
use crate::client::{
    Actor, AgentStateSnapshot, AgentTurnResult, CancelTurn, Hello, InteractionEvent, Interrupt,
    NotificationEvent, Outcome, Ping, TagOutcome, ToolResult, ToolResults,
};
use crate::limits::MAX_ID_BYTES;

const INTERRUPTS: &[(&str, Interrupt)] =
    &[("now", Interrupt::Now), ("queue", Interrupt::Queue), ("drop", Interrupt::Drop)];

const OUTCOMES: &[(&str, Outcome)] = &[
    ("done", Outcome::Done),
    ("partial", Outcome::Partial),
    ("skipped", Outcome::Skipped),
    ("failed", Outcome::Failed),
    ("cancelled", Outcome::Cancelled),
];

/// An unknown `protocol` isn't refused here: the token beside it still counts.
pub(super) fn hello(f: &mut Fields<'_>) -> Reading<Hello> {
    let hello = Hello {
        token: f.get("token", text)?,
        protocol: f.get("protocol", id)?.map(|version| version.to_string()),
        game: f.get("game", name)?,
        session_id: f.get("session_id", id)?,
        fork_of: f.get("fork_of", id)?,
        resume_after: f.get("resume_after", resume_after)?.unwrap_or_default(),
        forget_others: f.get("forget_others", boolean)?.unwrap_or_default(),
    };
    if hello.fork_of.is_some() && hello.session_id.is_none() {
        return Err(f.fault("session_id", "is missing: `fork_of` needs the new session's name"));
    }
    Ok(hello)
}

fn resume_after(item: Item<'_>) -> Reading<BTreeMap<Id, Id>> {
    let turns = item.entries(|agent_id, turn| {
        if agent_id.is_empty() || agent_id.len() > MAX_ID_BYTES {
            return Err(turn.fault("must stand under an agent's id of 1 to 256 bytes"));
        }
        Ok((Id::from(agent_id), id(turn)?))
    })?;
    Ok(turns.into_iter().collect())
}

pub(super) fn ping(f: &mut Fields<'_>) -> Reading<Ping> {
    Ok(Ping { nonce: f.get("nonce", nonce)? })
}

fn nonce(item: Item<'_>) -> Reading<Value> {
    if item.value().to_string().len() > MAX_ID_BYTES {
        return Err(item.wrong("at most 256 bytes of JSON"));
    }
    any(item)
}

pub(super) fn interaction_event(f: &mut Fields<'_>) -> Reading<InteractionEvent> {
    let agent_id = f.need("agent_id", id)?;
    let Happening { event_id, event_type, text, actor, data } = happening(f)?;
    Ok(InteractionEvent {
        agent_id,
        event_id,
        event_type,
        text,
        actor,
        data,
        state: f.get("state", state::agent_state)?,
        priority: f.get("priority", integer)?.unwrap_or(0),
        interrupt: f.get("interrupt", |item| one_of(item, INTERRUPTS))?.unwrap_or_default(),
    })
}

pub(super) fn notification_event(f: &mut Fields<'_>) -> Reading<NotificationEvent> {
    let mut agent_ids: Vec<Id> = f.get("agent_id", id)?.into_iter().collect();
    agent_ids.extend(f.get("agent_ids", |item| item.list(id))?.unwrap_or_default());
    let mut named = HashSet::new();
    agent_ids.retain(|agent_id| named.insert(agent_id.clone()));
    if agent_ids.is_empty() {
        return Err(
            f.fault("agent_ids", "is missing: name at least one agent there or in `agent_id`")
        );
    }
    let Happening { event_id, event_type, text, actor, data } = happening(f)?;
    Ok(NotificationEvent { agent_ids, event_id, event_type, text, actor, data })
}

/// What both kinds of event say of what happened.
struct Happening {
    event_id: Option<Id>,
    event_type: Option<String>,
    text: Option<String>,
    actor: Option<Actor>,
    data: Option<Value>,
}

fn happening(f: &mut Fields<'_>) -> Reading<Happening> {
    let happening = Happening {
        event_id: f.get("event_id", id)?,
        event_type: f.get("event_type", text)?,
        text: f.get("text", text)?,
        actor: f.get("actor", actor)?,
        data: f.get("data", any)?,
    };
    let words = [&happening.text, &happening.event_type];
    if happening.data.is_none() && words.iter().all(|w| w.as_ref().is_none_or(|w| is_blank(w))) {
        return Err(
            f.fault("text", "is missing: say what happened in `text`, `event_type` or `data`")
        );
    }
    Ok(happening)
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn actor(item: Item<'_>) -> Reading<Actor> {
    item.object(|f| Ok(Actor { id: f.get("id", id)?, name: f.get("name", name)? }))
}

pub(super) fn agent_state_snapshot(f: &mut Fields<'_>) -> Reading<AgentStateSnapshot> {
    Ok(AgentStateSnapshot {
        request_id: f.get("request_id", id)?,
        agent_id: f.need("agent_id", id)?,
        state: f.need("state", state::agent_state)?,
    })
}

pub(super) fn agent_turn_result(f: &mut Fields<'_>) -> Reading<AgentTurnResult> {
    let result = AgentTurnResult {
        agent_id: f.need("agent_id", id)?,
        turn_id: f.need("turn_id", id)?,
        content: f.get("content", text)?,
        tags: f.get("tags", |item| item.list(tag_outcome))?,
    };
    if result.content.is_none() && result.tags.is_none() {
        return Err(f.fault("content", "is missing: report `content`, `tags` or both"));
    }
    Ok(result)
}

fn tag_outcome(item: Item<'_>) -> Reading<TagOutcome> {
    item.object(|f| {
        Ok(TagOutcome {
            tag_id: f.need("tag_id", integer)?,
            outcome: f.need("outcome", |item| one_of(item, OUTCOMES))?,
            presented_chars: f.get("presented_chars", integer)?,
            detail: f.get("detail", text)?,
        })
    })
}

pub(super) fn tool_results(f: &mut Fields<'_>) -> Reading<ToolResults> {
    Ok(ToolResults {
        agent_id: f.need("agent_id", id)?,
        turn_id: f.need("turn_id", id)?,
        results: f.need("results", |item| item.list(tool_result))?,
        follow_up: f.get("follow_up", boolean)?.unwrap_or(true),
    })
}

/// `output` is needed, but a tool without an answer may say `null`.
fn tool_result(item: Item<'_>) -> Reading<ToolResult> {
    item.object(|f| {
        let tag_id = f.get("tag_id", integer)?;
        let call_id = f.get("call_id", id)?.map(|id| id.to_string());
        if tag_id.is_none() && call_id.is_none() {
            return Err(f.fault("tag_id", "is missing: name the call by `tag_id` or `call_id`"));
        }
        let name = f.get("name", name)?;
        let ok = f.need("ok", boolean)?;
        let says_null = f.mentions("output");
        let output = match f.get("output", any)? {
            None if !says_null => return Err(f.fault("output", "is missing: add it, any JSON")),
            output => output.unwrap_or_default(),
        };
        Ok(ToolResult { tag_id, call_id, name, ok, output })
    })
}

pub(super) fn cancel_turn(f: &mut Fields<'_>) -> Reading<CancelTurn> {
    Ok(CancelTurn {
        agent_id: f.need("agent_id", id)?,
        turn_id: f.get("turn_id", id)?,
        reason: f.get("reason", text)?,
    })
}
