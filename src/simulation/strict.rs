//! YAML without slips: a key that means nothing is refused, also inside the contract's own types,
//! which pass such keys over when a game sends them. Owns where in the file that is said to be.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_ignored::Path;
use serde_saphyr::{Location, Options, Spanned};

/// Why a file can't be read: its name, the place if it is known, what is wrong.
pub(super) fn fault(name: &str, place: Option<Location>, problem: &dyn fmt::Display) -> String {
    match place {
        Some(place) => format!("{name}:{}:{}: {problem}", place.line(), place.column()),
        None => format!("{name}: {problem}"),
    }
}

/// Reads a value; `name` stands in errors.
pub(super) fn read<T: DeserializeOwned>(yaml: &str, name: &str) -> Result<T, String> {
    let mut unknown = None;
    let value = serde_saphyr::with_deserializer_from_str_with_options(yaml, options(), |source| {
        serde_ignored::deserialize(source, |path| {
            unknown.get_or_insert_with(|| UnknownKey::at(&path, yaml));
        })
    })
    .map_err(|error| {
        let place = error.location();
        let mut problem = error.without_snippet().to_string();
        // The place stands in front already.
        if let Some(at) = place.map(|at| format!(" at line {}, column {}", at.line(), at.column()))
            && let Some(rest) = problem.strip_suffix(&at)
        {
            problem = rest.to_owned();
        }
        fault(name, place, &problem)
    })?;
    match unknown {
        None => Ok(value),
        Some(UnknownKey { key, place }) => Err(fault(
            name,
            place,
            &format!("the key `{key}` means nothing here: check its spelling"),
        )),
    }
}

fn options() -> Options {
    serde_saphyr::options! { strict_booleans: true, with_snippet: false }
}

struct UnknownKey {
    key: String,
    place: Option<Location>,
}

impl UnknownKey {
    fn at(path: &Path<'_>, yaml: &str) -> Self {
        let key = match path {
            Path::Map { key, .. } => key.clone(),
            other => other.to_string(),
        };
        let root: Option<Node> = serde_saphyr::from_str_with_options(yaml, options()).ok();
        let place = root.as_ref().and_then(|root| root.find(path)).and_then(|(_, place)| place);
        Self { key, place }
    }
}

/// What stands in a file, as far as is needed to find a key again.
enum Node {
    Map(Vec<(Spanned<String>, Self)>),
    List(Vec<Self>),
    Scalar,
}

impl Node {
    /// What stands at a path, and where its key does.
    fn find(&self, path: &Path<'_>) -> Option<(&Self, Option<Location>)> {
        match path {
            Path::Root => Some((self, None)),
            Path::Seq { parent, index } => match self.find(parent)?.0 {
                Self::List(items) => Some((items.get(*index)?, None)),
                _ => None,
            },
            Path::Map { parent, key } => match self.find(parent)?.0 {
                Self::Map(entries) => entries
                    .iter()
                    .find(|(other, _)| other.value == *key)
                    .map(|(key, value)| (value, Some(key.referenced))),
                _ => None,
            },
            Path::Some { parent } | Path::NewtypeStruct { parent } => self.find(parent),
            // A step is a map from its name to what it says.
            Path::NewtypeVariant { parent } => match self.find(parent)?.0 {
                Self::Map(entries) => entries.first().map(|(_, value)| (value, None)),
                _ => None,
            },
        }
    }
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
