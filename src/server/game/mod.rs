//! The game's door `/ws`: lets a WebSocket in and finds out whether it may come in.
//!
//! A game engine can't see an HTTP status at the handshake, so every handshake is accepted and a
//! refusal is an `error` and a close code. `connection` serves what was let in.

mod connection;
mod incoming;
mod origin;
mod pace;
mod writing;

use std::collections::HashMap;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::response::Response;

use super::Doors;
use connection::Admission;

/// How large a message the socket reads at all: one that is a little too long can then be refused
/// with a word, while one far beyond is not even gathered.
const READ_MARGIN: usize = 1024 * 1024;

/// What the socket gathers before it writes, in bytes.
const WRITE_BUFFER: usize = 16 * 1024;

/// What it reads at a time, in bytes: for each connection, so small.
const READ_BUFFER: usize = 8 * 1024;

pub(super) async fn upgrade(
    State(doors): State<Doors>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let largest = usize::try_from(doors.access.limits.max_message_bytes).unwrap_or(usize::MAX);
    let largest = largest.saturating_add(READ_MARGIN);
    let upgrade = upgrade
        .max_message_size(largest)
        .max_frame_size(largest)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER);
    let upgrade = match first_subprotocol(&headers) {
        Some(name) => upgrade.protocols([name]),
        None => upgrade,
    };
    let admission = match origin::foreign(&headers, &doors.access.origins) {
        Some(origin) => Admission::Foreign { origin },
        None => match doors.places.clone().try_acquire_owned() {
            Ok(place) => {
                Admission::Seated { place, authorized: doors.access.presented(&headers, &query) }
            }
            Err(_) => Admission::Full,
        },
    };
    let tracked = doors.connections.token();
    upgrade.on_upgrade(move |socket| async move {
        connection::serve(socket, doors, admission).await;
        drop(tracked);
    })
}

/// A client that offers subprotocols fails unless one of them is accepted.
fn first_subprotocol(headers: &HeaderMap) -> Option<String> {
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    offered.split(',').map(str::trim).find(|name| !name.is_empty()).map(str::to_owned)
}
