//! What a record holds beside samples: one row each, at one moment.

use std::sync::Arc;

use super::{Intervals, Region, Summed, TargetKey};

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
    /// What a scheme may do.
    Quota(Quota),
    /// Something happened to the monitoring, or to the recording.
    Happened(Happened),
    /// A number of a summary.
    Summed(Summed),
}

impl Known {
    /// Another time by the record's clock that it tells.
    pub fn time_ns(&mut self) -> Option<&mut u64> {
        match self {
            Known::Happened(it) if it.what == Happening::Silent => Some(&mut it.value),
            _ => None,
        }
    }
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

/// What a scheme's quota allows from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Thread id of the kdamond.
    pub kdamond: u32,
    /// Index of the context in its kdamond.
    pub context: u32,
    /// Index of the scheme in its context.
    pub scheme: u32,
    /// Bytes in each of the quota's windows (`effective_bytes`).
    pub bytes: u64,
}

/// Something that happened to the monitoring, or to the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Thread id of the kdamond; 0: the whole recording.
    pub kdamond: u32,
    /// Which of its targets, if it is about one.
    pub target_id: Option<u64>,
    /// What.
    pub what: Happening,
    /// A number, by what happened.
    pub value: u64,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// The kdamond is recorded from now on.
    Began,
    /// The kdamond runs no more.
    Ended,
    /// Nothing was monitored from the time in `value` (nanoseconds of the
    /// record's clock) until now: a pause, or watermarks.
    Silent,
    /// The target's process is gone. DAMON may go on reporting its regions as
    /// idle: these are not in the record.
    TargetGone,
    /// So many things that the kernel told beside regions did not fit into the
    /// ring.
    Untold,
    /// So many region samples were left out since the last such note: filters.
    FilteredOut,
    /// So many region samples were left out since the last such note: their
    /// process was gone.
    DeadOut,
    /// So many region samples were left out or merged into others since the
    /// last such note, to keep to `--max-cpu`.
    DetailOut,
    /// From now on, the record has this level of detail (0: all of it).
    Detail,
    /// What a later version knows.
    Other(u8),
}

impl Happening {
    const CODES: [Happening; 9] = [
        Happening::Began,
        Happening::Ended,
        Happening::Silent,
        Happening::TargetGone,
        Happening::Untold,
        Happening::FilteredOut,
        Happening::DeadOut,
        Happening::DetailOut,
        Happening::Detail,
    ];

    /// Its number in record files.
    pub fn code(self) -> u8 {
        match self {
            Happening::Other(code) => code,
            known => {
                let place = Happening::CODES.iter().position(|it| *it == known);
                place
                    .and_then(|it| u8::try_from(it).ok())
                    .unwrap_or(u8::MAX)
            }
        }
    }

    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Happening::Began => "kdamond_began",
            Happening::Ended => "kdamond_ended",
            Happening::Silent => "not_monitored_since_ns",
            Happening::TargetGone => "target_gone",
            Happening::Untold => "untold",
            Happening::FilteredOut => "filtered_out",
            Happening::DeadOut => "left_out_target_gone",
            Happening::DetailOut => "left_out_max_cpu",
            Happening::Detail => "detail",
            Happening::Other(_) => "other",
        }
    }

    /// What has this number.
    pub fn of_code(code: u8) -> Happening {
        let known = Happening::CODES.get(usize::from(code));
        known.copied().unwrap_or(Happening::Other(code))
    }
}
