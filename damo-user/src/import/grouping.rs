//! Region events to snapshots, such that a lost event does not shift the rest.

use std::collections::HashMap;

use crate::model::{Region, TargetKey};

/// One `damon_aggregated` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionEvent {
    /// Whose region.
    pub target: TargetKey,
    /// When the event was written, in nanoseconds.
    pub time_ns: u64,
    /// How many regions the kernel says that the aggregation has.
    pub nr_regions: u64,
    /// The region.
    pub region: Region,
}

/// A finished aggregation, complete or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Whose regions.
    pub target: TargetKey,
    /// Time of the first event.
    pub end_ns: u64,
    /// Announced regions that are not here.
    pub missing: u32,
    /// In order, without overlap.
    pub regions: Vec<Region>,
}

/// Collects events into groups. A group ends when it has as many regions as
/// announced; or, incomplete, when an event cannot belong to it.
///
/// Live events are put together by `source::assemble` instead: they carry the
/// snapshot's number and the count of what was lost. Text has neither, and not
/// always the kdamond, so that pauses are needed to tell two snapshots apart.
#[derive(Debug, Default)]
pub struct RegionGrouping {
    open: HashMap<TargetKey, Open>,
    /// Which of a kdamond's targets has an unfinished group.
    open_target: HashMap<u32, TargetKey>,
}

/// The state of one target. Stays when its group is done, for the intervals.
#[derive(Debug)]
struct Open {
    end_ns: u64,
    interval_ns: Option<u64>,
    nr_regions: u64,
    regions: Vec<Region>,
}

/// Regions of one aggregation are written within moments: longer than this,
/// and than half of an aggregation, is another aggregation.
const SHORTEST_PAUSE_NS: u64 = 1_000_000;

impl Open {
    fn takes(&self, event: &RegionEvent) -> bool {
        let in_order = self
            .regions
            .last()
            .is_none_or(|last| last.end <= event.region.start);
        let pause_ns = self
            .interval_ns
            .map_or(u64::MAX, |ns| (ns / 2).max(SHORTEST_PAUSE_NS));
        let in_time = event.time_ns.saturating_sub(self.end_ns) <= pause_ns;
        self.nr_regions == event.nr_regions && in_order && in_time
    }

    fn close(&mut self, target: TargetKey) -> Option<Group> {
        if self.regions.is_empty() {
            return None;
        }
        let regions = std::mem::take(&mut self.regions);
        let missing = self.nr_regions.saturating_sub(regions.len() as u64);
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        Some(Group {
            target,
            end_ns: self.end_ns,
            missing,
            regions,
        })
    }
}

impl RegionGrouping {
    /// Takes an event in and gives the groups that it ends, oldest first, to `done`.
    pub fn add(&mut self, event: &RegionEvent, mut done: impl FnMut(Group)) {
        let target = event.target;
        // A kdamond writes one target after the other. (0 is any kdamond.)
        if target.kdamond != 0 {
            let before = self.open_target.insert(target.kdamond, target);
            if let Some(before) = before.filter(|before| *before != target) {
                self.open
                    .get_mut(&before)
                    .and_then(|open| open.close(before))
                    .map(&mut done);
            }
        }
        let open = self.open.entry(target).or_insert_with(|| Open {
            end_ns: event.time_ns,
            interval_ns: None,
            nr_regions: 0,
            regions: Vec::new(),
        });
        if !open.regions.is_empty() && !open.takes(event) {
            open.close(target).map(&mut done);
        }
        if open.regions.is_empty() {
            let interval_ns = event.time_ns.saturating_sub(open.end_ns);
            open.interval_ns = (interval_ns > 0).then_some(interval_ns);
            open.end_ns = event.time_ns;
            open.nr_regions = event.nr_regions;
        }
        open.regions.push(event.region);
        if open.regions.len() as u64 >= open.nr_regions {
            open.close(target).map(&mut done);
        }
    }

