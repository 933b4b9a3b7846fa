//! The library behind the `dramatis` server, in the order in which a reader should meet it:
//! from what knows nothing of the rest to what puts everything together. Each module may use
//! the ones above it, never those below; `tests/house` holds that.

pub mod tags;

pub mod config;

pub mod clock;

pub mod record;

pub mod llm;

pub mod actor;

pub mod assets;

pub mod store;

pub mod retrieval;

pub mod prompt;

pub mod generation;

pub mod turn_log;

pub mod turn;

pub mod chat;

pub mod server;

pub mod simulation;

pub mod cli;
