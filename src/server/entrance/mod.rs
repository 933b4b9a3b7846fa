//! The way to a socket, whichever door it is behind: who is let in, and how the socket is set up. What
//! is said to those who aren't is the door's.

mod origin;
mod pace;

use std::collections::HashMap;

use axum::extract::WebSocketUpgrade;
use axum::http::HeaderMap;
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio::sync::OwnedSemaphorePermit;

use super::Doors;
use crate::turn::outbox::Closing;
pub(super) use pace::Pace;

/// How large a message the socket reads at all: one that is a little too long can then be refused
/// with a word, while one far beyond is not even gathered.
const READ_MARGIN: usize = 1024 * 1024;

/// What the socket gathers before it writes, in bytes.
const WRITE_BUFFER: usize = 16 * 1024;

/// What it reads at a time, in bytes: for each connection, so small.
const READ_BUFFER: usize = 8 * 1024;

/// Somebody who is let in.
pub(super) struct Seat {
    /// The connection's place, given back when it ends.
    pub place: OwnedSemaphorePermit,
    /// Whether a token came along, and so is right; also where none is needed.
    pub authorized: bool,
}

/// Somebody who isn't.
pub(super) struct Turned {
    /// Why, and what to do.
    pub message: String,
    /// Whether there is no room; else it is about who may come in.
    pub is_full: bool,
    /// How the connection is closed.
    pub closing: Closing,
}

/// Whether a connection is let in.
pub(super) fn admit(
    doors: &Doors,
    headers: &HeaderMap,
    query: &HashMap<String, String>,
) -> Result<Seat, Turned> {
    let refuse = |message: String, closing| {
        let is_full = closing == Closing::TOO_MANY_CONNECTIONS;
        Err(Turned { message, is_full, closing })
    };
    if let Some(origin) =
        origin::foreign(headers, &doors.access.origins, doors.access.token.is_some())
    {
        let message = format!(
            "web pages of \"{origin:.100}\" may not connect: add it to the server's DRAMATIS_ORIGINS"
        );
        return refuse(message, Closing::UNAUTHORIZED);
    }
    let Ok(place) = doors.places.clone().try_acquire_owned() else {
        let message = "the server has as many connections as it takes: try again later";
        return refuse(message.to_owned(), Closing::TOO_MANY_CONNECTIONS);
    };
    match doors.access.presented(headers, query) {
        Some(false) => {
            let message = "the token is wrong: see the server's DRAMATIS_TOKEN";
            refuse(message.to_owned(), Closing::UNAUTHORIZED)
        }
        presented => {
            let authorized = presented == Some(true) || doors.access.token.is_none();
            Ok(Seat { place, authorized })
        }
    }
}

/// The socket's sizes, and the subprotocol that a client wants to hear.
pub(super) fn set_up(
    upgrade: WebSocketUpgrade,
    headers: &HeaderMap,
    doors: &Doors,
) -> WebSocketUpgrade {
    let largest = usize::try_from(doors.access.limits.max_message_bytes).unwrap_or(usize::MAX);
    let largest = largest.saturating_add(READ_MARGIN);
    let upgrade = upgrade
        .max_message_size(largest)
        .max_frame_size(largest)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER);
    match first_subprotocol(headers) {
        Some(name) => upgrade.protocols([name]),
        None => upgrade,
    }
}

/// A client that offers subprotocols fails unless one of them is accepted.
fn first_subprotocol(headers: &HeaderMap) -> Option<String> {
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    offered.split(',').map(str::trim).find(|name| !name.is_empty()).map(str::to_owned)
}
