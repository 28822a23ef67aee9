//! Everything that DAMON would refuse is refused first, in the user's words.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use damo_user::control::params::{
    Context, Features, NrRegions, ParamError, Params, Region, Scope, Target, plan_params,
};
use damo_user::model::Ops;

fn context(ops: Ops, pid: Option<u32>, regions: &[(u64, u64)]) -> Context {
    let region = |&(start, end): &(u64, u64)| Region { start, end };
    Context {
        ops,
        targets: vec![Target {
            pid,
            regions: regions.iter().map(region).collect(),
            obsolete: false,
        }],
        ..Context::default()
    }
}

fn check(context: &Context) -> Result<(), ParamError> {
    Params::of(context.clone()).validate()
}

fn vaddr(change: impl FnOnce(&mut Context)) -> String {
    let mut watched = context(Ops::Vaddr, Some(1), &[]);
    change(&mut watched);
    said(&watched)
}

/// The error, without where in the json form the value stands.
fn said(context: &Context) -> String {
    let text = check(context).unwrap_err().to_string();
    let (text, path) = text.rsplit_once(" (").unwrap();
    assert!(path.starts_with("kdamonds[0].contexts[0]."), "{path}");
    text.to_owned()
}

#[test]
fn good_ones_pass() {
    let good = [
        context(Ops::Vaddr, Some(1), &[]),
        context(Ops::Vaddr, Some(i32::MAX as u32), &[(0, 1), (1, u64::MAX)]),
        context(Ops::Fvaddr, Some(1), &[(4096, 8192)]),
        context(Ops::Paddr, None, &[(4096, 8192)]),
    ];
    for good in good {
        check(&good).unwrap();
    }
    let mut edge = context(Ops::Vaddr, Some(1), &[]);
    edge.nr_regions = NrRegions { min: 3, max: 3 };
    edge.intervals.sample_us = edge.intervals.aggr_us;
    check(&edge).unwrap();
}

#[test]
fn attributes() {
    assert_eq!(
        vaddr(|context| context.intervals.sample_us = 0),
        "--sample 0: the sampling interval must be at least 1us"
    );
    assert_eq!(
        vaddr(|context| context.intervals.sample_us = 200_000),
        "--sample 200ms above --aggr 100ms: the sampling interval must not be longer than the aggregation interval"
    );
    assert!(
        vaddr(|context| {
            context.intervals.sample_us = 2_000_000;
            context.intervals.aggr_us = 1_999_999;
        })
        .starts_with("--sample 2s above --aggr 1999999us")
    );
    assert_eq!(
        vaddr(|context| context.nr_regions.min = 2),
        "--minr 2: must be at least 3"
    );
    assert_eq!(
        vaddr(|context| context.nr_regions = NrRegions { min: 11, max: 10 }),
        "--minr 11 above --maxr 10: the minimum must not be above the maximum"
    );
}

#[test]
fn targets() {
    assert_eq!(
        vaddr(|context| context.targets.clear()),
        "--ops vaddr: there is nothing to watch; name a command or a process id"
    );
    assert_eq!(
        vaddr(|context| context.targets[0].pid = None),
        "--ops vaddr: the target has no process; name a command or a process id"
    );
    for pid in [0, 1 << 31] {
        assert!(
            vaddr(|context| context.targets[0].pid = Some(pid))
                .starts_with(&format!("--target_pid {pid}: "))
        );
    }
    let ram = [(4096, 8192)];
    let refused = |watched: Context| said(&watched);
    assert!(
        refused(context(Ops::Paddr, Some(7), &ram))
            .starts_with("--target_pid 7: --ops paddr watches no process")
    );
    let mut two = context(Ops::Paddr, None, &ram);
    two.targets.push(two.targets[0].clone());
    assert_eq!(refused(two), "--ops paddr: there can be only one target");
    assert!(
        refused(context(Ops::Paddr, None, &[]))
            .starts_with("--ops paddr: the target needs --regions")
    );
    assert!(
        refused(context(Ops::Fvaddr, Some(1), &[]))
            .starts_with("--ops fvaddr: the target needs --regions")
    );
}

#[test]
fn regions() {
    let refused = |regions: &[(u64, u64)]| said(&context(Ops::Vaddr, Some(1), regions));
    assert_eq!(
        refused(&[(8, 8)]),
        "--regions 8-8: the end must be above the start"
    );
    assert_eq!(
        refused(&[(9, 8)]),
        "--regions 9-8: the end must be above the start"
    );
    let disorder = "regions must ascend and must not overlap";
    assert_eq!(
        refused(&[(0, 8), (7, 9)]),
        format!("--regions 7-9: {disorder}")
    );
    assert_eq!(
        refused(&[(8, 9), (0, 8)]),
        format!("--regions 0-8: {disorder}")
    );
}

#[test]
fn a_plan_is_in_an_order_that_works() {
    let params = Params::of(context(Ops::Paddr, None, &[(4096, 8192)]));
    let text: Vec<String> = plan_params(&params, &Features::default(), Scope::Fresh)
        .unwrap()
        .into_iter()
        .map(|write| {
            format!(
                "{} {}",
                write.path.replace("kdamonds/0/contexts/0", "C"),
                write.value
            )
        })
        .collect();
    assert_eq!(
        text,
        [
            "kdamonds/nr_kdamonds 1",
            "kdamonds/0/contexts/nr_contexts 1",
            "C/operations paddr",
            "C/monitoring_attrs/intervals/sample_us 5000",
            "C/monitoring_attrs/intervals/aggr_us 100000",
            "C/monitoring_attrs/intervals/update_us 1000000",
            "C/monitoring_attrs/nr_regions/min 10",
            "C/monitoring_attrs/nr_regions/max 1000",
            "C/targets/nr_targets 1",
            "C/targets/0/regions/nr_regions 1",
            "C/targets/0/regions/0/start 4096",
            "C/targets/0/regions/0/end 8192",
        ]
    );
}
