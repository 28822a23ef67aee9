//! Adjacent regions that are accessed alike, made one: detail that
//! [`Level::MergedRegions`](super::cpu_budget::Level) gives up.

use crate::model::{Region, Snapshot};

/// Makes one region of adjacent ones with equal `nr_accesses` and ages of one
/// class (0, 1 to 2, 3 to 6, 7 to 14, …); its age is their mean by size, rounded
/// down. Gives how many regions are fewer.
///
/// A snapshot with more about its regions than DAMON's events tell stays as it
/// is.
pub fn merge(snapshot: &mut Snapshot) -> u64 {
    if snapshot.extra.is_some() {
        return 0;
    }
    let before = snapshot.regions.len();
    snapshot.regions.dedup_by(|next, kept| {
        let alike = kept.end == next.start
            && kept.nr_accesses == next.nr_accesses
            && age_class(kept) == age_class(next);
        if alike {
            kept.age = mean_age(kept, next);
            kept.end = next.end;
        }
        alike
    });
    before.saturating_sub(snapshot.regions.len()) as u64
}

fn age_class(region: &Region) -> Option<u32> {
    region.age.map(|age| age.saturating_add(1).ilog2())
}

fn mean_age(one: &Region, other: &Region) -> Option<u32> {
    let weighed = |region: &Region| Some(u128::from(region.age?) * u128::from(region.len()));
    let total = u128::from(one.len()) + u128::from(other.len());
    let mean = (weighed(one)? + weighed(other)?).checked_div(total);
    // Without a size, either is as good.
    mean.map_or(one.age, |mean| u32::try_from(mean).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Extra, TargetKey};

    fn snapshot(regions: &[(u64, u64, u32, Option<u32>)]) -> Snapshot {
        let regions = regions
            .iter()
            .map(|&(start, end, nr_accesses, age)| Region {
                start,
                end,
                nr_accesses,
                age,
            });
        Snapshot {
            target: TargetKey {
                kdamond: 1,
                target_id: 0,
            },
            start_ns: 0,
            end_ns: 1,
            intervals: None,
            missing: 0,
            regions: regions.collect(),
            extra: None,
        }
    }

    #[test]
    fn only_neighbours_alike_are_merged() {
        let mut merged = snapshot(&[
            (0, 10, 3, Some(7)),
            (10, 40, 3, Some(14)), // one class of ages, and the size is three times
            (40, 50, 3, Some(15)), // the next class
            (60, 70, 3, Some(15)), // a hole before it
            (70, 80, 2, Some(15)), // other accesses
            (80, 90, 2, Some(15)),
            (90, 95, 2, Some(15)),
        ]);
        assert_eq!(merge(&mut merged), 3);
        assert_eq!(
            merged,
            snapshot(&[
                (0, 40, 3, Some(12)),
                (40, 50, 3, Some(15)),
                (60, 70, 3, Some(15)),
                (70, 95, 2, Some(15)),
            ])
        );
        assert_eq!(merge(&mut merged), 0);
    }

    #[test]
    fn bytes_by_accesses_stay_the_same() {
        let regions: Vec<_> = (0..1000u64)
            .map(|n| (n * 8, n * 8 + 8, (n / 7 % 3) as u32, Some((n % 5) as u32)))
            .collect();
        let mut merged = snapshot(&regions);
        let bytes = |snapshot: &Snapshot| {
            [0, 1, 2].map(|accesses| -> u64 {
                let alike = snapshot
                    .regions
                    .iter()
                    .filter(|r| r.nr_accesses == accesses);
                alike.map(Region::len).sum()
            })
        };
        let before = bytes(&merged);
        assert!(merge(&mut merged) > 100);
        assert_eq!(bytes(&merged), before);
    }

    #[test]
    fn extremes_and_what_has_no_age() {
        let all = u64::MAX;
        let mut merged = snapshot(&[
            (0, all / 2, 1, Some(u32::MAX)),
            (all / 2, all, 1, Some(u32::MAX)),
        ]);
        assert_eq!(merge(&mut merged), 1);
        assert_eq!(merged.regions[0].age, Some(u32::MAX));
        let mut merged = snapshot(&[(0, 0, 1, Some(2)), (0, 0, 1, Some(2))]);
        assert_eq!(merge(&mut merged), 1);
        let mut merged = snapshot(&[(0, 1, 1, None), (1, 2, 1, None), (2, 3, 1, Some(0))]);
        assert_eq!(merge(&mut merged), 1);
        let mut more = snapshot(&[(0, 1, 1, None), (1, 2, 1, None)]);
        more.extra = Some(Box::new(Extra::default()));
        assert_eq!(merge(&mut more), 0);
    }
}
