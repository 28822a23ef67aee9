//! Records live samples into a file: sets DAMON up or takes it as it runs, taps
//! its tracepoints, writes what comes, and puts everything back on every way out.
//!
//! Order matters: the tap is attached before DAMON is switched on, so that the
//! first aggregation is recorded; a command is held before its first
//! instruction until DAMON watches it; at the end DAMON is switched off, the
//! ring drained and the counters read before the file is closed.

mod anew;
pub mod around;
mod aside;
mod begin;
mod behind;
mod children;
pub mod cpu_budget;
mod destination;
mod error;
mod follow;
mod glance;
mod kdamonds;
mod keeper;
pub mod merge;
pub mod needs;
mod outlet;
mod pace;
pub mod profile;
mod progress;
mod pump;
mod retention;
mod sieve;
mod snapshots;
mod spool;
pub mod status;
mod summary;
mod targets;
mod teller;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use damo_ebpf::Kdamond;

use crate::control::params::Params;
use crate::control::{NotRestored, Options as ControlOptions, Session, System};
use crate::source::Options as TapOptions;
use crate::store::Stats;
use crate::sys::caller::Caller;
use crate::sys::child::{self, Running};
use crate::sys::command_line::CommandLine;
use crate::watch::{self, Signals, Watched};

pub use anew::PLACES;
use begin::{Begun, begin_followed, begin_ongoing, begin_ours, targets_of};
pub use behind::Behind;
pub use error::RecordError;
pub use follow::Followed;
pub use glance::{Glance, GlanceError, glance, glance_filtered, glance_tried};
pub use kdamonds::Which;
pub use profile::Profile;
pub use pump::Ended;
pub use retention::Rotation;
pub use sieve::{Filters, NothingMatches, Sieve};
pub use snapshots::{SnapshotError, SnapshotPlan, View, add_stat_schemes, record_snapshots};

/// How long a command that damo started may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// What is recorded.
#[derive(Clone, Debug)]
pub enum Scope {
    /// DAMON, set up for it.
    Ours(Ours),
    /// What runs already, or will: nothing of it is changed.
    Ongoing(Which),
}

/// What DAMON is to do for a recording.
#[derive(Clone, Debug)]
pub struct Ours {
    /// The parameters, with [`Watched::stand_in`] for the command's pid.
    pub params: Params,
    /// What to start.
    pub command: Option<CommandLine>,
    /// Run it as root even if somebody else asked through sudo.
    pub as_root: bool,
    /// Watch the children of the processes, too.
    pub children: bool,
    /// Watch these, whenever they come: `params` have one kdamond then, for
    /// virtual address spaces, and a stand-in for its targets.
    pub follow: Option<Followed>,
    /// Most targets of a kdamond, those included that are gone: [`PLACES`], unless
    /// for a test.
    pub places: usize,
    /// What may be done to others' use of DAMON.
    pub options: ControlOptions,
}

/// Everything a recording needs to know beforehand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to write.
    pub out: PathBuf,
    /// Permission bits of the file.
    pub mode: u32,
    /// Segments in a folder, instead of a file.
    pub rotation: Option<Rotation>,
    /// What is written of what DAMON reports.
    pub filters: Filters,
    /// Whether regions are recorded at all.
    pub access: bool,
    /// Summaries instead of regions, and how often.
    pub summary: Option<Duration>,
    /// What else is looked at.
    pub around: around::Choice,
    /// `perf record` beside it.
    pub cpu_profile: bool,
    /// The share of a processor that may be used, as a part of 1.
    pub max_cpu: Option<f64>,
    /// Left running: tells systemd, rotates on SIGHUP, waits for DAMON.
    pub service: bool,
    /// When to end, if nothing else ends the recording before.
    pub timeout: Option<Duration>,
    /// The tap's settings.
    pub tap: TapOptions,
    /// damo's own command line, for the record.
    pub command_line: Vec<String>,
}

