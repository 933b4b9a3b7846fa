//! What waits to be sent to one connection: a bounded, typed queue without I/O.
//!
//! Agents put messages in, `server::game` takes frames out and does nothing else with them. While a
//! client lags, neighbouring chunks of a tag become one. A turn's `seq` is given out when a frame is
//! taken, and what was taken is noted: an interruption removes the rest of the turn and tells how
//! far the game got. Full means that the client is too slow: the connection is closed.

mod account;
mod closing;
mod frame;
mod handle;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use dramatis_protocol::{AgentTagClose, AgentTagOpen, AgentTurnStarted, Id, ServerMessage};

use account::Account;
pub use account::{Delivered, Reached};
pub use closing::Closing;
pub use frame::TurnEndFrame;
use frame::{Chunk, Frame};
pub use handle::OutboxHandle;

/// How much may wait, in bytes of text and a flat sum for each frame.
pub const CAPACITY_BYTES: usize = 1024 * 1024;

/// What interrupting a turn leaves in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Everything up to the end of the last tag that must not be cut.
    Uninterruptible,
    /// Nothing.
    Nothing,
}

/// The queue of one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Option<Frame>>,
    /// The running number of the queue's first place.
    first: u64,
    bytes: usize,
    turns: HashMap<Id, Account>,
    closing: Option<Closing>,
}

impl Outbox {
    /// A message that belongs to no turn.
    pub fn push(&mut self, message: ServerMessage) {
        self.enqueue(Frame::Plain(Box::new(message)));
    }

    /// A turn begins.
    pub fn start(&mut self, started: AgentTurnStarted) {
        self.turns.insert(started.turn_id.clone(), Account::default());
        self.enqueue(Frame::Started(Box::new(started)));
    }

    /// A tag opens. `interruptible`: whether an interruption may cut it.
    pub fn open(&mut self, open: AgentTagOpen, interruptible: bool) {
        if let Some(account) = self.turns.get_mut(&open.turn_id) {
            account.last_chunk = None;
            if !interruptible {
                account.uncuttable.push(open.tag_id);
            }
            self.enqueue(Frame::Open(Box::new(open)));
        }
    }

    /// More text of a tag: joined to the tag's last chunk where that still waits and nothing of the
    /// turn came after it.
    pub fn chunk(&mut self, agent_id: &Id, turn_id: &Id, tag_id: u32, text: &str) {
        let Some(account) = self.turns.get_mut(turn_id) else { return };
        let waiting = account.last_chunk.and_then(|place| place.checked_sub(self.first));
        let waiting = waiting.and_then(|index| self.queue.get_mut(usize::try_from(index).ok()?));
        if let Some(Some(Frame::Chunk(chunk))) = waiting
            && chunk.tag_id == tag_id
        {
            chunk.text.push_str(text);
            self.bytes = self.bytes.saturating_add(text.len());
            self.check_capacity();
            return;
        }
        account.last_chunk = Some(self.first.saturating_add(self.queue.len() as u64));
        self.enqueue(Frame::Chunk(Chunk::new(agent_id, turn_id, tag_id, text)));
    }

    /// A tag closes.
    pub fn close_tag(&mut self, close: AgentTagClose) {
        let place = self.first.saturating_add(self.queue.len() as u64);
        if let Some(account) = self.turns.get_mut(&close.turn_id) {
            account.last_chunk = None;
            if account.uncuttable.contains(&close.tag_id) {
                account.keep_through = Some(place);
            }
            self.enqueue(Frame::Close(Box::new(close)));
        }
    }

    /// A turn ends by itself; everything of it will still be sent.
    pub fn finish(&mut self, end: TurnEndFrame) {
        if self.turns.contains_key(end.turn_id()) {
            self.enqueue(Frame::End(Box::new(end)));
        }
    }

