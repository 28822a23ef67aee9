//! What DAMON refuses in a scheme, or takes for something else.

use super::validate::{Checked, PAGE, Place};
use super::{Context, Filter, FilterKind, Goal, Scheme, WatermarkMetric};
use crate::model::Ops;

pub(super) fn check_scheme(scheme: &Scheme, context: &Context, path: &str) -> Checked {
    let place = Place(path);
    let resolved = scheme.resolved(&context.intervals.plain(), path)?;
    let bounds = resolved.access_pattern.files();
    for pair in bounds.chunks_exact(2) {
        let [(min_file, min), (_, max)] = pair else {
            continue;
        };
        let (name, option) = match *min_file {
            "sz/min" => ("sz_bytes", "--damos_sz_region"),
            "age/min" => ("age", "--damos_age"),
            _ => ("nr_accesses", "--damos_access_rate"),
        };
        let key = format!("access_pattern.{name}");
        if name != "sz_bytes" {
            for value in [*min, *max] {
                place.fits(&key, option, value)?;
            }
        }
        place.check(
            min <= max,
            &format!("{key}.min"),
            option,
            format!("{min} {max}"),
            "the minimum must not be above the maximum",
        )?;
    }
    let action = scheme.action;
    let node = !action.migrates() || scheme.target_nid >= 0 || !scheme.dests.is_empty();
    place.check(
        node,
        "target_nid",
        "--damos_action",
        action,
        "needs a node to move memory to; nothing would be moved",
    )?;
    place.check(
        scheme.target_nid >= -1,
        "target_nid",
        "--damos_action",
        scheme.target_nid,
        "a node's number is at least 0",
    )?;
    for (d, dest) in scheme.dests.iter().enumerate() {
        place.fits(&format!("dests[{d}].id"), "--damos_action", dest.id)?;
        place.fits(&format!("dests[{d}].weight"), "--damos_action", dest.weight)?;
    }
    check_quotas(scheme, context, path)?;
    let marks = &scheme.watermarks;
    if marks.metric != WatermarkMetric::None {
        let values = format!(
            "{} {} {}",
            marks.high_permil, marks.mid_permil, marks.low_permil
        );
        let ordered = marks.high_permil >= marks.mid_permil && marks.mid_permil >= marks.low_permil;
        place.check(
            ordered,
            "watermarks",
            "--damos_wmarks",
            &values,
            "high must not be below mid, nor mid below low",
        )?;
        place.check(
            marks.high_permil <= 1000,
            "watermarks.high_permil",
            "--damos_wmarks",
            marks.high_permil,
            "at most 1000 (100 %)",
        )?;
    }
    for (f, filter) in scheme.filters.iter().enumerate() {
        check_filter(
            filter,
            context.targets.len(),
            &format!("{path}.filters[{f}]"),
            "--damos_filter",
        )?;
    }
    Ok(())
}

fn check_quotas(scheme: &Scheme, context: &Context, path: &str) -> Checked {
    let place = Place(path);
    let quotas = &scheme.quotas;
    let weights = &quotas.weights;
    for (key, weight) in [
        ("sz_permil", weights.sz_permil),
        ("nr_accesses_permil", weights.nr_accesses_permil),
        ("age_permil", weights.age_permil),
    ] {
        place.fits(
            &format!("quotas.weights.{key}"),
            "--damos_quota_weights",
            weight,
        )?;
    }
    let limited = quotas.time_ms > 0 || quotas.sz_bytes > 0 || !quotas.goals.is_empty();
    place.check(
        !limited || quotas.reset_interval_ms > 0,
        "quotas.reset_interval_ms",
        "--damos_quota_interval",
        quotas.reset_interval_ms,
        "a quota needs a reset interval",
    )?;
    place.fits(
        "quotas.fail_charge_num",
        "--damos_quota_fail_charge_ratio",
        quotas.fail_charge_num,
    )?;
    place.fits(
        "quotas.fail_charge_denom",
        "--damos_quota_fail_charge_ratio",
        quotas.fail_charge_denom,
    )?;
    for (g, goal) in quotas.goals.iter().enumerate() {
        check_goal(goal, context.ops, &format!("{path}.quotas.goals[{g}]"))?;
    }
    Ok(())
}

fn check_goal(goal: &Goal, ops: Ops, path: &str) -> Checked {
    const OPTION: &str = "--damos_quota_goal";
    let place = Place(path);
    place.check(
        goal.target_value > 0,
        "target_value",
        OPTION,
        goal.target_value,
        "must be above 0; DAMON would ignore the goal",
    )?;
    let eligible = goal.metric.keyword() == "node_eligible_mem_bp";
    place.check(
        !eligible || ops == Ops::Paddr,
        "metric",
        OPTION,
        goal.metric,
        "only --ops paddr has that metric",
    )?;
    place.check(
        goal.nid >= 0,
        "nid",
        OPTION,
        goal.nid,
        "a node's number is at least 0",
    )?;
    place.check(
        goal.metric.of_node() || goal.nid == 0,
        "nid",
        OPTION,
        goal.nid,
        "the metric is not of a node",
    )?;
    place.check(
        !goal.metric.of_memcg() || !goal.path.is_empty(),
        "path",
        OPTION,
        goal.metric,
        "the metric needs a cgroup",
    )?;
    check_path(&goal.path, &place, "path", OPTION)
}

pub(super) fn check_filter(
    filter: &Filter,
    nr_targets: usize,
    path: &str,
    option: &'static str,
) -> Checked {
    let place = Place(path);
    match &filter.kind {
        FilterKind::Memcg(cgroup) => {
            place.check(
                !cgroup.is_empty(),
                "memcg_path",
                option,
                "memcg",
                "needs a cgroup's path",
            )?;
            check_path(cgroup, &place, "memcg_path", option)
        }
        FilterKind::Addr(range) => {
            let value = format!("addr {} {}", range.start, range.end);
            place.check(
                range.start < range.end,
                "address_range",
                option,
                value,
                "the end must be above the start",
            )
        }
        FilterKind::Target(index) => {
            let known = usize::try_from(*index).is_ok_and(|index| index < nr_targets);
            place.check(
                known,
                "damon_target_idx",
                option,
                format!("target {index}"),
                &format!("there are {nr_targets} targets, counted from 0"),
            )
        }
        FilterKind::HugepageSize { min, max } => place.check(
            min <= max,
            "hugepage_size",
            option,
            format!("hugepage_size {min} {max}"),
            "the minimum must not be above the maximum",
        ),
        FilterKind::Anon | FilterKind::Active | FilterKind::Young | FilterKind::Unmapped => Ok(()),
    }
}

/// A path that a file of one line can hold.
fn check_path(path: &str, place: &Place<'_>, key: &str, option: &'static str) -> Checked {
    let good = path.len() < PAGE as usize && !path.contains(['\0', '\n']);
    place.check(
        good,
        key,
        option,
        format!("{path:?}"),
        "must be one line of at most 4095 bytes",
    )
}
