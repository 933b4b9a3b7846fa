//! What opens, what closes, and what text belongs to whom: everything that becomes an event.
//!
//! The reader calls it with markup and text that is decided. Text outside every tag is `stray`'s
//! part of the same tree.

use std::sync::Arc;

use super::attributes::{Attribute, Attributes};
use super::bytes::boundary;
use super::parser::{End, StrayText};
use super::rules::{Known, TagIndex};
use super::scan::Said;
use super::stray::Stray;
use super::text::{split_at_long_white, split_leading_white, split_trailing_white};
use super::vocabulary::{Content, TagDef, Vocabulary};
use super::warnings::{Warning, WarningCounts};

/// How deep tags may lie in each other.
const DEPTH: usize = 16;
/// How much white space waits at the possible end of one tag.
const WHITE_LIMIT: usize = 1024;
/// Text up to this length is joined with the white space that waited before it.
const JOINED: usize = 256;

/// What the parser hands out. Ids count the tags of a reply from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// A tag opens.
    Open {
        /// Its id.
        tag_id: u32,
        /// The tag that it stands in.
        parent_id: Option<u32>,
        /// What it is.
        tag: &'a TagDef,
        /// Its attributes, in the order in which they came.
        attributes: &'a [Attribute],
    },
    /// Text of an open tag, never empty.
    Chunk {
        /// Whose text it is.
        tag_id: u32,
        /// The text.
        text: &'a str,
    },
    /// A tag closes.
    Close {
        /// Which.
        tag_id: u32,
        /// What it is.
        tag: &'a TagDef,
        /// Whether it was closed as it should be, not by what came after it.
        complete: bool,
    },
}

#[derive(Debug)]
struct OpenTag {
    tag: TagIndex,
    id: u32,
    /// Whether it has had visible text.
    begun: bool,
    /// Where its white space begins in [`Tree::white`].
    white_start: usize,
}

/// The open tags of one reply.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) warnings: WarningCounts,
    pub(super) stray: Stray,
    /// White space that waits for visible text: first that outside every tag, then each open tag's.
    pub(super) white: String,
    open: Vec<OpenTag>,
    attributes: Attributes,
    /// By known name: how many opened and closed at once, and may still be closed again.
    closed_at_once: Vec<u32>,
    next_id: u32,
}

impl Tree {
    pub(super) fn new(vocabulary: Arc<Vocabulary>, stray_text: StrayText) -> Self {
        Self {
            warnings: WarningCounts::default(),
            stray: Stray::new(&vocabulary, stray_text),
            white: String::new(),
            open: Vec::with_capacity(DEPTH),
            attributes: Attributes::default(),
            closed_at_once: vec![0; vocabulary.known_names()],
            next_id: 0,
            vocabulary,
        }
    }

    /// Whether no tag is open; the wrapper of stray text is none.
    #[inline]
    pub(super) const fn is_outside(&self) -> bool {
        self.open.is_empty()
    }

    /// The id of the next tag.
    pub(super) const fn next_id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Takes text that is no markup, entities decoded.
    #[inline]
    pub(super) fn text(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        if self.white.len() + text.len() <= WHITE_LIMIT {
            self.part_of_text(text, sink);
        } else {
            self.long_text(text, sink);
        }
    }

