//! One YAML document, read strictly into a type, and what is wrong with it in our own words. The one
//! place of this module that knows the YAML library.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Error, Location, Options, Spanned};

use super::problem::{Fault, Place};

/// Deepest nesting of lists and maps.
const MAX_DEPTH: usize = 32;

/// Most values of a file, keys among them.
const MAX_NODES: usize = 200_000;

/// Reads a document.
pub(super) fn read<T: DeserializeOwned>(yaml: &str) -> Result<T, Fault> {
    serde_saphyr::from_str_with_options(yaml, options()).map_err(|error| fault(&error, yaml))
}

/// Without aliases a document is as large as it looks. Without strict booleans `no` and `n` would be
/// false, also as keys.
fn options() -> Options {
    serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        emit_comments: false,
        budget: serde_saphyr::budget! {
            max_aliases: 0,
            max_merge_keys: 0,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
        },
    }
}

fn fault(error: &Error, yaml: &str) -> Fault {
    let place = error.location().map(place_of);
    let line =
        place.and_then(|(line, _)| yaml.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?));
    let indent = |line: &str| line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t');
    if is_of_syntax(error) && line.is_some_and(indent) {
        return Fault::new(place, "a tab stands before the text: indent with spaces");
    }
    if yaml.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Fault::new(None, "the file is empty: fill it, or remove it");
    }
    Fault::new(place, explain(error))
}

fn place_of(location: Location) -> Place {
    (location.line(), location.column())
}

/// Whether it isn't even YAML.
fn is_of_syntax(error: &Error) -> bool {
    matches!(error, Error::Message { .. } | Error::ExternalMessage { .. } | Error::Eof { .. })
}

fn explain(error: &Error) -> String {
    match error {
        Error::AliasError { error, .. } => explain(error),
        Error::SerdeUnknownField { field, expected, .. } => format!(
            "the key `{field}` means nothing here: check its spelling; there are {}",
            listed(expected)
        ),
        Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing: add it"),
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("`{variant}` is unknown: write one of {}", listed(expected))
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("{} belongs here, not {}", in_our_words(expected), in_our_words(unexpected))
        }
        Error::Unexpected { expected, .. } => format!("{} belongs here", in_our_words(expected)),
        Error::InvalidScalar { ty, .. } => format!("{} belongs here", in_our_words(ty)),
        Error::DuplicateMappingKey { key, .. } => match key {
            Some(key) => format!("the key `{key}` stands here a second time: keep one of the two"),
            None => "a key stands here a second time: keep one of the two".to_owned(),
        },
        Error::NullIntoString { .. } => {
            "there is no text behind this key: write one, or remove the key".to_owned()
        }
        Error::InvalidBooleanStrict { .. } => "true or false belongs here".to_owned(),
        Error::MultipleDocuments { .. } => {
            "a second document begins here: make a file of its own of it".to_owned()
        }
        Error::UnknownAnchor { .. } => "a text that begins with `*` needs quotes".to_owned(),
        Error::Budget { breach, .. } => beyond(breach),
        other => said_by_parser(other),
    }
}

/// The library's names for kinds of values, as people who write files know them.
fn in_our_words(kind: &str) -> &str {
    match kind {
        "sequence start" | "sequence" | "a sequence" => "a list",
        "mapping start" | "map" | "a map" => "a map",
        "string scalar" | "scalar" | "a string" | "string" => "a text",
        "i64" | "u64" => "a whole number",
        "unit value" => "nothing",
        other => other.strip_prefix("struct ").map_or(other, |_| "a map of keys"),
    }
}

fn beyond(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Aliases { .. } | BudgetBreach::MergeKeys { .. } => {
            "aliases (`*name`) and merges (`<<`) are not read: write out what they stand for, and \
             quote a text that begins with `*`"
                .to_owned()
        }
        BudgetBreach::Depth { .. } => too_deep(),
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
            format!("the file holds more than {MAX_NODES} values: divide it")
        }
        _ => "the file holds more than a file of assets may: divide it".to_owned(),
    }
}

fn too_deep() -> String {
    format!("lists and maps are nested deeper than {MAX_DEPTH} levels: write it flatter")
}

/// The library's own words, without the place that stands in front already.
fn said_by_parser(error: &Error) -> String {
    let mut message = error.without_snippet().to_string();
    let at = error.location().map(|at| format!(" at line {}, column {}", at.line(), at.column()));
    if let Some(rest) = at.and_then(|at| message.strip_suffix(&at)) {
        message = rest.to_owned();
    }
    if message.contains("recursion limit") {
        return too_deep();
    }
    if message.contains("mapping values are not allowed") {
        return "a text that holds a colon and a space needs quotes, or stands below `>-`; else \
                check the indentation"
            .to_owned();
    }
    if is_of_syntax(error) {
        return format!("this is not YAML ({message}): check indentation and quotes here");
    }
    format!("this can't be read ({message}): correct it")
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// One step on the way to a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

/// Where things stand in a document that has been read already.
pub(super) struct Places(Option<Node>);

impl Places {
    pub fn of(yaml: &str) -> Self {
        Self(serde_saphyr::from_str_with_options(yaml, options()).ok())
    }

    /// Where a value stands, or where its key does: the end of the way that is there.
    pub fn find(&self, way: &[Step<'_>]) -> Option<Place> {
        let mut here = self.0.as_ref()?;
        let mut place = None;
        for step in way {
            let next = match (step, here) {
                (Step::Key(wanted), Node::Map(entries)) => {
                    entries.iter().find(|(key, _)| key.value == *wanted).map(|(key, value)| {
                        // A text that is wrong is pointed at itself, a list by its key.
                        let at = if matches!(value.value, Node::Scalar) {
                            value.referenced
                        } else {
                            key.referenced
                        };
                        (at, &value.value)
                    })
                }
                (Step::Item(index), Node::List(items)) => {
                    items.get(*index).map(|item| (item.referenced, &item.value))
                }
                _ => None,
            };
            let Some((at, value)) = next else { break };
            (place, here) = (Some(place_of(at)), value);
        }
        place
    }
}

enum Node {
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
    List(Vec<Spanned<Self>>),
    Scalar,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        Node::deserialize(from)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
}
