//! A request under way: first what it is to be made of is looked up, then it is sent, then the reply
//! comes.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{look_up, metrics};
use crate::llm::{DeltaStream, ErrorKind, Llm, LlmError, Request};
use crate::prompt::{Background, Draft};
use crate::record::{ContextReport, Delta, Message, RawDelta, Retrieved, ToolSpec, Usage};

/// One step of a request.
#[derive(Debug)]
pub enum Step {
    /// The prompt is built, and the model is about to be asked. Comes once, first.
    Asked,
    /// Something came; to be handed back with [`Generation::keep`].
    Delta(Delta),
    /// The reply is whole.
    Finished {
        /// The finish reason, as the wire spells it.
        reason: String,
    },
    /// The request failed.
    Failed(LlmError),
}

/// What was sent and what came back.
#[derive(Debug)]
pub struct Sent {
    /// Exactly what the model was sent; nothing, if it was not asked.
    pub messages: Arc<Vec<Message>>,
    /// What the messages are made of; `None`: the model was not asked.
    pub context: Option<Arc<ContextReport>>,
    /// The tools that it was offered.
    pub tools: Vec<ToolSpec>,
    /// What came back, with its times.
    pub deltas: Vec<RawDelta>,
}

/// Everything that a request is made from.
pub(super) struct Preparation {
    pub draft: Draft,
    pub background: Background,
    pub tools: Vec<ToolSpec>,
    pub model: String,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
    pub priority: i32,
    /// How long the plan took.
    pub planning: Duration,
    /// Lore and memories, if there is anything to look for.
    pub look_up: Option<BoxFuture<'static, Retrieved>>,
}

enum Stage {
    /// What the request is made of is looked up.
    Preparing(Box<Preparation>),
    /// The reply comes.
    Replying(DeltaStream),
    /// Nothing comes any more.
    Stopped,
}

/// A request under way. Dropping it closes the connection to the provider.
pub struct Generation {
    stage: Stage,
    llm: Llm,
    /// The model that is asked.
    model: String,
    messages: Arc<Vec<Message>>,
    tools: Vec<ToolSpec>,
    context: Option<Arc<ContextReport>>,
    began: Instant,
    sent_at: Instant,
    deltas: Vec<RawDelta>,
    usage: Option<Usage>,
    answered_by: Option<String>,
    unknown_assets: usize,
    retrieval_ms: Option<u64>,
    prompt_build_ms: u64,
}

impl Generation {
    pub(super) fn new(llm: Llm, mut preparation: Preparation) -> Self {
        let now = Instant::now();
        Self {
            llm,
            model: std::mem::take(&mut preparation.model),
            messages: Arc::default(),
            tools: std::mem::take(&mut preparation.tools),
            context: None,
            began: now,
            sent_at: now,
            deltas: Vec::new(),
            usage: None,
            answered_by: None,
            unknown_assets: preparation.background.unknown.len(),
            retrieval_ms: None,
            prompt_build_ms: millis(preparation.planning),
            stage: Stage::Preparing(Box::new(preparation)),
        }
    }

    /// The next step. Safe to be dropped and called again.
    pub async fn next(&mut self) -> Step {
        loop {
            let reply = match &mut self.stage {
                Stage::Preparing(preparation) => {
                    let found = match &mut preparation.look_up {
                        Some(look_up) => Some(look_up.await),
                        None => None,
                    };
                    self.ask(found);
                    return Step::Asked;
                }
                Stage::Replying(reply) => reply,
                Stage::Stopped => std::future::pending().await,
            };
            match reply.next().await {
                Some(Ok(Delta::Finish(reason))) => {
                    self.keep(Delta::Finish(reason.clone()));
                    return Step::Finished { reason };
                }
                Some(Ok(Delta::Usage(usage))) => {
                    let cost = self.llm.cost(self.speaker(), &usage);
                    let usage = Usage { cost, ..usage };
                    self.usage = Some(usage.clone());
                    self.keep(Delta::Usage(usage));
                }
                Some(Ok(Delta::Model(model))) => {
                    self.answered_by = Some(model.clone());
                    self.keep(Delta::Model(model));
                }
                Some(Ok(delta)) => return Step::Delta(delta),
                failed => {
                    let error = failed.and_then(Result::err).unwrap_or_else(broken_off);
                    metrics::count_failure(self.llm.provider_name(&self.model), error.kind);
                    return Step::Failed(error);
                }
            }
        }
    }

