//! (being built)

pub mod vocabulary;
