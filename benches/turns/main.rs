//! What the turn server costs, from end to end, beside a relay that does the least one could do.
//!
//! ```text
//! cargo bench --bench turns                     everything, some minutes
//! cargo bench --bench turns -- --quick          everything, shorter, under a minute
//! cargo bench --bench turns -- streams --rounds 5 --streams 50,1000
//! ```
//!
//! Three parts talk over 127.0.0.1: a provider with replies made beforehand (a thread here; the mock
//! model of `dramatis mock-llm` would cost more than what is measured), the *subject* (a child
//! process alone on the first core), and games (a thread here, beside the provider on the second core). The
//! subject is in turn the server and a *relay*, this program once more: the same HTTP client and
//! the same WebSocket library, each piece of the provider's answer forwarded as one frame, nothing
//! read, kept or remembered. The ratio to the relay is what the server's own work costs.
//!
//! Each piece carries the time of its writing, so the added latency is from the provider's write to
//! the game's read. CPU is the subject's user and system time by the pieces that games read.

mod figures;
mod game;
mod interruption;
mod memory;
mod options;
mod provider;
mod relay;
mod request;
mod soak;
mod streams;
mod subject;
mod turns;

use anyhow::Context;

use options::{Mode, Options};

fn main() -> anyhow::Result<()> {
    match options::read(std::env::args().skip(1))? {
        Mode::Relay { port, provider } => relay::run(port, &provider),
        Mode::Bench(options) => bench(&options),
    }
}

fn bench(options: &Options) -> anyhow::Result<()> {
    subject::pin_bench()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime for the games")?;
    println!("{}\n", figures::machine());
    runtime.block_on(async {
        if options.wants("streams") {
            streams::paced(options).await?;
        }
        if options.wants("chats") {
            streams::chats(options).await?;
        }
        if options.wants("saturation") {
            streams::saturated(options).await?;
        }
        if options.wants("turns") {
            turns::back_to_back(options).await?;
        }
        if options.wants("request") {
            request::measure(options).await?;
        }
        if options.wants("interruption") {
            interruption::measure(options).await?;
        }
        if options.wants("memory") {
            memory::measure(options).await?;
        }
        if options.names("soak") {
            soak::watch(options).await?;
        }
        Ok(())
    })
}
