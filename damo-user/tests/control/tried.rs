//! Tried regions, freshly asked for: of kernels that number them as they like,
//! that are busy, and that must not be asked any more.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::common;

use std::sync::Arc;
use std::time::Duration;

use common::fake_kernel::{FakeKernel, Fault, Version, When};
use common::fixtures::PID;
use damo_user::control::{Fresh, Tried, tried_regions};
use damo_user::model::Intervals;
use rustix::io::Errno;

const CONTEXT: &str = "kdamonds/0/contexts/0";

/// A kdamond that is on, with two schemes, of which the second tries regions.
fn working(version: Version) -> Arc<FakeKernel> {
    let kernel = FakeKernel::new(version);
    kernel.start_process(PID, "victim");
    kernel.set("kdamonds/nr_kdamonds", "1");
    for (path, value) in [
        ("contexts/nr_contexts", "1"),
        ("contexts/0/targets/nr_targets", "1"),
        ("contexts/0/targets/0/pid_target", "4242"),
        ("contexts/0/schemes/nr_schemes", "2"),
        ("state", "on"),
    ] {
        kernel.set(&format!("kdamonds/0/{path}"), value);
    }
    if version >= Version::V7_2 {
        kernel.set(&format!("{CONTEXT}/addr_unit"), "4");
    }
    let scheme = format!("{CONTEXT}/schemes/1");
    kernel.tell(&format!("{scheme}/tried_regions/total_bytes"), "12288");
    // As 6.17 names them, where 18 sorts before 2.
    for (name, start, end) in [
        (16, "4096", "8192"),
        (18, "8192", "12288"),
        (2, "0", "4096"),
    ] {
        let values = [
            ("start", start),
            ("end", end),
            ("nr_accesses", "3"),
            ("age", "17"),
        ];
        kernel.tried(&scheme, name, &values, &[]);
    }
    kernel.state(|state| state.log.clear());
    kernel
}

/// What was written to `state`.
fn commands(kernel: &FakeKernel) -> Vec<String> {
    kernel.state(|state| {
        let written = state.log.iter().filter(|(path, _)| path.ends_with("state"));
        written.map(|(_, value)| value.clone()).collect()
    })
}

fn ask(kernel: &Arc<FakeKernel>) -> Tried {
    tried_regions(&kernel.system(), 0).unwrap()
}

#[track_caller]
fn fresh(tried: Tried) -> Fresh {
    match tried {
        Tried::Fresh(fresh) => fresh,
        other => panic!("{other:?}"),
    }
}

#[test]
fn regions_come_in_order_and_in_bytes() {
    for version in Version::ALL {
        let kernel = working(version);
        let Fresh {
            end_ns,
            intervals,
            schemes,
        } = fresh(ask(&kernel));
        assert!(end_ns > 0);
        let expected = Intervals {
            sample_us: 5_000,
            aggr_us: 100_000,
            update_us: 60_000_000,
        };
        assert_eq!(intervals, expected);
        assert_eq!(commands(&kernel), ["update_schemes_tried_regions"]);
        let [without, with] = &schemes[..] else {
            panic!("{schemes:?}")
        };
        assert!(without.regions.is_empty());
        let unit = if version >= Version::V7_2 { 4 } else { 1 };
        let starts: Vec<u64> = with.regions.iter().map(|region| region.start).collect();
        assert_eq!(starts, [0, 4096 * unit, 8192 * unit]);
        assert_eq!(with.regions[2].end, 12288 * unit);
        assert_eq!(with.total_bytes, 12288 * unit);
        assert_eq!(with.regions[0].nr_accesses_samples, 3);
        let passed = (version >= Version::V6_17).then_some(0);
        assert_eq!(with.regions[0].sz_filter_passed_bytes, passed);
    }
}

#[test]
fn tuned_intervals_are_asked_for_first() {
    let kernel = working(Version::V7_3);
    let intervals = format!("{CONTEXT}/monitoring_attrs/intervals");
    kernel.set(&format!("{intervals}/intervals_goal/aggrs"), "3");
    kernel.set(&format!("{intervals}/aggr_us"), "800000");
    assert_eq!(fresh(ask(&kernel)).intervals.aggr_us, 800_000);
    assert_eq!(
        commands(&kernel),
        ["update_tuned_intervals", "update_schemes_tried_regions"]
    );
}

#[test]
fn one_that_ends_at_any_moment_is_sent_nothing_more() {
    for version in Version::ALL {
        let mut at = 0;
        loop {
            at += 1;
            let kernel = working(version);
            let goal = format!("{CONTEXT}/monitoring_attrs/intervals/intervals_goal/aggrs");
            if version > Version::V6_12 {
                kernel.set(&goal, "3");
            }
            kernel.before(When::Operation(at), |state| state.end_process(PID));
            let tried = ask(&kernel);
            if !kernel.event_is_over() {
                assert!(at > 8, "only {at} operations");
                fresh(tried);
                break;
            }
            // Its last regions, if they were all asked for before.
            assert!(matches!(tried, Tried::Ended | Tried::Fresh(_)), "{tried:?}");
            let sent = commands(&kernel).len();
            assert_eq!(ask(&kernel), Tried::Ended);
            assert_eq!(commands(&kernel).len(), sent, "{version:?}, at {at}");
            assert_eq!(kernel.state(|state| state.bug.clone()), None, "{version:?}");
        }
    }
}

#[test]
fn a_lock_is_waited_for_but_not_for_ever() {
    let kernel = working(Version::V7_3);
    let fault = |times, errno| {
        Some(Fault {
            at: 1,
            times,
            errno,
        })
    };
    kernel.fail_write(fault(3, Errno::BUSY));
    // However late a busy machine comes to try again.
    let mut patient = kernel.system();
    patient.patience = Duration::from_secs(600);
    fresh(tried_regions(&patient, 0).unwrap());
    kernel.fail_write(fault(1_000_000, Errno::BUSY));
    assert_eq!(ask(&kernel), Tried::Busy);
    kernel.fail_write(None);
    kernel.hold_lock(true);
    assert_eq!(ask(&kernel), Tried::Busy);
    kernel.hold_lock(false);
    fresh(ask(&kernel));
}

#[test]
fn schemes_that_sleep_are_no_error_and_others_are() {
    let kernel = working(Version::V7_3);
    let fault = |errno| {
        Some(Fault {
            at: 1,
            times: 1,
            errno,
        })
    };
    kernel.fail_write(fault(Errno::CANCELED));
    assert_eq!(ask(&kernel), Tried::Inactive);
    kernel.fail_write(fault(Errno::INVAL));
    let error = tried_regions(&kernel.system(), 0).unwrap_err().to_string();
    assert!(error.contains("update_schemes_tried_regions"), "{error}");
    kernel.fail_write(None);
    // No such kdamond at all.
    assert_eq!(tried_regions(&kernel.system(), 7).unwrap(), Tried::Ended);
}
