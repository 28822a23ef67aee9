//! One snapshot in the terms of people: how often, for how long, how hot. What
//! `damo report access` shows is folded from these.

mod histogram;
mod percentiles;
mod sort;
mod strip;
mod survey;

pub use histogram::{Bin, Bins, MAX_BINS};
pub use percentiles::{Percentile, percentiles};
pub use sort::{SortKey, sort_regions};
pub use strip::{Cell, Strip, strip};
pub use survey::{Extremes, Seen, Survey};

use crate::model::{Intervals, Snapshot};

/// How the counts of a snapshot are to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Length of the aggregation, in microseconds.
    pub aggr_us: f64,
    /// What `nr_accesses` is at most.
    pub max_accesses: f64,
    /// What an age of 1 means, in microseconds.
    pub age_unit_us: u64,
    /// Access rates are cut to whole percents, as the peer does, so that what is
    /// accessed less counts as not accessed.
    pub whole_percents: bool,
}

impl Scale {
    /// Of a snapshot of a record that was made with `intervals`; `None` if
    /// neither tells them. `tuned`: DAMON tuned its intervals, and snapshots
    /// need not say to what.
    pub fn of(snapshot: &Snapshot, intervals: Option<Intervals>, tuned: bool) -> Option<Scale> {
        let known = snapshot.intervals.or(intervals)?;
        let aggr_us = known.aggr_us as f64;
        let max_accesses = aggr_us / known.sample_us.max(1) as f64;
        let age_unit_us = snapshot.age_unit_us().unwrap_or(known.aggr_us);
        let lasted_us = snapshot.duration_ns() as f64 / 1000.0;
        // What the snapshot does not say itself is how long it took, unless that
        // is about what the record says.
        let untold = tuned && intervals == Some(known);
        let off = (lasted_us - aggr_us).abs() / aggr_us.max(1.0);
        Some(Scale {
            aggr_us: match untold && lasted_us > 0.0 && off >= 0.1 {
                true => lasted_us,
                false => aggr_us,
            },
            max_accesses,
            age_unit_us,
            whole_percents: false,
        })
    }

    /// Sampling interval, in microseconds.
    pub fn sample_us(&self) -> f64 {
        self.aggr_us / self.max_accesses
    }

    /// Length of the aggregation, in seconds.
    pub fn aggr_seconds(&self) -> f64 {
        self.aggr_us / 1e6
    }

    /// The highest access frequency that can be seen.
    pub fn max_hz(&self) -> f64 {
        self.max_accesses / self.aggr_seconds()
    }

    fn percent(&self, nr_accesses: u32) -> f64 {
        let percent = f64::from(nr_accesses) * 100.0 / self.max_accesses;
        match self.whole_percents {
            true => percent.trunc(),
            false => percent,
        }
    }
}

/// A region in the terms of people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Access {
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Checks that found it accessed.
    pub nr_accesses: u32,
    /// How many of the checks these were, in percent.
    pub percent: f64,
    /// For how long it has been like this, in microseconds; 0 where that is not known.
    pub age_us: u64,
    /// Its place in the snapshot.
    pub place: usize,
    /// How much of it passed filters, in bytes; 0 where nothing tells.
    pub passed: u64,
}

impl Access {
    /// Size in bytes.
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it spans no address.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For how long nothing in it was accessed, in microseconds.
    pub fn idle_us(&self, scale: &Scale) -> i64 {
        if self.percent > 0.0 {
            return 0;
        }
        let us = self.age_us as f64 + scale.aggr_us;
        us as i64
    }
}

/// Puts a snapshot's regions into `into`, which is emptied first.
pub fn measure(snapshot: &Snapshot, scale: &Scale, into: &mut Vec<Access>) {
    into.clear();
    let passed = snapshot.extra.as_ref().map(|extra| &extra.filter_passed);
    let passed = |place: usize| passed.and_then(|passed| *passed.get(place)?);
    let regions = snapshot.regions.iter().enumerate();
    into.extend(regions.map(|(place, region)| Access {
        start: region.start,
        end: region.end,
        nr_accesses: region.nr_accesses,
        percent: scale.percent(region.nr_accesses),
        age_us: u64::from(region.age.unwrap_or(0)).saturating_mul(scale.age_unit_us),
        place,
        passed: passed(place).unwrap_or(0),
    }));
}

/// What makes a region hot: weights of its size (bytes), of how often (percent)
/// and for how long (microseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Of the size in bytes.
    pub size: i64,
    /// Of the access rate in percent.
    pub rate: i64,
    /// Of the age in microseconds.
    pub age: i64,
}

impl Default for Weights {
    fn default() -> Weights {
        Weights {
            size: 0,
            rate: 100,
            age: 100,
        }
    }
}

impl Weights {
    /// The same, but sizes do not matter.
    pub fn without_size(self) -> Weights {
        Weights { size: 0, ..self }
    }

