//! What DAMON does about regions of a pattern.

use serde::Deserialize;

use super::{
    AccessPattern, AccessRate, Action, Age, Filter, NoWholeNumber, ParamError, Quotas, Watermarks,
    form,
};
use crate::model::Intervals;

/// What DAMON does about regions of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scheme {
    /// What is done.
    pub action: Action,
    /// Where to, for actions that move memory.
    pub dests: Vec<Dest>,
    /// The node to move memory to, if there is one only; -1 for none.
    #[serde(deserialize_with = "form::node")]
    pub target_nid: i32,
    /// Which regions.
    pub access_pattern: AccessPattern,
    /// Microseconds between two times; 0 for the aggregation interval.
    #[serde(deserialize_with = "form::us")]
    pub apply_interval_us: u64,
    /// How much.
    pub quotas: Quotas,
    /// When.
    pub watermarks: Watermarks,
    /// Which memory is let through.
    pub filters: Vec<Filter>,
    /// After how many times it ends; 0 for never.
    #[serde(deserialize_with = "form::number")]
    pub max_nr_snapshots: u64,
}

impl Default for Scheme {
    /// Counts every region.
    fn default() -> Scheme {
        Scheme {
            action: Action::Stat,
            dests: Vec::new(),
            target_nid: -1,
            access_pattern: AccessPattern::default(),
            apply_interval_us: 0,
            quotas: Quotas::default(),
            watermarks: Watermarks::default(),
            filters: Vec::new(),
            max_nr_snapshots: 0,
        }
    }
}

/// A node to move memory to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dest {
    /// The node.
    #[serde(deserialize_with = "form::number")]
    pub id: u64,
    /// Its share, in the sum of all weights.
    #[serde(deserialize_with = "form::number")]
    pub weight: u64,
}

impl Scheme {
    /// In DAMON's own units and order; see [`super::Params::resolved`].
    pub(super) fn resolved(&self, intervals: &Intervals, path: &str) -> Result<Scheme, ParamError> {
        let mut scheme = self.clone();
        let pattern = &mut scheme.access_pattern;
        let none = |name: &str, option, min: String, max: String, unit: &str| ParamError {
            path: format!("{path}.access_pattern.{name}"),
            option,
            value: format!("{min} to {max}"),
            rule: format!("no whole number of {unit} lies in that range, with these intervals"),
        };
        let (min, max) = (pattern.nr_accesses.min, pattern.nr_accesses.max);
        let samples = pattern
            .nr_accesses
            .samples(intervals)
            .map_err(|NoWholeNumber| {
                none(
                    "nr_accesses",
                    Some("--damos_access_rate"),
                    min.to_string(),
                    max.to_string(),
                    "samples",
                )
            })?;
        pattern.nr_accesses.min = AccessRate::of_file(samples.min);
        pattern.nr_accesses.max = AccessRate::of_file(samples.max);
        let (min, max) = (pattern.age.min, pattern.age.max);
        let aggrs = pattern.age.aggrs(intervals).map_err(|NoWholeNumber| {
            none(
                "age",
                Some("--damos_age"),
                min.to_string(),
                max.to_string(),
                "aggregation intervals",
            )
        })?;
        pattern.age.min = Age::of_file(aggrs.min);
        pattern.age.max = Age::of_file(aggrs.max);
        scheme.quotas.effective_sz_bytes = 0;
        // Stable: within a layer, the first that applies decides.
        scheme.filters.sort_by_key(|filter| filter.kind.layer());
        Ok(scheme)
    }
}
