//! Everything that DAMON would refuse is refused first, in the user's words.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use damo_user::control::{Spec, TargetSpec, plan};
use damo_user::model::{Intervals, Ops};

fn spec(ops: Ops, pid: Option<u32>, regions: &[(u64, u64)]) -> Spec {
    Spec {
        ops,
        targets: vec![TargetSpec {
            pid,
            regions: regions.to_vec(),
        }],
        intervals: Intervals {
            sample_us: 5_000,
            aggr_us: 100_000,
            update_us: 1_000_000,
        },
        nr_regions: (10, 1000),
    }
}

fn vaddr(change: impl FnOnce(&mut Spec)) -> String {
    let mut spec = spec(Ops::Vaddr, Some(1), &[]);
    change(&mut spec);
    said(&spec)
}

/// The error, without where in the json form the value stands.
fn said(spec: &Spec) -> String {
    let text = spec.validate().unwrap_err().to_string();
    let (text, path) = text.rsplit_once(" (").unwrap();
    assert!(path.starts_with("kdamonds[0].contexts[0]."), "{path}");
    text.to_owned()
}

#[test]
fn good_ones_pass() {
    spec(Ops::Vaddr, Some(1), &[]).validate().unwrap();
    spec(Ops::Vaddr, Some(i32::MAX as u32), &[(0, 1), (1, u64::MAX)])
        .validate()
        .unwrap();
    spec(Ops::Fvaddr, Some(1), &[(4096, 8192)])
        .validate()
        .unwrap();
    spec(Ops::Paddr, None, &[(4096, 8192)]).validate().unwrap();
    let mut edge = spec(Ops::Vaddr, Some(1), &[]);
    edge.nr_regions = (3, 3);
    edge.intervals.sample_us = edge.intervals.aggr_us;
    edge.validate().unwrap();
}

#[test]
fn attributes() {
    assert_eq!(
        vaddr(|spec| spec.intervals.sample_us = 0),
        "--sample 0: the sampling interval must be at least 1us"
    );
    assert_eq!(
        vaddr(|spec| spec.intervals.sample_us = 200_000),
        "--sample 200ms above --aggr 100ms: the sampling interval must not be longer than the aggregation interval"
    );
    assert!(
        vaddr(|spec| {
            spec.intervals.sample_us = 2_000_000;
            spec.intervals.aggr_us = 1_999_999;
        })
        .starts_with("--sample 2s above --aggr 1999999us")
    );
    assert_eq!(
        vaddr(|spec| spec.nr_regions.0 = 2),
        "--minr 2: must be at least 3"
    );
    assert_eq!(
        vaddr(|spec| spec.nr_regions = (11, 10)),
        "--minr 11 above --maxr 10: the minimum must not be above the maximum"
    );
}

#[test]
fn targets() {
    assert_eq!(
        vaddr(|spec| spec.targets.clear()),
        "--ops vaddr: there is nothing to watch; name a command or a process id"
    );
    assert_eq!(
        vaddr(|spec| spec.targets[0].pid = None),
        "--ops vaddr: the target has no process; name a command or a process id"
    );
    for pid in [0, 1 << 31] {
        assert!(
            vaddr(|spec| spec.targets[0].pid = Some(pid))
                .starts_with(&format!("--target_pid {pid}: "))
        );
    }
    let ram = [(4096, 8192)];
    let refused = |spec: Spec| said(&spec);
    assert!(
        refused(spec(Ops::Paddr, Some(7), &ram))
            .starts_with("--target_pid 7: --ops paddr watches no process")
    );
    let mut two = spec(Ops::Paddr, None, &ram);
    two.targets.push(two.targets[0].clone());
    assert_eq!(refused(two), "--ops paddr: there can be only one target");
    assert!(
        refused(spec(Ops::Paddr, None, &[])).starts_with("--ops paddr: the target needs --regions")
    );
    assert!(
        refused(spec(Ops::Fvaddr, Some(1), &[]))
            .starts_with("--ops fvaddr: the target needs --regions")
    );
}

#[test]
fn regions() {
    let refused = |regions: &[(u64, u64)]| said(&spec(Ops::Vaddr, Some(1), regions));
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
    let text: Vec<String> = plan(&spec(Ops::Paddr, None, &[(4096, 8192)]))
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
