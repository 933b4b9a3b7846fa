//! Folders as designers leave them, and as attackers do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dramatis_protocol::Sentences;
use dramatis_protocol::assets::SecondaryLogic;
use dramatis_protocol::assets::limits::{MAX_ENTRIES, MAX_FILE_BYTES, MAX_FILES, MAX_REGEXES};

use super::built_in::SAMPLES;
use super::{Key, Library, Watcher};

/// Longer than anything here should take, also on a busy machine.
const LONG: Duration = Duration::from_secs(60);

const WORLD: &str = "id: w\nname: W\n";
const MAREN: &str = "id: maren\nname: Maren\npersona: Keeps an inn.\n";

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["worlds", "characters", "rules"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
    }
    write(dir.path(), files);
    dir
}

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        fs::write(dir.join(name), text).unwrap();
    }
}

fn open(dir: &Path) -> Library {
    Library::open(Some(dir)).unwrap()
}

/// The problems, with paths as they are within the folder.
fn problems(library: &Library) -> Vec<String> {
    let folder = format!("{}{}", library.folder().unwrap().display(), std::path::MAIN_SEPARATOR);
    library.problems().iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
}

/// The only problem of a folder.
fn only_problem(dir: &Path) -> String {
    let problems = problems(&open(dir));
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].clone()
}

/// A world with this text behind its head.
fn problem_of_world(rest: &str) -> String {
    let dir = folder(&[("worlds/w.yaml", &format!("{WORLD}{rest}"))]);
    let library = open(dir.path());
    assert!(library.current().world("w").is_none(), "{rest} is used");
    only_problem(dir.path())
}

#[test]
fn what_stands_in_the_files_is_there_by_id() {
    let world = "id: ../../etc/passwd\nname: W\nlore: |\n  One.\n\n  Two.\nscene: ' '\nentries:\n\
                 - {keys: [oil, 'lamp oil'], secondary_keys: [jar], secondary_logic: not_all, content: A jar.}\n\
                 - {keys: ['l[ai]mp'], regex: true, content: Lamps., order: 5}\n\
                 - {keys: [off], enabled: false, content: Nothing.}\n";
    let character = format!("{MAREN}lore: [a, b]\nextensions: {{x/y: [1, {{z: no}}]}}\nentries:\n");
    let dir = folder(&[
        ("worlds/w.yaml", world),
        ("characters/maren.yml", &character),
        ("rules/r.yaml", "id: 7\nname: R\nprompt: P\n"),
        ("system_rules.yaml", "rules: [one, two]\n"),
        ("README.md", "not an asset"),
        ("worlds/notes.txt", "not an asset"),
        ("worlds/.w.yaml.swp", "not an asset"),
    ]);
    let library = open(dir.path());
    assert_eq!(problems(&library), Vec::<String>::new());
    let assets = library.current();
    assert_eq!(assets.counts().to_string(), "1 world, 1 character, 1 rule, 2 lorebook entries");
    // An id is looked up, whatever it looks like.
    let world = assets.world("../../etc/passwd").unwrap();
    assert_eq!((&world.lore[..], &world.scene), (&["One.\n\nTwo.".to_owned()][..], &None));
    assert_eq!(
        world.entries[0].keys.iter().map(Key::as_str).collect::<Vec<_>>(),
        ["oil", "lamp oil"]
    );
    assert_eq!(world.entries[0].secondary_logic, SecondaryLogic::NotAll);
    assert!(matches!(&world.entries[1].keys[0], Key::Regex(regex) if regex.is_match("a LIMP")));
    assert_eq!((world.entries[0].order, world.entries[1].order), (100, 5));
    let maren = assets.character("maren").unwrap();
    assert_eq!(maren.lore, ["a", "b"]);
    assert_eq!(maren.extensions["x/y"], serde_json::json!([1, {"z": "no"}]));
    assert_eq!(assets.rule("7").unwrap().prompt, "P");
    assert_eq!(assets.base_rules(), ["one", "two"]);
}

