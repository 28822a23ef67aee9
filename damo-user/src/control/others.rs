//! Who uses DAMON now: kdamonds of its sysfs interface, its modules, and the
//! threads themselves. Reading only.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::{Intervals, TargetInfo};
use crate::sys::process::Stat;

use super::files::Kind;
use super::sysfs::{FileError, Tree};
use super::system::System;

/// A kdamond of the sysfs interface that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kdamond {
    /// Its folder's number.
    pub index: usize,
    /// Its thread; `None` if it ended meanwhile.
    pub tid: Option<u32>,
    /// Operations set, as the kernel names it.
    pub ops: Option<String>,
    /// What it watches, as far as its files say.
    pub targets: Vec<TargetInfo>,
    /// Its intervals, as far as its files say.
    pub intervals: Option<Intervals>,
    /// Whether DAMON tunes them by itself.
    pub tuned: bool,
    /// Bytes that a unit of its addresses means.
    pub addr_unit: u64,
}

impl fmt::Display for Kdamond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kdamond {}", self.index)?;
        let mut about = Vec::new();
        about.extend(self.tid.map(|tid| format!("thread {tid}")));
        about.extend(self.ops.clone());
        about.extend(self.targets.iter().filter_map(|target| {
            let pid = target.pid?;
            Some(match &target.comm {
                Some(comm) => format!("watching process {pid} {comm:?}"),
                None => format!("watching process {pid}, which has ended"),
            })
        }));
        if about.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", about.join(", "))
    }
}

/// A kdamond's thread, as nothing else can be: thread ids come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Its id.
    pub tid: u32,
    /// When it started, in clock ticks after boot.
    pub start_ticks: u64,
}

impl Thread {
    /// The kdamond of this id, if there is one.
    pub fn find(system: &System, tid: u32) -> Option<Thread> {
        let text = system.proc_tree().read(format!("{tid}/stat")).ok()?;
        let stat = Stat::parse(&text)?;
        stat.is_kdamond().then_some(Thread {
            tid,
            start_ticks: stat.start_ticks,
        })
    }
}

/// A kernel module that runs a kdamond of its own, and wants to be the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Module {
    /// DAMON_STAT: access statistics of the whole machine; on by default in
    /// many kernels from 6.17 on.
    Stat,
    /// DAMON_RECLAIM: proactive reclamation.
    Reclaim,
    /// DAMON_LRU_SORT: proactive sorting of LRU lists.
    LruSort,
}

impl Module {
    /// All of them.
    pub const ALL: [Module; 3] = [Module::Stat, Module::Reclaim, Module::LruSort];

    /// Its folder below `/sys/module`.
    pub fn name(self) -> &'static str {
        match self {
            Module::Stat => "damon_stat",
            Module::Reclaim => "damon_reclaim",
            Module::LruSort => "damon_lru_sort",
        }
    }

    /// Its switch, by a path below `/sys/module`.
    pub fn switch(self) -> String {
        format!("{}/parameters/enabled", self.name())
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Module::Stat => "DAMON_STAT",
            Module::Reclaim => "DAMON_RECLAIM",
            Module::LruSort => "DAMON_LRU_SORT",
        })
    }
}

/// A module that is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningModule {
    /// Which.
    pub module: Module,
    /// Its kdamond's thread; `None` where the kernel does not tell.
    pub tid: Option<u32>,
}

/// The kdamonds of the sysfs interface that are on; none if there is no such
/// interface.
///
/// # Errors
/// A file cannot be read, or somebody holds DAMON's lock.
pub fn kdamonds(system: &System) -> Result<Vec<Kdamond>, FileError> {
    let tree = system.admin();
    let mut running = Vec::new();
    if !tree.exists("kdamonds/nr_kdamonds") {
        return Ok(running);
    }
    let nr_kdamonds: usize = tree.read_number("kdamonds/nr_kdamonds")?;
    for index in 0..nr_kdamonds {
        if tree.read(format!("kdamonds/{index}/state"))? == "on" {
            running.push(kdamond(&tree, &system.proc_tree(), index));
        }
    }
    Ok(running)
}

/// What a kdamond's files say; those that cannot be read say nothing.
fn kdamond(tree: &Tree, proc: &Tree, index: usize) -> Kdamond {
    let context = format!("kdamonds/{index}/contexts/0");
    let interval = |name: &str| {
        let path = format!("{context}/monitoring_attrs/intervals/{name}_us");
        tree.read_number::<u64>(path).ok()
    };
    let intervals = || {
        Some(Intervals {
            sample_us: interval("sample")?,
            aggr_us: interval("aggr")?,
            update_us: interval("update")?,
        })
    };
    let goal = tree.read_number::<u64>(format!(
        "{context}/monitoring_attrs/intervals/intervals_goal/aggrs"
    ));
    let unit = tree.read_number(format!("{context}/addr_unit"));
    let ops = tree.read(format!("{context}/operations")).ok();
    let nr_targets = tree.read_number::<u64>(format!("{context}/targets/nr_targets"));
    let targets = (0..nr_targets.unwrap_or(0)).map(|target_id| {
        let pid = match ops.as_deref() {
            Some("paddr") => None,
            _ => tree
                .read_number(format!("{context}/targets/{target_id}/pid_target"))
                .ok(),
        };
        TargetInfo {
            target_id,
            pid,
            comm: pid.and_then(|pid| proc.read(format!("{pid}/comm")).ok()),
            ..TargetInfo::default()
        }
    });
    Kdamond {
        index,
        tid: tid(tree, &format!("kdamonds/{index}/pid")).ok().flatten(),
        targets: targets.collect(),
        ops,
        intervals: intervals(),
        tuned: goal.is_ok_and(|aggrs| aggrs > 0),
        addr_unit: unit.unwrap_or(1),
    }
}

/// A kdamond's thread id, from a file that reads -1 when it does not run.
pub(super) fn tid(tree: &Tree, path: &str) -> Result<Option<u32>, FileError> {
    let tid: i64 = tree.read_number(path)?;
    Ok(u32::try_from(tid).ok().filter(|&tid| tid != 0))
}

/// The modules that are enabled.
///
/// # Errors
/// A module's switch is there but cannot be read.
pub fn modules(system: &System) -> Result<Vec<RunningModule>, FileError> {
    let tree = system.module_tree();
    let mut running = Vec::new();
    for module in Module::ALL {
        if tree.exists(module.switch()) && tree.read_bool(module.switch())? {
            let pid = format!("{}/parameters/kdamond_pid", module.name());
            let tid = tid(&tree, &pid).ok().flatten();
            running.push(RunningModule { module, tid });
        }
    }
    Ok(running)
}

/// Thread ids of all kdamonds that run, whoever started them, ascending. Only
/// these tell the events of one from those of another.
///
/// # Errors
/// procfs cannot be listed. Threads that end meanwhile are left out.
pub fn kdamond_threads(system: &System) -> Result<Vec<u32>, FileError> {
    threads_in(&system.proc_tree())
}

/// As [`kdamond_threads`], of a procfs.
pub(super) fn threads_in(proc: &Tree) -> Result<Vec<u32>, FileError> {
    let mut threads = Vec::new();
    for entry in proc.list(Path::new(""))? {
        let (Kind::Folder, Ok(tid)) = (entry.kind, entry.name.parse::<u32>()) else {
            continue;
        };
        let Ok(text) = proc.read(format!("{tid}/stat")) else {
            continue;
        };
        if Stat::parse(&text).is_some_and(|stat| stat.is_kdamond()) {
            threads.push(tid);
        }
    }
    Ok(threads)
}
