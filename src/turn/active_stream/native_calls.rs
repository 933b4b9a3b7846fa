//! Native tool calls on their way: pieces by index, until one is whole.

use std::collections::{HashSet, VecDeque};

use dramatis_protocol::limits::MAX_ID_BYTES;
use serde::de::IgnoredAny;

use crate::record::{ToolCallPiece, ToolSpec};

/// Longest arguments that are gathered, in bytes; beyond, the call is bad anyway.
const MAX_ARGUMENTS: usize = 64 * 1024;

/// Longest signature that is kept, in bytes; without one a provider can still be asked.
const MAX_SIGNATURE: usize = 64 * 1024;

/// A native call.
#[derive(Debug, Default)]
pub(super) struct Call {
    index: u32,
    pub id: String,
    pub name: String,
    arguments: String,
    pub signature: Option<String>,
}

impl Call {
    /// Whether its arguments are a JSON value already; without any, more may still come.
    fn is_whole(&self) -> bool {
        serde_json::from_str::<IgnoredAny>(&self.arguments).is_ok()
    }

    /// The arguments' JSON; models leave it out for a tool without parameters.
    pub fn arguments_text(&self) -> &str {
        if self.arguments.trim().is_empty() { "{}" } else { &self.arguments }
    }
}

/// The calls of one reply.
#[derive(Debug)]
pub(super) struct NativeCalls {
    offered: HashSet<String>,
    open: Vec<Call>,
    finished: VecDeque<Call>,
    bad: u64,
}

impl NativeCalls {
    pub fn new(tools: &[ToolSpec]) -> Self {
        Self {
            offered: tools.iter().map(|tool| tool.name.clone()).collect(),
            open: Vec::new(),
            finished: VecDeque::new(),
            bad: 0,
        }
    }

    /// A piece; one of a new index completes the calls before it whose arguments are whole.
    pub fn take(&mut self, piece: &ToolCallPiece) {
        if self.open.iter().all(|call| call.index != piece.index) {
            let (whole, open) = self.open.drain(..).partition(Call::is_whole);
            self.open = open;
            self.finish(whole);
            self.open.push(Call { index: piece.index, ..Call::default() });
        }
        let Some(call) = self.open.iter_mut().find(|call| call.index == piece.index) else {
            return;
        };
        if let Some(id) = piece.id.as_ref().filter(|id| !id.is_empty()) {
            call.id.clone_from(id);
        }
        if let Some(name) = piece.name.as_ref().filter(|name| !name.is_empty()) {
            call.name.clone_from(name);
        }
        if let Some(signature) = piece.signature.as_ref().filter(|it| it.len() <= MAX_SIGNATURE) {
            call.signature = Some(signature.clone());
        }
        if call.arguments.len() <= MAX_ARGUMENTS {
            call.arguments.push_str(&piece.arguments);
        }
    }

    /// No more pieces: every call is as whole as it will be.
    pub fn end_of_reply(&mut self) {
        let calls = std::mem::take(&mut self.open);
        self.finish(calls);
    }

    /// A call of a tool that was not offered is bad.
    fn finish(&mut self, calls: Vec<Call>) {
        for mut call in calls {
            if !self.offered.contains(&call.name) {
                self.bad = self.bad.saturating_add(1);
                continue;
            }
            // A game must be able to name the call in its answer.
            if call.id.is_empty() || call.id.len() > MAX_ID_BYTES {
                call.id = format!("call_{}", call.index);
            }
            self.finished.push_back(call);
        }
    }

    pub fn next_finished(&mut self) -> Option<Call> {
        self.finished.pop_front()
    }

    pub fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.open.is_empty()
    }

    pub const fn count_bad(&mut self) {
        self.bad = self.bad.saturating_add(1);
    }

    pub fn take_bad(&mut self) -> u64 {
        std::mem::take(&mut self.bad)
    }
}
