//! How many regions DAMON had at a time.

use super::{PerTarget, Room, Series, SeriesSpec, WarmUp};
use crate::model::{Snapshot, TargetKey};

/// Folds snapshots into numbers of regions.
#[derive(Debug)]
pub struct NrRegions {
    spec: SeriesSpec,
    warm_up: WarmUp,
    room: Room,
    targets: PerTarget<Series>,
}

/// Numbers of regions of one target.
#[derive(Clone, Debug)]
pub struct TargetNrRegions {
    /// The target.
    pub target: TargetKey,
    /// One for each snapshot that was not left out.
    pub numbers: Series,
}

impl NrRegions {
    /// Nothing yet.
    pub fn new(spec: SeriesSpec, warm_up: WarmUp) -> NrRegions {
        NrRegions {
            spec,
            warm_up,
            room: Room::default(),
            targets: PerTarget::default(),
        }
    }

    /// Takes a snapshot in.
    pub fn add(&mut self, snapshot: &Snapshot) {
        let left_out = self.warm_up.leaves_out(snapshot.target);
        let spec = self.spec;
        let numbers = self.targets.entry(snapshot.target, || Series::new(spec));
        if !left_out {
            let count = snapshot.regions.len() as u64;
            numbers.push(count, snapshot.duration_ns(), &mut self.room);
        }
    }

    /// Which snapshots were left out.
    pub fn warm_up(&self) -> &WarmUp {
        &self.warm_up
    }

    /// Numbers per target, in order of first appearance.
    pub fn finish(self) -> Vec<TargetNrRegions> {
        let targets = self.targets.into_vec().into_iter();
        targets
            .map(|(target, mut numbers)| {
                numbers.finish();
                TargetNrRegions { target, numbers }
            })
            .collect()
    }
}