    /// A turn is cut: what of it still waits is removed, tags that the game saw opening are closed,
    /// then comes its end. Tells how far the game gets; `None` if the turn's end was sent already.
    pub fn interrupt(&mut self, agent_id: &Id, end: TurnEndFrame, keep: Keep) -> Option<Delivered> {
        let turn_id = end.turn_id().clone();
        let delivered = self.discard(&turn_id, keep)?;
        let tags = delivered.tags.iter().enumerate().rev();
        for (tag_id, reached) in tags.filter(|(_, reached)| !reached.closed) {
            self.enqueue(Frame::Close(Box::new(AgentTagClose {
                agent_id: agent_id.clone(),
                turn_id: turn_id.clone(),
                seq: 0,
                tag_id: u32::try_from(tag_id).unwrap_or(u32::MAX),
                tag: reached.tag.clone(),
                complete: false,
            })));
        }
        self.enqueue(Frame::End(Box::new(end)));
        Some(delivered)
    }

    /// The connection is gone: how far the game got with a turn whose end was not sent.
    pub fn settle(&mut self, turn_id: &Id) -> Option<Delivered> {
        let delivered = self.discard(turn_id, Keep::Nothing);
        self.turns.remove(turn_id);
        delivered
    }

    /// Whether everything of a turn up to its end was taken.
    #[must_use]
    pub fn has_sent(&self, turn_id: &Id) -> bool {
        !self.turns.contains_key(turn_id)
    }

    /// Takes the next frame as JSON into `json` (which is cleared). `false`: nothing waits.
    pub fn take(&mut self, json: &mut String) -> bool {
        json.clear();
        while let Some(slot) = self.queue.front_mut() {
            let Some(frame) = slot else {
                self.drop_front();
                continue;
            };
            let account = frame.turn_id().and_then(|turn_id| self.turns.get_mut(turn_id));
            let before = frame.weight();
            let rest = frame.write(json, account);
            self.bytes = self.bytes.saturating_sub(before.saturating_sub(rest));
            if rest == 0 {
                if let Some(ended) = frame.ended_turn() {
                    self.turns.remove(ended);
                }
                self.drop_front();
            }
            return true;
        }
        false
    }

    /// Whether what came in last is a turn's end.
    #[must_use]
    pub fn ends_with_an_end(&self) -> bool {
        matches!(self.queue.back(), Some(Some(Frame::End(_))))
    }

    /// Closes the connection once everything that waits is sent; nothing more is taken in.
    pub fn close(&mut self, closing: Closing) {
        self.closing.get_or_insert(closing);
    }

    /// How the connection is to be closed, if it is.
    #[must_use]
    pub const fn closing(&self) -> Option<Closing> {
        self.closing
    }

    /// How much waits, in bytes.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.bytes
    }

    fn enqueue(&mut self, frame: Frame) {
        if self.closing.is_some() {
            return;
        }
        self.bytes = self.bytes.saturating_add(frame.weight());
        self.queue.push_back(Some(frame));
        self.check_capacity();
    }

    /// A client that lags this far won't catch up: what waits is thrown away.
    fn check_capacity(&mut self) {
        if self.bytes > CAPACITY_BYTES {
            self.first = self.first.saturating_add(self.queue.len() as u64);
            self.queue.clear();
            self.bytes = 0;
            self.close(Closing::TOO_SLOW);
        }
    }

    fn drop_front(&mut self) {
        if self.queue.pop_front().is_some() {
            self.first = self.first.saturating_add(1);
        }
    }

    /// Removes what waits of a turn, but for its start and what is to be kept.
    fn discard(&mut self, turn_id: &Id, keep: Keep) -> Option<Delivered> {
        let account = self.turns.get(turn_id)?;
        let keep_through = account.keep_through.filter(|_| keep == Keep::Uninterruptible);
        let mut delivered = account.delivered.clone();
        for (place, slot) in (self.first..).zip(&mut self.queue) {
            let Some(frame) = slot.as_ref().filter(|frame| frame.turn_id() == Some(turn_id)) else {
                continue;
            };
            if keep_through.is_some_and(|last| place <= last) {
                frame.count_into(&mut delivered);
            } else if !matches!(frame, Frame::Started(_)) {
                self.bytes = self.bytes.saturating_sub(frame.weight());
                *slot = None;
            }
        }
        if let Some(account) = self.turns.get_mut(turn_id) {
            account.last_chunk = None;
        }
        Some(delivered)
    }
}
