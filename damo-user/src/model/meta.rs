//! What a record says about itself.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Intervals, TargetKey};

/// DAMON's operations sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ops {
    /// Virtual address spaces; regions follow the mappings.
    Vaddr,
    /// Fixed ranges of virtual address spaces.
    Fvaddr,
    /// The physical address space.
    Paddr,
}

impl Ops {
    /// The keyword that DAMON's `operations` file takes.
    pub fn keyword(self) -> &'static str {
        match self {
            Ops::Vaddr => "vaddr",
            Ops::Fvaddr => "fvaddr",
            Ops::Paddr => "paddr",
        }
    }
}

/// A monitoring target as it was when recording began. Fields that a source
/// does not tell are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetInfo {
    /// DAMON's target id.
    pub target_id: u64,
    /// The process, for virtual address spaces.
    pub pid: Option<u32>,
    /// Its name (`/proc/PID/comm`).
    pub comm: Option<String>,
    /// Thread id of the kdamond, or another number that tells the targets of
    /// several kdamonds apart; 0 in records of one.
    #[serde(skip_serializing_if = "is_default")]
    pub kdamond: u32,
    /// What the peer's json says of where the snapshots come from.
    #[serde(skip_serializing_if = "is_default")]
    pub origin: Option<Origin>,
}

/// A kdamond that is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KdamondInfo {
    /// Its thread id.
    pub tid: u32,
    /// What it is known by: `kdamond 0` (of sysfs), `DAMON_STAT`…; empty where
    /// that is not known.
    pub name: String,
    /// Operations set.
    pub ops: Option<Ops>,
    /// Intervals when its recording began.
    pub intervals: Option<Intervals>,
    /// Whether DAMON tunes them by itself.
    pub tuned: bool,
    /// Fewest and most regions.
    pub nr_regions: Option<(u64, u64)>,
    /// Whether another program set it up.
    pub foreign: bool,
}

/// Where DAMON's folders have a target, in the peer's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// Index of the kdamond; -1 for DAMON_STAT's.
    pub kdamond_idx: Option<i32>,
    /// Index of the context in its kdamond.
    pub context_idx: Option<u32>,
    /// Index of the scheme of which these are the tried regions.
    pub scheme_idx: Option<u32>,
    /// The peer knows no target: these are regions of all targets of a context.
    pub all_targets: bool,
    /// Intervals of this record, where they differ from record to record.
    pub intervals: Option<Intervals>,
    /// Goal of the intervals' automatic tuning, as json.
    pub intervals_goal: Option<serde_json::Value>,
    /// Filters of the scheme, as json.
    pub scheme_filters: Vec<serde_json::Value>,
    /// What the snapshots were made from (`damon_stat`), where told.
    pub data_source: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TargetInfo {
    /// How snapshots name it.
    pub fn key(&self) -> TargetKey {
        TargetKey {
            kdamond: self.kdamond,
            target_id: self.target_id,
        }
    }
}

/// Finds targets by their keys, however many there are. A record of one kdamond
/// need not say whose its targets are.
#[derive(Debug)]
pub struct KnownTargets<'a> {
    /// The first one of each key, and whether there are more.
    targets: HashMap<TargetKey, (&'a TargetInfo, bool)>,
}

impl<'a> KnownTargets<'a> {
    /// What is known of a target; the first where there are several.
    pub fn get(&self, key: TargetKey) -> Option<&'a TargetInfo> {
        self.places(key).map(|(target, _)| target).next()
    }

    /// As [`KnownTargets::get`], but nothing where there are several: which of
    /// their processes it was is not known.
    pub fn only(&self, key: TargetKey) -> Option<&'a TargetInfo> {
        self.places(key)
            .find_map(|(target, more)| (!more).then_some(target))
    }

    fn places(&self, key: TargetKey) -> impl Iterator<Item = (&'a TargetInfo, bool)> {
        let of_any = TargetKey { kdamond: 0, ..key };
        let found = [self.targets.get(&key), self.targets.get(&of_any)];
        found.into_iter().flatten().copied()
    }
}

