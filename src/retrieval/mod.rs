//! What an agent is reminded of: lore and memories that fit what was said.

pub mod chunk;
mod common;
pub mod lorebook;
mod stem;
pub mod terms;
