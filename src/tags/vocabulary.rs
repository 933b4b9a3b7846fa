//! The tags that a character may use, checked once and then shared by parser and prompt.

use std::sync::Arc;

use super::bytes;
use super::rules::{HiddenGroup, Known, Names, Role, TagIndex, TagRules};

/// What a tag is to the game.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Said aloud.
    Speech,
    /// Done or shown.
    #[default]
    Action,
    /// A call of a tool.
    Tool,
    /// Kept from the game; its content is raw.
    Hidden,
}

/// Whether a tag holds text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Content {
    /// It may hold text and other tags.
    #[default]
    Text,
    /// It opens and closes at once.
    None,
}

/// The type that an attribute's value should fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AttributeType {
    /// Any text.
    #[default]
    String,
    /// An optional sign and digits.
    Integer,
    /// A JSON number.
    Number,
    /// `true` or `false`, in any case.
    Boolean,
}

/// One attribute of a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributeDef {
    /// Its name, as reported.
    pub name: String,
    /// What it is for, for the model.
    pub description: Option<String>,
    /// The type that a value should fit.
    pub value_type: AttributeType,
    /// The values that it may have; empty: any.
    pub values: Vec<String>,
    /// Whether the model must give it.
    pub required: bool,
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagDef {
    /// Its name, as reported.
    pub name: Arc<str>,
    /// What it is for, for the model.
    pub description: Option<String>,
    /// What it is to the game.
    pub kind: Kind,
    /// Whether it holds text.
    pub content: Content,
    /// The names of the tags that may stand directly inside; `None`: every tag of whose name none
    /// is open.
    pub contains: Option<Vec<String>>,
    /// Its attributes, in order.
    pub attributes: Vec<AttributeDef>,
    /// Whether a newer event may cut it.
    pub interruptible: bool,
}

impl TagDef {
    /// A tag that holds text, without description or attributes.
    #[must_use]
    pub fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.into(),
            description: None,
            kind,
            content: Content::Text,
            contains: None,
            attributes: Vec::new(),
            interruptible: true,
        }
    }
}

/// The tags of one character. Names are unique without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    tags: Vec<TagDef>,
    names: Names,
    rules: Vec<TagRules>,
}

/// A vocabulary that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct VocabularyError {
    /// Which tag of the list, from 0.
    pub index: usize,
    /// What is wrong with it, naming the tag.
    pub message: String,
}

impl Vocabulary {
    /// Checks the tags; of two with alike names the first counts.
    ///
    /// # Errors
    /// If a name is none that a tag can have.
    pub fn new(tags: Vec<TagDef>) -> Result<Self, VocabularyError> {
        let mut kept: Vec<TagDef> = Vec::with_capacity(tags.len());
        for (index, tag) in tags.into_iter().enumerate() {
            if !is_tag_name(&tag.name) {
                let message = format!(
                    "no tag can be called {:?}: a name is a letter or `_`, then letters, digits and `_ . : -`",
                    tag.name
                );
                return Err(VocabularyError { index, message });
            }
            if !kept.iter().any(|other| other.name.eq_ignore_ascii_case(&tag.name)) {
                kept.push(tag);
            }
        }
        Ok(Self::compile(kept))
    }

    /// No tags at all, for who speaks in plain text.
    #[must_use]
    pub fn none() -> Self {
        Self::compile(Vec::new())
    }

    /// The vocabulary of a game that defines none.
    #[must_use]
    pub fn standard() -> Self {
        let described = |name, kind, description: &str| TagDef {
            description: Some(description.to_owned()),
            ..TagDef::new(name, kind)
        };
        let named = |description: &str, required| AttributeDef {
            name: "name".to_owned(),
            description: Some(description.to_owned()),
            required,
            ..AttributeDef::default()
        };
        Self::compile(vec![
            described("speech", Kind::Speech, "What you say aloud."),
            TagDef {
                attributes: vec![named("The action in a word, such as nod or wave.", true)],
                ..described("action", Kind::Action, "What you do, as others see it.")
            },
            TagDef {
                attributes: vec![named("The feeling in a word, such as joy or fear.", false)],
                content: Content::None,
                ..described("emotion", Kind::Action, "What your face shows from now on.")
            },
            described("think", Kind::Hidden, "What you think to yourself; nobody hears it."),
        ])
    }

