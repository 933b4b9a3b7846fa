//! The process that is measured: started on a core of its own, watched through `/proc`, ended by
//! its id.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::options::Options;

/// The core of the subject.
const SUBJECT_CORE: &str = "0";

/// The core of everything else.
const BENCH_CORE: &str = "1";

/// The kernel's unit of CPU time is a hundredth of a second wherever Linux shows it to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Which program is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The server, as games meet it.
    Server,
    /// The server, as people who chat meet it.
    Chats,
    Relay,
}

impl Which {
    /// The subjects that are asked for, the yardstick first.
    pub fn wanted(options: &Options) -> Vec<Self> {
        if options.alone { vec![Self::Server] } else { vec![Self::Relay, Self::Server] }
    }

    /// The same for those who chat.
    pub fn chatting(options: &Options) -> Vec<Self> {
        if options.alone { vec![Self::Chats] } else { vec![Self::Relay, Self::Chats] }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Chats => "chats",
            Self::Relay => "relay",
        }
    }
}

/// A running subject; it ends with this value.
pub struct Subject {
    pub which: Which,
    pub address: SocketAddr,
    child: Child,
    /// Its database and logs.
    _folder: TempDir,
}

impl Subject {
    /// Starts it before a provider, and waits until it listens.
    pub async fn start(
        which: Which,
        options: &Options,
        provider: SocketAddr,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no folder for the subject's files")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let port = address.port().to_string();
        let mut command = on_core(SUBJECT_CORE);
        match which {
            Which::Relay => {
                command.arg(std::env::current_exe()?);
                command.args(["--relay", &port, &format!("http://{provider}/v1/chat/completions")]);
            }
            Which::Server | Which::Chats => {
                command.arg(&options.server).args(["serve", "--port", &port]);
                command.env("OPENAI_API_BASE", format!("http://{provider}/v1"));
                command.env("DRAMATIS_DATA", "data").env("DRAMATIS_LOGS", "logs");
                command.env("DRAMATIS_MAX_CONNECTIONS", "4096").env("DRAMATIS_MAX_AGENTS", "4096");
                command.env("DRAMATIS_MAX_REQUESTS", "4096");
                command.env("DRAMATIS_MAX_REQUESTS_PER_PROVIDER", "4096");
                command.env("DRAMATIS_MAX_EVENTS_PER_SECOND", "0");
                command.env("GAME_AGENT_LOG_LEVEL", "WARN").env_remove("OPENAI_API_KEY");
            }
        }
        let child = command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.context("the subject can't be started (is taskset there?)")?;
        let mut subject = Self { which, address, child, _folder: folder };
        subject.wait_until_it_listens().await?;
        Ok(subject)
    }

    async fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        for _ in 0..500 {
            if TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the {} ended at once: {status}", self.which.name());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the {} does not listen", self.which.name())
    }

    /// User and system time so far, in seconds.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The program's name, in brackets, may hold spaces.
        let (_, rest) = stat.rsplit_once(')').context("an odd /proc/PID/stat")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        ensure!(fields.len() > 12, "a short /proc/PID/stat");
        let ticks: Result<Vec<f64>, _> =
            fields.iter().skip(11).take(2).map(|it| it.parse()).collect();
        Ok(ticks?.iter().sum::<f64>() / TICKS_PER_SECOND)
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> anyhow::Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// Resident memory, in KiB.
    pub fn rss(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
        Ok(kib.context("no VmRSS in /proc/PID/status")?.trim().parse()?)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It has ended already, or ends now; in both cases nobody is left to be told.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn on_core(core: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]);
    command
}

/// Moves this process to its core; before any thread is started.
pub fn pin_bench() -> anyhow::Result<()> {
    let id = std::process::id().to_string();
    let status = Command::new("taskset")
        .args(["-p", "-c", BENCH_CORE, &id])
        .stdout(Stdio::null())
        .status()
        .context("taskset is needed (util-linux)")?;
    ensure!(status.success(), "two cores are needed");
    Ok(())
}
