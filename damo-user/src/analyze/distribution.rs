//! Values with weights, in bounded memory: bytes by access rate, time by size…

use hdrhistogram::Histogram;

/// How exactly values are kept: to 3 decimal digits, in at most about 0.5 MiB.
const DIGITS: u8 = 3;

/// All weights together, at most.
const MOST: u64 = u64::MAX >> 1;

/// A weighted distribution of whole numbers. Values are kept to a thousandth,
/// weights exactly, up to 2^63 - 1 in all: choose their unit so that this is far
/// away, since what is beyond does not count. Two of them add up to that of all
/// their values, so that those of many targets and files merge.
#[derive(Clone, Debug)]
pub struct Distribution {
    histogram: Histogram<u64>,
    lowest: u64,
    highest: u64,
    /// Sum of value times weight, and of weights, for the mean.
    sum: f64,
    weight: u64,
}

impl Default for Distribution {
    fn default() -> Distribution {
        #[allow(
            clippy::expect_used,
            reason = "0 to 5 digits are what the library takes"
        )]
        let histogram = Histogram::new(DIGITS).expect("three digits");
        Distribution {
            histogram,
            lowest: u64::MAX,
            highest: 0,
            sum: 0.0,
            weight: 0,
        }
    }
}

impl Distribution {
    /// Adds `value`, `weight` times.
    pub fn add(&mut self, value: u64, weight: u64) {
        let weight = self.record(value, weight);
        if weight == 0 {
            return;
        }
        self.lowest = self.lowest.min(value);
        self.highest = self.highest.max(value);
        self.sum += value as f64 * weight as f64;
    }

    /// Adds all values of another one.
    pub fn merge(&mut self, other: &Distribution) {
        for step in other.histogram.iter_recorded() {
            self.record(step.value_iterated_to(), step.count_at_value());
        }
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
        self.sum += other.sum;
    }

    /// Records as much of the weight as there is room for, and tells how much.
    fn record(&mut self, value: u64, weight: u64) -> u64 {
        // The library adds weights up without looking.
        let weight = weight.min(MOST.saturating_sub(self.weight));
        // Grows as need be; what cannot be told apart any more counts as the highest.
        if self.histogram.record_n(value, weight).is_err() {
            self.histogram.saturating_record_n(value, weight);
        }
        self.weight += weight;
        weight
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.weight == 0
    }

    /// All weights together.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Mean of the values by weight; `None` of nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.weight > 0).then(|| self.sum / self.weight as f64)
    }

    /// The lowest value such that values up to it have `percent` of the weight:
    /// exactly the lowest at 0, exactly the highest at 100, to a thousandth in
    /// between. `None` of nothing.
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        if percent <= 0.0 {
            return Some(self.lowest);
        }
        if percent >= 100.0 {
            return Some(self.highest);
        }
        let value = self.histogram.value_at_percentile(percent);
        Some(value.clamp(self.lowest, self.highest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_count_and_the_ends_are_exact() {
        let mut one = Distribution::default();
        assert_eq!(one.percentile(50.0), None);
        one.add(1_000_003, 1);
        one.add(7, 98);
        let mut other = Distribution::default();
        other.add(5, 1);
        other.add(9, 0);
        one.merge(&other);
        assert_eq!(one.percentile(0.0), Some(5));
        assert_eq!(one.percentile(1.0), Some(5));
        assert_eq!(one.percentile(50.0), Some(7));
        assert_eq!(one.percentile(99.0), Some(7));
        assert_eq!(one.percentile(100.0), Some(1_000_003));
        assert_eq!(one.weight(), 100);
        let mean = (1_000_003.0 + 7.0 * 98.0 + 5.0) / 100.0;
        assert_eq!(one.mean(), Some(mean));
    }

    #[test]
    fn values_are_kept_to_a_thousandth_however_large() {
        let mut all = Distribution::default();
        for shift in 0..63 {
            all.add(1 << shift, 1);
            let kept = all.percentile(100.0 - 1e-9).unwrap() as f64;
            let exact = (1_u64 << shift) as f64;
            assert!((kept / exact - 1.0).abs() <= 1e-3, "{kept} for {exact}");
        }
        all.add(u64::MAX, u64::MAX);
        assert_eq!(all.weight(), MOST);
        assert_eq!(all.percentile(100.0), Some(u64::MAX));
    }
}
