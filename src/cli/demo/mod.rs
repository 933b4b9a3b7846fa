//! `dramatis demo`: a scene in the terminal, played by a headless game over a real socket. This
//! file owns the command's arguments and its way through the evening; `theatre` owns what is seen
//! while it plays, `summary` what is said afterwards. The server is the caller's.

mod summary;
mod theatre;

use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use dramatis_protocol::{Hello, Id};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::simulation::{Game, Pace, PlayOptions, Report, Scenario};

use super::compose::{House, SCRIPTED_MODEL, actor_with};
use super::flags::SettingFlags;
use super::{logging, serve};
use crate::actor::Script;
use crate::config::{LlmChoice, Settings};
use crate::llm::SCRIPTED_PREFIX;
use summary::connect_help;
use theatre::Theatre;

/// The scene of the demo.
pub const SCENARIO: &str = include_str!("../../../scenarios/tavern.yaml");
/// Its second act, which the built-in actor plays without a script: from lore and memory.
pub const SECOND_ACT: &str = include_str!("../../../scenarios/tavern-morning.yaml");
/// What the built-in actor says in it, for when no model is set up.
pub const SCRIPT: &str = include_str!("../../../scenarios/tavern.script.yaml");

/// Plays a sample scene in the terminal, then keeps serving.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Ends after the scene instead of serving on.
    #[arg(long)]
    pub once: bool,
    /// The port to serve on; without it 8000, or a free one where that is taken
    #[arg(long)]
    pub port: Option<u16>,
    /// Plays several times faster than one would read.
    #[arg(long)]
    pub fast: bool,
    /// The model that plays the characters; without it the built-in actor plays from a script.
    #[arg(long)]
    pub model: Option<String>,
    /// Plays on a server that runs already, at this address (`ws://127.0.0.1:8000/ws`).
    #[arg(long)]
    pub url: Option<String>,
    /// Prints without colours, as a `NO_COLOR` that isn't empty does.
    #[arg(long, env = "NO_COLOR", num_args = 0..=1, default_missing_value = "1")]
    pub no_color: Option<String>,
}

/// How the scene is played.
#[derive(Debug, Clone, Default)]
pub struct DemoOptions {
    /// Several times faster than one would read.
    pub fast: bool,
    /// With colours.
    pub color: bool,
    /// The model that plays every character; `None`: the server's own choice.
    pub model: Option<String>,
    /// The server's access token.
    pub token: Option<String>,
}

impl DemoArgs {
    /// The options that these arguments mean in this terminal.
    #[must_use]
    pub fn options(&self) -> DemoOptions {
        DemoOptions {
            fast: self.fast,
            color: wants_color(self.no_color.as_deref(), std::io::stdout().is_terminal()),
            model: self.model.clone(),
            token: None,
        }
    }
}

/// `NO_COLOR` counts unless it is empty (no-color.org), and colours are for terminals.
fn wants_color(no_color: Option<&str>, is_terminal: bool) -> bool {
    is_terminal && no_color.is_none_or(str::is_empty)
}

/// Plays the scene on a server of its own, then serves on; or on a server that runs already.
///
/// # Errors
/// If the settings can't be used, or the scene can't be played.
pub async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let sources = serve::sources(&SettingFlags::default())?;
    let settings = serve::read_settings(&sources)?;
    let _logging = logging::start("dramatis=warn", settings.log_format);
    serve::warn_of_unknown(&sources);
    let mut options = args.options();
    options.token = settings.token.as_ref().map(|token| token.reveal().to_owned());
    if let Some(url) = &args.url {
        play(url, &options).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if let (Some(model), LlmChoice::Scripted) = (&options.model, &settings.llm)
        && !model.starts_with(SCRIPTED_PREFIX)
    {
        bail!("no endpoint for {model}: set OPENAI_API_KEY or OPENAI_API_BASE");
    }
    options.model.get_or_insert_with(|| SCRIPTED_MODEL.to_owned());
    let listener = listen(&settings, args.port).await?;
    let address = listener.local_addr()?;
    let script = Script::parse(SCRIPT, "tavern.script.yaml")?;
    let house = House::build_anyhow(&settings, actor_with(script))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = house.serve(listener, async {
        let _ = stopped.await;
    });
    let url = format!("ws://{address}/ws");
    let evening = async {
        let played = tokio::select! {
            played = play(&url, &options) => played.map(|_| true),
            () = serve::stop_signal() => Ok(false),
        };
        if !args.once && matches!(played, Ok(true)) {
            print!("{}", connect_help(&address.to_string()));
            serve::stop_signal().await;
        }
        drop(stop);
        played
    };
    let (served, played) = tokio::join!(serving, evening);
    played.and(served).map(|()| ExitCode::SUCCESS)
}

/// Takes the port that was asked for, or the usual one, or any.
async fn listen(settings: &Settings, port: Option<u16>) -> anyhow::Result<TcpListener> {
    let usual = TcpListener::bind((settings.host, port.unwrap_or(settings.port))).await;
    match (usual, port) {
        (Err(_), None) => Ok(TcpListener::bind((settings.host, 0)).await?),
        (usual, _) => usual.with_context(|| {
            format!("can't listen on port {}: choose another with --port", port.unwrap_or_default())
        }),
    }
}

/// Plays both acts on the server at `url` and shows them on standard output.
///
/// # Errors
/// If the server can't be reached, refuses the game, or goes away.
pub async fn play(url: &str, options: &DemoOptions) -> anyhow::Result<Report> {
    let read =
        |yaml, name| Scenario::parse(yaml, name).context("the scene of the demo can't be read");
    let acts = [read(SCENARIO, "tavern.yaml")?, read(SECOND_ACT, "tavern-morning.yaml")?];
    perform(&acts, url, options, &mut std::io::stdout()).await
}

/// Plays scenarios on the server at `url`, one after the other in one play session, each over a
/// connection of its own, and shows them to `out`.
///
/// # Errors
/// As [`play`], and if a step of a scenario waits in vain.
pub async fn perform(
    acts: &[Scenario],
    url: &str,
    options: &DemoOptions,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<Report> {
    // Nobody has played in it before.
    let session: Id = format!("demo-{}", uuid::Uuid::now_v7()).into();
    let mut all: Option<Report> = None;
    for scenario in acts {
        let hello = Hello {
            token: options.token.clone(),
            game: Some(format!("dramatis: {}", scenario.title)),
            session_id: Some(session.clone()),
            ..Hello::default()
        };
        let game = Game::connect(url, hello).await?;
        let play = PlayOptions {
            pace: if options.fast { Pace::FAST } else { Pace::READING },
            model: options.model.clone(),
            events_before: all.as_ref().map_or(0, |report| report.events),
            ..PlayOptions::default()
        };
        let theatre = Theatre::new(out, options.color, scenario);
        let mut theatre = theatre.telling_reminders(all.is_some());
        theatre.raise_curtain(scenario);
        let report = game.play(scenario, &play, &mut theatre).await;
        theatre.close_line();
        let report = report?;
        all = Some(match all {
            Some(before) => before.and_then(report),
            None => report,
        });
    }
    let report = all.unwrap_or_default();
    write!(out, "{}", summary::of(&report, options.color))?;
    out.flush()?;
    Ok(report)
}

#[cfg(test)]
mod tests;
