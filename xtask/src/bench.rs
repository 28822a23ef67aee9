//! `cargo xtask bench`: what things cost, side by side in one run.

use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::cache::Cache;
use crate::initramfs::Bring;
use crate::kernels::{self, Fetch};
use crate::qemu::Machine;
use crate::{build, debian, guest, sandbox, test};

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
    /// Recording 1000 to 2000 regions: damo beside perf record and perf script
    Record {
        /// Seconds to record
        #[arg(long, default_value = "8")]
        seconds: u64,
        /// Rounds, each measuring both
        #[arg(long, default_value = "3")]
        rounds: u32,
    },
    /// The record file: its size and speed beside other formats, and the peer
    Store {
        /// Some of it: sizes, speed, cores, peer, big
        #[arg(value_name = "PART")]
        parts: Vec<String>,
    },
    /// Mappings, memory and CPU time: what a look at them costs
    Around,
    /// Reports of an hour at 1000 regions: speed and memory, beside zstd and the peer
    Report {
        /// Some of it: ours, peer
        #[arg(value_name = "PART")]
        parts: Vec<String>,
    },
}

/// Runs the subcommand.
pub fn main(args: &Args) -> Result<ExitCode> {
    let (seconds, rounds) = match &args.what {
        What::Record { seconds, rounds } => (seconds, rounds),
        What::Store { parts } => return native("store", parts),
        What::Around => return native("around", &[]),
        What::Report { parts } => return native("report", parts),
    };
    let cache = Cache::open()?;
    let mut bring = guest::binaries(true)?;
    bring.extend(perf()?);
    let mut worst = 0;
    for line in kernels::lines(&args.kernel)? {
        let kernel = kernels::get(&cache, &line, &args.fetch)?;
        let run = guest::Run {
            machine: &args.machine,
            bring: &bring,
            tests: false,
            out: &guest::fresh_out(&line)?,
            command: &[
                "bench-record".into(),
                "--seconds".into(),
                seconds.to_string().into(),
                "--rounds".into(),
                rounds.to_string().into(),
            ],
        };
        let ran = run.on(&cache, &kernel, &mut io::stdout().lock())?;
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

/// This machine's perf with the libraries that it loads.
fn perf() -> Result<Vec<Bring>> {
    let program = Path::new("/usr/bin/perf");
    if !program.exists() {
        debian::install(&["linux-perf"])?;
    }
    let output = Command::new("ldd").arg(program).output().context("ldd")?;
    ensure!(
        output.status.success(),
        "ldd {}: {}",
        program.display(),
        output.status
    );
    let libraries = String::from_utf8(output.stdout)?;
    // `libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)`, and the loader alone.
    let mut bring = vec![Bring::program(program.to_owned(), "perf")];
    for path in libraries
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
    {
        bring.push(Bring::parse(&format!("{path}:{path}"))?);
    }
    Ok(bring)
}
