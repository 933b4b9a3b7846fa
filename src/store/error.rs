//! Why the store could not do what it was asked, in words that name no database.

use rusqlite::ErrorCode;

/// What kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The disk is full or does not answer. The store goes on; later writes may succeed.
    Full,
    /// The store has been closed.
    Closed,
    /// The play session was never opened, or has ended.
    UnknownSession,
    /// There is no such turn of this agent in this play session.
    UnknownTurn,
    /// There is such a turn already.
    Conflict,
    /// The file can't be used: no permission, damaged, in use, or not ours.
    Unusable,
    /// Anything else.
    Failed,
}

/// A failure of the store: what happened, and what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What kind of failure.
    pub kind: StoreErrorKind,
    /// A sentence for whoever runs the server.
    pub message: String,
}

impl StoreError {
    pub(super) fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn closed() -> Self {
        Self::new(StoreErrorKind::Closed, "the store is closed")
    }

    /// Whether the disk is at fault, rather than the thing that was to be written.
    pub(super) fn blames_disk(&self) -> bool {
        matches!(
            self.kind,
            StoreErrorKind::Full | StoreErrorKind::Unusable | StoreErrorKind::Failed
        )
    }
}

/// A failure on the way through the database, before it is put in words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Known(#[from] StoreError),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Known(error) => error,
            Failure::Json(error) => Self::new(
                StoreErrorKind::Failed,
                format!("an entry of the store can't be read or written: {error}"),
            ),
            Failure::Database(error) => Self::from_database(&error),
        }
    }
}

impl StoreError {
    fn from_database(error: &rusqlite::Error) -> Self {
        let (kind, remedy) = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                (StoreErrorKind::Full, "the disk is full: free some space")
            }
            Some(ErrorCode::SystemIoFailure) => {
                (StoreErrorKind::Full, "the disk does not answer: check its space and its health")
            }
            Some(ErrorCode::ConstraintViolation) => {
                (StoreErrorKind::Conflict, "the store has such an entry already")
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (
                StoreErrorKind::Unusable,
                "the store is damaged: move its file away, or bring back a copy",
            ),
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => (
                StoreErrorKind::Unusable,
                "the store can't be written: check the permissions of its file and folder",
            ),
            _ => (StoreErrorKind::Failed, "the store failed"),
        };
        Self::new(kind, format!("{remedy} ({error})"))
    }
}