#[test]
fn a_file_that_cant_be_used_says_where_and_why() {
    let check = |rest: &str, expected: &str| {
        let problem = problem_of_world(rest);
        assert!(problem.starts_with("worlds/w.yaml:"), "{problem}");
        assert!(problem.contains(expected), "{rest:?}: {problem}");
    };
    check(
        "persona: x\n",
        "yaml:3:1: the key `persona` means nothing here: check its spelling; there are `id`, `name`, `lore`",
    );
    check("entries: [{content: x, kyes: [y]}]\n", "yaml:3:24: the key `kyes` means nothing here");
    check("entries:\n- content: x\n  recursion: {wakes: no}\n", "yaml:5:15: the key `wakes`");
    check("entries: [{keys: [x]}]\n", "the key `content` is missing: add it");
    check(
        "entries: [{content: x, secondary_logic: or}]\n",
        "`or` is unknown: write one of `and_any`",
    );
    check("entries: [{content: x, regex: no}]\n", "yaml:3:31: true or false belongs here");
    check("entries: {a: b}\n", "yaml:3:10: a list belongs here");
    check("lore: {a: b}\n", "yaml:3:7: a text or a list of texts belongs here, not a map");
    check("lore: [[x]]\n", "yaml:3:8:");
    check("scene: [x]\n", "yaml:3:8:");
    check("name: V\n", "yaml:3:1: the key `name` stands here a second time");
    check("scene: \"x\n", "this is not YAML");
    check("lore:\n\t- x\n", "yaml:4:");
    check("lore:\n\t- x\n", "a tab stands before the text: indent with spaces");
    check("---\nid: v\n", "a second document begins here");
    check("scene: *Rain* falls.\n", "yaml:3:8: a text that begins with `*` needs quotes");
    check("scene: Night: rain.\n", "yaml:3:13: a text that holds a colon and a space needs quotes");
    check("lore: [x, {a: b}]\n", "yaml:3:11: a text belongs here");
    check("entries: [{content: x, order: 1.5}]\n", "yaml:3:31: a whole number belongs here");
    check("entries: [{content: }]\n", "there is no text behind this key");
}

/// A folder with only these sentences, and its problem.
fn problem_of_sentences(text: &str) -> String {
    let dir = folder(&[("sentences.yaml", text)]);
    assert_eq!(**open(dir.path()).current().sentences(), Sentences::default(), "{text}");
    only_problem(dir.path())
}

#[test]
fn sentences_that_cant_be_used_say_where_and_why() {
    let check = |text: &str, expected: &str| {
        let problem = problem_of_sentences(text);
        assert!(problem.starts_with(&format!("sentences.yaml{expected}")), "{text}: {problem}");
    };
    check("# nothing\nsiad: x\n", ":2:1: the key `siad` means nothing here: check its spelling");
    check("you_are: Du bist {wer}.\n", ":1:10: `{wer}` means nothing in `you_are`: remove it");
    check("said: x\nyou_are: Du bist.\n", ":2:10: `you_are` lacks `{name}`: put it in");
    check("said: ' '\n", ":1:7: `said` is empty: write the sentence, or remove it");
    check("said:\n", ":1:5: there is no text behind this key");
    check("goes_on: |\n  One.\n  Two.\n", ":2:3: `goes_on` must stay on one line");
    check("rules:\n- a\n- ''\n", ":3:3: `rules` is empty");
    check("rules: []\n", ":1:1: `rules` has no rule");
    check("rules: a\n", ":1:8: a list belongs here");
    check("called: {tool} mit {arguments}\n", ":1:");
}