impl Meta {
    /// To look targets up.
    pub fn known_targets(&self) -> KnownTargets<'_> {
        let mut targets = HashMap::with_capacity(self.targets.len());
        for target in &self.targets {
            let entry = targets.entry(target.key());
            entry
                .and_modify(|(_, more)| *more = true)
                .or_insert((target, false));
        }
        KnownTargets { targets }
    }

    /// Adds kdamonds, or replaces what is known of them.
    pub fn learn(&mut self, kdamonds: &[KdamondInfo]) {
        for info in kdamonds {
            match self.kdamonds.iter_mut().find(|it| it.tid == info.tid) {
                Some(known) => known.clone_from(info),
                None => self.kdamonds.push(info.clone()),
            }
        }
        if self.kdamonds.len() > 1 {
            self.kdamond = None;
        }
    }

    /// Lets go of what is known of kdamonds that do not run, the oldest first,
    /// until they and their targets are `most` at most.
    pub fn forget_ended(&mut self, running: &[KdamondInfo], most: usize) {
        let mut targets: HashMap<u32, usize> = HashMap::new();
        for target in &self.targets {
            *targets.entry(target.kdamond).or_default() += 1;
        }
        let running: HashSet<u32> = running.iter().map(|info| info.tid).collect();
        let (mut known, mut gone) = (0usize, HashSet::new());
        for info in self.kdamonds.iter().rev() {
            if !running.contains(&info.tid) {
                let of = targets.get(&info.tid).copied().unwrap_or(0);
                known = known.saturating_add(of).saturating_add(1);
                if known > most {
                    gone.insert(info.tid);
                }
            }
        }
        self.kdamonds.retain(|info| !gone.contains(&info.tid));
        self.targets
            .retain(|target| !gone.contains(&target.kdamond));
    }
}

/// About a record as a whole. Fields that a source does not tell are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// Program and version that recorded.
    pub tool: String,
    /// Command line of the recorder.
    pub command: Vec<String>,
    /// `uname`: host name, kernel release, machine.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// Machine architecture.
    pub machine: String,
    /// Boot id of the kernel, that tells whether two monotonic clocks compare.
    pub boot_id: String,
    /// Operations set, where known.
    pub ops: Option<Ops>,
    /// Thread id of the kdamond, once known.
    pub kdamond: Option<u32>,
    /// Intervals that DAMON was started with.
    pub intervals: Option<Intervals>,
    /// Fewest and most regions that DAMON was told to use.
    pub nr_regions: Option<(u64, u64)>,
    /// Every kdamond of a record that may have several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kdamonds: Vec<KdamondInfo>,
    /// What was watched.
    pub targets: Vec<TargetInfo>,
    /// What was left out while recording: filters, each as it was typed.
    #[serde(skip_serializing_if = "is_default")]
    pub filters: Vec<String>,
    /// It has no snapshots, but a summary so often, in nanoseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub summary_ns: Option<u64>,
    /// The tracepoint's `format` text, that says how events were decoded.
    pub event_format: String,
    /// Wall clock at the record's start, nanoseconds since 1970.
    pub wall_ns: u64,
    /// The record's clock (CLOCK_MONOTONIC) at the same moment.
    pub mono_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kdamond: u32, target_id: u64, pid: u32) -> TargetInfo {
        TargetInfo {
            target_id,
            kdamond,
            pid: Some(pid),
            ..TargetInfo::default()
        }
    }

    #[test]
    fn the_oldest_of_what_has_ended_is_let_go() {
        let info = |tid| KdamondInfo {
            tid,
            ..KdamondInfo::default()
        };
        let mut meta = Meta {
            kdamond: Some(1),
            ..Meta::default()
        };
        for tid in 1..=4 {
            meta.learn(&[info(tid)]);
            meta.targets
                .extend([target(tid, 0, 10 * tid), target(tid, 1, 10 * tid)]);
        }
        assert_eq!(meta.kdamond, None);
        // The first one runs; each takes three.
        meta.forget_ended(&[info(1)], 6);
        let tids: Vec<u32> = meta.kdamonds.iter().map(|it| it.tid).collect();
        assert_eq!(tids, [1, 3, 4]);
        let of: Vec<u32> = meta.targets.iter().map(|it| it.kdamond).collect();
        assert_eq!(of, [1, 1, 3, 3, 4, 4]);
        meta.forget_ended(&[], 0);
        assert!(meta.kdamonds.is_empty() && meta.targets.is_empty());
    }

    #[test]
    fn targets_are_found_by_kdamond_or_else_as_anybodys() {
        let meta = Meta {
            targets: vec![
                target(0, 1, 10),
                target(5, 1, 11),
                target(0, 2, 12),
                target(0, 2, 13),
                target(5, 3, 14),
                target(5, 3, 15),
                target(0, 3, 16),
            ],
            ..Meta::default()
        };
        let known = meta.known_targets();
        for (kdamond, target_id, first, only) in [
            (5, 1, Some(11), Some(11)),
            (6, 1, Some(10), Some(10)),
            (0, 1, Some(10), Some(10)),
            (0, 2, Some(12), None),
            (7, 2, Some(12), None),
            (5, 3, Some(14), Some(16)),
            (7, 9, None, None),
        ] {
            let key = TargetKey { kdamond, target_id };
            let pid = |found: Option<&TargetInfo>| found.and_then(|it| it.pid);
            assert_eq!(
                (pid(known.get(key)), pid(known.only(key))),
                (first, only),
                "{key:?}"
            );
        }
    }
}
