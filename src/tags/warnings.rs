//! What was repaired, counted by kind.

/// A kind of repair. The turn reports the counts under these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Warning {
    MalformedTag,
    CutTag,
    UnknownTag,
    TooDeep,
    UnmatchedClose,
    ImpliedClose,
    Unclosed,
    DuplicateAttribute,
    UnexpectedAttribute,
    MissingAttribute,
    BadValue,
    HiddenReasoning,
    OrphanReasoningClose,
    SpecialToken,
    StrayText,
    Preamble,
    BadUtf8,
}

/// In the order of [`Warning`].
const NAMES: [&str; 17] = [
    "malformed_tag",
    "cut_tag",
    "unknown_tag",
    "too_deep",
    "unmatched_close",
    "implied_close",
    "unclosed",
    "duplicate_attribute",
    "unexpected_attribute",
    "missing_attribute",
    "bad_value",
    "hidden_reasoning",
    "orphan_reasoning_close",
    "special_token",
    "stray_text",
    "preamble",
    "bad_utf8",
];

/// How often each kind of repair was made in one reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WarningCounts([u64; NAMES.len()]);

impl WarningCounts {
    pub(super) fn add(&mut self, warning: Warning) {
        self.add_many(warning, 1);
    }

    pub(super) fn add_many(&mut self, warning: Warning, count: u64) {
        if let Some(counted) = self.0.get_mut(warning as usize) {
            *counted += count;
        }
    }

    /// Name and count of each kind that occurred.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NAMES.into_iter().zip(self.0).filter(|&(_, count)| count > 0)
    }

    /// How often the kind of this name occurred.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.iter().find(|&(found, _)| found == name).map_or(0, |(_, count)| count)
    }

    /// Whether nothing was repaired.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}
