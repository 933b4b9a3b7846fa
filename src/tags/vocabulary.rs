//! The tags that a character may use, checked once and then shared by parser and prompt.

use std::sync::Arc;

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

/// The tags of one character. Names are unique without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    tags: Vec<TagDef>,
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
        Ok(Self { tags })
    }

    /// The tags of a game that defines none.
    #[must_use]
    pub fn standard() -> Self {
        let name = || vec![AttributeDef { name: "name".to_owned(), ..AttributeDef::default() }];
        let tag = |name: &str, kind, content, attributes| TagDef {
            name: name.into(),
            description: None,
            kind,
            content,
            contains: None,
            attributes,
            interruptible: true,
        };
        let tags = vec![
            tag("speech", Kind::Speech, Content::Text, Vec::new()),
            tag("action", Kind::Action, Content::Text, name()),
            tag("emotion", Kind::Action, Content::None, name()),
            tag("think", Kind::Hidden, Content::Text, Vec::new()),
        ];
        Self { tags }
    }

    /// The tags, in the order in which they were defined.
    #[must_use]
    pub fn tags(&self) -> &[TagDef] {
        &self.tags
    }
}
