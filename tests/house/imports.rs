//! Who uses whom. `src/lib.rs` declares the modules from the ground up, and each may use those
//! declared above it; `ARCHITECTURE.md` says which of those it really uses.

use std::collections::BTreeSet;
use std::path::Path;

use crate::source::Source;
use crate::{files, none, read, root};

/// What a module must not learn of, wherever it stands.
const STRANGERS: &[(&str, &[&str])] = &[
    ("llm", &["prompt", "turn", "config"]),
    ("actor", &["prompt", "turn"]),
    ("assets", &["store", "llm", "turn"]),
    ("store", &["retrieval", "prompt", "turn", "llm"]),
    ("retrieval", &["prompt", "config", "turn"]),
    ("prompt", &["store", "config", "turn"]),
    ("generation", &["store", "turn"]),
    ("turn_log", &["turn", "llm", "store"]),
    ("turn", &["server", "config", "prompt", "actor"]),
    ("chat", &["turn", "config", "prompt", "actor"]),
    ("server", &["llm", "actor", "prompt", "generation", "store", "tags"]),
];

/// Modules that only other crates may serve: `simulation` shows that a game needs nothing of ours
/// but the contract.
const ALONE: &[&str] = &["tags", "config", "clock", "record", "assets", "simulation"];

/// Crates that one part of the house keeps to itself.
const OWNED: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("reqwest", &["llm", "retrieval::embed"]),
    ("async_openai", &["llm"]),
    ("rustls", &["llm"]),
    ("axum", &["server", "actor::openai_server"]),
    ("tokio_tungstenite", &["simulation", "server"]),
    ("clap", &["cli"]),
    ("anyhow", &["cli"]),
    ("tracing_subscriber", &["cli"]),
    ("tracing_appender", &["cli"]),
    ("dotenvy", &["config"]),
    ("strsim", &["config", "server::rpc::command"]),
    ("serde_ignored", &["simulation"]),
    ("serde_saphyr", &["config", "actor::yaml", "actor::script", "assets::yaml", "simulation"]),
    ("notify", &["assets::watcher"]),
    ("memchr", &["tags", "llm"]),
    ("unicode_normalization", &["assets::keys", "retrieval", "prompt::sentences"]),
    ("model2vec_rs", &["retrieval::embed"]),
];

/// What computes and nothing else: no async, no channels, no clock.
const PURE: &[&str] = &[
    "tags",
    "config",
    "record",
    "assets::keys",
    "assets::parse",
    "assets::yaml",
    "retrieval::chunk",
    "retrieval::terms",
    "retrieval::lorebook",
    "retrieval::rank",
    "prompt",
    "turn::state",
    "turn::ledger",
    "chat::conversation",
    "chat::reasoning",
    "server::rpc::command",
    "server::rpc::incoming",
];

/// Crates of the tag parser: it works on bytes, not on the wire's types.
const TAG_CRATES: &[&str] = &["std", "memchr", "quick_xml", "thiserror"];

fn sources() -> Vec<Source> {
    let src = Path::new("src");
    files("src", "rs").into_iter().map(|file| Source::read(root(), src, file)).collect()
}

/// The modules as `src/lib.rs` declares them.
fn modules(sources: &[Source]) -> Vec<String> {
    let lib = sources.iter().find(|source| source.file.ends_with("lib.rs")).unwrap();
    lib.public_modules.clone()
}

/// Whether a module is the other or lies within it.
fn is_within(module: &[String], outer: &str) -> bool {
    let mut module = module.iter();
    outer.split("::").all(|name| module.next().is_some_and(|part| part == name))
}

/// Whether a whole file is for tests: its parent declares it so.
fn is_test_file(source: &Source, all: &[Source]) -> bool {
    (1..=source.module.len()).any(|length| {
        let (name, parent) = source.module[..length].split_last().unwrap();
        let parent =
            all.iter().find(|other| other.module == parent && !other.file.ends_with("main.rs"));
        parent.is_some_and(|parent| parent.test_modules.contains(name))
    })
}

/// Each use of one module by another: who, whom, and where it stands.
fn uses<'a>(sources: &'a [Source], modules: &[String]) -> Vec<(&'a Source, &'a str, usize)> {
    let mut uses = Vec::new();
    for source in sources {
        for path in &source.paths {
            let [root, whom, ..] = path.segments.as_slice() else { continue };
            if root == "crate" && whom != source.top() && modules.contains(whom) {
                uses.push((source, whom.as_str(), path.line));
            }
        }
    }
    uses
}

