//! Records live samples into a file: sets DAMON up, taps its tracepoint, writes
//! what comes, and puts everything back on every way out.
//!
//! Order matters: the tap is attached before DAMON is switched on, so that the
//! first aggregation is recorded; a command is held before its first
//! instruction until DAMON watches it; at the end DAMON is switched off, the
//! ring drained and the counters read before the file is closed.

mod destination;
mod error;
mod progress;
mod pump;
mod retention;
mod sieve;
mod snapshots;
mod spool;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use damo_ebpf::Kdamond;

use crate::control::params::{Context, Params};
use crate::control::{Options as ControlOptions, Session, System, others};
use crate::model::{Meta, TargetInfo};
use crate::source::{Assembler, Options as TapOptions, Tap};
use crate::store::Stats;
use crate::sys::caller::Caller;
use crate::sys::child;
use crate::sys::clock;
use crate::sys::command_line::CommandLine;
use crate::sys::host::Host;
use crate::sys::process::Process;
use crate::watch::{self, Signals, Watched};

use destination::{Destination, Place};
pub use error::RecordError;
pub use pump::Ended;
use pump::Pump;
pub use retention::Rotation;
pub use sieve::{Filters, NothingMatches, Sieve};
pub use snapshots::{SnapshotError, SnapshotPlan, View, add_stat_schemes, record_snapshots};

/// How long a command that damo started may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// Everything a recording needs to know beforehand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// DAMON's parameters, of one kdamond, with [`Watched::stand_in`] for the
    /// command's pid.
    pub params: Params,
    /// What to start.
    pub command: Option<CommandLine>,
    /// Where to write.
    pub out: PathBuf,
    /// Permission bits of the file.
    pub mode: u32,
    /// Segments in a folder, instead of a file.
    pub rotation: Option<Rotation>,
    /// What is written of what DAMON reports.
    pub filters: Filters,
    /// When to end, if nothing else ends the recording before.
    pub timeout: Option<Duration>,
    /// Run the command as root even if somebody else asked through sudo.
    pub as_root: bool,
    /// What may be done to others' use of DAMON.
    pub options: ControlOptions,
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
    /// Region samples of which the filters left nothing: they are not lost.
    pub left_out: u64,
    /// What the BPF program counted.
    pub counters: Kdamond,
    /// Length of the recording.
    pub duration: Duration,
    /// How the command ended, if damo started one and it ended by itself.
    pub status: Option<child::Ended>,
}

/// Records until the target ends, the time is up or a signal comes.
///
/// # Errors
/// Something could not be set up, or the file could not be written to its end.
/// DAMON is put back and a started command is ended first, either way.
pub fn record(plan: Plan) -> Result<Report, RecordError> {
    let runtime = watch::runtime().map_err(RecordError::Runtime)?;
    runtime.block_on(run(plan))
}

async fn run(mut plan: Plan) -> Result<Report, RecordError> {
    // Caught from here on: a signal during set-up must not skip putting back.
    let mut signals = Signals::listen().map_err(RecordError::Runtime)?;
    let system = System::live();
    Session::check(&system, plan.options)?;
    let context = plan.context()?.clone();
    let caller = Caller::from_env()?;
    let owner = caller.as_ref().map(Caller::owner);
    // Each of these takes itself back when it is dropped: the file, which has
    // no name yet, is gone; the command is killed; DAMON is put back.
    let place = Place::create(&plan.out, plan.mode, owner, plan.rotation)?;
    let run_as = caller.as_ref().filter(|_| !plan.as_root);
    let watched = Watched::find(&mut plan.params, plan.command.as_ref(), run_as)?;
    let mut session = Session::prepare(&system, &plan.params, plan.options)?;
    let mut tap = Tap::attach(&others::kdamond_threads(&system)?, &plan.tap)?;

    let mut assembler = Assembler::new(context.fixed_intervals(), context.addr_unit);
    let (mono_ns, wall_ns) = (clock::monotonic_ns(), clock::wall_ns());
    assembler.started(mono_ns);
    let kdamond = match session.turn_on()?.as_slice() {
        [kdamond] => *kdamond,
        more => return Err(RecordError::Kdamonds(more.len())),
    };
    tap.only(kdamond)?;

    let meta = Meta {
        event_format: tap.format().to_owned(),
        kdamond: Some(kdamond),
        wall_ns,
        mono_ns,
        ..plan.meta(plan.context()?)
    };
    let mut record = Destination::begin(place, &meta)?;
    if signals.came().await {
        return Err(RecordError::Interrupted);
    }
    // From here on there is something to keep.
    record.keep()?;
    let (gone, command) = watched.release().map_err(RecordError::Runtime)?;

    let begun = Instant::now();
    let sieve = Sieve::new(plan.filters.clone());
    let mut pump = Pump::new(tap, assembler, sieve, record, kdamond, meta.targets);
    let pumped = pump
        .run(
            &mut session,
            gone,
            plan.timeout,
            tick(&context),
            &mut signals,
        )
        .await;
    let duration = begun.elapsed();
    // Each of these is done, whatever failed before it; the disk, which may
    // take its time, comes last. What `turn_off` cannot do, `restore` tries
    // again and tells.
    let _ = session.turn_off();
    let stopped = pump.stop();
    let restored = session.restore();
    let status = command.map(|mut command| match pumped {
        Ok(Ended::Target) => command.wait().map(Some),
        _ => command.terminate(GRACE).map(|_| None),
    });
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
            status: status.transpose().map_err(RecordError::Runtime)?.flatten(),
        })
    };
    match (report(), restored) {
        (report, Ok(())) => report,
        (Ok(_), Err(left)) => Err(left.into()),
        (Err(error), Err(left)) => Err(RecordError::AndLeft {
            error: Box::new(error),
            left,
        }),
    }
}

/// How often to look at the ring without being notified: seldom enough to cost
/// nothing, often enough for a frame to be written within its second.
fn tick(context: &Context) -> Duration {
    let half = Duration::from_micros(context.intervals.aggr_us / 2);
    half.clamp(Duration::from_millis(100), Duration::from_millis(500))
}

impl Plan {
    /// The one context.
    fn context(&self) -> Result<&Context, RecordError> {
        let mut contexts = self.params.contexts().map(|(_, _, context)| context);
        match (contexts.next(), contexts.next()) {
            (Some(context), None) => Ok(context),
            _ => Err(RecordError::Kdamonds(self.params.kdamonds.len())),
        }
    }

    /// What is known of the recording beforehand.
    fn meta(&self, context: &Context) -> Meta {
        let host = Host::here();
        let targets = context.targets.iter().zip(0..);
        Meta {
            tool: format!("damo {}", env!("CARGO_PKG_VERSION")),
            command: self.command_line.clone(),
            hostname: host.hostname,
            kernel: host.kernel,
            machine: host.machine,
            boot_id: host.boot_id,
            ops: Some(context.ops),
            intervals: context.fixed_intervals(),
            nr_regions: Some((context.nr_regions.min, context.nr_regions.max)),
            filters: self.filters.typed.clone(),
            targets: targets
                .map(|(target, target_id)| TargetInfo {
                    target_id,
                    pid: target.pid,
                    comm: target
                        .pid
                        .and_then(|pid| Some(Process::find(pid).ok()?.comm)),
                    ..TargetInfo::default()
                })
                .collect(),
            ..Meta::default()
        }
    }
}
