//! What is wrong with a file, told so that its author can mend it.

use std::fmt;

/// Longest message, in characters: a file's own words may stand in it.
const MAX_MESSAGE_CHARS: usize = 400;

/// What is wrong, where in a file it is known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub place: Option<Place>,
    pub message: String,
}

/// Line and column, each from 1.
pub(super) type Place = (u64, u64);

impl Fault {
    pub fn new(place: Option<Place>, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }

    pub fn in_file(self, file: &str) -> Problem {
        let (line, column) = self.place.unzip();
        Problem { file: harmless(file), line, column, message: harmless(&self.message) }
    }
}

/// What is wrong with a file of assets, in one sentence that says what to do. Shown as
/// `file:line:column: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the folder, by its path.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// The column, from 1, where it is known.
    pub column: Option<u64>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A file's words must not steer the terminal that shows them, nor fill it.
fn harmless(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    match text.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_as_compilers_do() {
        let check = |place: Option<Place>, expected: &str| {
            let problem = Fault::new(place, "add a name").in_file("worlds/a.yaml");
            assert_eq!(problem.to_string(), expected);
        };
        check(Some((3, 7)), "worlds/a.yaml:3:7: add a name");
        check(None, "worlds/a.yaml: add a name");
    }

    #[test]
    fn words_of_a_file_are_harmless_to_a_terminal() {
        let long = format!("\u{1b}[2J{}", "x".repeat(10_000));
        let problem = Fault::new(None, long).in_file("a\u{7}b\n").to_string();
        assert!(!problem.contains(char::is_control) && problem.len() < 500, "{problem}");
    }
}
