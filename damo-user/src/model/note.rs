//! What a record holds beside samples: one row each, at one moment.

use std::sync::Arc;

use super::{Intervals, Region, TargetKey};

/// Something that is known of one moment, beside the samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When, in nanoseconds of the record's clock.
    pub time_ns: u64,
    /// What.
    pub what: Known,
}

/// What is known. Rows of one kind with equal times belong together: all of a
/// process's mappings, or all processes' memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// What the wall clock showed, in nanoseconds since 1970.
    Clock(u64),
    /// A mapping of a process (`/proc/PID/maps`).
    Mapping(Mapping),
    /// How much memory a process has (`/proc/PID/statm`).
    ProcessMemory(ProcessMemory),
    /// How much memory the machine has (`/proc/meminfo`).
    SystemMemory(SystemMemory),
    /// CPU time of a process or a kdamond so far.
    CpuTime(CpuTime),
    /// DAMON has changed its intervals by itself; they count from here on.
    Tuned(Tuned),
    /// A scheme is about to be applied to a region.
    Applied(Applied),
    /// What a scheme has done so far.
    Scheme(SchemeCounts),
}

/// A mapping of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Whose.
    pub pid: u32,
    /// First address, in bytes.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Bits: 1 readable, 2 writable, 4 executable, 8 shared.
    pub permissions: u8,
    /// Offset into the file, in bytes.
    pub offset: u64,
    /// The file, or `[heap]` and the like; empty for anonymous memory.
    pub name: Arc<str>,
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Whose.
    pub pid: u32,
    /// All that is mapped.
    pub virtual_bytes: u64,
    /// What is in memory.
    pub resident_bytes: u64,
    /// What of it is backed by files or shared.
    pub shared_bytes: u64,
}

/// Memory of the machine, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemMemory {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemFree`.
    pub free_bytes: u64,
    /// `MemAvailable`.
    pub available_bytes: u64,
    /// `Buffers`.
    pub buffers_bytes: u64,
    /// `Cached`.
    pub cached_bytes: u64,
    /// `SwapTotal`.
    pub swap_total_bytes: u64,
    /// `SwapFree`.
    pub swap_free_bytes: u64,
}

/// CPU time, summed up since the process began, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Of which process, or of which kdamond's thread.
    pub pid: u32,
    /// Whether it is a kdamond.
    pub kdamond: bool,
    /// In user space.
    pub user_us: u64,
    /// In the kernel.
    pub system_us: u64,
}

/// Intervals after a change by DAMON itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuned {
    /// Thread id of the kdamond.
    pub kdamond: u32,
    /// From now on; 0 where the source does not tell.
    pub intervals: Intervals,
}

/// A region that a scheme is about to be applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Whose region.
    pub target: TargetKey,
    /// Index of the context in its kdamond.
    pub context: u32,
    /// Index of the scheme in its context.
    pub scheme: u32,
    /// The region as it was then.
    pub region: Region,
}

/// A scheme's counters, summed up since DAMON was switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemeCounts {
    /// Thread id of the kdamond.
    pub kdamond: u32,
    /// Index of the context in its kdamond.
    pub context: u32,
    /// Index of the scheme in its context.
    pub scheme: u32,
    /// Regions that it was tried on.
    pub nr_tried: u64,
    /// Their bytes.
    pub sz_tried: u64,
    /// Regions that it was applied to.
    pub nr_applied: u64,
    /// Bytes that it was applied to.
    pub sz_applied: u64,
    /// Bytes that passed the filters of the operations set.
    pub sz_ops_filter_passed: u64,
    /// How often a quota was exceeded.
    pub qt_exceeds: u64,
    /// Snapshots that it was tried on.
    pub nr_snapshots: u64,
}
