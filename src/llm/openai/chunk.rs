//! The chunks of a streamed answer as providers really send them. The client library's own types
//! refuse too many of them (an unknown `service_tier`, a tool call without `index`, an error object
//! among the chunks), so every field here is optional and none of an unexpected type is fatal.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// One `data:` line, or the whole of an answer that was not streamed. What every chunk repeats is
/// read where it lies.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Chunk<'a> {
    #[serde(deserialize_with = "lenient", borrow)]
    pub model: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "lenient")]
    pub choices: Option<Vec<Choice>>,
    #[serde(deserialize_with = "lenient")]
    pub usage: Option<WireUsage>,
    #[serde(deserialize_with = "present")]
    pub error: Option<Value>,
    /// vLLM puts its error flat into the chunk: `{"object":"error","message":…,"code":400}`.
    #[serde(deserialize_with = "lenient", borrow)]
    pub object: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "present")]
    pub message: Option<Value>,
    #[serde(deserialize_with = "present")]
    pub code: Option<Value>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Choice {
    #[serde(deserialize_with = "lenient")]
    pub index: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub delta: Option<Piece>,
    /// In place of `delta` where the answer was not streamed.
    #[serde(deserialize_with = "lenient")]
    pub message: Option<Piece>,
    #[serde(deserialize_with = "lenient")]
    pub finish_reason: Option<String>,
    #[serde(deserialize_with = "present")]
    pub error: Option<Value>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Piece {
    #[serde(deserialize_with = "present")]
    pub content: Option<Value>,
    #[serde(deserialize_with = "lenient")]
    pub reasoning: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub reasoning_content: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub tool_calls: Option<Vec<CallPiece>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct CallPiece {
    #[serde(deserialize_with = "lenient")]
    pub index: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub function: Option<Function>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Function {
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    /// JSON text; some servers send the object itself.
    #[serde(deserialize_with = "present")]
    pub arguments: Option<Value>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct WireUsage {
    #[serde(deserialize_with = "lenient")]
    pub prompt_tokens: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub completion_tokens: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub prompt_tokens_details: Option<PromptDetails>,
    /// DeepSeek's name for cached tokens.
    #[serde(deserialize_with = "lenient")]
    pub prompt_cache_hit_tokens: Option<f64>,
    /// OpenRouter, in US dollars.
    #[serde(deserialize_with = "lenient")]
    pub cost: Option<f64>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct PromptDetails {
    #[serde(deserialize_with = "lenient")]
    pub cached_tokens: Option<f64>,
}

/// `null` is absent.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok((!value.is_null()).then_some(value))
}

/// `null` and values of another type are absent.
fn lenient<'de, D: Deserializer<'de>, T: Lenient<'de>>(from: D) -> Result<Option<T>, D::Error> {
    from.deserialize_any(Read(PhantomData))
}

/// What a field may be read from; anything else is passed over. This goes without a tree in
/// between, because it happens for every token of every reply.
trait Lenient<'de>: Sized {
    fn from_text(_: Cow<'de, str>) -> Option<Self> {
        None
    }

    fn from_number(_: f64) -> Option<Self> {
        None
    }

    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl<'de> Lenient<'de> for Cow<'de, str> {
    fn from_text(text: Self) -> Option<Self> {
        Some(text)
    }
}

impl<'de> Lenient<'de> for String {
    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(text.into_owned())
    }
}

impl Lenient<'_> for f64 {
    fn from_number(number: f64) -> Option<Self> {
        Some(number)
    }
}

impl<'de, T: Lenient<'de>> Lenient<'de> for Vec<T> {
    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut items = Self::new();
        while let Some(Item(item)) = list.next_element()? {
            items.extend(item);
        }
        Ok(Some(items))
    }
}

macro_rules! lenient_objects {
    ($($object:ty),*) => {$(
        impl<'de> Lenient<'de> for $object {
            fn from_map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
                Self::deserialize(MapAccessDeserializer::new(map)).map(Some)
            }
        }
    )*};
}

lenient_objects!(Choice, Piece, CallPiece, Function, WireUsage, PromptDetails);

/// An item of a list.
struct Item<T>(Option<T>);

impl<'de, T: Lenient<'de>> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        lenient(from).map(Self)
    }
}

struct Read<T>(PhantomData<T>);

impl<'de, T: Lenient<'de>> Visitor<'de> for Read<T> {
    type Value = Option<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Option<T>, E> {
        Ok(T::from_number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Option<T>, E> {
        Ok(T::from_number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Option<T>, E> {
        Ok(T::from_number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<T>, E> {
        Ok(T::from_text(text.to_owned().into()))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Option<T>, E> {
        Ok(T::from_text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Option<T>, A::Error> {
        T::from_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::from_map(map)
    }
}
