//! What is asked of the bench on its command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

/// Every scenario, in the order in which they run; the last only if it is named.
const SCENARIOS: [&str; 8] =
    ["streams", "chats", "saturation", "turns", "request", "interruption", "memory", "soak"];

/// What this process is to be.
pub enum Mode {
    /// The relay, started by the bench.
    Relay { port: u16, provider: String },
    /// The bench itself.
    Bench(Options),
}

/// How to measure.
pub struct Options {
    scenarios: Vec<String>,
    /// How often each subject is measured; medians are shown.
    pub rounds: usize,
    /// How long each measurement takes, once everything runs.
    pub window: Duration,
    /// How many streams run side by side, one after the other.
    pub streams: Vec<usize>,
    /// The server's program.
    pub server: PathBuf,
    /// Measure the server alone.
    pub alone: bool,
}

impl Options {
    /// Whether a scenario was asked for by its name.
    pub fn names(&self, scenario: &str) -> bool {
        self.scenarios.iter().any(|wanted| wanted == scenario)
    }

    /// Whether a scenario is to run.
    pub fn wants(&self, scenario: &str) -> bool {
        self.scenarios.is_empty() || self.names(scenario)
    }
}

/// Reads the arguments.
pub fn read(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Mode> {
    let mut options = Options {
        scenarios: Vec::new(),
        rounds: 3,
        window: Duration::from_secs(4),
        streams: vec![50, 200, 500, 1_000],
        server: env!("CARGO_BIN_EXE_dramatis").into(),
        alone: false,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--relay" => return Ok(Mode::Relay { port: value()?.parse()?, provider: value()? }),
            "--quick" => {
                options.rounds = 1;
                options.window = Duration::from_secs(2);
                options.streams = vec![500, 1_000];
            }
            "--rounds" => options.rounds = value()?.parse()?,
            "--seconds" => options.window = Duration::try_from_secs_f64(value()?.parse()?)?,
            "--streams" => {
                let counts = value()?;
                let counts = counts.split(',').map(str::parse);
                options.streams = counts.collect::<Result<_, _>>()?;
            }
            "--server" => options.server = value()?.into(),
            "--alone" => options.alone = true,
            // Cargo adds it.
            "--bench" => {}
            scenario if SCENARIOS.contains(&scenario) => options.scenarios.push(argument),
            other => bail!(
                "{other} is neither a scenario ({}) nor one of --quick, --rounds N, --seconds S, \
                 --streams N,N,…, --server PROGRAM, --alone",
                SCENARIOS.join(", ")
            ),
        }
    }
    Ok(Mode::Bench(options))
}
