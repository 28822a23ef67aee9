//! Why DAMON could not be used, and what could not be put back.

use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;

use crate::model::Ops;

use super::debugfs::{Lost, NotBack, OffError, PlanError};
use super::others::{Kdamond, Module, RunningModule};
use super::ownership::{By, LockError, NoteError};
use super::params::{ParamError, Unplanned};
use super::save::RestoreError;
use super::sysfs::FileError;

/// Why DAMON could not be set up or switched on. When one of these is returned
/// by [`super::Session::prepare`], everything is as it was, but for
/// [`ControlError::AndLeft`].
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Not root.
    #[error("DAMON can be controlled by root only; run it with sudo")]
    NotRoot,
    /// No sysfs interface.
    #[error(
        "this kernel has no DAMON sysfs interface ({} is not there); boot a kernel of version 5.18 or later that is built with CONFIG_DAMON_SYSFS",
        .0.display()
    )]
    NoDamon(PathBuf),
    /// No debugfs interface.
    #[error(
        "this kernel has no DAMON debugfs interface ({} is not there): it needs Linux 5.15 to 6.13 with CONFIG_DAMON_DBGFS, and `mount -t debugfs none /sys/kernel/debug`",
        .0.display()
    )]
    NoDebugfs(PathBuf),
    /// DAMON's debugfs files do not say what was written.
    #[error(
        "DAMON's debugfs files do not say what was written; somebody else seems to be changing them, or DAMON dropped a line that it does not like"
    )]
    DebugfsDiffers,
    /// Somebody uses DAMON through debugfs.
    #[error(
        "somebody else's kdamond is on through debugfs{}; it was left alone; write off to monitor_on if it may stop",
        kdamond_list(.threads)
    )]
    DebugfsRuns {
        /// Kdamonds that run.
        threads: Vec<u32>,
    },
    /// debugfs takes no values while DAMON is on.
    #[error(
        "DAMON is on through debugfs, which takes no other values meanwhile; `damo stop`, and start anew"
    )]
    DebugfsTune,
    /// A parameter that DAMON would refuse.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// A parameter that this kernel's DAMON does not have.
    #[error(transparent)]
    Unplanned(#[from] Unplanned),
    /// A kdamond does not stop.
    #[error(transparent)]
    Off(#[from] OffError),
    /// Another damo is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Nothing can be written down.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Another damo uses DAMON.
    #[error("another damo ({0}) uses DAMON; end it, or wait for its end")]
    AnotherDamo(By),
    /// A damo was killed.
    #[error("{0}; `damo stop --stale` puts everything back")]
    Stale(String),
    /// Ours, and meant to stay.
    #[error(
        "damo started kdamond {index} already ({by}); `damo tune` changes what it does, `damo stop` ends it"
    )]
    OursRuns {
        /// Its folder's number.
        index: usize,
        /// Who started it.
        by: By,
    },
    /// What an earlier `damo start` changed is not as it was.
    #[error("an earlier `damo start`, whose kdamonds have ended, cannot be undone: {0}")]
    Ended(NotRestored),
    /// A target's process is not there.
    #[error("no such process: {0}")]
    NoProcess(u32),
    /// The kernel was built without this operations set.
    #[error("--ops {}: this kernel's DAMON has only {available}", ops.keyword())]
    NoOps {
        /// What was asked for.
        ops: Ops,
        /// What there is.
        available: String,
    },
    /// Somebody else's kdamond is on.
    #[error(
        "somebody else's {0} is on; it was left alone; end what started it, or let --force switch it off meanwhile"
    )]
    KdamondRuns(Box<Kdamond>),
    /// A module that wants DAMON for itself is on.
    #[error("{}", module_runs(.0))]
    ModuleRuns(RunningModule),
    /// There is nothing to stop.
    #[error("{}", nothing_of_ours(*.stale, .others, *.stat))]
    NothingOfOurs {
        /// What a killed damo left was asked for.
        stale: bool,
        /// What runs that is not ours.
        others: Vec<String>,
        /// DAMON_STAT is on.
        stat: bool,
    },
    /// `damo start`'s was taken for a killed damo's.
    #[error("no killed damo has left anything; what damo started ({0}) is ended by `damo stop`")]
    NotStale(By),
    /// Nothing ran any more.
    #[error(
        "nothing of ours was running: what damo started ({0}) has ended by itself; DAMON's former parameters were put back"
    )]
    EndedBefore(By),
    /// Nothing that may be tuned is on.
    #[error("{}", nothing_to_tune(.others))]
    NothingToTune {
        /// What runs that is not ours.
        others: Vec<String>,
    },
    /// Some of what is on is somebody else's.
    #[error(
        "somebody else's {} is on beside damo's; --force changes all of them",
        others.join(" and ")
    )]
    NotAllOurs {
        /// What runs that is not ours.
        others: Vec<String>,
    },
    /// The number of kdamonds is fixed while one runs.
    #[error(
        "there are {running} kdamonds with a context each, and not {wanted}: that cannot change while one is on; `damo stop`, and start anew"
    )]
    OtherShape {
        /// How many there are.
        running: usize,
        /// How many there were to be.
        wanted: usize,
    },
    /// A commit would take our process ids for others.
    #[error(
        "DAMON looks process ids up in the machine's own pid namespace when it runs, and this is another; `damo stop`, and start anew"
    )]
    PidNamespace,
    /// A kdamond stopped before a command.
    #[error("kdamond {0} has ended meanwhile: what it watched has ended")]
    EndedMeanwhile(usize),
    /// A commit ended it.
    #[error(
        "kdamond {0} ended with the change: what it watched has ended, or DAMON refuses the parameters"
    )]
    EndedByCommit(usize),
    /// Some of several kdamonds took the change.
    #[error(
        "{error}; kdamond {} has taken the change",
        .committed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    )]
    PartlyCommitted {
        /// What went wrong.
        error: Box<ControlError>,
        /// Those that changed.
        committed: Vec<usize>,
    },
    /// Snapshots would starve.
    #[error(
        "on this kernel a change begins the aggregation anew, and the last one is not two aggregations old: try again in {} s",
        .0.as_secs() + 1
    )]
    TooSoon(Duration),
    /// As the first, and the files could not be put back.
    #[error("{error}; and {left}")]
    AndFiles {
        /// What went wrong.
        error: Box<ControlError>,
        /// What could not be put back afterwards.
        left: RestoreError,
    },
    /// Not everything is back.
    #[error(transparent)]
    NotRestored(NotRestored),
    /// A file of the kernel's failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file says something else than what was written.
    #[error(
        "{path} reads '{found}' after '{written}' was written; somebody else seems to be changing DAMON's parameters"
    )]
    Overwritten {
        /// Path below the `admin` folder.
        path: String,
        /// Our value.
        written: String,
        /// What is there.
        found: String,
    },
    /// EBUSY, and none of the modules is the reason.
    #[error(
        "DAMON does not start: it is in use (EBUSY){}; end that use and try again",
        kdamond_list(.threads)
    )]
    InUse {
        /// Kdamonds that run.
        threads: Vec<u32>,
    },
    /// EINVAL, although everything that is known to be refused was checked.
    #[error(
        "DAMON does not start: it refuses the parameters (EINVAL); the kernel's own documentation of this version may know a rule that is not known here"
    )]
    Refused,
    /// ENOMEM.
    #[error("DAMON does not start: no memory, or a scheme's filter cannot be built (ENOMEM)")]
    NoMemory,
    /// The kdamond was gone before its thread could be seen.
    #[error("the kdamond ended at once: what it should watch has ended")]
    EndedAtOnce,
    /// As the first, and then not everything could be undone.
    #[error("{error}; and {left}")]
    AndLeft {
        /// What went wrong.
        error: Box<ControlError>,
        /// What could not be put back afterwards.
        left: NotRestored,
    },
}

