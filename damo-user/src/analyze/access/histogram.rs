//! Bytes by ranges of a value.

/// As many bins as are made at most; a logarithmic scale has no more than 64.
pub const MAX_BINS: usize = 1000;

/// How a histogram is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bins {
    /// So many of equal width, from the lowest value to the highest.
    Linear(u32),
    /// Each twice as wide as the one before; the first a 2^n-th of all.
    Log(u32),
    /// These: first value, and one past the last.
    Given(Vec<(i64, i64)>),
}

/// The bytes whose value is in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    /// First value.
    pub from: i64,
    /// One past the last.
    pub to: i64,
    /// How many bytes.
    pub bytes: u64,
}

impl Bins {
    /// The histogram of `values`, each with its bytes; if `cumulate`, each bin
    /// reaches back to the lowest value. Nothing of no values.
    pub fn of(&self, values: &[(i64, u64)], cumulate: bool) -> Vec<Bin> {
        let lowest = values.iter().map(|(value, _)| *value).min();
        let highest = values.iter().map(|(value, _)| *value).max();
        let (Some(lowest), Some(highest)) = (lowest, highest) else {
            return Vec::new();
        };
        let ranges = match self {
            Bins::Linear(count) => linear(lowest, highest, *count, cumulate),
            Bins::Log(count) => log(lowest, highest, *count, cumulate),
            Bins::Given(ranges) => ranges.clone(),
        };
        let bytes_in = |from: i64, to: i64| {
            let inside = values
                .iter()
                .filter(|(value, _)| (from..to).contains(value));
            inside.fold(0u64, |sum, (_, bytes)| sum.saturating_add(*bytes))
        };
        let ranges = ranges.into_iter();
        let bins = ranges.map(|(from, to)| Bin {
            from,
            to,
            bytes: bytes_in(from, to),
        });
        bins.collect()
    }
}

fn linear(lowest: i64, highest: i64, count: u32, cumulate: bool) -> Vec<(i64, i64)> {
    let span = i128::from(highest) - i128::from(lowest) + 1;
    let count = i128::from(count.max(1));
    let width = (span + count - 1) / count;
    let at = |i: i128| clamped(i128::from(lowest) + width * i);
    let from = |i| if cumulate { lowest } else { at(i) };
    (0..count).map(|i| (from(i), at(i + 1))).collect()
}

fn log(lowest: i64, highest: i64, count: u32, cumulate: bool) -> Vec<(i64, i64)> {
    let span = i128::from(highest) - i128::from(lowest);
    let first = (span >> count.min(64)).max(1);
    let mut ranges = Vec::new();
    let (mut from, mut to) = (i128::from(lowest), i128::from(lowest) + first);
    loop {
        ranges.push((clamped(from), clamped(to)));
        // The highest value is in the last one, and not on its open end.
        if to > i128::from(highest) || ranges.len() >= MAX_BINS {
            return ranges;
        }
        let width = to - from;
        from = if cumulate { i128::from(lowest) } else { to };
        to += width * 2;
    }
}

fn clamped(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(bins: &Bins, values: &[(i64, u64)], cumulate: bool) -> Vec<(i64, i64, u64)> {
        let found = bins.of(values, cumulate);
        found
            .iter()
            .map(|bin| (bin.from, bin.to, bin.bytes))
            .collect()
    }

    #[test]
    fn every_byte_is_in_one_bin_of_equal_width() {
        let values = [(0, 5), (99, 7), (-1, 1), (40, 2)];
        let found = ranges(&Bins::Linear(4), &values, false);
        assert_eq!(found, [(-1, 25, 6), (25, 51, 2), (51, 77, 0), (77, 103, 7)]);
        let all = ranges(&Bins::Linear(4), &values, true);
        assert_eq!(all, [(-1, 25, 6), (-1, 51, 8), (-1, 77, 8), (-1, 103, 15)]);
        assert_eq!(
            ranges(&Bins::Linear(2), &[(7, 3), (7, 1)], false),
            [(7, 8, 4), (8, 9, 0)]
        );
        assert_eq!(ranges(&Bins::Linear(2), &[], false), []);
    }

    #[test]
    fn a_logarithmic_one_doubles_and_has_the_highest_value() {
        let values = [(0, 1), (1, 1), (2, 1), (7, 1)];
        let found = ranges(&Bins::Log(10), &values, false);
        assert_eq!(found, [(0, 1, 1), (1, 3, 2), (3, 7, 0), (7, 15, 1)]);
        let all = ranges(&Bins::Log(10), &values, true);
        assert_eq!(all, [(0, 1, 1), (0, 3, 3), (0, 9, 4)]);
        let widest = [(i64::MIN, 1), (i64::MAX, 1)];
        assert!(Bins::Log(10).of(&widest, false).len() <= 64);
        assert_eq!(Bins::Linear(10).of(&widest, false).len(), 10);
    }

    #[test]
    fn given_ranges_may_leave_bytes_out_or_have_them_twice() {
        let values = [(0, 1), (5, 2)];
        let given = Bins::Given(vec![(0, 5), (0, 6), (9, 7)]);
        assert_eq!(
            ranges(&given, &values, false),
            [(0, 5, 1), (0, 6, 3), (9, 7, 0)]
        );
    }
}
