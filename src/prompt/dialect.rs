//! How a character is told to speak in tags, made from its vocabulary: a line for each tag, and one
//! worked example in just these tags.

use std::fmt::Write as _;

use dramatis_protocol::Sentences;
use dramatis_protocol::sentences::fill;

use crate::tags::{AttributeDef, AttributeType, Content, Kind, TagDef, Vocabulary};

use super::quote;

/// The section's text, without its heading.
pub fn text(vocabulary: &Vocabulary, say: &Sentences) -> String {
    let mut out = format!("{}\n", say.speak);
    for tag in vocabulary.tags() {
        tag_lines(&mut out, tag, say);
    }
    // Writing to a string can't fail.
    let _ = write!(out, "{}\n\n{}\n{}", say.nesting, say.example, example(vocabulary, say));
    out
}

fn tag_lines(out: &mut String, tag: &TagDef, say: &Sentences) {
    let form = match is_empty(tag) {
        true => format!("<{}{}/>", tag.name, shape(tag)),
        false => format!("<{0}{1}>…</{0}>", tag.name, shape(tag)),
    };
    let mut notes = vec![kind(tag.kind, say).to_owned()];
    match (&tag.contains, tag.kind) {
        _ if is_empty(tag) => notes.push(say.no_content.clone()),
        (Some(inner), Kind::Speech | Kind::Action | Kind::Tool) if inner.is_empty() => {
            notes.push(say.only_text.clone());
        }
        (Some(inner), Kind::Speech | Kind::Action | Kind::Tool) => {
            let tags = inner.join(", ");
            notes.push(fill(&say.may_hold, &[("tags", &quote::one_line(&tags))]));
        }
        _ => {}
    }
    let _ = write!(out, "- {form}: {}.", notes.join("; "));
    if let Some(description) = &tag.description {
        let _ = write!(out, " {}", quote::one_line(description));
    }
    out.push('\n');
    for attribute in &tag.attributes {
        let _ = writeln!(out, "  - {}", attribute_line(attribute, say));
    }
}

fn kind(kind: Kind, say: &Sentences) -> &str {
    match kind {
        Kind::Speech => &say.said,
        Kind::Action => &say.done,
        Kind::Tool => &say.calls,
        Kind::Hidden => &say.hidden,
    }
}

fn attribute_line(attribute: &AttributeDef, say: &Sentences) -> String {
    let need = if attribute.required { &say.required } else { &say.optional };
    let mut line = format!("{} ({need}", quote::one_line(&attribute.name));
    let wanted = match attribute.value_type {
        _ if !attribute.values.is_empty() => {
            let values: Vec<_> =
                attribute.values.iter().map(|value| quote::quoted(value)).collect();
            fill(&say.one_of, &[("values", &values.join(", "))])
        }
        AttributeType::String => String::new(),
        AttributeType::Integer => say.whole_number.clone(),
        AttributeType::Number => say.number.clone(),
        AttributeType::Boolean => say.truth.clone(),
    };
    if !wanted.is_empty() {
        let _ = write!(line, "; {wanted}");
    }
    line.push(')');
    if let Some(description) = &attribute.description {
        let _ = write!(line, ": {}", quote::one_line(description));
    }
    line
}

/// The attributes that a tag can't do without, or else its first.
fn shape(tag: &TagDef) -> String {
    let mut shown: Vec<_> = tag.attributes.iter().filter(|attribute| attribute.required).collect();
    if shown.is_empty() {
        shown.extend(tag.attributes.first());
    }
    shown.iter().map(|attribute| format!(" {}=\"…\"", attribute.name)).collect()
}

/// The attributes that a tag can't do without, with values that fit.
fn filled(tag: &TagDef, say: &Sentences) -> String {
    let required = tag.attributes.iter().filter(|attribute| attribute.required);
    required
        .map(|attribute| {
            let value = value(tag, attribute, say);
            format!(" {}=\"{}\"", attribute.name, quote::attribute(&value))
        })
        .collect()
}

fn value(tag: &TagDef, attribute: &AttributeDef, say: &Sentences) -> String {
    match (attribute.values.first(), attribute.value_type) {
        (Some(first), _) => first.clone(),
        (None, AttributeType::String) => likely_value(&tag.name, &attribute.name, say).to_owned(),
        (None, AttributeType::Integer) => "1".to_owned(),
        (None, AttributeType::Number) => "0.5".to_owned(),
        (None, AttributeType::Boolean) => "true".to_owned(),
    }
}

/// For the attributes that vocabularies most often have.
fn likely_value<'a>(tag: &str, attribute: &str, say: &'a Sentences) -> &'a str {
    match (tag, attribute) {
        ("emotion" | "mood" | "face", _) => &say.example_emotion,
        (_, "name") => &say.example_name,
        (_, "to" | "target") => &say.example_target,
        _ => "…",
    }
}

/// A thought, a tag without content, something said, something done: as far as there are such.
fn example(vocabulary: &Vocabulary, say: &Sentences) -> String {
    let first = |wanted: fn(&TagDef) -> bool| vocabulary.tags().iter().find(|tag| wanted(tag));
    [
        first(|tag| tag.kind == Kind::Hidden),
        first(|tag| tag.kind == Kind::Action && is_empty(tag)),
        first(|tag| tag.kind == Kind::Speech && !is_empty(tag)),
        first(|tag| tag.kind == Kind::Action && !is_empty(tag)),
        first(|tag| tag.kind == Kind::Tool),
    ]
    .into_iter()
    .flatten()
    .map(|tag| example_of(tag, say))
    .collect::<Vec<_>>()
    .join("\n")
}

fn example_of(tag: &TagDef, say: &Sentences) -> String {
    let attributes = filled(tag, say);
    if is_empty(tag) {
        return format!("<{}{attributes}/>", tag.name);
    }
    let inner = match tag.kind {
        Kind::Speech => &say.example_speech,
        Kind::Action => &say.example_action,
        Kind::Tool => &say.example_tool,
        Kind::Hidden => &say.example_thought,
    };
    format!("<{0}{attributes}>{1}</{0}>", tag.name, quote::escaped(inner))
}

fn is_empty(tag: &TagDef) -> bool {
    tag.content == Content::None && tag.kind != Kind::Hidden
}
