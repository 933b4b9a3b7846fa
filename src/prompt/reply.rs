//! A past turn as the next prompt shows it: the character's own message, which holds only what was
//! presented, written as tags; and the notes on it, which stand in the message after.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use dramatis_protocol::{Outcome, TagKind};
use serde_json::Value;

use crate::record::{LedgerTag, PastTurn, Presented, PresentedTag, ToolCall, presented};
use crate::tags::{Content, Kind, Vocabulary};

use super::quote;
use super::sentences::{Say, note, note_of};

/// Tags nest at most 16 deep; a ledger that claims more is damaged.
const MAX_DEPTH: usize = 32;
/// Longest attribute value in a note, in characters.
const NOTE_CHARS: usize = 100;

/// A past turn, read for a prompt.
#[derive(Debug)]
pub struct Reply {
    /// The character's own message; empty: it said and did nothing.
    pub text: String,
    /// What is to be said of it in the next user message.
    pub notes: Vec<String>,
    /// Native calls that stand as the provider's own, with their tags.
    pub calls: Vec<(u32, ToolCall)>,
}

/// Reads a turn, of whose calls `answered` have been. Native calls are text, except in the request
/// that answers them (`follow_up`).
pub fn read(
    turn: &PastTurn,
    answered: &BTreeSet<u32>,
    vocabulary: &Vocabulary,
    follow_up: bool,
    say: &Say<'_>,
) -> Reply {
    let presented = presented(turn, answered);
    let text = own_message(&presented, vocabulary);
    let (calls, told): (Vec<_>, Vec<_>) = presented
        .tags
        .iter()
        .filter(|tag| tag.is_native() && tag.tag.complete)
        .map(|tag| tag.tag)
        .partition(|call| follow_up && answered.contains(&call.tag_id));
    let mut notes = Vec::new();
    if presented.cut_off {
        let silent = text.is_empty() && calls.is_empty();
        notes.push(note(if silent { &say.own.unheard } else { &say.own.cut_off }));
    }
    notes.extend(presented.tags.iter().filter_map(|tag| fate(tag, say)));
    let named = |call: &LedgerTag| quote::name(&call.tag, say).into_owned();
    notes.extend(told.iter().map(|call| say.called(&named(call), &arguments(call))));
    notes.extend(unanswered(&presented, answered).map(|call| say.never_answered(&named(call))));
    Reply {
        text,
        notes,
        calls: calls.into_iter().map(|call| (call.tag_id, native(call))).collect(),
    }
}

/// The calls that could run and were never answered.
fn unanswered<'a>(
    presented: &'a Presented<'_>,
    answered: &'a BTreeSet<u32>,
) -> impl Iterator<Item = &'a LedgerTag> {
    let calls = presented.tags.iter().map(|tag| tag.tag);
    calls.filter(|tag| tag.kind == TagKind::Tool && tag.complete && !answered.contains(&tag.tag_id))
}

fn native(call: &LedgerTag) -> ToolCall {
    let id = call.call_id.clone().unwrap_or_else(|| format!("call_{}", call.tag_id));
    let arguments = Value::Object(call.arguments.clone().unwrap_or_default()).to_string();
    ToolCall { id, name: call.tag.to_string(), arguments, signature: call.signature.clone() }
}

fn arguments(call: &LedgerTag) -> String {
    quote::json(&Value::Object(call.arguments.clone().unwrap_or_default()))
}

fn own_message(presented: &Presented<'_>, vocabulary: &Vocabulary) -> String {
    if let Some(content) = presented.content {
        return in_game_words(content.trim(), vocabulary);
    }
    let tree = Tree(&presented.tags);
    let mut out = String::new();
    for root in presented.tags.iter().filter(|tag| tag.tag.parent_id.is_none()) {
        let begin = out.len();
        tree.write(&mut out, root, 0);
        if 0 < begin && begin < out.len() {
            out.insert(begin, '\n');
        }
    }
    out
}

