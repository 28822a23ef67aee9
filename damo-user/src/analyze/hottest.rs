//! Which of several address ranges is accessed the most.

use std::ops::Range;

use crate::model::Snapshot;

/// Sums up accesses of address ranges, weighted by bytes, as 3.x does: a region
/// counts fully for each range that it touches.
#[derive(Debug)]
pub struct Hottest {
    /// Ascending, without overlap.
    ranges: Vec<Range<u64>>,
    heats: Vec<u128>,
}

impl Hottest {
    /// Of these ranges, which ascend and do not overlap.
    pub fn new(ranges: Vec<Range<u64>>) -> Self {
        Self {
            heats: vec![0; ranges.len()],
            ranges,
        }
    }

    /// Takes a snapshot in.
    pub fn add(&mut self, snapshot: &Snapshot) {
        for region in &snapshot.regions {
            if region.nr_accesses == 0 {
                continue;
            }
            let heat = u128::from(region.nr_accesses) * u128::from(region.len());
            let below = self
                .ranges
                .partition_point(|range| range.end < region.start);
            let touched = self.ranges.iter().zip(&mut self.heats).skip(below);
            for (_, sum) in touched.take_while(|(range, _)| range.start <= region.end) {
                *sum = sum.saturating_add(heat);
            }
        }
    }

    /// The range with the most accesses per byte; the first one of several.
    pub fn finish(self) -> Option<Range<u64>> {
        let per_byte = |(range, heat): (Range<u64>, u128)| {
            let bytes = range.end.saturating_sub(range.start);
            (bytes > 0).then(|| (heat as f64 / bytes as f64, range))
        };
        let ranges = self.ranges.into_iter().zip(self.heats).filter_map(per_byte);
        let hottest = ranges.reduce(|most, next| if next.0 > most.0 { next } else { most });
        hottest.map(|(_, range)| range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Region, TargetKey};

    #[test]
    fn accesses_count_by_bytes_and_for_all_that_they_touch() {
        let snapshot = |regions: &[(u64, u64, u32)]| Snapshot {
            target: TargetKey {
                kdamond: 0,
                target_id: 0,
            },
            start_ns: 0,
            end_ns: 1,
            intervals: None,
            missing: 0,
            regions: regions
                .iter()
                .map(|(start, end, nr_accesses)| Region {
                    start: *start,
                    end: *end,
                    nr_accesses: *nr_accesses,
                    age: None,
                })
                .collect(),
            extra: None,
        };
        let hottest = |regions: &[(u64, u64, u32)]| {
            let mut hottest = Hottest::new(vec![0..100, 200..300, 400..410]);
            hottest.add(&snapshot(regions));
            hottest.finish().unwrap()
        };
        assert_eq!(hottest(&[]), 0..100);
        assert_eq!(hottest(&[(0, 100, 2), (200, 250, 5)]), 200..300);
        assert_eq!(hottest(&[(0, 100, 2), (400, 401, 3)]), 0..100);
        // What only touches a range counts for it.
        assert_eq!(hottest(&[(0, 100, 2), (310, 400, 1)]), 400..410);
    }
}
