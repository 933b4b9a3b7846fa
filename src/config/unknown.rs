//! Variables that bear our prefix and are read by nothing: mostly a slip of the pen, which would
//! otherwise pass in silence.

use std::fmt;

use strsim::damerau_levenshtein;

use super::{SETTINGS, Setting};

/// What the names of our own settings begin with.
const PREFIX: &str = "DRAMATIS_";

/// A variable that looks like a setting and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSetting {
    /// Its name, as it stands in the environment or in `.env`.
    pub name: String,
    /// The setting that was probably meant.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for UnknownSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no setting and has no effect", self.name)?;
        match self.nearest {
            Some(nearest) => write!(f, ": did you mean {nearest}?"),
            None => write!(f, ": see `dramatis serve --help` for those that there are"),
        }
    }
}

/// Those of the names that bear our prefix and belong to no setting, each once, in order.
pub(super) fn unknown(names: impl IntoIterator<Item = String>) -> Vec<UnknownSetting> {
    let mut names: Vec<String> = names.into_iter().filter(|name| is_ours(name)).collect();
    names.sort();
    names.dedup();
    let unknown = names.into_iter().filter(|name| known().all(|known| !is_same(known, name)));
    unknown.map(|name| UnknownSetting { nearest: nearest(&name), name }).collect()
}

fn known() -> impl Iterator<Item = &'static str> {
    let names = |setting: &'static Setting| {
        std::iter::once(setting.name).chain(setting.also.iter().copied())
    };
    SETTINGS.iter().flat_map(names)
}

fn is_ours(name: &str) -> bool {
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Windows finds a variable whatever its case.
fn is_same(known: &str, name: &str) -> bool {
    if cfg!(windows) { known.eq_ignore_ascii_case(name) } else { known == name }
}

/// The setting that a third of the letters at the most tell from this name. The prefix doesn't
/// count: every name would be near every other, and some settings have none.
fn nearest(name: &str) -> Option<&'static str> {
    let bare = |name: &str| {
        let name = name.to_ascii_uppercase();
        name.strip_prefix(PREFIX).unwrap_or(&name).to_owned()
    };
    let name = bare(name);
    let with_distance = known().map(|known| (damerau_levenshtein(&bare(known), &name), known));
    let (distance, nearest) = with_distance.min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.len() / 3).max(1)).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nothing_reads_is_told_with_the_one_that_was_meant() {
        let check = |name: &str, nearest: Option<&str>| {
            let found = unknown([name.to_owned()]);
            let found: Vec<_> =
                found.iter().map(|unknown| (&*unknown.name, unknown.nearest)).collect();
            assert_eq!(found, [(name, nearest)]);
        };
        check("DRAMATIS_PROT", Some("DRAMATIS_PORT"));
        check("DRAMATIS_TOKN", Some("DRAMATIS_TOKEN"));
        check("DRAMATIS_LOG_MAX_BYTES", Some("DRAMATIS_LOGS_MAX_BYTES"));
        check("DRAMATIS_TURN_TIMEOUT", Some("DRAMATIS_TURN_TIMEOUT_MS"));
        check("DRAMATIS_OPENAI_API_KEY", Some("OPENAI_API_KEY"));
        check("DRAMATIS_OPENAI_BASE_URL", Some("OPENAI_BASE_URL"));
        check("DRAMATIS_", None);
        check("DRAMATIS_COLOUR_OF_CURTAINS", None);
        check("DRAMATIS_ÄÖÜ", None);
        if !cfg!(windows) {
            check("dramatis_port", Some("DRAMATIS_PORT"));
        }
    }

    #[test]
    fn settings_and_what_belongs_to_others_are_not_told() {
        let others =
            ["RUST_LOG", "NO_COLOR", "CLAP_X", "OPENAI_API_KEYS", "DRAMATI", "DRAMATÄS_X", ""];
        let names = known().chain(others).map(str::to_owned);
        assert_eq!(unknown(names), []);
    }

    #[test]
    fn each_is_told_once_in_words() {
        let told: Vec<String> =
            unknown(["DRAMATIS_Y", "DRAMATIS_PROT", "DRAMATIS_Y"].map(str::to_owned))
                .iter()
                .map(ToString::to_string)
                .collect();
        assert_eq!(
            told,
            [
                "DRAMATIS_PROT is no setting and has no effect: did you mean DRAMATIS_PORT?",
                "DRAMATIS_Y is no setting and has no effect: see `dramatis serve --help` for those \
                 that there are",
            ]
        );
    }
}
