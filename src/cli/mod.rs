//! The commands, and the one place where implementations are chosen and put together.

mod assets;
mod check;
mod compose;
mod context;
mod demo;
mod flags;
mod logging;
mod logs;
pub mod mock_llm;
mod models;
pub mod parse;
mod prompt;
mod serve;
#[cfg(test)]
mod tests;

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
    /// Serves games (the default)
    Serve(serve::ServeArgs),
    /// Plays a sample scene in the terminal, then keeps serving
    Demo(demo::DemoArgs),
    /// Shows what the tag parser makes of a text
    Parse(parse::ParseArgs),
    /// Shows what a model would be told of a character, without asking one
    Prompt(prompt::PromptArgs),
    /// Checks a folder of worlds, characters and rules
    Check(check::CheckArgs),
    /// Shows what was logged: sessions, entries, transcripts
    Logs(logs::LogsArgs),
    /// Serves the built-in actor as an OpenAI-compatible endpoint, with faults on demand
    MockLlm(mock_llm::MockLlmArgs),
}

/// Runs the program; errors are printed as one line with their causes.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => in_runtime(serve::run(args)),
        Command::Demo(args) => in_runtime(demo::run(args)),
        Command::Parse(args) => parse::run(&args),
        Command::Prompt(args) => in_runtime(async move {
            // A lock on standard output is not to be held across threads.
            prompt::run(&args, &mut std::io::stdout()).await
        }),
        Command::Check(args) => check::run(&args, &mut std::io::stdout()),
        Command::Logs(args) => logs::run(&args, &mut std::io::stdout()).map(|()| ExitCode::SUCCESS),
        Command::MockLlm(args) => in_runtime(async {
            mock_llm::run(args, serve::stop_signal()).await.map(|()| ExitCode::SUCCESS)
        }),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("dramatis: {error:#}");
        ExitCode::FAILURE
    })
}

fn in_runtime(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
