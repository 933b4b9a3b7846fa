//! What can be looked up: chunks of lore, and memories of what agents lived through. Each is a
//! document with its words in a full-text index, and a vector where somebody made one.
//!
//! A document belongs to one [`Scope`], and every word in the index carries its scope's name: a
//! question never meets the words of others, costs what its own scope costs, and common words are
//! those of the scope. The index is FTS5's, <https://www.sqlite.org/fts5.html>: one of lore, which
//! seldom changes and is kept in one piece, and one of memories. `bm25` ranks what is in them.

use std::collections::BTreeSet;

use dramatis_protocol::Id;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::bm25::{self, Weighed, Weights};
use super::error::Failure;
use super::vector;
use super::write::{agent_key, find_agent, turn_key};

/// How many documents are written in one go; between two goes others get their turn.
pub(super) const PORTION: usize = 100;

/// So many more texts are weighed than are wanted.
const SPARE: usize = 8;

/// Whose documents: nobody finds another's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Lore under a name, shared by all play sessions.
    Lore(String),
    /// What an agent lived through in a play session.
    Memories {
        /// The play session.
        session: Id,
        /// The agent.
        agent: Id,
    },
}

/// A text with the terms by which it is found, made as those of the questions will be: words of
/// letters and digits, without ASCII punctuation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findable {
    /// The text.
    pub body: String,
    /// Its terms, in order.
    pub terms: Vec<String>,
}

/// A piece of lore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoreChunk {
    /// The same for the same text and another for another.
    pub hash: u64,
    /// The text.
    pub text: Findable,
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Where.
    pub scopes: Vec<Scope>,
    /// The words, each once; with none nothing is found by text.
    pub terms: Vec<String>,
    /// The question as a vector of length 1, and the model that made it.
    pub vector: Option<(String, Vec<f32>)>,
    /// How many are wanted by each way.
    pub limit: usize,
    /// Memories of these turns don't count.
    pub excluding: BTreeSet<Id>,
}

/// A document that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its number in the store; never given twice.
    pub id: i64,
    /// Whose it is.
    pub scope: Scope,
    /// Its text.
    pub body: String,
    /// How well it fits: higher is better. Comparable within one answer only.
    pub score: f64,
    /// The turn that a memory is of.
    pub turn_id: Option<Id>,
    /// Where that turn stands among the agent's; chats don't number theirs.
    pub position: Option<i64>,
    /// The words of the question that it has, in the question's order.
    pub matched: Vec<String>,
    /// Whether it was not to be found: it doesn't count for the limit.
    pub excluded: bool,
}

/// What was found, the best first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hits {
    /// By words; the score is bm25.
    pub by_text: Vec<Found>,
    /// By vectors; the score is the cosine, -1 to 1.
    pub by_vector: Vec<Found>,
}

/// A scope's rows, and the name that its words carry.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key {
    Lore(i64),
    Agent(i64),
}

impl Key {
    /// The column of `documents` that names the scope.
    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Lore(_) => "lore",
            Self::Agent(_) => "agent",
        }
    }

    pub(super) const fn row(self) -> i64 {
        match self {
            Self::Lore(row) | Self::Agent(row) => row,
        }
    }

    /// The scope of its vectors.
    const fn of_vectors(self) -> i64 {
        match self {
            Self::Lore(row) => -row,
            Self::Agent(row) => row,
        }
    }

    /// The index of its words.
    pub(super) const fn index(self) -> &'static str {
        match self {
            Self::Lore(_) => "lore_words",
            Self::Agent(_) => "words",
        }
    }

    /// A word as the index has it: a letter, the row, `x`, the word. Where the row ends is plain.
    pub(super) fn word(self, term: &str) -> String {
        match self {
            Self::Lore(row) => format!("l{row}x{term}"),
            Self::Agent(row) => format!("m{row}x{term}"),
        }
    }
}

/// Forgets of a scope's lore what `keep` doesn't have.
pub(super) fn keep_lore(
    connection: &Connection,
    name: &str,
    keep: &[u64],
) -> Result<bool, Failure> {
    let Some(scope) = find_lore(connection, name)? else { return Ok(false) };
    let keep: BTreeSet<i64> = keep.iter().map(|hash| hash.cast_signed()).collect();
    let sql = "SELECT document, hash FROM documents WHERE lore = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([scope], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
    let mut delete = connection.prepare_cached("DELETE FROM documents WHERE document = ?1")?;
    let mut changed = false;
    for (document, _) in rows.iter().filter(|(_, hash)| !keep.contains(hash)) {
        changed |= delete.execute([document])? > 0;
    }
    Ok(changed)
}

