//! Words of a text, and choices that depend on nothing but what they are made from.

/// Words that say nothing about what a sentence is about.
const EMPTY_WORDS: &str = " a about all also am an and any anyone anything are as ask at be been before but by can come \
    could did do does doing done else ever every few for from get give go good got had has have he \
    hear heard hello her here hey him his how i if in into is it its just know let like little look make \
    man may maybe me might more most much must my near need no not now of off oh on one only or other our \
    out over people perhaps please right said same say see seen she should so some someone something \
    still such sure take tell than thank thanks that the their them then there these they thing \
    things think this those time to today too two up us very want was way we well were what when \
    where which while who whom whose why will with woman would yes yet you your yours ";

/// The words of a text in lower case, in order.
pub fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace('’', "'");
    lower
        .split(|character: char| !character.is_alphanumeric() && character != '\'')
        .map(|word| word.trim_matches('\'').trim_end_matches("'s").to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Those of them that say what a text is about.
pub fn key_words(text: &str) -> Vec<String> {
    words(text).into_iter().filter(|word| is_key(word)).collect()
}

fn is_key(word: &str) -> bool {
    word.chars().count() > 2 && !EMPTY_WORDS.contains(&format!(" {word} "))
}

/// Whether two words are forms of one: `ale` and `ales`, `trade` and `trading`.
pub fn alike(a: &str, b: &str) -> bool {
    if a == b || a.strip_suffix('s') == Some(b) || b.strip_suffix('s') == Some(a) {
        return true;
    }
    let common = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let longer = a.chars().count().max(b.chars().count());
    common >= 4 && longer - common <= 3
}

/// How many of the words have their like among the others.
pub fn overlap(of: &[String], among: &[String]) -> usize {
    of.iter().filter(|word| among.iter().any(|other| alike(word, other))).count()
}

/// The choices of one reply: the same agent, text and number of turns choose alike. With each
/// further turn every choice moves on by one, so that no line comes twice in a row; agents begin at
/// different places.
pub struct Seed {
    agent: u64,
    said: u64,
    turns: u64,
}

impl Seed {
    pub fn new(agent: &str, text: &str, past_turns: usize) -> Self {
        let agent = fnv(FNV_START, &agent.to_lowercase());
        Self { agent, said: fnv(agent, &text.to_lowercase()), turns: past_turns as u64 }
    }

    /// One of the items; `salt` tells one choice from another.
    pub fn pick<'a, T>(&self, salt: &str, items: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(items.len()).ok().filter(|count| *count > 0)?;
        let index = fnv(self.agent, salt).wrapping_add(self.turns) % count;
        items.get(usize::try_from(index).ok()?)
    }

    /// True for about one of `n` texts and turns.
    pub fn one_in(&self, n: u64, salt: &str) -> bool {
        fnv(self.said.wrapping_add(self.turns), salt).is_multiple_of(n.max(1))
    }
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: small, and the same on every machine and in every version.
fn fnv(start: u64, text: &str) -> u64 {
    text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
