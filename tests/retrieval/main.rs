//! What an agent is reminded of, over the real store: facts of a game's kind and the questions that
//! they answer, and whose memories are whose, whatever happened to the play sessions.
//!
//! `PROPTEST_CASES` says how many lives are lived (100 unless told).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that can't be set up, or gets something else, has failed"
)]

mod facts;
mod lives;
