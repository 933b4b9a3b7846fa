//! The commands, and the one place where implementations are chosen and put together.

mod compose;
mod flags;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Lets the characters of a game speak and act through a language model.
#[derive(Debug, Parser)]
#[command(name = "dramatis", version, about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve games (the default).
    Serve(serve::ServeArgs),
}

/// Runs the program; errors are printed as one line with their causes.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => in_runtime(serve::run(args)),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("dramatis: {error:#}");
        ExitCode::FAILURE
    })
}

fn in_runtime(
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
