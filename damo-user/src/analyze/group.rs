//! Several aggregations taken as one: v1.7.3's `--work_time`.

use crate::model::{Region, Snapshot};

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
            regions: Vec::new(),
            most: Vec::new(),
        }
    }

    /// Takes a snapshot in and calls `done` with a group's regions when the
    /// snapshot completes it. A group's regions overlap nothing, but are in no order.
    pub fn add(&mut self, snapshot: &Snapshot, done: impl FnOnce(&[Region])) {
        let start_ns = self.start_ns.unwrap_or(snapshot.start_ns);
        let complete = snapshot.end_ns.saturating_sub(start_ns) >= self.work_time_ns;
        if self.start_ns.is_none() && complete {
            return done(&snapshot.regions);
        }
        if self.start_ns.is_none() {
            self.start_ns = Some(start_ns);
            self.regions.clone_from(&snapshot.regions);
        } else {
            self.join(&snapshot.regions);
        }
        if complete {
            done(&self.regions);
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
