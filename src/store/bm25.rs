//! How well texts fit the words of a question: Okapi BM25 with FTS5's constants, over the postings of
//! FTS5's index. FTS5's own `bm25()` asks the index for every word twice and weighs every text that has
//! one of them; here the rarer words choose a few texts first, and only those are weighed.

use std::collections::HashMap;

use rusqlite::Connection;

use super::error::Failure;
use super::search::{Key, is_plain};

/// How soon more of the same word adds little, and how much a long text is held against it.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// The least that a word counts: as much as FTS5 gives to one that stands in every other text.
const LEAST_IDF: f64 = 1e-6;

/// Of the texts with a word so many count, the newest: one that stands in more says next to nothing.
const MOST: usize = 500;

/// Nobody counts further how many texts a scope has: how rare a word is depends on it by its logarithm.
const COUNTED: usize = 10_000;

/// The words of a question in one scope, with how rare each is.
pub(super) struct Weights(Vec<f64>);

/// The texts that have any of the words, those with the rarest first, of equals the newest; not more
/// than `most`.
pub(super) fn candidates(
    connection: &Connection,
    scopes: &[Key],
    terms: &[String],
    most: usize,
) -> Result<(Vec<i64>, Weights), Failure> {
    let mut all = 0;
    for scope in scopes {
        all += count(connection, *scope)?;
    }
    let mut sums: HashMap<i64, f64> = HashMap::new();
    let mut idfs = Vec::with_capacity(terms.len());
    for term in terms {
        let (with_it, is_rare) = with_term(connection, scopes, term)?;
        let idf = if is_rare { idf(all, with_it.len()) } else { LEAST_IDF };
        for document in with_it {
            *sums.entry(document).or_default() += idf;
        }
        idfs.push(idf);
    }
    let mut ranked: Vec<(i64, f64)> = sums.into_iter().collect();
    ranked.sort_by(|(one, a), (other, b)| b.total_cmp(a).then(other.cmp(one)));
    ranked.truncate(most);
    Ok((ranked.into_iter().map(|(document, _)| document).collect(), Weights(idfs)))
}

/// How many texts a scope has.
fn count(connection: &Connection, scope: Key) -> Result<i64, Failure> {
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM documents WHERE {} = ?1 LIMIT {COUNTED})",
        scope.column()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([scope.row()], |row| row.get(0))?)
}

/// The texts with a word, and whether those are all that have it.
fn with_term(
    connection: &Connection,
    scopes: &[Key],
    term: &str,
) -> Result<(Vec<i64>, bool), Failure> {
    let mut found = Vec::new();
    let mut is_rare = true;
    if is_plain(term) {
        for scope in scopes {
            let before = found.len();
            postings(connection, *scope, term, &mut found)?;
            is_rare &= found.len() - before < MOST;
        }
    }
    Ok((found, is_rare))
}

/// Adds the texts of one scope that have a word, not more than [`MOST`].
fn postings(
    connection: &Connection,
    scope: Key,
    term: &str,
    found: &mut Vec<i64>,
) -> Result<(), Failure> {
    let index = scope.index();
    let sql = format!(
        "SELECT rowid FROM {index} WHERE {index} MATCH ?1 ORDER BY rowid DESC LIMIT {MOST}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([format!("\"{}\"", scope.word(term))])?;
    while let Some(row) = rows.next()? {
        found.push(row.get(0)?);
    }
    Ok(())
}

fn idf(all: i64, with_it: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "so many texts there are not")]
    let (all, with_it) = (all as f64, with_it as f64);
    ((all - with_it + 0.5) / (with_it + 0.5)).ln().max(LEAST_IDF)
}

/// A text among others, weighed.
pub(super) struct Weighed {
    /// How often it has each of the words, in the question's order.
    counts: Vec<f64>,
    /// How many words it has in all.
    length: f64,
}

impl Weighed {
    /// Of a text's terms, a space between two.
    pub fn of(text: &str, terms: &[String]) -> Self {
        let mut counts = vec![0.0; terms.len()];
        let mut length = 0.0;
        for word in text.split_ascii_whitespace() {
            length += 1.0;
            let asked = terms.iter().position(|term| term == word);
            if let Some(count) = asked.and_then(|at| counts.get_mut(at)) {
                *count += 1.0;
            }
        }
        Self { counts, length }
    }

    /// The words of the question that it has.
    pub fn matched<'a>(&self, terms: &'a [String]) -> impl Iterator<Item = &'a String> {
        terms.iter().zip(&self.counts).filter(|(_, count)| **count > 0.0).map(|(term, _)| term)
    }

    /// How many words it has in all.
    pub const fn length(&self) -> f64 {
        self.length
    }

    /// How well it fits, among texts of this length on average: higher is better.
    pub fn score(&self, weights: &Weights, average: f64) -> f64 {
        let damping = K1 * (1.0 - B + B * self.length / average.max(1.0));
        let each = self.counts.iter().zip(&weights.0);
        each.map(|(count, idf)| idf * count * (K1 + 1.0) / (count + damping)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarer_the_oftener_and_the_shorter_the_better() {
        let terms = ["mill".to_owned(), "sword".to_owned()];
        let weights = Weights(vec![idf(1_000, 400), idf(1_000, 3)]);
        let score = |text: &str| Weighed::of(text, &terms).score(&weights, 5.0);
        let ranked = [
            "a sword, sword",
            "sword here",
            "the sword of the mill",
            "a sword which nobody has seen in many years",
            "mill mill",
            "a mill",
            "nothing of it",
        ];
        let texts = ranked.map(|text| text.replace(',', ""));
        let scores: Vec<f64> = texts.iter().map(|text| score(text)).collect();
        assert!(scores.windows(2).all(|pair| pair[0] > pair[1]), "{scores:?}");
        let weighed = Weighed::of("a sword and a sword", &terms);
        assert_eq!(weighed.matched(&terms).collect::<Vec<_>>(), ["sword"]);
    }
}
