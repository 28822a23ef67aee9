//! Which snapshots, and which regions of them, are shown.

use std::ops::{Range, RangeInclusive};

use crate::analyze::PerTarget;
use crate::analyze::access::{Scale, Weights, measure};
use crate::cli::UsageError;
use crate::control::params::AccessPattern;
use crate::export::keep_wanted;
use crate::model::Snapshot;
use crate::render::access::total_bytes;

/// What is wanted; empty lists want everything.
#[derive(Clone, Debug, Default)]
pub struct Sieve {
    /// Of regions.
    pub pattern: AccessPattern,
    /// What regions are cut to.
    pub addresses: Vec<Range<u64>>,
    /// Sizes of snapshots in bytes, both limits included, as the others.
    pub sizes: Vec<(u64, u64)>,
    /// When snapshots start and end, in nanoseconds of the record's clock.
    pub times: Vec<(u64, u64)>,
    /// Numbers of snapshots among those of their target that the above let through.
    pub indices: Vec<RangeInclusive<i64>>,
    /// Temperatures of regions.
    pub temperatures: Vec<(i64, i64)>,
    /// What makes a region hot.
    pub weights: Weights,
    /// The size of a snapshot stays as it is when regions are left out by pattern.
    pub compat: bool,
}

/// Minimums and maximums.
pub fn pairs<T: Copy + PartialOrd + std::fmt::Display>(
    option: &str,
    values: &[T],
) -> Result<Vec<(T, T)>, UsageError> {
    let pairs = values.chunks_exact(2).filter_map(|pair| match *pair {
        [min, max] => Some((min, max)),
        _ => None,
    });
    let checked = pairs.map(|(min, max)| match min <= max {
        true => Ok((min, max)),
        false => Err(UsageError(format!(
            "{option} {min} {max}: the minimum is above the maximum"
        ))),
    });
    checked.collect()
}

impl Sieve {
    /// One walk through a record.
    pub fn pass(&self) -> Pass<'_> {
        Pass {
            sieve: self,
            seen: PerTarget::default(),
        }
    }
}

/// One walk through a record.
pub struct Pass<'a> {
    sieve: &'a Sieve,
    /// Snapshots of each target that came as far as being counted.
    seen: PerTarget<i64>,
}

impl Pass<'_> {
    /// Leaves of a snapshot what is wanted; `false` if that is nothing. `scale`
    /// says how its counts are to be read.
    pub fn keep(
        &mut self,
        snapshot: &mut Snapshot,
        scale: impl FnOnce(&Snapshot) -> Option<Scale>,
    ) -> bool {
        let sieve = self.sieve;
        let patterned = sieve.pattern != AccessPattern::default();
        if patterned || !sieve.addresses.is_empty() {
            let before = total_bytes(snapshot);
            keep_wanted(snapshot, &sieve.pattern, &sieve.addresses);
            let stays = sieve.compat && sieve.addresses.is_empty();
            set_total(snapshot, stays.then_some(before));
        }
        let within = |ranges: &[(u64, u64)], low: u64, high: u64| {
            ranges.is_empty() || ranges.iter().any(|(min, max)| *min <= low && high <= *max)
        };
        if !sieve.sizes.is_empty() {
            let size = total_bytes(snapshot);
            if !within(&sieve.sizes, size, size) {
                return false;
            }
        }
        if !within(&sieve.times, snapshot.start_ns, snapshot.end_ns) {
            return false;
        }
        if !sieve.indices.is_empty() {
            let seen = self.seen.entry(snapshot.target, i64::default);
            let index = *seen;
            *seen += 1;
            if !sieve.indices.iter().any(|it| it.contains(&index)) {
                return false;
            }
        }
        if !sieve.temperatures.is_empty()
            && let Some(scale) = scale(snapshot)
        {
            self.keep_temperatures(snapshot, &scale);
        }
        true
    }

    fn keep_temperatures(&self, snapshot: &mut Snapshot, scale: &Scale) {
        let sieve = self.sieve;
        let mut regions = Vec::new();
        measure(snapshot, scale, &mut regions);
        let wanted = regions.iter().map(|region| {
            let temperature = sieve.weights.temperature(region);
            let mut ranges = sieve.temperatures.iter();
            ranges.any(|(min, max)| (min..=max).contains(&&temperature))
        });
        let wanted: Vec<bool> = wanted.collect();
        retain(&mut snapshot.regions, &wanted);
        if let Some(extra) = &mut snapshot.extra {
            retain(&mut extra.filter_passed, &wanted);
            retain(&mut extra.probe_hits, &wanted);
        }
        set_total(snapshot, None);
    }
}

