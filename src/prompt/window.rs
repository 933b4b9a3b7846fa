//! Which of an agent's past turns a prompt shows: at most so many, within the token budget, cut in
//! blocks, so that a provider's prefix cache serves the turns between two cuts.

/// Characters that count as one token.
pub const CHARS_PER_TOKEN: usize = 4;

/// What decides about the window, besides the turns themselves.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Most turns shown.
    pub turns: usize,
    /// Turns are left out this many at a time.
    pub block: usize,
    /// The number of the first turn at hand in the whole history.
    pub first: usize,
    /// How many of the newest turns are never left out.
    pub keep: usize,
}

/// A text's length as the budget counts it.
pub fn tokens(chars: usize) -> usize {
    chars.div_ceil(CHARS_PER_TOKEN)
}

impl Rule {
    /// The first of `len` turns that is shown by number alone.
    pub fn by_number(&self, len: usize) -> usize {
        let turns = self.turns.max(self.keep);
        if turns == 0 {
            return len;
        }
        if len + self.first <= turns {
            return 0;
        }
        self.next_cut(len.saturating_sub(turns), len)
    }

    /// The first of the turns (with `costs` in characters) that is shown when `room` characters are
    /// left for them, beginning with the turn `start`.
    pub fn by_cost(&self, start: usize, costs: &[usize], room: usize) -> usize {
        let mut start = start;
        let sum = |start: usize| costs.iter().skip(start).sum::<usize>();
        while start + self.keep < costs.len() && sum(start) > room {
            start = self.next_cut(start + 1, costs.len());
        }
        start
    }

    /// The next block's beginning at or after `turn`, but never beyond what is kept.
    fn next_cut(&self, turn: usize, len: usize) -> usize {
        // Half a window at the most, so that a short window is never empty.
        let block = self.block.clamp(1, (self.turns / 2).max(1));
        let cut = (turn + self.first).next_multiple_of(block) - self.first;
        cut.min(len.saturating_sub(self.keep))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(turns: usize, block: usize, keep: usize) -> Rule {
        Rule { turns, block, first: 0, keep }
    }

    #[test]
    fn a_window_moves_in_blocks_and_never_shows_more_than_its_turns() {
        let check = |rule: Rule, len, expected| assert_eq!(rule.by_number(len), expected);
        check(rule(20, 5, 0), 20, 0);
        check(rule(20, 5, 0), 21, 5);
        check(rule(20, 5, 0), 25, 5);
        check(rule(20, 5, 0), 26, 10);
        check(rule(3, 5, 0), 9, 6);
        check(rule(1, 5, 0), 9, 8);
        check(rule(0, 5, 0), 9, 9);
        check(rule(0, 5, 1), 9, 8);
    }

    #[test]
    fn turns_that_left_memory_dont_move_the_blocks() {
        for gone in 0..30 {
            let all = rule(20, 5, 0).by_number(60);
            let rest = Rule { first: gone, ..rule(20, 5, 0) }.by_number(60 - gone);
            assert_eq!(all, rest + gone);
        }
    }

    #[test]
    fn what_does_not_fit_goes_oldest_first_in_blocks_but_for_what_is_kept() {
        let check = |rule: Rule, room, expected| {
            assert_eq!(rule.by_cost(0, &[10; 12], room), expected);
        };
        check(rule(20, 5, 0), 120, 0);
        check(rule(20, 5, 0), 119, 5);
        check(rule(20, 5, 0), 69, 10);
        check(rule(20, 5, 0), 5, 12);
        check(rule(20, 5, 1), 5, 11);
    }
}
