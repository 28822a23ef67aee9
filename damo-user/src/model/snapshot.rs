//! One aggregation of one target: what live events and recorded files both become.

use std::collections::BTreeMap;

/// Identifies a monitoring target within one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetKey {
    /// Thread id of the kdamond; 0 where the source does not tell it.
    pub kdamond: u32,
    /// DAMON's target id: an index from 5.17 on, an opaque number before.
    pub target_id: u64,
}

/// A range of addresses that DAMON takes to be accessed alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First address, in bytes.
    pub start: u64,
    /// One past the last address, in bytes; never below `start`.
    pub end: u64,
    /// Checks that found the sampled page accessed: 0 to aggr / sample.
    pub nr_accesses: u32,
    /// Aggregation intervals for which the region has been like this; `None`
    /// where the source has no age (kernels before 5.17, legacy records).
    pub age: Option<u32>,
}

impl Region {
    /// Size in bytes.
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether the region spans no address.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The regions of one target at the end of one aggregation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose regions these are.
    pub target: TargetKey,
    /// Start of the aggregation, in nanoseconds of the record's clock.
    pub start_ns: u64,
    /// End of the aggregation: the time of its first event.
    pub end_ns: u64,
    /// Intervals in force during the aggregation, where known.
    pub intervals: Option<super::Intervals>,
    /// Regions that DAMON reported but that could not be recorded.
    pub missing: u32,
    /// Ascending in address, without overlap.
    pub regions: Vec<Region>,
    /// What only some sources tell.
    pub extra: Option<Box<Extra>>,
}

/// What a snapshot tells beside its regions if it is one of tried regions (sysfs's
/// `tried_regions`, the peer's json), or if DAMON has just tuned its intervals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Bytes of each region that passed a scheme's filters. Empty, or as long
    /// as `regions`.
    pub filter_passed: Vec<Option<u64>>,
    /// For each region how often each probe hit. Empty, or as long as `regions`.
    pub probe_hits: Vec<Vec<u32>>,
    /// Bytes of all regions, where that is not the sum of those that are here.
    pub total_bytes: Option<u64>,
    /// What an age of 1 means, in microseconds, where that is not the aggregation
    /// interval: DAMON has tuned its intervals at the end of the aggregation, or
    /// `damo adjust` has made aggregations longer.
    pub age_unit_us: Option<u64>,
    /// Counters of the scheme, by name (`nr_tried`…).
    pub scheme_stats: Option<BTreeMap<String, u64>>,
}

impl Snapshot {
    /// What an age of 1 means, in microseconds; `None` where nothing tells.
    pub fn age_unit_us(&self) -> Option<u64> {
        let told = self.extra.as_ref().and_then(|extra| extra.age_unit_us);
        told.or(self.intervals.map(|intervals| intervals.aggr_us))
    }

    /// Length of the aggregation, in nanoseconds.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// Why events are not in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LossCause {
    /// The ring buffer between kernel and recorder was full.
    RingFull,
    /// The kernel announced regions that never arrived at the BPF program.
    Unseen,
    /// Part of a file is damaged or missing.
    Damaged,
    /// The recorder could not write.
    Unwritten,
}

/// A stretch of time of which something was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose events are missing; `None` where that is not known.
    pub target: Option<TargetKey>,
    /// Earliest time at which something may be missing.
    pub start_ns: u64,
    /// Latest time at which something may be missing.
    pub end_ns: u64,
    /// How many region samples are missing; `None` where that is not known.
    pub events: Option<u64>,
    /// Why.
    pub cause: LossCause,
}

/// What a source of samples yields, in order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An aggregation.
    Snapshot(Snapshot),
    /// Something was lost here.
    Gap(Gap),
    /// Something that is known beside the samples.
    Note(super::Note),
}

impl Item {
    /// First and last moment that it is about, in nanoseconds.
    pub fn times(&self) -> (u64, u64) {
        match self {
            Item::Snapshot(snapshot) => (snapshot.start_ns, snapshot.end_ns),
            Item::Gap(gap) => (gap.start_ns, gap.end_ns),
            Item::Note(note) => (note.time_ns, note.time_ns),
        }
    }

    /// Puts it on another clock: everything is so many nanoseconds later there.
    pub fn shift(&mut self, later_ns: i64) {
        if later_ns == 0 {
            return;
        }
        let times = match self {
            Item::Snapshot(it) => [Some(&mut it.start_ns), Some(&mut it.end_ns)],
            Item::Gap(it) => [Some(&mut it.start_ns), Some(&mut it.end_ns)],
            Item::Note(it) => [Some(&mut it.time_ns), it.what.time_ns()],
        };
        for time in times.into_iter().flatten() {
            *time = shifted(*time, later_ns);
        }
    }
}

/// A time on a clock that shows so many nanoseconds more.
pub fn shifted(time_ns: u64, later_ns: i64) -> u64 {
    time_ns.saturating_add_signed(later_ns)
}
