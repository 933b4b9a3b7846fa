//! What the player really saw of a turn: the one reading of ledger and result that prompts and
//! transcripts share. Pure; who calls it says which tool calls have been answered.

use std::collections::BTreeSet;

use dramatis_protocol::{Id, Outcome, TagKind, TagOutcome};

use super::history::{LedgerTag, Observation, PastTurn, TurnEnd, TurnResult};

/// One tag of a turn, and what the player got of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PresentedTag<'a> {
    /// The tag as it was forwarded.
    pub tag: &'a LedgerTag,
    /// The beginning of its own text that was shown.
    pub shown: &'a str,
    /// What became of it.
    pub outcome: Outcome,
    /// The game's word of explanation.
    pub detail: Option<&'a str>,
}

impl PresentedTag<'_> {
    /// Whether it belongs among what the character really did.
    #[must_use]
    pub fn stands(&self) -> bool {
        match self.tag.kind {
            TagKind::Speech => !self.shown.is_empty(),
            TagKind::Action => {
                matches!(self.outcome, Outcome::Done | Outcome::Partial) || !self.shown.is_empty()
            }
            TagKind::Tool => self.tag.complete && !self.is_native(),
            TagKind::Hidden => false,
        }
    }

    /// Whether it is a native call of the model rather than markup that it wrote.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.tag.call_id.is_some() || self.tag.arguments.is_some()
    }

    /// Whether some of its words went unheard.
    fn is_cut(&self) -> bool {
        self.tag.kind == TagKind::Speech
            && (self.outcome != Outcome::Done || self.shown.len() < self.tag.text.len())
    }
}

/// What the player saw of a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Presented<'a> {
    /// The text in the game's own words; where it stands, the tags only tell outcomes.
    pub content: Option<&'a str>,
    /// All tags, in order of opening, those that were not shown included.
    pub tags: Vec<PresentedTag<'a>>,
    /// Whether the turn, or something said in it, broke off.
    pub cut_off: bool,
}

/// The calls of a turn that `observations` hold an answer to, by their tags.
pub fn answered_calls<'a>(
    turn_id: &Id,
    observations: impl IntoIterator<Item = &'a Observation>,
) -> BTreeSet<u32> {
    observations
        .into_iter()
        .filter_map(|observation| match observation {
            Observation::ToolAnswer(answer) if answer.turn_id == *turn_id => Some(answer.tag_id),
            _ => None,
        })
        .collect()
}

/// Reads ledger and result as the protocol says: the game's `content` wins; else `presented_chars`
/// (code points of a tag's own text) decides; without it `done` and `partial` mean all, the others
/// none; a tag that is not listed was skipped, unless it is a call that has been answered. Without
/// a result everything that was forwarded counts.
#[must_use]
pub fn presented<'a>(turn: &'a PastTurn, answered: &BTreeSet<u32>) -> Presented<'a> {
    let result = turn.result.as_ref();
    let outcomes = result.and_then(|result| result.tags.as_deref());
    let tags: Vec<_> = turn
        .tags
        .iter()
        .map(|tag| match outcomes {
            None => whole(tag),
            Some(outcomes) => confirmed(tag, outcomes, answered.contains(&tag.tag_id)),
        })
        .collect();
    let finished = matches!(turn.end, Some(TurnEnd::Finished { .. }));
    Presented {
        content: result.and_then(|TurnResult { content, .. }| content.as_deref()),
        cut_off: !finished || tags.iter().any(PresentedTag::is_cut),
        tags,
    }
}

fn whole(tag: &LedgerTag) -> PresentedTag<'_> {
    PresentedTag { tag, shown: &tag.text, outcome: Outcome::Done, detail: None }
}

fn confirmed<'a>(
    tag: &'a LedgerTag,
    outcomes: &'a [TagOutcome],
    answered: bool,
) -> PresentedTag<'a> {
    let Some(listed) = outcomes.iter().rfind(|outcome| outcome.tag_id == tag.tag_id) else {
        return if answered {
            whole(tag)
        } else {
            PresentedTag { tag, shown: "", outcome: Outcome::Skipped, detail: None }
        };
    };
    let shown = match (listed.presented_chars, listed.outcome) {
        (Some(chars), _) => first_chars(&tag.text, chars),
        (None, Outcome::Done | Outcome::Partial) => &tag.text,
        (None, Outcome::Skipped | Outcome::Failed | Outcome::Cancelled) => "",
    };
    PresentedTag { tag, shown, outcome: listed.outcome, detail: listed.detail.as_deref() }
}