    fn compile(tags: Vec<TagDef>) -> Self {
        let rules = tags.iter().map(|tag| TagRules::new(tag, &tags)).collect();
        Self { names: Names::new(&tags), rules, tags }
    }

    /// The tags, in the order in which they were defined.
    #[must_use]
    pub fn tags(&self) -> &[TagDef] {
        &self.tags
    }

    /// The tag of this name, in any case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&TagDef> {
        self.tags.iter().find(|tag| tag.name.eq_ignore_ascii_case(name))
    }

    /// What a name in the model's output means.
    pub(super) fn look_up(&self, name: &str) -> Option<Known> {
        self.names.look_up(name)
    }

    /// As [`Vocabulary::look_up`], by the name's key.
    #[inline]
    pub(super) fn look_up_key(&self, key: u64) -> Option<Known> {
        self.names.look_up_key(key)
    }

    /// The names that close a hidden block of this group.
    pub(super) fn hidden_names(&self, group: HiddenGroup) -> impl Iterator<Item = &str> {
        self.names.hidden(group)
    }

    /// How many names [`Vocabulary::look_up`] knows.
    pub(super) const fn known_names(&self) -> usize {
        self.names.len()
    }

    /// Of a tag that [`Vocabulary::look_up`] found.
    pub(super) fn tag(&self, tag: TagIndex) -> (&TagDef, &TagRules) {
        #[expect(clippy::indexing_slicing, reason = "an index is given out for these lists only")]
        (&self.tags[tag.get()], &self.rules[tag.get()])
    }

    /// The tag that stray text may be put into: its own name's, if that can hold text.
    pub(super) fn holding_text(&self, name: &str) -> Option<TagIndex> {
        let known = self.look_up(name)?;
        self.holds_text(known.role)
    }

    /// The first tag of kind speech that can hold text.
    pub(super) fn first_speech(&self) -> Option<TagIndex> {
        let mut speech = self.tags.iter().filter(|tag| tag.kind == Kind::Speech);
        speech.find_map(|tag| self.holding_text(&tag.name))
    }

    fn holds_text(&self, role: Role) -> Option<TagIndex> {
        match role {
            Role::Tag(tag) if self.tag(tag).0.content == Content::Text => Some(tag),
            Role::Tag(_) | Role::Hidden(_) => None,
        }
    }
}

/// Whether a tag can have this name.
fn is_tag_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|&first| bytes::begins_name(first))
        && bytes.iter().all(|&byte| bytes::is_name(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Result<Vocabulary, VocabularyError> {
        Vocabulary::new(names.iter().map(|name| TagDef::new(name, Kind::Action)).collect())
    }

    #[test]
    fn impossible_names_are_refused_with_their_place() {
        for name in ["", "two words", "1st", "-a", "ä", "a\n", "a/", "<a"] {
            let error = named(&["fine", name]).unwrap_err();
            assert_eq!(error.index, 1, "{name:?}");
            assert!(error.message.contains(&format!("{name:?}")), "{error}");
        }
        assert!(named(&["_", "a1", "a.b:c-d_e", "A"]).is_ok());
    }

    #[test]
    fn of_two_alike_names_the_first_counts() {
        let vocabulary = named(&["Say", "SAY", "other"]).unwrap();
        let names: Vec<&str> = vocabulary.tags().iter().map(|tag| &*tag.name).collect();
        assert_eq!(names, ["Say", "other"]);
        assert_eq!(vocabulary.find("sAY").map(|tag| &*tag.name), Some("Say"));
        assert_eq!(vocabulary.find("says"), None);
    }

    #[test]
    fn the_standard_vocabulary_is_that_of_the_protocol() {
        let vocabulary = Vocabulary::standard();
        assert_eq!(Vocabulary::new(vocabulary.tags().to_vec()), Ok(vocabulary.clone()));
        let shape: Vec<(&str, Kind, Content)> =
            vocabulary.tags().iter().map(|tag| (&*tag.name, tag.kind, tag.content)).collect();
        assert_eq!(
            shape,
            [
                ("speech", Kind::Speech, Content::Text),
                ("action", Kind::Action, Content::Text),
                ("emotion", Kind::Action, Content::None),
                ("think", Kind::Hidden, Content::Text),
            ]
        );
    }
}
