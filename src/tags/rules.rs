//! A vocabulary as the parser asks for it: names ready to be compared, and who may stand in whom.
//! Worked out once, so that reading a tag allocates nothing for it.

use std::sync::Arc;

use super::vocabulary::{AttributeType, Kind, TagDef};

/// Names up to this length are compared as one number.
pub(super) const KEY_LENGTH: usize = 8;

/// The names that models use for their reasoning; hidden whatever the vocabulary says.
pub const REASONING: [&str; 3] = ["think", "thinking", "reasoning"];

/// A tag's place in its vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TagIndex(u32);

impl TagIndex {
    fn new(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(super) const fn get(self) -> usize {
        self.0 as usize
    }
}

/// Hidden tags of one group close each other: the names for reasoning are one, every other hidden
/// tag has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HiddenGroup(u32);

impl HiddenGroup {
    /// `think`, `thinking`, `reasoning`.
    pub(super) const REASONING: Self = Self(0);
}

/// What a known name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Tag(TagIndex),
    Hidden(HiddenGroup),
}

/// A name that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Which of the known names, from 0.
    pub(super) name: usize,
    pub(super) role: Role,
}

/// All names that mean something, for comparison without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The [`key`] of each, so that a name is found by comparing numbers.
    keys: Vec<u64>,
    names: Vec<(Arc<str>, Role)>,
}

impl Names {
    pub(super) fn new(tags: &[TagDef]) -> Self {
        let mut names: Vec<(Arc<str>, Role)> = Vec::with_capacity(tags.len() + REASONING.len());
        for (index, tag) in tags.iter().enumerate() {
            let own_group = HiddenGroup(u32::try_from(index + 1).unwrap_or(u32::MAX));
            let role = if REASONING.iter().any(|name| tag.name.eq_ignore_ascii_case(name)) {
                Role::Hidden(HiddenGroup::REASONING)
            } else if tag.kind == Kind::Hidden {
                Role::Hidden(own_group)
            } else {
                Role::Tag(TagIndex::new(index))
            };
            names.push((tag.name.clone(), role));
        }
        for name in REASONING {
            if !names.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                names.push((name.into(), Role::Hidden(HiddenGroup::REASONING)));
            }
        }
        let keys = names.iter().map(|(name, _)| key(name).unwrap_or(NO_KEY)).collect();
        Self { keys, names }
    }

    pub(super) fn look_up(&self, name: &str) -> Option<Known> {
        if let Some(key) = key(name) {
            return self.look_up_key(key);
        }
        let found = self.names.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
        self.known(found?)
    }

    #[inline]
    pub(super) fn look_up_key(&self, key: u64) -> Option<Known> {
        self.known(self.keys.iter().position(|&known| known == key)?)
    }

    #[inline]
    fn known(&self, name: usize) -> Option<Known> {
        self.names.get(name).map(|&(_, role)| Known { name, role })
    }

    pub(super) const fn len(&self) -> usize {
        self.names.len()
    }

    /// The names of one hidden group.
    pub(super) fn hidden(&self, group: HiddenGroup) -> impl Iterator<Item = &str> {
        let of_group = move |role| role == Role::Hidden(group);
        self.names.iter().filter(move |(_, role)| of_group(*role)).map(|(name, _)| &**name)
    }
}

/// What no text has for a key: stands for names that are too long for one.
const NO_KEY: u64 = u64::MAX;

/// A name of up to [`KEY_LENGTH`] bytes as one number, the same in any case.
fn key(name: &str) -> Option<u64> {
    let mut bytes = [0; KEY_LENGTH];
    bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
    Some(fold(u64::from_le_bytes(bytes)))
}

/// The key of the name at the beginning of `window`, if it ends there with `>`, and its length.
#[inline]
pub(super) fn key_up_to_end(window: [u8; KEY_LENGTH]) -> Option<(u64, usize)> {
    const ONES: u64 = u64::from_le_bytes([1; KEY_LENGTH]);
    const ENDS: u64 = u64::from_le_bytes([b'>'; KEY_LENGTH]);
    let bytes = u64::from_le_bytes(window);
    // The lowest byte that is zero here is the first `>`; see "Bit Twiddling Hacks", haszero.
    let others = bytes ^ ENDS;
    let zeros = others.wrapping_sub(ONES) & !others & (ONES << 7);
    if zeros == 0 {
        return None;
    }
    let bits = zeros.trailing_zeros() & !7;
    Some((fold(bytes & !(u64::MAX << bits)), bits as usize / 8))
}

/// Lower case for letters. Of the bytes that clean text can hold, only those of names that differ
/// in case become the same.
#[inline]
pub(super) const fn fold(bytes: u64) -> u64 {
    bytes | ((bytes & u64::from_le_bytes([0x40; KEY_LENGTH])) >> 1)
}

/// What a tag asks of its attributes and of what stands inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TagRules {
    pub(super) attributes: Vec<AttributeRules>,
    /// By tag index: who may stand directly inside; `None`: every tag of whose name none is open.
    contains: Option<Vec<bool>>,
}

/// One defined attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttributeRules {
    pub(super) name: Arc<str>,
    pub(super) folded_name: String,
    pub(super) value_type: AttributeType,
    /// Each as defined, and folded.
    pub(super) values: Vec<(String, String)>,
    pub(super) required: bool,
}

impl TagRules {
    pub(super) fn new(tag: &TagDef, tags: &[TagDef]) -> Self {
        let attributes = tag.attributes.iter().map(|attribute| AttributeRules {
            name: attribute.name.as_str().into(),
            folded_name: attribute.name.to_lowercase(),
            value_type: attribute.value_type,
            values: attribute.values.iter().map(|v| (v.clone(), v.to_lowercase())).collect(),
            required: attribute.required,
        });
        let contains = tag.contains.as_ref().map(|inner| {
            let listed = |other: &TagDef| inner.iter().any(|n| n.eq_ignore_ascii_case(&other.name));
            tags.iter().map(listed).collect()
        });
        Self { attributes: attributes.collect(), contains }
    }

    /// Whether `tag` may stand directly inside, as far as a list says so; `None`: no list.
    pub(super) fn lists(&self, tag: TagIndex) -> Option<bool> {
        let listed = self.contains.as_ref()?;
        Some(listed.get(tag.get()).copied().unwrap_or(false))
    }
}

/// Whether `given` is `folded` in Unicode's lower case.
pub(super) fn same_folded(folded: &str, given: &str) -> bool {
    if given.is_ascii() {
        folded.eq_ignore_ascii_case(given)
    } else {
        folded == given.to_lowercase()
    }
}
