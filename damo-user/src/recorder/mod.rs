//! Records live samples into a file: sets DAMON up, taps its tracepoint, writes
//! what comes, and puts everything back on every way out.
//!
//! Order matters: the tap is attached before DAMON is switched on, so that the
//! first aggregation is recorded; a command is held before its first
//! instruction until DAMON watches it; at the end DAMON is switched off, the
//! ring drained and the counters read before the file is closed.

mod error;
mod progress;
mod pump;
mod signals;
mod spool;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use damo_ebpf::Kdamond;

use crate::control::{Options as ControlOptions, Session, Spec, System, others};
use crate::model::{Meta, TargetInfo};
use crate::source::{Assembler, Options as TapOptions, Tap};
use crate::store::{Stats, Writer};
use crate::sys::caller::Caller;
use crate::sys::child::{self, Held, Running};
use crate::sys::clock;
use crate::sys::command_line::CommandLine;
use crate::sys::host::Host;
use crate::sys::output::Output;
use crate::sys::process::Process;

pub use error::RecordError;
pub use pump::Ended;
use pump::Pump;
use signals::Signals;
use spool::Spool;

/// How long a command that damo started may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// What to watch.
#[derive(Clone, Debug)]
pub enum Watch {
    /// A command that damo starts.
    Command(CommandLine),
    /// Processes that run already.
    Pids(Vec<u32>),
    /// The physical address space, over the ranges that the spec has.
    Physical,
}

/// Everything a recording needs to know beforehand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to watch.
    pub watch: Watch,
    /// DAMON's parameters; a command's pid is filled in once it is known.
    pub spec: Spec,
    /// Where to write.
    pub out: PathBuf,
    /// Permission bits of the file.
    pub mode: u32,
    /// When to end, if nothing else ends the recording before.
    pub timeout: Option<Duration>,
    /// Run the command as root even if somebody else asked through sudo.
    pub as_root: bool,
    /// Pause DAMON_STAT while recording.
    pub pause_damon_stat: bool,
    /// The tap's settings.
    pub tap: TapOptions,
    /// The command line, for the record.
    pub command: Vec<String>,
}

/// How a recording went.
#[derive(Debug)]
pub struct Report {
    /// What ended it.
    pub ended: Ended,
    /// What the file holds, and how much was lost.
    pub stats: Stats,
    /// What the BPF program counted.
    pub counters: Kdamond,
    /// Length of the recording.
    pub duration: Duration,
    /// How the command ended, if damo started one and it ended by itself.
    pub status: Option<child::Ended>,
}

/// Says, changing nothing, why there can be no recording at all: no rights, no
/// DAMON, or somebody else uses it. [`record`] asks this first, too.
///
/// # Errors
/// Why not.
pub fn check(pause_damon_stat: bool) -> Result<(), RecordError> {
    let options = ControlOptions { pause_damon_stat };
    Session::check(&System::live(), options)?;
    Ok(())
}

/// Records until the target ends, the time is up or a signal comes.
///
/// # Errors
/// Something could not be set up, or the file could not be written to its end.
/// DAMON is put back and a started command is ended first, either way.
pub fn record(plan: Plan) -> Result<Report, RecordError> {
    // One thread: whoever starts a held command must also release it.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RecordError::Runtime)?
        .block_on(run(plan))
}

