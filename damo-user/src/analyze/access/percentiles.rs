//! Values by how many bytes have them.

/// The value up to which so many of all bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentile {
    /// How many of them, in percent.
    pub percent: i64,
    /// The value.
    pub value: i64,
}

/// Percentiles of `values`, each with its bytes, which are sorted on the way.
/// `wanted` ascends; what is above 100 does not exist. Nothing if there are no
/// bytes at all.
pub fn percentiles(values: &mut [(i64, u64)], wanted: &[i64]) -> Vec<Percentile> {
    let total: u128 = values.iter().map(|(_, bytes)| u128::from(*bytes)).sum();
    if total == 0 {
        return Vec::new();
    }
    sort(values);
    let mut found = Vec::with_capacity(wanted.len());
    let mut left = wanted.iter().copied().filter(|percent| *percent <= 100);
    let mut next = left.next();
    let mut bytes = 0u128;
    for (value, more) in values.iter() {
        bytes += u128::from(*more);
        while let Some(percent) = next {
            let needed = u128::from(percent.max(0).unsigned_abs()) * total;
            if bytes * 100 < needed {
                break;
            }
            found.push(Percentile {
                percent,
                value: *value,
            });
            next = left.next();
        }
        if next.is_none() {
            break;
        }
    }
    found
}

/// Sorts by value. Most values of a busy program are the lowest one, of memory that is
/// not idle: these only go to the front.
fn sort(values: &mut [(i64, u64)]) {
    let lowest = values.iter().map(|(value, _)| *value).min();
    let mut front = 0;
    for index in 0..values.len() {
        if values.get(index).map(|(value, _)| *value) == lowest {
            values.swap(front, index);
            front += 1;
        }
    }
    if let Some(others) = values.get_mut(front..) {
        others.sort_unstable_by_key(|(value, _)| *value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(i64, u64)], wanted: &[i64]) -> Vec<(i64, i64)> {
        let found = percentiles(&mut values.to_vec(), wanted);
        found.iter().map(|it| (it.percent, it.value)).collect()
    }

    #[test]
    fn bytes_count_and_not_regions() {
        let values = [(30, 1), (-10, 98), (20, 1)];
        assert_eq!(
            of(&values, &[-5, 0, 98, 99, 100, 101]),
            [(-5, -10), (0, -10), (98, -10), (99, 20), (100, 30)]
        );
        // A tenth each: no rounding on the way may keep the tenth from being reached.
        let tenths: Vec<(i64, u64)> = (0..10).map(|i| (i, 3)).collect();
        assert_eq!(
            of(&tenths, &[10, 30, 70, 100]),
            [(10, 0), (30, 2), (70, 6), (100, 9)]
        );
    }

    #[test]
    fn the_lowest_may_be_anywhere_and_often() {
        let values = [(7, 1), (0, 1), (3, 1), (0, 2), (9, 1), (0, 1), (3, 3)];
        let mut sorted = values;
        sort(&mut sorted);
        assert!(sorted.is_sorted_by_key(|(value, _)| *value), "{sorted:?}");
        assert_eq!(
            of(&values, &[0, 40, 41, 80, 81, 91, 100]),
            [
                (0, 0),
                (40, 0),
                (41, 3),
                (80, 3),
                (81, 7),
                (91, 9),
                (100, 9)
            ]
        );
    }

    #[test]
    fn of_nothing_there_are_none_and_sums_do_not_overflow() {
        assert_eq!(of(&[], &[0, 100]), []);
        assert_eq!(of(&[(4, 0)], &[0, 100]), []);
        let huge = [(1, u64::MAX), (2, u64::MAX), (3, u64::MAX)];
        assert_eq!(of(&huge, &[33, 34, 100]), [(33, 1), (34, 2), (100, 3)]);
    }
}