/// The game's wording as the character's speech, so that the character goes on speaking in tags.
fn in_game_words(content: &str, vocabulary: &Vocabulary) -> String {
    let speech = vocabulary
        .tags()
        .iter()
        .find(|tag| tag.kind == Kind::Speech && tag.content == Content::Text);
    let words = quote::escaped(content);
    match speech {
        Some(tag) if !words.is_empty() => format!("<{0}>{words}</{0}>", tag.name),
        _ => words.into_owned(),
    }
}

struct Tree<'a>(&'a [PresentedTag<'a>]);

impl Tree<'_> {
    /// Writes the tag with what is inside it. One that doesn't stand leaves what stands inside it.
    fn write(&self, out: &mut String, tag: &PresentedTag<'_>, depth: usize) {
        if depth > MAX_DEPTH || tag.tag.kind == TagKind::Hidden {
            return;
        }
        let inner = self.inner(tag, depth);
        // Writing to a string can't fail.
        let _ = match (tag.stands(), inner.is_empty()) {
            (false, _) => write!(out, "{inner}"),
            (true, true) => write!(out, "<{}{}/>", tag.tag.tag, attributes(tag.tag)),
            (true, false) => write!(out, "<{0}{1}>{inner}</{0}>", tag.tag.tag, attributes(tag.tag)),
        };
    }

    fn inner(&self, tag: &PresentedTag<'_>, depth: usize) -> String {
        let mut out = String::with_capacity(tag.shown.len());
        let mut written = 0;
        for (child, offset) in &tag.tag.children {
            let offset = boundary(tag.shown, *offset).max(written);
            out.push_str(&quote::escaped(tag.shown.get(written..offset).unwrap_or_default()));
            written = offset;
            if let Some(child) = self.find(*child) {
                self.write(&mut out, child, depth + 1);
            }
        }
        out.push_str(&quote::escaped(tag.shown.get(written..).unwrap_or_default()));
        out
    }

    /// A tag's id is its place, unless the ledger is damaged.
    fn find(&self, tag_id: u32) -> Option<&PresentedTag<'_>> {
        let is_it = |tag: &&PresentedTag<'_>| tag.tag.tag_id == tag_id;
        let place = usize::try_from(tag_id).ok()?;
        self.0.get(place).filter(is_it).or_else(|| self.0.iter().find(is_it))
    }
}

/// `offset`, or the nearest character's beginning before it.
fn boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

fn attributes(tag: &LedgerTag) -> String {
    let clean = |name: &str| {
        name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-'))
    };
    tag.attributes.iter().filter(|(name, _)| clean(name)).fold(
        String::new(),
        |mut out, (name, value)| {
            // Writing to a string can't fail.
            let _ = write!(out, " {name}=\"{}\"", quote::attribute(&words(value)));
            out
        },
    )
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// What became of a tag, where that is worth a note. A call's fate is its answer.
fn fate(tag: &PresentedTag<'_>, say: &Say<'_>) -> Option<String> {
    let detail = tag.detail.filter(|detail| !detail.trim().is_empty());
    match tag.tag.kind {
        TagKind::Action => {}
        TagKind::Speech if detail.is_some() => {}
        TagKind::Speech | TagKind::Tool | TagKind::Hidden => return None,
    }
    let mut what = describe(tag.tag, say);
    if let Some(detail) = detail {
        what = format!("{what}: {}", quote::quoted(detail));
    }
    let template = match tag.outcome {
        Outcome::Done if detail.is_none() => return None,
        Outcome::Done => &say.own.noted,
        Outcome::Partial => &say.own.done_in_part,
        Outcome::Skipped => &say.own.not_done,
        Outcome::Failed => &say.own.failed,
        Outcome::Cancelled => &say.own.stopped,
    };
    Some(note_of(template, &what))
}

/// `action (name: "wave")`.
fn describe(tag: &LedgerTag, say: &Say<'_>) -> String {
    let attributes: Vec<_> = tag
        .attributes
        .iter()
        .map(|(name, value)| {
            let value: String = words(value).chars().take(NOTE_CHARS).collect();
            format!("{}: {}", quote::name(name, say), quote::quoted(&value))
        })
        .collect();
    let name = quote::name(&tag.tag, say);
    if attributes.is_empty() {
        name.into_owned()
    } else {
        format!("{name} ({})", attributes.join(", "))
    }
}
