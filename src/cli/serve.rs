//! `dramatis serve`: serves games until it is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use futures::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::compose::{House, actor_with};
use super::flags::SettingFlags;
use super::logging;
use crate::actor::Script;
use crate::config::{Settings, Sources};

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    flags: SettingFlags,
    /// Print the address as one line of JSON on standard output when the server listens
    #[arg(long)]
    ready_json: bool,
    /// End when standard input is closed, as it is when the game that started the server ends; data
    /// and logs lie in the user's data folder then, unless something else is set
    #[arg(long)]
    exit_with_stdin: bool,
}

/// Serves until Ctrl-C, SIGTERM or, where asked for, the end of standard input.
///
/// # Errors
/// If the settings, the address, the store or the log can't be used.
pub async fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let sources = sources(&args.flags)?;
    let sources = if args.exit_with_stdin { sources.with_user_folders() } else { sources };
    let settings = read_settings(&sources)?;
    let _logging = logging::start(&settings.log_level, settings.log_format);
    warn_of_unknown(&sources);
    let signal = stop_signal();
    let listener = listen(&settings).await?;
    let house = House::build(&settings, actor_with(Script::builtin()))?;
    house.announce(&settings);
    announce(&listener)?;
    if args.ready_json {
        print_ready(listener.local_addr()?)?;
    }
    let parent = args.exit_with_stdin.then(end_of_stdin).transpose()?;
    let stop = async move {
        tokio::select! {
            () = signal => {}
            Some(_) = OptionFuture::from(parent) => tracing::info!("standard input was closed"),
        }
    };
    house.serve(listener, stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Resolves when standard input ends. A thread of its own reads it, which the process needn't wait
/// for: a read of standard input can't be called off.
fn end_of_stdin() -> std::io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        // What is written there has no meaning; an error is an end too.
        drop(std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
        let _ = ended.send(());
    })?;
    Ok(end)
}

/// The settings. What is set in vain may be the reason why they can't be used.
pub(super) fn read_settings(sources: &Sources) -> anyhow::Result<Settings> {
    Settings::read(&|name| sources.look_up(name)).map_err(|error| {
        let unknown: String =
            sources.unknown().iter().map(|unknown| format!("\ndramatis: {unknown}")).collect();
        anyhow::anyhow!("{error}{unknown}")
    })
}

/// Tells of what is set in vain.
pub(super) fn warn_of_unknown(sources: &Sources) {
    for unknown in sources.unknown() {
        tracing::warn!("{unknown}");
    }
}

/// Where settings come from: this folder, the environment and the flags.
pub(super) fn sources(flags: &SettingFlags) -> anyhow::Result<Sources> {
    Ok(Sources::of_folder(Path::new("."), flags.given.clone())?)
}

/// Takes the address.
async fn listen(settings: &Settings) -> anyhow::Result<TcpListener> {
    let address = (settings.host, settings.port);
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "can't listen on {}:{}: is another server running? Choose another with --port",
            settings.host, settings.port
        )
    })
}

fn announce(listener: &TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!("games connect to ws://{address}/ws");
    tracing::info!("people chat at ws://{address}/ws/rpc");
    Ok(())
}

/// Tells whoever started the server where it listens: one line, and nothing else, on standard
/// output.
fn print_ready(address: SocketAddr) -> std::io::Result<()> {
    let url = format!("ws://{address}/ws");
    let ready = serde_json::json!({"ready": true, "address": address.to_string(), "url": url});
    let mut out = std::io::stdout().lock();
    writeln!(out, "{ready}")?;
    // Whoever waits for this line reads a pipe, which isn't flushed by itself.
    out.flush()
}

/// Resolves at Ctrl-C or, where there is such a thing, SIGTERM. Listens from the call on, so that a
/// signal that comes before anybody waits for it is not lost.
pub(super) fn stop_signal() -> impl Future<Output = ()> + Send + 'static {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        let signals = kinds.map(|kind| signal(kind).ok());
        async move {
            let next = signals.map(|signal| {
                Box::pin(async move {
                    match signal {
                        Some(mut signal) => drop(signal.recv().await),
                        None => std::future::pending().await,
                    }
                })
            });
            futures::future::select_all(next).await;
        }
    }
    #[cfg(not(unix))]
    async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
