//! What DAMON's debugfs files have no place for.

use std::fmt::Display;

use super::{TargetName, text};
use crate::control::params::{Context, ParamError, Params, Place, Scheme};
use crate::model::Ops;

/// As many targets as `target_ids` takes; it drops the others.
const MOST_TARGETS: usize = 32;
/// As many schemes as `schemes` takes; it drops the others.
const MOST_SCHEMES: usize = 256;

/// What not every kernel has.
pub(super) struct Limits {
    /// `init_regions`, and the physical address space.
    pub(super) regions: bool,
    /// `schemes`
    pub(super) schemes: bool,
    /// `mk_contexts`
    pub(super) contexts: bool,
    pub(super) target_name: TargetName,
}

/// Refuses what this kernel's debugfs cannot be told, so that nothing is
/// written of a configuration that cannot be had in full.
pub(super) fn check(params: &Params, limits: &Limits) -> Result<(), ParamError> {
    let count = params.kdamonds.len();
    let place = Place("");
    place.check(
        count > 0,
        "kdamonds",
        "--nr_ctxs",
        count,
        "debugfs always has a context: give at least one kdamond",
    )?;
    place.check(
        count < 2 || limits.contexts,
        "kdamonds",
        "--nr_ctxs",
        count,
        "this kernel's debugfs has one context only",
    )?;
    for (k, kdamond) in params.kdamonds.iter().enumerate() {
        let path = format!("kdamonds[{k}]");
        let place = Place(&path);
        without(
            &place,
            "refresh_ms",
            "--refresh_stat",
            kdamond.refresh_ms,
            0,
        )?;
    }
    let mut processes = false;
    for (k, c, context) in params.contexts() {
        let path = format!("kdamonds[{k}].contexts[{c}]");
        let place = Place(&path);
        processes |= context.ops != Ops::Paddr;
        // It stops the contexts in their order, up to one that is off already.
        place.check(
            context.ops != Ops::Paddr || !processes,
            "ops",
            "--ops",
            context.ops.keyword(),
            "must come before kdamonds that watch processes: once one of these has ended, the kernel could never stop paddr again",
        )?;
        check_context(context, limits, &place)?;
        for (s, scheme) in context.schemes.iter().enumerate() {
            check_scheme(scheme, &Place(&format!("{path}.schemes[{s}]")))?;
        }
    }
    Ok(())
}

fn check_context(context: &Context, limits: &Limits, place: &Place<'_>) -> Result<(), ParamError> {
    let ops = context.ops;
    place.check(
        ops != Ops::Fvaddr,
        "ops",
        "--ops",
        ops.keyword(),
        "debugfs has vaddr and paddr only",
    )?;
    place.check(
        ops != Ops::Paddr || limits.regions,
        "ops",
        "--ops",
        ops.keyword(),
        "this kernel's debugfs has vaddr only; paddr came with Linux 5.16",
    )?;
    without(
        place,
        "addr_unit",
        "--damon_addr_unit",
        context.addr_unit,
        1,
    )?;
    without(place, "pause", "--pause_ctx", context.pause, false)?;
    without(place, "probes", "--nr_probes", context.probes.len(), 0)?;
    let goal = &context.intervals.intervals_goal;
    for (key, value) in [
        ("aggrs", goal.aggrs),
        ("access_bp", goal.access_bp),
        ("min_sample_us", goal.min_sample_us),
        ("max_sample_us", goal.max_sample_us),
    ] {
        let key = format!("intervals.intervals_goal.{key}");
        without(place, &key, "--monitoring_intervals_goal", value, 0)?;
    }
    let targets = &context.targets;
    place.check(
        targets.len() <= MOST_TARGETS,
        "targets",
        "--target_pid",
        format!("{} processes", targets.len()),
        "debugfs takes at most 32",
    )?;
    for (t, target) in targets.iter().enumerate() {
        let obsolete = format!("targets[{t}].obsolete");
        without(
            place,
            &obsolete,
            "--obsolete_targets",
            target.obsolete,
            false,
        )?;
        if target.regions.is_empty() {
            continue;
        }
        let key = format!("targets[{t}].regions");
        let count = format!("({} regions)", target.regions.len());
        place.check(
            limits.regions,
            &key,
            "--regions",
            &count,
            "this kernel's debugfs takes no regions; they came with Linux 5.16",
        )?;
        let twice = targets.iter().filter(|t| t.pid == target.pid).count() > 1;
        place.check(
            limits.target_name == TargetName::Index || !twice,
            &key,
            "--regions",
            &count,
            "the process is a target twice, and this kernel's debugfs gives its regions to both",
        )?;
    }
    let schemes = context.schemes.len();
    place.check(
        schemes == 0 || limits.schemes,
        "schemes",
        "--damos_action",
        format!("({schemes} schemes)"),
        "this kernel's debugfs has no schemes; they came with Linux 5.16",
    )?;
    place.check(
        schemes <= MOST_SCHEMES,
        "schemes",
        "--damos_action",
        format!("({schemes} schemes)"),
        "debugfs takes at most 256",
    )
}

fn check_scheme(scheme: &Scheme, place: &Place<'_>) -> Result<(), ParamError> {
    let action = scheme.action;
    place.check(
        text::action_number(action).is_some(),
        "action",
        "--damos_action",
        action,
        &format!("debugfs has {} only", text::actions()),
    )?;
    without(place, "target_nid", "--damos_action", scheme.target_nid, -1)?;
    without(place, "dests", "--damos_action", scheme.dests.len(), 0)?;
    without(place, "filters", "--damos_filter", scheme.filters.len(), 0)?;
    without(
        place,
        "apply_interval_us",
        "--damos_apply_interval",
        scheme.apply_interval_us,
        0,
    )?;
    without(
        place,
        "max_nr_snapshots",
        "--damos_max_nr_snapshots",
        scheme.max_nr_snapshots,
        0,
    )?;
    let quotas = &scheme.quotas;
    without(
        place,
        "quotas.goals",
        "--damos_quota_goal",
        quotas.goals.len(),
        0,
    )?;
    without(
        place,
        "quotas.goal_tuner",
        "--damos_quota_goal_tuner",
        quotas.goal_tuner.keyword(),
        "consist",
    )?;
    let ratio = "--damos_quota_fail_charge_ratio";
    without(
        place,
        "quotas.fail_charge_num",
        ratio,
        quotas.fail_charge_num,
        0,
    )?;
    without(
        place,
        "quotas.fail_charge_denom",
        ratio,
        quotas.fail_charge_denom,
        0,
    )?;
    // Of a metric, the order is asked everywhere; here also of none.
    let marks = &scheme.watermarks;
    let (high, mid, low) = (marks.high_permil, marks.mid_permil, marks.low_permil);
    place.check(
        high >= mid && mid >= low,
        "watermarks",
        "--damos_wmarks",
        format!("{high} {mid} {low}"),
        "high must not be below mid, nor mid below low",
    )
}

/// Refuses everything but the value that asks for nothing.
fn without<V: Display + PartialEq>(
    place: &Place<'_>,
    key: &str,
    option: &'static str,
    value: V,
    none: V,
) -> Result<(), ParamError> {
    let rule = "DAMON's debugfs interface does not have that; its sysfs interface may";
    place.check(value == none, key, option, value, rule)
}
