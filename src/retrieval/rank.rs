//! Two rankings become one, and what is not relevant falls out. Pure.

use crate::record::{Piece, PieceSource, Ranked, Scores};
use crate::store::{Found, Hits, Scope};

use super::terms::weight;

/// From "reciprocal rank fusion" (Cormack, Clarke and Büttcher, SIGIR 2009): how little the first
/// places of a ranking are ahead of the next.
const EASE: f64 = 60.0;

/// What is relevant at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floors {
    /// Share of the question's words that a text must have, 0 to 1. At least it is one word, or a
    /// quarter of a question that has less than four.
    pub text: f64,
    /// Cosine between the vectors of question and text, -1 to 1. Depends on the model.
    pub vector: f64,
}

impl Default for Floors {
    fn default() -> Self {
        Self { text: 0.06, vector: 0.35 }
    }
}

/// A document with its places in both rankings.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The piece as it is told.
    pub piece: Piece,
    /// Whether one of the rankings finds it relevant.
    pub relevant: bool,
    /// Whether the history shows it already.
    pub shown: bool,
}

/// All that either ranking found, the best first. What a ranking finds irrelevant has no place in
/// it, nor has what the history shows; what both find irrelevant comes last.
#[must_use]
pub fn fuse(hits: Hits, terms: &[String], floors: Floors) -> Vec<Candidate> {
    let asked: f64 = terms.iter().map(|term| weight(term)).sum();
    let needed = (asked / 4.0).min(1.0).max(asked * floors.text);
    let mut all: Vec<Candidate> = Vec::new();
    let mut places = Places(0);
    for found in hits.by_text {
        let matched: f64 = found.matched.iter().map(|term| weight(term)).sum();
        let relevant = matched + 1e-9 >= needed;
        let ranked = Ranked { place: places.take(relevant, found.excluded), score: found.score };
        let words = found.matched.join(", ");
        let mut candidate = candidate(found, format!("words: {words}"));
        candidate.piece.scores.text = Some(ranked);
        candidate.add(ranked, relevant);
        all.push(candidate);
    }
    places = Places(0);
    for found in hits.by_vector {
        let relevant = found.score >= floors.vector;
        let ranked = Ranked { place: places.take(relevant, found.excluded), score: found.score };
        let known = all.iter().position(|candidate| candidate.piece.document == found.id);
        let meaning = format!("meaning: {:.2}", found.score);
        let at = known.unwrap_or_else(|| {
            all.push(candidate(found, String::new()));
            all.len() - 1
        });
        let Some(candidate) = all.get_mut(at) else { continue };
        let reason = &mut candidate.piece.reason;
        if !reason.is_empty() {
            reason.push_str("; ");
        }
        reason.push_str(&meaning);
        candidate.piece.scores.vector = Some(ranked);
        candidate.add(ranked, relevant);
    }
    // Equals stay in the order of the words' ranking.
    all.sort_by(|one, other| other.piece.scores.fused.total_cmp(&one.piece.scores.fused));
    for candidate in &mut all {
        candidate.round();
    }
    all
}

/// How many places of a ranking are taken.
struct Places(usize);

impl Places {
    /// The place of the next; what is shown takes none from those behind it.
    const fn take(&mut self, relevant: bool, shown: bool) -> usize {
        let place = self.0 + relevant as usize;
        if !shown {
            self.0 = place;
        }
        place
    }
}

impl Candidate {
    /// Nobody reads more digits, and a log holds many.
    fn round(&mut self) {
        let scores = &mut self.piece.scores;
        let rankings = [scores.text.as_mut(), scores.vector.as_mut()];
        let own = rankings.into_iter().flatten().map(|ranked| &mut ranked.score);
        for score in own.chain([&mut scores.fused]) {
            *score = (*score * 1e5).round() / 1e5;
        }
    }

    fn add(&mut self, ranked: Ranked, relevant: bool) {
        if relevant {
            self.relevant = true;
            #[expect(clippy::cast_precision_loss, reason = "places are small numbers")]
            let place = ranked.place as f64;
            self.piece.scores.fused += 1.0 / (EASE + place);
        }
    }
}

