//! Other models for one that fails before it has begun to speak. The router gives the candidates in
//! their order; each is asked only when the one before it has failed. Nothing is ever asked again once
//! a piece of a reply has been passed on.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::gate::Gate;
use super::limits::{timeout, unfinished};
use super::request::{DeltaStream, ErrorKind, LlmError, Provider, Request};
use crate::record::Delta;

/// A model that may give the reply.
pub(super) struct Candidate {
    /// As settings and games name it; the request has it as the provider does.
    pub model: String,
    pub request: Arc<Request>,
    pub provider: Arc<dyn Provider>,
    /// Whose places at the gate it takes; `None`: it needn't wait there.
    pub gate: Option<&'static str>,
}

impl Candidate {
    /// Its reply, not yet asked for.
    pub fn reply(&self) -> DeltaStream {
        self.provider.stream(Arc::clone(&self.request))
    }
}

/// The reply of the first candidate that begins one. Together they have `first_token` to begin, of
/// which each is given an equal share of what is left: one that stays silent leaves time for the
/// next. If all fail, the first one's error is told, for it is the model that was asked for.
pub(super) fn first_to_speak(
    candidates: Vec<Candidate>,
    gate: Gate,
    first_token: Duration,
) -> DeltaStream {
    let reply = async move {
        let replies = Choice { gate, left: first_token, first_error: None, tried: String::new() };
        replies.choose(candidates).await.unwrap_or_else(|error| failed(error))
    };
    stream::once(reply).flatten().boxed()
}

fn failed(error: LlmError) -> DeltaStream {
    stream::once(async { Err(error) }).boxed()
}

struct Choice {
    gate: Gate,
    /// What is left of the time to the first piece.
    left: Duration,
    first_error: Option<LlmError>,
    /// What went wrong so far, for the log.
    tried: String,
}

impl Choice {
    async fn choose(mut self, candidates: Vec<Candidate>) -> Result<DeltaStream, LlmError> {
        let mut candidates = candidates.into_iter();
        while let Some(candidate) = candidates.next() {
            let others = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
            let share = self.left / others.saturating_add(1);
            let error = match self.begin(&candidate, share).await {
                Ok(reply) => return Ok(reply),
                // Another model would be asked to say what this one's provider won't hear of.
                Err(error) if error.kind == ErrorKind::Refused => return Err(error),
                Err(error) => error,
            };
            let model = candidate.model;
            tracing::warn!(%model, cause = %error.cause, others, "a model failed before it spoke");
            let separator = if self.tried.is_empty() { "" } else { "; " };
            self.tried.push_str(&format!("{separator}{model}: {}", error.cause));
            self.first_error.get_or_insert(error);
        }
        let error = self.first_error.unwrap_or_else(unfinished);
        Err(LlmError { cause: self.tried, ..error })
    }

    /// Asks a model and waits for the first piece of its reply. Waiting at the gate costs nothing of
    /// its share.
    async fn begin(
        &mut self,
        candidate: &Candidate,
        share: Duration,
    ) -> Result<DeltaStream, LlmError> {
        let priority = candidate.request.priority;
        let reply = candidate.reply();
        let mut reply = match candidate.gate {
            Some(name) => self.gate.clone().enter(name, priority).await?.hold(reply),
            None => reply,
        };
        let began = Instant::now();
        let begun = tokio::time::timeout(share, beginning(&mut reply)).await;
        self.left = self.left.saturating_sub(began.elapsed());
        let silent = || timeout("the model did not begin its reply in time", share);
        let mut head = begun.unwrap_or_else(|_| Err(silent()))?;
        if self.first_error.is_some() {
            // What the provider calls it comes before: which of the settings' models spoke counts.
            let place = head.len().saturating_sub(1);
            head.insert(place, Delta::Model(candidate.model.clone()));
        }
        Ok(stream::iter(head.into_iter().map(Ok)).chain(reply).boxed())
    }
}

