//! Which provider answers for a model. The id decides, by its beginning; a provider that joins
//! later is one more [`Route`]. Holds no state of its own and is cheap to clone.

use std::sync::Arc;

use futures::{StreamExt, stream};

use super::gate::{Gate, Load};
use super::limits::{Limits, limited};
use super::openai::OpenAi;
use super::request::{DeltaStream, ErrorKind, LlmError, Provider, Request};
use super::settings::{KEY_SETTING, ProviderSettings, SettingsError};

/// Models whose id begins so are played by the built-in actor.
pub const SCRIPTED_PREFIX: &str = "scripted/";

/// What the router needs to know.
#[derive(Debug, Clone, Default)]
pub struct LlmSettings {
    /// The endpoint for every model without a route of its own; `None`: none is configured.
    pub default: Option<ProviderSettings>,
    /// The limits of every request.
    pub limits: Limits,
}

/// Every model that can be asked.
#[derive(Clone)]
pub struct Llm {
    routes: Arc<[Route]>,
    gate: Gate,
}

/// Ids that begin with `prefix` belong to `provider`.
struct Route {
    /// Also what the id loses on its way to the provider. The last route has an empty one and
    /// takes what is left.
    prefix: &'static str,
    /// For logs and metrics.
    name: &'static str,
    /// Whether its requests leave the house, and so wait at the gate.
    is_remote: bool,
    provider: Arc<dyn Provider>,
}

impl Llm {
    /// Puts the providers behind their prefixes.
    ///
    /// # Errors
    /// If the HTTP client for the default endpoint can't be made.
    pub fn new(settings: LlmSettings, actor: Arc<dyn Provider>) -> Result<Self, SettingsError> {
        let limits = Arc::new(settings.limits);
        let gate = Gate::new(limits.gate.clone());
        let actor = Limited { inner: actor, limits: Arc::clone(&limits) };
        let default: Arc<dyn Provider> = match settings.default {
            Some(endpoint) => Arc::new(OpenAi::new(endpoint, limits)?),
            None => Arc::new(NotConfigured),
        };
        let scripted = Route {
            prefix: SCRIPTED_PREFIX,
            name: "scripted",
            is_remote: false,
            provider: Arc::new(actor),
        };
        let default = Route { prefix: "", name: "default", is_remote: true, provider: default };
        Ok(Self { routes: Arc::new([scripted, default]), gate })
    }

    /// Starts a request with whoever answers for its model, as soon as there is room for it: the
    /// limits of time count from then on.
    #[must_use]
    pub fn stream(&self, request: Arc<Request>) -> DeltaStream {
        let priority = request.priority;
        match self.route(&request.model) {
            Some(route) if route.is_remote => {
                let reply = route.provider.stream(route.strip(request));
                self.gate.stream(route.name, priority, reply)
            }
            Some(route) => route.provider.stream(route.strip(request)),
            None => NotConfigured.stream(request),
        }
    }

    /// How many requests to remote providers are under way, and how many wait.
    #[must_use]
    pub fn load(&self) -> Load {
        self.gate.load()
    }

    /// The name of the provider that answers for a model: `scripted` or `default`.
    #[must_use]
    pub fn provider_name(&self, model: &str) -> &'static str {
        self.route(model).map_or("default", |route| route.name)
    }

    fn route(&self, model: &str) -> Option<&Route> {
        self.routes.iter().find(|route| model.starts_with(route.prefix))
    }
}

impl Route {
    fn strip(&self, request: Arc<Request>) -> Arc<Request> {
        match request.model.strip_prefix(self.prefix) {
            Some(rest) if !self.prefix.is_empty() => {
                Arc::new(Request { model: rest.to_owned(), ..Request::clone(&request) })
            }
            _ => request,
        }
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

/// Stands where no endpoint is configured.
struct NotConfigured;

impl Provider for NotConfigured {
    fn stream(&self, request: Arc<Request>) -> DeltaStream {
        let error = LlmError {
            kind: ErrorKind::Auth,
            message: format!(
                "no model provider is configured: set {KEY_SETTING} (or OPENAI_API_BASE for a \
                 local server), or choose a {SCRIPTED_PREFIX} model"
            ),
            cause: format!("no endpoint for model {:?}", request.model),
            retry_after: None,
        };
        stream::once(async { Err(error) }).boxed()
    }
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
    }

    #[tokio::test]
    async fn without_an_endpoint_the_error_names_the_setting() {
        let llm = Llm::new(LlmSettings::default(), Arc::new(Echo)).unwrap();
        let error = llm.stream(request("gpt-4o")).next().await.unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Auth);
        assert!(error.message.contains("OPENAI_API_KEY"), "{}", error.message);
    }
}