impl From<PlanError> for ControlError {
    fn from(error: PlanError) -> ControlError {
        match error {
            PlanError::Param(error) => error.into(),
            PlanError::File(error) => error.into(),
        }
    }
}

fn nothing_to_tune(others: &[String]) -> String {
    let nothing = "nothing that damo started is on; `damo start` comes first";
    match others {
        [] => nothing.to_owned(),
        others => format!(
            "{nothing}; somebody else's {} is on, and is changed only with --force",
            others.join(" and ")
        ),
    }
}

fn nothing_of_ours(stale: bool, others: &[String], stat: bool) -> String {
    let mut text = match stale {
        true => "no killed damo has left anything",
        false => "nothing that damo started is on",
    }
    .to_owned();
    if !others.is_empty() {
        let others = others.join(" and ");
        text += &format!(
            "; somebody else's {others} is on, and was left alone; --force stops that too"
        );
    }
    if stat {
        text += "; DAMON_STAT is on: `damo module stat disable --force` stops it";
    }
    if others.is_empty() && !stat {
        text += "; there is nothing to stop";
    }
    text
}

fn module_runs(running: &RunningModule) -> String {
    let thread = match running.tid {
        Some(tid) => format!(" (thread {tid})"),
        None => String::new(),
    };
    let module = running.module;
    let remedy = match module {
        Module::Stat => {
            "--pause-damon-stat pauses it meanwhile and switches it on again".to_owned()
        }
        _ => "--force switches it off meanwhile and on again".to_owned(),
    };
    format!("{module} runs{thread} and lets nobody else use DAMON; {remedy}")
}

