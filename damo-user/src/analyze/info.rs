//! What is in a record, at a glance.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::{Guide, Losses, PerTarget, TargetGuide};
use crate::model::{Figure, Intervals, Item, Known, ProcessMemory, Summed, TargetKey};

/// Changes of intervals that are kept; more are only counted.
const CHANGES: usize = 64;

/// Processes of which the memory is kept.
const PROCESSES: usize = 4096;

/// Counts over a record; one pass fills it.
#[derive(Debug, Default)]
pub struct Info {
    /// Snapshots.
    pub snapshots: u64,
    /// Regions of snapshots, and what is missing.
    pub losses: Losses,
    /// First start and last end of what was recorded, in nanoseconds.
    pub time: Option<Range<u64>>,
    /// The first changes of intervals, in order.
    pub intervals: Vec<IntervalsFrom>,
    /// All changes of intervals.
    pub nr_intervals: u64,
    /// How many notes there are of each kind.
    pub notes: BTreeMap<&'static str, u64>,
    /// Memory of the first 4096 processes, by their ids.
    pub memory: BTreeMap<u32, MemoryOver>,
    /// Snapshots and regions that summaries are of.
    pub summed: (u64, u64),
    targets: PerTarget<TargetCounts>,
    guide: Guide,
    last: PerTarget<Option<Intervals>>,
}

/// From when on a target's intervals are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalsFrom {
    /// Whose.
    pub target: TargetKey,
    /// Start of the first snapshot with them.
    pub from_ns: u64,
    /// `None` where they are not known.
    pub intervals: Option<Intervals>,
}

/// What there is of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetCounts {
    /// Snapshots.
    pub snapshots: u64,
    /// Regions.
    pub samples: u64,
    /// Fewest and most regions of a snapshot.
    pub regions: (u64, u64),
}

/// Memory of a process over a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryOver {
    /// As it was last.
    pub last: ProcessMemory,
    /// The most that was in memory at once, in bytes.
    pub most_resident_bytes: u64,
}

impl Info {
    /// Takes an item in.
    pub fn add(&mut self, item: &Item) {
        self.losses.add(item);
        match item {
            Item::Snapshot(snapshot) => {
                self.extend(item);
                self.snapshots += 1;
                self.guide.add(snapshot);
                let count = snapshot.regions.len() as u64;
                let of = self.targets.entry(snapshot.target, || TargetCounts {
                    regions: (u64::MAX, 0),
                    ..TargetCounts::default()
                });
                of.snapshots += 1;
                of.samples += count;
                of.regions = (of.regions.0.min(count), of.regions.1.max(count));
                let mut is_new = false;
                let last = self.last.entry(snapshot.target, || {
                    is_new = true;
                    snapshot.intervals
                });
                if is_new || *last != snapshot.intervals {
                    *last = snapshot.intervals;
                    self.nr_intervals += 1;
                    if self.intervals.len() < CHANGES {
                        self.intervals.push(IntervalsFrom {
                            target: snapshot.target,
                            from_ns: snapshot.start_ns,
                            intervals: snapshot.intervals,
                        });
                    }
                }
            }
            Item::Gap(_) => self.extend(item),
            Item::Note(note) => {
                *self.notes.entry(kind(&note.what)).or_default() += 1;
                match &note.what {
                    Known::ProcessMemory(memory) => self.remember(*memory),
                    Known::Summed(summed) => self.sum(note.time_ns, summed),
                    _ => {}
                }
            }
        }
    }

    fn remember(&mut self, memory: ProcessMemory) {
        if self.memory.len() == PROCESSES && !self.memory.contains_key(&memory.pid) {
            return;
        }
        let over = self.memory.entry(memory.pid).or_default();
        over.last = memory;
        over.most_resident_bytes = over.most_resident_bytes.max(memory.resident_bytes);
    }

    fn sum(&mut self, time_ns: u64, summed: &Summed) {
        match summed.figure {
            Figure::Length => self.reach(time_ns.saturating_sub(summed.value), time_ns),
            Figure::Snapshots => self.summed.0 = self.summed.0.saturating_add(summed.value),
            Figure::Regions => self.summed.1 = self.summed.1.saturating_add(summed.value),
            Figure::Rate | Figure::Idle | Figure::WorkingSet | Figure::Other(_) => {}
        }
    }

    fn extend(&mut self, item: &Item) {
        let (start, end) = item.times();
        self.reach(start, end);
    }

    fn reach(&mut self, start: u64, end: u64) {
        let time = self.time.get_or_insert(start..end);
        *time = time.start.min(start)..time.end.max(end);
    }

    /// Each target with its counts and the addresses that were watched, the one
    /// with the most memory first; then those without any region.
    pub fn targets(self) -> Vec<(TargetKey, TargetCounts, Option<TargetGuide>)> {
        let mut guides = self.guide.finish();
        let places: HashMap<TargetKey, usize> =
            (guides.iter().map(|guide| guide.target)).zip(0..).collect();
        let place = |key: TargetKey| places.get(&key).copied();
        let mut targets: Vec<_> = self
            .targets
            .into_vec()
            .into_iter()
            .map(|(key, counts)| (place(key).unwrap_or(usize::MAX), key, counts))
            .collect();
        targets.sort_by_key(|(place, ..)| *place);
        let mut guides = guides.drain(..);
        let next = |(place, key, counts)| {
            let guide = (place != usize::MAX).then(|| guides.next()).flatten();
            (key, counts, guide)
        };
        targets.into_iter().map(next).collect()
    }
}

fn kind(what: &Known) -> &'static str {
    match what {
        Known::Clock(_) => "clocks",
        Known::Mapping(_) => "mappings",
        Known::ProcessMemory(_) => "process memory",
        Known::SystemMemory(_) => "system memory",
        Known::CpuTime(_) => "CPU time",
        Known::Tuned(_) => "tuned intervals",
        Known::Applied(_) => "scheme applied",
        Known::Scheme(_) => "scheme counters",
        Known::Quota(_) => "scheme quotas",
        Known::Happened(_) => "events",
        Known::Summed(_) => "numbers of summaries",
    }
}
