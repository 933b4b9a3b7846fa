//! The YAML forms of a script that are more than a struct: one or many, and a step of a reply in
//! its shapes. The one place of this module that knows the YAML library.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::script::{Script, ScriptError};

/// Longer delays are a slip, not a script.
const MAX_DELAY_MS: u64 = 600_000;

pub(super) fn read(yaml: &str, name: &str) -> Result<Script, ScriptError> {
    // Without strict booleans `no` and `n` would be false, also as keys.
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        let place = error.location();
        let (line, column) = place.map_or((0, 0), |place| (place.line(), place.column()));
        let mut message = error.without_snippet().to_string();
        // The place stands in front already.
        if let Some(rest) = message.strip_suffix(&format!(" at line {line}, column {column}")) {
            message = rest.to_owned();
        }
        ScriptError { name: name.to_owned(), line, column, message }
    })
}

/// A value, or a list of such.
#[derive(Debug, Clone)]
pub(super) struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// One step of a reply.
#[derive(Debug, Clone)]
pub(super) enum StepSpec {
    Text { text: String, delay_ms: u64 },
    Reasoning { reasoning: String, delay_ms: u64 },
    Call { name: String, arguments: Map<String, Value>, delay_ms: u64 },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepMap {
    text: Option<String>,
    reasoning: Option<String>,
    call: Option<String>,
    arguments: Option<Map<String, Value>>,
    #[serde(default)]
    delay_ms: u64,
}

impl StepMap {
    fn check(self) -> Result<StepSpec, &'static str> {
        let delay_ms = self.delay_ms;
        if delay_ms > MAX_DELAY_MS {
            return Err("delay_ms is at most 600000");
        }
        if self.arguments.is_some() && self.call.is_none() {
            return Err("arguments belong to a call");
        }
        match (self.text, self.reasoning, self.call) {
            (Some(text), None, None) => Ok(StepSpec::Text { text, delay_ms }),
            (None, Some(reasoning), None) => Ok(StepSpec::Reasoning { reasoning, delay_ms }),
            (None, None, Some(name)) => {
                let arguments = self.arguments.unwrap_or_default();
                Ok(StepSpec::Call { name, arguments, delay_ms })
            }
            _ => Err("a step has exactly one of text, reasoning and call"),
        }
    }
}

impl<'de> Deserialize<'de> for StepSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Step;

        impl<'de> Visitor<'de> for Step {
            type Value = StepSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a map with text, reasoning or call")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<StepSpec, E> {
                Ok(StepSpec::Text { text: text.to_owned(), delay_ms: 0 })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<StepSpec, A::Error> {
                let map = StepMap::deserialize(MapAccessDeserializer::new(map))?;
                map.check().map_err(A::Error::custom)
            }
        }

        from.deserialize_any(Step)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let one = T::deserialize(MapAccessDeserializer::new(map))?;
                Ok(OneOrMany(vec![one]))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(OneOrMany(vec![T::deserialize(text.into_deserializer())?]))
            }

            // A status such as 429 or an agent called 7 needs no quotes.
            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }
        }

        from.deserialize_any(Either(PhantomData))
    }
}
