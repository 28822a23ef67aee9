//! The order in which regions are shown.

use super::{Access, Weights};

/// What regions can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// Where they begin.
    Address,
    /// How often they are accessed.
    AccessRate,
    /// For how long they have been like this.
    Age,
    /// Their size.
    Size,
    /// How hot they are.
    Temperature,
}

/// Sorts by one key after the other, so that the last one decides; those that
/// are equal stay in order. `true`: the highest first.
pub fn sort_regions(regions: &mut [Access], keys: &[(SortKey, bool)], weights: &Weights) {
    for (key, descending) in keys {
        let of = |region: &Access| match key {
            SortKey::Address => i128::from(region.start),
            // Of one snapshot: no rounding puts two rates in another order.
            SortKey::AccessRate => i128::from((region.percent * 1e6) as i64),
            SortKey::Age => i128::from(region.age_us),
            SortKey::Size => i128::from(region.len()),
            SortKey::Temperature => i128::from(weights.temperature(region)),
        };
        match descending {
            // They come in this order.
            false if regions.is_sorted_by_key(of) => {}
            false => regions.sort_by_key(of),
            true => regions.sort_by_key(|region| std::cmp::Reverse(of(region))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured;
    use super::*;

    fn sorted(keys: &[(SortKey, bool)]) -> Vec<u64> {
        let mut regions = measured(&[(0, 9, 5, 1), (10, 12, 0, 9), (20, 29, 7, 1), (30, 31, 5, 2)]);
        sort_regions(&mut regions, keys, &Weights::default());
        regions.iter().map(|region| region.start).collect()
    }

    #[test]
    fn the_last_key_decides_and_equals_stay() {
        assert_eq!(sorted(&[]), [0, 10, 20, 30]);
        assert_eq!(sorted(&[(SortKey::Address, true)]), [30, 20, 10, 0]);
        assert_eq!(sorted(&[(SortKey::AccessRate, false)]), [10, 0, 30, 20]);
        assert_eq!(sorted(&[(SortKey::AccessRate, true)]), [20, 0, 30, 10]);
        assert_eq!(
            sorted(&[(SortKey::Size, false), (SortKey::Age, true)]),
            [10, 30, 0, 20]
        );
        assert_eq!(sorted(&[(SortKey::Temperature, true)]), [30, 20, 0, 10]);
    }
}
