//! A reply before it is played: its pieces with their delays, how it ends, what goes wrong. Scripts
//! and improvisation make plans; `play` and `openai_server` perform them. Here a plan becomes a
//! timeline of deltas, and the faults that lie in the text itself are worked in.

use std::time::Duration;

use super::fault::Fault;
use crate::record::{Delta, ToolCallPiece};

/// The longest token, in characters. Words are a little shorter than that on average, which comes
/// to the four characters that a token of a real model has.
const TOKEN_CHARS: usize = 6;

/// A reply beyond the limit of 1 MiB that a client may have.
const OVERSIZE_BYTES: usize = 1_200_000;

/// One piece of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text in the tag dialect.
    Text(String),
    /// Reasoning that the provider keeps apart.
    Reasoning(String),
    /// A native tool call.
    Call {
        /// The tool's name.
        name: String,
        /// The arguments as JSON text.
        arguments: String,
    },
}

/// A piece and the wait before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Beyond the usual pace.
    pub delay: Duration,
    /// What comes then.
    pub piece: Piece,
}

/// A whole reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is said, in order.
    pub steps: Vec<Step>,
    /// The finish reason; `None`: `tool_calls` if there are calls, else `stop`.
    pub finish: Option<String>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// Tokens a second; 0: everything at once, delays included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace(f64);

impl Pace {
    /// Everything at once.
    pub const AT_ONCE: Self = Self(0.0);

    /// So many tokens a second. What is no positive number is [`Self::AT_ONCE`].
    #[must_use]
    pub fn tokens_per_second(rate: f64) -> Self {
        if rate.is_finite() && rate > 0.0 { Self(rate) } else { Self::AT_ONCE }
    }

    fn token(self) -> Duration {
        if self.0 > 0.0 {
            Duration::from_secs_f64((1.0 / self.0).min(3600.0))
        } else {
            Duration::ZERO
        }
    }
}

impl Default for Pace {
    /// As a good model writes.
    fn default() -> Self {
        Self(30.0)
    }
}

impl Plan {
    /// A reply of text alone.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { steps: vec![Step::now(Piece::Text(text.into()))], ..Self::default() }
    }

    /// Whether a fault is planned.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// The finish reason.
    #[must_use]
    pub fn finish_reason(&self) -> &str {
        let calls = self.steps.iter().any(|step| matches!(step.piece, Piece::Call { .. }));
        self.finish.as_deref().unwrap_or(if calls { "tool_calls" } else { "stop" })
    }

    /// How many tokens the reply has.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.steps.iter().map(|step| tokens(step.piece.body()).count()).sum()
    }

    /// The deltas up to, but without, the finish; each with the time at which it is due. Faults of
    /// the text are in it; those of the stream are the player's.
    #[must_use]
    pub fn timeline(&self, pace: Pace) -> Vec<(Duration, Delta)> {
        let at_once = pace == Pace::AT_ONCE;
        let cut = self.cut(at_once);
        let wait = if cut == Cut::Chars { pace.token() / 4 } else { pace.token() };
        let (mut timeline, mut at, mut calls) = (Vec::new(), Duration::ZERO, 0);
        for step in &self.with_text_faults() {
            if !at_once {
                at += step.delay;
            }
            for delta in step.piece.deltas(&mut calls, cut) {
                timeline.push((at, delta));
                at += wait;
            }
        }
        timeline
    }

    fn cut(&self, at_once: bool) -> Cut {
        if self.has(Fault::OneByte) {
            Cut::Chars
        } else if at_once || self.has(Fault::Oversize) {
            Cut::None
        } else {
            Cut::Tokens
        }
    }

    fn with_text_faults(&self) -> Vec<Step> {
        let mut steps = self.steps.clone();
        for fault in &self.faults {
            match fault {
                Fault::ReasoningLeak => {
                    insert_text(
                        &mut steps,
                        "<think>They expect an answer. I stay in my part.</think>",
                    );
                }
                Fault::LoneClosingHalf => {
                    insert_text(&mut steps, "They expect an answer. I stay in my part.</think>");
                }
                Fault::UnknownTags => {
                    insert_text(&mut steps, "<sparkle level=\"high\">");
                    steps.push(Step::now(Piece::Text("</sparkle><br/>".to_owned())));
                }
                Fault::Unclosed => unclose(&mut steps),
                Fault::Oversize => oversize(&mut steps),
                _ => {}
            }
        }
        steps
    }
}

impl Step {
    /// A piece without a delay of its own.
    #[must_use]
    pub fn now(piece: Piece) -> Self {
        Self { delay: Duration::ZERO, piece }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    None,
    Tokens,
    Chars,
}

impl Piece {
    fn body(&self) -> &str {
        match self {
            Self::Text(text) | Self::Reasoning(text) => text,
            Self::Call { arguments, .. } => arguments,
        }
    }

