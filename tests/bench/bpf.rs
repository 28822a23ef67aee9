//! The BPF programs while they record: what the verifier had to look at, and
//! what a run takes, by the kernel's own account (`kernel.bpf_stats_enabled`).

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aya::programs::loaded_programs;
use damo_tests::usage::wait;

use crate::damon::{self, PARAMETERS};

const STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Of `bench-guest bpf`.
#[derive(clap::Args)]
pub struct Args {
    /// Seconds to record, twice
    #[arg(long, default_value_t = 6)]
    seconds: u64,
}

/// Runs the subcommand.
///
/// # Errors
/// Nothing can be recorded, or the kernel does not say what is asked of it.
pub fn main(args: &Args) -> Result<()> {
    let _ = fs::write("/sys/module/damon_stat/parameters/enabled", "N");
    fs::write(STATS, "1").context(STATS)?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!("kernel {}", kernel.trim());
    let mut load = damon::workload()?;
    look(
        "all memory in 1000 to 2000 regions",
        &["paddr"],
        args.seconds,
    )?;
    load.kill()?;
    load.wait()?;
    let schemes = ["--damos_action", "stat", "--schemes_target_regions"];
    let program =
        "sh -c 'for i in 1 2 3 4 5 6 7 8; do zigzag --size 100M --period 1s --duration 2s; done'";
    look(
        "a program with children, and a scheme's regions",
        &[&schemes[..], &[program]].concat(),
        args.seconds,
    )
}

/// Records, and looks at every program that is loaded meanwhile.
fn look(what: &str, of: &[&str], seconds: u64) -> Result<()> {
    let mut damo = Command::new("damo")
        .args([
            "record",
            "-o",
            "/tmp/bpf.data",
            "--timeout",
            &seconds.to_string(),
        ])
        .args(PARAMETERS)
        .args(of)
        .stdout(Stdio::null())
        .spawn()?;
    damon::kdamond(|| Ok(damo.try_wait()?.is_none()))?;
    sleep(Duration::from_secs(seconds) * 3 / 4);
    let mut programs = loaded_programs().collect::<Result<Vec<_>, _>>()?;
    wait(&mut damo)?;
    programs.sort_by_key(|program| std::cmp::Reverse(program.run_time()));
    println!("\n{what}");
    println!("program           instructions verified  bytes of machine code      runs    ns/run");
    for program in &programs {
        let name = program.name_as_str().unwrap_or("?");
        let verified = program.verified_instruction_count();
        let verified =
            verified.with_context(|| format!("{name}: verified instructions unknown"))?;
        println!(
            "{name:16} {verified:22} {:22} {:9} {:9.0}",
            program.size_jitted(),
            program.run_count(),
            program.run_time().as_nanos() as f64 / program.run_count().max(1) as f64,
        );
    }
    let ran = programs.iter().any(|program| {
        program
            .name_as_str()
            .is_some_and(|name| "damon_aggregated".starts_with(name))
            && program.run_count() > 0
            && !program.run_time().is_zero()
    });
    ensure!(ran, "damon_aggregated has not run, or is not timed");
    Ok(())
}