#[test]
fn sentences_replace_what_they_name_and_stay_when_the_file_breaks() {
    let dir = folder(&[("sentences.yaml", "in_passing: Nebenbei\nrole: |\n  Eins.\n\n  Zwei.\n")]);
    let library = open(dir.path());
    let changes = library.changes();
    assert_eq!(problems(&library), Vec::<String>::new());
    let expected = Sentences {
        in_passing: "Nebenbei".to_owned(),
        role: "Eins.\n\nZwei.".to_owned(),
        ..Sentences::default()
    };
    assert_eq!(**library.current().sentences(), expected);
    write(dir.path(), &[("sentences.yaml", "in_passing: '{name}'\ngoes_on: ' '\n")]);
    let problems = library.reload();
    assert_eq!(problems.len(), 2, "{problems:?}");
    for problem in problems {
        assert!(problem.message.ends_with("what it said before stays in use"), "{problem}");
    }
    assert_eq!(**library.current().sentences(), expected);
    assert!(!changes.has_changed().unwrap());
    write(dir.path(), &[("sentences.yaml", "in_passing: Übrigens\n")]);
    assert_eq!(library.reload(), []);
    assert_eq!(library.current().sentences().in_passing, "Übrigens");
    assert!(changes.has_changed().unwrap());
    // With everything commented out it is as if it weren't there.
    write(dir.path(), &[("sentences.yaml", "# said: gesagt\n")]);
    assert_eq!(library.reload(), []);
    assert_eq!(**library.current().sentences(), Sentences::default());
    fs::remove_file(dir.path().join("sentences.yaml")).unwrap();
    assert_eq!(library.reload(), []);
    assert_eq!(**library.current().sentences(), Sentences::default());
}

#[test]
fn the_german_example_is_whole_and_in_order() {
    let example = include_str!("../../protocol/examples/assets/sentences.de.yaml");
    let dir = folder(&[("sentences.yaml", example)]);
    let library = open(dir.path());
    assert_eq!(problems(&library), Vec::<String>::new());
    let sentences = library.current().sentences().clone();
    let same: Vec<_> = sentences.each().filter(|it| it.text == it.english).collect();
    let same: Vec<_> = same.iter().map(|sentence| sentence.key).collect();
    assert_eq!(same, ["example_target"], "the player's id is one in every language");
    assert_eq!(sentences.rules.len(), Sentences::default().rules.len());
}

#[test]
fn ids_names_and_texts_have_bounds() {
    let check = |text: &str, expected: &str| {
        let dir = folder(&[("characters/c.yaml", text)]);
        let problem = only_problem(dir.path());
        assert!(problem.contains(expected), "{problem}");
        assert_eq!(open(dir.path()).current().counts().characters, 0);
    };
    let with = |id: &str, name: &str, persona: &str| {
        format!("id: {id}\nname: {name}\npersona: {persona}\n")
    };
    check(&with("\"\"", "n", "p"), "yaml:1:5: the id is empty");
    check(&with(&"x".repeat(257), "n", "p"), "yaml:1:5: the id has 257 bytes: shorten it to 256");
    check(&with("\" a\"", "n", "p"), "white space");
    check(&with("\"a\\nb\"", "n", "p"), "control character");
    check(&with("a", "' '", "p"), "yaml:2:7: `name` is empty");
    check(&with("a", &"n".repeat(300), "p"), "the name has 300 bytes");
    check(&with("a", "n", "''"), "yaml:3:10: `persona` is empty: write who the character is");
    check("id: a\nname: n\n", "the key `persona` is missing");
    check("id:\nname: n\npersona: p\n", "yaml:1:");
    check("", "the file is empty");
    check("# nothing\n\n", "the file is empty");
    check("just words", "characters/c.yaml:1:1: ");
    let dir = folder(&[("characters/c.yaml", &with(&"x".repeat(256), "n", "p"))]);
    assert_eq!(problems(&open(dir.path())), Vec::<String>::new());
}

#[test]
fn what_of_a_lorebook_cant_be_used_is_left_out_and_told() {
    let world = format!(
        "{WORLD}entries:\n\
         - {{keys: ['(?=x)y', good], regex: true, content: A}}\n\
         - {{content: B}}\n\
         - {{keys: [x], content: ' '}}\n\
         - {{id: e, keys: [x], content: C}}\n\
         - {{id: e, keys: [x], content: D}}\n\
         - {{keys: [x, ''], content: E}}\n\
         - {{constant: true, content: F}}\n"
    );
    let dir = folder(&[("worlds/w.yaml", &world)]);
    let library = open(dir.path());
    let assets = library.current();
    let contents: Vec<_> = assets.world("w").unwrap().entries.iter().map(|e| &*e.content).collect();
    assert_eq!(contents, ["A", "C", "E", "F"]);
    assert_eq!(assets.world("w").unwrap().entries[0].keys.len(), 1);
    let expected = [
        ":4:11: the key `(?=x)y` is switched off: it is no regular expression that can be used (look-around",
        ":5:3: the entry has no key, and nothing would wake it",
        ":6:24: `content` is empty",
        ":8:8: another entry of this file has the id `e`",
        ":9:14: the key `` is switched off: it is empty",
    ];
    let problems = problems(&library);
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(&format!("worlds/w.yaml{expected}")), "{problem}\n{expected}");
    }
}

