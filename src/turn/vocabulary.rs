//! Between the tags that a game defines on the wire and those that the parser knows.

use std::sync::{Arc, LazyLock};

use dramatis_protocol as wire;

use crate::tags::{
    AttributeDef, AttributeType, Content, Kind, TagDef, Vocabulary, VocabularyError,
};

/// The vocabulary that a game's tag definitions make; the standard one for an empty list.
///
/// # Errors
/// If a name is none that a tag can have.
pub fn vocabulary_from_wire(tags: &[wire::TagDefinition]) -> Result<Vocabulary, VocabularyError> {
    if tags.is_empty() {
        return Ok(Vocabulary::standard());
    }
    Vocabulary::new(tags.iter().map(tag_from_wire).collect())
}

/// The standard vocabulary, one for all agents.
#[must_use]
pub fn standard_vocabulary() -> Arc<Vocabulary> {
    static STANDARD: LazyLock<Arc<Vocabulary>> = LazyLock::new(|| Arc::new(Vocabulary::standard()));
    Arc::clone(&STANDARD)
}

fn tag_from_wire(tag: &wire::TagDefinition) -> TagDef {
    TagDef {
        name: tag.name.as_str().into(),
        description: tag.description.clone(),
        kind: tag.kind.into(),
        content: match tag.content {
            wire::TagContent::Text => Content::Text,
            wire::TagContent::None => Content::None,
        },
        contains: tag.contains.clone(),
        attributes: tag.attributes.iter().map(attribute_from_wire).collect(),
        interruptible: tag.interruptible,
    }
}

fn attribute_from_wire(attribute: &wire::AttributeDefinition) -> AttributeDef {
    AttributeDef {
        name: attribute.name.clone(),
        description: attribute.description.clone(),
        value_type: match attribute.value_type {
            wire::AttributeType::String => AttributeType::String,
            wire::AttributeType::Integer => AttributeType::Integer,
            wire::AttributeType::Number => AttributeType::Number,
            wire::AttributeType::Boolean => AttributeType::Boolean,
        },
        values: attribute.values.clone(),
        required: attribute.required,
    }
}

impl From<wire::TagKind> for Kind {
    fn from(kind: wire::TagKind) -> Self {
        match kind {
            wire::TagKind::Speech => Self::Speech,
            wire::TagKind::Action => Self::Action,
            wire::TagKind::Tool => Self::Tool,
            wire::TagKind::Hidden => Self::Hidden,
        }
    }
}

impl From<Kind> for wire::TagKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Speech => Self::Speech,
            Kind::Action => Self::Action,
            Kind::Tool => Self::Tool,
            Kind::Hidden => Self::Hidden,
        }
    }
}
