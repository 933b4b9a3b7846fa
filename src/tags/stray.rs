//! Text outside every tag: whether it waits, is spoken in a wrapper, or is dropped.
//!
//! `tree` calls it with text, and when tags open and close; the rules of fences are the reader's.

use super::bytes::is_white;
use super::parser::{End, StrayText};
use super::rules::TagIndex;
use super::text::{split_leading_white, split_trailing_white};
use super::tree::{Event, Tree, keep_white, send};
use super::vocabulary::{Kind, Vocabulary};
use super::warnings::Warning;

/// How much stray text waits for a tag of kind speech.
const WAITING_LIMIT: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It may still be a preamble.
    Waiting,
    Spoken,
    Dropped,
}

/// What is known of a reply's stray text.
#[derive(Debug)]
pub(super) struct Stray {
    stage: Stage,
    /// Whether a tag of kind speech changes the stage.
    heeds_speech: bool,
    /// The wrapper's tag; `None`: what should be spoken is dropped.
    wrapper: Option<TagIndex>,
    /// The id of the open wrapper.
    open: Option<u32>,
    waiting: String,
    waiting_runs: u64,
    /// Whether what comes next belongs to a run that is already counted.
    in_run: bool,
}

impl Stray {
    pub(super) fn new(vocabulary: &Vocabulary, wanted: StrayText) -> Self {
        let auto = || (Stage::Waiting, vocabulary.first_speech());
        let (stage, wrapper) = match wanted {
            StrayText::Auto => auto(),
            StrayText::Drop => (Stage::Dropped, None),
            StrayText::Tag(name) => match vocabulary.holding_text(&name) {
                Some(tag) => (Stage::Spoken, Some(tag)),
                None => auto(),
            },
        };
        Self {
            stage,
            heeds_speech: stage == Stage::Waiting,
            wrapper,
            open: None,
            waiting: String::new(),
            waiting_runs: 0,
            in_run: false,
        }
    }

    /// Whether white space may stand between what has come and what will.
    const fn has_text(&self) -> bool {
        self.open.is_some() || self.waiting_runs > 0
    }

    #[cfg(test)]
    pub(super) const fn waiting_length(&self) -> usize {
        self.waiting.len()
    }

    fn stop_waiting(&mut self) {
        self.waiting.clear();
        self.waiting_runs = 0;
    }
}

impl Tree {
    pub(super) fn stray_text(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        let text = if self.stray.has_text() { text } else { split_leading_white(text).1 };
        let (visible, after) = split_trailing_white(text);
        if !visible.is_empty() {
            self.visible_stray_text(visible, sink);
        }
        if self.stray.has_text() {
            keep_white(&mut self.white, 0, after);
        }
    }

    fn visible_stray_text(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        if self.stray.stage == Stage::Waiting {
            self.begin_waiting_run(text);
            let stray = &mut self.stray;
            if stray.waiting.len() + self.white.len() + text.len() <= WAITING_LIMIT {
                stray.waiting.push_str(&self.white);
                stray.waiting.push_str(text);
                self.white.clear();
                return;
            }
            self.speak_waiting(sink);
        }
        if !std::mem::replace(&mut self.stray.in_run, true) {
            self.warnings.add(Warning::StrayText);
        }
        if self.stray.stage == Stage::Spoken
            && let Some(tag_id) = self.open_wrapper(sink)
        {
            send(tag_id, &mut self.white, 0, text, sink);
        }
    }

    fn begin_waiting_run(&mut self, text: &str) {
        if !std::mem::replace(&mut self.stray.in_run, true) {
            self.stray.waiting_runs += 1;
            let is_apart = !self.white.is_empty() || text.bytes().next().is_none_or(is_white);
            if !self.stray.waiting.is_empty() && !is_apart {
                self.white.push(' ');
            }
        }
    }

    /// What waits is no preamble.
    fn speak_waiting(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.stray.stage = Stage::Spoken;
        self.warnings.add_many(Warning::StrayText, self.stray.waiting_runs);
        match self.open_wrapper(sink) {
            Some(tag_id) if !self.stray.waiting.is_empty() => {
                sink(Event::Chunk { tag_id, text: &self.stray.waiting });
            }
            Some(_) => {}
            None => self.white.clear(),
        }
        self.stray.stop_waiting();
    }

    /// The id of the wrapper, opened if it isn't open; `None`: there is no tag for it.
    fn open_wrapper(&mut self, sink: &mut impl FnMut(Event<'_>)) -> Option<u32> {
        let wrapper = self.stray.wrapper?;
        if self.stray.open.is_none() {
            let tag_id = self.next_id();
            self.stray.open = Some(tag_id);
            let (tag, _) = self.vocabulary.tag(wrapper);
            sink(Event::Open { tag_id, parent_id: None, tag, attributes: &[] });
        }
        self.stray.open
    }

    fn close_wrapper(&mut self, complete: bool, sink: &mut impl FnMut(Event<'_>)) {
        if let (Some(tag_id), Some(wrapper)) = (self.stray.open.take(), self.stray.wrapper) {
            let (tag, _) = self.vocabulary.tag(wrapper);
            sink(Event::Close { tag_id, tag, complete });
            self.white.clear();
            self.stray.in_run = false;
        }
    }

    /// A tag of the vocabulary opens.
    #[inline]
    pub(super) fn end_stray_run(&mut self, kind: Kind, sink: &mut impl FnMut(Event<'_>)) {
        self.stray.in_run = false;
        self.close_wrapper(true, sink);
        if kind == Kind::Speech && self.stray.heeds_speech {
            self.stray.heeds_speech = false;
            self.stray.stage = Stage::Dropped;
            self.warnings.add_many(Warning::Preamble, self.stray.waiting_runs);
            self.stray.stop_waiting();
            self.drop_stray_white();
        }
    }

    /// Outside every tag a close tag comes: whether it is the wrapper's.
    pub(super) fn close_stray(&mut self, tag: TagIndex, sink: &mut impl FnMut(Event<'_>)) -> bool {
        if !self.is_outside() || self.stray.wrapper != Some(tag) || !self.stray.has_text() {
            return false;
        }
        if self.stray.waiting_runs > 0 {
            self.speak_waiting(sink);
        }
        self.close_wrapper(true, sink);
        true
    }

    /// The lone closing half of a hidden block comes: what waits was reasoning.
    pub(super) fn drop_waiting(&mut self) {
        if self.stray.waiting_runs > 0 {
            self.stray.stop_waiting();
            self.stray.in_run = false;
            self.drop_stray_white();
        }
    }

    pub(super) fn finish_stray(&mut self, end: End, sink: &mut impl FnMut(Event<'_>)) {
        if end != End::Interruption && self.stray.waiting_runs > 0 {
            self.speak_waiting(sink);
        }
        self.close_wrapper(end == End::Model, sink);
    }
}
