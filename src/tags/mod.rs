//! What a model writes is almost XML: this module reads it in any pieces, never fails, and hands
//! out opens, text and closes as early as they are certain.
//!
//! It has no clock, no async and no allocation per byte. `turn::active_stream` drives it; it
//! knows nothing of models, turns or the wire.

mod vocabulary;

pub use vocabulary::{
    AttributeDef, AttributeType, Content, Kind, TagDef, Vocabulary, VocabularyError,
};
