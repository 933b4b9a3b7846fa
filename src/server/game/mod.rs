//! The game's door `/ws`: lets a WebSocket in and finds out whether it may come in.
//!
//! A game engine can't see an HTTP status at the handshake, so every handshake is accepted and a
//! refusal is an `error` and a close code. `connection` serves what was let in.

mod connection;
mod incoming;
mod writing;

use std::collections::HashMap;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::{Doors, entrance};

pub(super) async fn upgrade(
    State(doors): State<Doors>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = entrance::set_up(upgrade, &headers, &doors);
    let admission = entrance::admit(&doors, &headers, &query);
    let tracked = doors.connections.token();
    upgrade.on_upgrade(move |socket| async move {
        connection::serve(socket, doors, admission).await;
        drop(tracked);
    })
}
