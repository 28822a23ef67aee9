//! The lines of DAMON's debugfs files.

use super::TargetName;
use crate::control::params::{
    AccessPattern, AccessRate, Action, Age, AgeRange, Context, MonitoringIntervals, NrRegions,
    Quotas, RateRange, Region, Scheme, SizeRange, WatermarkMetric, Watermarks, Weights,
};

/// Empties a file. Not "": as a target, DAMON takes that for `paddr`.
pub(super) const NOTHING: &str = "\n";

/// The physical address space as a target.
pub(super) const PADDR: &str = "paddr\n";

/// What [`PADDR`] reads as, and is called in [`TargetName::Pid`].
pub(super) const PADDR_ID: u32 = 42;

/// How many numbers a scheme has when it is written.
pub(super) const FIELDS: usize = 18;

/// Each action's number is its place.
const ACTIONS: [Action; 6] = [
    Action::Willneed,
    Action::Cold,
    Action::Pageout,
    Action::Hugepage,
    Action::Nohugepage,
    Action::Stat,
];

/// Each metric's number is its place.
const METRICS: [WatermarkMetric; 2] = [WatermarkMetric::None, WatermarkMetric::FreeMemRate];

/// What a scheme has done since it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemeStats {
    /// Regions that the action was tried on.
    pub nr_tried: u64,
    /// Their bytes.
    pub sz_tried: u64,
    /// Regions that it succeeded on; from 5.17 on.
    pub nr_applied: Option<u64>,
    /// Their bytes.
    pub sz_applied: Option<u64>,
    /// How often a quota was used up.
    pub qt_exceeds: Option<u64>,
}

/// The number of an action, if it has one.
pub(super) fn action_number(action: Action) -> Option<usize> {
    ACTIONS.iter().position(|known| *known == action)
}

/// The keywords of all actions that have a number.
pub(super) fn actions() -> String {
    ACTIONS.map(Action::keyword).join(", ")
}

pub(super) fn attrs(context: &Context) -> String {
    let (intervals, regions) = (&context.intervals, &context.nr_regions);
    format!(
        "{} {} {} {} {}",
        intervals.sample_us, intervals.aggr_us, intervals.ops_update_us, regions.min, regions.max
    )
}

pub(super) fn parse_attrs(text: &str) -> Option<(MonitoringIntervals, NrRegions)> {
    let numbers = numbers(text)?;
    let [sample_us, aggr_us, ops_update_us, min, max] = numbers.try_into().ok()?;
    let intervals = MonitoringIntervals {
        sample_us,
        aggr_us,
        ops_update_us,
        ..MonitoringIntervals::default()
    };
    Some((intervals, NrRegions { min, max }))
}

pub(super) fn pids(pids: &[u32]) -> String {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    pids.join(" ")
}

pub(super) fn parse_pids(text: &str) -> Option<Vec<u32>> {
    text.split_ascii_whitespace()
        .map(|pid| pid.parse().ok())
        .collect()
}

/// Lines for each target's regions; a target's name is in `names`.
pub(super) fn regions<'r>(targets: impl Iterator<Item = (u32, &'r [Region])>) -> String {
    let mut lines = String::new();
    for (name, regions) in targets {
        for region in regions {
            lines.push_str(&format!("{name} {} {}\n", region.start, region.end));
        }
    }
    lines
}

/// Each target's regions. A kernel that names targets by process shows an
/// address instead, so that only their order tells: `None` if that is not enough.
pub(super) fn parse_regions(text: &str, name: TargetName, ids: &[u32]) -> Option<Vec<Vec<Region>>> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let [id, start, end] = numbers(line)?.try_into().ok()?;
        lines.push((id, Region { start, end }));
    }
    let mut seen: Vec<u64> = lines.iter().map(|(id, _)| *id).collect();
    seen.dedup();
    let index = |id: u64| match name {
        TargetName::Index => usize::try_from(id).ok(),
        TargetName::Pid if seen.len() == ids.len() => seen.iter().position(|s| *s == id),
        TargetName::Pid => ids.iter().position(|known| u64::from(*known) == id),
    };
    let mut targets = vec![Vec::new(); ids.len()];
    for (id, region) in lines {
        targets.get_mut(index(id)?)?.push(region);
    }
    Some(targets)
}

/// A resolved scheme's line; `None` if its action has no number.
pub(super) fn scheme(scheme: &Scheme) -> Option<String> {
    let mut fields: Vec<u64> = Vec::with_capacity(FIELDS);
    fields.extend(scheme.access_pattern.files().map(|(_, value)| value));
    fields.push(u64::try_from(action_number(scheme.action)?).ok()?);
    let (quotas, weights) = (&scheme.quotas, &scheme.quotas.weights);
    fields.extend([quotas.time_ms, quotas.sz_bytes, quotas.reset_interval_ms]);
    fields.extend([
        weights.sz_permil,
        weights.nr_accesses_permil,
        weights.age_permil,
    ]);
    let marks = &scheme.watermarks;
    let metric = METRICS.iter().position(|known| *known == marks.metric)?;
    fields.push(u64::try_from(metric).ok()?);
    fields.extend([
        marks.interval_us,
        marks.high_permil,
        marks.mid_permil,
        marks.low_permil,
    ]);
    let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
    Some(fields.join(" "))
}

/// A scheme, and what it has done, of a line that was read.
pub(super) fn parse_scheme(line: &str) -> Option<(Scheme, SchemeStats)> {
    let numbers = numbers(line)?;
    let (fields, stats) = numbers.split_at_checked(FIELDS)?;
    let fields: [u64; FIELDS] = fields.try_into().ok()?;
    let [
        min_sz,
        max_sz,
        min_acc,
        max_acc,
        min_age,
        max_age,
        action,
        ..,
    ] = fields;
    let [.., ms, bytes, reset_ms, w_sz, w_acc, w_age, _, _, _, _, _] = fields;
    let [.., metric, interval_us, high, mid, low] = fields;
    let scheme = Scheme {
        action: *ACTIONS.get(usize::try_from(action).ok()?)?,
        access_pattern: AccessPattern {
            sz_bytes: SizeRange {
                min: min_sz,
                max: max_sz,
            },
            nr_accesses: RateRange {
                min: AccessRate::of_file(min_acc),
                max: AccessRate::of_file(max_acc),
            },
            age: AgeRange {
                min: Age::of_file(min_age),
                max: Age::of_file(max_age),
            },
        },
        quotas: Quotas {
            time_ms: ms,
            sz_bytes: bytes,
            reset_interval_ms: reset_ms,
            weights: Weights {
                sz_permil: w_sz,
                nr_accesses_permil: w_acc,
                age_permil: w_age,
            },
            ..Quotas::default()
        },
        watermarks: Watermarks {
            metric: *METRICS.get(usize::try_from(metric).ok()?)?,
            interval_us,
            high_permil: high,
            mid_permil: mid,
            low_permil: low,
        },
        ..Scheme::default()
    };
    let stats = match *stats {
        [nr_tried, sz_tried] => SchemeStats {
            nr_tried,
            sz_tried,
            ..SchemeStats::default()
        },
        [nr_tried, sz_tried, nr_applied, sz_applied, qt_exceeds] => SchemeStats {
            nr_tried,
            sz_tried,
            nr_applied: Some(nr_applied),
            sz_applied: Some(sz_applied),
            qt_exceeds: Some(qt_exceeds),
        },
        _ => return None,
    };
    Some((scheme, stats))
}

fn numbers(line: &str) -> Option<Vec<u64>> {
    line.split_ascii_whitespace()
        .map(|number| number.parse().ok())
        .collect()
}