fn first_chars(text: &str, chars: u64) -> &str {
    let end = usize::try_from(chars).ok().and_then(|chars| text.char_indices().nth(chars));
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dramatis_protocol::{InterruptReason, Origin};

    fn tag(tag_id: u32, kind: TagKind, text: &str) -> LedgerTag {
        LedgerTag {
            tag_id,
            parent_id: None,
            tag: "t".into(),
            kind,
            empty: false,
            attributes: serde_json::Map::default(),
            call_id: None,
            arguments: None,
            signature: None,
            text: text.to_owned(),
            children: Vec::new(),
            complete: true,
        }
    }

    fn turn(end: TurnEnd, result: Option<TurnResult>) -> PastTurn {
        PastTurn {
            turn_id: "t1".into(),
            origin: Origin::Llm,
            event_ids: Vec::new(),
            input: Vec::new(),
            tags: vec![
                tag(0, TagKind::Speech, "Grüß dich"),
                tag(1, TagKind::Action, "bows"),
                tag(2, TagKind::Tool, "ask"),
            ],
            end: Some(end),
            result,
        }
    }

    fn outcome(
        tag_id: u32,
        outcome: Outcome,
        presented_chars: impl Into<Option<u64>>,
    ) -> TagOutcome {
        TagOutcome { tag_id, outcome, presented_chars: presented_chars.into(), detail: None }
    }

    fn result(tags: Vec<TagOutcome>) -> Option<TurnResult> {
        Some(TurnResult { content: None, tags: Some(tags) })
    }

    fn finished() -> TurnEnd {
        TurnEnd::Finished { reason: "stop".to_owned() }
    }

    /// The shown texts, whether each tag stands, and whether the turn reads as cut off.
    fn check(turn: &PastTurn, answered: &[u32], expected: ([&str; 3], [bool; 3], bool)) {
        let presented = presented(turn, &answered.iter().copied().collect());
        let shown: Vec<_> = presented.tags.iter().map(|tag| tag.shown).collect();
        let stands: Vec<_> = presented.tags.iter().map(PresentedTag::stands).collect();
        assert_eq!(shown, expected.0);
        assert_eq!(stands, expected.1);
        assert_eq!(presented.cut_off, expected.2);
    }

    #[test]
    fn without_a_result_what_was_forwarded_counts() {
        let all = ["Grüß dich", "bows", "ask"];
        check(&turn(finished(), None), &[], (all, [true; 3], false));
        let cut = TurnEnd::Interrupted { reason: InterruptReason::NewerEvent };
        check(&turn(cut, None), &[], (all, [true; 3], true));
        let running = PastTurn { end: None, ..turn(finished(), None) };
        check(&running, &[], (all, [true; 3], true));
    }

    #[test]
    fn presented_chars_count_code_points() {
        let shown = |chars| {
            turn(
                finished(),
                result(vec![
                    outcome(0, Outcome::Partial, chars),
                    outcome(1, Outcome::Done, None),
                    outcome(2, Outcome::Done, None),
                ]),
            )
        };
        check(&shown(4), &[], (["Grüß", "bows", "ask"], [true; 3], true));
        check(&shown(0), &[], (["", "bows", "ask"], [false, true, true], true));
        check(&shown(900), &[], (["Grüß dich", "bows", "ask"], [true; 3], true));
    }

    #[test]
    fn what_is_not_listed_was_skipped_unless_it_is_an_answered_call() {
        let turn = turn(finished(), result(vec![outcome(0, Outcome::Done, None)]));
        check(&turn, &[], (["Grüß dich", "", ""], [true, false, true], false));
        check(&turn, &[2], (["Grüß dich", "", "ask"], [true, false, true], false));
    }

    #[test]
    fn what_failed_shows_nothing_unless_the_game_says_how_much() {
        let turn = turn(
            finished(),
            result(vec![
                outcome(0, Outcome::Cancelled, 2),
                outcome(1, Outcome::Failed, None),
                outcome(2, Outcome::Failed, None),
            ]),
        );
        check(&turn, &[], (["Gr", "", ""], [true, false, true], true));
    }

    #[test]
    fn the_last_outcome_of_a_tag_counts() {
        let turn = turn(
            finished(),
            result(vec![
                outcome(0, Outcome::Skipped, None),
                outcome(0, Outcome::Done, None),
                outcome(1, Outcome::Done, 2),
            ]),
        );
        check(&turn, &[], (["Grüß dich", "bo", ""], [true; 3], false));
    }
}
