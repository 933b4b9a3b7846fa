//! `ActiveStreamController`: the model's deltas become tags, the tags become frames.
//!
//! One for each running turn, held by the agent's task. It feeds the parser, numbers the tags, joins
//! native tool calls to them, keeps the ledger and fills the connection's queue, under one short
//! lock for each delta. It decides nothing about turns.

mod native_calls;
mod shown;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use dramatis_protocol::{
    AgentTurnFinished, AgentTurnInterrupted, ErrorMessage, Id, ServerMessage, Warnings,
};

use super::ledger::Ledger;
use super::outbox::{Keep, OutboxHandle, TurnEndFrame};
use crate::llm::ReasoningSeen;
use crate::record::{Delta, LedgerTag, ToolSpec};
use crate::tags::{End, Options, Parser, StrayText, Summary, Vocabulary};
use native_calls::NativeCalls;
use shown::Shown;

/// What a turn's stream is made for.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// The agent.
    pub agent_id: Id,
    /// The turn.
    pub turn_id: Id,
    /// The tags that it may use.
    pub vocabulary: Arc<Vocabulary>,
    /// The tools that it was offered natively.
    pub tools: Vec<ToolSpec>,
    /// What becomes of text outside every tag.
    pub stray_text: StrayText,
    /// Whether the model begins inside its reasoning.
    pub starts_in_reasoning: bool,
}

/// Turns the deltas of one reply into the frames of one turn.
#[derive(Debug)]
pub struct ActiveStreamController {
    outbox: OutboxHandle,
    parser: Parser,
    shown: Shown,
    calls: NativeCalls,
    plan: StreamPlan,
    /// The text so far, for reading it again; kept only where that may be needed.
    text: Option<String>,
    any_text: bool,
    /// What the reply tells of where its model begins.
    seen: ReasoningSeen,
    warnings: Warnings,
}

impl ActiveStreamController {
    /// A stream that has shown nothing yet.
    #[must_use]
    pub fn new(plan: StreamPlan, outbox: OutboxHandle) -> Self {
        let parser = new_parser(&plan, plan.starts_in_reasoning);
        Self {
            outbox,
            parser,
            shown: Shown::new(plan.agent_id.clone(), plan.turn_id.clone()),
            calls: NativeCalls::new(&plan.tools),
            text: plan.starts_in_reasoning.then(String::new),
            any_text: false,
            seen: ReasoningSeen::Nothing,
            warnings: Warnings::new(),
            plan,
        }
    }

    /// Takes a delta of the reply.
    pub fn take(&mut self, delta: &Delta) {
        match delta {
            Delta::Text(text) => self.take_text(text),
            Delta::ToolCall(piece) => {
                self.calls.take(piece);
                self.show_finished_calls();
            }
            Delta::Reasoning(_) | Delta::Usage(_) | Delta::Model(_) | Delta::Finish(_) => {}
        }
    }

    /// The reply is whole, or was cut by a token limit: what was held back is decided.
    pub fn end_of_reply(&mut self, truncated: bool) {
        let end = if truncated { End::TokenLimit } else { End::Model };
        let summary = self.end_parser(end);
        if summary.no_reasoning {
            self.read_again(end);
        } else {
            self.count_all(&summary);
        }
        self.calls.end_of_reply();
        self.show_finished_calls();
        let bad = self.calls.take_bad();
        self.count("bad_call", bad);
        self.count("empty_reply", u64::from(!self.any_text && self.shown.is_empty()));
        self.count("nothing_shown", u64::from(self.shown.is_empty()));
    }

    /// The turn came to its end; after [`Self::end_of_reply`].
    pub fn finish(&mut self, mut end: AgentTurnFinished) {
        end.warnings.append(&mut self.warnings.clone());
        self.outbox.with(|outbox| outbox.finish(TurnEndFrame::Finished(end)));
    }

    /// The reply failed: what was shown is closed, then come the error and the turn's end.
    pub fn fail(&mut self, error: ErrorMessage, mut end: AgentTurnInterrupted) {
        let summary = self.end_parser(End::Interruption);
        self.count_all(&summary);
        end.warnings.append(&mut self.warnings.clone());
        self.outbox.with(|outbox| {
            outbox.push(ServerMessage::Error(error));
            outbox.finish(TurnEndFrame::Interrupted(end));
        });
    }

