//! The attributes of one complete tag: names as defined, values decoded and checked.

use std::collections::HashSet;
use std::sync::Arc;

use super::entities;
use super::rules::{AttributeRules, TagRules, same_folded};
use super::scan::{Place, Said};
use super::vocabulary::AttributeType;
use super::warnings::{Warning, WarningCounts};

/// Name and value.
pub type Attribute = (Arc<str>, String);

/// The attributes of the tag that opens now; the same memory serves every tag.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    slots: Vec<Attribute>,
    used: usize,
    /// Which defined attributes have come.
    defined: Vec<usize>,
    /// The folded names of others that have come.
    others: HashSet<String>,
}

impl Attributes {
    pub(super) fn as_slice(&self) -> &[Attribute] {
        self.slots.get(..self.used).unwrap_or_default()
    }

    /// Reads the attributes of a tag of the vocabulary.
    #[inline]
    pub(super) fn read(&mut self, said: Said<'_>, rules: &TagRules, warnings: &mut WarningCounts) {
        self.used = 0;
        if !said.attributes.is_empty() || !rules.attributes.is_empty() {
            self.read_all(said, rules, warnings);
        }
    }

    fn read_all(&mut self, said: Said<'_>, rules: &TagRules, warnings: &mut WarningCounts) {
        self.defined.clear();
        self.others.clear();
        for place in said.attributes {
            self.add(*place, said.text, rules, warnings);
        }
        for (index, rule) in rules.attributes.iter().enumerate() {
            if rule.required && !self.defined.contains(&index) {
                warnings.add(Warning::MissingAttribute);
            }
        }
    }

    fn add(&mut self, place: Place, text: &str, rules: &TagRules, warnings: &mut WarningCounts) {
        let rule = find(place, text, rules);
        let given = place.name.map_or("", |name| name.of(text));
        let is_new = match rule {
            Some((index, _)) if self.defined.contains(&index) => false,
            Some((index, _)) => {
                self.defined.push(index);
                true
            }
            None => self.others.insert(given.to_lowercase()),
        };
        if !is_new {
            return warnings.add(Warning::DuplicateAttribute);
        }
        let name = rule.map_or_else(|| given.into(), |(_, rule)| rule.name.clone());
        let value = self.slot(name);
        match place.value {
            None => value.push_str("true"),
            Some(written) => entities::decode(written.of(text), value),
        }
        match rule {
            None => warnings.add(Warning::UnexpectedAttribute),
            Some((_, rule)) if !adopt(value, rule) => warnings.add(Warning::BadValue),
            Some(_) => {}
        }
    }

    /// The next place for a value, empty.
    fn slot(&mut self, name: Arc<str>) -> &mut String {
        if self.used == self.slots.len() {
            self.slots.push((name, String::new()));
        } else if let Some(slot) = self.slots.get_mut(self.used) {
            slot.0 = name;
            slot.1.clear();
        }
        self.used += 1;
        #[expect(clippy::indexing_slicing, reason = "there are at least as many as are used")]
        &mut self.slots[self.used - 1].1
    }
}

fn find<'a>(place: Place, text: &str, rules: &'a TagRules) -> Option<(usize, &'a AttributeRules)> {
    let mut defined = rules.attributes.iter().enumerate();
    match place.name {
        None => defined.next(),
        Some(name) => defined.find(|(_, rule)| same_folded(&rule.folded_name, name.of(text))),
    }
}

/// Puts the value as it is defined; false if it isn't among the values or doesn't fit the type.
fn adopt(value: &mut String, rule: &AttributeRules) -> bool {
    if !rule.values.is_empty() {
        let Some((defined, _)) = rule.values.iter().find(|(_, folded)| same_folded(folded, value))
        else {
            return false;
        };
        if defined != value {
            value.clone_from(defined);
        }
    }
    fits(value, rule.value_type)
}

fn fits(value: &str, value_type: AttributeType) -> bool {
    match value_type {
        AttributeType::String => true,
        AttributeType::Integer => is_digits(value.strip_prefix(['+', '-']).unwrap_or(value)),
        AttributeType::Number => is_number(value.strip_prefix('-').unwrap_or(value)),
        AttributeType::Boolean => {
            value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
        }
    }
}

fn is_digits(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// JSON's number, without its sign.
fn is_number(value: &str) -> bool {
    let (mantissa, exponent) = match value.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (value, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(is_digits)
        && exponent.is_none_or(|e| is_digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_their_types() {
        let check = |value_type, good: &[&str], bad: &[&str]| {
            for value in good {
                assert!(fits(value, value_type), "{value:?} is {value_type:?}");
            }
            for value in bad {
                assert!(!fits(value, value_type), "{value:?} is no {value_type:?}");
            }
        };
        check(AttributeType::String, &["", "x y"], &[]);
        check(AttributeType::Integer, &["0", "+7", "-007"], &["", "+", "1.0", " 1", "1e3", "٣"]);
        check(
            AttributeType::Number,
            &["0", "-0", "1.5", "10", "1e3", "1E+3", "2.5e-10"],
            &["", "-", "+1", "01", "1.", ".5", "1e", "1e+", "--1", "1.5.2", "NaN", "0x1", "1 "],
        );
        check(AttributeType::Boolean, &["true", "FALSE"], &["", "yes", "1", "true "]);
    }
}
