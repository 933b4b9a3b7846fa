//! The game's end of the socket: typed messages in both directions, nothing else.

use dramatis_protocol::{ClientMessage, ServerMessage};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::SimulationError;

/// Longest part of a message that an error quotes.
const QUOTED_CHARS: usize = 120;

/// An open connection.
pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    url: String,
    sent: u64,
}

impl Socket {
    pub async fn connect(url: &str) -> Result<Self, SimulationError> {
        let (stream, _) = connect_async(url).await.map_err(|error| broken(url, &error))?;
        if let MaybeTlsStream::Plain(socket) = stream.get_ref() {
            socket.set_nodelay(true).map_err(|error| broken(url, &error))?;
        }
        Ok(Self { stream, url: url.to_owned(), sent: 0 })
    }

    /// Sends a message. What tells the server something to keep gets a `message_id`, so that it is
    /// confirmed.
    pub async fn send(&mut self, message: &ClientMessage) -> Result<(), SimulationError> {
        let mut value = serde_json::to_value(message).map_err(|error| broken(&self.url, &error))?;
        let keeps =
            matches!(message, ClientMessage::AgentTurnResult(_) | ClientMessage::ToolResults(_));
        if let (true, Value::Object(fields)) = (keeps, &mut value) {
            self.sent += 1;
            fields.insert("message_id".to_owned(), format!("m{}", self.sent).into());
        }
        let sent = self.stream.send(Message::text(value.to_string())).await;
        sent.map_err(|error| broken(&self.url, &error))
    }

    /// The next message. Ends with an error when the connection does. Dropping the future loses
    /// nothing.
    pub async fn receive(&mut self) -> Result<ServerMessage, SimulationError> {
        loop {
            let message = match self.stream.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(broken(&self.url, &error)),
                None => return Err(SimulationError::Closed(String::new())),
            };
            match message {
                Message::Text(text) => return read(&text),
                Message::Close(frame) => {
                    let why = frame.map_or_else(String::new, |frame| {
                        format!(" ({}: {})", frame.code, frame.reason)
                    });
                    return Err(SimulationError::Closed(why));
                }
                // Pings are answered by the library.
                _ => {}
            }
        }
    }

    /// Says goodbye; a server that is gone already is no matter.
    pub async fn close(mut self) {
        drop(self.stream.close(None).await);
    }
}

fn read(text: &str) -> Result<ServerMessage, SimulationError> {
    serde_json::from_str(text).map_err(|error| {
        let quoted: String = text.chars().take(QUOTED_CHARS).collect();
        SimulationError::NotTheProtocol(format!("{error} in {quoted}"))
    })
}

fn broken(url: &str, cause: &dyn std::fmt::Display) -> SimulationError {
    SimulationError::Connection { url: url.to_owned(), cause: cause.to_string() }
}
