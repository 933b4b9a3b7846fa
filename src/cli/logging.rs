//! The server's own log, on standard error. A thread of its own writes it: whoever started the server
//! may never read that pipe, and a server that waits for it would stand still when it is full.

use std::io::{IsTerminal, stderr};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// How many lines may wait to be written; those beyond are lost.
const MAX_WAITING: usize = 10_000;

/// Writes what waits when it is dropped, as far as that takes no more than a second.
#[must_use]
pub(super) struct Logging {
    _worker: WorkerGuard,
}

/// Begins to log. Where another log was started before, that one goes on.
pub(super) fn start(level: &str, format: LogFormat) -> Logging {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|error| {
        eprintln!("dramatis: GAME_AGENT_LOG_LEVEL: {error}; INFO counts");
        EnvFilter::new("info")
    });
    // The client library logs whole chunks of replies, which are the players' business.
    let filter = match "async_openai=off".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let (writer, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_WAITING)
        .thread_name("log")
        .finish(stderr());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let _ = match format {
        LogFormat::Text => log.with_ansi(stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).try_init(),
    };
    Logging { _worker: worker }
}
