//! One number for each snapshot, or each moment: exact as long as memory allows.

use super::Distribution;

/// Numbers that are kept exactly, of all series together: 32 MiB.
const EXACT: u64 = 4 << 20;

/// A series this short is kept as it is: less would take as much memory.
const SHORT: usize = 32 << 10;

/// Numbers with their times that are kept of one series.
const PAIRS: usize = 4096;

/// Order of the numbers that percentiles are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// As time went by.
    Time,
    /// Ascending.
    Size,
}

/// How numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesSpec {
    /// Their order.
    pub sort_by: SortBy,
    /// Whether each counts for as long as it lasted, and not just once. In order
    /// of size alone.
    pub by_time: bool,
    /// Whether each number is wanted, however many there are.
    pub all: bool,
}

impl SeriesSpec {
    /// Numbers in order of size, each counting once.
    pub const BY_SIZE: SeriesSpec = SeriesSpec {
        sort_by: SortBy::Size,
        by_time: false,
        all: false,
    };
}

/// What may still be kept exactly, shared by all series of a report.
#[derive(Clone, Debug)]
pub struct Room {
    kept: u64,
    most: u64,
    short: usize,
}

impl Default for Room {
    fn default() -> Room {
        Room {
            kept: 0,
            most: EXACT,
            short: SHORT,
        }
    }
}

/// One number for each snapshot, or each moment.
#[derive(Clone, Debug)]
pub struct Series {
    spec: SeriesSpec,
    kept: Kept,
    /// Zeros, which are counted and not kept where the order is that of size.
    zeros: u64,
    count: u64,
    weight: u128,
    /// Of numbers times weights.
    sum: u128,
}

#[derive(Clone, Debug)]
enum Kept {
    /// Each `stride`-th number.
    Numbers { numbers: Vec<u64>, stride: u64 },
    /// Numbers and nanoseconds.
    Pairs(Vec<(u64, u64)>),
    /// To a thousandth.
    Rounded(Box<Distribution>),
}

/// How much of the numbers is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// All of it.
    Exact,
    /// They are known to a thousandth.
    Rounded,
    /// Each of so many is left.
    Thinned(u64),
}

impl Series {
    /// None yet.
    pub fn new(spec: SeriesSpec) -> Series {
        let kept = match spec.by_time {
            true => Kept::Pairs(Vec::new()),
            false => Kept::Numbers {
                numbers: Vec::new(),
                stride: 1,
            },
        };
        Series {
            spec,
            kept,
            zeros: 0,
            count: 0,
            weight: 0,
            sum: 0,
        }
    }

    /// A series of these numbers.
    pub fn of(spec: SeriesSpec, numbers: impl IntoIterator<Item = u64>) -> Series {
        let mut room = Room::default();
        let mut series = Series::new(spec);
        for number in numbers {
            series.push(number, 1, &mut room);
        }
        series.finish();
        series
    }

    /// Adds a number that was true for `ns`.
    pub fn push(&mut self, number: u64, ns: u64, room: &mut Room) {
        // What has no known length counts as hardly any.
        let weight = if self.spec.by_time { ns.max(1) } else { 1 };
        let at = self.count;
        self.count += 1;
        self.weight += u128::from(weight);
        self.sum = self
            .sum
            .saturating_add(u128::from(number) * u128::from(weight));
        match &mut self.kept {
            Kept::Numbers { .. } if number == 0 && self.spec.sort_by == SortBy::Size => {
                self.zeros += 1;
            }
            Kept::Numbers { numbers, stride } => {
                if at.is_multiple_of(*stride) {
                    numbers.push(number);
                    room.kept += 1;
                    let full = room.kept >= room.most && numbers.len() >= room.short;
                    if full && !self.spec.all {
                        self.shrink(room);
                    }
                }
            }
            Kept::Pairs(pairs) => match pairs.last_mut() {
                Some((last, ns)) if *last == number => *ns = ns.saturating_add(weight),
                _ => {
                    pairs.push((number, weight));
                    if pairs.len() > PAIRS {
                        self.shrink(room);
                    }
                }
            },
            Kept::Rounded(distribution) => distribution.add(number, in_us(weight, self.spec)),
        }
    }

    /// Adds a number that was there so many times, in no order of time: to a
    /// thousandth. A record has these or others, never both.
    pub fn push_times(&mut self, number: u64, times: u64) {
        if self.count == 0 {
            self.kept = Kept::Rounded(Box::default());
        }
        if let Kept::Rounded(distribution) = &mut self.kept {
            distribution.add(number, times);
            self.count = self.count.saturating_add(times);
            self.weight = self.weight.saturating_add(times.into());
            let sum = u128::from(number).saturating_mul(times.into());
            self.sum = self.sum.saturating_add(sum);
        }
    }

