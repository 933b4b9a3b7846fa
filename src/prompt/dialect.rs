//! How a character is told to speak in tags, made from its vocabulary: a line for each tag, and one
//! worked example in just these tags.

use std::fmt::Write as _;

use crate::tags::{AttributeDef, AttributeType, Content, Kind, TagDef, Vocabulary};

use super::quote;
use super::sentences as say;

/// The section's text, without its heading.
pub fn text(vocabulary: &Vocabulary) -> String {
    let mut out = format!("{}\n", say::SPEAK);
    for tag in vocabulary.tags() {
        tag_lines(&mut out, tag);
    }
    // Writing to a string can't fail.
    let _ = write!(out, "{}\n\n{}\n{}", say::NESTING, say::EXAMPLE, example(vocabulary));
    out
}

fn tag_lines(out: &mut String, tag: &TagDef) {
    let form = match is_empty(tag) {
        true => format!("<{}{}/>", tag.name, shape(tag)),
        false => format!("<{0}{1}>…</{0}>", tag.name, shape(tag)),
    };
    let mut notes = vec![kind(tag.kind).to_owned()];
    match (&tag.contains, tag.kind) {
        _ if is_empty(tag) => notes.push(say::NO_CONTENT.to_owned()),
        (Some(inner), Kind::Speech | Kind::Action | Kind::Tool) if inner.is_empty() => {
            notes.push(say::ONLY_TEXT.to_owned());
        }
        (Some(inner), Kind::Speech | Kind::Action | Kind::Tool) => {
            notes.push(format!("{} {}", say::MAY_HOLD, quote::one_line(&inner.join(", "))));
        }
        _ => {}
    }
    let _ = write!(out, "- {form}: {}.", notes.join("; "));
    if let Some(description) = &tag.description {
        let _ = write!(out, " {}", quote::one_line(description));
    }
    out.push('\n');
    for attribute in &tag.attributes {
        let _ = writeln!(out, "  - {}", attribute_line(attribute));
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Speech => say::SAID,
        Kind::Action => say::DONE,
        Kind::Tool => say::CALLS,
        Kind::Hidden => say::HIDDEN,
    }
}

fn attribute_line(attribute: &AttributeDef) -> String {
    let need = if attribute.required { say::REQUIRED } else { say::OPTIONAL };
    let mut line = format!("{} ({need}", quote::one_line(&attribute.name));
    let wanted = match attribute.value_type {
        _ if !attribute.values.is_empty() => {
            let values: Vec<_> =
                attribute.values.iter().map(|value| quote::quoted(value)).collect();
            format!("{} {}", say::ONE_OF, values.join(", "))
        }
        AttributeType::String => String::new(),
        AttributeType::Integer => say::WHOLE_NUMBER.to_owned(),
        AttributeType::Number => say::NUMBER.to_owned(),
        AttributeType::Boolean => say::TRUTH.to_owned(),
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
fn filled(tag: &TagDef) -> String {
    let required = tag.attributes.iter().filter(|attribute| attribute.required);
    required
        .map(|attribute| {
            format!(" {}=\"{}\"", attribute.name, quote::attribute(&value(tag, attribute)))
        })
        .collect()
}

fn value(tag: &TagDef, attribute: &AttributeDef) -> String {
    match (attribute.values.first(), attribute.value_type) {
        (Some(first), _) => first.clone(),
        (None, AttributeType::String) => say::example_value(&tag.name, &attribute.name).to_owned(),
        (None, AttributeType::Integer) => "1".to_owned(),
        (None, AttributeType::Number) => "0.5".to_owned(),
        (None, AttributeType::Boolean) => "true".to_owned(),
    }
}

/// A thought, a tag without content, something said, something done: as far as there are such.
fn example(vocabulary: &Vocabulary) -> String {
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
    .map(example_of)
    .collect::<Vec<_>>()
    .join("\n")
}

fn example_of(tag: &TagDef) -> String {
    let attributes = filled(tag);
    if is_empty(tag) {
        return format!("<{}{attributes}/>", tag.name);
    }
    let inner = match tag.kind {
        Kind::Speech => say::EXAMPLE_SPEECH,
        Kind::Action => say::EXAMPLE_ACTION,
        Kind::Tool => say::EXAMPLE_TOOL,
        Kind::Hidden => say::EXAMPLE_THOUGHT,
    };
    format!("<{0}{attributes}>{inner}</{0}>", tag.name)
}

fn is_empty(tag: &TagDef) -> bool {
    tag.content == Content::None && tag.kind != Kind::Hidden
}
