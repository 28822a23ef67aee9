//! What recording costs, ours beside other recorders, on the same workload in
//! one run: all of them watch all physical memory with 1000 to 2000 regions
//! while `zigzag` runs. What was emitted is counted by the kernel itself.

use std::fs;

use anyhow::{Context, Result};
use damo_tests::counted;

use crate::recorders::{Measured, Recorder};
use crate::{aggregations, beside, damon, tools};

/// Of `bench-guest record`.
#[derive(clap::Args)]
pub struct Args {
    /// Seconds to record
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Rounds, each measuring all
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Only these [default: all but peer-defaults]
    #[arg(long, value_enum)]
    only: Vec<Recorder>,
}

/// Seconds of a recording that only brings programs into memory, and has Python
/// compile what it does not compile again.
const WARM_UP: u64 = 4;

/// Runs the subcommand.
///
/// # Errors
/// A recorder failed; never for a time.
pub fn main(args: &Args) -> Result<()> {
    let _ = fs::write("/sys/module/damon_stat/parameters/enabled", "N");
    tools::mount_all()?;
    let recorders = match args.only.is_empty() {
        true => vec![
            Recorder::Ours,
            Recorder::Summary,
            Recorder::Perf,
            Recorder::TraceCmd,
            Recorder::Peer,
        ],
        false => args.only.clone(),
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!(
        "kernel {}, {} s, sample 5 ms, aggregation 50 ms, 1000 to 2000 regions",
        kernel.trim(),
        args.seconds
    );
    for recorder in &recorders {
        println!(
            "{}: {}",
            recorder.name(),
            tools::first_line(&recorder.version())?
        );
    }
    counted::start()?;
    beside::perf_counts_too()?;
    let mut load = damon::workload()?;
    for recorder in &recorders {
        // The peer fails if it is over before it has started perf.
        if let Err(error) = recorder.measure(WARM_UP) {
            println!("{}, not measured yet: {error:#}", recorder.name());
        }
    }
    println!("\n{HEAD}");
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        let mut round = Vec::new();
        for recorder in &recorders {
            let measured = match recorder.measure(args.seconds) {
                Ok(measured) => Some(measured),
                // Others may fail; the peer does where it takes too long to begin.
                Err(error) if !recorder.is_ours() => {
                    println!("{error:#}");
                    None
                }
                Err(error) => return Err(error.context(recorder.name())),
            };
            if let Some(measured) = &measured {
                measured.print(recorder.name());
            }
            round.push(measured);
        }
        rounds.push(round);
    }
    load.kill()?;
    load.wait()?;
    aggregations::stop();
    if args.rounds > 1 {
        medians(&recorders, &rounds)?;
    }
    beside::zigzag()
}

const HEAD: &str = "recorder                       CPU s  wall s  first aggregation    emitted   recorded    missing  bytes/sample  peak MiB  kdamond us/event";

impl Measured {
    fn missing(&self) -> u64 {
        self.emitted.saturating_sub(self.contents.samples)
    }

    fn bytes_per_sample(&self) -> f64 {
        self.contents.bytes as f64 / self.contents.samples.max(1) as f64
    }

    fn print(&self, name: &str) {
        let first = format!("{} of {}", self.first, self.aggregations);
        let kdamond = self.kdamond_cpu.map(|s| format!("{:.2}", s * 1e6));
        println!(
            "{name:28} {:7.3} {:7.1} {first:>18} {:10} {:10} {:10} {:13.2} {:9.1} {:>17}",
            self.used.cpu_s,
            self.used.wall_s,
            self.emitted,
            self.contents.samples,
            self.missing(),
            self.bytes_per_sample(),
            self.used.peak_kib as f64 / 1024.0,
            kdamond.as_deref().unwrap_or("-"),
        );
    }
}

/// The middle round of each, and how often ours goes into it: the middle of
/// the rounds' ratios.
fn medians(recorders: &[Recorder], rounds: &[Vec<Option<Measured>>]) -> Result<()> {
    println!(
        "\nmedians of {} rounds (and as multiples of damo's)",
        rounds.len()
    );
    println!(
        "| | CPU seconds | wall seconds | first aggregation | samples recorded | bytes per sample | peak memory, MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    let ours = recorders.iter().position(|r| *r == Recorder::Ours);
    for (index, recorder) in recorders.iter().enumerate() {
        if rounds.iter().all(|round| in_round(round, index).is_none()) {
            println!("| {} | failed |", recorder.name());
            continue;
        }
        let middle = |value: &dyn Fn(&Measured) -> f64| {
            let measured = rounds.iter().filter_map(|round| in_round(round, index));
            median(measured.map(value))
        };
        let beside = |value: &dyn Fn(&Measured) -> f64| -> Result<String> {
            let absolute = middle(value)?;
            let Some(ours) = ours.filter(|ours| *ours != index) else {
                return Ok(format!("{absolute:.2}"));
            };
            let ratios = rounds.iter().filter_map(|round| {
                Some(value(in_round(round, index)?) / value(in_round(round, ours)?))
            });
            Ok(format!("{absolute:.2} ({:.1}×)", median(ratios)?))
        };
        println!(
            "| {} | {} | {} | {:.0} | {:.1} % | {} | {} |",
            recorder.name(),
            beside(&|m| m.used.cpu_s)?,
            beside(&|m| m.used.wall_s)?,
            middle(&|m| m.first as f64)?,
            middle(&|m| m.contents.samples as f64 * 100.0 / m.emitted.max(1) as f64)?,
            beside(&Measured::bytes_per_sample)?,
            beside(&|m| m.used.peak_kib as f64 / 1024.0)?,
        );
    }
    println!();
    Ok(())
}

/// What a recorder took in a round, unless it failed.
fn in_round(round: &[Option<Measured>], index: usize) -> Option<&Measured> {
    round.get(index)?.as_ref()
}

fn median(values: impl Iterator<Item = f64>) -> Result<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().context("no rounds")
}
