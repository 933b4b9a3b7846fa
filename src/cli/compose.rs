//! The house put together from its settings: store, log, models, registry, doors.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dramatis_protocol::Limits;
use dramatis_protocol::limits::MAX_FRAME_BYTES;
use tokio::net::TcpListener;

use crate::actor::{Actor, Pace, Script};
use crate::assets::{Library, Watcher, is_folder_of_assets};
use crate::config::{LlmChoice, Secret, Settings};
use crate::generation::Generator;
use crate::llm::{self, Llm, LlmSettings, ProviderSettings};
use crate::prompt::PromptLimits;
use crate::server::{self, Access};
use crate::store::Store;
use crate::turn::agent::Services;
use crate::turn::clock::{Clock, Ids};
use crate::turn::registry::Registry;
use crate::turn::state::Rules;
use crate::turn_log::{LogError, LogLimits, TurnLog};

/// The database's file in the data folder.
const DATABASE: &str = "dramatis.db";

/// How long an agent stays in memory when nothing happens.
const AGENT_IDLE: Duration = Duration::from_secs(10 * 60);

/// The model that plays when nothing is configured.
pub(super) const SCRIPTED_MODEL: &str = "scripted/actor";

/// A server that is ready to serve.
pub(super) struct House {
    store: Store,
    log: TurnLog,
    registry: Registry,
    access: Access,
    /// Reads the assets again when they change; ends with the house.
    watcher: Option<Watcher>,
}

impl House {
    /// Opens the store and the log, and chooses who plays. `actor`: the built-in model.
    pub fn build(settings: &Settings, actor: Actor) -> anyhow::Result<Self> {
        let store = open_store(settings)?;
        let log = open_log(settings).context("DRAMATIS_LOGS")?;
        Self::around(store, log, settings, actor)
    }

    /// As [`House::build`], for a demonstration: where the disk can't be used, it goes without, and
    /// says so.
    pub fn build_anyhow(settings: &Settings, actor: Actor) -> anyhow::Result<Self> {
        let store = match open_store(settings) {
            Ok(store) => store,
            Err(error) => {
                tracing::warn!("{error:#}; what is said is kept in memory only");
                Store::in_memory()?
            }
        };
        let log = open_log(settings).unwrap_or_else(|error| {
            tracing::warn!("{error}; nothing is logged");
            TurnLog::disabled()
        });
        Self::around(store, log, settings, actor)
    }

    fn around(
        store: Store,
        log: TurnLog,
        settings: &Settings,
        actor: Actor,
    ) -> anyhow::Result<Self> {
        let library = Arc::new(open_assets(settings)?);
        let services = Services {
            store: store.clone(),
            log: log.clone(),
            generator: Generator::new(models(settings, actor)?, PromptLimits::default())
                .allowing(settings.models.clone())
                .with_assets(Arc::clone(&library)),
            clock: Clock::start(),
            ids: Ids::random(),
            rules: rules(settings),
            default_model: match &settings.llm {
                LlmChoice::Scripted => SCRIPTED_MODEL.to_owned(),
                LlmChoice::Endpoint { model, .. } => model.clone(),
            },
            idle_timeout: AGENT_IDLE,
        };
        let registry = Registry::new(services, settings.max_agents);
        let watcher = watch(&library);
        Ok(Self { store, log, registry, access: access(settings), watcher })
    }

    /// Serves until `shutdown` resolves and everything is stored and logged.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let served = server::run(listener, self.registry, self.access, shutdown).await;
        self.store.close().await;
        self.log.close().await;
        drop(self.watcher);
        served.context("the server stopped")
    }
}

fn open_store(settings: &Settings) -> anyhow::Result<Store> {
    Store::open(&settings.data.join(DATABASE)).context("DRAMATIS_DATA")
}

fn open_log(settings: &Settings) -> Result<TurnLog, LogError> {
    let limits =
        LogLimits { max_file_bytes: settings.logs_max_bytes, max_age: settings.logs_max_age };
    TurnLog::open_within(&settings.logs, &limits)
}

/// The folder of assets; `None`: the built-in ones. A folder that nobody named need not be there, and
/// may be one of another kind.
pub(super) fn assets_folder(settings: &Settings) -> Option<PathBuf> {
    let folder = &settings.assets;
    (settings.assets_are_set || is_folder_of_assets(folder)).then(|| folder.clone())
}

fn open_assets(settings: &Settings) -> anyhow::Result<Library> {
    let library = Library::open(assets_folder(settings).as_deref()).context("DRAMATIS_ASSETS")?;
    for problem in library.problems() {
        tracing::warn!("{problem}");
    }
    let place = library.folder().map(|folder| folder.display().to_string());
    let place = place.as_deref().unwrap_or("this program");
    tracing::info!("{} from {place}", library.current().counts());
    Ok(library)
}

/// Without it a server serves as well; it only has to be started anew when assets change.
fn watch(library: &Arc<Library>) -> Option<Watcher> {
    Watcher::start(library.clone()).unwrap_or_else(|error| {
        tracing::warn!("{error}");
        None
    })
}

/// The built-in model, playing a script.
pub(super) fn actor_with(script: Script) -> Actor {
    Actor::new(script, Pace::default())
}

fn models(settings: &Settings, actor: Actor) -> anyhow::Result<Llm> {
    let endpoint = match &settings.llm {
        LlmChoice::Scripted => None,
        LlmChoice::Endpoint { base_url, key, .. } => {
            Some(ProviderSettings::new(base_url, key.as_ref().map(Secret::reveal))?)
        }
    };
    let limits = llm::Limits {
        first_token: settings.times.first_token,
        silence: settings.times.silence,
        reply: settings.times.turn,
        gate: llm::GateLimits {
            requests: settings.max_requests,
            per_provider: settings.max_requests_per_provider,
            waiting: settings.max_queued_requests,
            patience: settings.times.queue,
        },
        ..llm::Limits::default()
    };
    Ok(Llm::new(LlmSettings { default: endpoint, limits }, Arc::new(actor))?)
}

fn rules(settings: &Settings) -> Rules {
    Rules {
        state_timeout: millis(settings.times.state),
        result_timeout: millis(settings.times.result),
        max_waiting: settings.max_waiting,
        ..Rules::default()
    }
}

fn access(settings: &Settings) -> Access {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Access {
        token: settings.token.clone(),
        hello_timeout: settings.times.hello,
        max_connections: settings.max_connections,
        origins: settings.origins.clone(),
        max_events_per_second: settings.max_events_per_second,
        limits: Limits {
            max_message_bytes: number(settings.max_message_bytes),
            max_frame_bytes: number(MAX_FRAME_BYTES),
            max_agents: number(settings.max_agents),
            max_waiting: number(settings.max_waiting),
            state_timeout_ms: millis(settings.times.state),
            result_timeout_ms: millis(settings.times.result),
            ping_timeout_ms: millis(settings.times.ping),
        },
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
