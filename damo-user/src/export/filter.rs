//! Which part of a record is wanted.

use std::ops::Range;

use crate::control::params::{AccessPattern, AgeRange, NoWholeNumber, RateRange, Samples};
use crate::model::{Extra, Intervals, Item, Items, ReadError, Record, Region, Snapshot};

/// Which part of a record is wanted; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Nanoseconds of the record's clock. Snapshots that reach into it are kept
    /// whole.
    pub time: Option<Range<u64>>,
    /// DAMON's target ids; empty for all.
    pub targets: Vec<u64>,
    /// Bytes, ascending and disjoint. Regions are cut to what lies in one of
    /// the ranges; empty for all.
    pub addresses: Vec<Range<u64>>,
    /// Sizes, access rates and ages of regions, before they are cut.
    pub pattern: AccessPattern,
}

impl Filter {
    /// The wanted items of a record, in order. A gap of unknown target is
    /// everybody's; notes are kept whatever the targets are.
    ///
    /// # Errors
    /// The record cannot be read any more.
    pub fn items<'a>(&'a self, record: &'a mut dyn Record) -> Result<Items<'a>, ReadError> {
        let items = match &self.time {
            Some(time) => record.items_in(time.clone())?,
            None => record.items()?,
        };
        Ok(Box::new(items.filter_map(|item| match item {
            Ok(item) => self.pass(item).map(Ok),
            Err(error) => Some(Err(error)),
        })))
    }

    fn pass(&self, item: Item) -> Option<Item> {
        let wanted = |id: u64| self.targets.is_empty() || self.targets.contains(&id);
        match item {
            Item::Snapshot(mut snapshot) => wanted(snapshot.target.target_id).then(|| {
                keep_wanted(&mut snapshot, &self.pattern, &self.addresses);
                Item::Snapshot(snapshot)
            }),
            Item::Gap(gap) => gap
                .target
                .is_none_or(|target| wanted(target.target_id))
                .then_some(Item::Gap(gap)),
            Item::Note(note) => Some(Item::Note(note)),
        }
    }
}

/// What became of a snapshot's regions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Regions of which nothing is left.
    pub left_out: u64,
    /// Pieces beyond the first of a region: it lies in several wanted ranges.
    pub split: u64,
}

/// Leaves of a snapshot's regions those that `pattern` matches, as DAMON
/// reported them and by the snapshot's own intervals, cut to `addresses` (any,
/// if there are none). What of a region is not known does not keep it out: its
/// age, or without intervals, rates and ages above zero.
pub fn keep_wanted(
    snapshot: &mut Snapshot,
    pattern: &AccessPattern,
    addresses: &[Range<u64>],
) -> Kept {
    let mut kept = Kept::default();
    let patterned = *pattern != AccessPattern::default();
    if !patterned && addresses.is_empty() {
        return kept;
    }
    let wanted = Wanted::of(pattern, snapshot.intervals.as_ref());
    let regions = std::mem::take(&mut snapshot.regions);
    let extra = snapshot.extra.as_deref_mut();
    let (mut passed, mut hits) = (Vec::new(), Vec::new());
    for (i, region) in regions.iter().enumerate() {
        let before = snapshot.regions.len();
        let whole = region.start..region.end;
        let pieces: &[Range<u64>] = match addresses {
            _ if patterned && !wanted.has(region) => &[],
            [] => std::slice::from_ref(&whole),
            addresses => addresses,
        };
        for range in pieces {
            let (start, end) = (region.start.max(range.start), region.end.min(range.end));
            if start >= end && !addresses.is_empty() {
                continue;
            }
            snapshot.regions.push(Region {
                start,
                end,
                ..*region
            });
            if let Some(extra) = &extra {
                let share = extra.filter_passed.get(i).copied().flatten();
                passed.push(share.map(|bytes| in_proportion(bytes, end - start, region.len())));
                hits.push(extra.probe_hits.get(i).cloned().unwrap_or_default());
            }
        }
        match snapshot.regions.len() - before {
            0 => kept.left_out += 1,
            pieces => kept.split += pieces as u64 - 1,
        }
    }
    if let Some(extra) = extra {
        if !extra.filter_passed.is_empty() {
            extra.filter_passed = passed;
        }
        if !extra.probe_hits.is_empty() {
            extra.probe_hits = hits;
        }
        if !addresses.is_empty() {
            // Of the whole address space, and not of these addresses.
            extra.total_bytes = None;
        }
        if *extra == Extra::default() {
            snapshot.extra = None;
        }
    }
    kept
}

/// A pattern in the units of one snapshot.
struct Wanted {
    sizes: (u64, u64),
    accesses: Limits,
    ages: Limits,
}

impl Wanted {
    fn of(pattern: &AccessPattern, intervals: Option<&Intervals>) -> Wanted {
        Wanted {
            sizes: (pattern.sz_bytes.min, pattern.sz_bytes.max),
            accesses: Limits::of(intervals, |it| RateRange::samples(&pattern.nr_accesses, it)),
            ages: Limits::of(intervals, |it| AgeRange::aggrs(&pattern.age, it)),
        }
    }

    fn has(&self, region: &Region) -> bool {
        (self.sizes.0..=self.sizes.1).contains(&region.len())
            && self.accesses.have(region.nr_accesses)
            && region.age.is_none_or(|age| self.ages.have(age))
    }
}

/// A range of access rates or ages as DAMON counts them.
enum Limits {
    /// These numbers.
    Of(Samples),
    /// No whole number lies in the range.
    Nothing,
    /// Without intervals only zero is known to be zero.
    Unknown { zero: bool },
}

impl Limits {
    fn of(
        intervals: Option<&Intervals>,
        whole: impl Fn(&Intervals) -> Result<Samples, NoWholeNumber>,
    ) -> Limits {
        let Some(intervals) = intervals else {
            let any = Intervals {
                sample_us: 1,
                aggr_us: 1,
                update_us: 1,
            };
            return Limits::Unknown {
                zero: whole(&any).is_ok_and(|found| found.min == 0),
            };
        };
        match whole(intervals) {
            Ok(found) => Limits::Of(found),
            Err(NoWholeNumber) => Limits::Nothing,
        }
    }

    fn have(&self, number: u32) -> bool {
        match self {
            Limits::Of(range) => (range.min..=range.max).contains(&u64::from(number)),
            Limits::Nothing => false,
            Limits::Unknown { zero } => number > 0 || *zero,
        }
    }
}

fn in_proportion(bytes: u64, part: u64, whole: u64) -> u64 {
    if part == whole {
        return bytes;
    }
    let share = u128::from(bytes) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}
