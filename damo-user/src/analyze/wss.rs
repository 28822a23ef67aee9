//! Distribution of working set sizes.

use std::collections::BTreeMap;

use super::{Grouping, PerTarget, working_set_of};
use crate::model::{Figure, Region, Snapshot, Summed, TargetKey};

/// What counts as working set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WssSpec {
    /// How many of a target's first snapshots to leave out: DAMON has not
    /// found the regions yet.
    pub exclude_samples: u64,
    /// Length of a unit of work; see [`Grouping`].
    pub work_time_ns: u64,
    /// Fewest accesses of a region that is in use.
    pub acc_thres: u32,
    /// Smallest size of a region that is in use, in bytes.
    pub sz_thres: u64,
}

/// Order of the sizes that percentiles are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// As time went by.
    Time,
    /// Ascending.
    Size,
}

/// Folds snapshots into working set sizes.
#[derive(Debug)]
pub struct Wss {
    spec: WssSpec,
    targets: PerTarget<Progress>,
}

#[derive(Debug)]
struct Progress {
    seen: u64,
    grouping: Grouping,
    sizes: Vec<u64>,
    counts: BTreeMap<u64, u64>,
}

/// Working set sizes of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetWss {
    /// The target.
    pub target: TargetKey,
    /// Bytes, in the chosen order; empty if every snapshot was left out.
    pub sizes: Vec<u64>,
    /// Of summaries: bytes, ascending, and of how many snapshots.
    pub counts: Vec<(u64, u64)>,
}

impl TargetWss {
    /// Mean of the sizes in bytes; `None` without any.
    pub fn mean(&self) -> Option<f64> {
        let (mut sum, mut count) = (0u128, 0u64);
        for (size, times) in self.runs() {
            sum = sum.saturating_add(u128::from(size).saturating_mul(times.into()));
            count = count.saturating_add(times);
        }
        (count > 0).then(|| sum as f64 / count as f64)
    }

    /// The size at a percentile of the order; `None` without any size or
    /// above 100.
    pub fn percentile(&self, percentile: u64) -> Option<u64> {
        if percentile > 100 {
            return None;
        }
        // In floats, as the peer's index is: 29 % of 100 are 28.999...
        let all = self.runs().fold(0u64, |sum, run| sum.saturating_add(run.1));
        let index = (percentile as f64 / 100.0 * all as f64) as u64;
        if self.counts.is_empty() {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            return self.sizes.get(index).or(self.sizes.last()).copied();
        }
        let mut upto = 0u64;
        let mut runs = self.counts.iter();
        let found = runs.find(|(_, times)| {
            upto = upto.saturating_add(*times);
            upto > index
        });
        found.or(self.counts.last()).map(|(size, _)| *size)
    }

    /// Sizes, each with how often it is there.
    fn runs(&self) -> impl Iterator<Item = (u64, u64)> {
        let each = self.sizes.iter().map(|size| (*size, 1));
        each.chain(self.counts.iter().copied())
    }
}

impl Wss {
    /// Starts with nothing.
    pub fn new(spec: WssSpec) -> Self {
        Self {
            spec,
            targets: PerTarget::default(),
        }
    }

    /// Takes a snapshot in.
    pub fn add(&mut self, snapshot: &Snapshot) {
        let spec = self.spec;
        let progress = self.of(snapshot.target);
        progress.seen += 1;
        if progress.seen <= spec.exclude_samples {
            return;
        }
        let sizes = &mut progress.sizes;
        progress
            .grouping
            .add(snapshot, |regions| sizes.push(working_set(regions, spec)));
    }

    /// Takes a number of a summary in: sizes of all snapshots, to within a step,
    /// whatever else is wanted.
    pub fn add_summed(&mut self, summed: &Summed) {
        if summed.figure == Figure::WorkingSet
            && let Some(size) = working_set_of(summed.step as usize)
        {
            let count = self.of(summed.target).counts.entry(size).or_default();
            *count = count.saturating_add(summed.value);
        }
    }

    fn of(&mut self, target: TargetKey) -> &mut Progress {
        let work_time_ns = self.spec.work_time_ns;
        self.targets.entry(target, || Progress {
            seen: 0,
            grouping: Grouping::new(work_time_ns),
            sizes: Vec::new(),
            counts: BTreeMap::new(),
        })
    }

    /// Sizes per target, in order of first appearance.
    pub fn finish(self, sort_by: SortBy) -> Vec<TargetWss> {
        let targets = self.targets.into_vec().into_iter();
        targets
            .map(|(target, progress)| {
                let mut sizes = progress.sizes;
                if sort_by == SortBy::Size {
                    sizes.sort_unstable();
                }
                TargetWss {
                    target,
                    sizes,
                    counts: progress.counts.into_iter().collect(),
                }
            })
            .collect()
    }
}

/// The targets as one: the sum of their first sizes, of their second ones and
/// so on, each in its own order. Ordered by size these are no sums of one
/// moment, but what damo 3 prints. The target is 0 in every case.
pub fn collapse(targets: &[TargetWss]) -> TargetWss {
    let mut sizes: Vec<u64> = Vec::new();
    for target in targets {
        if sizes.len() < target.sizes.len() {
            sizes.resize(target.sizes.len(), 0);
        }
        for (sum, size) in sizes.iter_mut().zip(&target.sizes) {
            *sum = sum.saturating_add(*size);
        }
    }
    TargetWss {
        target: TargetKey {
            kdamond: 0,
            target_id: 0,
        },
        sizes,
        counts: Vec::new(),
    }
}

fn working_set(regions: &[Region], spec: WssSpec) -> u64 {
    regions
        .iter()
        .filter(|r| r.nr_accesses >= spec.acc_thres && r.len() >= spec.sz_thres)
        .fold(0, |sum: u64, r| sum.saturating_add(r.len()))
}

#[cfg(test)]
mod tests {
    use damo_ebpf::summary::SIZES;

    use super::*;

    #[test]
    fn counts_have_the_percentiles_of_as_many_sizes() {
        let target = TargetKey {
            kdamond: 7,
            target_id: 1,
        };
        let mut wss = Wss::new(WssSpec {
            exclude_samples: 20,
            work_time_ns: 1000,
            acc_thres: 1,
            sz_thres: 1,
        });
        let mut sizes = Vec::new();
        for (pages, times) in [(3000, 7), (0, 2), (40, 1), (3001, 30)] {
            let step = SIZES.step(pages);
            wss.add_summed(&Summed {
                target,
                figure: Figure::WorkingSet,
                step: step as u32,
                value: times,
            });
            sizes.extend((0..times).map(|_| working_set_of(step).unwrap()));
        }
        sizes.sort_unstable();
        let each = TargetWss {
            target,
            sizes,
            counts: Vec::new(),
        };
        let [counted] = wss.finish(SortBy::Size).try_into().unwrap();
        assert!(counted.sizes.is_empty());
        assert_eq!(counted.mean(), each.mean());
        for percentile in 0..=101 {
            assert_eq!(counted.percentile(percentile), each.percentile(percentile));
        }
    }
}
