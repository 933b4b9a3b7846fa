//! The account of one turn in a connection's queue: its numbering and how far the game got.

use dramatis_protocol::Id;

/// How far the game got with one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The tag's name.
    pub tag: Id,
    /// How much of its text was taken, in bytes.
    pub bytes: usize,
    /// Whether its close was taken.
    pub closed: bool,
}

/// How far the game got with a turn: one entry for each tag whose open was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// By tag id.
    pub tags: Vec<Reached>,
}

impl Delivered {
    pub(super) fn open(&mut self, tag: &Id) {
        self.tags.push(Reached { tag: tag.clone(), bytes: 0, closed: false });
    }

    pub(super) fn text(&mut self, tag_id: u32, bytes: usize) {
        if let Some(tag) = self.tag_mut(tag_id) {
            tag.bytes = tag.bytes.saturating_add(bytes);
        }
    }

    pub(super) fn close(&mut self, tag_id: u32) {
        if let Some(tag) = self.tag_mut(tag_id) {
            tag.closed = true;
        }
    }

    fn tag_mut(&mut self, tag_id: u32) -> Option<&mut Reached> {
        self.tags.get_mut(usize::try_from(tag_id).ok()?)
    }
}

/// What the queue knows of one turn.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// The number of the next frame that is taken.
    pub seq: u64,
    /// What was taken.
    pub delivered: Delivered,
    /// The place of the last chunk, while nothing of the turn came after it.
    pub last_chunk: Option<u64>,
    /// Tags that an interruption must not cut.
    pub uncuttable: Vec<u32>,
    /// The place of the last close of such a tag.
    pub keep_through: Option<u64>,
}

impl Account {
    pub fn next_seq(&mut self) -> u64 {
        let seq = self.seq;
        self.seq = seq.saturating_add(1);
        seq
    }
}
