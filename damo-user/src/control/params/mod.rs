//! DAMON's parameters as plain data, for any number of kdamonds: every option,
//! json key and writable sysfs file has its one place here.
//!
//! [`Params::from_json`], [`Params::from_yaml`], [`parse_classic`] and
//! [`read`] make them; [`Params::validate`] says what DAMON would refuse;
//! [`Params::to_json`], [`Params::report`] and [`plan_params`]
//! show and apply them.

mod access;
mod classic;
pub(super) mod dir;
mod error;
mod features;
mod filter;
pub(super) mod foreign;
pub(super) mod form;
mod idle;
pub(super) mod json;
mod omit;
mod peers_raw;
mod plan;
mod plan_scheme;
mod quota;
mod read;
mod report;
mod report_results;
mod scheme;
pub(super) mod text;
mod validate;
mod validate_scheme;
mod words;

use serde::Deserialize;

use crate::model::{Intervals, Ops};

pub use access::{
    AccessPattern, AccessRate, Age, AgeRange, Decimal, NoWholeNumber, RateRange, Samples, SizeRange,
};
pub use classic::{ClassicError, parse_classic};
pub use error::{FormError, ParamError};
pub use features::{Feature, Features, Release};
pub use filter::{Filter, FilterKind, Layer, unknown_type};
pub use foreign::{NO_COMPLEMENT, NO_PREPS};
pub use json::{parse as parse_json, parse_yaml, yaml_of};
pub use plan::{Scope, Unplanned, plan_params};
pub use quota::{Goal, Quotas, Watermarks, Weights};
pub use read::read;
pub use scheme::{Dest, Scheme};
pub use text::{duration_ms, duration_us, number, permil, size, ten_thousandths};
pub(in crate::control) use validate::Place;
pub use words::{Action, GoalMetric, GoalTuner, WatermarkMetric};

/// Everything that DAMON's sysfs interface can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Kernel threads, in the order of their folders.
    pub kdamonds: Vec<Kdamond>,
}

/// One kernel thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kdamond {
    /// Milliseconds between two updates of DAMON's own result files; 0 for never.
    #[serde(deserialize_with = "form::ms")]
    pub refresh_ms: u64,
    /// What it does: one, on all kernels so far.
    pub contexts: Vec<Context>,
}

/// One monitoring context.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Context {
    /// Operations set.
    pub ops: Ops,
    /// Bytes that one unit of an address means; addresses, and sizes in
    /// schemes, are in this unit. Only paddr has others than 1.
    #[serde(deserialize_with = "form::bytes")]
    pub addr_unit: u64,
    /// What to watch, in the order of DAMON's target ids.
    pub targets: Vec<Target>,
    /// Monitoring intervals.
    pub intervals: MonitoringIntervals,
    /// Fewest and most regions, of all targets together.
    pub nr_regions: NrRegions,
    /// What else is looked at on each sampled page.
    pub probes: Vec<Probe>,
    /// Whether monitoring stands still.
    #[serde(deserialize_with = "form::boolean")]
    pub pause: bool,
    /// What is done about what is found.
    pub schemes: Vec<Scheme>,
}

impl Context {
    /// The intervals, if DAMON is not to tune them.
    pub fn fixed_intervals(&self) -> Option<Intervals> {
        (self.intervals.intervals_goal.aggrs == 0).then(|| self.intervals.plain())
    }
}

impl Default for Context {
    fn default() -> Context {
        Context {
            ops: Ops::Vaddr,
            addr_unit: 1,
            targets: Vec::new(),
            intervals: MonitoringIntervals::default(),
            nr_regions: NrRegions::default(),
            probes: Vec::new(),
            pause: false,
            schemes: Vec::new(),
        }
    }
}

/// Monitoring intervals, and how DAMON may tune them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitoringIntervals {
    /// Microseconds between two checks of a region.
    #[serde(deserialize_with = "form::us")]
    pub sample_us: u64,
    /// Microseconds over which checks are counted.
    #[serde(deserialize_with = "form::us")]
    pub aggr_us: u64,
    /// Microseconds between two updates of the address ranges.
    #[serde(deserialize_with = "form::us")]
    pub ops_update_us: u64,
    /// The tuner's goal.
    pub intervals_goal: IntervalsGoal,
}

impl Default for MonitoringIntervals {
    /// 5 ms, 100 ms and 1 s. (DAMON's own files say a minute for the third.)
    fn default() -> MonitoringIntervals {
        MonitoringIntervals {
            sample_us: 5_000,
            aggr_us: 100_000,
            ops_update_us: 1_000_000,
            intervals_goal: IntervalsGoal::default(),
        }
    }
}

