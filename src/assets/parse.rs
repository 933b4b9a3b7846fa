//! From the text of a file to what can be used of it, with everything that is wrong with it. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use dramatis_protocol::assets::limits::{MAX_ENTRIES, MAX_KEYS, MAX_REGEXES};
use dramatis_protocol::assets::{
    CharacterFile, LoreEntry, RuleFile, SystemRulesFile, Texts, WorldFile,
};
use dramatis_protocol::limits::MAX_ID_BYTES;
use dramatis_protocol::{Id, Sentences};
use serde::de::DeserializeOwned;

use super::keys::Key;
use super::problem::{Fault, Place};
use super::yaml::{self, Places, Step};
use super::{Character, Entry, Rule, World};

/// Most faults of one file that are told: nobody reads more, and a log must not be filled.
const MAX_FAULTS: usize = 100;

/// What a file describes; it follows from where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    World,
    Character,
    Rule,
    BaseRules,
    Sentences,
}

/// A file that can be used.
#[derive(Debug)]
pub(super) struct Parsed {
    pub asset: Asset,
    /// Where its id stands.
    pub id_place: Option<Place>,
    /// Enabled entries of its lorebook.
    pub entries: usize,
    /// Regular expressions among their keys; a large one counts as several.
    pub regexes: usize,
    /// What of it can't be used.
    pub faults: Vec<Fault>,
}

#[derive(Debug, Clone)]
pub(super) enum Asset {
    World(Arc<World>),
    Character(Arc<Character>),
    Rule(Arc<Rule>),
    BaseRules(Vec<String>),
    Sentences(Arc<Sentences>),
}

impl Asset {
    /// What games call it; what there is one of has no id.
    pub fn id(&self) -> Option<&Id> {
        match self {
            Self::World(world) => Some(&world.id),
            Self::Character(character) => Some(&character.id),
            Self::Rule(rule) => Some(&rule.id),
            Self::BaseRules(_) | Self::Sentences(_) => None,
        }
    }
}

/// Reads a file. `Err`: why nothing of it can be used.
pub(super) fn parse(kind: Kind, yaml: &str) -> Result<Parsed, Vec<Fault>> {
    let mut check = Check { yaml, places: None, faults: Vec::new(), found: 0, regexes: 0 };
    let (asset, entries) = match kind {
        Kind::World => world(&mut check)?,
        Kind::Character => character(&mut check)?,
        Kind::Rule => (rule(&mut check)?, 0),
        Kind::BaseRules => (base_rules(&mut check)?, 0),
        Kind::Sentences => (sentences(&mut check)?, 0),
    };
    let id_place = asset.id().and_then(|_| first_place_of_id(yaml));
    Ok(Parsed { asset, id_place, entries, regexes: check.regexes, faults: check.faults })
}

/// Where a key `id` stands that isn't indented; cheaper than to look for it in the whole document.
fn first_place_of_id(yaml: &str) -> Option<Place> {
    let line = yaml.lines().position(|line| line.starts_with("id:"))?;
    Some((u64::try_from(line).ok()?.saturating_add(1), 1))
}

fn world(check: &mut Check<'_>) -> Result<(Asset, usize), Vec<Fault>> {
    let file: WorldFile = check.read()?;
    check.id(&file.id, &[Step::Key("id")]);
    check.name(&file.name);
    check.or_give_up()?;
    let entries = check.entries(file.entries);
    let count = entries.len();
    let world = World {
        id: file.id,
        name: file.name,
        lore: texts(&file.lore),
        scene: text(file.scene),
        start_message: text(file.start_message),
        system_prompt: text(file.system_prompt),
        entries,
        extensions: file.extensions,
    };
    Ok((Asset::World(Arc::new(world)), count))
}