async fn run(mut plan: Plan) -> Result<Report, RecordError> {
    // Caught from here on: a signal during set-up must not skip putting back.
    let mut signals = Signals::listen().map_err(RecordError::Runtime)?;
    let system = System::live();
    let options = ControlOptions {
        pause_damon_stat: plan.pause_damon_stat,
    };
    Session::check(&system, options)?;
    let caller = Caller::from_env()?;
    let owner = caller.as_ref().map(Caller::owner);
    // Each of these takes itself back when it is dropped: the file, which has
    // no name yet, is gone; the command is killed; DAMON is put back.
    let mut output = Output::create(&plan.out, plan.mode, owner)?;
    let watched = plan.find_or_start(caller.as_ref())?;
    let mut session = Session::prepare(&system, &plan.spec, options)?;
    let mut tap = Tap::attach(&others::kdamond_threads(&system)?, &plan.tap)?;

    let mut assembler = Assembler::new(Some(plan.spec.intervals));
    let (mono_ns, wall_ns) = (clock::monotonic_ns(), clock::wall_ns());
    assembler.started(mono_ns);
    let kdamond = session.turn_on()?;
    tap.only(kdamond)?;

    let meta = Meta {
        event_format: tap.format().to_owned(),
        kdamond: Some(kdamond),
        wall_ns,
        mono_ns,
        ..plan.meta()
    };
    let file = output.file().try_clone().map_err(RecordError::Disk)?;
    let spool = Spool::start(file).map_err(RecordError::Disk)?;
    let disk = spool.disk();
    let mut writer = Writer::new(spool, &meta)?;
    writer.clock(mono_ns, wall_ns)?;
    // A millisecond, so that the runtime looks for signals at all.
    let interrupted = tokio::time::timeout(Duration::from_millis(1), signals.next());
    if interrupted.await.is_ok() {
        return Err(RecordError::Interrupted);
    }
    // From here on there is something to keep.
    output.keep()?;
    let (gone, command) = watched.release()?;

    let begun = Instant::now();
    let mut pump = Pump::new(tap, assembler, writer, disk, kdamond, meta.targets);
    let pumped = pump
        .run(&mut session, gone, plan.timeout, plan.tick(), &mut signals)
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
    let closed = pump.close(&plan.out);
    let report = || {
        let stats = closed?;
        Ok(Report {
            ended: pumped?,
            stats,
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

/// What is watched, until it is gone.
enum Watched {
    /// Ours, and not begun yet.
    Held(Held),
    /// Somebody else's.
    Processes(Vec<OwnedFd>),
    /// Always there.
    Memory,
}

impl Watched {
    /// Lets a held command begin. Gives what becomes readable when the targets
    /// are gone, and the command.
    fn release(self) -> Result<(Vec<OwnedFd>, Option<Running>), RecordError> {
        match self {
            Watched::Held(held) => {
                let command = held.release().map_err(RecordError::Runtime)?;
                let pidfd = command.pidfd().map_err(RecordError::Runtime)?;
                Ok((vec![pidfd], Some(command)))
            }
            Watched::Processes(pidfds) => Ok((pidfds, None)),
            Watched::Memory => Ok((Vec::new(), None)),
        }
    }
}

impl Plan {
    /// Finds the processes, or starts the command, held before its first
    /// instruction, and fills its pid in.
    fn find_or_start(&mut self, caller: Option<&Caller>) -> Result<Watched, RecordError> {
        match &self.watch {
            Watch::Physical => Ok(Watched::Memory),
            Watch::Pids(pids) => {
                let pidfd = |&pid| Process::find(pid)?.pidfd();
                Ok(Watched::Processes(
                    pids.iter().map(pidfd).collect::<Result<_, _>>()?,
                ))
            }
            Watch::Command(command) => {
                let held = Held::start(command, caller.filter(|_| !self.as_root))?;
                for target in &mut self.spec.targets {
                    target.pid = Some(held.pid());
                }
                Ok(Watched::Held(held))
            }
        }
    }

    /// How often to look at the ring without being notified: seldom enough to
    /// cost nothing, often enough for a frame to be written within its second.
    fn tick(&self) -> Duration {
        let half = Duration::from_micros(self.spec.intervals.aggr_us / 2);
        half.clamp(Duration::from_millis(100), Duration::from_millis(500))
    }

    /// What is known of the recording beforehand.
    fn meta(&self) -> Meta {
        let host = Host::here();
        let targets = self.spec.targets.iter().zip(0..);
        Meta {
            tool: format!("damo {}", env!("CARGO_PKG_VERSION")),
            command: self.command.clone(),
            hostname: host.hostname,
            kernel: host.kernel,
            machine: host.machine,
            boot_id: host.boot_id,
            ops: Some(self.spec.ops),
            intervals: Some(self.spec.intervals),
            nr_regions: Some(self.spec.nr_regions),
            targets: targets
                .map(|(target, target_id)| TargetInfo {
                    target_id,
                    pid: target.pid,
                    comm: target
                        .pid
                        .and_then(|pid| Some(Process::find(pid).ok()?.comm)),
                })
                .collect(),
            ..Meta::default()
        }
    }
}
