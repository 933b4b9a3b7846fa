//! `dramatis check`: what is wrong with a folder of assets, one line for each thing, in the form that
//! editors and compilers use.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::assets;
use crate::assets::Library;

/// Checks a folder of worlds, characters, rules and sentences.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The folder; the server's own if absent
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Runs the command: 0 if all is well, 1 if anything is wrong.
///
/// # Errors
/// If there is no such folder, or the settings that name it or the output can't be used.
pub fn run(args: &CheckArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let library = assets::library(args.folder.as_deref())?;
    match report(&library, out) {
        // Whoever reads may have seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ if library.problems().is_empty() => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

fn report(library: &Library, out: &mut impl Write) -> io::Result<()> {
    let problems = library.problems();
    for problem in &problems {
        writeln!(out, "{problem}")?;
    }
    let place = match library.folder() {
        Some(folder) => folder.display().to_string(),
        None => "the built-in assets".to_owned(),
    };
    let wrong = match problems.len() {
        0 => "nothing is wrong".to_owned(),
        1 => "1 problem".to_owned(),
        more => format!("{more} problems"),
    };
    writeln!(out, "{place}: {}; {wrong}", library.current().counts())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn check(folder: &Path) -> (ExitCode, String) {
        let args = CheckArgs { folder: Some(folder.to_owned()) };
        let mut out = Vec::new();
        let code = run(&args, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn the_samples_are_in_order() {
        let (code, said) = check(&root().join("assets"));
        assert_eq!(code, ExitCode::SUCCESS, "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("2 worlds, 6 characters, 4 rules, "), "{said}");
        assert!(said.ends_with("nothing is wrong\n"), "{said}");
    }

    #[test]
    fn each_problem_is_a_line_that_editors_understand() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("rules")).unwrap();
        fs::write(dir.path().join("sentences.yaml"), "you_are: Du bist {wer}.\n").unwrap();
        let good = "id: calm\nname: Calm\nprompt: Stay calm.\n";
        fs::write(dir.path().join("rules/calm.yaml"), good).unwrap();
        fs::write(dir.path().join("rules/loud.yaml"), "id: loud\nname: Loud\npromt: Shout.\n")
            .unwrap();
        let (code, said) = check(dir.path());
        assert_eq!(code, ExitCode::FAILURE);
        let lines: Vec<&str> = said.lines().collect();
        let [first, second, last] = lines[..] else { panic!("{said}") };
        let place = format!("{}:3:1: ", dir.path().join("rules").join("loud.yaml").display());
        assert!(first.starts_with(&place) && first.contains("`promt`"), "{first}");
        let place = format!("{}:1:10: ", dir.path().join("sentences.yaml").display());
        assert!(second.starts_with(&place) && second.contains("`{wer}`"), "{second}");
        assert!(
            last.ends_with("0 worlds, 0 characters, 1 rule, 0 lorebook entries; 2 problems"),
            "{last}"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let args = CheckArgs { folder: Some("no/such/folder".into()) };
        let error = run(&args, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("no/such/folder") && error.contains("name another"), "{error}");
    }
}
