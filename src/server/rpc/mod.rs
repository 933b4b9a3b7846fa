//! The roleplay door `/ws/rpc`: prompts, commands, and replies as they come. Each connection has choices
//! of its own (`chosen`); what was asked is read in `incoming`, commands are known to `command` and done
//! in `doing`, frames wait in `outgoing`. What is said in a session is `chat`'s.

mod chosen;
mod command;
mod connection;
mod doing;
mod incoming;
mod outgoing;
mod turn;

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
    let client = query.get("client").cloned();
    let tracked = doors.connections.token();
    upgrade.on_upgrade(move |socket| async move {
        connection::serve(socket, doors, admission, client).await;
        drop(tracked);
    })
}
