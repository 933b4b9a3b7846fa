//! What operators and load balancers ask.

/// `GET /healthz`: the process is alive.
pub(super) async fn health() -> &'static str {
    "ok"
}
