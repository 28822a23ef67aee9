//! Several aggregations taken as one: v1.7.3's `--work_time`.

use crate::model::{Intervals, Region, Snapshot};

/// Consecutive snapshots of a target, taken as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// They overlap nothing, but are in no order if there were several snapshots.
    pub regions: &'a [Region],
    /// Start of the first snapshot, in nanoseconds.
    pub start_ns: u64,
    /// End of the last.
    pub end_ns: u64,
    /// All aggregation intervals together as one; `None` if one was not known.
    pub intervals: Option<Intervals>,
}

impl<'a> Group<'a> {
    /// A snapshot alone.
    pub fn of(snapshot: &'a Snapshot) -> Group<'a> {
        Group {
            regions: &snapshot.regions,
            start_ns: snapshot.start_ns,
            end_ns: snapshot.end_ns,
            intervals: snapshot.intervals,
        }
    }

    /// Its length, in nanoseconds.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// Joins consecutive snapshots of one target until they span a time. What is
/// left of an unfinished group at the end is dropped.
///
/// The first snapshot's regions are the base and are never split. Each later
/// snapshot adds to a base region the most accesses of its own regions there;
/// what it has outside of the base becomes base.
#[derive(Debug)]
pub struct Grouping {
    work_time_ns: u64,
    start_ns: Option<u64>,
    intervals: Option<Intervals>,
    regions: Vec<Region>,
    /// Most accesses in the snapshot at hand, for each region.
    most: Vec<u32>,
}

impl Grouping {
    /// Groups of at least this length; 0 makes each snapshot a group.
    pub fn new(work_time_ns: u64) -> Self {
        Self {
            work_time_ns,
            start_ns: None,
            intervals: None,
            regions: Vec::new(),
            most: Vec::new(),
        }
    }

    /// Takes a snapshot in and calls `done` with the group that it completes.
    pub fn add(&mut self, snapshot: &Snapshot, done: impl FnOnce(Group<'_>)) {
        let start_ns = self.start_ns.unwrap_or(snapshot.start_ns);
        let complete = snapshot.end_ns.saturating_sub(start_ns) >= self.work_time_ns;
        if self.start_ns.is_none() && complete {
            return done(Group::of(snapshot));
        }
        if self.start_ns.is_none() {
            self.start_ns = Some(start_ns);
            self.regions.clone_from(&snapshot.regions);
            self.intervals = snapshot.intervals;
        } else {
            self.join(&snapshot.regions);
            let both = self.intervals.zip(snapshot.intervals);
            self.intervals = both.map(|(so_far, more)| Intervals {
                aggr_us: so_far.aggr_us.saturating_add(more.aggr_us),
                ..so_far
            });
        }
        if complete {
            done(Group {
                regions: &self.regions,
                start_ns,
                end_ns: snapshot.end_ns,
                intervals: self.intervals,
            });
            self.start_ns = None;
        }
    }

    fn join(&mut self, regions: &[Region]) {
        self.most.clear();
        self.most.resize(self.regions.len(), 0);
        for region in regions {
            self.place(*region);
        }
        for (region, most) in self.regions.iter_mut().zip(&self.most) {
            region.nr_accesses = region.nr_accesses.saturating_add(*most);
        }
    }

    /// Counts a region for the first base region that it overlaps; what is
    /// outside of that goes the same way, or becomes base.
    fn place(&mut self, region: Region) {
        let mut parts = vec![region];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let mut base = self.regions.iter().zip(&mut self.most);
            let overlapped = base.find(|(r, _)| r.start < part.end && part.start < r.end);
            let Some((base, most)) = overlapped else {
                self.regions.push(part);
                self.most.push(0);
                continue;
            };
            *most = part.nr_accesses.max(*most);
            if base.end < part.end {
                parts.push(Region {
                    start: base.end,
                    ..part
                });
            }
            // On top, so that the lower part is next.
            if part.start < base.start {
                parts.push(Region {
                    end: base.start,
                    ..part
                });
            }
        }
    }
}