#[test]
fn a_file_that_is_wrong_all_over_doesnt_fill_the_log() {
    let entry = "- {keys: [(?=x)], regex: true, content: y}";
    let world = format!("{WORLD}entries:\n{}", format!("{entry}\n").repeat(5_000));
    let dir = folder(&[("worlds/w.yaml", &world)]);
    let problems = problems(&open(dir.path()));
    assert_eq!(problems.len(), 101);
    assert!(problems[99].starts_with("worlds/w.yaml:103:11: the key"), "{}", problems[99]);
    assert!(problems[100].contains("is not told: correct this first"), "{}", problems[100]);
}

#[test]
fn an_id_belongs_to_one_file() {
    let dir = folder(&[("worlds/b.yaml", "# second\nid: w\nname: B\n"), ("worlds/c.yaml", WORLD)]);
    let library = open(dir.path());
    assert_eq!(library.current().world("w").unwrap().name, "B");
    assert_eq!(
        problems(&library),
        [
            "worlds/c.yaml:1:1: the id `w` belongs to worlds/b.yaml already, and this file is not used: change one of the two"
        ]
    );
    // A newcomer doesn't take it, wherever it stands.
    write(dir.path(), &[("worlds/a.yaml", "id: w\nname: A\n")]);
    library.reload();
    assert_eq!(library.current().world("w").unwrap().name, "B");
    assert_eq!(library.problems().len(), 2);
    // When the owner goes, the next has it.
    fs::remove_file(dir.path().join("worlds/b.yaml")).unwrap();
    library.reload();
    assert_eq!(library.current().world("w").unwrap().name, "A");
    // A character may be called as a world is.
    write(dir.path(), &[("characters/w.yaml", "id: w\nname: A\npersona: p\n")]);
    assert_eq!(library.reload().len(), 1);
    assert!(library.current().character("w").is_some());
}

#[test]
fn a_file_that_breaks_stays_in_use_as_it_was() {
    let dir = folder(&[("characters/maren.yaml", MAREN), ("worlds/w.yaml", WORLD)]);
    let library = open(dir.path());
    let mut changes = library.changes();
    let before = library.current();
    let name = |library: &Library| library.current().character("maren").map(|it| it.name.clone());

    for broken in ["id: maren\nname: [\n", "", "\u{0}", "id: maren\n"] {
        write(dir.path(), &[("characters/maren.yaml", broken)]);
        let problems = library.reload();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.ends_with("what it said before stays in use"), "{problems:?}");
        assert_eq!(name(&library).as_deref(), Some("Maren"));
        assert_eq!(library.reload(), problems, "said again as long as it is so");
    }
    assert!(!changes.has_changed().unwrap());

    write(dir.path(), &[("characters/maren.yaml", &MAREN.replace("Maren", "Marna"))]);
    assert_eq!(library.reload(), []);
    assert_eq!(name(&library).as_deref(), Some("Marna"));
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    // Whoever took the assets before has them as they were.
    assert_eq!(before.character("maren").unwrap().name, "Maren");

    library.reload();
    assert!(!changes.has_changed().unwrap(), "nothing was changed");
    fs::remove_file(dir.path().join("characters/maren.yaml")).unwrap();
    assert_eq!(library.reload(), []);
    assert_eq!(name(&library), None);
    assert!(changes.has_changed().unwrap());
}

#[test]
fn a_folder_that_goes_away_changes_nothing_until_it_is_back() {
    let dir = folder(&[("worlds/w.yaml", WORLD)]);
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::rename(dir.path().join("worlds"), root.join("worlds")).unwrap();
    let library = open(&root);
    fs::rename(&root, dir.path().join("away")).unwrap();
    let problems = library.reload();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().contains("can't be looked into"), "{}", problems[0]);
    assert!(library.current().world("w").is_some());
    fs::rename(dir.path().join("away"), &root).unwrap();
    assert_eq!(library.reload(), []);
}

