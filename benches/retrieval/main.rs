//! How well and how fast agents are reminded.
//!
//! ```text
//! cargo bench --bench retrieval                 both
//! cargo bench --bench retrieval -- quality      what is found of tests/data/facts.yaml
//! cargo bench --bench retrieval -- speed        with 100,000 memories in the store
//! ```
//!
//! *Quality* is recall@3: of how many questions the fact is among the first three pieces, by words,
//! by vectors, and by both. The vectors are of a small model without any knowledge, made here: parts
//! of words, hashed. It shows that both ways work together, not what a real model can do.
//!
//! *Speed* is the time of a look-up, as the turn waits for it, on one core.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

mod model;
mod quality;
mod speed;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|it| it == part);
    runtime.block_on(async {
        if wants("quality") {
            quality::measure().await;
        }
        if wants("speed") {
            speed::measure().await;
        }
    });
}
