//! What a model writes is almost XML: this module reads it in any pieces, never fails, and hands
//! out opens, text and closes as early as they are certain.
//!
//! It has no clock, no async and no allocation per byte. `turn::active_stream` drives it; it
//! knows nothing of models, turns or the wire.
//!
//! ```text
//! bytes ─▶ text (whole characters, no controls) ─▶ reader (what is markup?) ─▶ tree ─▶ events
//!                                                   │ asks markup, scan, entities   │ asks stray,
//!                                                   │                               │ attributes
//! ```

mod attributes;
mod bare;
mod bytes;
mod entities;
mod markup;
mod parser;
mod reader;
mod rules;
mod scan;
mod stray;
mod text;
mod tree;
mod vocabulary;
mod warnings;

pub use attributes::Attribute;
pub use parser::{End, Options, Parser, StrayText, Summary};
pub use rules::REASONING;
pub use tree::Event;
pub use vocabulary::{
    AttributeDef, AttributeType, Content, Kind, TagDef, Vocabulary, VocabularyError,
};
pub use warnings::WarningCounts;

#[cfg(test)]
mod tests;
