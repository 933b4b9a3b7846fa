//! A headless game: it plays a scenario over a real socket as any game would, shows what the
//! characters say at a reading pace, and reports what happened.
//!
//! It knows `dramatis_protocol` and nothing else of this program, and so proves that a game needs
//! nothing else. `cli` hands it an address and a [`Presenter`]; tests hand it a fake server.

mod agent;
#[cfg(test)]
pub(crate) mod fake;
mod game;
mod report;
mod scenario;
mod socket;
mod stage;
mod strict;
mod world;

#[cfg(test)]
mod tests;

pub use game::{Game, PlayOptions};
pub use report::{End, Report, ToolRun, TurnReport};
pub use scenario::{Scenario, ScenarioError};
pub use stage::{Pace, Presenter, Silent, StageEvent};

/// Why a scenario could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// No connection, or it broke.
    #[error("the connection to {url} failed: {cause}")]
    Connection {
        /// The server's address.
        url: String,
        /// What went wrong.
        cause: String,
    },
    /// The server closed the connection.
    #[error("the server closed the connection{0}")]
    Closed(String),
    /// The server's answer to `hello` was an error.
    #[error("the server refused the game: {0}")]
    Refused(String),
    /// The server sent what is no message of the protocol.
    #[error("the server sent something that is no message of the protocol: {0}")]
    NotTheProtocol(String),
    /// A step waited for something that did not come.
    #[error("step {step} waited {seconds} s for {what}")]
    Stuck {
        /// The step's number, from 1.
        step: usize,
        /// How long it waited.
        seconds: u64,
        /// What it waited for.
        what: String,
    },
}
