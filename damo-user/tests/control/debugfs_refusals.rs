//! What debugfs has no place for is refused by option, before anything is written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::debugfs_fake;

use damo_user::control::debugfs::PlanError;
use damo_user::control::params::*;
use damo_user::model::Ops;
use debugfs_fake::{FakeDebugfs, Version, process};

/// What is asked for, on which kernel, and what the refusal names.
type Refusal = (Version, fn(&mut Params), &'static str);

const REFUSALS: [Refusal; 28] = [
    (
        Version::V6_1,
        |p| p.kdamonds.extend(Params::of(physical()).kdamonds),
        "--ops paddr: must come before ",
    ),
    (Version::V6_1, |p| p.kdamonds.clear(), "--nr_ctxs 0: "),
    (
        Version::V5_15,
        |p| p.kdamonds.push(p.kdamonds[0].clone()),
        "--nr_ctxs 2: ",
    ),
    (
        Version::V6_1,
        |p| p.kdamonds[0].refresh_ms = 5,
        "--refresh_stat 5: ",
    ),
    (
        Version::V6_1,
        |p| context(p).ops = Ops::Fvaddr,
        "--ops fvaddr: ",
    ),
    (
        Version::V5_15,
        |p| *context(p) = physical(),
        "--ops paddr: ",
    ),
    (
        Version::V6_1,
        |p| (*context(p), context(p).addr_unit) = (physical(), 2),
        "--damon_addr_unit 2: ",
    ),
    (
        Version::V6_1,
        |p| context(p).pause = true,
        "--pause_ctx true: ",
    ),
    (
        Version::V6_1,
        |p| {
            *context(p) = physical();
            context(p).probes = vec![Probe::default()]
        },
        "--nr_probes 1: ",
    ),
    (
        Version::V6_1,
        |p| context(p).intervals.intervals_goal = IntervalsGoal::AUTOTUNE,
        "--monitoring_intervals_goal 3: ",
    ),
    (
        Version::V6_1,
        |p| context(p).targets = vec![process(1, &[]); 33],
        "--target_pid 33 processes: ",
    ),
    (
        Version::V6_1,
        |p| context(p).targets[0].obsolete = true,
        "--obsolete_targets true: ",
    ),
    (
        Version::V5_15,
        |p| {
            context(p).schemes.clear();
            context(p).targets = vec![process(1, &[(1, 2)])]
        },
        "--regions (1 regions): ",
    ),
    (
        Version::V5_17,
        |p| context(p).targets = vec![process(1, &[(1, 2)]); 2],
        "--regions (1 regions): ",
    ),
    (
        Version::V5_15,
        |p| context(p).targets = vec![process(1, &[])],
        "--damos_action (1 schemes): ",
    ),
    (
        Version::V6_1,
        |p| context(p).schemes = vec![Scheme::default(); 257],
        "--damos_action (257 schemes): ",
    ),
    (
        Version::V6_1,
        |p| scheme(p).action = Action::LruPrio,
        "--damos_action lru_prio: ",
    ),
    (
        Version::V6_1,
        |p| (scheme(p).action, scheme(p).target_nid) = (Action::MigrateHot, 0),
        "--damos_action migrate_hot: ",
    ),
    (
        Version::V6_1,
        |p| scheme(p).target_nid = 0,
        "--damos_action 0: ",
    ),
    (
        Version::V6_1,
        |p| scheme(p).dests = vec![Dest::default()],
        "--damos_action 1: ",
    ),
    (
        Version::V6_1,
        |p| scheme(p).filters = vec![Filter::default()],
        "--damos_filter 1: ",
    ),
    (
        Version::V6_1,
        |p| scheme(p).apply_interval_us = 9,
        "--damos_apply_interval 9: ",
    ),
    (
        Version::V6_1,
        |p| scheme(p).max_nr_snapshots = 3,
        "--damos_max_nr_snapshots 3: ",
    ),
    (
        Version::V6_1,
        |p| {
            scheme(p).quotas.reset_interval_ms = 1;
            scheme(p).quotas.goals = vec![Goal {
                target_value: 1,
                ..Goal::default()
            }]
        },
        "--damos_quota_goal 1: ",
    ),
    (
        Version::V6_1,
        |p| scheme(p).quotas.goal_tuner = GoalTuner::Temporal,
        "--damos_quota_goal_tuner temporal: ",
    ),
    (
        Version::V6_1,
        |p| scheme(p).quotas.fail_charge_denom = 2,
        "--damos_quota_fail_charge_ratio 2: ",
    ),
    (
        Version::V6_1,
        |p| {
            scheme(p).watermarks = Watermarks {
                mid_permil: 5,
                ..Watermarks::default()
            }
        },
        "--damos_wmarks 0 5 0: ",
    ),
    (
        Version::V6_1,
        |p| scheme(p).access_pattern.sz_bytes = SizeRange { min: 2, max: 1 },
        "--damos_sz_region 2 1: ",
    ),
];

fn context(params: &mut Params) -> &mut Context {
    &mut params.kdamonds[0].contexts[0]
}

fn scheme(params: &mut Params) -> &mut Scheme {
    &mut context(params).schemes[0]
}

fn physical() -> Context {
    Context {
        ops: Ops::Paddr,
        targets: vec![Target {
            pid: None,
            ..process(1, &[(4096, 8192)])
        }],
        ..Context::default()
    }
}

#[test]
fn what_debugfs_has_no_place_for_is_refused() {
    for (version, ask, beginning) in REFUSALS {
        let mut params = Params::of(Context {
            targets: vec![process(1, &[(1, 100)])],
            schemes: vec![Scheme::default()],
            ..Context::default()
        });
        if version > Version::V5_15 {
            // It is this one thing that is refused.
            FakeDebugfs::new(version).debugfs().plan(&params).unwrap();
        }
        ask(&mut params);
        let error = FakeDebugfs::new(version)
            .debugfs()
            .plan(&params)
            .unwrap_err();
        assert!(matches!(error, PlanError::Param(_)));
        let text = error.to_string();
        assert!(text.starts_with(beginning), "{text}\n{beginning}");
    }
}