fn candidate(found: Found, reason: String) -> Candidate {
    let source = match (found.turn_id, found.scope) {
        (Some(turn_id), _) => PieceSource::Memory { turn_id },
        (None, Scope::Lore(name)) => PieceSource::Lore { name },
        (None, Scope::Memories { .. }) => PieceSource::Memory { turn_id: "".into() },
    };
    let Found { id: document, position, body: text, .. } = found;
    let piece = Piece { document, position, source, text, scores: Scores::default(), reason };
    Candidate { piece, relevant: false, shown: found.excluded }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: i64, score: f64, matched: &[&str]) -> Found {
        Found {
            id,
            scope: Scope::Lore("world:x".to_owned()),
            body: format!("text {id}"),
            score,
            turn_id: None,
            position: None,
            matched: matched.iter().map(|it| (*it).to_owned()).collect(),
            excluded: false,
        }
    }

    fn order(hits: Hits, terms: &[&str]) -> Vec<(i64, bool)> {
        let terms: Vec<String> = terms.iter().map(|it| (*it).to_owned()).collect();
        let fused = fuse(hits, &terms, Floors::default());
        fused.iter().map(|it| (it.piece.document, it.relevant)).collect()
    }

    #[test]
    fn what_both_find_comes_before_what_one_finds_best() {
        let hits = Hits {
            by_text: vec![found(1, 9.0, &["mill"]), found(2, 8.0, &["mill"])],
            by_vector: vec![found(3, 0.9, &[]), found(2, 0.8, &[])],
        };
        assert_eq!(order(hits, &["mill"]), [(2, true), (1, true), (3, true)]);
    }

    #[test]
    fn what_the_history_shows_takes_nobodys_place() {
        let with = |shown: bool| {
            let best = |id| Found { excluded: true, ..found(id, 9.5, &["mill"]) };
            let mut hits = Hits {
                by_text: vec![found(1, 9.0, &["mill"])],
                by_vector: vec![found(2, 0.9, &[]), found(1, 0.8, &[])],
            };
            if shown {
                hits.by_text.splice(0..0, (10..20).map(best));
            }
            let fused = fuse(hits, &["mill".to_owned()], Floors::default());
            fused.into_iter().filter(|it| !it.shown).collect::<Vec<_>>()
        };
        assert_eq!(with(true), with(false));
    }

    #[test]
    fn what_has_little_to_do_with_the_question_is_irrelevant() {
        let question: Vec<String> = (0..40).map(|count| format!("word{count}")).collect();
        let question: Vec<&str> = question.iter().map(String::as_str).collect();
        let hits = |count| Hits {
            by_text: vec![found(1, 9.0, &question[..count])],
            by_vector: Vec::new(),
        };
        assert_eq!(order(hits(1), &question), [(1, false)]);
        assert_eq!(order(hits(3), &question), [(1, true)]);
        assert_eq!(order(hits(1), &question[..10]), [(1, true)], "one word of ten");

        let chinese = ["银", "剑", "银剑", "剑在"];
        let by =
            |matched: &[&str]| Hits { by_text: vec![found(1, 1.0, matched)], ..Hits::default() };
        assert_eq!(order(by(&["剑"]), &chinese), [(1, false)]);
        assert_eq!(order(by(&["银", "剑", "银剑"]), &chinese), [(1, true)]);
        assert_eq!(order(by(&["剑"]), &["剑"]), [(1, true)], "all there is");

        let vague = Hits { by_vector: vec![found(1, 0.2, &[])], ..Hits::default() };
        assert_eq!(order(vague, &[]), [(1, false)]);
    }

    #[test]
    fn a_piece_says_why_it_was_found() {
        let hits = Hits {
            by_text: vec![found(1, 9.0, &["mill", "river"])],
            by_vector: vec![found(1, 0.5, &[])],
        };
        let fused = fuse(hits, &["mill".to_owned()], Floors::default());
        let piece = &fused[0].piece;
        assert_eq!(piece.reason, "words: mill, river; meaning: 0.50");
        assert_eq!(piece.scores.text, Some(Ranked { place: 1, score: 9.0 }));
        // 2 / 61, as far as it is told.
        assert!((piece.scores.fused - 0.03279).abs() < 1e-9);
    }
}
