//! Which models a game may name.

use std::fmt;

/// A list of model ids in which `*` stands for anything; an empty one allows every model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedModels {
    patterns: Vec<String>,
}

impl AllowedModels {
    /// Reads a comma list.
    #[must_use]
    pub fn from_list(list: &str) -> Self {
        let patterns = list.split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
        Self { patterns: patterns.map(str::to_owned).collect() }
    }

    /// Whether a game may name this model.
    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        self.patterns.is_empty() || self.names(model)
    }

    /// Whether the list names this model; an empty one names none.
    #[must_use]
    pub fn names(&self, model: &str) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern, model))
    }
}

/// As the setting has it.
impl fmt::Display for AllowedModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.patterns.join(", "))
    }
}

/// Between the beginning and the end, each piece of the pattern is taken where it first stands:
/// that leaves the most for the pieces behind it.
fn matches(pattern: &str, model: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == model };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = model.strip_prefix(begin).and_then(|model| model.strip_suffix(end));
    let Some(mut inner) = inner else { return false };
    middle.split('*').all(|piece| match inner.split_once(piece) {
        Some((_, rest)) => {
            inner = rest;
            true
        }
        None => piece.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let check = |list: &str, model: &str, expected: bool| {
            assert_eq!(AllowedModels::from_list(list).allows(model), expected, "{model} in {list}");
        };
        check("", "anything", true);
        check(" , ", "anything", true);
        check("gpt-4o", "gpt-4o", true);
        check("gpt-4o", "gpt-4o-mini", false);
        check("gpt-4o, openai/*", "openai/gpt-4o", true);
        check("openai/*", "openai", false);
        check("openai/*", "openai/", true);
        check("*", "", true);
        check("*:free", "meta/llama:free", true);
        check("*:free", "meta/llama:freedom", false);
        check("meta/*-70b*", "meta/llama-3-70b-instruct", true);
        check("meta/*-70b*", "meta/llama-3-8b", false);
        check("a*b*c*d", "a-b-c-d", true);
        check("a*b*c*d", "a-c-b-d", false);
        check("a*a", "a", false);
        check("**a**", "bab", true);
        check("é*", "éa", true);
        check("GPT*", "gpt-4o", false);
    }

    #[test]
    fn it_reads_as_it_was_set() {
        assert_eq!(AllowedModels::from_list("a,b/* ").to_string(), "a, b/*");
    }
}