#[test]
fn a_module_uses_only_those_above_it() {
    let sources = sources();
    let modules = modules(&sources);
    let place = |name: &str| modules.iter().position(|module| module == name);
    let mut wrong = Vec::new();
    for (source, whom, line) in uses(&sources, &modules) {
        let (file, top) = (source.file.display(), source.top());
        if !top.is_empty() && place(whom) > place(top) {
            wrong.push(format!("{file}:{line}: `{whom}` stands below `{top}` in src/lib.rs"));
        }
        let strangers = STRANGERS.iter().find(|(module, _)| *module == top);
        if ALONE.contains(&top) || strangers.is_some_and(|(_, all)| all.contains(&whom)) {
            wrong.push(format!("{file}:{line}: `{top}` must not know `{whom}`"));
        }
    }
    none(&wrong);
    assert!(modules.len() > 10 && uses(&sources, &modules).len() > 100, "nothing was read");
}

#[test]
fn every_file_belongs_to_a_module_of_the_map() {
    let sources = sources();
    let modules = modules(&sources);
    for source in &sources {
        assert!(
            source.module.is_empty() || modules.iter().any(|module| module == source.top()),
            "{}: src/lib.rs doesn't declare its module",
            source.file.display()
        );
    }
}

/// The rows of the table of modules: the name, and the modules that it uses; `None`: any.
fn table() -> Vec<(String, Option<BTreeSet<String>>)> {
    let text = read("ARCHITECTURE.md");
    let rows = text.lines().skip_while(|line| !line.starts_with("| module | owns | uses |"));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    let quoted = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let uses = (cells[3].trim() != "everything above").then(|| quoted(cells[3]));
        (quoted(cells[1]).remove(0), uses.map(|uses| uses.into_iter().collect()))
    })
    .collect()
}

#[test]
fn the_table_of_modules_stands_in_the_order_of_lib_rs() {
    let named: Vec<String> = table().into_iter().map(|(name, _)| name).collect();
    let mut expected = vec!["protocol".to_owned()];
    expected.extend(modules(&sources()));
    assert_eq!(named, expected, "the table in ARCHITECTURE.md and the modules of src/lib.rs");
}

/// The modules, and the contract, that a module uses outside of its tests.
fn used_by(name: &str, sources: &[Source], modules: &[String]) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let own = sources.iter().filter(|source| source.top() == name);
    for source in own.filter(|source| !is_test_file(source, sources)) {
        for path in source.paths.iter().filter(|path| !path.test_only) {
            match path.segments.as_slice() {
                [root, whom, ..] if root == "crate" && whom != name => {
                    used.extend(modules.iter().find(|module| *module == whom).cloned());
                }
                [root, ..] if root == "dramatis_protocol" => {
                    used.insert("protocol".to_owned());
                }
                _ => {}
            }
        }
    }
    used
}

#[test]
fn the_table_of_modules_names_what_each_uses() {
    let sources = sources();
    let modules = modules(&sources);
    let mut wrong = Vec::new();
    for (name, told) in table() {
        let Some(told) = told else { continue };
        let used = used_by(&name, &sources, &modules);
        for module in told.symmetric_difference(&used) {
            let what = if used.contains(module) { "is missing" } else { "is not used any more" };
            wrong.push(format!(
                "ARCHITECTURE.md, the table of modules, `{name}`: `{module}` {what}"
            ));
        }
    }
    none(&wrong);
}