fn character(check: &mut Check<'_>) -> Result<(Asset, usize), Vec<Fault>> {
    let file: CharacterFile = check.read()?;
    check.id(&file.id, &[Step::Key("id")]);
    check.name(&file.name);
    check.filled(&file.persona, "persona", "who the character is", &[]);
    check.or_give_up()?;
    let entries = check.entries(file.entries);
    let count = entries.len();
    let character = Character {
        id: file.id,
        name: file.name,
        persona: file.persona.trim().to_owned(),
        lore: texts(&file.lore),
        entries,
        extensions: file.extensions,
    };
    Ok((Asset::Character(Arc::new(character)), count))
}

fn rule(check: &mut Check<'_>) -> Result<Asset, Vec<Fault>> {
    let file: RuleFile = check.read()?;
    check.id(&file.id, &[Step::Key("id")]);
    check.name(&file.name);
    check.filled(&file.prompt, "prompt", "what the model shall be told", &[]);
    check.or_give_up()?;
    let prompt = file.prompt.trim().to_owned();
    Ok(Asset::Rule(Arc::new(Rule { id: file.id, name: file.name, prompt })))
}

fn base_rules(check: &mut Check<'_>) -> Result<Asset, Vec<Fault>> {
    let file: SystemRulesFile = check.read()?;
    Ok(Asset::BaseRules(texts(&file.rules)))
}

/// All of them or none: a prompt in two languages is worse than one that was good before.
fn sentences(check: &mut Check<'_>) -> Result<Asset, Vec<Fault>> {
    let mut file: Sentences = check.read()?;
    file.trim();
    for wrong in file.wrong() {
        let way = [Some(Step::Key(wrong.key)), wrong.item.map(Step::Item)];
        let way: Vec<_> = way.into_iter().flatten().collect();
        check.fault(&way, wrong.reason);
    }
    check.or_give_up()?;
    Ok(Asset::Sentences(Arc::new(file)))
}

fn texts(texts: &Texts) -> Vec<String> {
    texts.iter().map(str::to_owned).collect()
}

/// A text that is blank is none.
fn text(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A file under examination.
struct Check<'a> {
    yaml: &'a str,
    /// Made when the first fault is found: most files have none.
    places: Option<Places>,
    faults: Vec<Fault>,
    /// How many faults there are, told or not.
    found: usize,
    regexes: usize,
}

