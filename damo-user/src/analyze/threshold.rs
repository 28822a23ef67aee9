//! From how many accesses on a region is in use.

use super::Group;
use crate::model::Region;

/// From how many accesses on a region is in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AccessThreshold {
    /// Checks that found an access, of a snapshot or of a group of them.
    Samples(u32),
    /// Checks per second that found one: the same whatever the intervals are, and
    /// while DAMON tunes them.
    Hz(f64),
}

impl AccessThreshold {
    /// As a number of checks of this group; `None` where its intervals are not
    /// known.
    pub fn of(self, group: &Group<'_>) -> Option<u32> {
        let hz = match self {
            AccessThreshold::Samples(samples) => return Some(samples),
            AccessThreshold::Hz(hz) => hz,
        };
        let us = group.intervals?.aggr_us;
        // What a float cannot tell apart from a whole number is one; more than
        // fits is never reached.
        Some((hz * us as f64 / 1e6 - 1e-9).ceil() as u32)
    }
}

/// Which regions of a group are in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InUse {
    /// Fewest accesses.
    pub accesses: AccessThreshold,
    /// Smallest size, in bytes.
    pub size: u64,
}

impl InUse {
    /// The regions in use; `None` where the threshold cannot be told.
    pub fn of<'a>(&self, group: &Group<'a>) -> Option<impl Iterator<Item = &'a Region> + use<'a>> {
        let (accesses, size) = (self.accesses.of(group)?, self.size);
        let in_use = move |r: &&Region| r.nr_accesses >= accesses && r.len() >= size;
        Some(group.regions.iter().filter(in_use))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Intervals;

    #[test]
    fn hz_are_checks_of_an_aggregation() {
        let of = |threshold: AccessThreshold, aggr_us: Option<u64>| {
            threshold.of(&Group {
                regions: &[],
                start_ns: 0,
                end_ns: 1,
                intervals: aggr_us.map(|aggr_us| Intervals {
                    sample_us: 5_000,
                    aggr_us,
                    update_us: 1_000_000,
                }),
            })
        };
        let hz = AccessThreshold::Hz;
        assert_eq!(of(hz(10.0), Some(100_000)), Some(1));
        assert_eq!(of(hz(10.1), Some(100_000)), Some(2));
        assert_eq!(of(hz(0.3), Some(10_000_000)), Some(3));
        assert_eq!(of(hz(0.0), Some(100_000)), Some(0));
        assert_eq!(of(hz(1e30), Some(100_000)), Some(u32::MAX));
        assert_eq!(of(hz(10.0), None), None);
        assert_eq!(of(AccessThreshold::Samples(7), None), Some(7));
    }
}
