//! Distribution of working set sizes.

use super::{Grouping, PerTarget};
use crate::model::{Region, Snapshot, TargetKey};

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
}

/// Working set sizes of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetWss {
    /// The target.
    pub target: TargetKey,
    /// Bytes, in the chosen order; empty if every snapshot was left out.
    pub sizes: Vec<u64>,
}

impl TargetWss {
    /// Mean of the sizes in bytes; `None` without any.
    pub fn mean(&self) -> Option<f64> {
        let sum: u128 = self.sizes.iter().map(|size| u128::from(*size)).sum();
        (!self.sizes.is_empty()).then(|| sum as f64 / self.sizes.len() as f64)
    }

    /// The size at a percentile of the order; `None` without any size or
    /// above 100.
    pub fn percentile(&self, percentile: u64) -> Option<u64> {
        if percentile > 100 {
            return None;
        }
        // In floats, as the peer's index is: 29 % of 100 are 28.999...
        let index = (percentile as f64 / 100.0 * self.sizes.len() as f64) as usize;
        self.sizes.get(index).or(self.sizes.last()).copied()
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
        let progress = self.targets.entry(snapshot.target, || Progress {
            seen: 0,
            grouping: Grouping::new(spec.work_time_ns),
            sizes: Vec::new(),
        });
        progress.seen += 1;
        if progress.seen <= spec.exclude_samples {
            return;
        }
        let sizes = &mut progress.sizes;
        progress
            .grouping
            .add(snapshot, |regions| sizes.push(working_set(regions, spec)));
    }

    /// Sizes per target, in order of first appearance.
    pub fn finish(self, sort_by: SortBy) -> Vec<TargetWss> {
        let targets = self.targets.into_vec().into_iter();
        targets
            .map(|(target, Progress { mut sizes, .. })| {
                if sort_by == SortBy::Size {
                    sizes.sort_unstable();
                }
                TargetWss { target, sizes }
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
    }
}

fn working_set(regions: &[Region], spec: WssSpec) -> u64 {
    regions
        .iter()
        .filter(|r| r.nr_accesses >= spec.acc_thres && r.len() >= spec.sz_thres)
        .fold(0, |sum: u64, r| sum.saturating_add(r.len()))
}
