//! What operators and load balancers ask: whether the process lives, whether games should be sent
//! to it, and its metrics.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::metrics::{self, Standing};
use super::{Access, Doors};
use crate::turn::registry::Vitals;

/// The text format's name (prometheus.io/docs/instrumenting/exposition_formats).
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /healthz`: the process is alive.
pub(super) async fn health() -> &'static str {
    "ok"
}

/// `GET /readyz`: whether more games are welcome; if not, why and what to do.
pub(super) async fn ready(State(doors): State<Doors>) -> Response {
    doors.registry.probe_store().await;
    let has_place = doors.places.available_permits() > 0;
    match obstacle(doors.stopping.is_cancelled(), has_place, &doors.registry.vitals()) {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

fn obstacle(stopping: bool, has_place: bool, vitals: &Vitals) -> Option<&'static str> {
    if stopping {
        return Some("the server is going down");
    }
    if !vitals.store_is_healthy {
        return Some(
            "the database could not be written (the log says why): if the disk is full, make room \
             on it; games go on from memory until then, chats don't",
        );
    }
    if !vitals.store_has_room {
        return Some("the database can't keep up: as much waits to be written as may");
    }
    (!has_place)
        .then_some("there are as many connections as there may be: see DRAMATIS_MAX_CONNECTIONS")
}

/// `GET /metrics`: for Prometheus, with the token where one is set.
pub(super) async fn metrics(
    State(doors): State<Doors>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Access { token, max_connections, .. } = &*doors.access;
    if token.is_some() && doors.access.presented(&headers, &query) != Some(true) {
        let challenge = [(WWW_AUTHENTICATE, "Bearer")];
        let message = "the metrics need the server's token, as Authorization: Bearer …\n";
        return (StatusCode::UNAUTHORIZED, challenge, message).into_response();
    }
    let standing = Standing {
        vitals: doors.registry.vitals(),
        connections: max_connections.saturating_sub(doors.places.available_permits()),
        chat_replies: doors.chats.replies(),
    };
    match metrics::render(&standing) {
        Some(text) => ([(CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_is_said() {
        let well = Vitals { store_is_healthy: true, store_has_room: true, ..Vitals::default() };
        let ill = Vitals { store_is_healthy: false, ..well.clone() };
        let full = Vitals { store_has_room: false, ..well.clone() };
        let check = |stopping, has_place, vitals: &Vitals, expected: Option<&str>| {
            let obstacle = obstacle(stopping, has_place, vitals);
            match (obstacle, expected) {
                (None, None) => {}
                (Some(why), Some(part)) => assert!(why.contains(part), "{why}"),
                other => panic!("{other:?}"),
            }
        };
        check(false, true, &well, None);
        check(true, true, &well, Some("going down"));
        check(false, true, &ill, Some("disk is full"));
        check(false, true, &full, Some("can't keep up"));
        check(false, false, &well, Some("DRAMATIS_MAX_CONNECTIONS"));
    }
}
