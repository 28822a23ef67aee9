//! DAMON's monitoring intervals.

use serde::{Deserialize, Serialize};

/// Monitoring intervals, in microseconds, as DAMON's `intervals` folder has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Intervals {
    /// Time between two checks of a region's sampled page.
    pub sample_us: u64,
    /// Time over which checks are counted into `nr_accesses`.
    pub aggr_us: u64,
    /// Time between two updates of a virtual address space's regions.
    pub update_us: u64,
}

impl Intervals {
    /// The largest `nr_accesses` that one aggregation can reach.
    pub fn max_nr_accesses(&self) -> u64 {
        self.aggr_us / self.sample_us.max(1)
    }
}
