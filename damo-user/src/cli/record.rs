//! `damo record`: what is typed → a [`Plan`] → recording it.

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::{Outcome, UsageError};
use crate::control::{Spec, TargetSpec};
use crate::model::units::{self, TimeUnit};
use crate::model::{Intervals, Ops};
use crate::recorder::{self, Ended, Plan, Report, Watch};
use crate::source;
use crate::sys::command_line::{CommandError, CommandLine};
use crate::sys::{iomem, output};

/// Record data accesses into a file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo damo record \"sleep 5\"             a command, from its first instruction on
  sudo damo record $(pidof postgres)     running processes
  sudo damo record paddr --timeout 60s   all physical memory, for a minute
Then: damo report heats --heatmap stdout, damo report wss, damo report raw")]
pub struct Args {
    /// What to watch: a command line, process ids, or `paddr` for the
    /// physical memory; a number is a process id
    ///
    /// One argument is split as a shell would split it, and run by `sh` if it
    /// has the shell's special characters; several are taken as they are, after
    /// `--` if there are options among them. The command runs as the user who
    /// called sudo, is held until DAMON watches it, and ends with the recording.
    #[arg(required = true, value_name = "TARGET")]
    target: Vec<OsString>,

    /// File to write; an older one is kept as FILE.old
    #[arg(short, long, value_name = "FILE", default_value = "damon.data")]
    out: PathBuf,

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

    /// Run the command as root, not as the user who called sudo
    #[arg(long = "as-root")]
    as_root: bool,

    /// Switch DAMON_STAT off meanwhile: it lets nobody else use DAMON
    #[arg(long = "pause-damon-stat")]
    pause_damon_stat: bool,

    /// Operations set
    #[arg(long, value_enum, value_name = "OPS")]
    ops: Option<OpsArg>,

    /// Time between two checks of a region; a number is in microseconds
    #[arg(short, long, value_name = "TIME", default_value = "5ms", value_parser = parse_us)]
    sample: u64,

    /// Time over which checks are counted; a number is in microseconds
    #[arg(short, long, value_name = "TIME", default_value = "100ms", value_parser = parse_us)]
    aggr: u64,

    /// Time between two updates of the address ranges; a number is in microseconds
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = parse_us)]
    updr: u64,

    /// Fewest regions
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    minr: u64,

    /// Most regions
    #[arg(short = 'm', long, value_name = "N", default_value_t = 1000)]
    maxr: u64,

    /// Address ranges to watch, as "START-END START-END"
    #[arg(short, long, value_name = "RANGES", value_parser = parse_regions)]
    regions: Option<Regions>,

    /// Size of the ring buffer between kernel and recorder
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = parse_ring)]
    ring: u32,

    /// Print what the BPF program logs
    #[arg(long = "debug-bpf")]
    debug_bpf: bool,
}

/// DAMON's operations sets, as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OpsArg {
    /// Virtual address spaces; ranges follow the mappings
    Vaddr,
    /// Fixed ranges of virtual address spaces
    Fvaddr,
    /// The physical address space
    Paddr,
}

/// Ranges of `--regions`, `[start, end)` in bytes.
#[derive(Clone, Debug)]
struct Regions(Vec<(u64, u64)>);

/// Runs the command.
///
/// # Errors
/// What was typed cannot be used, or the recording failed.
pub fn run(args: Args) -> Result<Outcome> {
    if args.debug_bpf {
        print_log();
    }
    let out = args.out.clone();
    let plan = args.plan()?;
    if let Watch::Command(command) = &plan.watch
        && let Some(note) = command.note()
    {
        let _ = writeln!(stderr(), "damo: {note}");
    }
    if stderr().is_terminal() && !matches!(plan.watch, Watch::Command(_)) {
        let _ = writeln!(stderr(), "Press Ctrl+C to stop");
    }
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
    let _ = writeln!(
        stderr(),
        "{}: {} snapshots, {} region samples, {} in {:.1} s, {} lost",
        out.display(),
        units::format_number(stats.snapshots),
        units::format_number(stats.samples),
        units::format_size(stats.bytes as f64),
        report.duration.as_secs_f64(),
        units::format_number(stats.lost),
    );
}

impl Args {
    fn plan(self) -> Result<Plan> {
        let watch = deduce(&self.target)?;
        let physical = matches!(watch, Watch::Physical);
        let ops = match self.ops {
            Some(OpsArg::Vaddr) => Ops::Vaddr,
            Some(OpsArg::Fvaddr) => Ops::Fvaddr,
            Some(OpsArg::Paddr) => Ops::Paddr,
            None if physical => Ops::Paddr,
            None => Ops::Vaddr,
        };
        if physical != (ops == Ops::Paddr) {
            return Err(UsageError(format!(
                "--ops {} does not go with the target '{}': paddr watches the physical memory, the others watch processes",
                ops.keyword(),
                self.target.join(OsStr::new(" ")).display(),
            ))
            .into());
        }
        let regions = match self.regions {
            Some(Regions(regions)) => regions,
            None if physical => {
                // Without the rights, the addresses read as zeros: ask first.
                recorder::check(self.pause_damon_stat)?;
                iomem::system_ram()?
            }
            None => Vec::new(),
        };
        let target = |pid| TargetSpec {
            pid,
            regions: regions.clone(),
        };
        let targets = match &watch {
            Watch::Pids(pids) => pids.iter().map(|&pid| target(Some(pid))).collect(),
            // A command's pid is not known yet: ours stands in for it, so that
            // everything else can be checked before the command is started.
            Watch::Command(_) => vec![target(Some(std::process::id()))],
            Watch::Physical => vec![target(None)],
        };
        let spec = Spec {
            ops,
            targets,
            intervals: Intervals {
                sample_us: self.sample,
                aggr_us: self.aggr,
                update_us: self.updr,
            },
            nr_regions: (self.minr, self.maxr),
        };
        spec.validate()
            .map_err(|error| UsageError(error.to_string()))?;
        Ok(Plan {
            watch,
            spec,
            out: self.out,
            mode: self.output_permission,
            timeout: self.timeout,
            as_root: self.as_root,
            pause_damon_stat: self.pause_damon_stat,
            tap: source::Options {
                ring_bytes: self.ring,
                debug: self.debug_bpf,
            },
            command: std::env::args_os()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect(),
        })
    }
}