/// Keeps of a list, which may be empty, those that are wanted.
fn retain<T>(list: &mut Vec<T>, wanted: &[bool]) {
    let mut wanted = wanted.iter();
    list.retain(|_| wanted.next().copied().unwrap_or(false));
}

fn set_total(snapshot: &mut Snapshot, total: Option<u64>) {
    match (&mut snapshot.extra, total) {
        (Some(extra), total) => extra.total_bytes = total,
        (extra @ None, Some(total)) => {
            extra.get_or_insert_default().total_bytes = Some(total);
        }
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::access::tests::{scale, snapshot};

    fn kept(sieve: &Sieve, regions: &[(u64, u64, u32, u32)]) -> Option<(Vec<u64>, u64)> {
        let mut snapshot = snapshot(regions);
        let kept = sieve.pass().keep(&mut snapshot, |_| Some(scale()));
        let starts = snapshot.regions.iter().map(|region| region.start).collect();
        kept.then(|| (starts, total_bytes(&snapshot)))
    }

    const REGIONS: [(u64, u64, u32, u32); 3] = [(0, 10, 20, 1), (10, 30, 0, 9), (50, 90, 5, 0)];

    #[test]
    fn what_is_left_out_does_not_count_unless_to_the_peer() {
        let mut sieve = Sieve::default();
        assert_eq!(kept(&sieve, &REGIONS), Some((vec![0, 10, 50], 70)));
        sieve.pattern.sz_bytes.min = 20;
        assert_eq!(kept(&sieve, &REGIONS), Some((vec![10, 50], 60)));
        sieve.compat = true;
        assert_eq!(kept(&sieve, &REGIONS), Some((vec![10, 50], 70)));
        sieve.addresses.push(20..60);
        assert_eq!(kept(&sieve, &REGIONS), Some((vec![20, 50], 20)));
        let hot = Sieve {
            temperatures: vec![(-1_000_000_000, -1), (10_000, 20_000_000)],
            compat: true,
            ..Sieve::default()
        };
        assert_eq!(kept(&hot, &REGIONS), Some((vec![0, 10], 30)));
    }

    #[test]
    fn snapshots_are_counted_among_those_that_are_left() {
        let sieve = Sieve {
            sizes: vec![(70, 70)],
            indices: vec![1..=1, 3..=9],
            ..Sieve::default()
        };
        let mut pass = sieve.pass();
        let mut wanted = |regions: &[(u64, u64, u32, u32)], target: u64| {
            let mut snapshot = snapshot(regions);
            snapshot.target.target_id = target;
            pass.keep(&mut snapshot, |_| None)
        };
        let all = [
            wanted(&REGIONS, 0),
            wanted(&REGIONS[..1], 0),
            wanted(&REGIONS, 0),
            wanted(&REGIONS, 1),
            wanted(&REGIONS, 0),
            wanted(&REGIONS, 0),
        ];
        assert_eq!(all, [false, false, true, false, false, true]);
        let timed = Sieve {
            times: vec![(0, 99_999_999)],
            ..Sieve::default()
        };
        assert_eq!(kept(&timed, &REGIONS), None);
    }
}
