//! What a record says about itself.

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

impl Meta {
    /// What is known of a target. A record of one kdamond need not say whose
    /// its targets are.
    pub fn target(&self, key: TargetKey) -> Option<&TargetInfo> {
        let of = |kdamond: u32| {
            let same = |it: &&TargetInfo| (it.kdamond, it.target_id) == (kdamond, key.target_id);
            self.targets.iter().find(same)
        };
        of(key.kdamond).or_else(|| of(0))
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
    /// The tracepoint's `format` text, that says how events were decoded.
    pub event_format: String,
    /// Wall clock at the record's start, nanoseconds since 1970.
    pub wall_ns: u64,
    /// The record's clock (CLOCK_MONOTONIC) at the same moment.
    pub mono_ns: u64,
}