    /// Gives what is unfinished at the end, oldest first.
    pub fn finish(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self
            .open
            .into_iter()
            .filter_map(|(target, mut open)| open.close(target))
            .collect();
        groups.sort_by_key(|group| (group.end_ns, group.target));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// kdamond, target, ms, nr_regions, number of the region.
    type Event = (u32, u64, u64, u64, u64);

    /// Groups as target, end in ms, missing, and the regions' numbers.
    fn groups(events: &[Event]) -> Vec<(u64, u64, u32, Vec<u64>)> {
        let mut grouping = RegionGrouping::default();
        let mut groups = Vec::new();
        for (kdamond, target_id, ms, nr_regions, number) in events.iter().copied() {
            let (start, end) = (number * 4096, (number + 1) * 4096);
            let event = RegionEvent {
                target: TargetKey { kdamond, target_id },
                time_ns: ms * 1_000_000,
                nr_regions,
                region: Region {
                    start,
                    end,
                    nr_accesses: 0,
                    age: None,
                },
            };
            grouping.add(&event, |group| groups.push(group));
        }
        groups.extend(grouping.finish());
        let numbers = |g: &Group| g.regions.iter().map(|r| r.start / 4096).collect();
        groups
            .iter()
            .map(|g| {
                (
                    g.target.target_id,
                    g.end_ns / 1_000_000,
                    g.missing,
                    numbers(g),
                )
            })
            .collect()
    }

    #[test]
    fn a_step_back_in_address_begins_a_group() {
        let events = [
            (0, 1, 10, 3, 0),
            (0, 1, 10, 3, 1),
            (0, 1, 20, 3, 0),
            (0, 1, 20, 3, 1),
            (0, 1, 20, 3, 2),
        ];
        assert_eq!(
            groups(&events),
            [(1, 10, 1, vec![0, 1]), (1, 20, 0, vec![0, 1, 2])]
        );
        // Nor does one region come twice.
        assert_eq!(
            groups(&[(0, 1, 10, 2, 0), (0, 1, 20, 2, 0)]),
            [(1, 10, 1, vec![0]), (1, 20, 1, vec![0])]
        );
    }

    #[test]
    fn another_number_of_regions_begins_a_group() {
        let events = [(0, 1, 10, 3, 0), (0, 1, 20, 2, 1), (0, 1, 20, 2, 2)];
        assert_eq!(
            groups(&events),
            [(1, 10, 2, vec![0]), (1, 20, 0, vec![1, 2])]
        );
    }

    #[test]
    fn the_kdamonds_next_target_ends_a_group() {
        let events = [(5, 1, 10, 2, 0), (5, 2, 10, 1, 7), (5, 1, 20, 2, 1)];
        assert_eq!(
            groups(&events),
            [
                (1, 10, 1, vec![0]),
                (2, 10, 0, vec![7]),
                (1, 20, 1, vec![1])
            ]
        );
    }

    #[test]
    fn kdamonds_may_interleave() {
        let events = [
            (5, 1, 10, 2, 0),
            (6, 1, 10, 2, 0),
            (5, 1, 10, 2, 1),
            (6, 1, 10, 2, 1),
        ];
        assert_eq!(
            groups(&events),
            [(1, 10, 0, vec![0, 1]), (1, 10, 0, vec![0, 1])]
        );
        // And, where the text does not tell the kdamond, targets may.
        let events = [
            (0, 1, 10, 2, 0),
            (0, 2, 10, 2, 0),
            (0, 1, 10, 2, 1),
            (0, 2, 10, 2, 1),
        ];
        assert_eq!(
            groups(&events),
            [(1, 10, 0, vec![0, 1]), (2, 10, 0, vec![0, 1])]
        );
    }

    #[test]
    fn a_promise_of_many_regions_costs_nothing() {
        assert_eq!(
            groups(&[(0, 1, 10, u64::MAX, 0)]),
            [(1, 10, u32::MAX, vec![0])]
        );
    }
}
