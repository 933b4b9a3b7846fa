//! Which provider answers for a model. The id decides, by its beginning, and where that provider
//! has no key an error names the setting. Holds no state of its own and is cheap to clone.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};

use super::catalog::Catalog;
use super::fallback::{Candidate, first_to_speak};
use super::gate::{Gate, Load};
use super::gemini::Gemini;
use super::limits::{Limits, limited};
use super::openai::OpenAi;
use super::provider_id::ProviderId;
use super::request::{DeltaStream, ErrorKind, LlmError, Provider, Request};
use super::settings::{ProviderSettings, SettingsError};
use crate::record::Usage;

/// Models whose id begins so are played by the built-in actor.
pub const SCRIPTED_PREFIX: &str = ProviderId::Scripted.prefix();

/// What the router needs to know. A provider without an endpoint can't be asked.
#[derive(Debug, Clone, Default)]
pub struct LlmSettings {
    /// The endpoint for every model that belongs to nobody else.
    pub default: Option<ProviderSettings>,
    /// DeepSeek.
    pub deepseek: Option<ProviderSettings>,
    /// Groq.
    pub groq: Option<ProviderSettings>,
    /// Gemini.
    pub gemini: Option<ProviderSettings>,
    /// A local server with an address of its own.
    pub local: Option<ProviderSettings>,
    /// The models that are asked in turn where another fails before it has begun to speak. Those that
    /// can't be asked are left out.
    pub fallbacks: Vec<String>,
    /// The limits of every request.
    pub limits: Limits,
}

/// Every model that can be asked.
#[derive(Clone)]
pub struct Llm {
    routes: Arc<Routes>,
    gate: Gate,
    fallbacks: Arc<[String]>,
    first_token: Duration,
    catalog: Catalog,
}

struct Routes {
    /// Those that can be asked.
    routes: Vec<Route>,
    /// Whether the default endpoint takes models without a prefix whose own provider has no key.
    default_takes_bare_ids: bool,
}

struct Route {
    id: ProviderId,
    /// Where it is asked; `None`: within this program.
    base_url: Option<String>,
    provider: Arc<dyn Provider>,
}

impl Llm {
    /// Prepares every provider that has an endpoint; nothing is sent.
    ///
    /// # Errors
    /// If an HTTP client can't be made.
    pub fn new(settings: LlmSettings, actor: Arc<dyn Provider>) -> Result<Self, SettingsError> {
        let limits = Arc::new(settings.limits);
        let gate = Gate::new(limits.gate.clone());
        // OpenRouter names every model with its maker, so an id without one isn't meant for it.
        let default_takes_bare_ids =
            settings.default.as_ref().is_some_and(|default| !default.is_openrouter());
        let actor = Limited { inner: actor, limits: Arc::clone(&limits) };
        let mut routes =
            vec![Route { id: ProviderId::Scripted, base_url: None, provider: Arc::new(actor) }];
        let endpoints = [
            (ProviderId::Gemini, settings.gemini),
            (ProviderId::DeepSeek, settings.deepseek),
            (ProviderId::Default, settings.default),
            (ProviderId::Groq, settings.groq),
            (ProviderId::Local, settings.local),
        ];
        let named = |(id, endpoint): (ProviderId, Option<ProviderSettings>)| {
            Some((id, endpoint?.with_key_of(id.key_setting())))
        };
        let endpoints: Vec<_> = endpoints.into_iter().filter_map(named).collect();
        let catalog = Catalog::new(&endpoints)?;
        for (id, endpoint) in endpoints {
            let base_url = Some(endpoint.base_url().to_owned());
            let provider: Arc<dyn Provider> = match id {
                ProviderId::Gemini => Arc::new(Gemini::new(endpoint, Arc::clone(&limits))?),
                _ => Arc::new(OpenAi::new(endpoint, Arc::clone(&limits))?),
            };
            routes.push(Route { id, base_url, provider });
        }
        let routes = Arc::new(Routes { routes, default_takes_bare_ids });
        let first_token = limits.first_token;
        let mut llm = Self { routes, gate, fallbacks: Arc::default(), first_token, catalog };
        let fallbacks = settings.fallbacks.into_iter().filter(|model| llm.can_ask(model));
        llm.fallbacks = fallbacks.collect();
        Ok(llm)
    }

