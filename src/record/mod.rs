//! The plain, versioned data of a turn: what a model was sent, what it answered, what became of
//! it. Nothing here acts; `llm` speaks in these words, `turn` fills them in, `store` keeps what the
//! next prompt needs, `turn_log` writes everything to files, and analysis reads it back.

mod chat;
mod context;
mod history;
mod message;
mod presented;
mod retrieved;
mod turn;

pub use chat::{ChatMessage, ChatSession, NEW_SESSION, title_of, told};
pub use context::{ContextReport, Fate, SectionReport};
pub use history::{
    AgentHistory, LedgerTag, Observation, Occurrence, PastTurn, ToolAnswer, TurnEnd, TurnResult,
};
pub use message::{Delta, Message, Role, ToolCall, ToolCallPiece, ToolSpec, Usage};
pub use presented::{Presented, PresentedTag, answered_calls, presented};
pub use retrieved::{
    LeftOut, LeftOutBecause, Piece, PieceSource, Ranked, RetrievalReport, Retrieved, Scores, Woken,
    WokenBy, WokenEntry,
};
pub use turn::{RECORD_VERSION, RawDelta, TurnRecord};
