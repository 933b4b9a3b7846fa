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
mod disk;
mod game;
mod puppet;
mod remembering;
mod secrets;

use proptest::prelude::*;
use proptest::test_runner::Config;

use disk::Disk;
use dramatis::store::Store;
use game::{Kept, Move, Play, moves, moves_without_room};

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: cases.unwrap_or(200), max_shrink_iters: 2_000, ..Config::default() }
}

/// Plays the moves, on a disk that can be full if there is one; what is stored in the end.
fn run(moves: &[Move], disk: Option<Disk>) -> Result<Vec<Kept>, TestCaseError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let outcome = runtime.unwrap().block_on(async {
        let store = match &disk {
            Some(disk) => disk.open(),
            None => Store::in_memory().unwrap(),
        };
        let mut play = Play::begin(store, disk).await;
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
        run(&moves, None)?;
    }
}

proptest! {
    #![proptest_config(Config { cases: config().cases / 4, ..config() })]

    #[test]
    fn with_room_again_the_store_has_what_it_would_have_had(moves in moves_without_room()) {
        let expected = run(&moves, None)?;
        let found = run(&moves, Some(Disk::new()))?;
        prop_assert_eq!(found, expected, "after {:#?}", moves);
    }
}
