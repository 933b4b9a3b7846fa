//! What all sockets have in common: how patient they are, and how they come to their end.

use std::time::Duration;

use axum::extract::ws::WebSocket;
use futures::StreamExt;
use futures::stream::SplitStream;
use tokio::time::{sleep, timeout};

/// How often the server pings.
pub(super) const PING_EVERY: Duration = Duration::from_secs(20);

/// How long a client may leave anything untaken.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a close frame may take to a client that has stopped reading.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the last words of turns may take when the server goes down.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long a client may take to read the server's last words before the socket is dropped.
const LINGER: Duration = Duration::from_secs(1);

/// Keeps the socket until the client has closed it too, for a moment: dropped at once, with unread
/// messages in it, it would take the server's last words along.
pub(super) async fn linger(stream: &mut SplitStream<WebSocket>) {
    let closed = async {
        while let Some(message) = stream.next().await {
            if message.is_err() {
                sleep(LINGER).await;
            }
        }
    };
    let _ = timeout(LINGER, closed).await;
}