#[test]
fn a_folder_that_is_not_there_is_not_taken_for_an_empty_one() {
    let error = Library::open(Some(Path::new("no/such"))).unwrap_err().to_string();
    assert!(error.contains("`no/such`") && error.contains("name another"), "{error}");
    let dir = folder(&[]);
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(Library::open(Some(&dir.path().join("file"))).is_err());
    let library = open(dir.path());
    assert_eq!((library.problems(), library.current().counts()), (vec![], Default::default()));
    assert!(!library.current().base_rules().is_empty(), "ours count where there are none");
}

#[test]
fn what_lies_in_the_wrong_place_is_told() {
    let dir = folder(&[
        ("maren.yaml", MAREN),
        ("system_rules.yaml", "rules: x\n"),
        ("sentences.yaml", "said: x\n"),
    ]);
    for path in ["worlds/deep/er", "charcters", "art/textures", ".git/worlds"] {
        fs::create_dir_all(dir.path().join(path)).unwrap();
    }
    write(dir.path(), &[("worlds/deep/w.yaml", WORLD), ("art/x.yaml", WORLD)]);
    let library = open(dir.path());
    let problems = problems(&library);
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(problems[0].starts_with("charcters: this folder is not read"), "{problems:#?}");
    assert!(
        problems[1]
            .starts_with("maren.yaml: only `system_rules.yaml` and `sentences.yaml` are read"),
        "{problems:#?}"
    );
    assert!(
        problems[2].starts_with("worlds/deep: folders within `worlds` are not read"),
        "{problems:#?}"
    );
    assert_eq!(library.current().counts(), Default::default());
}

#[cfg(unix)]
#[test]
fn links_that_lead_out_of_the_folder_are_refused() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), &[("secret.yaml", "id: secret\nname: S\nprompt: p\n")]);
    let dir = folder(&[("rules/real.yaml", "id: real\nname: R\nprompt: p\n")]);
    symlink(outside.path().join("secret.yaml"), dir.path().join("rules/link.yaml")).unwrap();
    symlink("../../../../../../etc/passwd", dir.path().join("rules/up.yaml")).unwrap();
    symlink("gone.yaml", dir.path().join("rules/dangling.yaml")).unwrap();
    fs::remove_dir(dir.path().join("worlds")).unwrap();
    symlink(outside.path(), dir.path().join("worlds")).unwrap();
    symlink(outside.path().join("secret.yaml"), dir.path().join("system_rules.yaml")).unwrap();
    // Within the folder a link is as good as a file.
    symlink("../rules/real.yaml", dir.path().join("rules/real_link.yaml")).unwrap();
    let library = open(dir.path());
    let problems = problems(&library);
    let out = problems.iter().filter(|problem| problem.contains("leads out of the folder"));
    assert_eq!(out.count(), 4, "{problems:#?}");
    assert!(
        problems.iter().any(|problem| problem.starts_with("rules/dangling.yaml: it can't be read"))
    );
    assert!(problems.iter().any(|problem| problem.contains("belongs to rules/real.yaml already")));
    assert_eq!(problems.len(), 6, "{problems:#?}");
    assert_eq!(library.current().counts().rules, 1);
    // The folder itself may be a link.
    symlink(dir.path(), outside.path().join("assets")).unwrap();
    assert!(open(&outside.path().join("assets")).current().rule("real").is_some());
}

#[cfg(unix)]
#[test]
fn what_is_not_a_file_is_not_waited_for() {
    let dir = folder(&[]);
    let pipe = dir.path().join("rules/pipe.yaml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(only_problem(dir.path()).contains("it is not a file"));
    }
    let dir = folder(&[]);
    fs::create_dir(dir.path().join("rules/folder.yaml")).unwrap();
    assert!(only_problem(dir.path()).contains("it is not a file"));
}

