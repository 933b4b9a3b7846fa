//! Reads Rust source as far as the order of the house needs it: the words without comments and
//! texts, and from them every path, resolved from the root of the crate.
//!
//! It knows `use` trees, paths within code, `self`, `super`, modules inside a file and what is
//! compiled for tests only. Macros are read as code, which is right for paths in their arguments.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A word or a sign, and its line.
#[derive(Debug, Clone)]
struct Token {
    text: String,
    line: usize,
}

/// A path as the code has it.
#[derive(Debug, Clone)]
pub struct Named {
    /// From the root: `crate` first for what is ours, else the other crate's name.
    pub segments: Vec<String>,
    /// Where it stands.
    pub line: usize,
    /// Whether only tests see it.
    pub test_only: bool,
}

/// A source file, read.
#[derive(Debug)]
pub struct Source {
    /// Relative to the project's root.
    pub file: PathBuf,
    /// The module that it is, from the root of the crate.
    pub module: Vec<String>,
    /// All paths in it.
    pub paths: Vec<Named>,
    /// Its modules that only tests see and that lie in files of their own.
    pub test_modules: Vec<String>,
    /// Whether code that isn't for tests is async, and where.
    pub is_async: Option<usize>,
    /// The modules that it declares `pub`, in order.
    pub public_modules: Vec<String>,
}

impl Source {
    /// Reads a file below `src`, whose path is relative to the project's root.
    pub fn read(root: &Path, src: &Path, file: PathBuf) -> Self {
        let text = std::fs::read_to_string(root.join(&file)).unwrap();
        let module = module_of(file.strip_prefix(src).unwrap());
        Self::parse(file, module, &text)
    }

    /// Reads a text as the file of this module.
    pub fn parse(file: PathBuf, module: Vec<String>, text: &str) -> Self {
        let tokens = tokens(text);
        let mut walk = Walk::new(&tokens, module.clone());
        walk.run();
        let Walk { paths, local, test_modules, is_async, public_modules, .. } = walk;
        let ours = |path: &Named| path.segments[0] == "crate";
        let paths =
            paths.into_iter().filter(|path| ours(path) || !local.contains(&path.segments[0]));
        Self { file, module, paths: paths.collect(), test_modules, is_async, public_modules }
    }

    /// The module right below the crate's root that this file belongs to.
    pub fn top(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }
}

