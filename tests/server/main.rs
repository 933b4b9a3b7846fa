//! The whole server over real sockets: a mock provider on one side, games on the other.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod faults;
mod hostile;
mod stage;
mod turns;
