//! Records live samples into a file: sets DAMON up or takes it as it runs, taps
//! its tracepoints, writes what comes, and puts everything back on every way out.
//!
//! Order matters: the tap is attached before DAMON is switched on, so that the
//! first aggregation is recorded; a command is held before its first
//! instruction until DAMON watches it; at the end DAMON is switched off, the
//! ring drained and the counters read before the file is closed.

pub mod around;
mod aside;
mod children;
pub mod cpu_budget;
mod destination;
mod error;
mod kdamonds;
pub mod merge;
pub mod needs;
mod outlet;
pub mod profile;
mod progress;
mod pump;
mod retention;
mod sieve;
mod snapshots;
mod spool;
pub mod status;
mod targets;
mod teller;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use damo_ebpf::Kdamond;

use crate::control::ownership::store;
use crate::control::params::{Context, Params};
use crate::control::{Options as ControlOptions, Session, System, others};
use crate::model::{KdamondInfo, Meta, Ops, TargetInfo};
use crate::source::{Assembler, Options as TapOptions, Tap};
use crate::store::Stats;
use crate::sys::caller::Caller;
use crate::sys::child::{self, Running};
use crate::sys::clock;
use crate::sys::command_line::CommandLine;
use crate::sys::host::Host;
use crate::watch::{self, Signals, Watched};

