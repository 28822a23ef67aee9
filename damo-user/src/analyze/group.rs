//! Several aggregations taken as one: v1.7.3's `--work_time`.

use crate::model::{Region, Snapshot};

/// Joins consecutive snapshots of one target until they span a time. What is
/// left of an unfinished group at the end is dropped.
#[derive(Debug)]
pub struct Grouping {
    work_time_ns: u64,
    start_ns: Option<u64>,
    regions: Vec<Region>,
}

impl Grouping {
    /// Groups of at least this length; 0 makes each snapshot a group.
    pub fn new(work_time_ns: u64) -> Self {
        Self {
            work_time_ns,
            start_ns: None,
            regions: Vec::new(),
        }
    }

    /// Takes a snapshot in and calls `done` with a group's regions when the
    /// snapshot completes it. A group's regions overlap nothing, but are in no order.
    pub fn add(&mut self, snapshot: &Snapshot, done: impl FnOnce(&[Region])) {
        let start_ns = self.start_ns.unwrap_or(snapshot.start_ns);
        let complete = snapshot.end_ns.saturating_sub(start_ns) >= self.work_time_ns;
        match (self.start_ns, complete) {
            (None, true) => done(&snapshot.regions),
            (None, false) => {
                self.start_ns = Some(start_ns);
                self.regions.extend_from_slice(&snapshot.regions);
            }
            (Some(_), _) => {
                for region in &snapshot.regions {
                    merge(&mut self.regions, *region);
                }
                if complete {
                    done(&self.regions);
                    self.regions.clear();
                    self.start_ns = None;
                }
            }
        }
    }
}

/// Raises the first region that overlaps `new` to its accesses; what is
/// outside of it goes the same way. Known regions are never split.
fn merge(regions: &mut Vec<Region>, new: Region) {
    let mut parts = vec![new];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let known = regions
            .iter_mut()
            .find(|r| r.start < part.end && part.start < r.end);
        let Some(known) = known else {
            regions.push(part);
            continue;
        };
        known.nr_accesses = known.nr_accesses.max(part.nr_accesses);
        // The lower part is on top, so it is next.
        if known.end < part.end {
            parts.push(Region {
                start: known.end,
                ..part
            });
        }
        if part.start < known.start {
            parts.push(Region {
                end: known.start,
                ..part
            });
        }
    }
}
