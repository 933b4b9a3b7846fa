//! A reply without a script: from a [`Cue`] alone, in the agent's own tags, in sentences that make
//! sense where they stand. The same agent, text and number of turns give the same reply. It knows
//! the dossier, the lore, what was noticed, what is remembered and what tools answered; it isn't clever, but it is never out of
//! its part, so that a game can be built and shown without any provider.

mod facts;
mod mood;
mod phrases;
mod recollections;
mod tools;
mod words;

use serde_json::Value;

use self::facts::Fact;
use self::mood::Mood;
use self::tools::Wish;
use self::words::{Seed, key_words, overlap, words};
use super::markup::tag;
use super::plan::{Piece, Plan, Step};
use crate::llm::Cue;
use crate::record::{ToolAnswer, ToolSpec};
use crate::tags::{AttributeDef, Content, Kind, TagDef};

/// Longer answers of tools are not read out, nor longer words of others repeated.
const ANSWER_CHARS: usize = 240;

/// Makes up a reply.
pub(super) fn improvise(cue: &Cue, tools: &[ToolSpec]) -> Plan {
    let scene = Scene::new(cue);
    let follow_up = !cue.tool_answers.is_empty();
    let wish = Wish::new(cue);
    // What has just been answered is not asked for again.
    let call = if follow_up { None } else { scene.tool_tag(&wish) };
    let native = if follow_up || call.is_some() { None } else { wish.native(tools) };
    let speech = if follow_up {
        scene.report()
    } else if call.is_some() || native.is_some() {
        scene.promise()
    } else {
        scene.answer()
    };
    let parts = [
        scene.thought(),
        scene.feeling(&wish),
        scene.gesture(&wish),
        scene.speech(&wish, &speech),
        call,
    ];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join("\n");
    // Without a single tag of its own the agent still says something.
    let text = if text.is_empty() { speech } else { text };
    let mut steps = vec![Step::now(Piece::Text(text))];
    if let Some((name, arguments)) = native {
        steps.push(Step::now(Piece::Call { name, arguments }));
    }
    Plan { steps, ..Plan::default() }
}

/// What a tool answered, in words.
pub(super) fn plain_answer(answer: &ToolAnswer) -> String {
    let text = match &answer.output {
        Value::Object(map) => {
            let said = ["message", "text", "result", "description", "error", "reason"]
                .iter()
                .find_map(|key| map.get(*key).and_then(Value::as_str));
            let pair = |(key, value): (&String, &Value)| {
                format!("{} {}", key.replace('_', " "), plain_value(value))
            };
            said.map_or_else(|| map.iter().map(pair).collect::<Vec<_>>().join(", "), str::to_owned)
        }
        other => plain_value(other),
    };
    text.chars().take(ANSWER_CHARS).collect()
}

/// An observation as a sentence: `Aldo: Hello` was said, `Aldo: door_opened` and `door_opened`
/// happened.
fn in_words(seen: &str) -> Option<String> {
    let named = |who: &str| who.split_whitespace().count() <= 3 && !who.contains(['.', '"']);
    let (who, what) = match seen.trim().split_once(": ") {
        Some((who, what)) if named(who) => (Some(who), what.trim()),
        _ => (None, seen.trim()),
    };
    let happened = !what.contains(|c: char| c.is_whitespace() || c.is_uppercase() || c == '!');
    let what = if happened { what.replace(['_', '-'], " ") } else { what.to_owned() };
    let ends = if what.ends_with(['.', '!', '?']) { "" } else { "." };
    let first = what.chars().next()?;
    Some(match who {
        Some(who) if happened => format!("{who} {what}{ends}"),
        Some(who) => format!("{who} said: “{what}{ends}”"),
        None => first.to_uppercase().chain(what.chars().skip(1)).chain(ends.chars()).collect(),
    })
}

fn plain_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(plain_value).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

struct Scene<'a> {
    cue: &'a Cue,
    mood: Mood,
    seed: Seed,
}

impl<'a> Scene<'a> {
    fn new(cue: &'a Cue) -> Self {
        let text = cue.text.as_deref().unwrap_or_default();
        Self { cue, mood: Mood::of(cue), seed: Seed::new(&cue.agent, text, cue.past_turns) }
    }

