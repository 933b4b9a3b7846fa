//! What the reader decides: what becomes of everything that may be markup, once enough has come.
//!
//! Each function is given text that begins with what is to be decided, and says how much of it is
//! done with, or that more must come.

use super::super::bytes::is_white;
use super::super::entities::{self, Entity};
use super::super::markup::{self, Begin, Fence};
use super::super::rules::{HiddenGroup, Known, Role};
use super::super::scan::{Said, Verdict};
use super::super::tree::Event;
use super::super::warnings::Warning;
use super::{Mode, Reader};

impl Reader {
    /// Reads what may be markup and begins `text`; `None`: undecided.
    pub(super) fn decide(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> Option<usize> {
        match (self.mode, self.hidden) {
            (Mode::Instruction, _) => Some(self.end_mode(1)),
            (Mode::Remainder, _) => Some(self.end_mode(usize::from(text.starts_with('>')))),
            (Mode::Comment, _) => Some(match markup::begins_with(text, "-->")? {
                true => self.end_mode(3),
                false => 1,
            }),
            (Mode::CharacterData, _) => {
                if markup::begins_with(text, "]]>")? {
                    return Some(self.end_mode(3));
                }
                self.plain("]", sink);
                Some(1)
            }
            (Mode::Content, Some(group)) => self.decide_hidden(group, text, sink),
            (Mode::Content, None) => self.decide_content(text, sink),
        }
    }

    #[inline]
    pub(super) fn decide_content(
        &mut self,
        text: &str,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Option<usize> {
        match text.as_bytes().first() {
            Some(b'<') => self.decide_markup(text, sink),
            Some(b'&') => self.decide_entity(text, sink),
            _ => self.decide_fence(text, sink),
        }
    }

    const fn end_mode(&mut self, used: usize) -> usize {
        self.mode = Mode::Content;
        used
    }

    #[inline]
    fn decide_markup(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> Option<usize> {
        if !self.scan.is_running() {
            let (mode, used) = match markup::begin(text) {
                Begin::Undecided => return None,
                Begin::Tag { closing } => {
                    self.scan.start(closing);
                    return self.walk(text, sink);
                }
                Begin::Text => {
                    self.plain("<", sink);
                    (Mode::Content, 1)
                }
                Begin::Token(length) => {
                    self.tree.warnings.add(Warning::SpecialToken);
                    (Mode::Content, length)
                }
                Begin::Comment => (Mode::Comment, markup::COMMENT.len()),
                Begin::CharacterData => (Mode::CharacterData, markup::CHARACTER_DATA.len()),
                Begin::Instruction => (Mode::Instruction, 2),
            };
            self.mode = mode;
            return Some(used);
        }
        self.walk(text, sink)
    }

    fn walk(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> Option<usize> {
        let used = match self.scan.run(text, &self.tree.vocabulary) {
            Verdict::Undecided => return None,
            Verdict::Text => {
                self.plain("<", sink);
                1
            }
            Verdict::Ended(next) => {
                self.tag(text, sink);
                self.pass_line(text.get(..next).unwrap_or_default());
                next
            }
        };
        self.scan.stop();
        Some(used)
    }

    /// A hidden block ends only at its own close tag.
    fn decide_hidden(
        &mut self,
        group: HiddenGroup,
        text: &str,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Option<usize> {
        if !self.scan.is_running() {
            if !markup::closes_one_of(text, self.tree.vocabulary.hidden_names(group))? {
                return Some(1);
            }
            self.scan.start(true);
        }
        self.walk(text, sink)
    }

    fn decide_entity(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> Option<usize> {
        match entities::read(text) {
            Entity::Undecided => None,
            Entity::Text => {
                self.plain("&", sink);
                Some(1)
            }
            Entity::Decoded(character, length) => {
                if let Some(character) = character {
                    let is_visible = u8::try_from(character).map_or(true, |byte| !is_white(byte));
                    self.stray_on_line |= self.tree.is_outside() && is_visible;
                    self.tree.text(character.encode_utf8(&mut [0; 4]), sink);
                }
                Some(length)
            }
        }
    }

    fn decide_fence(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> Option<usize> {
        match markup::fence(text) {
            Fence::Undecided => None,
            Fence::Whole(length) => Some(length),
            Fence::Text(ticks) => {
                self.plain(text.split_at(ticks).0, sink);
                Some(ticks)
            }
        }
    }

    /// Hands a tag that was walked over to the tree.
    fn tag(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        if self.scan.is_malformed() {
            self.tree.warnings.add(Warning::MalformedTag);
        }
        if self.scan.is_overlong() {
            self.mode = Mode::Remainder;
        }
        let closing = self.scan.is_closing();
        let said = self.scan.said(text);
        match self.scan.known() {
            None => self.unknown_tag(text, sink),
            Some(known) => match known.role {
                Role::Tag(tag) if !closing => {
                    self.seen_tag = true;
                    self.tree.open(known, tag, said, sink);
                }
                Role::Tag(tag) => self.tree.close(known, tag, sink),
                Role::Hidden(_) if closing => self.close_hidden(known),
                Role::Hidden(group) => {
                    let is_self_closed = said.is_self_closed;
                    self.open_hidden(known, group, is_self_closed);
                }
            },
        }
    }

    /// Hands a known tag without attributes to the tree.
    #[inline]
    pub(super) fn known_tag(
        &mut self,
        known: Known,
        closing: bool,
        sink: &mut impl FnMut(Event<'_>),
    ) {
        match known.role {
            Role::Tag(tag) if !closing => {
                self.seen_tag = true;
                self.tree.open(known, tag, Said::default(), sink);
            }
            Role::Tag(tag) => self.tree.close(known, tag, sink),
            Role::Hidden(_) if closing => self.close_hidden(known),
            Role::Hidden(group) => self.open_hidden(known, group, false),
        }
    }

    fn open_hidden(&mut self, known: Known, group: HiddenGroup, is_self_closed: bool) {
        self.seen_tag = true;
        self.tree.warnings.add(Warning::HiddenReasoning);
        if is_self_closed {
            self.tree.note_closed_at_once(known);
        } else {
            self.hidden = Some(group);
        }
    }

    fn close_hidden(&mut self, known: Known) {
        if self.hidden.take().is_some() {
            self.awaits_closing_half = false;
        } else if !self.tree.uses_up(known) {
            self.tree.warnings.add(Warning::OrphanReasoningClose);
            self.orphan_before_tags |= !self.seen_tag;
            self.tree.drop_waiting();
        }
    }

    fn unknown_tag(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        self.tree.warnings.add(Warning::UnknownTag);
        let leaves_newline: &[&str] =
            if self.scan.is_closing() { &["p"] } else { &["br", "p", "li"] };
        let name = self.scan.name(text);
        if leaves_newline.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            self.tree.text("\n", sink);
        }
    }

    /// What the output's end leaves undecided; returns how much of it is done with.
    pub(super) fn decide_at_end(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> usize {
        if self.scan.is_running()
            && let Some(next) = self.scan.end_of_output(text)
        {
            self.tag(text, sink);
            self.pass_line(text.get(..next).unwrap_or_default());
            return next;
        }
        match text.as_bytes().first() {
            Some(b'<') if self.hidden.is_none() => self.tree.warnings.add(Warning::CutTag),
            Some(b'&' | b']') => self.plain(text, sink),
            Some(b'`') if !markup::is_fence_at_end(text) => self.plain(text, sink),
            _ => {}
        }
        text.len()
    }
}
