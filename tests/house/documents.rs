//! The project's own documents say what is so: their commands, settings, files and links exist.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use dramatis::config::SETTINGS;

use crate::{none, read, root};

const DOCUMENTS: &[&str] =
    &["README.md", "RUNNING.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// How the README runs the program.
const CALLS: &[&str] = &["dramatis ", "cargo run --release -- "];

/// The lines of a document's code blocks, without a shell's `$`, comments and what stands before a
/// pipe.
fn code_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if in_code {
            let line = line.trim().strip_prefix("$ ").unwrap_or(line.trim());
            let line = line.split(" # ").next().unwrap_or_default();
            lines.extend(line.split(" | ").map(|part| part.trim().to_owned()));
        }
    }
    lines
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The calls of the program in the README: their words behind its name.
fn calls() -> BTreeSet<Vec<String>> {
    let readme = read("README.md");
    let mut lines = code_lines(&readme);
    lines.extend(quoted(&readme).map(str::to_owned));
    let behind = lines.iter().filter_map(|line| {
        // Settings may stand before the name, as in `LLM_MODEL=x dramatis demo`.
        let words = line.split(' ').skip_while(|word| word.contains('=')).collect::<Vec<_>>();
        let line = words.join(" ");
        CALLS.iter().find_map(|call| line.strip_prefix(call).map(str::to_owned))
    });
    behind.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

fn help(command: &[String]) -> Option<String> {
    let program = Command::new(env!("CARGO_BIN_EXE_dramatis")).args(command).arg("--help").output();
    let program = program.unwrap();
    program.status.success().then(|| String::from_utf8(program.stdout).unwrap())
}

/// What is wrong with a call: a command or a flag that isn't there.
fn wrong_with(
    call: &[String],
    known: &mut BTreeMap<Vec<String>, Option<String>>,
) -> Option<String> {
    let is_command =
        |word: &&String| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let mut command: Vec<String> = call
        .iter()
        .filter(|word| !word.starts_with("--"))
        .take_while(is_command)
        .take(2)
        .cloned()
        .collect();
    // `logs --logs DIR list`: the value of a flag isn't a command.
    let mut ask =
        |command: &[String]| known.entry(command.to_vec()).or_insert_with(|| help(command)).clone();
    let mut help = ask(&command);
    if help.is_none() && command.len() > 1 {
        command.truncate(1);
        help = ask(&command);
    }
    let Some(help) = help else { return Some(format!("there is no command {command:?}")) };
    let flags = call.iter().filter(|word| word.starts_with("--"));
    let flags = flags.map(|word| word.split('=').next().unwrap());
    let missing = flags
        .filter(|flag| !help.contains(&format!("{flag} ")) && !help.contains(&format!("{flag}\n")));
    let missing: Vec<&str> = missing.collect();
    (!missing.is_empty()).then(|| format!("{command:?} has no {missing:?}"))
}

#[test]
fn the_commands_of_the_readme_exist() {
    let calls = calls();
    let mut known = BTreeMap::new();
    let wrong = calls.iter().filter_map(|call| {
        wrong_with(call, &mut known).map(|what| format!("README.md: {}: {what}", call.join(" ")))
    });
    none(&wrong.collect::<Vec<_>>());
    for command in ["serve", "demo", "parse", "check", "logs", "mock-llm"] {
        assert!(calls.iter().any(|call| call[0] == command), "the README has no {command}");
    }
    let nonsense = ["serve", "--no-such-flag"].map(str::to_owned);
    assert!(wrong_with(&nonsense, &mut known).is_some());
    assert!(wrong_with(&["perform".to_owned()], &mut known).is_some());
}

#[test]
fn every_command_of_the_program_is_in_the_readme() {
    let help = help(&[]).unwrap();
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let readme = read("README.md");
    for line in commands.lines().filter(|line| !line.trim().is_empty()) {
        let command = line.split_whitespace().next().unwrap();
        let told = readme.contains(&format!("dramatis {command}"));
        assert!(told || command == "help", "the README doesn't tell of `{command}`");
    }
}

#[test]
fn the_table_of_settings_is_the_programs_own() {
    let readme = read("README.md");
    let rows: BTreeMap<String, String> = readme
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let name = cells[1].trim_matches('`');
            let is_setting = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            is_setting.then(|| (name.to_owned(), cells[2].trim_matches('`').to_owned()))
        })
        .collect();
    let settings = SETTINGS.iter().map(|it| (it.name.to_owned(), it.default.to_owned()));
    assert_eq!(rows, settings.collect());
    for also in SETTINGS.iter().flat_map(|setting| setting.also) {
        assert!(readme.contains(&format!("`{also}`")), "{also}");
    }
}

/// What a document names in backticks or links to, where it looks like a file of the project.
fn named_files(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for quoted in quoted(line) {
            let top = quoted.split('/').next().unwrap();
            let is_path = quoted.contains('/') && !quoted.contains([' ', '<', '*', '…']);
            let is_ours =
                ["src", "protocol", "tests", "benches", "scenarios", ".ci"].contains(&top);
            if is_path && is_ours {
                names.insert(quoted.to_owned());
            }
        }
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if !link.contains("://") && !file.is_empty() {
                names.insert(file.to_owned());
            }
        }
    }
    names
}

#[test]
fn the_files_that_documents_name_are_there() {
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        let names = named_files(&read(document));
        wrong.extend(
            names
                .into_iter()
                .filter(|name| !root().join(name).exists())
                .map(|name| format!("{document} names {name}")),
        );
    }
    none(&wrong);
}

#[test]
fn what_builds_the_same_everywhere_is_committed() {
    assert!(root().join("Cargo.lock").is_file());
    let ignored = read(".gitignore");
    assert!(!ignored.contains("Cargo.lock"), "a program commits its Cargo.lock");
    assert!(ignored.contains("!/logs/sample"), "the sample of logs is part of the project");
}

#[test]
fn the_sample_of_logs_can_be_looked_at() {
    let program = Command::new(env!("CARGO_BIN_EXE_dramatis"))
        .args(["logs", "--logs", "logs/sample", "transcript"])
        .current_dir(root())
        .output()
        .unwrap();
    let text = String::from_utf8(program.stdout).unwrap();
    for part in ["# Lio", "# Maren", "# Oswin", "Interrupted"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}
