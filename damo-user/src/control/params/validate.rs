//! Everything that DAMON refuses, or takes and then does something else.

use std::fmt::Display;

use super::validate_scheme::{check_filter, check_scheme};
use super::{Context, FilterKind, Kdamond, ParamError, Params, Probe, Region, Target};
use crate::control::params::access::NO_LIMIT;
use crate::model::Ops;

/// Fewest regions that DAMON accepts.
const LEAST_MIN_REGIONS: u64 = 3;
/// Most probes of a context.
const MOST_PROBES: usize = 4;
/// Most checks in an aggregation, where probes have weights: hits are bytes.
const MOST_WEIGHTED_CHECKS: u64 = 255;
/// The page that DAMON rounds to.
pub(super) const PAGE: u64 = 4096;

pub(super) type Checked = Result<(), ParamError>;

/// A place in the json form.
pub(in crate::control) struct Place<'p>(pub(in crate::control) &'p str);

impl Place<'_> {
    pub(super) fn refuse(
        &self,
        key: &str,
        option: &'static str,
        value: impl Display,
        rule: impl Into<String>,
    ) -> ParamError {
        let path = match (self.0, key) {
            (place, "") => place.to_owned(),
            ("", key) => key.to_owned(),
            (place, key) => format!("{place}.{key}"),
        };
        let option = (!option.is_empty()).then_some(option);
        ParamError {
            path,
            option,
            value: value.to_string(),
            rule: rule.into(),
        }
    }

    /// Refuses unless `good`.
    pub(in crate::control) fn check(
        &self,
        good: bool,
        key: &str,
        option: &'static str,
        value: impl Display,
        rule: &str,
    ) -> Checked {
        if good {
            Ok(())
        } else {
            Err(self.refuse(key, option, value, rule))
        }
    }

    /// Refuses what the kernel would cut to 32 bits.
    pub(super) fn fits(&self, key: &str, option: &'static str, value: u64) -> Checked {
        self.check(
            value <= NO_LIMIT,
            key,
            option,
            value,
            "at most 4294967295 fits; DAMON would cut it off silently",
        )
    }
}

impl Params {
    /// Checks everything that DAMON would refuse, or accept and then do
    /// something else than was asked for.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), ParamError> {
        for (k, kdamond) in self.kdamonds.iter().enumerate() {
            check_kdamond(kdamond, &format!("kdamonds[{k}]"))?;
        }
        Ok(())
    }
}

fn check_kdamond(kdamond: &Kdamond, path: &str) -> Checked {
    let place = Place(path);
    place.fits("refresh_ms", "--refresh_stat", kdamond.refresh_ms)?;
    let count = kdamond.contexts.len();
    place.check(
        count == 1,
        "contexts",
        "--nr_ctxs",
        count,
        "a kdamond has exactly one context; use more kdamonds",
    )?;
    for (c, context) in kdamond.contexts.iter().enumerate() {
        check_context(context, &format!("{path}.contexts[{c}]"))?;
    }
    Ok(())
}

fn check_context(context: &Context, path: &str) -> Checked {
    let place = Place(path);
    check_attrs(context, &place)?;
    check_probes(context, path)?;
    let targets = &context.targets;
    let nothing = if context.ops == Ops::Paddr {
        "there is nothing to watch; name a range with --regions"
    } else {
        "there is nothing to watch; name a command or a process id"
    };
    place.check(
        !targets.is_empty(),
        "targets",
        "--ops",
        context.ops.keyword(),
        nothing,
    )?;
    place.check(
        context.ops != Ops::Paddr || targets.len() == 1,
        "targets",
        "--ops",
        "paddr",
        "there can be only one target",
    )?;
    for (t, target) in targets.iter().enumerate() {
        check_target(target, context, &format!("{path}.targets[{t}]"))?;
    }
    for (s, scheme) in context.schemes.iter().enumerate() {
        check_scheme(scheme, context, &format!("{path}.schemes[{s}]"))?;
    }
    Ok(())
}

