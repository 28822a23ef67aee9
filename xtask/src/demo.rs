//! `cargo xtask demo`: what damo shows, without touching this machine's DAMON.

use std::fs;
use std::io;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::console::Ending;
use crate::kernels::{self, Fetch};
use crate::qemu::Machine;
use crate::{build, guest};

/// What runs in the guest.
const SCRIPT: &str = r##"set -e
run() { echo "# $*"; "$@"; echo; }
run damo record --pause-damon-stat -o /out/damon.data "zigzag --duration 20s --flush-tlb"
run damo report heats --heatmap stdout -i /out/damon.data
run damo report wss -i /out/damon.data --range 0 101 10
"##;

const MEANING: &str = "The picture: each row is a stretch of time and each column a range of addresses; \
the hot spots change sides from row to row, because zigzag uses its two 100 MiB areas in turn, 2 s each, \
so the working set stays near 100 MiB.";

/// Records and reports a program of known behaviour in a guest kernel.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    fetch: Fetch,
}

/// Runs the subcommand.
pub fn main(args: &Args) -> Result<ExitCode> {
    let cache = Cache::open()?;
    let kernel = kernels::get(&cache, kernels::NEWEST, &args.fetch)?;
    let out = guest::fresh_out("demo")?;
    let run = guest::Run {
        machine: &args.machine,
        bring: &guest::binaries()?,
        tests: false,
        tools: None,
        out: &out,
        command: &["sh".into(), "-c".into(), SCRIPT.into()],
    };
    let ran = run.on(&cache, &kernel, &mut io::stdout().lock())?;
    if ran.ending != Ending::Exited(0) {
        ran.report(&kernel);
        return Ok(ExitCode::from(ran.ending.status()));
    }
    let record = build::target_dir("demo")?.join("damon.data");
    fs::copy(out.join("damon.data"), &record).context("the guest left no damon.data")?;
    println!("{MEANING}\nThe record: {}", record.display());
    Ok(ExitCode::SUCCESS)
}