    /// Takes text that may hold more white space in a row than waits.
    fn long_text(&mut self, mut text: &str, sink: &mut impl FnMut(Event<'_>)) {
        while !text.is_empty() {
            let (white, rest) = split_leading_white(text);
            self.part_of_text(white, sink);
            let (part, rest) = split_at_long_white(rest, WHITE_LIMIT);
            self.part_of_text(part, sink);
            text = rest;
        }
    }

    #[inline]
    fn part_of_text(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        let Some(top) = self.open.last_mut() else { return self.stray_text(text, sink) };
        let text = if top.begun { text } else { split_leading_white(text).1 };
        let (visible, after) = split_trailing_white(text);
        if !visible.is_empty() {
            top.begun = true;
            send(top.id, &mut self.white, top.white_start, visible, sink);
        }
        if !after.is_empty() {
            keep_white(&mut self.white, top.white_start, after);
        }
    }

    /// Opens a tag of the vocabulary.
    pub(super) fn open(
        &mut self,
        known: Known,
        tag: TagIndex,
        said: Said<'_>,
        sink: &mut impl FnMut(Event<'_>),
    ) {
        let (definition, _) = self.vocabulary.tag(tag);
        let kind = definition.kind;
        let at_once = definition.content == Content::None || said.is_self_closed;
        let depth = self.depth_for(tag, at_once);
        if depth >= DEPTH {
            return self.warnings.add(Warning::TooDeep);
        }
        self.close_implied(depth, sink);
        self.end_stray_run(kind, sink);
        let tag_id = self.next_id();
        let (definition, rules) = self.vocabulary.tag(tag);
        self.attributes.read(said, rules, &mut self.warnings);
        sink(Event::Open {
            tag_id,
            parent_id: self.open.last().map(|parent| parent.id),
            tag: definition,
            attributes: self.attributes.as_slice(),
        });
        if at_once {
            sink(Event::Close { tag_id, tag: definition, complete: true });
            self.note_closed_at_once(known);
        } else {
            let white_start = self.white.len();
            self.open.push(OpenTag { tag, id: tag_id, begun: false, white_start });
        }
    }

    /// How many of the open tags stay open when this one opens.
    fn depth_for(&self, tag: TagIndex, at_once: bool) -> usize {
        let mut around = self.open.as_slice();
        while let Some((innermost, outer)) = around.split_last() {
            let may_stand = (at_once && innermost.tag != tag)
                || self
                    .vocabulary
                    .tag(innermost.tag)
                    .1
                    .lists(tag)
                    .unwrap_or_else(|| around.iter().all(|open| open.tag != tag));
            if may_stand {
                break;
            }
            around = outer;
        }
        around.len()
    }

    /// Takes a close tag of the vocabulary.
    pub(super) fn close(&mut self, known: Known, tag: TagIndex, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(place) = self.open.iter().rposition(|open| open.tag == tag) {
            self.close_implied(place + 1, sink);
            self.close_innermost(true, sink);
        } else if !self.close_stray(tag, sink) && !self.uses_up(known) {
            self.warnings.add(Warning::UnmatchedClose);
        }
    }

    /// Remembers a tag that closed as it opened, whose close tag may still come.
    pub(super) fn note_closed_at_once(&mut self, known: Known) {
        if let Some(count) = self.closed_at_once.get_mut(known.name) {
            *count += 1;
        }
    }

    /// Whether a close tag that closes nothing belongs to a tag that closed as it opened.
    pub(super) fn uses_up(&mut self, known: Known) -> bool {
        match self.closed_at_once.get_mut(known.name) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }

    #[cfg(test)]
    pub(super) const fn held_back(&self) -> (usize, usize) {
        (self.white.len(), self.stray.waiting_length())
    }

    fn close_implied(&mut self, depth: usize, sink: &mut impl FnMut(Event<'_>)) {
        while self.open.len() > depth {
            self.close_innermost(false, sink);
            self.warnings.add(Warning::ImpliedClose);
        }
    }

    fn close_innermost(&mut self, complete: bool, sink: &mut impl FnMut(Event<'_>)) {
        let Some(open) = self.open.pop() else { return };
        self.white.truncate(open.white_start);
        let (tag, _) = self.vocabulary.tag(open.tag);
        sink(Event::Close { tag_id: open.id, tag, complete });
    }

    /// Closes everything, and speaks stray text that still waits.
    pub(super) fn finish(&mut self, end: End, sink: &mut impl FnMut(Event<'_>)) {
        while !self.open.is_empty() {
            self.close_innermost(false, sink);
            if end == End::Model {
                self.warnings.add(Warning::Unclosed);
            }
        }
        self.finish_stray(end, sink);
    }

    /// Forgets the white space that waits outside every tag.
    pub(super) fn drop_stray_white(&mut self) {
        let length = self.open.first().map_or(self.white.len(), |outermost| outermost.white_start);
        self.white.drain(..length);
        for open in &mut self.open {
            open.white_start -= length;
        }
    }
}

/// Sends visible text with the white space that waited before it.
#[inline]
pub(super) fn send(
    tag_id: u32,
    white: &mut String,
    white_start: usize,
    text: &str,
    sink: &mut impl FnMut(Event<'_>),
) {
    if white.len() == white_start {
        return sink(Event::Chunk { tag_id, text });
    }
    let is_joined = text.len() <= JOINED;
    if is_joined {
        white.push_str(text);
    }
    let waited = white.get(white_start..).unwrap_or_default();
    sink(Event::Chunk { tag_id, text: waited });
    white.truncate(white_start);
    if !is_joined {
        sink(Event::Chunk { tag_id, text });
    }
}

/// Keeps white space that may be a tag's end, up to the limit.
#[inline]
pub(super) fn keep_white(white: &mut String, white_start: usize, more: &str) {
    let room = (white_start + WHITE_LIMIT).saturating_sub(white.len());
    white.push_str(more.split_at(boundary(more, room)).0);
}