    /// Starts a request with whoever answers for its model, as soon as there is room for it: the
    /// limits of time count from then on.
    #[must_use]
    pub fn stream(&self, request: Arc<Request>) -> DeltaStream {
        let (model, priority) = (request.model.clone(), request.priority);
        // What stays in the house doesn't fail, and needn't wait.
        if self.fallbacks.is_empty() || self.provider_id(&model) == ProviderId::Scripted {
            let only = self.candidate(&model, request);
            return match only.gate {
                Some(name) => self.gate.stream(name, priority, only.reply()),
                None => only.reply(),
            };
        }
        let first = self.candidate(&model, Arc::clone(&request));
        let others = self.fallbacks.iter().filter(|other| **other != model);
        let others = others.map(|other| self.candidate(other, Arc::clone(&request)));
        let candidates = std::iter::once(first).chain(others).collect();
        first_to_speak(candidates, self.gate.clone(), self.first_token)
    }

    /// The request as one for this model.
    fn candidate(&self, model: &str, request: Arc<Request>) -> Candidate {
        let id = self.provider_id(model);
        let rest = model.strip_prefix(id.prefix()).unwrap_or(model);
        let request = if rest == request.model {
            request
        } else {
            Arc::new(Request { model: rest.to_owned(), ..Request::clone(&request) })
        };
        let route = self.routes.find(id);
        let provider: Arc<dyn Provider> = match route {
            Some(route) => Arc::clone(&route.provider),
            None => Arc::new(NotConfigured(id)),
        };
        let waits = route.is_some() && id != ProviderId::Scripted;
        Candidate { model: model.to_owned(), request, provider, gate: waits.then(|| id.name()) }
    }

    /// Which of the settings' and games' models gave a reply: the one that was asked, whatever its
    /// provider calls it, unless a fallback spoke for it.
    #[must_use]
    pub fn speaker<'a>(&self, asked: &'a str, answered_by: Option<&'a str>) -> &'a str {
        let is_fallback = |model: &&str| self.fallbacks.iter().any(|fallback| fallback == model);
        answered_by.filter(is_fallback).unwrap_or(asked)
    }

    /// What a reply of a model has cost in US dollars: as its provider says, or by its list price;
    /// `None`: nothing, or nobody has said.
    #[must_use]
    pub fn cost(&self, model: &str, usage: &Usage) -> Option<f64> {
        usage.cost.or_else(|| Some(self.catalog.price(model)?.of(usage)))
    }

    /// The models that can be asked, and what they cost.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// How many requests to remote providers are under way, and how many wait.
    #[must_use]
    pub fn load(&self) -> Load {
        self.gate.load()
    }

    /// The provider that answers for a model.
    #[must_use]
    pub fn provider_id(&self, model: &str) -> ProviderId {
        let id = ProviderId::of(model);
        let is_bare = !model.contains('/');
        if is_bare && self.routes.default_takes_bare_ids && self.routes.find(id).is_none() {
            return ProviderId::Default;
        }
        id
    }

    /// The name of the provider that answers for a model.
    #[must_use]
    pub fn provider_name(&self, model: &str) -> &'static str {
        self.provider_id(model).name()
    }

    /// Where a model is asked, if it is asked over HTTP.
    #[must_use]
    pub fn base_url(&self, model: &str) -> Option<&str> {
        self.routes.find(self.provider_id(model))?.base_url.as_deref()
    }

    /// Whether there is anybody to ask for a model.
    #[must_use]
    pub fn can_ask(&self, model: &str) -> bool {
        self.routes.find(self.provider_id(model)).is_some()
    }
}

impl Routes {
    fn find(&self, id: ProviderId) -> Option<&Route> {
        self.routes.iter().find(|route| route.id == id)
    }
}

/// A provider that keeps no limits itself, held to them.
struct Limited {
    inner: Arc<dyn Provider>,
    limits: Arc<Limits>,
}

impl Provider for Limited {
    fn stream(&self, request: Arc<Request>) -> DeltaStream {
        limited(self.inner.stream(request), Arc::clone(&self.limits), None)
    }
}

/// Stands where a provider has no endpoint.
struct NotConfigured(ProviderId);

impl Provider for NotConfigured {
    fn stream(&self, request: Arc<Request>) -> DeltaStream {
        let error = not_configured(self.0, &request.model);
        stream::once(async { Err(error) }).boxed()
    }
}

