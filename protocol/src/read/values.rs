//! What a single value may be: text, a name, an id, a number, one of a few words.
//!
//! Here lie the rules for every value: a whole float is an integer, a numeric id becomes text,
//! ids and names are short.

#![expect(
    clippy::needless_pass_by_value,
    reason = "every reading takes its item, so that all fit the same tables"
)]

use serde_json::Value;

use super::fields::{Item, Reading};
use crate::Id;
use crate::limits::MAX_ID_BYTES;

/// Beyond this a float may stand for several integers.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Any JSON, as it came.
pub(super) fn any(item: Item<'_>) -> Reading<Value> {
    Ok(item.into_value())
}

/// Any text.
pub(super) fn text(item: Item<'_>) -> Reading<String> {
    text_like(item, |_| Ok(()))
}

/// A text of 1 to 256 bytes.
pub(super) fn name(item: Item<'_>) -> Reading<String> {
    text_like(item, short)
}

/// A name that also keeps to a rule of its own.
pub(super) fn name_like(
    item: Item<'_>,
    rule: fn(&str) -> bool,
    expected: &'static str,
) -> Reading<String> {
    text_like(item, |name| short(name).and_then(|()| rule(name).then_some(()).ok_or(expected)))
}

/// A text that passes `check`, whose error says what was expected.
fn text_like(
    item: Item<'_>,
    check: impl FnOnce(&str) -> Result<(), &'static str>,
) -> Reading<String> {
    let text = item.value().as_str().ok_or("text");
    let checked = text.and_then(|text| check(text).map(|()| text.to_owned()));
    checked.map_err(|expected| item.wrong(expected))
}

/// An id: a short text, or a whole number, which becomes its digits.
pub(super) fn id(item: Item<'_>) -> Reading<Id> {
    id_of(item.value()).map_err(|expected| item.wrong(expected))
}

/// A whole number in the range of `T`; `1.0` is one.
pub(super) fn integer<T: Integer>(item: Item<'_>) -> Reading<T> {
    let number = whole(item.value()).and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| item.wrong(T::RANGE))
}

/// A number from `least` to `most`.
pub(super) fn number(item: Item<'_>, least: f64, most: f64) -> Reading<f64> {
    let number = item.value().as_f64().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| item.wrong(&format!("a number from {least} to {most}")))
}

/// `true` or `false`.
pub(super) fn boolean(item: Item<'_>) -> Reading<bool> {
    item.value().as_bool().ok_or_else(|| item.wrong("true or false"))
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(item: Item<'_>, words: &[(&str, T)]) -> Reading<T> {
    let found = item.value().as_str().and_then(|got| words.iter().find(|(word, _)| *word == got));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        item.wrong(&format!("one of {}", words.join(", ")))
    })
}

/// Text, or a number or truth value, which becomes text.
pub(super) fn scalar(item: Item<'_>) -> Reading<String> {
    scalar_text(item.value()).ok_or_else(|| item.wrong("text, a number, true or false"))
}

/// The whole numbers that a field may hold.
pub(super) trait Integer: TryFrom<i128> {
    /// In words, for an error.
    const RANGE: &str;
}

impl Integer for i32 {
    const RANGE: &str = "a whole number from -2147483648 to 2147483647";
}

impl Integer for u32 {
    const RANGE: &str = "a whole number from 0 to 4294967295";
}

impl Integer for u64 {
    const RANGE: &str = "a whole number, not below 0";
}

/// Text, or a number or truth value as text; a whole number without a fraction.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => {
            Some(whole(value).map_or_else(|| number.to_string(), |whole| whole.to_string()))
        }
        _ => None,
    }
}

/// A whole number, be it written with a fraction of zero.
fn whole(value: &Value) -> Option<i128> {
    let Value::Number(number) = value else { return None };
    if let Some(integer) = number.as_i64() {
        return Some(integer.into());
    }
    if let Some(integer) = number.as_u64() {
        return Some(integer.into());
    }
    let float = number.as_f64()?;
    (float.fract() == 0.0 && float.abs() <= LARGEST_EXACT).then_some(float as i128)
}

/// The id that a value is, else what was expected of it.
pub(super) fn id_of(value: &Value) -> Result<Id, &'static str> {
    const EXPECTED: &str = "an id: text, or a whole number";
    match value {
        Value::String(id) => short(id).map(|()| Id::from(id.as_str())),
        Value::Number(_) => whole(value).map(|number| number.to_string().into()).ok_or(EXPECTED),
        _ => Err(EXPECTED),
    }
}

/// Whether a text has the length of an id or a name.
pub(super) const fn short(text: &str) -> Result<(), &'static str> {
    match text.len() {
        0 => Err("text that is not empty"),
        1..=MAX_ID_BYTES => Ok(()),
        _ => Err("at most 256 bytes long"),
    }
}
