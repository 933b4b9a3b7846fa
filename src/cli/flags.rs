//! Every `DRAMATIS_…` setting as a flag: `DRAMATIS_PORT` is `--port`.

use std::collections::HashMap;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{SETTINGS, Setting};

const PREFIX: &str = "DRAMATIS_";

/// The settings that were given as flags, by environment name.
#[derive(Debug, Clone, Default)]
pub struct SettingFlags {
    /// Name and value.
    pub given: HashMap<String, String>,
}

fn with_flags() -> impl Iterator<Item = (&'static Setting, String)> {
    SETTINGS.iter().filter_map(|setting| {
        let flag = setting.name.strip_prefix(PREFIX)?;
        Some((setting, flag.to_ascii_lowercase().replace('_', "-")))
    })
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        with_flags().fold(command, |command, (setting, flag)| {
            let default = match setting.default {
                "" => String::new(),
                default => format!(" [{default}]"),
            };
            let help = format!("{}{default} ({})", setting.help, setting.name);
            command.arg(Arg::new(setting.name).long(flag).value_name("VALUE").help(help))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for (setting, _) in with_flags() {
            if let Some(value) = matches.get_one::<String>(setting.name) {
                self.given.insert(setting.name.to_owned(), value.clone());
            }
        }
        Ok(())
    }
}
