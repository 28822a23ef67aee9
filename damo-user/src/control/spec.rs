//! What the recorder asks of DAMON: the [`Params`] of a single plain context.

use serde::{Deserialize, Serialize};

use super::params::{Context, NrRegions, ParamError, Params, Region, Target};
use crate::model::{Intervals, Ops};

/// One thing to watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetSpec {
    /// The process; `None` for the physical address space.
    pub pid: Option<u32>,
    /// Addresses to watch, `[start, end)` in bytes; empty lets vaddr choose.
    pub regions: Vec<(u64, u64)>,
}

/// The parameters of one kdamond with its one context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Operations set.
    pub ops: Ops,
    /// What to watch, in the order of DAMON's target ids.
    pub targets: Vec<TargetSpec>,
    /// Monitoring intervals.
    pub intervals: Intervals,
    /// Fewest and most regions, of all targets together.
    pub nr_regions: (u64, u64),
}

impl Spec {
    /// Checks everything that DAMON would refuse, or accept and then do nothing.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), ParamError> {
        Params::from(self).validate()
    }
}

impl From<&Spec> for Params {
    fn from(spec: &Spec) -> Params {
        let region = |&(start, end): &(u64, u64)| Region { start, end };
        let target = |target: &TargetSpec| Target {
            pid: target.pid,
            regions: target.regions.iter().map(region).collect(),
            obsolete: false,
        };
        Params::of(Context {
            ops: spec.ops,
            targets: spec.targets.iter().map(target).collect(),
            intervals: spec.intervals.into(),
            nr_regions: NrRegions {
                min: spec.nr_regions.0,
                max: spec.nr_regions.1,
            },
            ..Context::default()
        })
    }
}