impl Check<'_> {
    fn read<T: DeserializeOwned>(&self) -> Result<T, Vec<Fault>> {
        yaml::read(self.yaml).map_err(|fault| vec![fault])
    }

    fn fault(&mut self, way: &[Step<'_>], message: String) {
        self.found = self.found.saturating_add(1);
        if self.found > MAX_FAULTS {
            return;
        }
        let places = self.places.get_or_insert_with(|| Places::of(self.yaml));
        self.faults.push(Fault::new(places.find(way), message));
        if self.found == MAX_FAULTS {
            let message = "what else is wrong with this file is not told: correct this first";
            self.faults.push(Fault::new(None, message));
        }
    }

    /// Ends here if anything was wrong so far.
    fn or_give_up(&mut self) -> Result<(), Vec<Fault>> {
        if self.faults.is_empty() { Ok(()) } else { Err(std::mem::take(&mut self.faults)) }
    }

    fn id(&mut self, id: &str, way: &[Step<'_>]) {
        if id.trim().is_empty() {
            self.fault(way, "the id is empty: write one of 1 to 256 bytes".to_owned());
        } else if id.len() > MAX_ID_BYTES {
            let message = format!("the id has {} bytes: shorten it to {MAX_ID_BYTES}", id.len());
            self.fault(way, message);
        } else if id.trim() != id || id.contains(char::is_control) {
            let message = "the id begins or ends with white space, or holds a control character: \
                           remove it";
            self.fault(way, message.to_owned());
        }
    }

    fn name(&mut self, name: &str) {
        self.filled(name, "name", "what people call it", &[]);
        if name.len() > MAX_ID_BYTES {
            let message =
                format!("the name has {} bytes: shorten it to {MAX_ID_BYTES}", name.len());
            self.fault(&[Step::Key("name")], message);
        }
    }

    fn filled(&mut self, text: &str, key: &str, what: &str, way: &[Step<'_>]) {
        if text.trim().is_empty() {
            let way: Vec<_> = way.iter().copied().chain([Step::Key(key)]).collect();
            self.fault(&way, format!("`{key}` is empty: write {what}"));
        }
    }

    /// What can be used of a lorebook.
    fn entries(&mut self, told: Vec<LoreEntry>) -> Vec<Entry> {
        if told.len() > MAX_ENTRIES {
            let message = format!(
                "there are {} entries, and those behind the first {MAX_ENTRIES} are left out: \
                 take some away",
                told.len()
            );
            self.fault(&[Step::Key("entries")], message);
        }
        let mut ids = BTreeSet::new();
        let told = told.into_iter().take(MAX_ENTRIES).enumerate();
        told.filter_map(|(index, entry)| self.entry(index, entry, &mut ids)).collect()
    }

    fn entry(&mut self, index: usize, told: LoreEntry, ids: &mut BTreeSet<Id>) -> Option<Entry> {
        let before = self.found;
        let way = [Step::Key("entries"), Step::Item(index)];
        if let Some(id) = &told.id {
            let way = [way[0], way[1], Step::Key("id")];
            self.id(id, &way);
            if !ids.insert(id.clone()) {
                let message = format!("another entry of this file has the id `{id}`: change one");
                self.fault(&way, message);
            }
        }
        self.filled(&told.content, "content", "what the model shall be told", &way);
        if told.keys.is_empty() && !told.constant {
            let message = "the entry has no key, and nothing would wake it: add `keys`, or \
                           `constant: true`";
            self.fault(&way, message.to_owned());
        }
        if self.found > before || !told.enabled {
            return None;
        }
        Some(Entry {
            keys: self.keys(index, "keys", &told.keys, &told),
            secondary_keys: self.keys(index, "secondary_keys", &told.secondary_keys, &told),
            id: told.id,
            name: told.name,
            secondary_logic: told.secondary_logic,
            case_sensitive: told.case_sensitive,
            whole_words: told.whole_words,
            constant: told.constant,
            order: told.order,
            priority: told.priority,
            content: told.content.trim().to_owned(),
            recursion: told.recursion,
        })
    }

    /// The keys that can be used; a fault for each that can't.
    fn keys(&mut self, entry: usize, list: &str, keys: &[String], told: &LoreEntry) -> Vec<Key> {
        let way = [Step::Key("entries"), Step::Item(entry), Step::Key(list)];
        if keys.len() > MAX_KEYS {
            let message = format!(
                "there are {} keys, and those behind the first {MAX_KEYS} are switched off: take \
                 some away",
                keys.len()
            );
            self.fault(&way, message);
        }
        let mut usable = Vec::new();
        for (index, text) in keys.iter().take(MAX_KEYS).enumerate() {
            // Expressions that are refused take the longest to compile.
            if self.found >= MAX_FAULTS {
                break;
            }
            match self.key(text, told) {
                Ok(key) => usable.push(key),
                Err(why) => {
                    let way = [way[0], way[1], way[2], Step::Item(index)];
                    let shown: String = text.chars().take(60).collect();
                    self.fault(&way, format!("the key `{shown}` is switched off: it {why}"));
                }
            }
        }
        usable
    }

    fn key(&mut self, text: &str, told: &LoreEntry) -> Result<Key, String> {
        let (key, weight) = Key::new(text, told.regex, told.case_sensitive)?;
        let regexes = self.regexes.saturating_add(weight);
        if regexes > MAX_REGEXES {
            return Err(format!(
                "is beyond the {MAX_REGEXES} regular expressions that there may be: use words"
            ));
        }
        self.regexes = regexes;
        Ok(key)
    }
}
