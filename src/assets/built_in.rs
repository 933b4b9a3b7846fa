//! The sample assets, as part of the program: what there is for whoever brings none.

use super::folder::{BASE_RULES, Found, Listing, Text};
use super::parse::{Asset, Kind, parse};

macro_rules! sample {
    ($kind:ident, $name:literal) => {
        (Kind::$kind, $name, include_str!(concat!("../../assets/", $name)))
    };
}

/// Each file of the project's `assets`.
pub(super) const SAMPLES: &[(Kind, &str, &str)] = &[
    sample!(World, "worlds/drowned_lantern.yaml"),
    sample!(World, "worlds/tern_station.yaml"),
    sample!(Character, "characters/ines.yaml"),
    sample!(Character, "characters/kettle.yaml"),
    sample!(Character, "characters/lio.yaml"),
    sample!(Character, "characters/maren.yaml"),
    sample!(Character, "characters/oswin.yaml"),
    sample!(Character, "characters/rook.yaml"),
    sample!(Rule, "rules/all_ages.yaml"),
    sample!(Rule, "rules/nsfw.yaml"),
    sample!(Rule, "rules/secrets_are_earned.yaml"),
    sample!(Rule, "rules/short_answers.yaml"),
    sample!(BaseRules, "system_rules.yaml"),
];

pub(super) fn list() -> Listing {
    let found = |(kind, name, text): &(Kind, &str, &'static str)| Found {
        name: (*name).to_owned(),
        kind: *kind,
        text: Text::BuiltIn(text),
    };
    Listing { files: SAMPLES.iter().map(found).collect(), ..Listing::default() }
}

/// The base rules for folders that have none.
pub(super) fn base_rules() -> Vec<String> {
    let sample = SAMPLES.iter().find(|(_, name, _)| *name == BASE_RULES);
    match sample.map(|(kind, _, text)| parse(*kind, text)) {
        Some(Ok(parsed)) => match parsed.asset {
            Asset::BaseRules(rules) => rules,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}
