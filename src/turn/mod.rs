//! A game turn from the event to its end. The rules are plain data (`state`), one task owns each
//! agent (`agent`), the model's pieces become frames in `active_stream` and wait for the socket in
//! `outbox`; `ledger` keeps what was generated and what was handed over; `registry` finds the agent
//! that a message is for. Nothing here knows sockets, HTTP or SQL.

pub mod vocabulary;

pub mod state;

pub mod ledger;

pub mod outbox;

pub mod active_stream;

pub mod agent;

pub mod registry;