impl MonitoringIntervals {
    /// Without the goal.
    pub fn plain(&self) -> Intervals {
        Intervals {
            sample_us: self.sample_us,
            aggr_us: self.aggr_us,
            update_us: self.ops_update_us,
        }
    }
}

impl From<Intervals> for MonitoringIntervals {
    fn from(plain: Intervals) -> MonitoringIntervals {
        MonitoringIntervals {
            sample_us: plain.sample_us,
            aggr_us: plain.aggr_us,
            ops_update_us: plain.update_us,
            intervals_goal: IntervalsGoal::default(),
        }
    }
}

/// How much access DAMON should observe, by tuning its intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntervalsGoal {
    /// Observed share of what could be observed, in 1/10000.
    #[serde(deserialize_with = "form::bp")]
    pub access_bp: u64,
    /// Aggregations between two tunings; 0 for no tuning.
    #[serde(deserialize_with = "form::number")]
    pub aggrs: u64,
    /// Shortest sampling interval, microseconds.
    #[serde(deserialize_with = "form::us")]
    pub min_sample_us: u64,
    /// Longest sampling interval, microseconds.
    #[serde(deserialize_with = "form::us")]
    pub max_sample_us: u64,
}

impl IntervalsGoal {
    /// What `--monitoring_intervals_autotune` means: 4 % in three aggregations,
    /// sampling every 5 ms to 10 s.
    pub const AUTOTUNE: IntervalsGoal = IntervalsGoal {
        access_bp: 400,
        aggrs: 3,
        min_sample_us: 5_000,
        max_sample_us: 10_000_000,
    };
}

/// Fewest and most regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NrRegions {
    /// Fewest.
    #[serde(deserialize_with = "form::number")]
    pub min: u64,
    /// Most.
    #[serde(deserialize_with = "form::number")]
    pub max: u64,
}

impl Default for NrRegions {
    fn default() -> NrRegions {
        NrRegions { min: 10, max: 1000 }
    }
}

/// One thing to watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// The process; `None` for the physical address space.
    #[serde(deserialize_with = "form::pid")]
    pub pid: Option<u32>,
    /// Addresses to watch; empty lets vaddr choose.
    pub regions: Vec<Region>,
    /// Whether the next commit takes the target away.
    #[serde(deserialize_with = "form::boolean")]
    pub obsolete: bool,
}

/// Addresses `[start, end)`, in the context's address unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// First address.
    #[serde(deserialize_with = "form::bytes")]
    pub start: u64,
    /// One past the last address.
    #[serde(deserialize_with = "form::bytes")]
    pub end: u64,
}

/// A question that DAMON asks of each sampled page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Probe {
    /// What a hit counts in merging regions.
    #[serde(deserialize_with = "form::number")]
    pub weight: u64,
    /// Which pages hit: `anon` and `memcg` filters.
    pub filters: Vec<Filter>,
}

impl Params {
    /// One kdamond with one context.
    pub fn of(context: Context) -> Params {
        Params {
            kdamonds: vec![Kdamond {
                refresh_ms: 0,
                contexts: vec![context],
            }],
        }
    }

    /// All processes to watch, each once.
    pub fn pids(&self) -> Vec<u32> {
        let contexts = self.contexts();
        let targets = contexts.flat_map(|(_, _, context)| &context.targets);
        let mut pids: Vec<u32> = targets.filter_map(|target| target.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// All contexts, with the indexes of their kdamond and of themselves.
    pub fn contexts(&self) -> impl Iterator<Item = (usize, usize, &Context)> {
        self.kdamonds.iter().enumerate().flat_map(|(k, kdamond)| {
            let contexts = kdamond.contexts.iter().enumerate();
            contexts.map(move |(c, context)| (k, c, context))
        })
    }

    /// The same as DAMON's files can say it: access rates in samples, ages in
    /// aggregation intervals, filters by layer. What is read back is this.
    ///
    /// # Errors
    /// A range that no whole number lies in.
    pub fn resolved(&self) -> Result<Params, ParamError> {
        let mut params = self.clone();
        for (k, kdamond) in params.kdamonds.iter_mut().enumerate() {
            for (c, context) in kdamond.contexts.iter_mut().enumerate() {
                let intervals = context.intervals.plain();
                for (s, scheme) in context.schemes.iter_mut().enumerate() {
                    let path = format!("kdamonds[{k}].contexts[{c}].schemes[{s}]");
                    *scheme = scheme.resolved(&intervals, &path)?;
                }
            }
        }
        Ok(params)
    }
}