fn check_attrs(context: &Context, place: &Place<'_>) -> Checked {
    let unit = context.addr_unit;
    let option = "--damon_addr_unit";
    place.check(unit > 0, "addr_unit", option, unit, "must be at least 1")?;
    place.check(
        unit == 1 || context.ops == Ops::Paddr,
        "addr_unit",
        option,
        unit,
        "only --ops paddr has an address unit",
    )?;
    place.check(
        (PAGE / unit).max(1).is_power_of_two(),
        "addr_unit",
        option,
        unit,
        "4096 divided by it must be a power of two, or 0",
    )?;
    let intervals = &context.intervals;
    let (sample, aggr) = (intervals.sample_us, intervals.aggr_us);
    place.check(
        sample > 0,
        "intervals.sample_us",
        "--sample",
        sample,
        "the sampling interval must be at least 1us",
    )?;
    place.check(
        sample <= aggr,
        "intervals.sample_us",
        "--sample",
        format!("{} above --aggr {}", time(sample), time(aggr)),
        "the sampling interval must not be longer than the aggregation interval",
    )?;
    let goal = &intervals.intervals_goal;
    if goal.aggrs > 0 {
        let option = "--monitoring_intervals_goal";
        let key = "intervals.intervals_goal.min_sample_us";
        let range = format!("{} {}", time(goal.min_sample_us), time(goal.max_sample_us));
        place.check(
            goal.min_sample_us <= goal.max_sample_us,
            key,
            option,
            &range,
            "the minimum must not be above the maximum",
        )?;
        let within = (goal.min_sample_us..=goal.max_sample_us).contains(&sample);
        place.check(
            within,
            key,
            option,
            range,
            &format!("--sample {} must lie in that range", time(sample)),
        )?;
        place.check(
            (1..=10_000).contains(&goal.access_bp),
            "intervals.intervals_goal.access_bp",
            option,
            goal.access_bp,
            "must lie from 1 to 10000 (100 %)",
        )?;
    }
    let regions = context.nr_regions;
    place.check(
        regions.min >= LEAST_MIN_REGIONS,
        "nr_regions.min",
        "--minr",
        regions.min,
        "must be at least 3",
    )?;
    place.check(
        regions.min <= regions.max,
        "nr_regions.min",
        "--minr",
        format!("{} above --maxr {}", regions.min, regions.max),
        "the minimum must not be above the maximum",
    )
}

fn check_probes(context: &Context, path: &str) -> Checked {
    let place = Place(path);
    let probes = &context.probes;
    place.check(
        probes.len() <= MOST_PROBES,
        "probes",
        "--nr_probes",
        probes.len(),
        "a context has at most 4",
    )?;
    place.check(
        probes.is_empty() || context.ops == Ops::Paddr,
        "probes",
        "--nr_probes",
        probes.len(),
        "only --ops paddr has probes",
    )?;
    let intervals = &context.intervals;
    let checks = intervals.plain().max_nr_accesses();
    for (p, probe) in probes.iter().enumerate() {
        let path = format!("{path}.probes[{p}]");
        check_probe(probe, checks, &path)?;
    }
    let sum: u128 = probes.iter().map(|probe| u128::from(probe.weight)).sum();
    let most = sum * u128::from(checks);
    place.check(
        most <= u128::from(NO_LIMIT),
        "probes",
        "--probe_weight",
        sum,
        "all weights times the checks of an aggregation must fit into 32 bits",
    )
}

fn check_probe(probe: &Probe, checks: u64, path: &str) -> Checked {
    let place = Place(path);
    place.fits("weight", "--probe_weight", probe.weight)?;
    place.check(
        probe.weight == 0 || checks <= MOST_WEIGHTED_CHECKS,
        "weight",
        "--probe_weight",
        probe.weight,
        "with weights, --aggr must be at most 255 times --sample",
    )?;
    for (f, filter) in probe.filters.iter().enumerate() {
        let path = format!("{path}.filters[{f}]");
        let known = matches!(filter.kind, FilterKind::Anon | FilterKind::Memcg(_));
        Place(&path).check(
            known,
            "filter_type",
            "--probe_filter",
            filter.kind.keyword(),
            "a probe's filter is anon or memcg",
        )?;
        check_filter(filter, usize::MAX, &path, "--probe_filter")?;
    }
    Ok(())
}

fn check_target(target: &Target, context: &Context, path: &str) -> Checked {
    let place = Place(path);
    let ops = context.ops;
    match (ops, target.pid) {
        (Ops::Paddr, None) => {}
        (Ops::Paddr, Some(pid)) => {
            return Err(place.refuse(
                "pid",
                "--target_pid",
                pid,
                "--ops paddr watches no process; use --ops vaddr, or leave the process out",
            ));
        }
        (_, None) => {
            return Err(place.refuse(
                "pid",
                "--ops",
                ops.keyword(),
                "the target has no process; name a command or a process id",
            ));
        }
        (_, Some(pid)) => {
            let good = pid > 0 && i32::try_from(pid).is_ok();
            place.check(
                good,
                "pid",
                "--target_pid",
                pid,
                "a process id lies between 1 and 2147483647",
            )?;
        }
    }
    let regions = &target.regions;
    place.check(
        ops == Ops::Vaddr || !regions.is_empty(),
        "regions",
        "--ops",
        ops.keyword(),
        "the target needs --regions; DAMON would watch nothing without",
    )?;
    let mut before: Option<Region> = None;
    for (r, region) in regions.iter().enumerate() {
        let key = format!("regions[{r}]");
        let value = format!("{}-{}", region.start, region.end);
        place.check(
            region.start < region.end,
            &key,
            "--regions",
            &value,
            "the end must be above the start",
        )?;
        let ascending = before.is_none_or(|before| before.end <= region.start);
        place.check(
            ascending,
            &key,
            "--regions",
            &value,
            "regions must ascend and must not overlap",
        )?;
        before = Some(*region);
    }
    Ok(())
}

/// Microseconds in the largest unit that shows them exactly, as they are typed.
fn time(us: u64) -> String {
    match us {
        _ if us != 0 && us.is_multiple_of(1_000_000) => format!("{}s", us / 1_000_000),
        _ if us != 0 && us.is_multiple_of(1_000) => format!("{}ms", us / 1_000),
        _ => format!("{us}us"),
    }
}