use aside::Aside;
use children::Children;
use destination::{Destination, Place};
pub use error::RecordError;
use kdamonds::Kdamonds;
pub use kdamonds::Which;
use outlet::Outlet;
use profile::Profile;
pub use pump::Ended;
use pump::{Parts, Pump};
pub use retention::Rotation;
pub use sieve::{Filters, NothingMatches, Sieve};
pub use snapshots::{SnapshotError, SnapshotPlan, View, add_stat_schemes, record_snapshots};
use targets::{Targets, name_of};
use teller::Teller;

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
    let begun = match scope {
        Scope::Ours(ours) => begin_ours(&plan, &system, caller.as_ref(), ours)?,
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
    let pumped = pump.run(session.as_mut(), plan.timeout, &mut signals).await;
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
    match (report(), restored) {
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

/// A recording that has begun. Dropping it puts everything back: the file,
/// which has no name yet, is gone; the command is killed; DAMON is as it was.
struct Begun {
    session: Option<Session>,
    watched: Option<Watched>,
    profile: Option<Profile>,
    pump: Pump,
}

fn begin_ours(
    plan: &Plan,
    system: &System,
    caller: Option<&Caller>,
    ours: Ours,
) -> Result<Begun, RecordError> {
    Session::check(system, ours.options)?;
    let run_as = caller.filter(|_| !ours.as_root);
    let mut params = ours.params;
    let place = plan.place(caller)?;
    let has_processes = params
        .contexts()
        .all(|(.., context)| context.ops == Ops::Vaddr)
        && !params.pids().is_empty();
    let with_children = ours.children && has_processes && params.kdamonds.len() == 1;
    if with_children && ours.command.is_none() {
        add_descendants(&mut params);
    }
    let watched = Watched::find(&mut params, ours.command.as_ref(), run_as)?;
    let profile = plan.profile(caller, &params.pids())?;
    let mut session = Session::prepare(system, &params, ours.options)?;
    let mut options = plan.tap.clone();
    options.wanted.processes = has_processes;
    let mut tap = Tap::attach(&others::kdamond_threads(system)?, &options)?;
    for pid in params.pids() {
        tap.follow(pid)?;
    }
    let mut assembler = Assembler::new(None, 1);
    let (mono_ns, wall_ns) = (clock::monotonic_ns(), clock::wall_ns());
    assembler.started(mono_ns);
    let tids = session.turn_on()?;
    tap.only(&tids)?;

    let mut kdamonds = Kdamonds::ours(system);
    let mut targets = Targets::new().map_err(RecordError::Runtime)?;
    let mut infos = Vec::new();
    for ((index, _, context), tid) in params.contexts().zip(&tids) {
        assembler.kdamond(*tid, context.fixed_intervals(), context.addr_unit);
        kdamonds.add(info_of(context, index, *tid), context.addr_unit);
        infos.extend(targets_of(context, *tid));
    }
    for info in &infos {
        targets.add(info.clone(), None, mono_ns);
    }
    let first = params.contexts().map(|(.., context)| context).next();
    let meta = Meta {
        event_format: tap.format().to_owned(),
        kdamond: match tids.as_slice() {
            [only] => Some(*only),
            _ => None,
        },
        kdamonds: kdamonds.changed().unwrap_or_default(),
        targets: infos,
        wall_ns,
        mono_ns,
        ..plan.meta(first)
    };
    let aside = plan.give_up_the_rest(system, caller, run_as.is_some() && ours.command.is_some());
    let record = Destination::begin(place, &meta)?;
    let children = match tids.as_slice() {
        [tid] if with_children => Some(Children::new(params, *tid)),
        _ => None,
    };
    let outlet = Outlet::new(record, targets, plan);
    let teller = Teller::new(plan, system);
    let parts = Parts {
        tap,
        assembler,
        kdamonds,
        children,
        outlet,
        aside,
        teller,
        meta,
    };
    Ok(Begun {
        session: Some(session),
        watched: Some(watched),
        profile,
        pump: Pump::new(parts, plan.service, plan.max_cpu),
    })
}

fn begin_ongoing(
    plan: &Plan,
    system: &System,
    caller: Option<&Caller>,
    which: Which,
) -> Result<Begun, RecordError> {
    let mut kdamonds = Kdamonds::ongoing(system, which);
    let running = kdamonds.running();
    if running.is_empty() && !plan.service {
        return Err(RecordError::NothingRuns(which.to_string()));
    }
    let place = plan.place(caller)?;
    let mut options = plan.tap.clone();
    options.wanted.processes = true;
    // Whoever is not known yet is let through, and looked up.
    let mut tap = Tap::attach(&[], &options)?;
    let mut assembler = Assembler::new(None, 1);
    let mut targets = Targets::new().map_err(RecordError::Runtime)?;
    let (mono_ns, wall_ns) = (clock::monotonic_ns(), clock::wall_ns());
    let mut infos = Vec::new();
    for tid in running {
        let Some(newcomer) = kdamonds.admit(tid) else {
            continue;
        };
        assembler.kdamond(tid, newcomer.intervals, newcomer.addr_unit);
        infos.extend(newcomer.targets);
    }
    for info in &infos {
        targets.add(info.clone(), None, mono_ns);
        if let Some(pid) = info.pid {
            tap.follow(pid)?;
        }
    }
    let pids: Vec<u32> = infos.iter().filter_map(|info| info.pid).collect();
    let profile = plan.profile(caller, &pids)?;
    let first = kdamonds.infos().into_iter().next().unwrap_or_default();
    let meta = Meta {
        event_format: tap.format().to_owned(),
        ops: first.ops,
        intervals: first.intervals.filter(|_| !first.tuned),
        kdamonds: kdamonds.changed().unwrap_or_default(),
        targets: infos,
        wall_ns,
        mono_ns,
        ..plan.meta(None)
    };
    let aside = plan.give_up_the_rest(system, caller, false);
    let record = Destination::begin(place, &meta)?;
    let outlet = Outlet::new(record, targets, plan);
    let teller = Teller::new(plan, system);
    let parts = Parts {
        tap,
        assembler,
        kdamonds,
        children: None,
        outlet,
        aside,
        teller,
        meta,
    };
    Ok(Begun {
        session: None,
        watched: None,
        profile,
        pump: Pump::new(parts, plan.service, plan.max_cpu),
    })
}

/// Adds the processes that the targets have begun already.
fn add_descendants(params: &mut Params) {
    let found = children::descendants(&params.pids());
    let context = params
        .kdamonds
        .first_mut()
        .and_then(|it| it.contexts.first_mut());
    if let Some(context) = context {
        let targets = found.into_iter().map(|pid| crate::control::params::Target {
            pid: Some(pid),
            ..Default::default()
        });
        context.targets.extend(targets);
    }
}

fn info_of(context: &Context, index: usize, tid: u32) -> KdamondInfo {
    KdamondInfo {
        tid,
        name: format!("kdamond {index}"),
        ops: Some(context.ops),
        intervals: Some(context.intervals.plain()),
        tuned: context.fixed_intervals().is_none(),
        nr_regions: Some((context.nr_regions.min, context.nr_regions.max)),
        foreign: false,
    }
}

fn targets_of(context: &Context, tid: u32) -> impl Iterator<Item = TargetInfo> {
    context
        .targets
        .iter()
        .zip(0..)
        .map(move |(target, target_id)| TargetInfo {
            target_id,
            pid: target.pid,
            comm: name_of(target.pid),
            kdamond: tid,
            ..TargetInfo::default()
        })
}

impl Plan {
    fn place(&self, caller: Option<&Caller>) -> Result<Place, RecordError> {
        let owner = caller.map(Caller::owner);
        Ok(Place::create(&self.out, self.mode, owner, self.rotation)?)
    }

    /// Starts what makes a profile, if one is wanted.
    fn profile(
        &self,
        caller: Option<&Caller>,
        pids: &[u32],
    ) -> Result<Option<Profile>, RecordError> {
        if !self.cpu_profile {
            return Ok(None);
        }
        let owner = caller.map(Caller::owner);
        Ok(Profile::start(&self.out, self.mode, owner, pids)?)
    }

    /// Everything is attached: keeps what putting DAMON back takes, and what
    /// looking around does.
    fn give_up_the_rest(
        &self,
        system: &System,
        caller: Option<&Caller>,
        command_of_other: bool,
    ) -> Aside {
        if let Some(run) = &system.run {
            // Later it could not be made any more; without it, only the status
            // is missing.
            let _ = store::make_folder(&run.join("recorder"));
        }
        let ahead = needs::Ahead {
            out: &self.out,
            owner: caller,
            command_of_other,
            mappings: self.around.mappings,
        };
        Aside::confined(self.around, &needs::needs(system, ahead))
    }

    /// What is known of the recording beforehand.
    fn meta(&self, context: Option<&Context>) -> Meta {
        let host = Host::here();
        Meta {
            tool: format!("damo {}", env!("CARGO_PKG_VERSION")),
            command: self.command_line.clone(),
            hostname: host.hostname,
            kernel: host.kernel,
            machine: host.machine,
            boot_id: host.boot_id,
            ops: context.map(|context| context.ops),
            intervals: context.and_then(Context::fixed_intervals),
            nr_regions: context.map(|context| (context.nr_regions.min, context.nr_regions.max)),
            filters: self.filters.typed.clone(),
            ..Meta::default()
        }
    }
}