/// How a recording went.
#[derive(Debug)]
pub struct Report {
    /// What ended it.
    pub ended: Ended,
    /// What the file holds, and how much was lost.
    pub stats: Stats,
    /// Region samples that were left out on purpose.
    pub left_out: u64,
    /// What the BPF program counted, in all.
    pub counters: Kdamond,
    /// Length of the recording.
    pub duration: Duration,
    /// The profile that was made beside it.
    pub profile: Option<PathBuf>,
    /// How the command ended, if damo started one and it ended by itself.
    pub status: Option<child::Ended>,
}

/// Records until the target ends, the time is up or a signal comes.
///
/// # Errors
/// Something could not be set up, or the file could not be written to its end.
/// DAMON is put back and a started command is ended first, either way.
pub fn record(scope: Scope, plan: Plan) -> Result<Report, RecordError> {
    let runtime = watch::runtime().map_err(RecordError::Runtime)?;
    runtime.block_on(run(scope, plan))
}

async fn run(scope: Scope, plan: Plan) -> Result<Report, RecordError> {
    // Caught from here on: a signal during set-up must not skip putting back.
    let hangup_ends = !plan.service;
    let mut signals = Signals::listen_to(hangup_ends).map_err(RecordError::Runtime)?;
    let system = System::live();
    let caller = Caller::from_env()?;
    if !system.sees_kernel_threads() {
        return Err(RecordError::PidNamespace);
    }
    let begun = match scope {
        Scope::Ours(mut ours) => match ours.follow.take() {
            Some(who) => begin_followed(&plan, &system, caller.as_ref(), ours, who)?,
            None => begin_ours(&plan, &system, caller.as_ref(), ours)?,
        },
        Scope::Ongoing(which) => begin_ongoing(&plan, &system, caller.as_ref(), which)?,
    };
    let Begun {
        mut session,
        watched,
        profile,
        mut pump,
    } = begun;
    if signals.came().await {
        return Err(RecordError::Interrupted);
    }
    // From here on there is something to keep.
    pump.keep()?;
    let command = watched.map(Watched::release).transpose();
    let (processes, command) = command.map_err(RecordError::Runtime)?.unwrap_or_default();
    pump.watch(processes);

    let begun = Instant::now();
    let pumped = pump.run(&mut session, plan.timeout, &mut signals).await;
    let duration = begun.elapsed();
    // Each of these is done, whatever failed before it; the disk, which may
    // take its time, comes last. What `turn_off` cannot do, `restore` tries
    // again and tells.
    if let Some(profile) = &profile {
        profile.interrupt();
    }
    if let Some(session) = &mut session {
        let _ = session.turn_off();
    }
    let stopped = pump.stop();
    let restored = session.as_mut().map_or(Ok(()), Session::restore);
    let status = command.map(|command| end(command, &pumped));
    let profile = profile.and_then(Profile::end);
    let left_out = pump.left_out();
    let closed = pump.close();
    let report = || {
        let stats = closed?;
        Ok(Report {
            ended: pumped?,
            stats,
            left_out,
            counters: stopped?,
            duration,
            profile,
            status: status.transpose().map_err(RecordError::Runtime)?.flatten(),
        })
    };
    put_together(report(), restored)
}

/// A report, and whether DAMON is as it was.
fn put_together(
    report: Result<Report, RecordError>,
    restored: Result<(), NotRestored>,
) -> Result<Report, RecordError> {
    match (report, restored) {
        (report, Ok(())) => report,
        (Ok(_), Err(left)) => Err(left.into()),
        (Err(error), Err(left)) => Err(RecordError::AndLeft {
            error: Box::new(error),
            left,
        }),
    }
}

/// Ends a command, unless it has ended.
fn end(
    mut command: Running,
    pumped: &Result<Ended, RecordError>,
) -> std::io::Result<Option<child::Ended>> {
    match pumped {
        Ok(Ended::Target) => command.wait().map(Some),
        _ => command.terminate(GRACE).map(|_| None),
    }
}