    /// The turn is cut: what still waits for the socket is taken back.
    pub fn interrupt(&mut self, mut end: AgentTurnInterrupted, keep: Keep) {
        let summary = self.parser.finish(End::Interruption, &mut |_| {});
        self.count_all(&summary);
        end.warnings.append(&mut self.warnings.clone());
        let agent_id = &self.plan.agent_id;
        let end = TurnEndFrame::Interrupted(end);
        let delivered = self.outbox.with(|outbox| outbox.interrupt(agent_id, end, keep));
        if let Some(delivered) = delivered {
            self.shown.ledger.cut(&delivered);
        }
    }

    /// Counts something that the turn noticed beside the parser; 0 leaves no trace.
    pub fn count(&mut self, warning: &str, times: u64) {
        if times > 0 {
            let count = self.warnings.entry(warning.to_owned()).or_default();
            *count = count.saturating_add(times);
        }
    }

    /// Whether a tag is open that must not be cut.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.shown.is_holding()
    }

    /// Whether a tag has been shown.
    #[must_use]
    pub fn has_tag(&self) -> bool {
        !self.shown.is_empty()
    }

    /// Whether a piece of speech has been shown.
    #[must_use]
    pub const fn has_speech(&self) -> bool {
        self.shown.has_speech()
    }

    /// What was generated or, after an interruption, forwarded.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.shown.ledger
    }

    /// What was repaired so far.
    #[must_use]
    pub const fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// Whether the reply was read as beginning inside the model's reasoning.
    #[must_use]
    pub const fn starts_in_reasoning(&self) -> bool {
        self.plan.starts_in_reasoning
    }

    /// What the reply tells of where its model begins; known at the end.
    #[must_use]
    pub const fn reasoning_seen(&self) -> ReasoningSeen {
        self.seen
    }

    /// The tags, for keeping.
    #[must_use]
    pub fn into_tags(self) -> Vec<LedgerTag> {
        self.shown.ledger.into_tags()
    }

    fn take_text(&mut self, text: &str) {
        self.any_text = true;
        if let Some(so_far) = &mut self.text {
            so_far.push_str(text);
        }
        let Self { parser, shown, outbox, .. } = self;
        outbox.with(|outbox| {
            parser.feed(text.as_bytes(), &mut |event| shown.show(outbox, event));
        });
        if !self.calls.is_empty() {
            self.show_finished_calls();
        }
    }

    fn end_parser(&mut self, end: End) -> Summary {
        let Self { parser, shown, outbox, .. } = self;
        outbox.with(|outbox| parser.finish(end, &mut |event| shown.show(outbox, event)))
    }

    /// The model did not begin in its reasoning after all: what was taken for it is the reply.
    fn read_again(&mut self, end: End) {
        self.parser = new_parser(&self.plan, false);
        // An empty reply stays one.
        if let Some(text) = self.text.take().filter(|text| !text.is_empty()) {
            self.take_text(&text);
        }
        let summary = self.end_parser(end);
        self.count_all(&summary);
        if self.any_text {
            self.seen = ReasoningSeen::NoReasoning;
        }
        self.count("no_reasoning", 1);
    }

    /// A native call stands outside every tag, so it waits until none is open.
    fn show_finished_calls(&mut self) {
        if self.shown.is_inside_a_tag() {
            return;
        }
        let Self { calls, shown, outbox, .. } = self;
        outbox.with(|outbox| {
            while let Some(call) = calls.next_finished() {
                if !shown.show_call(outbox, call) {
                    calls.count_bad();
                }
            }
        });
    }

    fn count_all(&mut self, summary: &Summary) {
        if summary.orphan_before_tags {
            self.seen = ReasoningSeen::LoneClosingHalf;
        }
        for (name, times) in summary.warnings.iter() {
            self.count(name, times);
        }
    }
}

fn new_parser(plan: &StreamPlan, starts_in_reasoning: bool) -> Parser {
    let options = Options { stray_text: plan.stray_text.clone(), starts_in_reasoning };
    Parser::new(Arc::clone(&plan.vocabulary), options)
}
