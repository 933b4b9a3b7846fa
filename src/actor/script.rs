//! Scripts: what the built-in actor says when. Read from YAML with every error at its line and
//! column; the first rule that matches a [`Cue`] makes the reply. What no rule matches is
//! improvised.
//!
//! ```yaml
//! rules:
//!   - when: { agent: maren, text: [ale, "*something to drink*"], turn: 1 }
//!     reply:
//!       - "<speech>One ale for {speaker}.</speech>"
//!       - { text: "<serve_drink drink=\"ale\"/>", delay_ms: 300 }
//!   - when: { tool: serve_drink }
//!     reply: "<speech>There you are.</speech>"
//! ```
//!
//! `when`: each condition that is given must hold; a list holds if one of it does. Case is
//! ignored. `*` stands for anything, and then the whole is compared; without it `agent`, `event`
//! and `tool` are compared as a whole, and `text` is looked for within what was said. `agent` may
//! be the id or the name, `turn` counts the agent's turns from 1. A rule with `tool` answers the
//! results of that tool, and no other rule does.
//!
//! `reply`: a text, or a list of texts, `{text, delay_ms}`, `{reasoning, delay_ms}` and
//! `{call, arguments, delay_ms}` (a native tool call). `{name}`, `{agent}`, `{speaker}`, `{text}`,
//! `{event}`, `{observation}` (the newest) and `{answer}` (a tool's) are filled in, escaped. Without
//! `reply` the rule improvises. `finish` sets the finish reason, `fault` what goes wrong.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::improvise::plain_answer;
use super::markup::escape;
use super::plan::{Piece, Plan, Step};
use super::yaml::{OneOrMany, StepSpec};
use crate::llm::Cue;

/// The script that is built in.
const BUILTIN: &str = include_str!("scripts/builtin.yaml");

/// Rules, in order.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    #[serde(default)]
    rules: Vec<Rule>,
}

/// Why a script can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}:{column}: {message}")]
pub struct ScriptError {
    /// The script's name, as it was given.
    pub name: String,
    /// From 1; 0 where the place isn't known.
    pub line: u64,
    /// From 1; 0 where the place isn't known.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    when: When,
    #[serde(default)]
    reply: Option<OneOrMany<StepSpec>>,
    #[serde(default)]
    finish: Option<String>,
    #[serde(default)]
    fault: OneOrMany<Fault>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    #[serde(default)]
    agent: OneOrMany<String>,
    #[serde(default)]
    event: OneOrMany<String>,
    #[serde(default)]
    text: OneOrMany<String>,
    #[serde(default)]
    tool: OneOrMany<String>,
    #[serde(default)]
    turn: Option<usize>,
}

/// What a matching rule asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scripted {
    /// The steps; `None`: to be improvised.
    pub steps: Option<Vec<Step>>,
    pub finish: Option<String>,
    pub faults: Vec<Fault>,
}

impl Script {
    /// Reads a script; `name` stands in its errors.
    ///
    /// # Errors
    /// If it is no YAML, or has a field or a value that means nothing.
    pub fn parse(yaml: &str, name: &str) -> Result<Self, ScriptError> {
        if yaml.trim().is_empty() {
            return Ok(Self::default());
        }
        super::yaml::read(yaml, name)
    }

    /// The script that comes with the program: words such as `!stall` play a fault.
    #[must_use]
    pub fn builtin() -> Self {
        // A test reads it, so that the empty script never stands in for it.
        Self::parse(BUILTIN, "builtin.yaml").unwrap_or_default()
    }

    /// The first rule that matches.
    pub(super) fn find(&self, cue: &Cue) -> Option<Scripted> {
        let rule = self.rules.iter().find(|rule| rule.when.matches(cue))?;
        let steps = rule.reply.as_ref().map(|reply| {
            reply
                .0
                .iter()
                .map(|step| step.fill(&|text, escaped| fill(text, cue, escaped)))
                .collect()
        });
        let faults = rule.fault.0.clone();
        Some(Scripted { steps, finish: rule.finish.clone(), faults })
    }
}

impl Scripted {
    /// The plan, with what is improvised where the rule says nothing.
    pub fn into_plan(self, improvise: impl FnOnce() -> Plan) -> Plan {
        let mut plan = match self.steps {
            Some(steps) => Plan { steps, ..Plan::default() },
            None => improvise(),
        };
        plan.finish = self.finish.or(plan.finish);
        plan.faults = self.faults;
        plan
    }
}

impl When {
    fn matches(&self, cue: &Cue) -> bool {
        let whole = |patterns: &OneOrMany<String>, values: &[&str]| {
            patterns.0.is_empty()
                || patterns
                    .0
                    .iter()
                    .any(|pattern| values.iter().any(|value| like(&lower(pattern), &lower(value))))
        };
        let text = lower(cue.text.as_deref().unwrap_or_default());
        let said = self.text.0.is_empty()
            || self.text.0.iter().any(|pattern| {
                let pattern = lower(pattern);
                if pattern.contains('*') { like(&pattern, &text) } else { text.contains(&pattern) }
            });
        let answers: Vec<&str> = cue.tool_answers.iter().map(|answer| &*answer.tool).collect();
        // A rule for what was said would make its call again when the call's answer comes.
        (self.tool.0.is_empty() == answers.is_empty())
            && whole(&self.tool, &answers)
            && whole(&self.agent, &[&cue.agent, &cue.name])
            && whole(&self.event, &[cue.event_type.as_deref().unwrap_or_default()])
            && self.turn.is_none_or(|turn| turn == cue.past_turns + 1)
            && said
    }
}

fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Whether the whole text fits a pattern in which `*` stands for anything. Linear but for the
/// search of each part.
fn like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(last)
}

/// Fills the placeholders; a name that is none stays as it is.
fn fill(template: &str, cue: &Cue, escaped: bool) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let known = after.split_once('}').and_then(|(name, rest)| Some((value(name, cue)?, rest)));
        match known {
            Some((value, after)) => {
                out.push_str(&if escaped { escape(&value) } else { value });
                rest = after;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out + rest
}

fn value(name: &str, cue: &Cue) -> Option<String> {
    Some(match name {
        "name" => cue.name.clone(),
        "agent" => cue.agent.clone(),
        "speaker" => cue.speaker.clone().unwrap_or_else(|| "stranger".to_owned()),
        "text" => cue.text.clone().unwrap_or_default(),
        "event" => cue.event_type.clone().unwrap_or_default(),
        "observation" => cue.observations.last().cloned().unwrap_or_default(),
        "answer" => cue.tool_answers.last().map(plain_answer).unwrap_or_default(),
        _ => return None,
    })
}

impl StepSpec {
    fn fill(&self, fill: &dyn Fn(&str, bool) -> String) -> Step {
        let (piece, delay_ms) = match self {
            Self::Text { text, delay_ms } => (Piece::Text(fill(text, true)), *delay_ms),
            Self::Reasoning { reasoning, delay_ms } => {
                (Piece::Reasoning(fill(reasoning, false)), *delay_ms)
            }
            Self::Call { name, arguments, delay_ms } => {
                let arguments: Map<String, Value> = arguments
                    .iter()
                    .map(|(name, value)| {
                        let value = match value {
                            Value::String(text) => Value::String(fill(text, false)),
                            other => other.clone(),
                        };
                        (name.clone(), value)
                    })
                    .collect();
                let arguments = Value::Object(arguments).to_string();
                (Piece::Call { name: name.clone(), arguments }, *delay_ms)
            }
        };
        Step { delay: Duration::from_millis(delay_ms), piece }
    }
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;
