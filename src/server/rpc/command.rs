//! The commands, and how they are read. Pure.

use dramatis_protocol::limits::MAX_ID_BYTES;

/// What somebody wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Model(String),
    WorldSelect(String),
    WorldAttachLore(String),
    WorldClearLore,
    WorldSyncFolder(String),
    CharacterSelect(String),
    RulesAdd(String),
    RulesRemove(String),
    RulesClear,
    Nsfw,
    SessionNew,
    SessionContinue(String),
    SessionDelete(String),
    SessionList,
    Cancel,
    Help,
}

/// How a command is made of what stands behind its name.
enum Make {
    Alone(Command),
    With(&'static str, fn(String) -> Command),
}

struct Known {
    name: &'static str,
    make: Make,
    help: &'static str,
}

const fn alone(name: &'static str, command: Command, help: &'static str) -> Known {
    Known { name, make: Make::Alone(command), help }
}

const fn with(
    name: &'static str,
    argument: &'static str,
    make: fn(String) -> Command,
    help: &'static str,
) -> Known {
    Known { name, make: Make::With(argument, make), help }
}

/// As much of an unknown command is looked at, in characters.
const LIKENESS_CHARS: usize = 40;

/// Every command.
const KNOWN: &[Known] = &[
    with("/model", "<id>", Command::Model, "choose the model"),
    with("/world select", "<id>", Command::WorldSelect, "choose the world"),
    with(
        "/world attach_lore",
        "<text>",
        Command::WorldAttachLore,
        "add to what is known of the world",
    ),
    alone(
        "/world clear_lore",
        Command::WorldClearLore,
        "take back all that was attached to the world",
    ),
    with(
        "/world sync_folder",
        "<path>",
        Command::WorldSyncFolder,
        "read a folder of the assets again, or all of it with .",
    ),
    with("/character select", "<id>", Command::CharacterSelect, "choose whom to talk to"),
    with("/rules add", "<id>", Command::RulesAdd, "a rule holds from now on"),
    with("/rules remove", "<id>", Command::RulesRemove, "a rule holds no longer"),
    alone("/rules clear", Command::RulesClear, "no rule holds"),
    alone("/nsfw", Command::Nsfw, "switch the rule nsfw on or off"),
    alone("/session new", Command::SessionNew, "begin to talk"),
    with("/session continue", "<id>", Command::SessionContinue, "go on talking"),
    with(
        "/session delete",
        "<id>",
        Command::SessionDelete,
        "delete what was said and is remembered of it",
    ),
    alone("/session list", Command::SessionList, "the sessions that were spoken in last"),
    alone("/cancel", Command::Cancel, "stop the reply"),
    alone("/help", Command::Help, "this list"),
];

/// Reads a text that begins with `/`.
///
/// # Errors
/// What is wrong and what to do; an unknown command names the nearest.
pub(super) fn read(text: &str) -> Result<Command, Misread> {
    let words: Vec<&str> = text.split_whitespace().collect();
    for known in KNOWN {
        let Some(rest) = after(text, known.name) else { continue };
        return match (&known.make, rest.is_empty()) {
            (Make::Alone(command), _) => Ok(command.clone()),
            (Make::With(argument, _), true) => {
                let name = known.name;
                Err(Misread::Argument(format!("{name} needs one thing more: {name} {argument}")))
            }
            (Make::With("<id>", _), false) if rest.len() > MAX_ID_BYTES => {
                Err(Misread::Argument(format!("an id has at most {MAX_ID_BYTES} bytes")))
            }
            (Make::With(_, make), false) => Ok(make(rest.to_owned())),
        };
    }
    let asked = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
    Err(Misread::Unknown(format!(
        "There is no command {asked:.60}. Did you mean {}? /help lists all.",
        nearest(&words)
    )))
}

/// Why a command can't be done as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misread {
    /// There is none of this name.
    Unknown(String),
    /// It lacks something.
    Argument(String),
}

/// What stands behind a command's name, however many spaces are in between.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text.trim();
    for word in name.split(' ') {
        let (first, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if !first.eq_ignore_ascii_case(word) {
            return None;
        }
        rest = behind.trim_start();
    }
    Some(rest)
}

/// The command that looks most like what was asked for.
fn nearest(words: &[&str]) -> &'static str {
    let likeness = |known: &&Known| {
        let length = known.name.split(' ').count();
        let asked = words.iter().take(length).copied().collect::<Vec<_>>().join(" ");
        let asked: String = asked.chars().take(LIKENESS_CHARS).collect();
        let likeness = strsim::normalized_damerau_levenshtein(&asked.to_lowercase(), known.name);
        (likeness * 1e6).round()
    };
    let best = KNOWN.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    best.map_or("/help", |known| known.name)
}

/// All commands, a line each.
pub(super) fn help() -> String {
    let lines = KNOWN.iter().map(|known| match &known.make {
        Make::Alone(_) => format!("{}: {}", known.name, known.help),
        Make::With(argument, _) => format!("{} {argument}: {}", known.name, known.help),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_whatever_the_spaces() {
        let check = |text: &str, expected: Command| {
            assert_eq!(read(text), Ok(expected), "{text}");
        };
        check("/model deepseek-chat", Command::Model("deepseek-chat".to_owned()));
        check("  /world   select  tavern ", Command::WorldSelect("tavern".to_owned()));
        let lore = "The bridge\n  burned.";
        check(&format!("/world attach_lore {lore}"), Command::WorldAttachLore(lore.to_owned()));
        check("/session new", Command::SessionNew);
        check("/session new please", Command::SessionNew);
        check("/SESSION List", Command::SessionList);
        check("/session continue ../../etc/passwd", {
            Command::SessionContinue("../../etc/passwd".to_owned())
        });
        check("/rules clear", Command::RulesClear);
        check("/nsfw", Command::Nsfw);
        check("/cancel", Command::Cancel);
    }

    #[test]
    fn what_is_no_command_names_the_nearest() {
        let check = |text: &str, expected: &str| match read(text) {
            Err(Misread::Unknown(message)) => {
                assert!(message.contains(&format!("mean {expected}?")), "{text}: {message}");
            }
            other => panic!("{text}: {other:?}"),
        };
        check("/modle x", "/model");
        check("/world", "/world select");
        check("/world selct x", "/world select");
        check("/sesion new", "/session new");
        check("/session delte x", "/session delete");
        check("/rule add x", "/rules add");
        check("/canel", "/cancel");
        check("/hlep", "/help");
        read("/").unwrap_err();
        read(&format!("/{}", "x".repeat(10_000))).unwrap_err();
    }

    #[test]
    fn what_is_missing_is_said() {
        let check = |text: &str, expected: &str| match read(text) {
            Err(Misread::Argument(message)) => assert!(message.ends_with(expected), "{message}"),
            other => panic!("{text}: {other:?}"),
        };
        check("/model", "/model <id>");
        check("/world select ", "/world select <id>");
        check("/session delete", "/session delete <id>");
        check(&format!("/model scripted/{}", "x".repeat(300)), "at most 256 bytes");
    }

    #[test]
    fn help_names_every_command() {
        let help = help();
        assert_eq!(help.lines().count(), KNOWN.len());
        assert!(KNOWN.iter().all(|known| help.contains(known.name)));
    }
}