    /// A reply to what was said or happened: opening, answer, what was noticed, closing.
    fn answer(&self) -> String {
        let facts = facts::facts(self.cue);
        let mut asked = key_words(self.cue.text.as_deref().unwrap_or_default());
        // Whoever calls somebody by name doesn't ask who that is.
        let own = words(&self.cue.name);
        asked.retain(|word| !own.contains(word));
        let mut sentences = vec![self.pick("opening", phrases::openings(self.mood))];
        match self.mood {
            Mood::Question if self.asks_for_name() => {
                let first = facts.first().map(|fact| fact.sentence.clone());
                let name = format!("I am {}", self.cue.name);
                let names_itself = first.as_ref().is_some_and(|first| first.starts_with(&name));
                sentences = if names_itself { Vec::new() } else { vec![format!("{name}.")] };
                sentences.extend(first);
            }
            Mood::Question => sentences = self.knowledge(sentences, &facts, &asked),
            Mood::Greeting | Mood::Farewell | Mood::Thanks | Mood::Threat => {}
            Mood::Happening => {
                let what = self.cue.text.as_ref().or(self.cue.event_type.as_ref());
                let what = what.filter(|what| what.chars().count() <= ANSWER_CHARS);
                sentences.extend(what.and_then(|what| in_words(what)));
            }
            _ => sentences.extend(facts::about(&facts, &asked).map(|fact| fact.sentence.clone())),
        }
        let noticed = self.noticed();
        let closing = (noticed.is_none() || sentences.len() < 3)
            && (self.mood != Mood::Question || self.seed.one_in(3, "closing"));
        sentences.extend(noticed);
        if closing {
            sentences.push(self.pick("closing", phrases::closings(self.mood)));
        }
        sentences.join(" ")
    }

    fn asks_for_name(&self) -> bool {
        let words = words(self.cue.text.as_deref().unwrap_or_default());
        let has = |word: &str| words.iter().any(|it| it == word);
        (has("who") && has("you")) || (has("your") && has("name"))
    }

    /// What is remembered or what the dossier says of it, after the opening; else that there is
    /// nothing.
    fn knowledge(&self, mut opening: Vec<String>, facts: &[Fact], asked: &[String]) -> Vec<String> {
        let fact = facts::about(facts, asked);
        let memory = recollections::about(self.cue, asked);
        let text = self.cue.text.as_deref().unwrap_or_default();
        let known = fact.map_or(0, |fact| overlap(asked, &key_words(&fact.sentence)));
        let memory = memory.filter(|it| it.overlap > known || recollections::asks_for_it(text));
        if let Some(sentence) =
            memory.map(|memory| memory.sentence).or(fact.map(|fact| fact.sentence.clone()))
        {
            opening.push(sentence);
            return opening;
        }
        let mut sentences = vec![self.pick("no answer", phrases::NO_ANSWER)];
        if let Some(fact) = self.seed.pick("by the way", facts) {
            sentences.push(self.pick("way", phrases::BY_THE_WAY));
            sentences.push(fact.sentence.clone());
        }
        sentences
    }

    /// The newest thing that was noticed.
    fn noticed(&self) -> Option<String> {
        let seen = self.cue.observations.last().and_then(|seen| in_words(seen))?;
        Some(format!("{} {seen}", self.pick("noticed", phrases::NOTICED)))
    }

    /// Before a tool does its work.
    fn promise(&self) -> String {
        self.pick("promise", &["At once, {speaker}.", "Of course, {speaker}.", "Leave it to me."])
    }

    /// After it did.
    fn report(&self) -> String {
        let sentence = |answer: &ToolAnswer| {
            let text = plain_answer(answer);
            let text = text.trim().trim_end_matches(['.', '!']);
            match (answer.ok, text.is_empty()) {
                (true, true) => self.pick("done", &["That is done, {speaker}.", "There you are."]),
                (true, false) => format!("{} {text}.", self.pick("result", &["Done:", "There:"])),
                (false, true) => self.pick("failed", &["It can't be done, {speaker}."]),
                (false, false) => format!("It can't be done: {text}."),
            }
        };
        self.cue.tool_answers.iter().map(sentence).collect::<Vec<_>>().join(" ")
    }

    fn pick(&self, salt: &str, lines: &[&str]) -> String {
        let line = self.seed.pick(salt, lines).copied().unwrap_or_default();
        match self.cue.speaker.as_deref().filter(|speaker| !speaker.trim().is_empty()) {
            Some(speaker) => line.replace("{speaker}", speaker.trim()),
            None => line.replace(", {speaker}", ""),
        }
    }

