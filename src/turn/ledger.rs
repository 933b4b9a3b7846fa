//! What a turn generated and, after an interruption, what of it was really handed to the game.
//!
//! `active_stream` writes it as tags are parsed; `outbox` reports how far it got; history and the
//! log read it.

use dramatis_protocol::TagKind;

use super::outbox::Delivered;
use crate::record::LedgerTag;

/// The tags of one turn, in order of opening: a tag's id is its place.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    tags: Vec<LedgerTag>,
}

impl Ledger {
    /// A ledger without a tag.
    #[must_use]
    pub const fn new() -> Self {
        Self { tags: Vec::new() }
    }

    /// The ledger of tags that were kept.
    #[must_use]
    pub const fn from_tags(tags: Vec<LedgerTag>) -> Self {
        Self { tags }
    }

    /// A tag opens; its place in the tag around it is noted.
    pub fn open(&mut self, tag: LedgerTag) {
        let parent = tag.parent_id.and_then(|parent| self.tag_mut(parent));
        if let Some(parent) = parent {
            parent.children.push((tag.tag_id, parent.text.len()));
        }
        self.tags.push(tag);
    }

    /// More text of a tag.
    pub fn text(&mut self, tag_id: u32, text: &str) {
        if let Some(tag) = self.tag_mut(tag_id) {
            tag.text.push_str(text);
        }
    }

    /// A tag closes.
    pub fn close(&mut self, tag_id: u32, complete: bool) {
        if let Some(tag) = self.tag_mut(tag_id) {
            tag.complete = complete;
        }
    }

    /// Forgets what was never handed over.
    pub fn cut(&mut self, delivered: &Delivered) {
        self.tags.truncate(delivered.tags.len());
        let handed_over = self.tags.len();
        for (tag, reached) in self.tags.iter_mut().zip(&delivered.tags) {
            tag.text.truncate(reached.bytes);
            tag.complete &= reached.closed;
            let length = tag.text.len();
            tag.children
                .retain(|(child, _)| usize::try_from(*child).is_ok_and(|id| id < handed_over));
            for (_, at) in &mut tag.children {
                *at = (*at).min(length);
            }
        }
    }

    /// The tags.
    #[must_use]
    pub fn tags(&self) -> &[LedgerTag] {
        &self.tags
    }

    /// The tags, for keeping.
    #[must_use]
    pub fn into_tags(self) -> Vec<LedgerTag> {
        self.tags
    }

    /// What a tag is to the game.
    #[must_use]
    pub fn kind_of(&self, tag_id: u32) -> Option<TagKind> {
        self.tags.get(usize::try_from(tag_id).ok()?).map(|tag| tag.kind)
    }

    /// How many characters of speech were forwarded.
    #[must_use]
    pub fn speech_chars(&self) -> u64 {
        let speech = self.tags.iter().filter(|tag| tag.kind == TagKind::Speech);
        speech.map(|tag| tag.text.chars().count() as u64).sum()
    }

    /// The calls of tools that closed complete.
    #[must_use]
    pub fn completed_calls(&self) -> Vec<u32> {
        let calls = self.tags.iter().filter(|tag| tag.kind == TagKind::Tool && tag.complete);
        calls.map(|tag| tag.tag_id).collect()
    }

    fn tag_mut(&mut self, tag_id: u32) -> Option<&mut LedgerTag> {
        self.tags.get_mut(usize::try_from(tag_id).ok()?)
    }
}
