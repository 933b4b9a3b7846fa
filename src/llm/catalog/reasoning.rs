//! Which models begin inside their reasoning: they close a tag that nobody saw them open. That can't
//! be known beforehand, so turns report what they saw and it is learnt here, or a setting says so. It
//! is not kept over restarts: a model may be another behind the same name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// So many replies must have closed what they didn't open.
const ENOUGH: u8 = 2;

/// Of so many models something is learnt: games may name any.
const MAX_MODELS: usize = 1_024;

/// What a turn saw of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningSeen {
    /// A closing half that nothing had opened came before any tag.
    LoneClosingHalf,
    /// It was read as beginning in its reasoning, and no closing half came.
    NoReasoning,
    /// Nothing that would tell.
    Nothing,
}

/// What was learnt. Clones share it.
#[derive(Clone)]
pub struct Learnt {
    is_listed: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// How many replies of a model have closed what they didn't open.
    counts: Arc<Mutex<BTreeMap<String, u8>>>,
}

impl Learnt {
    /// Nothing is learnt yet. `is_listed`: which models a setting names; of them nothing is learnt.
    #[must_use]
    pub fn new(is_listed: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { is_listed: Arc::new(is_listed), counts: Arc::default() }
    }

    /// Whether a reply of this model is to be read as beginning inside its reasoning.
    #[must_use]
    pub fn starts_in_reasoning(&self, model: &str) -> bool {
        (self.is_listed)(model) || self.with(|counts| counts.get(model) >= Some(&ENOUGH))
    }

    /// What a turn saw of a model's reply.
    pub fn note(&self, model: &str, seen: ReasoningSeen) {
        if seen == ReasoningSeen::Nothing || (self.is_listed)(model) {
            return;
        }
        self.with(|counts| match seen {
            ReasoningSeen::NoReasoning => drop(counts.remove(model)),
            _ if counts.len() < MAX_MODELS || counts.contains_key(model) => {
                let count = counts.entry(model.to_owned()).or_default();
                *count = count.saturating_add(1);
            }
            _ => {}
        });
    }

    fn with<T>(&self, use_counts: impl FnOnce(&mut BTreeMap<String, u8>) -> T) -> T {
        use_counts(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Learnt {
    fn default() -> Self {
        Self::new(|_| false)
    }
}

impl fmt::Debug for Learnt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|counts| f.debug_tuple("Learnt").field(counts).finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lone_closing_halves_turn_it_on_and_one_reply_without_turns_it_off() {
        use ReasoningSeen::{LoneClosingHalf, NoReasoning, Nothing};
        let check = |seen: &[ReasoningSeen], expected: bool| {
            let learnt = Learnt::default();
            seen.iter().for_each(|seen| learnt.note("m", *seen));
            assert_eq!(learnt.starts_in_reasoning("m"), expected, "{seen:?}");
            assert!(!learnt.starts_in_reasoning("another"));
        };
        check(&[], false);
        check(&[LoneClosingHalf], false);
        check(&[LoneClosingHalf, LoneClosingHalf], true);
        check(&[LoneClosingHalf, Nothing, LoneClosingHalf, Nothing], true);
        check(&[LoneClosingHalf, LoneClosingHalf, NoReasoning], false);
        check(&[LoneClosingHalf, LoneClosingHalf, NoReasoning, LoneClosingHalf], false);
        check(&[NoReasoning], false);
    }

    #[test]
    fn a_setting_wins_and_what_games_name_is_bounded() {
        let learnt = Learnt::new(|model| model == "listed");
        learnt.note("listed", ReasoningSeen::NoReasoning);
        assert!(learnt.starts_in_reasoning("listed"));
        for index in 0..2 * MAX_MODELS {
            learnt.note(&index.to_string(), ReasoningSeen::LoneClosingHalf);
        }
        assert_eq!(learnt.with(|counts| counts.len()), MAX_MODELS);
    }
}
