//! Metrics for Prometheus: what was counted since the process began, and how things stand when it
//! asks. Whoever has something to count does so with the `metrics` crate's macros, at the end of a
//! turn; nothing is counted on the way of a delta.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::turn::registry::Vitals;

/// Where the times of first words are told apart, in seconds.
const FIRST_SPEECH: &[f64] =
    &[0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0];

/// Where the times of whole turns are told apart, in seconds.
const TURN: &[f64] = &[0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0, 120.0];

/// How often counted times are sorted into their buckets if nobody asks.
const SORT_EVERY: Duration = Duration::from_secs(5);

/// One recorder serves the process, however many servers run in it.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// How things stand at the doors.
pub(super) struct Standing {
    /// How everything behind the doors stands.
    pub vitals: Vitals,
    /// Connections.
    pub connections: usize,
    /// Replies in chats.
    pub chat_replies: usize,
}

fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER.get_or_init(start).as_ref()
}

fn start() -> Option<PrometheusHandle> {
    let named = |name: &str| Matcher::Full(name.to_owned());
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(named("dramatis_first_speech_seconds"), FIRST_SPEECH)
        .and_then(|it| it.set_buckets_for_metric(named("dramatis_turn_duration_seconds"), TURN));
    let recorder = match builder {
        Ok(builder) => builder.build_recorder(),
        Err(error) => {
            tracing::warn!(%error, "no metrics are kept");
            return None;
        }
    };
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("no metrics are kept: something else in this process keeps them");
        return None;
    }
    describe();
    Some(handle)
}

fn describe() {
    describe_counter!("dramatis_turns_total", "Turns that ended, by how.");
    describe_counter!("dramatis_interruptions_total", "Turns that were cut off, by cause.");
    describe_counter!("dramatis_parse_repairs_total", "Repairs of what models wrote, by kind.");
    describe_counter!("dramatis_provider_errors_total", "Requests to models that failed.");
    describe_counter!(
        "dramatis_fallbacks_total",
        "Replies that another model than the asked gave."
    );
    describe_counter!("dramatis_tokens_total", "Tokens, as the providers count them.");
    describe_histogram!(
        "dramatis_first_speech_seconds",
        Unit::Seconds,
        "From an event to the first word of its answer."
    );
    describe_histogram!(
        "dramatis_turn_duration_seconds",
        Unit::Seconds,
        "From an event to the end of its turn."
    );
    describe_counter!("dramatis_chat_turns_total", "Replies in chats that ended, by how.");
    describe_gauge!("dramatis_chat_replies", "Replies in chats under way.");
    describe_gauge!("dramatis_connections", "Connections of games and of people who chat.");
    describe_gauge!("dramatis_agents", "Agents in memory.");
    describe_gauge!("dramatis_provider_requests", "Requests to models under way.");
    describe_gauge!("dramatis_provider_queue_length", "Requests to models that wait.");
    describe_gauge!("dramatis_store_queue_length", "Writes that wait for the database.");
    describe_gauge!("dramatis_log_queue_length", "Entries that wait for the turn log.");
    describe_gauge!("dramatis_log_lost_entries", "Entries of the turn log that were given up.");
    describe_gauge!("dramatis_ws_send_queue_bytes", Unit::Bytes, "What waits for slow games.");
    describe_gauge!(
        "process_resident_memory_bytes",
        Unit::Bytes,
        "Memory of the process, as the system counts it."
    );
}

/// Everything, in Prometheus's text format.
pub(super) fn render(standing: &Standing) -> Option<String> {
    let recorder = recorder()?;
    let Standing { vitals, connections, chat_replies } = standing;
    let set = |name: &'static str, value: usize| gauge!(name).set(as_f64(value));
    set("dramatis_connections", *connections);
    set("dramatis_chat_replies", *chat_replies);
    set("dramatis_agents", vitals.agents);
    set("dramatis_provider_requests", vitals.requests.under_way);
    set("dramatis_provider_queue_length", vitals.requests.waiting);
    set("dramatis_store_queue_length", vitals.store_waiting);
    set("dramatis_log_queue_length", vitals.log_waiting);
    set("dramatis_log_lost_entries", usize::try_from(vitals.log_lost).unwrap_or(usize::MAX));
    set("dramatis_ws_send_queue_bytes", vitals.unsent_bytes);
    if let Some(bytes) = resident_memory() {
        set("process_resident_memory_bytes", bytes);
    }
    Some(recorder.render())
}

/// Keeps counted times from piling up where nobody asks for them. Never ends.
pub(super) async fn keep_small() {
    loop {
        if let Some(recorder) = recorder() {
            recorder.run_upkeep();
        }
        tokio::time::sleep(SORT_EVERY).await;
    }
}

/// Exact up to 2^53, which no queue here reaches.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn as_f64(value: usize) -> f64 {
    value as f64
}

/// In bytes; only Linux tells it in a file.
fn resident_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
