//! The sizes that both sides of the contract rely on.

/// Longest id, name and `nonce`, in bytes of UTF-8.
pub const MAX_ID_BYTES: usize = 256;
/// Longest frame that the server sends, in bytes: a Godot client drops its connection at 64 KiB.
pub const MAX_FRAME_BYTES: usize = 32 * 1024;
/// Longest part of what came in that an error message quotes, in characters.
pub const MAX_QUOTED_CHARS: usize = 100;
/// Deepest nesting of arrays and objects in a message.
pub const MAX_DEPTH: usize = 64;
/// Longest incoming message unless the server is configured otherwise, in bytes.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// The protocol's version, as `hello` and `welcome` carry it.
pub const PROTOCOL_VERSION: &str = "1";

/// The codes with which the server closes a connection.
pub mod close {
    /// The server is going down.
    pub const SHUTDOWN: u16 = 1001;
    /// A frame is not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// A message is too long.
    pub const TOO_LARGE: u16 = 1009;
    /// The token is missing or wrong.
    pub const UNAUTHORIZED: u16 = 4001;
    /// The game reads too slowly.
    pub const TOO_SLOW: u16 = 4008;
    /// Another connection took the session over.
    pub const SESSION_TAKEN: u16 = 4009;
    /// There are too many connections.
    pub const TOO_MANY_CONNECTIONS: u16 = 4029;
}
