//! Takes a model's reasoning out of the text of its reply: what stands between `<think>` and
//! `</think>`, by whatever name models call it. Nothing else is touched. Pure; the same text gives the
//! same result however it is cut.

use crate::llm::ReasoningSeen;
use crate::tags::REASONING;

/// Longest mark, `</reasoning>`.
const LONGEST_MARK: usize = 12;

/// Reads one reply.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// What may be the beginning of a mark.
    held: String,
    /// What would be the reply, if the reply doesn't begin in its reasoning after all.
    unsure: Option<String>,
    is_inside: bool,
    /// Whether nothing was let through yet: then the white space is the reasoning's.
    is_silent: bool,
    seen_open: bool,
    seen: Option<ReasoningSeen>,
}

/// A mark in a text.
struct Mark {
    begin: usize,
    end: usize,
    opens: bool,
}

impl Filter {
    /// `starts_in_reasoning`: the model begins within its reasoning and sends only the closing mark.
    pub(super) fn new(starts_in_reasoning: bool) -> Self {
        Self {
            unsure: starts_in_reasoning.then(String::new),
            is_inside: starts_in_reasoning,
            is_silent: true,
            ..Self::default()
        }
    }

    /// Reads one more piece; what is no reasoning is added to `out`.
    pub(super) fn feed(&mut self, piece: &str, out: &mut String) {
        if self.held.is_empty() && !self.is_inside && !self.is_silent && !piece.contains('<') {
            return out.push_str(piece);
        }
        self.held.push_str(piece);
        while let Some(Mark { begin, end, opens }) = find_mark(&self.held) {
            let text: String = self.held.drain(..end).collect();
            self.pass(text.get(..begin).unwrap_or_default(), out);
            self.turn(opens);
        }
        let rest = self.held.split_off(undecided(&self.held));
        let text = std::mem::replace(&mut self.held, rest);
        self.pass(&text, out);
    }

    /// The reply is over: what was held back is added to `out`.
    pub(super) fn end(&mut self, out: &mut String) {
        let rest = std::mem::take(&mut self.held);
        self.pass(&rest, out);
        if let Some(all) = self.unsure.take().filter(|all| !all.trim().is_empty()) {
            self.seen = Some(ReasoningSeen::NoReasoning);
            out.push_str(&all);
        }
    }

    /// What the reply tells of where its model begins.
    pub(super) fn seen(&self) -> ReasoningSeen {
        self.seen.unwrap_or(ReasoningSeen::Nothing)
    }

    fn pass(&mut self, text: &str, out: &mut String) {
        if let Some(unsure) = &mut self.unsure {
            unsure.push_str(text);
        } else if !self.is_inside {
            let text = if self.is_silent { text.trim_start() } else { text };
            self.is_silent &= text.is_empty();
            out.push_str(text);
        }
    }

    fn turn(&mut self, opens: bool) {
        if !opens && !self.is_inside && !self.seen_open {
            self.seen = Some(ReasoningSeen::LoneClosingHalf);
        }
        self.seen_open |= opens;
        self.is_inside = opens;
        self.unsure = None;
    }
}

/// The first whole mark.
fn find_mark(text: &str) -> Option<Mark> {
    text.match_indices('<').find_map(|(begin, _)| {
        let rest = text.get(begin + 1..)?;
        let (name, opens) = match rest.strip_prefix('/') {
            Some(name) => (name, false),
            None => (rest, true),
        };
        let end = name.char_indices().take(LONGEST_MARK).find(|(_, char)| *char == '>')?.0;
        let name = name.get(..end)?;
        let is_known = REASONING.iter().any(|known| known.eq_ignore_ascii_case(name));
        let end = begin + 1 + usize::from(!opens) + name.len() + 1;
        is_known.then_some(Mark { begin, end, opens })
    })
}

/// From where on a text may be the beginning of a mark.
fn undecided(text: &str) -> usize {
    let last = text.rfind('<').filter(|begin| {
        let rest = text.get(begin + 1..).unwrap_or_default();
        let name = rest.strip_prefix('/').unwrap_or(rest);
        let begins = |known: &&str| {
            known.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        rest.len() < LONGEST_MARK && REASONING.iter().any(begins)
    });
    last.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&str], starts_in_reasoning: bool) -> (String, ReasoningSeen) {
        let mut filter = Filter::new(starts_in_reasoning);
        let mut out = String::new();
        for piece in pieces {
            filter.feed(piece, &mut out);
        }
        filter.end(&mut out);
        (out, filter.seen())
    }

    #[test]
    fn reasoning_is_taken_out_and_nothing_else() {
        use ReasoningSeen::{LoneClosingHalf, NoReasoning, Nothing};
        let check = |text: &str, starts: bool, expected: &str, seen: ReasoningSeen| {
            assert_eq!(read(&[text], starts), (expected.to_owned(), seen), "{text}");
            // The same cut at every place.
            for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let (one, two) = text.split_at(at);
                assert_eq!(read(&[one, two], starts), (expected.to_owned(), seen), "{one}|{two}");
            }
        };
        check("Hello.", false, "Hello.", Nothing);
        check("<think>He lies.</think>\n\nHello.", false, "Hello.", Nothing);
        check("\n <THINKING>x</Thinking>Hello.\n", false, "Hello.\n", Nothing);
        check("One. <reasoning>two</reasoning>\nThree.", false, "One. \nThree.", Nothing);
        check(
            "a < b <thin> <think/> </b> <i>x</i> <thinker> <",
            false,
            "a < b <thin> <think/> </b> <i>x</i> <thinker> <",
            Nothing,
        );
        check("Hello <thi", false, "Hello <thi", Nothing);
        check("<think>never ends", false, "", Nothing);
        check("plan</think>Hello.", false, "planHello.", LoneClosingHalf);
        check("plan é</think>\nHello.", true, "Hello.", Nothing);
        check("Hello é, no plan.", true, "Hello é, no plan.", NoReasoning);
        check("", true, "", Nothing);
        check("<think>plan</think>Hello.", true, "Hello.", Nothing);
        check("<think>a</think>b</think>c", false, "bc", Nothing);
        check("<<think>x</think>>", false, "<>", Nothing);
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "<", "</", "think", "thinking", ">", "<think>", "</think>", "</reasoning>", "é", " ", "\n", "word",
                ]),
                0..24,
            ),
            starts in any::<bool>(),
        ) {
            let whole: String = parts.concat();
            prop_assert_eq!(read(&parts, starts), read(&[&whole], starts));
            let chars: Vec<String> = whole.chars().map(String::from).collect();
            let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
            prop_assert_eq!(read(&chars, starts), read(&[&whole], starts));
        }
    }
}