#[test]
fn crates_stay_with_their_owners() {
    let sources = sources();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| !is_test_file(source, &sources)) {
        for path in source.paths.iter().filter(|path| !path.test_only) {
            let name = &path.segments[0];
            let owners = OWNED.iter().find(|(owned, _)| owned == name).map(|(_, owners)| *owners);
            if owners.is_some_and(|all| !all.iter().any(|owner| is_within(&source.module, owner))) {
                let place = format!("{}:{}", source.file.display(), path.line);
                wrong.push(format!("{place}: `{name}` belongs to {owners:?}"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn what_only_computes_is_not_async() {
    let sources = sources();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| !is_test_file(source, &sources)) {
        if !PURE.iter().any(|pure| is_within(&source.module, pure)) {
            continue;
        }
        let file = source.file.display();
        wrong.extend(source.is_async.map(|line| format!("{file}:{line}: async")));
        for path in source.paths.iter().filter(|path| !path.test_only) {
            if ["tokio", "tokio_util", "futures"].contains(&path.segments[0].as_str()) {
                wrong.push(format!("{file}:{}: {}", path.line, path.segments.join("::")));
            }
        }
    }
    none(&wrong);
}

#[test]
fn the_tag_parser_knows_bytes_and_nothing_of_the_wire() {
    let sources = sources();
    let manifest = read("Cargo.toml");
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.top() == "tags") {
        if is_test_file(source, &sources) {
            continue;
        }
        for path in source.paths.iter().filter(|path| !path.test_only) {
            let name = path.segments[0].as_str();
            let is_crate = manifest.contains(&format!("\n{}", name.replace('_', "-")));
            if is_crate && name != "crate" && !TAG_CRATES.contains(&name) {
                wrong.push(format!("{}:{}: {name}", source.file.display(), path.line));
            }
        }
    }
    none(&wrong);
}

#[test]
fn only_config_reads_the_environment() {
    let sources = sources();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.top() != "config") {
        for path in source.paths.iter().filter(|path| !path.test_only) {
            let reads = path.segments.iter().any(|word| word == "env")
                && path.segments.iter().any(|word| word.starts_with("var") || word == "std");
            if reads && !is_test_file(source, &sources) {
                wrong.push(format!("{}:{}", source.file.display(), path.line));
            }
        }
    }
    none(&wrong);
}

#[test]
fn the_contract_knows_nothing_of_the_server() {
    let folder = Path::new("protocol/src");
    for file in files("protocol/src", "rs") {
        let source = Source::read(root(), folder, file);
        let ours = source.paths.iter().find(|path| path.segments[0] == "dramatis");
        assert!(ours.is_none(), "{}: {ours:?}", source.file.display());
        assert_eq!(source.is_async, None, "{}: async", source.file.display());
    }
    let manifest = read("protocol/Cargo.toml");
    assert!(!manifest.contains("path ="), "the protocol needs no crate of ours");
}

#[test]
fn every_file_introduces_itself() {
    let mut wrong = Vec::new();
    for file in ["src", "protocol", "tests", "benches"].iter().flat_map(|it| files(it, "rs")) {
        if !read(file.to_str().unwrap()).starts_with("//! ") {
            wrong.push(format!("{} does not begin with //!", file.display()));
        }
    }
    none(&wrong);
}

/// The reader itself, on code that tries to mislead it.
#[test]
fn paths_are_found_where_they_are_and_only_there() {
    let check = |code: &str, expected: &[&str]| {
        let module = vec!["turn".to_owned(), "agent".to_owned()];
        let source = Source::parse("x.rs".into(), module, code);
        let found: Vec<String> = source
            .paths
            .iter()
            .map(|path| {
                let mark = if path.test_only { "test " } else { "" };
                format!("{mark}{}", path.segments.join("::"))
            })
            .collect();
        assert_eq!(found, expected, "{code}");
    };
    check(
        "use crate::tags::{End, rules::*, self as t};",
        &["crate::tags::End", "crate::tags::rules::*", "crate::tags::self"],
    );
    check("use super::super::server::run;", &["crate::server::run"]);
    check("use self::memory::Memory;", &["crate::turn::agent::memory::Memory"]);
    check(
        "mod tests { use super::x; mod a { use super::super::y; } }",
        &["crate::turn::agent::x", "crate::turn::agent::y"],
    );
    check(
        "fn f() { super::state::go(crate::llm::Cue::new()) }",
        &["crate::turn::state::go", "crate::llm::Cue::new"],
    );
    check("// crate::llm\n/* use crate::llm; */ /// [`crate::llm`]", &[]);
    check(r##"let x = "crate::llm"; let y = r#"use "crate::llm";"#; let z = '"';"##, &[]);
    check("let x: &'a str = y; use crate::store;", &["crate::store"]);
    check("use super::bytes; fn f() { bytes::find() }", &["crate::turn::bytes"]);
    check("fn f() { bytes::Bytes::new() }", &["bytes::Bytes::new"]);
    check("#[cfg(test)]\nmod t { use tokio::x; }\nuse axum::y;", &["test tokio::x", "axum::y"]);
    check("#[cfg(test)]\nuse a::b;\nuse c::d;", &["test a::b", "c::d"]);
}
