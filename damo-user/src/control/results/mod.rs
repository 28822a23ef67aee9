//! What DAMON's files say of its work: which kdamonds are on, what each scheme
//! has done, and which regions it tried. Reading only: the files say what they
//! were told at the last refresh, which somebody else asks for.

mod cpu;
mod json;
mod of_debugfs;
mod read;

use serde::Deserialize;

use crate::control::params::form;

pub use cpu::{CpuUsage, read_cpu_usage};
pub use of_debugfs::read_debugfs_results;
pub use read::read_results;
pub(in crate::control) use read::read_tried;

/// Results, in the order of the parameters that they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Results {
    /// Kernel threads, in the order of their folders.
    pub kdamonds: Vec<KdamondResults>,
}

/// A kernel thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KdamondResults {
    /// `on` or `off`, as the kernel says; `None` if nothing does.
    pub state: Option<String>,
    /// Its thread, while it runs.
    #[serde(deserialize_with = "form::pid")]
    pub pid: Option<u32>,
    /// What it used of the processors, where that was asked for.
    pub cpu_usage: Option<CpuUsage>,
    /// Its contexts.
    pub contexts: Vec<ContextResults>,
}

/// A monitoring context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ContextResults {
    /// Its schemes.
    pub schemes: Vec<SchemeResults>,
}

/// A scheme. What its quota came to is [`crate::control::params::Quotas`]'
/// `effective_sz_bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SchemeResults {
    /// What it has done since it started.
    pub stats: Option<Stats>,
    /// Where it was last looked at what it tries.
    pub tried_regions: Option<TriedRegions>,
}

/// What a scheme has done since it started; `None` for what this kernel does
/// not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Regions that it tried to act on.
    #[serde(deserialize_with = "form::some_number")]
    pub nr_tried: Option<u64>,
    /// Their bytes.
    #[serde(rename = "sz_tried", deserialize_with = "form::some_bytes")]
    pub sz_tried_bytes: Option<u64>,
    /// Regions that it acted on.
    #[serde(deserialize_with = "form::some_number")]
    pub nr_applied: Option<u64>,
    /// Their bytes.
    #[serde(rename = "sz_applied", deserialize_with = "form::some_bytes")]
    pub sz_applied_bytes: Option<u64>,
    /// Bytes that filters of pages let through.
    #[serde(rename = "sz_ops_filter_passed", deserialize_with = "form::some_bytes")]
    pub sz_ops_filter_passed_bytes: Option<u64>,
    /// How often the quota was used up.
    #[serde(deserialize_with = "form::some_number")]
    pub qt_exceeds: Option<u64>,
    /// How often it looked for regions.
    #[serde(deserialize_with = "form::some_number")]
    pub nr_snapshots: Option<u64>,
}

/// What a statistic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of something.
    Count,
    /// Bytes.
    Bytes,
}

impl Stats {
    /// The names of all statistics: those of DAMON's files.
    pub const NAMES: [&str; 7] = [
        "nr_tried",
        "sz_tried",
        "nr_applied",
        "sz_applied",
        "sz_ops_filter_passed",
        "qt_exceeds",
        "nr_snapshots",
    ];

    /// Those that this kernel has, with what they are.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64, Unit)> {
        let values = [
            (self.nr_tried, Unit::Count),
            (self.sz_tried_bytes, Unit::Bytes),
            (self.nr_applied, Unit::Count),
            (self.sz_applied_bytes, Unit::Bytes),
            (self.sz_ops_filter_passed_bytes, Unit::Bytes),
            (self.qt_exceeds, Unit::Count),
            (self.nr_snapshots, Unit::Count),
        ];
        let named = Stats::NAMES.into_iter().zip(values);
        named.filter_map(|(name, (value, unit))| Some((name, value?, unit)))
    }
}

/// Regions that a scheme tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TriedRegions {
    /// Their bytes, also where the regions themselves were not asked for.
    #[serde(deserialize_with = "form::bytes")]
    pub total_bytes: u64,
    /// Each of them, ascending in the order that the kernel gave.
    pub regions: Vec<TriedRegion>,
}

/// A region that a scheme tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TriedRegion {
    /// First address, in the context's address unit.
    #[serde(deserialize_with = "form::bytes")]
    pub start: u64,
    /// One past the last address.
    #[serde(deserialize_with = "form::bytes")]
    pub end: u64,
    /// Checks of an aggregation that found an access.
    #[serde(deserialize_with = "form::number")]
    pub nr_accesses_samples: u64,
    /// Aggregations for which it has been like this.
    #[serde(deserialize_with = "form::number")]
    pub age_aggr_intervals: u64,
    /// Bytes that filters of pages let through.
    #[serde(deserialize_with = "form::some_bytes")]
    pub sz_filter_passed_bytes: Option<u64>,
    /// Hits of each probe.
    pub probe_hits: Vec<u64>,
}

impl Results {
    /// Leaves out the regions that schemes tried.
    pub fn forget_tried_regions(&mut self) {
        for scheme in self.schemes_mut() {
            scheme.tried_regions = None;
        }
    }

    /// All schemes, with the indexes of kdamond, context and scheme.
    pub fn schemes(&self) -> impl Iterator<Item = ([usize; 3], &SchemeResults)> {
        self.kdamonds.iter().enumerate().flat_map(|(k, kdamond)| {
            let contexts = kdamond.contexts.iter().enumerate();
            contexts.flat_map(move |(c, context)| {
                let schemes = context.schemes.iter().enumerate();
                schemes.map(move |(s, scheme)| ([k, c, s], scheme))
            })
        })
    }

    fn schemes_mut(&mut self) -> impl Iterator<Item = &mut SchemeResults> {
        let contexts = self
            .kdamonds
            .iter_mut()
            .flat_map(|kdamond| &mut kdamond.contexts);
        contexts.flat_map(|context| &mut context.schemes)
    }
}
