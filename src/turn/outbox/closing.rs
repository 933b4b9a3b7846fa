//! The ways in which a connection is closed.

use dramatis_protocol::limits::close;

/// How a connection is to be closed once everything that waits is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// The WebSocket close code.
    pub code: u16,
    /// A few words.
    pub reason: &'static str,
}

impl Closing {
    /// The server is going down.
    pub const SHUTDOWN: Self = Self::new(close::SHUTDOWN, "the server is going down");
    /// A frame is not UTF-8.
    pub const NOT_UTF8: Self = Self::new(close::NOT_UTF8, "not UTF-8");
    /// A message is too long.
    pub const TOO_LARGE: Self = Self::new(close::TOO_LARGE, "message too large");
    /// The token is missing or wrong.
    pub const UNAUTHORIZED: Self = Self::new(close::UNAUTHORIZED, "unauthorized");
    /// The client reads too slowly.
    pub const TOO_SLOW: Self = Self::new(close::TOO_SLOW, "reads too slowly");
    /// Another connection took the session over.
    pub const SESSION_TAKEN: Self = Self::new(close::SESSION_TAKEN, "session taken over");
    /// There are too many connections.
    pub const TOO_MANY_CONNECTIONS: Self =
        Self::new(close::TOO_MANY_CONNECTIONS, "too many connections");

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason }
    }
}