    /// Keeps less from now on.
    fn shrink(&mut self, room: &mut Room) {
        match &mut self.kept {
            Kept::Numbers { numbers, stride } if self.spec.sort_by == SortBy::Time => {
                let before = numbers.len();
                let mut place = 0_usize;
                numbers.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
                *stride = stride.saturating_mul(2);
                room.kept -= (before - numbers.len()) as u64;
            }
            Kept::Numbers { numbers, .. } => {
                room.kept -= numbers.len() as u64;
                let mut distribution = Distribution::default();
                distribution.add(0, self.zeros);
                numbers.iter().for_each(|it| distribution.add(*it, 1));
                self.kept = Kept::Rounded(Box::new(distribution));
            }
            Kept::Pairs(pairs) => {
                let mut distribution = Distribution::default();
                for (number, ns) in pairs {
                    distribution.add(*number, in_us(*ns, self.spec));
                }
                self.kept = Kept::Rounded(Box::new(distribution));
            }
            Kept::Rounded(_) => {}
        }
    }

    /// Puts the numbers in their order; to be called once, after the last.
    pub fn finish(&mut self) {
        match &mut self.kept {
            Kept::Numbers { numbers, .. } if self.spec.sort_by == SortBy::Size => {
                numbers.sort_unstable();
            }
            Kept::Pairs(pairs) => pairs.sort_unstable(),
            Kept::Numbers { .. } | Kept::Rounded(_) => {}
        }
    }

    /// Whether there is no number.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many numbers there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether all of them is still there.
    pub fn exactness(&self) -> Exactness {
        match &self.kept {
            Kept::Numbers { stride: 1, .. } | Kept::Pairs(_) => Exactness::Exact,
            Kept::Numbers { stride, .. } => Exactness::Thinned(*stride),
            Kept::Rounded(_) => Exactness::Rounded,
        }
    }

    /// Mean of all numbers, which is exact; `None` without any.
    pub fn mean(&self) -> Option<f64> {
        (self.weight > 0).then(|| self.sum as f64 / self.weight as f64)
    }

    /// The number at a percentile of the order; `None` without any, or above 100.
    pub fn percentile(&self, percentile: u64) -> Option<u64> {
        if percentile > 100 || self.is_empty() {
            return None;
        }
        let share = percentile as f64 / 100.0;
        match &self.kept {
            Kept::Numbers { numbers, .. } => {
                let all = self.zeros + numbers.len() as u64;
                // In floats, as the peer's index is: 29 % of 100 are 28.999...
                let index = ((share * all as f64) as u64).min(all.saturating_sub(1));
                match index.checked_sub(self.zeros) {
                    None => Some(0),
                    Some(place) => numbers.get(usize::try_from(place).ok()?).copied(),
                }
            }
            Kept::Pairs(pairs) => {
                let wanted = share * self.weight as f64;
                let mut until = 0_u128;
                let reached = |(_, ns): &&(u64, u64)| {
                    until += u128::from(*ns);
                    until as f64 >= wanted
                };
                let found = pairs.iter().find(reached).or(pairs.last());
                found.map(|(number, _)| *number)
            }
            Kept::Rounded(distribution) => distribution.percentile(percentile as f64),
        }
    }

    /// All numbers in their order, as far as they are kept one by one.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let numbers: &[u64] = match &self.kept {
            Kept::Numbers { numbers, .. } => numbers,
            Kept::Pairs(_) | Kept::Rounded(_) => &[],
        };
        let zeros = usize::try_from(self.zeros).unwrap_or(usize::MAX);
        std::iter::repeat_n(0, zeros).chain(numbers.iter().copied())
    }
}

