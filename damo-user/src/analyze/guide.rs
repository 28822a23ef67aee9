//! Where a record has data: the union of time and of addresses per target.

use std::ops::Range;

use super::PerTarget;
use crate::model::{Snapshot, TargetKey};

/// Collects the extents of every target of a record.
#[derive(Debug, Default)]
pub struct Guide {
    targets: PerTarget<Extent>,
}

#[derive(Debug)]
struct Extent {
    time: Range<u64>,
    since_ns: u64,
    rated: bool,
    space: Range<u64>,
    gaps: Vec<Range<u64>>,
}

/// Time and address ranges of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGuide {
    /// The target.
    pub target: TargetKey,
    /// From the END of the first snapshot (v1.7.3's rule: the first snapshot's
    /// start is a guess) to the end of the last, in nanoseconds.
    pub time: Range<u64>,
    /// From where 3.x begins: the start of the first snapshot, less the longest
    /// age in it if it tells what that is in time.
    pub since_ns: u64,
    /// Whether every snapshot tells its intervals, so that rates are known.
    pub rated: bool,
    /// Monitored address ranges, ascending, without the gaps between mappings.
    pub regions: Vec<Range<u64>>,
}

impl TargetGuide {
    /// Bytes in all regions.
    pub fn size(&self) -> u64 {
        self.regions
            .iter()
            .map(|r| r.end.saturating_sub(r.start))
            .fold(0, u64::saturating_add)
    }

    /// The largest region; the first one of several.
    pub fn largest(&self) -> Option<&Range<u64>> {
        self.regions
            .iter()
            .rev()
            .max_by_key(|r| r.end.saturating_sub(r.start))
    }
}

impl Guide {
    /// Takes a snapshot in.
    pub fn add(&mut self, snapshot: &Snapshot) {
        self.add_as(snapshot.target, snapshot);
    }

    /// Takes a snapshot in as this target's, whatever it says.
    pub fn add_as(&mut self, target: TargetKey, snapshot: &Snapshot) {
        let (Some(first), Some(last)) = (snapshot.regions.first(), snapshot.regions.last()) else {
            return;
        };
        let extent = self.targets.entry(target, || Extent {
            time: snapshot.end_ns..snapshot.end_ns,
            since_ns: oldest(snapshot),
            rated: true,
            space: first.start..last.end,
            gaps: Vec::new(),
        });
        extent.time.end = extent.time.end.max(snapshot.end_ns);
        extent.space.start = extent.space.start.min(first.start);
        extent.space.end = extent.space.end.max(last.end);
        extent.rated &= snapshot.intervals.is_some_and(|it| it.aggr_us > 0);
        extent.narrow_gaps(snapshot);
    }

    /// Guides of all targets, the one with the most memory first.
    pub fn finish(self) -> Vec<TargetGuide> {
        let mut guides: Vec<TargetGuide> = self
            .targets
            .into_vec()
            .into_iter()
            .map(|(target, extent)| TargetGuide {
                target,
                regions: extent.regions(),
                since_ns: extent.since_ns,
                rated: extent.rated,
                time: extent.time,
            })
            .collect();
        guides.sort_by_key(|guide| std::cmp::Reverse(guide.size()));
        guides
    }
}

/// Since when the longest unchanged region of a snapshot has been as it is.
fn oldest(snapshot: &Snapshot) -> u64 {
    let ages = snapshot.regions.iter().filter_map(|region| region.age);
    let longest = u64::from(ages.max().unwrap_or(0));
    let unit_ns = snapshot.age_unit_us().unwrap_or(0).saturating_mul(1000);
    let start_ns = snapshot.start_ns;
    start_ns.saturating_sub(longest.saturating_mul(unit_ns))
}

/// The address ranges between a snapshot's regions.
fn gaps(snapshot: &Snapshot) -> impl Iterator<Item = Range<u64>> + '_ {
    snapshot
        .regions
        .iter()
        .zip(snapshot.regions.iter().skip(1))
        .filter_map(|(below, above)| (below.end < above.start).then_some(below.end..above.start))
}

impl Extent {
    /// Cuts the known gaps down to what is a gap in this snapshot, too. A gap
    /// that no gap of the snapshot touches stays, as v1.7.3 has it.
    fn narrow_gaps(&mut self, snapshot: &Snapshot) {
        if self.gaps.is_empty() {
            self.gaps.extend(gaps(snapshot));
            return;
        }
        for gap in gaps(snapshot) {
            let first = self.gaps.partition_point(|known| known.end < gap.start);
            let touching = self
                .gaps
                .iter_mut()
                .skip(first)
                .take_while(|k| k.start <= gap.end);
            for known in touching {
                *known = known.start.max(gap.start)..known.end.min(gap.end);
            }
        }
    }

    /// What the gaps leave of the address space.
    fn regions(&self) -> Vec<Range<u64>> {
        let mut regions = Vec::with_capacity(self.gaps.len() + 1);
        let mut start = self.space.start;
        for gap in &self.gaps {
            regions.push(start..gap.start);
            start = gap.end;
        }
        regions.push(start..self.space.end);
        regions
    }
}