fn not_configured(id: ProviderId, model: &str) -> LlmError {
    let (title, setting) = (id.title(), id.setting());
    let message = match id {
        ProviderId::Default => format!(
            "no model provider is configured: set {setting} (or OPENAI_API_BASE for a local \
             server), or choose a {SCRIPTED_PREFIX} model"
        ),
        ProviderId::Local => {
            format!("{title} has no address: set {setting}, or choose another model")
        }
        _ => format!("there is no key for {title}: set {setting}, or choose another model"),
    };
    let cause = format!("no endpoint for model {model:?}");
    LlmError { kind: ErrorKind::Auth, message, cause, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Delta;

    /// Answers with the model's id as it got it.
    struct Echo;

    impl Provider for Echo {
        fn stream(&self, request: Arc<Request>) -> DeltaStream {
            let text = Delta::Text(request.model.clone());
            stream::iter([Ok(text), Ok(Delta::Finish("stop".to_owned()))]).boxed()
        }
    }

    fn request(model: &str) -> Arc<Request> {
        Arc::new(Request {
            model: model.to_owned(),
            messages: Arc::default(),
            tools: Vec::new(),
            temperature: None,
            max_tokens: None,
            priority: 0,
            cue: None,
        })
    }

    #[tokio::test]
    async fn the_beginning_of_an_id_chooses_the_provider() {
        let llm = Llm::new(LlmSettings::default(), Arc::new(Echo)).unwrap();
        let first = llm.stream(request("scripted/tavern")).next().await.unwrap();
        assert_eq!(first.unwrap(), Delta::Text("tavern".to_owned()));
        assert_eq!(llm.provider_name("scripted/tavern"), "scripted");
        for model in ["scripted", "openai/gpt-4o", ""] {
            assert_eq!(llm.provider_name(model), "default", "{model}");
        }
        assert!(llm.can_ask("scripted/tavern") && !llm.can_ask("openai/gpt-4o"));
    }

    #[tokio::test]
    async fn an_id_without_a_prefix_goes_where_there_is_somebody_to_ask() {
        let endpoint = |base: &str| Some(ProviderSettings::new(base, Some("k")).unwrap());
        let (router, own) = ("https://openrouter.ai/api/v1", "http://127.0.0.1:8080/v1");
        let check = |default: Option<&str>, has_keys: bool, expected: [&str; 3]| {
            let keyed = |base| has_keys.then(|| endpoint(base)).flatten();
            let settings = LlmSettings {
                default: default.and_then(endpoint),
                deepseek: keyed("https://deepseek.example"),
                groq: keyed("https://groq.example"),
                ..LlmSettings::default()
            };
            let llm = Llm::new(settings, Arc::new(Echo)).unwrap();
            let models = ["deepseek-chat", "llama-3.3-70b", "groq/llama-3.3-70b"];
            assert_eq!(models.map(|model| llm.provider_name(model)), expected, "{default:?}");
        };
        check(None, true, ["deepseek", "groq", "groq"]);
        check(Some(own), true, ["deepseek", "groq", "groq"]);
        check(Some(own), false, ["default", "default", "groq"]);
        check(Some(router), false, ["deepseek", "groq", "groq"]);
        check(None, false, ["deepseek", "groq", "groq"]);
    }

    #[tokio::test]
    async fn a_fallback_that_speaks_is_the_speaker_and_an_alias_is_not() {
        let fallbacks = vec!["groq/b".to_owned(), "scripted/c".to_owned()];
        let settings = LlmSettings { fallbacks, ..LlmSettings::default() };
        let llm = Llm::new(settings, Arc::new(Echo)).unwrap();
        for (answered_by, expected) in [
            (None, "a"),
            (Some("a-2026-01-01"), "a"),
            (Some("scripted/c"), "scripted/c"),
            // It has no key, so it can't have spoken.
            (Some("groq/b"), "a"),
        ] {
            assert_eq!(llm.speaker("a", answered_by), expected, "{answered_by:?}");
        }
    }

    #[tokio::test]
    async fn without_an_endpoint_the_error_names_the_setting() {
        let llm = Llm::new(LlmSettings::default(), Arc::new(Echo)).unwrap();
        for (model, setting) in [
            ("gpt-4o", "OPENAI_API_KEY"),
            ("deepseek-chat", "DEEPSEEK_API_KEY"),
            ("groq/llama-3.1-8b-instant", "GROQ_API_KEY"),
            ("gemini/gemini-3-flash-preview", "GEMINI_API_KEY"),
            ("local/qwen3", "DRAMATIS_LOCAL_BASE"),
        ] {
            let error = llm.stream(request(model)).next().await.unwrap().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Auth);
            assert!(error.message.contains(setting), "{}", error.message);
        }
    }
}