    fn deltas(&self, calls: &mut u32, cut: Cut) -> Vec<Delta> {
        let parts: Vec<String> = match cut {
            _ if self.body().is_empty() => Vec::new(),
            Cut::None => vec![self.body().to_owned()],
            Cut::Tokens => tokens(self.body()).collect(),
            Cut::Chars => self.body().chars().map(String::from).collect(),
        };
        match self {
            Self::Text(_) => parts.into_iter().map(Delta::Text).collect(),
            Self::Reasoning(_) => parts.into_iter().map(Delta::Reasoning).collect(),
            Self::Call { name, .. } => {
                let index = *calls;
                *calls += 1;
                let head = ToolCallPiece {
                    index,
                    id: Some(format!("call_{index}")),
                    name: Some(name.clone()),
                    ..Default::default()
                };
                let more = |arguments| ToolCallPiece { index, arguments, ..Default::default() };
                std::iter::once(head)
                    .chain(parts.into_iter().map(more))
                    .map(Delta::ToolCall)
                    .collect()
            }
        }
    }
}

/// Cuts text about as a model does: before white space, and long words every few characters.
pub fn tokens(text: &str) -> impl Iterator<Item = String> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        let mut token = String::from(chars.next()?);
        let mut count = 1;
        while count < TOKEN_CHARS
            && let Some(next) = chars.next_if(|next| !next.is_whitespace())
        {
            token.push(next);
            count += 1;
        }
        Some(token)
    })
}

fn insert_text(steps: &mut Vec<Step>, text: &str) {
    steps.insert(0, Step::now(Piece::Text(text.to_owned())));
}

/// Cuts the last text before its last close tag.
fn unclose(steps: &mut [Step]) {
    let texts = steps.iter_mut().rev().filter_map(|step| match &mut step.piece {
        Piece::Text(text) => Some(text),
        _ => None,
    });
    for text in texts {
        if let Some(end) = text.rfind("</") {
            text.truncate(end);
            return;
        }
    }
}

fn oversize(steps: &mut Vec<Step>) {
    let line = "and so on, and so forth, without ever coming to an end, ".repeat(20);
    let count = OVERSIZE_BYTES / line.len() + 1;
    steps.extend(std::iter::repeat_with(|| Step::now(Piece::Text(line.clone()))).take(count));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(plan: &Plan, pace: Pace) -> (String, usize, Duration) {
        let timeline = plan.timeline(pace);
        let text = timeline.iter().map(|(_, delta)| match delta {
            Delta::Text(text) => text.as_str(),
            _ => "",
        });
        let last = timeline.last().map_or(Duration::ZERO, |(at, _)| *at);
        (text.collect(), timeline.len(), last)
    }

    #[test]
    fn text_is_cut_into_tokens_and_paced() {
        let plan = Plan::text("<speech>Good evening, traveller.</speech>");
        let cut: Vec<_> = tokens("a  bc\ndefghijklm ü").collect();
        assert_eq!(cut, ["a", " ", " bc", "\ndefgh", "ijklm", " ü"]);
        let (text, count, last) = joined(&plan, Pace::tokens_per_second(10.0));
        assert_eq!(text, "<speech>Good evening, traveller.</speech>");
        assert_eq!(last, Duration::from_millis(100) * u32::try_from(count - 1).unwrap());
        assert_eq!(joined(&plan, Pace::AT_ONCE), (text, 1, Duration::ZERO));
        assert_eq!(plan.tokens(), count);
    }

    #[test]
    fn faults_of_the_text_keep_the_rest_of_it() {
        let check = |fault: Fault, expected: &str| {
            let plan = Plan { faults: vec![fault], ..Plan::text("<a>x</a><b>y</b>") };
            assert_eq!(joined(&plan, Pace::AT_ONCE).0, expected);
        };
        check(Fault::Unclosed, "<a>x</a><b>y");
        check(Fault::UnknownTags, "<sparkle level=\"high\"><a>x</a><b>y</b></sparkle><br/>");
        check(
            Fault::LoneClosingHalf,
            "They expect an answer. I stay in my part.</think><a>x</a><b>y</b>",
        );
        check(Fault::OneByte, "<a>x</a><b>y</b>");
        let plan = Plan { faults: vec![Fault::Oversize], ..Plan::text("<a>x</a>") };
        assert!(joined(&plan, Pace::default()).0.len() > 1024 * 1024);
    }

    #[test]
    fn calls_are_numbered_and_come_in_pieces() {
        let call = |name: &str| {
            Step::now(Piece::Call { name: name.to_owned(), arguments: "{\"item\":\"ale\"}".into() })
        };
        let plan = Plan { steps: vec![call("give"), call("take")], ..Plan::default() };
        assert_eq!(plan.finish_reason(), "tool_calls");
        let timeline = plan.timeline(Pace::default());
        let of = |wanted: u32| {
            let pieces = timeline.iter().filter_map(|(_, delta)| match delta {
                Delta::ToolCall(piece) if piece.index == wanted => Some(piece),
                _ => None,
            });
            pieces.map(|piece| piece.arguments.as_str()).collect::<String>()
        };
        assert_eq!((of(0), of(1)), ("{\"item\":\"ale\"}".into(), "{\"item\":\"ale\"}".into()));
    }
}