#[test]
fn bytes_that_are_no_text_are_told_by_line() {
    let check = |bytes: &[u8], expected: &str| {
        let dir = folder(&[]);
        fs::write(dir.path().join("worlds/w.yaml"), bytes).unwrap();
        assert_eq!(only_problem(dir.path()), expected);
    };
    check(b"id: w\nname: \xff\n", "worlds/w.yaml:2:1: this is not UTF-8: save the file as UTF-8");
    check(
        &[0xff, 0xfe, 0x69, 0x00],
        "worlds/w.yaml:1:1: this is not UTF-8: save the file as UTF-8",
    );
    // Notepad's mark is no mistake, nor are its line ends.
    let dir = folder(&[("worlds/w.yaml", "\u{feff}id: w\r\nname: W\r\nlore:\r\n  - x\r\n")]);
    let library = open(dir.path());
    assert_eq!(problems(&library), Vec::<String>::new());
    assert_eq!(library.current().world("w").unwrap().lore, ["x"]);
}

#[test]
fn files_that_would_fill_the_memory_are_refused() {
    let check = |text: &str, expected: &str| {
        let problem = problem_of_world(text);
        assert!(problem.contains(expected) && problem.len() < 600, "{problem}");
    };
    check(
        &format!("lore: {}\n", "x".repeat(MAX_FILE_BYTES)),
        "it is larger than 1048576 bytes: divide it",
    );
    let laughs: String = (1..30)
        .map(|n| format!("  l{n}: &l{n} [{}]\n", format!("*l{}, ", n - 1).repeat(9)))
        .collect();
    check(
        &format!("extensions:\n  l0: &l0 lol\n{laughs}"),
        "aliases (`*name`) and merges (`<<`) are not read",
    );
    check("scene: &me [*me]\n", "");
    check(
        "extensions: {a: &a {x: 1}, b: {<<: *a}}\n",
        "aliases (`*name`) and merges (`<<`) are not read",
    );
    check(&format!("extensions: {}\n", "{a: ".repeat(5_000)), "nested deeper than 32 levels");
    let flow = format!("extensions: {{a: {}1{}}}\n", "[".repeat(40), "]".repeat(40));
    check(&flow, "nested deeper than 32 levels");
    let deep: String = (0..40).map(|n| format!("{}a:\n", " ".repeat(n + 1))).collect();
    check(&format!("extensions:\n{deep}"), "nested deeper than 32 levels");
    check(&format!("lore: [{}]\n", "x,".repeat(300_000)), "more than 200000 values: divide it");
    check(&format!("{}\n", "? ".repeat(5_000)), "nested deeper than 32 levels");
}

#[test]
fn there_are_bounds_for_all_files_together() {
    let rule = |n: usize| format!("id: r{n}\nname: R\nprompt: p\n");
    let dir = folder(&[]);
    for n in 0..=MAX_FILES {
        fs::write(dir.path().join(format!("rules/r{n:05}.yaml")), rule(n)).unwrap();
    }
    let library = open(dir.path());
    let problems_of_many = problems(&library);
    assert_eq!(problems_of_many.len(), 1);
    assert!(problems_of_many[0].contains("there are 4097 files, and those behind the first 4096"));
    assert_eq!(library.current().counts().rules, MAX_FILES);

    let world = |id: &str, entry: &str, count: usize| {
        format!("id: {id}\nname: W\nentries:\n{}", entry.repeat(count))
    };
    let entry = "- {keys: [x], content: y}\n";
    let half = MAX_ENTRIES / 2;
    let dir = folder(&[
        ("worlds/a.yaml", &world("a", entry, half)),
        ("worlds/b.yaml", &world("b", entry, half + 1)),
        ("worlds/c.yaml", &world("c", entry, half)),
    ]);
    let problem = only_problem(dir.path());
    assert!(
        problem.starts_with("worlds/b.yaml: with it there are 10001 lorebook entries"),
        "{problem}"
    );
    assert_eq!(open(dir.path()).current().counts().entries, MAX_ENTRIES);

    let entry = "- {keys: [x], regex: true, content: y}\n";
    let dir = folder(&[("worlds/a.yaml", &world("a", entry, MAX_REGEXES + 1))]);
    let problem = only_problem(dir.path());
    assert!(problem.contains("beyond the 2000 regular expressions"), "{problem}");
}

