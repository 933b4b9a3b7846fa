//! One game's connection, from the handshake to its end: a reading and a writing half side by side
//! in one task, so that a client that stops reading doesn't stop its own messages.

use std::time::Duration;

use axum::extract::ws::WebSocket;
use dramatis_protocol::{ErrorCode, ErrorMessage, ServerMessage};
use futures::StreamExt;
use futures::stream::SplitStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::incoming::{Reader, read_all};
use super::writing::write_all;
use crate::server::Doors;
use crate::turn::outbox::{Closing, OutboxHandle};

/// How long a client may take to read the server's last words before the socket is dropped.
const LINGER: Duration = Duration::from_secs(1);

/// How long the last words of turns may take when the server goes down.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the handshake found out.
pub(super) enum Admission {
    /// There is room.
    Seated {
        /// The connection's place, given back when it ends.
        place: OwnedSemaphorePermit,
        /// Whether the token that came along is right; `None`: none came, or none is needed.
        authorized: Option<bool>,
    },
    /// There is none.
    Full,
    /// A web page of another host wants to come in.
    Foreign {
        /// Where it is from.
        origin: String,
    },
}

/// Serves a connection until it ends.
pub(super) async fn serve(socket: WebSocket, doors: Doors, admission: Admission) {
    let outbox = OutboxHandle::default();
    let (sink, mut stream) = socket.split();
    let ping_timeout = Duration::from_millis(doors.access.limits.ping_timeout_ms);
    let writing = write_all(sink, &outbox, ping_timeout);
    let (place, authorized) = match admission {
        Admission::Foreign { origin } => {
            let message = format!(
                "web pages of \"{origin:.100}\" may not connect: add it to the server's \
                 DRAMATIS_ORIGINS"
            );
            refuse(&outbox, ErrorCode::Unauthorized, &message, Closing::UNAUTHORIZED);
            (None, None)
        }
        Admission::Full => {
            let message = "the server has as many connections as it takes: try again later";
            refuse(&outbox, ErrorCode::Overloaded, message, Closing::TOO_MANY_CONNECTIONS);
            (None, None)
        }
        Admission::Seated { authorized: Some(false), .. } => {
            let message = "the token is wrong: see the server's DRAMATIS_TOKEN";
            refuse(&outbox, ErrorCode::Unauthorized, message, Closing::UNAUTHORIZED);
            (None, None)
        }
        Admission::Seated { place, authorized } => (Some(place), authorized),
    };
    if place.is_none() {
        writing.await;
        return linger(&mut stream).await;
    }
    let mut reader = Reader::new(&doors, outbox.clone(), authorized == Some(true));
    converse(&doors, &mut reader, &mut stream, writing).await;
}

async fn converse(
    doors: &Doors,
    reader: &mut Reader<'_>,
    stream: &mut SplitStream<WebSocket>,
    writing: impl Future<Output = ()>,
) {
    let outbox = reader.outbox().clone();
    tokio::pin!(writing);
    let over = CancellationToken::new();
    let mut stopping = false;
    let ending = async {
        tokio::select! {
            biased;
            () = &mut writing => {}
            () = doors.stopping.cancelled() => stopping = true,
        }
        over.cancel();
        // Reading stops now, when the message in hand has been dealt with.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = ending => {}
        () = read_all(reader, stream, over.clone()) => {}
    }
    if let Some(attachment) = reader.take_attachment() {
        attachment.detach(stopping).await;
    }
    if stopping {
        outbox.close(Closing::SHUTDOWN);
        let _ = timeout(LAST_WORDS, writing).await;
    }
    if outbox.closing().is_some() {
        linger(stream).await;
    }
}

fn refuse(outbox: &OutboxHandle, code: ErrorCode, message: &str, closing: Closing) {
    tracing::warn!("a game was refused: {message}");
    outbox.send(ServerMessage::Error(ErrorMessage::new(code, message)));
    outbox.close(closing);
}

/// Keeps the socket until the client has closed it too, for a moment: dropped at once, with unread
/// messages in it, it would take the server's last words along.
async fn linger(stream: &mut SplitStream<WebSocket>) {
    let closed = async {
        while let Some(message) = stream.next().await {
            if message.is_err() {
                sleep(LINGER).await;
            }
        }
    };
    let _ = timeout(LINGER, closed).await;
}
