//! One game's connection, from the handshake to its end: a reading and a writing half side by side
//! in one task, so that a client that stops reading doesn't stop its own messages.

use std::time::Duration;

use axum::extract::ws::WebSocket;
use dramatis_protocol::{ErrorCode, ErrorMessage, ServerMessage};
use futures::StreamExt;
use futures::stream::SplitStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::incoming::{Reader, read_all};
use super::writing::write_all;
use crate::server::Doors;
use crate::server::entrance::{Seat, Turned};
use crate::server::socket::{LAST_WORDS, linger};
use crate::turn::outbox::{Closing, OutboxHandle};

/// Serves a connection until it ends.
pub(super) async fn serve(socket: WebSocket, doors: Doors, admission: Result<Seat, Turned>) {
    let outbox = OutboxHandle::default();
    let (sink, mut stream) = socket.split();
    let ping_timeout = Duration::from_millis(doors.access.limits.ping_timeout_ms);
    let writing = write_all(sink, &outbox, ping_timeout);
    match admission {
        Err(turned) => {
            refuse(&outbox, turned);
            writing.await;
            linger(&mut stream).await;
        }
        Ok(Seat { place, authorized }) => {
            let mut reader = Reader::new(&doors, outbox.clone(), authorized);
            converse(&doors, &mut reader, &mut stream, writing).await;
            drop(place);
        }
    }
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

fn refuse(outbox: &OutboxHandle, Turned { message, is_full, closing }: Turned) {
    tracing::warn!("a game was refused: {message}");
    let code = if is_full { ErrorCode::Overloaded } else { ErrorCode::Unauthorized };
    outbox.send(ServerMessage::Error(ErrorMessage::new(code, message)));
    outbox.close(closing);
}
