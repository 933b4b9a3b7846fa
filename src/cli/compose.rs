//! The house put together from its settings: store, log, models, registry, doors.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dramatis_protocol::Limits;
use dramatis_protocol::limits::MAX_FRAME_BYTES;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::models;
use crate::actor::{Actor, Pace, Script};
use crate::assets::{Library, Watcher, is_folder_of_assets};
use crate::chat::{self, Chats};
use crate::clock::{Clock, Ids};
use crate::config::{ContextSettings, EmbedderChoice, LlmChoice, Secret, Settings};
use crate::generation::{Generator, Results};
use crate::llm::{Llm, ProviderSettings};
use crate::prompt::PromptLimits;
use crate::retrieval::embed::{Embed, Endpoint};
use crate::retrieval::rank::Floors;
use crate::retrieval::{self, Retriever};
use crate::server::{self, Access, Behind};
use crate::store::Store;
use crate::turn::agent::Services;
use crate::turn::registry::Registry;
use crate::turn::state::Rules;
use crate::turn_log::{LogError, LogLimits, TurnLog};

/// The database's file in the data folder.
const DATABASE: &str = "dramatis.db";

/// The file beside it in which the lists of models wait for the next start.
const MODELS: &str = "models.json";

/// How long an agent stays in memory when nothing happens.
const AGENT_IDLE: Duration = Duration::from_secs(10 * 60);

/// The model that plays when nothing is configured.
pub(super) const SCRIPTED_MODEL: &str = "scripted/actor";

/// A server that is ready to serve.
pub(super) struct House {
    store: Store,
    log: TurnLog,
    behind: Behind,
    access: Access,
    library: Arc<Library>,
    retriever: Retriever,
    /// Reads the assets again when they change; ends with the house.
    watcher: Option<Watcher>,
    llm: Llm,
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
        let retriever = retriever(&store, &settings.context)?;
        let llm = models::build(settings, actor)?;
        llm.catalog().keep_in(settings.data.join(MODELS));
        let services = Services {
            store: store.clone(),
            log: log.clone(),
            generator: Generator::new(llm.clone(), limits(&settings.context))
                .allowing(settings.models.clone())
                .with_assets(Arc::clone(&library))
                .reminding(retriever.clone(), results(&settings.context)),
            clock: Clock::start(),
            ids: Ids::random(),
            rules: rules(settings),
            reasoning: models::learnt(settings),
            default_model: model(&settings.llm),
            idle_timeout: AGENT_IDLE,
        };
        let chats = Chats::new(chat::Services {
            store: store.clone(),
            log: log.clone(),
            generator: services.generator.clone(),
            library: Arc::clone(&library),
            clock: services.clock.clone(),
            ids: services.ids.clone(),
            default_model: model(&settings.chat_llm),
            reasoning: services.reasoning.clone(),
            history: settings.context.history_messages,
        });
        let behind = Behind { registry: Registry::new(services, settings.max_agents), chats };
        let watcher = watch(&library);
        let access = access(settings);
        Ok(Self { store, log, behind, access, library, retriever, watcher, llm })
    }

    /// Tells the log who plays.
    pub fn announce(&self, settings: &Settings) {
        models::announce(settings, &self.llm);
    }

    /// Serves until `shutdown` resolves and everything is stored and logged.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let Self { library, retriever, llm, .. } = self;
        let changes = library.changes();
        // Whoever comes first finds the lore of the files as they are.
        let is_indexed = retriever.try_to_index(&library.current()).await;
        let mut keeper = JoinSet::new();
        keeper.spawn({
            let retriever = retriever.clone();
            async move { retriever.follow(changes, is_indexed).await }
        });
        keeper.spawn(async move { llm.catalog().follow().await });
        let served = server::run(listener, self.behind, self.access, shutdown).await;
        keeper.shutdown().await;
        retriever.close().await;
        self.store.close().await;
        self.log.close().await;
        drop(self.watcher);
        served.context("the server stopped")
    }
}

fn model(choice: &LlmChoice) -> String {
    match choice {
        LlmChoice::Scripted => SCRIPTED_MODEL.to_owned(),
        LlmChoice::Model { model } => model.clone(),
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

/// What looks up lore and memories.
fn retriever(store: &Store, settings: &ContextSettings) -> anyhow::Result<Retriever> {
    let floors = Floors { vector: settings.embed_floor, ..Floors::default() };
    let how = retrieval::Settings { floors, ..retrieval::Settings::default() };
    Ok(Retriever::new(store.clone(), how, embedder(&settings.embedder)?))
}

fn embedder(choice: &EmbedderChoice) -> anyhow::Result<Option<Arc<dyn Embed>>> {
    Ok(match choice {
        EmbedderChoice::None => None,
        EmbedderChoice::Endpoint { base_url, key, model } => {
            let endpoint = ProviderSettings::new(base_url, key.as_ref().map(Secret::reveal))
                .context("DRAMATIS_EMBED_BASE")?;
            Some(Arc::new(Endpoint::new(endpoint, model)?))
        }
        EmbedderChoice::Folder(folder) => Some(local_embedder(folder)?),
    })
}

#[cfg(feature = "embed-local")]
fn local_embedder(folder: &Path) -> anyhow::Result<Arc<dyn Embed>> {
    let model = retrieval::embed::Local::open(folder).context("DRAMATIS_EMBED_FOLDER")?;
    Ok(Arc::new(model))
}

#[cfg(not(feature = "embed-local"))]
fn local_embedder(_: &Path) -> anyhow::Result<Arc<dyn Embed>> {
    anyhow::bail!(
        "DRAMATIS_EMBED_FOLDER: this program was built without static models: build it with \
         `cargo build --release --features embed-local`, or set DRAMATIS_EMBED_MODEL"
    )
}

fn limits(settings: &ContextSettings) -> PromptLimits {
    PromptLimits {
        tokens: settings.prompt_tokens,
        history_turns: settings.history_turns,
        reminders: settings.prompt_tokens / 4,
        ..PromptLimits::default()
    }
}

const fn results(settings: &ContextSettings) -> Results {
    Results { lore: settings.lore_results, memories: settings.memory_results }
}

/// The built-in model, playing a script.
pub(super) fn actor_with(script: Script) -> Actor {
    Actor::new(script, Pace::default())
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