fn module_of(file: &Path) -> Vec<String> {
    let parts = file.with_extension("");
    let parts = parts.iter().map(|part| part.to_str().unwrap().to_owned());
    let mut module: Vec<String> = parts.collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

struct Frame {
    module: Option<String>,
    test_only: bool,
}

struct Walk<'a> {
    tokens: &'a [Token],
    at: usize,
    module: Vec<String>,
    frames: Vec<Frame>,
    cfg_test: bool,
    paths: Vec<Named>,
    local: BTreeSet<String>,
    test_modules: Vec<String>,
    is_async: Option<usize>,
    public_modules: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(tokens: &'a [Token], module: Vec<String>) -> Self {
        Self {
            tokens,
            at: 0,
            module,
            frames: Vec::new(),
            cfg_test: false,
            paths: Vec::new(),
            local: BTreeSet::new(),
            test_modules: Vec::new(),
            is_async: None,
            public_modules: Vec::new(),
        }
    }

    fn peek(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |token| &token.text)
    }

    fn is_before(&self, text: &str) -> bool {
        self.at > 0 && self.tokens[self.at - 1].text == text
    }

    fn is_for_tests(&self) -> bool {
        self.cfg_test || self.frames.last().is_some_and(|frame| frame.test_only)
    }

    fn run(&mut self) {
        while self.at < self.tokens.len() {
            match self.peek(0) {
                "{" => self.enter(None),
                "}" => {
                    self.frames.pop();
                }
                ";" => self.cfg_test = false,
                "cfg" if self.peek(2) == "test" && self.is_before("[") => self.cfg_test = true,
                "mod" if is_name(self.peek(1)) => self.declare(),
                "use" => self.import(),
                "async" | "await" if !self.is_for_tests() => {
                    self.is_async.get_or_insert(self.tokens[self.at].line);
                }
                word if is_name(word) && self.peek(1) == "::" && !self.is_before("::") => {
                    self.path();
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn enter(&mut self, module: Option<String>) {
        let test_only = self.is_for_tests();
        self.cfg_test = false;
        self.frames.push(Frame { module, test_only });
    }

    /// `mod name;` or `mod name {`.
    fn declare(&mut self) {
        let name = self.peek(1).to_owned();
        self.local.insert(name.clone());
        if self.peek(2) == "{" {
            self.at += 2;
            return self.enter(Some(name));
        }
        if self.cfg_test {
            self.test_modules.push(name);
        } else if self.is_before("pub") {
            self.public_modules.push(name);
        }
    }

    fn path(&mut self) {
        let mut segments = vec![self.peek(0).to_owned()];
        let mut ahead = 1;
        while self.peek(ahead) == "::" && is_name(self.peek(ahead + 1)) {
            segments.push(self.peek(ahead + 1).to_owned());
            ahead += 2;
        }
        self.note(segments);
    }

    fn import(&mut self) {
        self.at += 1;
        let before = self.paths.len();
        self.tree(&mut Vec::new());
        for path in &self.paths[before..] {
            // What is brought in from our own modules hides a crate of the same name.
            if path.segments[0] == "crate" {
                self.local.extend(path.segments.last().cloned());
            }
        }
        self.cfg_test = false;
    }

    /// A branch of a `use` tree; ends before `,`, `}` or `;`.
    fn tree(&mut self, prefix: &mut Vec<String>) {
        let length = prefix.len();
        loop {
            match self.peek(0) {
                "::" => {}
                "as" => self.at += 1,
                "{" => {
                    while self.peek(0) != "}" {
                        self.at += 1;
                        self.tree(prefix);
                    }
                    self.at += 1;
                    break;
                }
                "," | "}" | ";" | "" => {
                    self.note(prefix.clone());
                    break;
                }
                word => prefix.push(word.to_owned()),
            }
            self.at += 1;
        }
        prefix.truncate(length);
    }

    /// Notes a path, resolved.
    fn note(&mut self, mut segments: Vec<String>) {
        let supers = segments.iter().take_while(|word| *word == "super").count();
        let from_here = segments.first().is_some_and(|word| word == "self");
        if supers > 0 || from_here {
            let inner = self.frames.iter().filter_map(|frame| frame.module.clone());
            let mut base: Vec<String> = self.module.iter().cloned().chain(inner).collect();
            base.truncate(base.len().saturating_sub(supers));
            let rest = segments.split_off(supers.max(1));
            segments = std::iter::once("crate".to_owned()).chain(base).chain(rest).collect();
        }
        if segments.is_empty() {
            return;
        }
        let line = self.tokens[self.at.min(self.tokens.len() - 1)].line;
        self.paths.push(Named { segments, line, test_only: self.is_for_tests() });
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The words and signs of a text, without comments, texts and lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let end = token_end(&chars, at);
        let word: String = chars[at..end].iter().collect();
        let is_sign = end == at + 1 && !chars[at].is_whitespace();
        if (is_name(&word) && !word.contains('"')) || word == "::" || is_sign {
            tokens.push(Token { text: word, line });
        }
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

/// Where the token, comment, text or white space at `at` ends.
fn token_end(chars: &[char], at: usize) -> usize {
    let is =
        |at: usize, text: &str| text.chars().eq(chars.iter().skip(at).copied().take(text.len()));
    let until = |stop: &dyn Fn(usize) -> bool| {
        (at + 1..chars.len()).find(|i| stop(*i)).unwrap_or(chars.len())
    };
    match chars[at] {
        '/' if is(at, "//") => until(&|i| chars[i] == '\n'),
        '/' if is(at, "/*") => (until(&|i| is(i, "*/")) + 2).min(chars.len()),
        'r' | 'b' if raw_text_end(chars, at).is_some() => raw_text_end(chars, at).unwrap(),
        '"' => text_end(chars, at, '"'),
        '\'' if is(at + 1, "\\") => text_end(chars, at, '\''),
        '\'' if chars.get(at + 2) == Some(&'\'') => at + 3,
        '\'' => until(&|i| !is_word(chars[i])),
        ':' if is(at, "::") => at + 2,
        c if is_word(c) => until(&|i| !is_word(chars[i])),
        _ => at + 1,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn text_end(chars: &[char], at: usize, quote: char) -> usize {
    let mut end = at + 1;
    while end < chars.len() && chars[end] != quote {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    (end + 1).min(chars.len())
}

/// The end of `r"…"`, `r#"…"#`, `br"…"`; `None` if it is none.
fn raw_text_end(chars: &[char], at: usize) -> Option<usize> {
    let start = at + usize::from(chars[at] == 'b');
    let hashes = chars.get(start + 1..)?.iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(start) != Some(&'r') || chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |i: &usize| {
        chars[*i] == '"'
            && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    Some((open + 1..chars.len()).find(closes).map_or(chars.len(), |i| i + 1 + hashes))
}