/// The keyword, process ids, or a command.
fn deduce(words: &[OsString]) -> Result<Watch> {
    if let Some(pids) = numbers(words) {
        let mut once: Vec<u32> = Vec::new();
        for number in pids {
            let pid = number
                .parse()
                .ok()
                .filter(|&pid| pid > 0 && pid <= MOST_PID);
            let pid = pid.ok_or_else(|| {
                UsageError(format!(
                    "{number}: a process id is a number from 1 to {MOST_PID}"
                ))
            })?;
            // One given twice is watched once.
            if !once.contains(&pid) {
                once.push(pid);
            }
        }
        return Ok(Watch::Pids(once));
    }
    if let [only] = words
        && only == "paddr"
    {
        return Ok(Watch::Physical);
    }
    match CommandLine::from_args(words.to_vec()) {
        Ok(command) => Ok(Watch::Command(command)),
        Err(error @ (CommandError::Empty | CommandError::Unclosed(_))) => {
            Err(UsageError(error.to_string()).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The words, if there are any and all are made of digits: `$(pidof …)` may
/// give several in one argument.
fn numbers(words: &[OsString]) -> Option<Vec<&str>> {
    let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    let numbers: Vec<&str> = words?
        .iter()
        .flat_map(|word| word.split_whitespace())
        .collect();
    let all_digits = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
    (!numbers.is_empty() && numbers.iter().all(all_digits)).then_some(numbers)
}

/// The largest process id that Linux can have.
const MOST_PID: u32 = i32::MAX.cast_unsigned();

fn parse_us(text: &str) -> Result<u64, units::UnitError> {
    units::parse_time_us(text, TimeUnit::Us)
}

fn parse_timeout(text: &str) -> Result<Duration, units::UnitError> {
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

fn parse_regions(text: &str) -> Result<Regions> {
    let number = |text: &str| {
        let text = text.replace(',', "");
        match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => text.parse(),
        }
    };
    text.split_whitespace()
        .map(|range| {
            let (start, end) = range.split_once('-')?;
            Some((number(start).ok()?, number(end).ok()?))
        })
        .collect::<Option<Vec<_>>>()
        .filter(|regions| !regions.is_empty())
        .map(Regions)
        .context("write ranges as \"START-END START-END\", in bytes, decimal or 0x…")
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

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn deduces_the_target() {
        assert!(matches!(deduce(&words(&["paddr"])), Ok(Watch::Physical)));
        assert!(matches!(deduce(&words(&["42"])), Ok(Watch::Pids(pids)) if pids == [42]));
        assert!(matches!(deduce(&words(&["42 43"])), Ok(Watch::Pids(pids)) if pids == [42, 43]));
        assert!(
            matches!(deduce(&words(&["7", "42", "7"])), Ok(Watch::Pids(pids)) if pids == [7, 42])
        );
        assert!(matches!(
            deduce(&words(&["sleep 5"])),
            Ok(Watch::Command(_))
        ));
        assert!(matches!(
            deduce(&words(&["sleep", "5"])),
            Ok(Watch::Command(_))
        ));
        for unusable in ["99999999999", "0", "", "sleep 'x"] {
            let error = deduce(&words(&[unusable])).unwrap_err();
            assert!(error.is::<UsageError>(), "{unusable}: {error}");
        }
    }

    #[test]
    fn options_may_follow_the_target() {
        use clap::Parser;

        #[derive(Parser)]
        struct Record {
            #[command(flatten)]
            args: Args,
        }
        let parse = |words: &[&str]| Record::try_parse_from(words).map(|record| record.args);
        let args = parse(&["record", "paddr", "--timeout", "60"]).unwrap();
        assert_eq!(
            (args.target, args.timeout),
            (words(&["paddr"]), Some(Duration::from_secs(60)))
        );
        let args = parse(&["record", "-m", "50", "--", "ls", "-m"]).unwrap();
        assert_eq!((args.target, args.maxr), (words(&["ls", "-m"]), 50));
    }

    #[test]
    fn reads_ranges_and_refuses_others() {
        assert_eq!(
            parse_regions("1-2 0x10-0x20").unwrap().0,
            [(1, 2), (16, 32)]
        );
        assert_eq!(parse_regions("4,096-8,192").unwrap().0, [(4096, 8192)]);
        for bad in ["", "1", "1-", "a-b", "1-2-3", "-1-2"] {
            assert!(parse_regions(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rings_are_powers_of_two() {
        assert_eq!(parse_ring("4KiB").unwrap(), 4096);
        for bad in ["0", "5000", "2G", "1", "x"] {
            assert!(parse_ring(bad).is_err(), "{bad}");
        }
    }
}
