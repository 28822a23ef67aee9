//! `damo record`: what is typed → a [`Plan`] → recording it.

use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::do_record::DoRecordArgs;
use super::filters::FilterArgs;
use super::follow::FollowArgs;
use super::request::{Request, RequestArgs};
use super::rotate::RotateArgs;
use super::service::ServiceArgs;
use super::snapshot::SnapshotArgs;
use super::summary::SummaryArgs;
use super::{Outcome, UsageError};
use crate::control::{Module, Stop, System, others};
use crate::model::units::{self, TimeUnit};
use crate::recorder::{self, Ended, Filters, Ours, Plan, Report, Scope, Which};
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
  sudo damo record ongoing               whatever DAMON is doing, untouched
  sudo damo record --kdamond 1           one of sysfs's kdamonds, as it runs
  sudo damo record --follow-command nginx    each nginx, now and later
Then: damo report heats --heatmap stdout, damo report wss, damo report raw")]
pub struct Args {
    #[command(flatten)]
    request: RequestArgs,

    #[command(flatten)]
    follow: FollowArgs,

    /// Record a module's kdamond, which runs already
    #[arg(long, value_name = "MODULE")]
    module: Option<ModuleArg>,

    /// Watch what the processes begin, too (as by default)
    #[arg(long = "include_child_tasks")]
    include_child_tasks: bool,

    /// Watch only the processes themselves
    #[arg(long = "exclude_child_tasks", conflicts_with = "include_child_tasks")]
    exclude_child_tasks: bool,

    /// Record each region that a scheme is about to be applied to, too
    #[arg(long = "schemes_target_regions", hide_short_help = true)]
    schemes_target_regions: bool,

    /// File to write (a folder with --rotate); an older one is kept as FILE.old
    #[arg(short, long, value_name = "FILE", default_value = "damon.data")]
    out: PathBuf,

    #[command(flatten)]
    rotate: RotateArgs,

    #[command(flatten)]
    snapshot: SnapshotArgs,

    #[command(flatten)]
    filters: FilterArgs,

    #[command(flatten)]
    do_record: DoRecordArgs,

    #[command(flatten)]
    service: ServiceArgs,

    #[command(flatten)]
    pub(super) summary: SummaryArgs,

    /// Permissions of the file, octal
    #[arg(
        long = "output_permission",
        value_name = "MODE",
        default_value = "600",
        value_parser = parse_mode
    )]
    output_permission: u32,

    /// Stop after this time; a number is in seconds
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    timeout: Option<Duration>,

    /// Size of the ring buffer between kernel and recorder [default: 4MiB; 256KiB
    /// with --summary]
    #[arg(long, value_name = "SIZE", value_parser = parse_ring, hide_short_help = true)]
    ring: Option<u32>,

    /// Print what the BPF program logs
    #[arg(long = "debug-bpf", hide_short_help = true)]
    debug_bpf: bool,
}