#[test]
fn the_samples_of_the_program_are_those_of_the_project() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in ["", "worlds", "characters", "rules"] {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.is_file()));
    }
    let name = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = files.iter().map(name).collect();
    names.sort();
    let mut built_in: Vec<&str> = SAMPLES.iter().map(|(_, name, _)| *name).collect();
    built_in.sort_unstable();
    assert_eq!(names, built_in);
    let library = Library::open(None).unwrap();
    assert_eq!(library.problems(), []);
    let of_folder = open(&root);
    assert_eq!(problems(&of_folder), Vec::<String>::new());
    assert_eq!(library.current().counts(), of_folder.current().counts());
    assert!(library.current().character("maren").is_some());
    assert!(Watcher::start(Arc::new(library)).unwrap().is_none(), "nothing there can change");
}

#[test]
fn every_sample_names_the_schema_of_its_kind() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    for (_, name, text) in SAMPLES {
        let line = text.lines().next().unwrap();
        let schema = line.strip_prefix("# yaml-language-server: $schema=").expect(name);
        let file = root.join(name).parent().unwrap().join(schema);
        let schema: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let kind = name.split('/').next().unwrap().trim_end_matches(".yaml").trim_end_matches('s');
        let kind = if kind == "system_rule" { "system_rules" } else { kind };
        assert_eq!(schema["title"], kind, "{name}");
    }
}

#[tokio::test]
async fn a_change_on_the_disk_is_noticed() {
    let dir = folder(&[("worlds/w.yaml", WORLD)]);
    fs::remove_dir(dir.path().join("characters")).unwrap();
    let library = Arc::new(open(dir.path()));
    let mut changes = library.changes();
    let watcher = Watcher::start(library.clone()).unwrap().expect("there is a folder");
    let mut until = async |what: &str, is_so: fn(&super::Assets) -> bool| {
        let noticed = tokio::time::timeout(LONG, changes.wait_for(|assets| is_so(assets))).await;
        assert!(noticed.is_ok_and(|changed| changed.is_ok()), "{what}");
    };
    write(dir.path(), &[("worlds/w.yaml", "id: w\nname: New\n")]);
    until("a file", |assets| assets.world("w").is_some_and(|world| world.name == "New")).await;
    // As editors do: beside it, and then in its place.
    write(dir.path(), &[("worlds/w.yaml.tmp", "id: w\nname: Newer\n")]);
    fs::rename(dir.path().join("worlds/w.yaml.tmp"), dir.path().join("worlds/w.yaml")).unwrap();
    until("a rename", |assets| assets.world("w").is_some_and(|world| world.name == "Newer")).await;
    fs::create_dir(dir.path().join("characters")).unwrap();
    write(dir.path(), &[("characters/maren.yaml", MAREN)]);
    until("a new folder", |assets| assets.character("maren").is_some()).await;
    write(dir.path(), &[("characters/maren.yaml", &MAREN.replace("Maren", "Marna"))]);
    let is_marna = |assets: &super::Assets| assets.character("maren").unwrap().name == "Marna";
    until("a file in a new folder", is_marna).await;
    fs::remove_file(dir.path().join("worlds/w.yaml")).unwrap();
    until("a file that goes", |assets| assets.world("w").is_none()).await;
    write(dir.path(), &[("sentences.yaml", "said: gesagt\n")]);
    until("sentences", |assets| assets.sentences().said == "gesagt").await;
    drop(watcher);
}

#[tokio::test]
async fn a_folder_that_is_made_anew_is_watched_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("assets");
    fs::create_dir_all(root.join("worlds")).unwrap();
    write(&root, &[("worlds/w.yaml", WORLD)]);
    let library = Arc::new(open(&root));
    let mut changes = library.changes();
    let _watcher = Watcher::start(library.clone()).unwrap().expect("there is a folder");
    fs::remove_dir_all(&root).unwrap();
    let gone = async {
        while !library.problems().iter().any(|it| it.message.contains("can't be looked into")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, gone).await.expect("it is noticed that the folder is gone");
    fs::create_dir_all(root.join("worlds")).unwrap();
    write(&root, &[("worlds/w.yaml", "id: w\nname: New\n")]);
    let is_new = |assets: &Arc<super::Assets>| assets.world("w").is_some_and(|w| w.name == "New");
    let noticed = tokio::time::timeout(LONG, changes.wait_for(is_new)).await;
    assert!(noticed.is_ok_and(|changed| changed.is_ok()));
}
