//! What the readings stand on: an [`Item`] is a value and where it stands, [`Fields`] are the
//! items of an object, and a [`Fault`] says what is wrong with one.
//!
//! Here lie the rules for every object: `null` is absent, snake case wins over camel case, flat
//! fields win over `payload`, what nobody asks for is unknown. What a value may be is left to
//! `values`, which fields a message has to `messages` and `state`.

use std::fmt;

use serde_json::{Map, Value};

use super::values::id_of;
use crate::Id;
use crate::limits::MAX_QUOTED_CHARS;
use crate::server::ErrorCode;

/// Most unknown fields of one message that are kept for the log.
const MAX_UNKNOWN: usize = 32;

/// What is wrong with a field, in a sentence for the game's developer.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: ErrorCode,
    pub(super) field: Option<String>,
    pub(super) message: String,
}

pub(super) type Reading<T> = Result<T, Fault>;

/// Where a value stands in the message; written out only when needed.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    Root,
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => write!(f, "{}", cut(key)),
            Path::Key(parent, key) => write!(f, "{parent}.{}", cut(key)),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A value that isn't `null`, and where it stands.
pub(super) struct Item<'a> {
    value: Value,
    path: Path<'a>,
    unknown: &'a mut Vec<String>,
}

impl<'a> Item<'a> {
    pub(super) const fn root(value: Value, unknown: &'a mut Vec<String>) -> Self {
        Self { value, path: Path::Root, unknown }
    }

    /// `<path> must be <expected>, not <value>`.
    pub(super) fn wrong(&self, expected: &str) -> Fault {
        wrong(self.path, expected, &self.value)
    }

    /// An object, its keys read one by one; what `read` leaves is unknown.
    pub(super) fn object<T>(self, read: impl FnOnce(&mut Fields<'_>) -> Reading<T>) -> Reading<T> {
        let mut fields = self.fields()?;
        let read = read(&mut fields)?;
        fields.finish();
        Ok(read)
    }

    pub(super) fn fields(self) -> Reading<Fields<'a>> {
        match self.value {
            Value::Object(flat) => {
                Ok(Fields { flat, payload: Map::new(), path: self.path, unknown: self.unknown })
            }
            other => Err(wrong(self.path, "an object", &other)),
        }
    }

    /// An object whose keys are the game's own; an absent (`null`) value is left out.
    pub(super) fn entries<T>(
        self,
        mut read: impl FnMut(&str, Item<'_>) -> Reading<T>,
    ) -> Reading<Vec<T>> {
        let Value::Object(entries) = self.value else {
            return Err(self.wrong("an object"));
        };
        let present = entries.into_iter().filter(|(_, value)| !value.is_null());
        present
            .map(|(key, value)| {
                let path = Path::Key(&self.path, &key);
                read(&key, Item { value, path, unknown: &mut *self.unknown })
            })
            .collect()
    }

    /// A list.
    pub(super) fn list<T>(self, mut read: impl FnMut(Item<'_>) -> Reading<T>) -> Reading<Vec<T>> {
        let Value::Array(items) = self.value else {
            return Err(self.wrong("a list"));
        };
        let items = items.into_iter().enumerate();
        items
            .map(|(index, value)| {
                let path = Path::Index(&self.path, index);
                read(Item { value, path, unknown: &mut *self.unknown })
            })
            .collect()
    }

    pub(super) const fn value(&self) -> &Value {
        &self.value
    }

    pub(super) fn into_value(self) -> Value {
        self.value
    }

    /// A fault of this item in words of the caller's: `<path> <message>`.
    pub(super) fn fault(&self, message: &str) -> Fault {
        fault(self.path, message)
    }
}

/// The fields of an object, each taken once.
pub(super) struct Fields<'a> {
    flat: Map<String, Value>,
    payload: Map<String, Value>,
    path: Path<'a>,
    unknown: &'a mut Vec<String>,
}

impl Fields<'_> {
    /// Takes in the fields under `payload`, which count where no flat field stands.
    pub(super) fn open_payload(&mut self) -> Reading<()> {
        match self.flat.remove("payload") {
            None | Some(Value::Null) => {}
            Some(Value::Object(payload)) => self.payload = payload,
            Some(other) => {
                return Err(wrong(Path::Key(&self.path, "payload"), "an object", &other));
            }
        }
        Ok(())
    }

