//! Samples to figures, and the clock that all parts share.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970: the same for the provider's thread and the games'.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// How samples are spread, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spread {
    pub count: usize,
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Spread {
    /// Of samples in microseconds.
    pub fn of(mut samples: Vec<u64>) -> Self {
        samples.sort_unstable();
        let at = |share: f64| {
            let place = (samples.len().saturating_sub(1)) as f64 * share;
            samples.get(place as usize).map_or(f64::NAN, |micros| *micros as f64 / 1e3)
        };
        Self { count: samples.len(), p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

/// The middle of some figures.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The medians of several rounds, each figure by itself.
pub fn median_spread(rounds: &[Spread]) -> Spread {
    let of = |figure: fn(&Spread) -> f64| median(rounds.iter().map(figure));
    Spread {
        count: rounds.iter().map(|round| round.count).sum(),
        p50: of(|round| round.p50),
        p99: of(|round| round.p99),
        max: of(|round| round.max),
    }
}

/// What the figures were taken on.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let value = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or("?", |(_, value)| value.trim()).to_owned()
    };
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    format!(
        "{}, {cores} cores, Linux {}, load {load} at the start; \
         the subject on one core, provider and games on another",
        value("model name"),
        read("/proc/sys/kernel/osrelease").trim(),
    )
}