/// Runs the command.
///
/// # Errors
/// What was typed cannot be used, or the recording failed.
pub fn run(mut args: Args, stdout: &mut dyn Write) -> Result<Outcome> {
    if args.debug_bpf {
        print_log();
    }
    let (snapshots, filters) = (args.snapshot.snapshots()?, args.filters.filters()?);
    args.request.what.add(args.snapshot.swallowed());
    if args.service.service && !args.request.dry_run {
        put_back_predecessors()?;
    }
    let followed = args.follow.followed()?;
    let ongoing = match followed {
        Some(_) => None,
        None => args.ongoing()?,
    };
    let scope = match ongoing {
        Some(_) if snapshots.is_some() => {
            let text = "--snapshot: only of a DAMON that is set up for it; what runs already is recorded without";
            return Err(UsageError(text.to_owned()).into());
        }
        Some(which) => Scope::Ongoing(which),
        None => {
            let mut request = match followed {
                Some((option, who)) => args.request.following(option, who)?,
                None => args.request.request()?,
            };
            if args.request.dry_run {
                if let Some(snapshots) = snapshots {
                    snapshots.show_in(&mut request.params)?;
                }
                return request.print(stdout);
            }
            Scope::Ours(args.ours(request, &filters)?)
        }
    };
    let out = args.out.clone();
    announce(match &scope {
        Scope::Ours(ours) => ours.command.as_ref(),
        Scope::Ongoing(_) => None,
    });
    let plan = args.plan(filters)?;
    let is_summary = plan.summary.is_some();
    let debug = plan.tap.debug;
    let report = match (snapshots, scope) {
        (Some(snapshots), Scope::Ours(ours)) => {
            recorder::record_snapshots(snapshots.plan(ours, plan))?
        }
        (_, scope) => recorder::record(scope, plan)?,
    };
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
    summarize(&out, &report, is_summary);
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

/// A service that was killed is started again: what it left on is neither in its
/// way, nor somebody else's to be recorded.
fn put_back_predecessors() -> Result<()> {
    if let Some(stop) = Stop::of_predecessor(&System::live())? {
        stop.run()?;
        tell("damo: this service was killed before; DAMON was put back, and is begun anew");
    }
    Ok(())
}

/// What a recording came to, in a line.
fn summarize(out: &std::path::Path, report: &Report, is_summary: bool) {
    let stats = &report.stats;
    tell(format_args!(
        "{}: {}{} snapshots, {} region samples, {} in {:.1} s, {} lost{}",
        out.display(),
        if is_summary { "a summary of " } else { "" },
        units::format_number(stats.snapshots),
        units::format_number(stats.samples),
        units::format_size(stats.bytes as f64),
        report.duration.as_secs_f64(),
        units::format_number(stats.lost),
        match report.left_out {
            0 => String::new(),
            samples => format!(", {} left out", units::format_number(samples)),
        },
    ));
    if let Some(profile) = &report.profile {
        tell(format_args!("{}: the profile beside it", profile.display()));
    }
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
    /// What runs already, if that is to be recorded.
    fn ongoing(&self) -> Result<Option<Which>> {
        let ongoing = self.request.ongoing()?;
        let which = match (self.module, ongoing) {
            (Some(_), Some(Some(_))) => None,
            (Some(module), _) if ongoing.is_some() || self.request.is_bare() => {
                return Ok(Some(Which::Of(module.into())));
            }
            (Some(_), _) => None,
            (None, Some(Some(index))) => return Ok(Some(Which::Index(index))),
            (None, Some(None)) => return Ok(Some(Which::All)),
            (None, None) if self.request.is_bare() && something_runs() => {
                tell(
                    "damo: DAMON runs, and is recorded as it is; `damo record paddr` would be a recording of its own",
                );
                Some(Which::All)
            }
            (None, None) => return Ok(None),
        };
        if which.is_none() {
            let text = "--module: what runs already is recorded as it is; leave the target and its parameters out";
            return Err(UsageError(text.to_owned()).into());
        }
        Ok(which)
    }

    fn ours(&self, request: Request, filters: &Filters) -> Result<Ours> {
        for (.., context) in request.params.contexts() {
            if let Some(intervals) = context.fixed_intervals() {
                let checked = filters.check(&intervals);
                checked.map_err(|nothing| UsageError(nothing.to_string()))?;
            }
        }
        Ok(Ours {
            params: request.params,
            command: request.command,
            follow: request.follow,
            places: recorder::PLACES,
            as_root: self.request.as_root,
            children: !self.exclude_child_tasks,
            options: request.options,
        })
    }

    fn plan(self, filters: Filters) -> Result<Plan> {
        let what = self.do_record.choice(self.summary.is_wanted());
        let summary = self.summary.every(what.access)?;
        if what.cpu_profile && self.follow.is_used() {
            let text = "--do_record cpu_profile: perf cannot follow processes that come later; leave it out";
            return Err(UsageError(text.to_owned()).into());
        }
        Ok(Plan {
            filters,
            summary,
            access: what.access,
            around: what.around,
            cpu_profile: what.cpu_profile,
            max_cpu: self.service.max_cpu,
            service: self.service.service,
            rotation: self.rotate.rotation()?,
            out: self.out,
            mode: self.output_permission,
            timeout: self.timeout,
            tap: source::Options {
                ring_bytes: self.ring.unwrap_or(match summary {
                    None => source::Options::default().ring_bytes,
                    Some(_) => SUMMARY_RING,
                }),
                summary: summary.is_some(),
                debug: self.debug_bpf,
                wanted: source::Wanted {
                    applied: self.schemes_target_regions,
                    ..source::Wanted::default()
                },
            },
            command_line: std::env::args_os()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect(),
        })
    }
}

/// Bytes of the ring where no regions go through it: 2900 forks, exits and the
/// like in a second.
const SUMMARY_RING: u32 = 256 << 10;

/// Whether any kdamond runs.
fn something_runs() -> bool {
    others::kdamond_threads(&System::live()).is_ok_and(|threads| !threads.is_empty())
}

/// DAMON's modules, as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModuleArg {
    #[value(alias = "damon_stat")]
    Stat,
    #[value(alias = "damon_reclaim")]
    Reclaim,
    #[value(alias = "damon_lru_sort", alias = "lru-sort")]
    #[value(name = "lru_sort")]
    LruSort,
}

impl From<ModuleArg> for Module {
    fn from(typed: ModuleArg) -> Module {
        match typed {
            ModuleArg::Stat => Module::Stat,
            ModuleArg::Reclaim => Module::Reclaim,
            ModuleArg::LruSort => Module::LruSort,
        }
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
