//! What a fleet keeps of a record: working sets, idle times and access rates as
//! distributions, from snapshots or from summaries.

use damo_ebpf::summary::{IDLE, PAGE, RATES, SIZES, Scale, percent};

use super::{Distribution, PerTarget};
use crate::model::{Figure, Snapshot, Summed, TargetKey};

/// Folds snapshots and summaries into distributions for each target.
#[derive(Debug, Default)]
pub struct Summaries {
    targets: PerTarget<Digest>,
}

/// Distributions of one target, or of many. They add up, over time, targets and
/// files.
#[derive(Clone, Debug)]
pub struct Digest {
    /// Whole snapshots.
    pub snapshots: u64,
    /// Region samples.
    pub samples: u64,
    /// The time that snapshots or summaries are about, in nanoseconds.
    pub time_ns: u64,
    /// Bytes that were accessed within an aggregation, by snapshots.
    pub working_set: Distribution,
    /// For how many microseconds memory was not accessed, by pages of 4 KiB of all
    /// snapshots; 0 for what was accessed in its snapshot.
    pub idle_us: Distribution,
    /// Pages of 4 KiB of all snapshots, by access rate in percent, rounded up.
    rates: [u64; RATES],
}

impl Default for Digest {
    fn default() -> Digest {
        Digest {
            snapshots: 0,
            samples: 0,
            time_ns: 0,
            working_set: Distribution::default(),
            idle_us: Distribution::default(),
            rates: [0; RATES],
        }
    }
}

impl Summaries {
    /// Takes a snapshot in.
    pub fn add_snapshot(&mut self, snapshot: &Snapshot) {
        self.of(snapshot.target).add_snapshot(snapshot);
    }

    /// Takes a number of a summary in.
    pub fn add_summed(&mut self, summed: &Summed) {
        self.of(summed.target).add_summed(summed);
    }

    fn of(&mut self, target: TargetKey) -> &mut Digest {
        self.targets.entry(target, Digest::default)
    }

    /// Each target with its distributions, in order of first appearance.
    pub fn finish(self) -> Vec<(TargetKey, Digest)> {
        self.targets.into_vec()
    }
}

impl Digest {
    /// Takes all of another one in.
    pub fn merge(&mut self, other: &Digest) {
        self.snapshots = self.snapshots.saturating_add(other.snapshots);
        self.samples = self.samples.saturating_add(other.samples);
        self.time_ns = self.time_ns.saturating_add(other.time_ns);
        self.working_set.merge(&other.working_set);
        self.idle_us.merge(&other.idle_us);
        for (sum, more) in self.rates.iter_mut().zip(&other.rates) {
            *sum = sum.saturating_add(*more);
        }
    }

    /// Mean bytes of a snapshot by access rate, in percent from 0 to 100.
    pub fn bytes_by_rate(&self) -> impl Iterator<Item = (u32, f64)> {
        let snapshots = self.snapshots.max(1) as f64;
        let mean = move |pages: &u64| *pages as f64 * PAGE as f64 / snapshots;
        (0..).zip(self.rates.iter().map(mean))
    }

    /// Whether it tells of how often memory was accessed, and for how long not.
    pub fn has_rates(&self) -> bool {
        !self.idle_us.is_empty()
    }

    fn add_snapshot(&mut self, snapshot: &Snapshot) {
        self.snapshots = self.snapshots.saturating_add(1);
        self.samples = self.samples.saturating_add(snapshot.regions.len() as u64);
        self.time_ns = self.time_ns.saturating_add(snapshot.duration_ns());
        let checks = snapshot
            .intervals
            .map(|it| it.aggr_us / it.sample_us.max(1));
        let mut working_set = 0u64;
        for region in &snapshot.regions {
            let accessed = region.nr_accesses > 0;
            if accessed {
                working_set = working_set.saturating_add(region.len());
            }
            let pages = region.len().div_ceil(PAGE);
            if let Some(checks) = checks {
                self.add_rate(percent(region.nr_accesses.into(), checks), pages);
            }
            if let (false, Some(age), Some(unit_us)) =
                (accessed, region.age, snapshot.age_unit_us())
            {
                let idle_us = (u64::from(age) + 1).saturating_mul(unit_us);
                self.idle_us.add(idle_us, pages);
            }
        }
        self.working_set.add(working_set, 1);
    }

    fn add_rate(&mut self, percent: usize, pages: u64) {
        if let Some(sum) = self.rates.get_mut(percent) {
            *sum = sum.saturating_add(pages);
        }
        if percent > 0 {
            self.idle_us.add(0, pages);
        }
    }

    fn add_summed(&mut self, summed: &Summed) {
        let (step, value) = (summed.step as usize, summed.value);
        match summed.figure {
            Figure::Length => self.time_ns = self.time_ns.saturating_add(value),
            Figure::Snapshots => self.snapshots = self.snapshots.saturating_add(value),
            Figure::Regions => self.samples = self.samples.saturating_add(value),
            Figure::Rate => self.add_rate(step, value),
            Figure::Idle => {
                if let Some(idle_us) = middle(IDLE, step) {
                    self.idle_us.add(idle_us, value);
                }
            }
            Figure::WorkingSet => {
                if let Some(bytes) = working_set_of(step) {
                    self.working_set.add(bytes, value);
                }
            }
            Figure::Other(_) => {}
        }
    }
}

