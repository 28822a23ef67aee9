//! The kdamonds that are recorded: ours, or whatever runs.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::Duration;

use super::targets::name_of;
use crate::control::{Module, System, others};
use crate::model::{Intervals, KdamondInfo, Ops, TargetInfo};
use crate::source::What;
use crate::sys::process::Stat;

/// How long a look may wait for DAMON's lock.
const PATIENCE: Duration = Duration::from_millis(500);

/// Which of those that run are to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Each, those that come later included.
    All,
    /// The one of this number in sysfs.
    Index(usize),
    /// The one of a module.
    Of(Module),
}

impl Which {
    fn takes(self, place: Place) -> bool {
        match self {
            Which::All => true,
            Which::Index(index) => place == Place::Sysfs(index),
            Which::Of(module) => place == Place::Module(module),
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::All => f.write_str("no kdamond runs"),
            Which::Index(index) => write!(f, "kdamond {index} of sysfs does not run"),
            Which::Of(module) => write!(f, "{module} does not run"),
        }
    }
}

/// The kdamonds that are recorded, by their threads.
#[derive(Debug)]
pub struct Kdamonds {
    system: System,
    /// `None`: only those that we began.
    which: Option<Which>,
    recorded: BTreeMap<u32, Recorded>,
    others: HashSet<u32>,
    /// Their infos have changed since they were taken.
    changed: bool,
}

#[derive(Debug)]
struct Recorded {
    info: KdamondInfo,
    /// Not all was to be had yet.
    vague: bool,
}

/// A kdamond that is recorded from now on.
#[derive(Debug)]
pub struct Newcomer {
    /// Its thread.
    pub tid: u32,
    /// Its intervals, unless DAMON tunes them.
    pub intervals: Option<Intervals>,
    /// Bytes that a unit of its addresses means.
    pub addr_unit: u64,
    /// Its targets.
    pub targets: Vec<TargetInfo>,
}

impl Kdamonds {
    /// Those of `which` that run and will run.
    pub fn ongoing(system: &System, which: Which) -> Kdamonds {
        Kdamonds {
            which: Some(which),
            ..Kdamonds::ours(system)
        }
    }

    /// None but those that are [added](Kdamonds::add).
    pub fn ours(system: &System) -> Kdamonds {
        Kdamonds {
            system: System {
                patience: PATIENCE,
                ..system.clone()
            },
            which: None,
            recorded: BTreeMap::new(),
            others: HashSet::new(),
            changed: false,
        }
    }

    /// Whether only those that we began are recorded.
    pub fn are_ours(&self) -> bool {
        self.which.is_none()
    }

    /// Adds one of ours.
    pub fn add(&mut self, info: KdamondInfo) {
        let recorded = Recorded { info, vague: false };
        self.recorded.insert(recorded.info.tid, recorded);
        self.changed = true;
    }

    /// Whether this thread's events are to be kept, if that is known.
    pub fn takes(&self, tid: u32) -> Option<bool> {
        match self.recorded.contains_key(&tid) {
            true => Some(true),
            false if self.which.is_none() || self.others.contains(&tid) => Some(false),
            false => None,
        }
    }

    /// Looks a thread up that was not known; `None` if it is not to be recorded.
    pub fn admit(&mut self, tid: u32) -> Option<Newcomer> {
        let which = self.which?;
        let found = self.find(tid);
        if !which.takes(found.place) {
            self.others.insert(tid);
            return None;
        }
        let newcomer = Newcomer {
            tid,
            intervals: found.info.intervals.filter(|_| !found.info.tuned),
            addr_unit: found.addr_unit,
            targets: found.targets,
        };
        let recorded = Recorded {
            info: found.info,
            vague: found.place == Place::Unknown,
        };
        self.recorded.insert(tid, recorded);
        self.changed = true;
        Some(newcomer)
    }

    /// Threads of kdamonds that run and are of `which`, now.
    pub fn running(&self) -> Vec<u32> {
        let threads = others::kdamond_threads(&self.system).unwrap_or_default();
        let Some(which) = self.which else {
            return Vec::new();
        };
        let wanted = |tid: &u32| which == Which::All || which.takes(self.find(*tid).place);
        threads.into_iter().filter(wanted).collect()
    }

    /// What the kernel's structures say of one.
    pub fn told(&mut self, tid: u32, what: &What) {
        let What::Context {
            intervals,
            nr_regions,
            ops,
            ..
        } = *what
        else {
            return;
        };
        let Some(recorded) = self.recorded.get_mut(&tid) else {
            return;
        };
        let info = &mut recorded.info;
        let before = info.clone();
        info.intervals.get_or_insert(intervals);
        info.ops = ops.or(info.ops);
        info.nr_regions = Some(nr_regions);
        self.changed |= *info != before;
    }

