//! Markers, and what addresses are in.

use super::tests::{context, params, schemes};
use crate::control::params::*;
use crate::model::Ops;

/// Every address that an option has is in bytes; DAMON's are in units.
#[test]
fn addresses_in_units() {
    let typed = context(
        "--damon_addr_unit 4096 --regions 1M-2M --damos_action stat --damos_filter reject addr 4096 8193 paddr",
    );
    let region = |start, end| Region { start, end };
    assert_eq!(typed.targets[0].regions, [region(256, 512)]);
    assert_eq!(
        typed.schemes[0].filters[0].kind,
        FilterKind::Addr(region(1, 3))
    );
    // Json has DAMON's own.
    let json = r#"[{"filters":[{"filter_type":"addr","matching":true,"address_range":{"start":4096,"end":8193}}]}]"#;
    let typed = context(&format!("--damon_addr_unit 4096 --schemes {json} paddr"));
    assert_eq!(
        typed.schemes[0].filters[0].kind,
        FilterKind::Addr(region(4096, 8193))
    );
}

#[test]
fn options_belong_to_the_marker_before_them() {
    let params = params(
        "--kdamond --damon_ctx --sample 1ms --damon_target --target_pid 1 --damon_target --target_pid 2 --regions 4K-8K \
           --damos_scheme --damos_action stat --damos_age 1s 2s --damos_filter reject anon --damos_filter reject young \
           --damos_scheme --damos_action cold --damos_sz_region 4K max --damos_quota_interval 1s --damos_quota_goal user_input 5 \
         --kdamond --refresh_stat 7 --ops paddr --aggr 200ms --monitoring_intervals_autotune \
           --probe --probe --probe_weight 3 --probe_filter allow anon \
           --damos_scheme --damos_action pageout --pause_ctx 1",
    )
    .unwrap();
    let [first, second] = params.kdamonds.as_slice() else {
        panic!("{params:?}")
    };
    assert_eq!((first.refresh_ms, second.refresh_ms), (0, 7));
    let (first, second) = (&first.contexts[0], &second.contexts[0]);
    let pids: Vec<_> = first.targets.iter().map(|target| target.pid).collect();
    assert_eq!((pids, first.ops), (vec![Some(1), Some(2)], Ops::Vaddr));
    assert_eq!(
        (
            first.targets[0].regions.len(),
            first.targets[1].regions.len()
        ),
        (0, 1)
    );
    assert_eq!(
        (first.intervals.sample_us, first.intervals.aggr_us),
        (1_000, 100_000)
    );
    assert_eq!(
        (second.intervals.sample_us, second.intervals.aggr_us),
        (5_000, 200_000)
    );
    assert_eq!(first.intervals.intervals_goal, IntervalsGoal::default());
    assert_eq!(second.intervals.intervals_goal, IntervalsGoal::AUTOTUNE);
    assert_eq!((first.pause, second.pause), (false, true));
    let of = |scheme: &Scheme| {
        (
            scheme.action,
            scheme.filters.len(),
            scheme.quotas.goals.len(),
        )
    };
    let found: Vec<_> = first.schemes.iter().map(of).collect();
    assert_eq!(found, [(Action::Stat, 2, 0), (Action::Cold, 0, 1)]);
    // By counting, the age would have been the first's and the size, too.
    assert_eq!(first.schemes[1].access_pattern.sz_bytes.min, 4096);
    assert_eq!(first.schemes[0].access_pattern.sz_bytes.min, 0);
    assert_eq!(first.schemes[1].access_pattern.age.min, Age::default());
    let of = |probe: &Probe| (probe.weight, probe.filters.len());
    let found: Vec<_> = second.probes.iter().map(of).collect();
    assert_eq!((found, second.ops), (vec![(0, 0), (3, 1)], Ops::Paddr));
    assert_eq!(second.schemes[0].action, Action::Pageout);
}

#[test]
fn a_marker_of_one_kind_needs_none_of_the_others() {
    let two = schemes(
        "42 --sample 1ms --damos_scheme --damos_action stat --damos_scheme --damos_action cold --damos_age 1s 2s",
    );
    assert_eq!(
        (two.len(), two[1].access_pattern.age.min),
        (2, Age::Us(1_000_000))
    );
    assert_eq!(two[0].access_pattern.age.min, Age::default());
    // A target that is named by the argument.
    let one = context("--damon_target --regions 4K-8K 42");
    assert_eq!((one.targets.len(), one.targets[0].pid), (1, Some(42)));
    assert_eq!(context("--kdamond paddr").ops, Ops::Paddr);
    for (line, message) in [
        (
            "--kdamond --nr_targets 1 42",
            "--nr_targets and --kdamond: count the options or mark them",
        ),
        (
            "--damos_scheme --damos_action stat --damos_nr_filters 0 42",
            "--damos_nr_filters and --damos_scheme: ",
        ),
        (
            "--sample 1ms --kdamond 42",
            "--kdamond: there are options before it",
        ),
        (
            "--damos_action stat --damos_scheme --damos_action cold 42",
            "--damos_scheme: there are options before it",
        ),
        (
            "--damos_scheme --damos_age 1s 2s 42",
            "--damos_scheme: has 0 --damos_action",
        ),
        (
            "--damos_scheme --damos_action stat --damos_action cold 42",
            "--damos_scheme: has 2 --damos_action",
        ),
        (
            "--damon_target --target_pid 1 --target_pid 2",
            "--target_pid: given 2 times for 1 --damon_target",
        ),
        (
            "--damon_ctx --sample 1 --sample 2 42",
            "--sample: given 2 times for 1 --damon_ctx",
        ),
        (
            "--damon_ctx --target_pid 1 --damon_ctx --target_pid 2",
            "--nr_ctxs 2: a kdamond has exactly one context",
        ),
        (
            "--kdamond --ops paddr --kdamond 42",
            "the target belongs to one context, and there are 2",
        ),
        (
            "--kdamond --pause_ctx 1 42",
            "--pause_ctx 1: there are 1 contexts",
        ),
    ] {
        let error = params(line).unwrap_err();
        assert!(error.starts_with(message), "{line}: {error}");
    }
}