    /// A field's value, left where it is.
    pub(super) fn peek(&self, name: &str) -> Option<&Value> {
        let camel = camel_case(name);
        let spellings = [Some(name), camel.as_deref()];
        [&self.flat, &self.payload]
            .into_iter()
            .flat_map(|map| spellings.iter().flatten().filter_map(|key| map.get(*key)))
            .find(|value| !value.is_null())
    }

    /// The id in a field, if it holds one.
    pub(super) fn peek_id(&self, name: &str) -> Option<Id> {
        id_of(self.peek(name)?).ok()
    }

    /// Whether the field stands in the object, be it as `null`.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.flat.contains_key(name) || self.payload.contains_key(name)
    }

    /// Takes a field out in every spelling and place, and gives the one that counts.
    fn take(&mut self, name: &str) -> Option<Value> {
        let camel = camel_case(name);
        let mut found = None;
        for map in [&mut self.flat, &mut self.payload] {
            for key in [Some(name), camel.as_deref()].into_iter().flatten() {
                let value = map.remove(key).filter(|value| !value.is_null());
                found = found.or(value);
            }
        }
        found
    }

    /// Reads an optional field.
    pub(super) fn get<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Item<'_>) -> Reading<T>,
    ) -> Reading<Option<T>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let path = Path::Key(&self.path, name);
        read(Item { value, path, unknown: &mut *self.unknown }).map(Some)
    }

    /// Reads a field that must be there.
    pub(super) fn need<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Item<'_>) -> Reading<T>,
    ) -> Reading<T> {
        match self.get(name, read)? {
            Some(value) => Ok(value),
            None => Err(self.fault(name, "is missing: add it")),
        }
    }

    /// A fault of the field `name`: `<path> <message>`.
    pub(super) fn fault(&self, name: &str, message: &str) -> Fault {
        fault(Path::Key(&self.path, name), message)
    }

    /// A fault of the field `name` in a whole sentence of the caller's.
    pub(super) fn fault_in_words(&self, name: &str, message: String) -> Fault {
        Fault { message, ..self.fault(name, "") }
    }

    /// Notes what was never taken as unknown.
    pub(super) fn finish(self) {
        let mut left: Vec<&String> = self.flat.keys().chain(self.payload.keys()).collect();
        left.sort_unstable();
        left.dedup();
        let room = MAX_UNKNOWN.saturating_sub(self.unknown.len());
        for key in left.into_iter().take(room) {
            self.unknown.push(Path::Key(&self.path, key).to_string());
        }
    }
}

fn wrong(path: Path<'_>, expected: &str, got: &Value) -> Fault {
    fault(path, &format!("must be {expected}, not {}", quote(got)))
}

fn fault(path: Path<'_>, message: &str) -> Fault {
    let code = ErrorCode::BadMessage;
    match path {
        Path::Root => Fault { code, field: None, message: format!("what you send {message}") },
        path => {
            Fault { code, field: Some(path.to_string()), message: format!("`{path}` {message}") }
        }
    }
}

/// A value as JSON, at most 100 characters of it.
pub(super) fn quote(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    let mut chars = text.chars();
    let mut kept: String = chars.by_ref().take(MAX_QUOTED_CHARS).collect();
    if chars.next().is_some() {
        kept.push('…');
    }
    kept
}

/// `agent_id` as `agentId`; nothing for a name of one word.
fn camel_case(name: &str) -> Option<String> {
    let (first, words) = name.split_once('_')?;
    let mut camel = String::with_capacity(name.len());
    camel.push_str(first);
    for word in words.split('_') {
        let mut chars = word.chars();
        camel.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        camel.push_str(chars.as_str());
    }
    Some(camel)
}