/// Nanoseconds as a distribution takes them: in microseconds, so that the sum of
/// all targets' times is far below 2^63.
fn in_us(weight: u64, spec: SeriesSpec) -> u64 {
    match spec.by_time {
        true => (weight / 1000).max(1),
        false => weight,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_TIME: SeriesSpec = SeriesSpec {
        by_time: true,
        ..SeriesSpec::BY_SIZE
    };
    const IN_TIME: SeriesSpec = SeriesSpec {
        sort_by: SortBy::Time,
        ..SeriesSpec::BY_SIZE
    };

    fn small() -> Room {
        Room {
            kept: 0,
            most: 100,
            short: 10,
        }
    }

    #[test]
    fn percentiles_are_the_peers() {
        let series = Series::of(SeriesSpec::BY_SIZE, [5, 0, 3, 0, 9]);
        let at = |percentile| series.percentile(percentile);
        assert_eq!(
            [at(0), at(39), at(40), at(60)],
            [Some(0), Some(0), Some(3), Some(5)]
        );
        assert_eq!([at(80), at(100), at(101)], [Some(9), Some(9), None]);
        assert_eq!(series.mean(), Some(17.0 / 5.0));
        assert_eq!(series.iter().collect::<Vec<_>>(), [0, 0, 3, 5, 9]);
        let in_time = Series::of(IN_TIME, [5, 0, 3, 0, 9]);
        assert_eq!(in_time.iter().collect::<Vec<_>>(), [5, 0, 3, 0, 9]);
        assert_eq!(in_time.percentile(50), Some(3));
        let none = Series::of(SeriesSpec::BY_SIZE, []);
        assert_eq!((none.mean(), none.percentile(0)), (None, None));
    }

    #[test]
    fn by_time_each_counts_for_as_long_as_it_lasted() {
        let mut room = Room::default();
        let mut series = Series::new(BY_TIME);
        for (number, ns) in [(100, 1_000), (7, 8_000), (7, 1_000), (50, 0)] {
            series.push(number, ns, &mut room);
        }
        series.finish();
        let at = |percentile| series.percentile(percentile);
        assert_eq!(
            [at(0), at(50), at(89), at(91), at(100)].map(Option::unwrap),
            [7, 7, 7, 100, 100]
        );
        let mean = (100.0 * 1e3 + 7.0 * 9e3 + 50.0) / 10_001.0;
        assert!((series.mean().unwrap() - mean).abs() < 1e-9);
        // Beyond what is kept: to a thousandth.
        let mut long = Series::new(BY_TIME);
        for i in 0..10_000 {
            long.push(1_000_000 + i * 100, 1_000_000 * (1 + i % 3), &mut room);
        }
        long.finish();
        assert_eq!(long.exactness(), Exactness::Rounded);
        let middle = long.percentile(50).unwrap() as f64;
        assert!((middle / 1_500_000.0 - 1.0).abs() < 2e-3, "{middle}");
    }

    #[test]
    fn too_many_numbers_are_rounded_or_thinned() {
        let mut room = small();
        let mut series = Series::new(SeriesSpec::BY_SIZE);
        (0..1000).for_each(|i| series.push(i * 1000, 1, &mut room));
        series.finish();
        assert_eq!(series.exactness(), Exactness::Rounded);
        assert_eq!(room.kept, 0);
        let middle = series.percentile(50).unwrap() as f64;
        assert!((middle / 500_000.0 - 1.0).abs() < 2e-3, "{middle}");
        assert_eq!(
            (series.percentile(0), series.percentile(100)),
            (Some(0), Some(999_000))
        );
        assert_eq!(series.mean(), Some(499_500.0));

        let mut series = Series::new(IN_TIME);
        (0..1000).for_each(|i| series.push(1000 - i, 1, &mut room));
        series.finish();
        let Exactness::Thinned(stride) = series.exactness() else {
            panic!("{series:?}");
        };
        assert!(series.iter().count() <= 100 && room.kept <= 100);
        let numbers: Vec<u64> = series.iter().collect();
        assert!(
            numbers.windows(2).all(|pair| pair[0] - pair[1] == stride),
            "{numbers:?}"
        );
        assert!(series.percentile(50).unwrap().abs_diff(500) <= 2 * stride);

        let mut counted = Series::new(SeriesSpec::BY_SIZE);
        counted.push_times(1000, 3);
        counted.push_times(10, 1);
        assert_eq!(counted.mean(), Some(3010.0 / 4.0));
        assert_eq!(
            (counted.percentile(0), counted.percentile(25)),
            (Some(10), Some(10))
        );
        assert_eq!((counted.percentile(50), counted.count()), (Some(1000), 4));

        // Those that are short stay as they are.
        let mut short = Series::new(SeriesSpec::BY_SIZE);
        room.kept = room.most;
        (1..10).for_each(|i| short.push(i, 1, &mut room));
        assert_eq!(short.exactness(), Exactness::Exact);
        let all = SeriesSpec {
            all: true,
            ..SeriesSpec::BY_SIZE
        };
        let mut whole = Series::new(all);
        (1..=1000).for_each(|i| whole.push(i, 1, &mut room));
        assert_eq!(
            (whole.exactness(), whole.iter().count()),
            (Exactness::Exact, 1000)
        );
    }
}
