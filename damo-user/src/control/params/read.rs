//! What DAMON's files say, as parameters.

use super::dir::{Dir, each};
use super::{
    AccessPattern, AccessRate, Age, Context, Dest, Filter, FilterKind, Goal, IntervalsGoal,
    Kdamond, MonitoringIntervals, NrRegions, Params, Probe, Quotas, Region, Scheme, Target,
    Watermarks, Weights,
};
use crate::control::sysfs::{FileError, Tree};
use crate::model::Ops;

type Result<T> = std::result::Result<T, FileError>;

/// Reads everything that can be set, and each quota's effective size. Files
/// that a kernel lacks are as by default.
///
/// # Errors
/// A file cannot be read, or says something that is not known.
pub fn read(tree: &Tree) -> Result<Params> {
    let kdamonds = each(tree, "kdamonds", |dir| {
        Ok(Kdamond {
            refresh_ms: dir.number("refresh_ms", 0)?,
            contexts: dir.each("contexts", context)?,
        })
    })?;
    Ok(Params { kdamonds })
}

fn context(dir: Dir<'_>) -> Result<Context> {
    let default = Context::default();
    let ops = dir.word("operations", default.ops, |word| {
        [Ops::Vaddr, Ops::Fvaddr, Ops::Paddr]
            .into_iter()
            .find(|ops| ops.keyword() == word)
    })?;
    let intervals = "monitoring_attrs/intervals";
    let goal = |file: &str| dir.number(&format!("{intervals}/intervals_goal/{file}"), 0);
    Ok(Context {
        ops,
        addr_unit: dir.number("addr_unit", 1)?,
        pause: dir.boolean("pause")?,
        intervals: MonitoringIntervals {
            sample_us: dir.number(&format!("{intervals}/sample_us"), 0)?,
            aggr_us: dir.number(&format!("{intervals}/aggr_us"), 0)?,
            ops_update_us: dir.number(&format!("{intervals}/update_us"), 0)?,
            intervals_goal: IntervalsGoal {
                access_bp: goal("access_bp")?,
                aggrs: goal("aggrs")?,
                min_sample_us: goal("min_sample_us")?,
                max_sample_us: goal("max_sample_us")?,
            },
        },
        nr_regions: NrRegions {
            min: dir.number("monitoring_attrs/nr_regions/min", 0)?,
            max: dir.number("monitoring_attrs/nr_regions/max", 0)?,
        },
        probes: dir.each("monitoring_attrs/probes", |dir| {
            Ok(Probe {
                weight: dir.number("weight", 0)?,
                filters: dir.each("filters", filter)?,
            })
        })?,
        targets: dir.each("targets", |dir| target(&dir, ops))?,
        schemes: dir.each("schemes", scheme)?,
    })
}

fn target(dir: &Dir<'_>, ops: Ops) -> Result<Target> {
    let pid: u32 = dir.number("pid_target", 0)?;
    Ok(Target {
        pid: (ops != Ops::Paddr).then_some(pid).filter(|pid| *pid != 0),
        regions: dir.each("regions", |dir| {
            Ok(Region {
                start: dir.number("start", 0)?,
                end: dir.number("end", 0)?,
            })
        })?,
        obsolete: dir.boolean("obsolete_target")?,
    })
}

fn scheme(dir: Dir<'_>) -> Result<Scheme> {
    let default = Scheme::default();
    let number = |file: &str| dir.number::<u64>(file, 0);
    let mut pattern = AccessPattern::default();
    pattern.sz_bytes.min = number("access_pattern/sz/min")?;
    pattern.sz_bytes.max = number("access_pattern/sz/max")?;
    pattern.nr_accesses.min = AccessRate::of_file(number("access_pattern/nr_accesses/min")?);
    pattern.nr_accesses.max = AccessRate::of_file(number("access_pattern/nr_accesses/max")?);
    pattern.age.min = Age::of_file(number("access_pattern/age/min")?);
    pattern.age.max = Age::of_file(number("access_pattern/age/max")?);
    let mut filters = Vec::new();
    for folder in ["filters", "core_filters", "ops_filters"] {
        filters.extend(dir.each(folder, filter)?);
    }
    filters.sort_by_key(|filter: &Filter| filter.kind.layer());
    Ok(Scheme {
        action: dir.word("action", default.action, |word| word.parse().ok())?,
        dests: dir.each("dests", |dir| {
            Ok(Dest {
                id: dir.number("id", 0)?,
                weight: dir.number("weight", 0)?,
            })
        })?,
        target_nid: dir.number("target_nid", -1)?,
        access_pattern: pattern,
        apply_interval_us: number("apply_interval_us")?,
        quotas: quotas(&dir)?,
        watermarks: Watermarks {
            metric: dir.word("watermarks/metric", default.watermarks.metric, |word| {
                word.parse().ok()
            })?,
            interval_us: number("watermarks/interval_us")?,
            high_permil: number("watermarks/high")?,
            mid_permil: number("watermarks/mid")?,
            low_permil: number("watermarks/low")?,
        },
        filters,
        max_nr_snapshots: number("stats/max_nr_snapshots")?,
    })
}

fn quotas(dir: &Dir<'_>) -> Result<Quotas> {
    let default = Quotas::default();
    let number = |file: &str| dir.number::<u64>(&format!("quotas/{file}"), 0);
    Ok(Quotas {
        time_ms: number("ms")?,
        sz_bytes: number("bytes")?,
        reset_interval_ms: number("reset_interval_ms")?,
        goals: dir.each("quotas/goals", |dir| {
            let default = Goal::default();
            Ok(Goal {
                metric: dir.word("target_metric", default.metric, |word| word.parse().ok())?,
                target_value: dir.number("target_value", 0)?,
                current_value: dir.number("current_value", 0)?,
                nid: dir.number("nid", 0)?,
                path: dir.text("path")?,
            })
        })?,
        goal_tuner: dir.word("quotas/goal_tuner", default.goal_tuner, |word| {
            word.parse().ok()
        })?,
        fail_charge_num: number("fail_charge_num")?,
        fail_charge_denom: number("fail_charge_denom")?,
        effective_sz_bytes: number("effective_bytes")?,
        weights: Weights {
            sz_permil: number("weights/sz_permil")?,
            nr_accesses_permil: number("weights/nr_accesses_permil")?,
            age_permil: number("weights/age_permil")?,
        },
    })
}

/// A filter of a scheme or of a probe: they differ in the cgroup's file.
fn filter(dir: Dir<'_>) -> Result<Filter> {
    let word = dir.text("type")?;
    let kind = match word.trim() {
        "anon" => FilterKind::Anon,
        "active" => FilterKind::Active,
        "young" => FilterKind::Young,
        "unmapped" => FilterKind::Unmapped,
        "memcg" => FilterKind::Memcg(match dir.file("path") {
            Some(_) => dir.text("path")?,
            None => dir.text("memcg_path")?,
        }),
        "addr" => FilterKind::Addr(Region {
            start: dir.number("addr_start", 0)?,
            end: dir.number("addr_end", 0)?,
        }),
        "target" => FilterKind::Target(dir.number("damon_target_idx", 0)?),
        "hugepage_size" => FilterKind::HugepageSize {
            min: dir.number("min", 0)?,
            max: dir.number("max", 0)?,
        },
        _ => {
            return Err(FileError::Odd {
                path: dir.full("type"),
                value: word,
                expected: "a type of filter that damo knows",
            });
        }
    };
    Ok(Filter {
        kind,
        matching: dir.boolean("matching")?,
        allow: dir.boolean("allow")?,
    })
}
