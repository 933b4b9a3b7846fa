//! The task of one reply: keeps what was said, has the model asked, hands on what comes, and keeps
//! what came. It ends with the reply, or when somebody cancels it.

mod logging;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use dramatis_protocol::rpc::FaultCode;
use dramatis_protocol::{AgentState, Id, Timings};

use super::conversation::{self, Stage};
use super::end::{CancelReason, End, Outcome};
use super::live::Place;
use super::reasoning::Filter;
use super::{Services, metrics};
use crate::assets::{Assets, Character};
use crate::generation::{Form, Generation, GenerationPlan, Step};
use crate::llm::{ErrorKind, LlmError};
use crate::record::{ChatMessage, ChatSession, Delta, Role, title_of};
use crate::store::{ChatTurn, StoreError, StoredChat, Ticket, chat_memories};
use crate::tags::Vocabulary;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub session_id: Id,
    pub said: ChatMessage,
    pub stage: Stage,
}

/// Plays the turn to its end.
pub(super) async fn play(services: Arc<Services>, place: Place, asked: Asked) {
    let session = asked.session_id.clone();
    let end = match Turn::prepare(&services, &place, asked).await {
        Ok(turn) => turn.run().await,
        Err(outcome) => End::of(outcome),
    };
    metrics::count_turn(&end.outcome);
    if matches!(end.outcome, Outcome::Cancelled(CancelReason::Left | CancelReason::Shutdown)) {
        // Whoever talked has gone before, and nobody else says that the log may come to rest.
        services.log.end_of_session(&session);
    }
    place.end(end);
}

/// A turn under way. Dropping it ends the request to the model.
struct Turn<'a> {
    services: &'a Services,
    place: &'a Place,
    asked: Asked,
    session: ChatSession,
    assets: Arc<Assets>,
    character: Arc<Character>,
    state: Arc<AgentState>,
    /// Resolves when what was said is stored.
    storing: Option<Ticket>,
    generation: Generation,
    filter: Filter,
    starts_in_reasoning: bool,
    reply_id: Id,
    started_at: DateTime<Utc>,
    timings: Timings,
    begun: u64,
}

impl<'a> Turn<'a> {
    /// Looks up the session, has what was said stored, and plans the request.
    async fn prepare(
        services: &'a Services,
        place: &'a Place,
        asked: Asked,
    ) -> Result<Self, Outcome> {
        let begun = services.clock.now();
        let assets = services.library.current();
        let character = find_character(&assets, &asked.stage)?;
        let stored = services.store.load_chat(&asked.session_id, services.history).await;
        let StoredChat { session, messages, earlier } =
            stored.map_err(|error| not_stored(&error))?.ok_or_else(|| gone(&asked.session_id))?;
        let storing = services.store.add_message(&session.id, asked.said.clone()).await;
        let state = Arc::new(conversation::state(&asked.stage, &character));
        let vocabulary = Arc::new(Vocabulary::none());
        let history = conversation::turns(&messages, &character.id, &assets);
        let generation = services.generator.start(GenerationPlan {
            form: Form::Chat,
            session_id: &chat_memories(&session.id),
            agent_id: &character.id,
            state: &state,
            vocabulary: &vocabulary,
            history: &history,
            forgotten: earlier,
            input: &[conversation::observation(&asked.said)],
            unsettled: &[],
            follow_up: false,
            model: &asked.stage.model,
            priority: 0,
        });
        let starts_in_reasoning = services.reasoning.starts_in_reasoning(&asked.stage.model);
        Ok(Self {
            services,
            place,
            session,
            assets,
            character,
            state,
            storing: Some(storing),
            generation,
            filter: Filter::new(starts_in_reasoning),
            starts_in_reasoning,
            reply_id: services.ids.next("message"),
            started_at: services.clock.wall(),
            timings: Timings::default(),
            begun,
            asked,
        })
    }

    async fn run(mut self) -> End {
        self.log_begin();
        let outcome = self.stream().await;
        self.generation.stop();
        self.timings.total = Some(self.since_begin());
        self.keep(outcome).await
    }

    /// From the first step to the last.
    async fn stream(&mut self) -> Outcome {
        let cancelled = self.place.cancelled();
        tokio::pin!(cancelled);
        loop {
            let step = tokio::select! {
                biased;
                reason = &mut cancelled => return Outcome::Cancelled(reason),
                step = self.next() => step,
            };
            match step {
                Ok(Step::Asked) => self.note_asked(),
                Ok(Step::Delta(delta)) => self.take(delta),
                Ok(Step::Finished { reason }) => {
                    let mut text = String::new();
                    self.filter.end(&mut text);
                    self.pass_on(&text);
                    return Outcome::Finished { reason };
                }
                Ok(Step::Failed(error)) => return self.failed(&error),
                Err(error) => return not_stored(&error),
            }
        }
    }

