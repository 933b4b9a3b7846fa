//! The invariants of turns, over random interleavings of everything that a game, a model and the
//! clock can do: events, snapshots, deltas, results, tool answers, cancels, waits, slow reading,
//! disconnects, takeovers and faults. Real registry, agents and store; virtual time; the model is a
//! puppet whose strings the test holds.
//!
//! `PROPTEST_CASES` says how many plays are run (200 unless told).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that can't be set up, or gets something else, has failed"
)]

mod checker;
mod game;
mod puppet;

use proptest::prelude::*;
use proptest::test_runner::Config;

use game::{Move, Play, moves};

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: cases.unwrap_or(200), max_shrink_iters: 2_000, ..Config::default() }
}

fn run(moves: &[Move]) -> Result<(), TestCaseError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let outcome = runtime.unwrap().block_on(async {
        let mut play = Play::begin().await;
        for next in moves {
            play.make(next).await?;
        }
        play.end().await
    });
    outcome.map_err(|broken: checker::Broken| {
        TestCaseError::fail(format!("{broken}\nafter {moves:#?}"))
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_invariants_of_turns_hold(moves in moves()) {
        run(&moves)?;
    }
}