    /// Those whose threads are gone.
    pub fn gone(&self) -> Vec<u32> {
        let threads = self.recorded.keys().copied();
        threads.filter(|tid| !lives(&self.system, *tid)).collect()
    }

    /// One is recorded no more.
    pub fn remove(&mut self, tid: u32) {
        self.recorded.remove(&tid);
    }

    /// Those that were not wanted, and are gone.
    pub fn take_gone_others(&mut self) -> Vec<u32> {
        let system = &self.system;
        let gone = self.others.extract_if(|tid| !lives(system, *tid));
        gone.collect()
    }

    /// Looks again at those of whom not all was to be had; gives their targets.
    pub fn look_again(&mut self) -> Vec<TargetInfo> {
        let recorded = self.recorded.iter();
        let vague = recorded.filter(|(_, it)| it.vague).map(|(tid, _)| *tid);
        let mut targets = Vec::new();
        for tid in vague.collect::<Vec<_>>() {
            let found = self.find(tid);
            let Some(recorded) = self.recorded.get_mut(&tid) else {
                continue;
            };
            if found.place != Place::Unknown {
                recorded.vague = false;
                recorded.info.name = found.info.name;
                recorded.info.tuned = found.info.tuned;
                self.changed = true;
                targets.extend(found.targets);
            }
        }
        targets
    }

    /// Whether any is recorded.
    pub fn is_empty(&self) -> bool {
        self.recorded.is_empty()
    }

    /// Their threads.
    pub fn tids(&self) -> Vec<u32> {
        self.recorded.keys().copied().collect()
    }

    /// What is known of them, if that has changed since it was asked last.
    pub fn changed(&mut self) -> Option<Vec<KdamondInfo>> {
        std::mem::take(&mut self.changed).then(|| self.infos())
    }

    /// What is known of them.
    pub fn infos(&self) -> Vec<KdamondInfo> {
        self.recorded.values().map(|it| it.info.clone()).collect()
    }

    /// Who has this thread.
    fn find(&self, tid: u32) -> Found {
        let of_sysfs = others::kdamonds(&self.system).unwrap_or_default();
        if let Some(kdamond) = of_sysfs.into_iter().find(|it| it.tid == Some(tid)) {
            let targets = kdamond.targets.into_iter().map(|target| TargetInfo {
                kdamond: tid,
                comm: name_of(target.pid),
                ..target
            });
            return Found {
                place: Place::Sysfs(kdamond.index),
                info: KdamondInfo {
                    tid,
                    name: format!("kdamond {}", kdamond.index),
                    ops: kdamond.ops.as_deref().and_then(ops_of),
                    intervals: kdamond.intervals,
                    tuned: kdamond.tuned,
                    foreign: true,
                    ..KdamondInfo::default()
                },
                addr_unit: kdamond.addr_unit,
                targets: targets.collect(),
            };
        }
        let modules = others::modules(&self.system).unwrap_or_default();
        // DAMON_STAT tells no thread before 7.2; it lets nobody else run beside it.
        let mut modules = modules.into_iter();
        let module = modules.find(|module| module.tid.is_none_or(|its| its == tid));
        let info = KdamondInfo {
            tid,
            foreign: true,
            ..KdamondInfo::default()
        };
        match module {
            Some(found) => Found {
                place: Place::Module(found.module),
                info: KdamondInfo {
                    name: found.module.to_string(),
                    ops: Some(Ops::Paddr),
                    tuned: found.module == Module::Stat,
                    ..info
                },
                addr_unit: 1,
                targets: vec![TargetInfo {
                    kdamond: tid,
                    ..TargetInfo::default()
                }],
            },
            None => Found {
                place: Place::Unknown,
                info,
                addr_unit: 1,
                targets: Vec::new(),
            },
        }
    }
}

/// Whether this thread is a kdamond.
fn lives(system: &System, tid: u32) -> bool {
    let text = system.proc_tree().read(format!("{tid}/stat"));
    text.is_ok_and(|text| Stat::parse(&text).is_some_and(|stat| stat.is_kdamond()))
}

#[derive(Debug)]
struct Found {
    place: Place,
    info: KdamondInfo,
    addr_unit: u64,
    targets: Vec<TargetInfo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Sysfs(usize),
    Module(Module),
    Unknown,
}

fn ops_of(keyword: &str) -> Option<Ops> {
    [Ops::Vaddr, Ops::Fvaddr, Ops::Paddr]
        .into_iter()
        .find(|ops| ops.keyword() == keyword)
}