fn kdamond_list(threads: &[u32]) -> String {
    if threads.is_empty() {
        return String::new();
    }
    let list: Vec<String> = threads.iter().map(ToString::to_string).collect();
    format!(", by the kdamond thread {}", list.join(" and "))
}

/// Something that is not as it was.
#[derive(Debug, thiserror::Error)]
pub enum Leftover {
    /// Our kdamond does not stop.
    #[error("damo's kdamond is still on: {0}; `damo stop`, or `damo stop --stale`, tries again")]
    StillOn(OffError),
    /// The interface that was used is gone.
    #[error("{0}")]
    Interface(Box<ControlError>),
    /// The parameters, of debugfs.
    #[error(transparent)]
    Debugfs(#[from] NotBack),
    /// What runs is not ours any more.
    #[error(
        "somebody else's {0} is on now, so that DAMON's former parameters could not be put back"
    )]
    TakenOver(Box<Kdamond>),
    /// The parameters.
    #[error(transparent)]
    Parameters(#[from] RestoreError),
    /// Somebody else's kdamond, switched off by `--force`, is still off.
    #[error(
        "somebody else's kdamond {index} is still off: {error}; write on to kdamonds/{index}/state"
    )]
    KdamondOff {
        /// Its folder's number.
        index: usize,
        /// Why.
        error: FileError,
    },
    /// A module is still off.
    #[error("{module} is still off: {error}; write Y to /sys/module/{path}", path = .module.switch())]
    ModuleOff {
        /// Which.
        module: Module,
        /// Why.
        error: FileError,
    },
    /// A module was switched on, and reads off.
    #[error("{0} did not start again; write Y to /sys/module/{path}", path = .0.switch())]
    ModuleNotOn(Module),
    /// Everything is back, and the note of it stays.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Leftover {
    /// Whether trying again cannot help.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Leftover::Debugfs(NotBack(all)) => {
                all.iter().all(|lost| matches!(lost, Lost::Ended { .. }))
            }
            // What it watched has ended.
            Leftover::KdamondOff { error, .. } => error.errno() == Some(Errno::INVAL),
            _ => false,
        }
    }
}

/// All that could not be put back.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct NotRestored(pub Vec<Leftover>);