/// What a working set of a step of summaries is taken for, in bytes: the middle
/// of the step. `None` if there is no such step.
pub fn working_set_of(step: usize) -> Option<u64> {
    middle(SIZES, step)?.checked_mul(PAGE)
}

fn middle(scale: Scale, step: usize) -> Option<u64> {
    let (low, high) = scale.values(step)?;
    Some(low + (high - low) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Intervals, Region};

    const TARGET: TargetKey = TargetKey {
        kdamond: 7,
        target_id: 1,
    };

    fn snapshot(regions: &[(u64, u32, u32)]) -> Snapshot {
        let mut start = 0;
        let regions = regions.iter().map(|&(pages, nr_accesses, age)| {
            let end = start + pages * PAGE;
            let region = Region {
                start,
                end,
                nr_accesses,
                age: Some(age),
            };
            start = end;
            region
        });
        Snapshot {
            target: TARGET,
            start_ns: 0,
            end_ns: 100_000_000,
            intervals: Some(Intervals {
                sample_us: 5000,
                aggr_us: 100_000,
                update_us: 0,
            }),
            missing: 0,
            regions: regions.collect(),
            extra: None,
        }
    }

    fn only(summaries: Summaries) -> Digest {
        let [(target, digest)] = summaries.finish().try_into().unwrap();
        assert_eq!(target, TARGET);
        digest
    }

    #[test]
    fn snapshots_are_summed_up_exactly() {
        let mut all = Summaries::default();
        all.add_snapshot(&snapshot(&[(100, 20, 5), (300, 0, 9), (100, 1, 0)]));
        all.add_snapshot(&snapshot(&[(500, 0, 0)]));
        let digest = only(all);
        assert_eq!((digest.snapshots, digest.samples), (2, 4));
        assert_eq!(digest.time_ns, 200_000_000);
        assert_eq!(digest.working_set.percentile(0.0), Some(0));
        assert_eq!(digest.working_set.percentile(100.0), Some(200 * PAGE));
        // 200 of 1000 pages were accessed, 500 idle for one aggregation.
        for (percent, idle_us) in [
            (20.0, 0),
            (50.0, 100_000),
            (70.0, 100_000),
            (71.0, 1_000_000),
        ] {
            let found = digest.idle_us.percentile(percent).unwrap();
            assert!(
                found.abs_diff(idle_us) * 1000 <= idle_us,
                "{percent}: {found}"
            );
        }
        let rates: Vec<(u32, f64)> = digest.bytes_by_rate().filter(|it| it.1 > 0.0).collect();
        let page = PAGE as f64;
        assert_eq!(
            rates,
            [(0, 400.0 * page), (5, 50.0 * page), (100, 50.0 * page)]
        );
    }

    /// A summary of the same snapshots says the same, to within its steps.
    #[test]
    fn summaries_say_what_snapshots_do() {
        let mut exact = Summaries::default();
        let mut summed = Summaries::default();
        let mut add = |figure, step: usize, value| {
            summed.add_summed(&Summed {
                target: TARGET,
                figure,
                step: step as u32,
                value,
            });
        };
        for n in 0..500u32 {
            let regions = [(1000 + u64::from(n) * 7, n % 21, 3), (5000, 0, n * n)];
            exact.add_snapshot(&snapshot(&regions));
            let mut working_set = 0;
            for (pages, nr_accesses, age) in regions {
                add(Figure::Rate, percent(nr_accesses.into(), 20), pages);
                match nr_accesses {
                    0 => add(
                        Figure::Idle,
                        IDLE.step((u64::from(age) + 1) * 100_000),
                        pages,
                    ),
                    _ => working_set += pages,
                }
            }
            add(Figure::WorkingSet, SIZES.step(working_set), 1);
        }
        add(Figure::Snapshots, 0, 500);
        add(Figure::Other(77), 0, 500);
        add(Figure::Idle, IDLE.steps(), 500);
        add(Figure::Rate, usize::MAX, 500);
        let (exact, summed) = (only(exact), only(summed));
        assert!(exact.bytes_by_rate().eq(summed.bytes_by_rate()));
        for percent in 0..=100 {
            for (of, bits) in [
                (
                    (|it| &it.working_set) as fn(&Digest) -> &Distribution,
                    SIZES.bits,
                ),
                (|it| &it.idle_us, IDLE.bits),
            ] {
                let [exact, summed] = [&exact, &summed]
                    .map(|digest| of(digest).percentile(f64::from(percent)).unwrap());
                let width = (exact >> bits) + exact / 1000;
                assert!(
                    exact.abs_diff(summed) <= width,
                    "{percent} %: {exact}, {summed}"
                );
            }
        }
    }

    #[test]
    fn digests_add_up() {
        let of = |regions: &[(u64, u32, u32)]| {
            let mut all = Summaries::default();
            all.add_snapshot(&snapshot(regions));
            only(all)
        };
        let mut sum = of(&[(1, 20, 0)]);
        sum.merge(&of(&[(3, 20, 0), (4, 0, 0)]));
        assert_eq!((sum.snapshots, sum.samples), (2, 3));
        assert_eq!(sum.idle_us.weight(), 8);
        let rates: Vec<(u32, f64)> = sum.bytes_by_rate().filter(|it| it.1 > 0.0).collect();
        assert_eq!(rates, [(0, 8192.0), (100, 8192.0)]);
    }
}