/// Everything up to the first piece.
async fn beginning(reply: &mut DeltaStream) -> Result<Vec<Delta>, LlmError> {
    let mut head = Vec::new();
    loop {
        let delta = reply.next().await.ok_or_else(unfinished)??;
        let is_piece = !matches!(delta, Delta::Model(_));
        head.push(delta);
        if is_piece {
            return Ok(head);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;

    use super::*;
    use crate::llm::GateLimits;

    /// Answers as its own name says.
    struct Puppet(&'static str);

    fn error(kind: ErrorKind) -> LlmError {
        LlmError { kind, message: "sorry".into(), cause: "why".into(), retry_after: None }
    }

    impl Provider for Puppet {
        fn stream(&self, _: Arc<Request>) -> DeltaStream {
            let text = |text: &str| Ok(Delta::Text(text.to_owned()));
            let stop = Ok(Delta::Finish("stop".to_owned()));
            let late: BoxFuture<'static, _> = Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(9)).await;
                Ok(Delta::Text("late".to_owned()))
            });
            match self.0 {
                "good" => stream::iter([text("good"), stop]).boxed(),
                "alias" => {
                    let alias = Ok(Delta::Model("alias-1".to_owned()));
                    stream::iter([alias, text("good"), stop]).boxed()
                }
                "empty" => stream::iter([stop]).boxed(),
                "silent" => stream::pending().boxed(),
                "late" => stream::once(late).chain(stream::iter([stop])).boxed(),
                "midway" => stream::iter([text("half"), Err(error(ErrorKind::Provider))]).boxed(),
                "auth" => failed(error(ErrorKind::Auth)),
                "refused" => failed(error(ErrorKind::Refused)),
                _ => failed(error(ErrorKind::RateLimited)),
            }
        }
    }

    async fn reply_of(models: &[&'static str]) -> String {
        let request = Arc::new(Request {
            model: String::new(),
            messages: Arc::default(),
            tools: Vec::new(),
            temperature: None,
            max_tokens: None,
            priority: 0,
            cue: None,
        });
        let candidate = |model: &&'static str| Candidate {
            model: (*model).to_owned(),
            request: Arc::clone(&request),
            provider: Arc::new(Puppet(model)),
            gate: Some("default"),
        };
        let gate = Gate::new(GateLimits { requests: 1, ..GateLimits::default() });
        let candidates = models.iter().map(candidate).collect();
        let all = first_to_speak(candidates, gate.clone(), Duration::from_secs(20));
        let all: Vec<_> = all.collect().await;
        assert_eq!(gate.load().under_way, 0, "a place was not given back: {models:?}");
        let words = all.into_iter().map(|item| match item {
            Ok(Delta::Text(text)) => text,
            Ok(Delta::Model(model)) => format!("[{model}]"),
            Ok(Delta::Finish(_)) => ".".to_owned(),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("{:?} ({})", error.kind, error.cause),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_is_asked_until_one_speaks() {
        for (models, expected) in [
            (&["good", "auth"][..], "good ."),
            (&["auth", "good"], "[good] good ."),
            (&["429", "silent", "auth", "good"], "[good] good ."),
            (&["auth", "alias"], "[alias-1] [alias] good ."),
            (&["auth", "empty"], "[empty] ."),
            (&["midway", "good"], "half Provider (why)"),
            (&["auth", "midway", "good"], "[midway] half Provider (why)"),
            (&["refused", "good"], "Refused (why)"),
            (&["auth", "refused", "good"], "Refused (why)"),
            (&["auth", "429"], "Auth (auth: why; 429: why)"),
        ] {
            assert_eq!(reply_of(models).await, expected, "{models:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_together_keep_the_time_of_the_first_piece() {
        let began = Instant::now();
        let end = reply_of(&["silent", "silent", "silent"]).await;
        assert!(end.starts_with("Timeout"), "{end}");
        assert_eq!(began.elapsed().as_secs(), 20);
        // The first one's half isn't enough for nine seconds twice, but what an early failure leaves is.
        assert_eq!(reply_of(&["late", "good"]).await, "late .");
        assert_eq!(reply_of(&["late", "good", "good"]).await, "[good] good .");
        assert_eq!(reply_of(&["429", "late", "good"]).await, "[late] late .");
    }
}
