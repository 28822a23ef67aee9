//! What has to be known of a record before anything of it is shown.

use super::Access;
use crate::analyze::PerTarget;
use crate::model::{Intervals, Snapshot, TargetKey};

/// What is known of one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// How many snapshots are shown.
    pub snapshots: u64,
    /// When the first of them starts, in nanoseconds of the record's clock.
    pub start_ns: u64,
    /// When the last one ends.
    pub end_ns: u64,
    /// Intervals of the first snapshot that tells.
    pub intervals: Option<Intervals>,
    /// Whether the first one tells of probes.
    pub probes: bool,
    /// What all of its items weigh, in the unit of who adds them.
    pub weight: u64,
}

/// Lowest and highest of something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extremes {
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Default for Extremes {
    fn default() -> Extremes {
        Extremes {
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
        }
    }
}

impl Extremes {
    fn add(&mut self, value: f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }
}

/// What is known of all records that are shown.
#[derive(Debug, Default)]
pub struct Survey {
    /// Each target, in order of first appearance.
    pub targets: PerTarget<Seen>,
    /// Bytes of regions.
    pub sizes: Extremes,
    /// Access rates in percent.
    pub rates: Extremes,
    /// Ages in microseconds.
    pub ages: Extremes,
}

impl Survey {
    /// A target that is to be shown even if it has no snapshots.
    pub fn expect(&mut self, target: TargetKey) {
        self.targets.entry(target, Seen::default);
    }

    /// A snapshot that is shown, and what it weighs. Gives how many of its
    /// target there are so far.
    pub fn add(&mut self, snapshot: &Snapshot, weight: u64) -> u64 {
        let seen = self.targets.entry(snapshot.target, Seen::default);
        if seen.snapshots == 0 {
            seen.start_ns = snapshot.start_ns;
            let hits = snapshot.extra.as_ref().map(|extra| &extra.probe_hits);
            seen.probes = hits.is_some_and(|hits| hits.iter().any(|hits| !hits.is_empty()));
        }
        seen.snapshots += 1;
        seen.end_ns = snapshot.end_ns;
        seen.intervals = seen.intervals.or(snapshot.intervals);
        seen.weight = seen.weight.saturating_add(weight);
        seen.snapshots
    }

    /// Takes in the extremes of another record.
    pub fn add_extremes(&mut self, other: &Survey) {
        for (own, other) in [
            (&mut self.sizes, other.sizes),
            (&mut self.rates, other.rates),
            (&mut self.ages, other.ages),
        ] {
            own.low = own.low.min(other.low);
            own.high = own.high.max(other.high);
        }
    }

    /// Regions of such a snapshot.
    pub fn add_regions(&mut self, regions: &[Access]) {
        for region in regions {
            self.sizes.add(region.len() as f64);
            self.rates.add(region.percent);
            self.ages.add(region.age_us as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{measured, snapshot};
    use super::*;
    use crate::model::Extra;

    #[test]
    fn a_record_is_known_by_its_first_and_last_snapshot() {
        let mut survey = Survey::default();
        let mut one = snapshot(&[(0, 1, 1, 1)]);
        let other = TargetKey {
            kdamond: 0,
            target_id: 7,
        };
        survey.expect(other);
        (one.start_ns, one.end_ns, one.intervals) = (5, 9, None);
        assert_eq!(survey.add(&one, 10), 1);
        let mut two = snapshot(&[]);
        (two.start_ns, two.end_ns) = (9, 20);
        two.extra = Some(Box::new(Extra {
            probe_hits: vec![vec![1]],
            ..Extra::default()
        }));
        assert_eq!(survey.add(&two, 5), 2);
        let targets = survey.targets.into_vec();
        assert_eq!(targets[0], (other, Seen::default()));
        let seen = Seen {
            snapshots: 2,
            start_ns: 5,
            end_ns: 20,
            intervals: two.intervals,
            probes: false,
            weight: 15,
        };
        assert_eq!(targets[1].1, seen);
    }

    #[test]
    fn extremes_are_of_all_regions() {
        let mut survey = Survey::default();
        survey.add_regions(&measured(&[(0, 10, 20, 3)]));
        survey.add_regions(&measured(&[(0, 4, 0, 1), (4, 5, 10, 9)]));
        let of = |it: Extremes| (it.low, it.high);
        assert_eq!(of(survey.sizes), (1.0, 10.0));
        assert_eq!(of(survey.rates), (0.0, 100.0));
        assert_eq!(of(survey.ages), (100_000.0, 900_000.0));
    }
}
