//! The whole server over real sockets: a mock provider on one side, games on the other.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that can't be set up, or gets something else, has failed"
)]

mod assets;
mod chats;
mod fairness;
mod faults;
mod gemini;
mod hostile;
mod kill;
mod plays;
mod rpc;
mod secrets;
mod sidecar;
mod stage;
mod talk;
mod turns;
