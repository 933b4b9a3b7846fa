//! Where a program keeps a user's data, by the rules of the system that it runs on.

use std::path::{Path, PathBuf};

/// This program's folder in the folder of the user's data.
const NAME: &str = "dramatis";

#[derive(Debug, Clone, Copy)]
enum System {
    Windows,
    MacOs,
    /// Linux and the rest: the XDG Base Directory Specification.
    Xdg,
}

/// The user's folder of this program; `None` where the environment doesn't tell.
pub(super) fn user_data(environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let system = if cfg!(windows) {
        System::Windows
    } else if cfg!(target_os = "macos") {
        System::MacOs
    } else {
        System::Xdg
    };
    user_data_on(system, environment)
}

fn user_data_on(system: System, environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = match system {
        System::Windows => set("LOCALAPPDATA").or_else(|| set("APPDATA"))?,
        System::MacOs => set("HOME")?.join("Library").join("Application Support"),
        // A relative path counts as none, says the specification.
        System::Xdg => match set("XDG_DATA_HOME").filter(|path| path.has_root()) {
            Some(path) => path,
            None => set("HOME")?.join(Path::new(".local").join("share")),
        },
    };
    Some(base.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_has_its_place() {
        let check = |system: System, pairs: &[(&str, &str)], expected: Option<&str>| {
            let environment = |name: &str| {
                let found = pairs.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let expected = expected.map(PathBuf::from);
            assert_eq!(user_data_on(system, &environment), expected, "{system:?} {pairs:?}");
        };
        let home = ("HOME", "/home/ada");
        check(System::Xdg, &[home], Some("/home/ada/.local/share/dramatis"));
        check(System::Xdg, &[home, ("XDG_DATA_HOME", "/big")], Some("/big/dramatis"));
        check(
            System::Xdg,
            &[home, ("XDG_DATA_HOME", "big")],
            Some("/home/ada/.local/share/dramatis"),
        );
        check(System::Xdg, &[home, ("XDG_DATA_HOME", "")], Some("/home/ada/.local/share/dramatis"));
        check(System::Xdg, &[], None);
        check(System::MacOs, &[home], Some("/home/ada/Library/Application Support/dramatis"));
        check(System::Windows, &[("LOCALAPPDATA", "C:/Local")], Some("C:/Local/dramatis"));
        check(System::Windows, &[("APPDATA", "C:/Roaming")], Some("C:/Roaming/dramatis"));
        check(System::Windows, &[home], None);
    }
}