/// Adds what a scope's lore doesn't have yet.
pub(super) fn add_lore(
    connection: &Connection,
    name: &str,
    chunks: &[LoreChunk],
) -> Result<bool, Failure> {
    connection
        .prepare_cached("INSERT INTO lore (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?
        .execute([name])?;
    let Some(scope) = find_lore(connection, name)? else { return Ok(false) };
    let sql = "INSERT INTO documents (lore, hash, body, terms) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (lore, hash) DO NOTHING";
    let mut insert = connection.prepare_cached(sql)?;
    let mut changed = false;
    for LoreChunk { hash, text } in chunks {
        let row = params![scope, hash.cast_signed(), text.body, text.terms.join(" ")];
        if insert.execute(row)? > 0 {
            let document = connection.last_insert_rowid();
            index(connection, Key::Lore(scope), document, text.terms.iter().map(String::as_str))?;
            changed = true;
        }
    }
    Ok(changed)
}

/// The names under which there is lore.
pub(super) fn lore_names(connection: &Connection) -> Result<BTreeSet<String>, Failure> {
    let sql = "SELECT name FROM lore WHERE EXISTS
               (SELECT 1 FROM documents WHERE documents.lore = lore.lore)";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many chunks a scope's lore has.
pub(super) fn lore_size(connection: &Connection, name: &str) -> Result<usize, Failure> {
    let sql = "SELECT count(*) FROM documents JOIN lore USING (lore) WHERE name = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let count: i64 = statement.query_row([name], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The hashes of a scope's lore.
pub(super) fn lore_hashes(connection: &Connection, name: &str) -> Result<BTreeSet<u64>, Failure> {
    let sql = "SELECT hash FROM documents JOIN lore USING (lore) WHERE name = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([name], |row| row.get::<_, i64>(0))?;
    Ok(rows.map(|hash| hash.map(i64::cast_unsigned)).collect::<Result<_, _>>()?)
}

/// The hashes and texts of a scope's lore, in their order.
pub(super) fn lore_texts(
    connection: &Connection,
    name: &str,
) -> Result<Vec<(u64, String)>, Failure> {
    let sql = "SELECT hash, body FROM documents JOIN lore USING (lore) WHERE name = ?1
               ORDER BY document";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([name], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    let texts = rows.map(|row| row.map(|(hash, text)| (hash.cast_unsigned(), text)));
    Ok(texts.collect::<Result<_, _>>()?)
}

/// Keeps what an agent remembers of one of its turns; the last text counts, none as well.
pub(super) fn remember(
    connection: &Connection,
    (session, agent): (&str, &str),
    turn_id: &str,
    text: Option<&Findable>,
) -> Result<(), Failure> {
    turn_key(connection, session, agent, turn_id)?;
    let agent = agent_key(connection, session, agent)?.agent;
    match text {
        Some(text) => keep_memory(connection, agent, turn_id, text),
        None => forget_turn(connection, agent, turn_id),
    }
}

/// The same for the row of an agent, whatever the turn is.
pub(super) fn keep_memory(
    connection: &Connection,
    agent: i64,
    turn_id: &str,
    text: &Findable,
) -> Result<(), Failure> {
    forget_turn(connection, agent, turn_id)?;
    insert_memory(connection, agent, turn_id, text.body.as_str(), &text.terms.join(" "))?;
    Ok(())
}

/// Forgets what an agent remembers of a turn.
pub(super) fn forget_turn(
    connection: &Connection,
    agent: i64,
    turn_id: &str,
) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM documents WHERE agent = ?1 AND turn_id = ?2")?
        .execute(params![agent, turn_id])?;
    Ok(())
}

/// Forgets what an agent remembers of the turns after a position.
pub(super) fn forget_after(
    connection: &Connection,
    agent: i64,
    position: i64,
) -> Result<(), Failure> {
    let sql = "DELETE FROM documents WHERE agent = ?1 AND turn_id IN
               (SELECT turn_id FROM turns WHERE agent = ?1 AND set_aside = 0 AND position > ?2)";
    connection.prepare_cached(sql)?.execute([agent, position])?;
    Ok(())
}

/// Copies what each agent of the session `from` remembers to the one of the same name in `to`.
pub(super) fn fork(connection: &Connection, from: &str, to: &str) -> Result<(), Failure> {
    let sql = "SELECT document, copy.agent, turn_id, body, terms
               FROM documents
               JOIN agents AS original ON original.agent = documents.agent
               JOIN agents AS copy ON copy.id = original.id
               WHERE original.session = (SELECT session FROM sessions WHERE id = ?1)
                 AND copy.session = (SELECT session FROM sessions WHERE id = ?2)
               ORDER BY document";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([from, to])?;
    let sql = "INSERT INTO vectors (scope, document, model, vector)
               SELECT ?3, ?2, model, vector FROM vectors WHERE document = ?1";
    let mut vectors = connection.prepare_cached(sql)?;
    while let Some(row) = rows.next()? {
        let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        let copy = insert_memory(connection, row.get(1)?, text(2)?, text(3)?, text(4)?)?;
        vectors.execute([row.get::<_, i64>(0)?, copy, row.get(1)?])?;
    }
    Ok(())
}

fn insert_memory(
    connection: &Connection,
    agent: i64,
    turn_id: &str,
    body: &str,
    terms: &str,
) -> Result<i64, Failure> {
    connection
        .prepare_cached(
            "INSERT INTO documents (agent, turn_id, body, terms) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![agent, turn_id, body, terms])?;
    let document = connection.last_insert_rowid();
    index(connection, Key::Agent(agent), document, terms.split_ascii_whitespace())?;
    Ok(document)
}

/// The index would take any other term for several, those behind the first without their scope.
pub(super) fn is_plain(term: &str) -> bool {
    !term.is_empty() && term.chars().all(|char| !char.is_ascii() || char.is_ascii_alphanumeric())
}

/// What leaves `documents` leaves the index by a trigger.
fn index<'a>(
    connection: &Connection,
    scope: Key,
    document: i64,
    terms: impl Iterator<Item = &'a str>,
) -> Result<(), Failure> {
    let words: Vec<String> =
        terms.filter(|term| is_plain(term)).map(|term| scope.word(term)).collect();
    let sql = format!("INSERT INTO {} (rowid, terms) VALUES (?1, ?2)", scope.index());
    connection.prepare_cached(&sql)?.execute(params![document, words.join(" ")])?;
    Ok(())
}

fn find_lore(connection: &Connection, name: &str) -> Result<Option<i64>, Failure> {
    let mut statement = connection.prepare_cached("SELECT lore FROM lore WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

fn find_scope(connection: &Connection, scope: &Scope) -> Result<Option<Key>, Failure> {
    Ok(match scope {
        Scope::Lore(name) => find_lore(connection, name)?.map(Key::Lore),
        Scope::Memories { session, agent } => {
            find_agent(connection, session, agent)?.map(|key| Key::Agent(key.agent))
        }
    })
}

/// Joins the pieces of the index of lore.
pub(super) fn join_lore(connection: &Connection) -> Result<bool, Failure> {
    connection
        .prepare_cached("INSERT INTO lore_words (lore_words) VALUES ('optimize')")?
        .execute([])?;
    Ok(true)
}

/// Looks through the scopes by words and, if the question has one, by vectors.
pub(super) fn search(connection: &Connection, search: &Search) -> Result<Hits, Failure> {
    if search.limit == 0 {
        return Ok(Hits::default());
    }
    let mut scopes = Vec::new();
    for scope in &search.scopes {
        scopes.extend(find_scope(connection, scope)?.map(|key| (key, scope)));
    }
    let keys: Vec<Key> = scopes.iter().map(|(key, _)| *key).collect();
    let by_vector = match &search.vector {
        Some((model, vector)) => rank_by_vector(connection, &scopes, model, vector)?,
        None => Vec::new(),
    };
    let mut reading = Reading { search, scopes, document: connection.prepare_cached(DOCUMENT)? };
    let most = 2 * search.limit + search.excluding.len() + SPARE;
    let (candidates, weights) = bm25::candidates(connection, &keys, &search.terms, most)?;
    let by_text = reading.weigh(&candidates, &weights)?;
    Ok(Hits { by_text, by_vector: reading.first(&by_vector)? })
}

/// All documents with a vector of the model, and how close they are, the closest first.
fn rank_by_vector(
    connection: &Connection,
    scopes: &[(Key, &Scope)],
    model: &str,
    wanted: &[f32],
) -> Result<Vec<(i64, f64)>, Failure> {
    let mut found: Vec<(i64, f64)> = Vec::new();
    let sql = "SELECT document, vector FROM vectors WHERE scope = ?1 AND model = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    for (key, _) in scopes {
        let mut rows = statement.query(params![key.of_vectors(), model])?;
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            if let Some(product) = vector::dot(bytes, wanted) {
                found.push((row.get(0)?, f64::from(product)));
            }
        }
    }
    found.sort_by(|(one, a), (other, b)| b.total_cmp(a).then(one.cmp(other)));
    Ok(found)
}

const DOCUMENT: &str = "SELECT lore, documents.agent, documents.turn_id, body, terms, position
     FROM documents
     LEFT JOIN agents ON agents.agent = documents.agent
     LEFT JOIN turns ON turns.session = agents.session AND turns.turn_id = documents.turn_id
                    AND set_aside = 0
     WHERE document = ?1";

/// From rows to what was found.
struct Reading<'a> {
    search: &'a Search,
    scopes: Vec<(Key, &'a Scope)>,
    document: CachedStatement<'a>,
}

impl Reading<'_> {
    /// The candidates by how well they fit, as many as count.
    fn weigh(&mut self, candidates: &[i64], weights: &Weights) -> Result<Vec<Found>, Failure> {
        let mut read = Vec::with_capacity(candidates.len());
        for id in candidates {
            read.extend(self.read(*id)?);
        }
        let lengths: f64 = read.iter().map(|(_, weighed)| weighed.length()).sum();
        #[expect(clippy::cast_precision_loss, reason = "they are few")]
        let average = lengths / read.len().max(1) as f64;
        let scored = read
            .into_iter()
            .map(|(found, weighed)| Found { score: weighed.score(weights, average), ..found });
        let mut found: Vec<Found> = scored.collect();
        found.sort_by(|one, other| other.score.total_cmp(&one.score).then(one.id.cmp(&other.id)));
        self.count(&mut found);
        Ok(found)
    }

    /// The first of a ranking that count, and the excluded ones before them.
    fn first(&mut self, ranked: &[(i64, f64)]) -> Result<Vec<Found>, Failure> {
        let mut found = Vec::new();
        let mut counted = 0;
        for (id, score) in ranked {
            if counted == self.search.limit {
                break;
            }
            if let Some((document, _)) = self.read(*id)? {
                counted += usize::from(!document.excluded);
                found.push(Found { score: *score, ..document });
            }
        }
        Ok(found)
    }

    /// Leaves out what is beyond the limit; what is excluded doesn't count for it.
    fn count(&self, found: &mut Vec<Found>) {
        let mut counted = 0;
        found.retain(|document| {
            counted += usize::from(!document.excluded);
            counted <= self.search.limit
        });
    }

    fn read(&mut self, id: i64) -> Result<Option<(Found, Weighed)>, Failure> {
        let (search, scopes) = (self.search, &self.scopes);
        let found = self.document.query_row([id], |row| {
            let (lore, agent): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
            let scope = scopes.iter().find(|(key, _)| match key {
                Key::Lore(row) => Some(*row) == lore,
                Key::Agent(row) => Some(*row) == agent,
            });
            let Some((_, scope)) = scope else { return Ok(None) };
            let turn_id = row.get::<_, Option<String>>(2)?.map(Id::from);
            let weighed = Weighed::of(row.get_ref(4)?.as_str()?, &search.terms);
            let found = Found {
                id,
                scope: (*scope).clone(),
                body: row.get(3)?,
                score: 0.0,
                matched: weighed.matched(&search.terms).cloned().collect(),
                excluded: turn_id.as_ref().is_some_and(|turn| search.excluding.contains(turn)),
                turn_id,
                position: row.get(5)?,
            };
            Ok(Some((found, weighed)))
        });
        Ok(found.optional()?.flatten())
    }
}

/// Documents of a scope after a number that have no vector of this model yet, the newest first.
pub(super) fn without_vector(
    connection: &Connection,
    scope: &Scope,
    model: &str,
    (after, limit): (i64, usize),
) -> Result<Vec<(i64, String)>, Failure> {
    let Some(key) = find_scope(connection, scope)? else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT document, body FROM documents LEFT JOIN vectors USING (document)
         WHERE {} = ?1 AND document > ?2 AND model IS NOT ?3 ORDER BY document DESC LIMIT ?4",
        key.column()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![key.row(), after, model, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps vectors in the place of those that other models made. Documents that are gone are passed
/// over, and so is what isn't made of numbers.
pub(super) fn keep_vectors(
    connection: &Connection,
    model: &str,
    vectors: &[(i64, Vec<f32>)],
) -> Result<bool, Failure> {
    let sql = "INSERT OR REPLACE INTO vectors (scope, document, model, vector)
               SELECT coalesce(agent, -lore), document, ?2, ?3 FROM documents WHERE document = ?1";
    let mut insert = connection.prepare_cached(sql)?;
    let mut changed = false;
    for (document, vector) in vectors {
        if let Some(bytes) = vector::encode(vector) {
            changed |= insert.execute(params![document, model, bytes])? > 0;
        }
    }
    Ok(changed)
}
