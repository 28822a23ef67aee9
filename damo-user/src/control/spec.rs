//! What DAMON is asked to do, and every reason for which it would refuse.

use serde::{Deserialize, Serialize};

use crate::model::{Intervals, Ops};

/// Fewest regions that DAMON accepts as `nr_regions/min`.
const LEAST_MIN_REGIONS: u64 = 3;

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

/// Why a [`Spec`] cannot be used. Each names the option, the value and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// No sampling interval.
    #[error("--sample 0: the sampling interval must be at least 1us")]
    SampleZero,
    /// Sampling interval above the aggregation interval.
    #[error("--sample {} above --aggr {}: the sampling interval must not be longer than the aggregation interval", time(*.sample_us), time(*.aggr_us))]
    SampleAboveAggr {
        /// Microseconds.
        sample_us: u64,
        /// Microseconds.
        aggr_us: u64,
    },
    /// Fewer regions than DAMON's minimum.
    #[error("--minr {0}: must be at least {LEAST_MIN_REGIONS}")]
    FewRegions(u64),
    /// Minimum above maximum.
    #[error("--minr {min} above --maxr {max}: the minimum must not be above the maximum")]
    MinAboveMax {
        /// `--minr`.
        min: u64,
        /// `--maxr`.
        max: u64,
    },
    /// Nothing to watch.
    #[error("--ops {}: there is nothing to watch; name a {}", ops.keyword(), if *.ops == Ops::Paddr { "range with --regions" } else { "command or a process id" })]
    NoTarget {
        /// The operations set.
        ops: Ops,
    },
    /// A virtual address space of no process.
    #[error("--ops {}: target {target} has no process; name a command or a process id", ops.keyword())]
    NoPid {
        /// The operations set.
        ops: Ops,
        /// Index of the target.
        target: usize,
    },
    /// A number that cannot be a process id.
    #[error("--target_pid {0}: a process id lies between 1 and {max}", max = i32::MAX)]
    BadPid(u32),
    /// The physical address space of a process.
    #[error(
        "--ops paddr: process {0} cannot be watched there; use --ops vaddr, or leave the process out"
    )]
    PidForPaddr(u32),
    /// DAMON has one physical address space.
    #[error("--ops paddr: {0} targets; there can be only one")]
    ManyPaddrTargets(usize),
    /// Regions that DAMON does not choose by itself.
    #[error("--ops {}: target {target} needs --regions; DAMON would watch nothing without", ops.keyword())]
    NoRegions {
        /// The operations set.
        ops: Ops,
        /// Index of the target.
        target: usize,
    },
    /// A region that spans nothing.
    #[error("--regions {start}-{end}: the end must be above the start")]
    EmptyRegion {
        /// First address.
        start: u64,
        /// One past the last address.
        end: u64,
    },
    /// Regions out of order, or sharing addresses.
    #[error("--regions {} {}: regions must ascend and must not overlap", range(.before), range(.after))]
    Disorder {
        /// The earlier in the list.
        before: (u64, u64),
        /// The one that follows it.
        after: (u64, u64),
    },
}

impl Spec {
    /// Checks everything that DAMON would refuse, or accept and then do nothing.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), SpecError> {
        self.validate_attrs()?;
        if self.targets.is_empty() {
            return Err(SpecError::NoTarget { ops: self.ops });
        }
        if self.ops == Ops::Paddr && self.targets.len() > 1 {
            return Err(SpecError::ManyPaddrTargets(self.targets.len()));
        }
        for (index, target) in self.targets.iter().enumerate() {
            target.validate(self.ops, index)?;
        }
        Ok(())
    }

    fn validate_attrs(&self) -> Result<(), SpecError> {
        let Intervals {
            sample_us, aggr_us, ..
        } = self.intervals;
        if sample_us == 0 {
            return Err(SpecError::SampleZero);
        }
        if sample_us > aggr_us {
            return Err(SpecError::SampleAboveAggr { sample_us, aggr_us });
        }
        let (min, max) = self.nr_regions;
        if min < LEAST_MIN_REGIONS {
            return Err(SpecError::FewRegions(min));
        }
        if min > max {
            return Err(SpecError::MinAboveMax { min, max });
        }
        Ok(())
    }
}

impl TargetSpec {
    fn validate(&self, ops: Ops, target: usize) -> Result<(), SpecError> {
        match (ops, self.pid) {
            (Ops::Paddr, Some(pid)) => return Err(SpecError::PidForPaddr(pid)),
            (Ops::Paddr, None) => {}
            (_, None) => return Err(SpecError::NoPid { ops, target }),
            (_, Some(pid)) => {
                if pid == 0 || i32::try_from(pid).is_err() {
                    return Err(SpecError::BadPid(pid));
                }
            }
        }
        if ops != Ops::Vaddr && self.regions.is_empty() {
            return Err(SpecError::NoRegions { ops, target });
        }
        let mut before: Option<(u64, u64)> = None;
        for &(start, end) in &self.regions {
            if start >= end {
                return Err(SpecError::EmptyRegion { start, end });
            }
            if let Some(before) = before.filter(|before| before.1 > start) {
                let after = (start, end);
                return Err(SpecError::Disorder { before, after });
            }
            before = Some((start, end));
        }
        Ok(())
    }
}

fn range(&(start, end): &(u64, u64)) -> String {
    format!("{start}-{end}")
}

/// Microseconds in the largest unit that shows them exactly, as they are typed.
fn time(us: u64) -> String {
    match us {
        _ if us != 0 && us.is_multiple_of(1_000_000) => format!("{}s", us / 1_000_000),
        _ if us != 0 && us.is_multiple_of(1_000) => format!("{}ms", us / 1_000),
        _ => format!("{us}us"),
    }
}