    fn tags(&self) -> impl Iterator<Item = &'a TagDef> {
        self.cue.vocabulary.tags().iter()
    }

    fn thought(&self) -> Option<String> {
        let hidden = self.tags().find(|tag| tag.kind == Kind::Hidden)?;
        Some(tag(&hidden.name, &[], Some(phrases::thought(self.mood))))
    }

    fn feeling(&self, wish: &Wish) -> Option<String> {
        let shown = self.tags().find(|tag| is_feeling(tag))?;
        let fitting = phrases::feelings(self.mood);
        Some(self.shown(shown, wish, fitting, None))
    }

    fn gesture(&self, wish: &Wish) -> Option<String> {
        let shown = self.tags().find(|tag| is_gesture(tag))?;
        let (word, sentence) = self.seed.pick("gesture", phrases::gestures(self.mood))?;
        let others = phrases::gestures(self.mood).iter().map(|(word, _)| *word);
        let fitting: Vec<&str> = std::iter::once(*word).chain(others).collect();
        let text = (shown.content == Content::Text).then_some(*sentence);
        Some(self.shown(shown, wish, &fitting, text))
    }

    /// A tag that shows something: its first attribute says what.
    fn shown(&self, def: &TagDef, wish: &Wish, fitting: &[&str], text: Option<&str>) -> String {
        let telling = def.attributes.iter().position(|it| !it.values.is_empty()).unwrap_or(0);
        let attributes = def.attributes.iter().enumerate().filter_map(|(index, attribute)| {
            if index == telling {
                Some((attribute.name.clone(), self.fitting(attribute, fitting)))
            } else {
                attribute.required.then(|| (attribute.name.clone(), wish.value(attribute)))
            }
        });
        tag(&def.name, &attributes.collect::<Vec<_>>(), text)
    }

    fn fitting(&self, attribute: &AttributeDef, fitting: &[&str]) -> String {
        let allowed = &attribute.values;
        let same = |word: &&&str| allowed.iter().any(|value| value.eq_ignore_ascii_case(word));
        match fitting.iter().find(same) {
            Some(word) => {
                let value = allowed.iter().find(|value| value.eq_ignore_ascii_case(word));
                value.cloned().unwrap_or_default()
            }
            None => match self.seed.pick("value", allowed) {
                Some(value) => value.clone(),
                None => fitting.first().copied().unwrap_or("calm").to_owned(),
            },
        }
    }

    fn speech(&self, wish: &Wish, text: &str) -> Option<String> {
        let spoken =
            self.tags().find(|tag| tag.kind == Kind::Speech && tag.content == Content::Text)?;
        let wanted = spoken.attributes.iter().filter(|attribute| attribute.required);
        let attributes = wanted.map(|it| (it.name.clone(), wish.value(it))).collect::<Vec<_>>();
        Some(tag(&spoken.name, &attributes, Some(text)))
    }

    /// Tools, and the actions that are neither a feeling nor a mere gesture.
    fn tool_tag(&self, wish: &Wish) -> Option<String> {
        let usable = self.tags().filter(|tag| match tag.kind {
            Kind::Tool => true,
            Kind::Action => !is_feeling(tag) && !is_gesture(tag),
            Kind::Speech | Kind::Hidden => false,
        });
        let (def, attributes) = wish.tag(usable)?;
        // What a tool without attributes is to work on stands in its text.
        let takes_text = def.content == Content::Text && def.attributes.is_empty();
        let subject = takes_text.then(|| wish.subject(&def.name));
        Some(tag(&def.name, &attributes, subject.as_deref()))
    }
}

fn is_feeling(tag: &TagDef) -> bool {
    names_one_of(tag, &["emotion", "mood", "feel", "expression", "face", "emote"])
}

fn is_gesture(tag: &TagDef) -> bool {
    !is_feeling(tag) && names_one_of(tag, &["action", "gesture", "anim", "pose", "act"])
}

fn names_one_of(tag: &TagDef, parts: &[&str]) -> bool {
    let name = tag.name.to_lowercase();
    let mut words = name.split(['_', '-', '.', ':']);
    tag.kind == Kind::Action && words.any(|word| parts.iter().any(|part| word.starts_with(part)))
}

#[cfg(test)]
mod tests;