    /// Builds the prompt with what was found, and makes the request; it is sent when its reply is first
    /// awaited.
    fn ask(&mut self, found: Option<Retrieved>) {
        let Stage::Preparing(preparation) = std::mem::replace(&mut self.stage, Stage::Stopped)
        else {
            return;
        };
        let Preparation { draft, background, planning, .. } = *preparation;
        self.retrieval_ms = found.is_some().then(|| millis(self.began.elapsed()));
        let before = Instant::now();
        let reminders = look_up::reminders(&background, &draft, found.unwrap_or_default());
        let built = draft.finish(reminders);
        self.messages = Arc::new(built.messages);
        self.context = Some(Arc::new(built.report));
        let request = Request {
            model: self.model.clone(),
            messages: Arc::clone(&self.messages),
            tools: self.tools.clone(),
            temperature: preparation.temperature,
            max_tokens: preparation.max_tokens,
            priority: preparation.priority,
            cue: Some(Arc::new(built.cue)),
        };
        self.prompt_build_ms = millis(planning + before.elapsed());
        self.sent_at = Instant::now();
        self.stage = Stage::Replying(self.llm.stream(Arc::new(request)));
    }

    /// Ends the request now; nothing more comes.
    pub fn stop(&mut self) {
        self.stage = Stage::Stopped;
    }

    /// Puts a delta on record.
    pub fn keep(&mut self, delta: Delta) {
        let at_ms = millis(self.sent_at.elapsed());
        self.deltas.push(RawDelta { at_ms, delta });
    }

    /// What the model was sent; nothing before it is asked.
    #[must_use]
    pub const fn messages(&self) -> &Arc<Vec<Message>> {
        &self.messages
    }

    /// What the messages are made of, once the model is asked.
    #[must_use]
    pub const fn context(&self) -> Option<&Arc<ContextReport>> {
        self.context.as_ref()
    }

    /// The tools that it is offered.
    #[must_use]
    pub fn tools(&self) -> &[ToolSpec] {
        &self.tools
    }

    /// What the request used, once the provider has said so.
    #[must_use]
    pub const fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// The model that answers, once the provider has said so.
    #[must_use]
    pub const fn answered_by(&self) -> Option<&String> {
        self.answered_by.as_ref()
    }

    /// Which of the models that can be asked gives the reply: a fallback, once it has said so.
    #[must_use]
    pub fn speaker(&self) -> &str {
        self.llm.speaker(&self.model, self.answered_by.as_deref())
    }

    /// How many ids of the state name no asset.
    #[must_use]
    pub const fn unknown_assets(&self) -> usize {
        self.unknown_assets
    }

    /// How long lore and memories were looked up; `None`: nothing was looked for.
    #[must_use]
    pub const fn retrieval_ms(&self) -> Option<u64> {
        self.retrieval_ms
    }

    /// How long building the prompt took.
    #[must_use]
    pub const fn prompt_build_ms(&self) -> u64 {
        self.prompt_build_ms
    }

    /// Ends the request; what was sent and what came back remain. What it used and who spoke is counted.
    #[must_use]
    pub fn into_sent(self) -> Sent {
        let speaker = self.speaker();
        if speaker != self.model {
            metrics::count_fallback(self.llm.provider_name(&self.model));
        }
        if let Some(usage) = &self.usage {
            metrics::count_usage(self.llm.provider_name(speaker), usage);
        }
        let Self { messages, context, tools, deltas, .. } = self;
        Sent { messages, context, tools, deltas }
    }
}

fn broken_off() -> LlmError {
    LlmError {
        kind: ErrorKind::Provider,
        message: "the model's reply broke off before its end: try again".to_owned(),
        cause: "the stream ended without a finish".to_owned(),
        retry_after: None,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