    /// The next step. Lore and memories are looked up while what was said is stored; the model is asked
    /// when both is done. Safe to be dropped.
    async fn next(&mut self) -> Result<Step, StoreError> {
        if self.generation.context().is_some()
            && let Some(storing) = &mut self.storing
        {
            let stored = storing.await;
            self.storing = None;
            stored?;
        }
        Ok(self.generation.next().await)
    }

    fn take(&mut self, delta: Delta) {
        if let Delta::Text(text) = &delta {
            let mut visible = String::new();
            self.filter.feed(text, &mut visible);
            self.pass_on(&visible);
        }
        self.generation.keep(delta);
    }

    fn pass_on(&mut self, text: &str) {
        if !text.is_empty() {
            let since = self.since_begin();
            self.timings.first_speech.get_or_insert(since);
            self.place.push(text);
        }
    }

    fn note_asked(&mut self) {
        self.timings.retrieval = self.generation.retrieval_ms();
        self.timings.prompt_build = Some(self.generation.prompt_build_ms());
        self.log_model_input();
    }

    fn failed(&self, error: &LlmError) -> Outcome {
        let model = &self.asked.stage.model;
        let generator = &self.services.generator;
        tracing::warn!(session = %self.session.id, model, cause = %error.cause, "a reply failed");
        self.log_fault(error);
        if generator.can_ask(model) {
            Outcome::Failed { code: code(error.kind), message: error.message.clone() }
        } else {
            Outcome::Refused(error.message.clone())
        }
    }

    /// Keeps the reply, its memory and the session's time and title.
    async fn keep(mut self, outcome: Outcome) -> End {
        let text = self.place.text();
        let unfinished = !matches!(outcome, Outcome::Finished { .. });
        let now = self.services.clock.wall();
        let reply = (!text.is_empty()).then(|| ChatMessage {
            id: self.reply_id.clone(),
            role: Role::Assistant,
            character_id: Some(self.character.id.clone()),
            sender: None,
            content: text.clone(),
            partial: unfinished,
            time: now,
        });
        let mut end = End {
            pieces: self.place.pieces(),
            usage: self.generation.usage().cloned(),
            ..End::of(outcome)
        };
        if !matches!(end.outcome, Outcome::NotStored(_)) {
            let (is_untitled, id) =
                (self.session.is_untitled(), reply.as_ref().map(|it| it.id.clone()));
            match self.store(reply, now).await {
                Ok(()) => (end.message_id, end.has_new_title) = (id, is_untitled),
                Err(error) => end.unstored = Some(error.to_string()),
            }
        }
        self.put_on_record(&end, &text);
        end
    }

    async fn store(
        &mut self,
        reply: Option<ChatMessage>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let session = &mut self.session;
        if session.is_untitled() {
            session.title = title_of(&self.asked.said.content);
        }
        let Stage { world_id, character_id, model, .. } = &self.asked.stage;
        session.world_id.clone_from(world_id);
        session.character_id.clone_from(character_id);
        session.model.clone_from(model);
        session.updated = now;
        let user = &self.assets.sentences().chat_user;
        let whose = (&session.id, &*self.character);
        let memory =
            reply.as_ref().and_then(|it| conversation::memory(whose, user, &self.asked.said, it));
        let turn = ChatTurn { session: session.clone(), reply, memory };
        self.services.store.end_chat_turn(turn).await.inspect_err(|error| {
            tracing::error!(session = %self.session.id, %error, "a reply is not stored");
        })?;
        if let Some(retriever) = self.services.generator.retriever() {
            retriever.remembered(&chat_memories(&self.session.id), &self.character.id);
        }
        Ok(())
    }

    fn since_begin(&self) -> u64 {
        self.services.clock.now().saturating_sub(self.begun)
    }
}

fn find_character(assets: &Assets, stage: &Stage) -> Result<Arc<Character>, Outcome> {
    if assets.world(&stage.world_id).is_none() {
        let message = format!("There is no world \"{}\" any more.", stage.world_id);
        return Err(Outcome::Refused(message));
    }
    assets.character(&stage.character_id).cloned().ok_or_else(|| {
        Outcome::Refused(format!("There is no character \"{}\" any more.", stage.character_id))
    })
}

fn gone(session: &str) -> Outcome {
    Outcome::Refused(format!("There is no session \"{session}\" any more: begin another."))
}

fn not_stored(error: &StoreError) -> Outcome {
    tracing::error!(%error, "what was said in a chat is not stored");
    Outcome::NotStored(format!("what you said could not be stored: {error}"))
}

const fn code(kind: ErrorKind) -> FaultCode {
    match kind {
        ErrorKind::Auth => FaultCode::ProviderAuth,
        ErrorKind::Refused => FaultCode::ProviderRefused,
        ErrorKind::RateLimited => FaultCode::ProviderRateLimited,
        ErrorKind::Overloaded => FaultCode::Overloaded,
        ErrorKind::Timeout | ErrorKind::Provider => FaultCode::ProviderError,
    }
}
