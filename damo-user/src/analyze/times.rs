//! When there was something to see.

use std::ops::Range;

use super::PerTarget;
use crate::model::{Snapshot, TargetKey};

/// Folds snapshots into the times at which they have regions: those that are
/// left of a filter.
#[derive(Debug, Default)]
pub struct Times {
    targets: PerTarget<Vec<Range<u64>>>,
}

/// Times of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetTimes {
    /// The target.
    pub target: TargetKey,
    /// Nanoseconds of the record's clock, in order.
    pub times: Vec<Range<u64>>,
}

impl Times {
    /// Takes a snapshot in.
    pub fn add(&mut self, snapshot: &Snapshot) {
        let times = self.targets.entry(snapshot.target, Vec::new);
        if snapshot.regions.is_empty() {
            return;
        }
        match times.last_mut() {
            Some(last) if last.end == snapshot.start_ns => last.end = snapshot.end_ns,
            _ => times.push(snapshot.start_ns..snapshot.end_ns),
        }
    }

    /// The times of each target, in order of first appearance.
    pub fn finish(self) -> Vec<TargetTimes> {
        let targets = self.targets.into_vec().into_iter();
        targets
            .map(|(target, times)| TargetTimes { target, times })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Region;

    #[test]
    fn what_follows_at_once_is_one_time() {
        let mut times = Times::default();
        let target = |target_id| TargetKey {
            kdamond: 0,
            target_id,
        };
        let mut add = |id, start_ns, end_ns, regions: usize| {
            let region = Region {
                start: 0,
                end: 1,
                nr_accesses: 0,
                age: None,
            };
            times.add(&Snapshot {
                target: target(id),
                start_ns,
                end_ns,
                intervals: None,
                missing: 0,
                regions: vec![region; regions],
                extra: None,
            });
        };
        add(1, 0, 10, 1);
        add(2, 10, 20, 1);
        add(1, 10, 20, 1);
        add(1, 20, 30, 0);
        add(1, 30, 40, 1);
        add(1, 41, 50, 1);
        let expected = [
            (1, vec![0..20, 30..40, 41..50]),
            (2, std::iter::once(10..20).collect()),
        ];
        let expected = expected.map(|(id, times)| TargetTimes {
            target: target(id),
            times,
        });
        assert_eq!(times.finish(), expected);
    }
}
