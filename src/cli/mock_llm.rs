//! `dramatis mock-llm`: the built-in actor behind an OpenAI-compatible port, for trying a game or a
//! client without a provider and under a provider's faults. Reads the flags and prints the address;
//! all else is `actor`'s.

use std::future::Future;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::actor::{Actor, FaultSpec, MockLlm, Pace, Script, serve};

/// Flags of `dramatis mock-llm`.
#[derive(Debug, Clone, clap::Args)]
pub struct MockLlmArgs {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port; 0 lets the system choose a free one
    #[arg(long, default_value_t = 8090)]
    pub port: u16,
    /// A script (YAML) to play instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Tokens a second, of about four characters each; 0: everything at once
    #[arg(long, value_name = "TOKENS_PER_SECOND", default_value_t = 30.0)]
    pub rate: f64,
    /// A fault to inject into every reply, or into the first N with `NAME*N`; may be repeated. A
    /// name such as `stall-midway`, or an HTTP status, `429:3` with its Retry-After
    #[arg(long, value_name = "NAME")]
    pub fault: Vec<FaultSpec>,
    /// Print the address as one line of JSON
    #[arg(long)]
    pub ready_json: bool,
}

/// Serves until the shutdown.
///
/// # Errors
/// If the script can't be used or the address is taken.
pub async fn run(
    args: MockLlmArgs,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let script = match &args.script {
        Some(path) => {
            let name = path.display().to_string();
            let yaml = tokio::fs::read_to_string(path)
                .await
                .with_context(|| format!("the script {name} can't be read"))?;
            Script::parse(&yaml, &name)?
        }
        None => Script::builtin(),
    };
    let wanted = SocketAddr::new(args.host, args.port);
    let listener = TcpListener::bind(wanted)
        .await
        .with_context(|| format!("can't listen on {wanted}: choose another --port"))?;
    announce(listener.local_addr()?, args.ready_json)?;
    let actor = Actor::new(script, Pace::tokens_per_second(args.rate));
    Ok(serve(listener, MockLlm::new(actor, args.fault), shutdown).await?)
}

fn announce(address: SocketAddr, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(
            out,
            "{}",
            serde_json::json!({
                "ready": true, "address": address.to_string(), "url": format!("http://{address}/v1"),
            })
        )?;
    } else {
        writeln!(out, "the mock model listens on http://{address}/v1")?;
    }
    // Whoever waits for this line reads a pipe, which isn't flushed by itself.
    out.flush()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: MockLlmArgs,
    }

    #[test]
    fn flags_are_read() {
        let cli =
            Cli::try_parse_from(["x", "--port", "0", "--fault", "429:1*2", "--fault", "reset"]);
        let args = cli.map_err(|error| error.to_string()).unwrap().args;
        assert_eq!((args.port, args.fault.len(), args.rate), (0, 2, 30.0));
        let error = Cli::try_parse_from(["x", "--fault", "nonsense"]).err().unwrap().to_string();
        assert!(error.contains("stall-midway"), "{error}");
    }

    #[tokio::test]
    async fn it_listens_until_the_shutdown_and_names_a_script_that_it_cant_read() {
        let args = ["x", "--port", "0", "--ready-json"];
        run(Cli::parse_from(args).args, std::future::ready(())).await.unwrap();
        let args = ["x", "--port", "0", "--script", "no/such.yaml"];
        let error = run(Cli::parse_from(args).args, std::future::pending()).await.unwrap_err();
        assert!(error.to_string().contains("no/such.yaml"), "{error}");
    }
}
