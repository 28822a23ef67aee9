//! `damo record`: what is typed → a [`Plan`] → recording it.

use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Outcome;
use super::request::{Request, RequestArgs};
use super::rotate::RotateArgs;
use crate::model::units::{self, TimeUnit};
use crate::recorder::{self, Ended, Plan, Report};
use crate::source;
use crate::sys::command_line::CommandLine;
use crate::sys::output;
use crate::sys::tell::tell;

/// Record data accesses into a file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo damo record \"sleep 5\"             a command, from its first instruction on
  sudo damo record $(pidof postgres)     running processes
  sudo damo record paddr --timeout 60s   all physical memory, for a minute
Then: damo report heats --heatmap stdout, damo report wss, damo report raw")]
pub struct Args {
    #[command(flatten)]
    request: RequestArgs,

    /// File to write (a folder with --rotate); an older one is kept as FILE.old
    #[arg(short, long, value_name = "FILE", default_value = "damon.data")]
    out: PathBuf,

    #[command(flatten)]
    rotate: RotateArgs,

    /// Permissions of the file, octal
    #[arg(
        long = "output_permission",
        visible_alias = "output-permission",
        value_name = "MODE",
        default_value = "600",
        value_parser = parse_mode
    )]
    output_permission: u32,

    /// Stop after this time; a number is in seconds
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    timeout: Option<Duration>,

    /// Size of the ring buffer between kernel and recorder
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = parse_ring)]
    ring: u32,

    /// Print what the BPF program logs
    #[arg(long = "debug-bpf")]
    debug_bpf: bool,
}

/// Runs the command.
///
/// # Errors
/// What was typed cannot be used, or the recording failed.
pub fn run(args: Args, stdout: &mut dyn Write) -> Result<Outcome> {
    if args.debug_bpf {
        print_log();
    }
    let request = args.request.request()?;
    if args.request.dry_run {
        return request.print(stdout);
    }
    let out = args.out.clone();
    let plan = args.plan(request)?;
    announce(plan.command.as_ref());
    let debug = plan.tap.debug;
    let report = recorder::record(plan)?;
    if debug {
        let counted = &report.counters;
        let _ = writeln!(
            stderr(),
            "bpf: saw {} events, lost {}, announced and not seen {}, notified {} times",
            counted.seen,
            counted.lost,
            counted.unseen,
            counted.wakeups,
        );
    }
    summarize(&out, &report);
    Ok(match report {
        Report {
            ended: Ended::SwitchedOff,
            ..
        } => anyhow::bail!(
            "somebody else switched DAMON off before the end; the record holds what came until then"
        ),
        Report { ref stats, .. } if stats.lost > 0 => Outcome::Lost,
        Report {
            status: Some(status),
            ..
        } => Outcome::Child(status.code()),
        Report { .. } => Outcome::Done,
    })
}

/// What a recording came to, in a line.
fn summarize(out: &std::path::Path, report: &Report) {
    let stats = &report.stats;
    tell(format_args!(
        "{}: {} snapshots, {} region samples, {} in {:.1} s, {} lost",
        out.display(),
        units::format_number(stats.snapshots),
        units::format_number(stats.samples),
        units::format_size(stats.bytes as f64),
        report.duration.as_secs_f64(),
        units::format_number(stats.lost),
    ));
}

/// Says what a command is taken for, and how to end what has no other end.
pub fn announce(command: Option<&CommandLine>) {
    if let Some(note) = command.and_then(CommandLine::note) {
        tell(format_args!("damo: {note}"));
    }
    if stderr().is_terminal() && command.is_none() {
        let _ = writeln!(stderr(), "Press Ctrl+C to stop");
    }
}

impl Args {
    fn plan(self, request: Request) -> Result<Plan> {
        Ok(Plan {
            rotation: self.rotate.rotation()?,
            params: request.params,
            command: request.command,
            out: self.out,
            mode: self.output_permission,
            timeout: self.timeout,
            as_root: self.request.as_root,
            options: request.options,
            tap: source::Options {
                ring_bytes: self.ring,
                debug: self.debug_bpf,
            },
            command_line: std::env::args_os()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect(),
        })
    }
}

pub fn parse_timeout(text: &str) -> Result<Duration, units::UnitError> {
    units::parse_time_ns(text, TimeUnit::S).map(Duration::from_nanos)
}

fn parse_mode(text: &str) -> Result<u32, output::OutputError> {
    output::parse_mode(text)
}

fn parse_ring(text: &str) -> Result<u32> {
    let bytes = units::parse_size(text)?;
    let page = rustix::param::page_size() as u64;
    u32::try_from(bytes)
        .ok()
        .filter(|bytes| bytes.is_power_of_two() && u64::from(*bytes) >= page && *bytes <= 1 << 30)
        .with_context(|| format!("must be a power of two from {page} bytes to 1GiB"))
}

/// Prints what the BPF program logs to stderr.
fn print_log() {
    struct Stderr;

    impl log::Log for Stderr {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            let _ = writeln!(stderr(), "bpf: {}", record.args());
        }

        fn flush(&self) {}
    }

    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_powers_of_two() {
        assert_eq!(parse_ring("4KiB").unwrap(), 4096);
        for bad in ["0", "5000", "2G", "1", "x"] {
            assert!(parse_ring(bad).is_err(), "{bad}");
        }
    }
}
