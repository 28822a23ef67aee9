//! `cargo xtask bench`: what things cost, side by side in one run.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::kernels::{self, Fetch};
use crate::qemu::Machine;
use crate::{build, guest, sandbox, test, tools};

/// Measures, side by side in one run. Prints ratios; never fails on a time.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// The guest's kernel
    #[arg(long, default_value = "6.12", global = true)]
    kernel: String,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    fetch: Fetch,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Recording 1000 to 2000 regions: damo beside perf, trace-cmd and the peer
    Record {
        /// Seconds to record
        #[arg(long, default_value = "8")]
        seconds: u64,
        /// Rounds, each measuring all
        #[arg(long, default_value = "3")]
        rounds: u32,
        /// Only some of ours, summary, perf, trace-cmd, peer (without its side
        /// information) and peer-defaults (which is left out otherwise)
        #[arg(long, value_delimiter = ',', value_name = "RECORDER,…")]
        only: Vec<String>,
    },
    /// The BPF programs: instructions verified, and time per run while they record
    Bpf {
        /// Seconds to record, twice
        #[arg(long, default_value = "6")]
        seconds: u64,
    },
    /// The record file: its size and speed beside other formats, and the peer
    Store {
        /// Some of it: sizes, speed, cores, peer, big
        #[arg(value_name = "PART")]
        parts: Vec<String>,
    },
    /// Mappings, memory and CPU time: what a look at them costs
    Around,
    /// A recorder without the kernel: events it takes, and its memory
    Stress,
    /// Reports of an hour at 1000 regions: speed and memory, beside zstd and the peer
    Report {
        /// Some of it: ours, peer
        #[arg(value_name = "PART")]
        parts: Vec<String>,
    },
}

/// Seconds that a guest may take for all recorders, at least: the peer alone
/// takes a minute per round.
const TIMEOUT: u64 = 3600;

/// Runs the subcommand.
pub fn main(args: &Args) -> Result<ExitCode> {
    let cache = Cache::open()?;
    match &args.what {
        What::Record {
            seconds,
            rounds,
            only,
        } => {
            let mut command = vec![format!("--seconds={seconds}"), format!("--rounds={rounds}")];
            command.extend(only.iter().map(|name| format!("--only={name}")));
            let tools = tools::image(&cache, args.fetch.mirror.as_deref())?;
            in_guests(args, &cache, Some(tools), "record", command)
        }
        What::Bpf { seconds } => {
            let command = vec![format!("--seconds={seconds}")];
            in_guests(args, &cache, None, "bpf", command)
        }
        What::Store { parts } => native("store", parts),
        What::Around => native("around", &[]),
        What::Stress => native("stress", &[]),
        What::Report { parts } => native("report", parts),
    }
}

/// `bench-guest WHAT …` (tests/bench) in a guest of each kernel.
fn in_guests(
    args: &Args,
    cache: &Cache,
    tools: Option<PathBuf>,
    what: &str,
    more: Vec<String>,
) -> Result<ExitCode> {
    let bring = guest::binaries_to_measure()?;
    let machine = Machine {
        timeout: args.machine.timeout.max(TIMEOUT),
        ..args.machine.clone()
    };
    let words = ["bench-guest", what].map(OsString::from);
    let command: Vec<_> = words
        .into_iter()
        .chain(more.into_iter().map(OsString::from))
        .collect();
    let mut worst = 0;
    for line in kernels::lines(&args.kernel)? {
        let kernel = kernels::get(cache, &line, &args.fetch)?;
        let run = guest::Run {
            machine: &machine,
            bring: &bring,
            tests: false,
            tools: tools.as_deref(),
            out: &guest::fresh_out(&line)?,
            command: &command,
        };
        let ran = run.on(cache, &kernel, &mut io::stdout().lock())?;
        ran.report(&kernel);
        worst = worst.max(ran.ending.status());
    }
    Ok(ExitCode::from(worst))
}

/// `cargo bench`, in the sandbox: the peer writes to DAMON where it finds it.
fn native(name: &str, parts: &[String]) -> Result<ExitCode> {
    let myself = std::env::current_exe()?;
    let status = build::cargo()
        .args(["bench", "--quiet", "--package", "damo-user"])
        .args(["--bench", name, "--config", &test::runner(&myself), "--"])
        .args(parts)
        .env(sandbox::EXPECT, "1")
        .status()
        .context("cargo bench")?;
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
