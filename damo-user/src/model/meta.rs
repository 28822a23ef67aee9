//! What a record says about itself.

use serde::{Deserialize, Serialize};

use super::Intervals;

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

/// A monitoring target as it was when recording began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetInfo {
    /// DAMON's target id.
    pub target_id: u64,
    /// The process, for virtual address spaces.
    pub pid: Option<u32>,
    /// Its name (`/proc/PID/comm`).
    pub comm: Option<String>,
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
    /// What was watched.
    pub targets: Vec<TargetInfo>,
    /// The tracepoint's `format` text, that says how events were decoded.
    pub event_format: String,
    /// Wall clock at the record's start, nanoseconds since 1970.
    pub wall_ns: u64,
    /// The record's clock (CLOCK_MONOTONIC) at the same moment.
    pub mono_ns: u64,
}
