//! What the clients of all providers share: sending a request and reading the events of its answer,
//! and the attempts. A client adds how a request looks ([`Speaks::send`]) and what an event means
//! ([`Decode`]).

mod answer;
mod attempts;
mod events;
pub mod lenient;

pub use answer::{Answer, Exchange, with_body};
pub use attempts::{Decode, Endpoint, Speaks, Unread, deltas};
