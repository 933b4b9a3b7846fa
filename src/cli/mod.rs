//! (being built)

pub mod parse;
