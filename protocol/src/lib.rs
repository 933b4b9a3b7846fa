//! The wire contract between a game and the dramatis turn server (`/ws`).
//!
//! Every message that crosses the socket has its type here, in both directions, together with
//! the tolerant reading of what games really send. This crate knows nothing of the server:
//! a game, a test or a headless simulation can depend on it alone. The same contract in
//! words is `protocol/README.md`; as JSON Schemas it lies in `protocol/schemas/`,
//! and as AsyncAPI in `protocol/asyncapi.json`. The contract with designers, whose files the
//! server reads, is [`assets`], and [`sentences`] for the words of prompts.

#![warn(missing_docs)]

pub mod assets;
pub mod asyncapi;
pub mod client;
pub mod frame;
pub mod limits;
pub mod read;
pub mod rpc;
pub mod schema;
pub mod sentences;
pub mod server;
pub mod state;

use std::sync::Arc;

pub use client::{
    Actor, AgentStateSnapshot, AgentTurnResult, CancelTurn, ClientMessage, Hello, InteractionEvent,
    Interrupt, NotificationEvent, Outcome, Ping, TagOutcome, ToolResult, ToolResults,
};
pub use frame::{chunk_budget, split_text, write_chunk};
pub use read::{ReadError, Received, read, read_agent_state, read_bytes, read_tags};
pub use sentences::Sentences;
pub use server::{
    AgentTagChunk, AgentTagClose, AgentTagOpen, AgentTurnFinished, AgentTurnInterrupted,
    AgentTurnStarted, ContextTotals, DropReason, ErrorCode, ErrorMessage, EventDropped,
    GetAgentState, InterruptReason, Limits, Origin, Pong, ServerMessage, Stored, Timings, Usage,
    Warnings, Welcome,
};
pub use state::{
    AgentState, AttributeDefinition, AttributeType, DossierSection, PromptPart, TagContent,
    TagDefinition, TagKind, ToolDefinition,
};

/// An identifier on the wire: a string that is cheap to clone, at most
/// [`limits::MAX_ID_BYTES`] long.
pub type Id = Arc<str>;