    /// Temperature: below zero, the colder the longer, for what is not accessed.
    pub fn temperature(&self, region: &Access) -> i64 {
        let product = |weight: i64, number: u64| i128::from(weight) * i128::from(number);
        let rate = (self.rate as f64 * region.percent) as i128;
        let score = product(self.size, region.len()) + rate + product(self.age, region.age_us);
        let signed = if region.percent > 0.0 { score } else { -score };
        // Cut, with as much room above as below.
        signed.clamp(-i128::from(i64::MAX), i128::from(i64::MAX)) as i64
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{Extra, Region, TargetKey};

    /// Of an aggregation of 100 ms with 20 checks.
    pub fn scale() -> Scale {
        Scale {
            aggr_us: 100_000.0,
            max_accesses: 20.0,
            age_unit_us: 100_000,
            whole_percents: false,
        }
    }

    /// A snapshot of regions of `(start, end, nr_accesses, age)`.
    pub fn snapshot(regions: &[(u64, u64, u32, u32)]) -> Snapshot {
        let regions = regions.iter();
        Snapshot {
            target: TargetKey {
                kdamond: 0,
                target_id: 0,
            },
            start_ns: 0,
            end_ns: 100_000_000,
            intervals: Some(Intervals {
                sample_us: 5_000,
                aggr_us: 100_000,
                update_us: 1_000_000,
            }),
            missing: 0,
            regions: regions
                .map(|&(start, end, nr_accesses, age)| Region {
                    start,
                    end,
                    nr_accesses,
                    age: Some(age),
                })
                .collect(),
            extra: None,
        }
    }

    pub fn measured(regions: &[(u64, u64, u32, u32)]) -> Vec<Access> {
        let mut measured = Vec::new();
        measure(&snapshot(regions), &scale(), &mut measured);
        measured
    }

    #[test]
    fn what_is_accessed_is_hot_and_the_rest_cold_by_its_age() {
        let regions = measured(&[(0, 4096, 7, 3), (8192, 16384, 0, 3)]);
        let weights = Weights::default();
        let temperatures: Vec<i64> = regions.iter().map(|r| weights.temperature(r)).collect();
        assert_eq!(temperatures, [35 * 100 + 30_000_000, -30_000_000]);
        let weights = Weights { size: 2, ..weights };
        assert_eq!(weights.temperature(&regions[0]), 8192 + 3_500 + 30_000_000);
        let idle: Vec<i64> = regions.iter().map(|r| r.idle_us(&scale())).collect();
        assert_eq!(idle, [0, 400_000]);
        let weights = Weights {
            size: i64::MIN,
            rate: i64::MAX,
            age: i64::MAX,
        };
        let huge = measured(&[(0, u64::MAX, u32::MAX, u32::MAX), (0, u64::MAX, 0, 0)]);
        assert_eq!(weights.temperature(&huge[0]), -i64::MAX);
        assert_eq!(weights.temperature(&huge[1]), i64::MAX);
    }

    #[test]
    fn rarely_is_not_never_except_to_the_peer() {
        let scale = Scale {
            max_accesses: 1000.0,
            ..scale()
        };
        let mut exact = Vec::new();
        measure(&snapshot(&[(0, 1, 9, 1)]), &scale, &mut exact);
        assert_eq!(exact[0].percent, 0.9);
        assert_eq!(exact[0].idle_us(&scale), 0);
        let cut = Scale {
            whole_percents: true,
            ..scale
        };
        measure(&snapshot(&[(0, 1, 9, 1)]), &cut, &mut exact);
        assert_eq!(exact[0].percent, 0.0);
        assert_eq!(exact[0].idle_us(&cut), 200_000);
    }

    #[test]
    fn intervals_are_the_snapshots_own_or_how_long_it_took() {
        let told = Intervals {
            sample_us: 10_000,
            aggr_us: 200_000,
            update_us: 0,
        };
        let mut snapshot = snapshot(&[]);
        let own = Scale::of(&snapshot, Some(told), true).unwrap();
        assert_eq!((own.aggr_us, own.sample_us()), (100_000.0, 5_000.0));
        snapshot.intervals = None;
        assert_eq!(Scale::of(&snapshot, None, true), None);
        let fixed = Scale::of(&snapshot, Some(told), false).unwrap();
        assert_eq!((fixed.aggr_us, fixed.max_hz()), (200_000.0, 100.0));
        let tuned = Scale::of(&snapshot, Some(told), true).unwrap();
        assert_eq!((tuned.aggr_us, tuned.sample_us()), (100_000.0, 5_000.0));
        snapshot.end_ns = 190_000_000;
        let near = Scale::of(&snapshot, Some(told), true).unwrap();
        assert_eq!(near.aggr_us, 200_000.0);
        snapshot.extra = Some(Box::new(Extra {
            age_unit_us: Some(7),
            ..Extra::default()
        }));
        assert_eq!(
            Scale::of(&snapshot, Some(told), true).unwrap().age_unit_us,
            7
        );
    }
}
