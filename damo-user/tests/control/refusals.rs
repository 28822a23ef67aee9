//! When DAMON cannot be used, that is said, and nothing is changed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::common;

use common::fake_kernel::{ADMIN, FakeKernel, Fault, STAT, State, Version, When};
use common::fixtures::{PAUSE, PID, kernel, params, unharmed};
use damo_user::control::params::Params;
use damo_user::control::{ControlError, Options, Session};
use rustix::io::Errno;

#[test]
fn somebody_elses_kdamond_is_named_and_left_alone() {
    let kernel = FakeKernel::new(Version::V7_3);
    kernel.start_process(PID, "redis server");
    kernel.configure();
    kernel.set("kdamonds/0/contexts/nr_contexts", "1");
    kernel.set("kdamonds/0/contexts/0/targets/nr_targets", "1");
    kernel.set("kdamonds/0/contexts/0/targets/0/pid_target", "4242");
    kernel.set("kdamonds/0/state", "on");
    let before = kernel.dump();
    let error = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "somebody else's kdamond 0 (thread 800, vaddr, watching process 4242 \"redis server\") is on; \
         it was left alone; end what started it, or let --force switch it off meanwhile"
    );
    assert_eq!(kernel.writes(), 0);
    unharmed(&kernel, &before, "refused");
}

#[test]
fn modules_are_named_and_left_alone() {
    for (module, says) in [
        ("damon_reclaim", "DAMON_RECLAIM runs (thread 800)"),
        ("damon_lru_sort", "DAMON_LRU_SORT runs (thread 800)"),
    ] {
        let kernel = FakeKernel::new(Version::V7_3);
        kernel.start_process(PID, "victim");
        kernel.set(&format!("/sys/module/{module}/parameters/enabled"), "Y");
        let error = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap_err();
        assert!(error.to_string().starts_with(says), "{error}");
        assert_eq!(kernel.writes(), 0);
    }
}

#[test]
fn damon_stat_is_paused_only_when_that_is_asked_for() {
    let kernel = kernel(Version::V7_3);
    let error = Session::prepare(&kernel.system(), &params(), Options::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("DAMON_STAT runs (thread 800)"),
        "{error}"
    );
    assert!(error.to_string().contains("--pause-damon-stat"), "{error}");
    assert_eq!(kernel.writes(), 0);
    let session = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap();
    assert_eq!(kernel.get(STAT), "N");
    drop(session);
    assert_eq!(kernel.get(STAT), "Y");
}

#[test]
fn damon_stat_that_comes_between_is_named() {
    let kernel = FakeKernel::new(Version::V6_17);
    kernel.start_process(PID, "victim");
    let before = kernel.dump();
    let mut session = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap();
    kernel.set(STAT, "Y");
    let error = session.turn_on().unwrap_err();
    assert!(error.to_string().starts_with("DAMON_STAT runs"), "{error}");
    drop(session);
    kernel.set(STAT, "N");
    unharmed(&kernel, &before, "refused");
}

#[test]
fn parameters_that_somebody_else_changes_are_noticed() {
    let kernel = FakeKernel::new(Version::V7_3);
    kernel.start_process(PID, "victim");
    let before = kernel.dump();
    kernel.before(When::Touching("avail_operations"), |state: &mut State| {
        let path = format!("{ADMIN}/kdamonds/0/contexts/0/targets/0/pid_target");
        state.store(path.as_ref(), "1").unwrap();
    });
    let error = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap_err();
    assert!(matches!(error, ControlError::Overwritten { .. }), "{error}");
    unharmed(&kernel, &before, "refused");
}

#[test]
fn a_lock_that_stays_held_ends_in_time() {
    let kernel = kernel(Version::V6_17);
    kernel.hold_lock(true);
    let error = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap_err();
    assert!(error.to_string().contains("holds DAMON's lock"), "{error}");
    assert_eq!(kernel.writes(), 0);
}

#[test]
fn kernels_reasons_get_a_name() {
    let expect = |errno: Errno, says: &str| {
        let kernel = FakeKernel::new(Version::V7_3);
        kernel.start_process(PID, "victim");
        let mut session = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap();
        let fault = Fault {
            at: 1,
            times: usize::MAX - 1,
            errno,
        };
        kernel.fail_write(Some(fault));
        let error = session.turn_on().unwrap_err();
        kernel.fail_write(None);
        assert!(error.to_string().contains(says), "{error}");
    };
    expect(Errno::INVAL, "refuses the parameters (EINVAL)");
    expect(Errno::NOMEM, "(ENOMEM)");
    expect(Errno::BUSY, "in use (EBUSY)");
    expect(
        Errno::IO,
        "cannot write 'on' to /sys/kernel/mm/damon/admin/kdamonds/0/state",
    );
}

#[test]
fn an_unknown_user_of_damon_is_named_by_its_thread() {
    let kernel = FakeKernel::new(Version::V6_12);
    kernel.start_process(PID, "victim");
    // debugfs: neither sysfs nor a module knows of it.
    kernel.state(|state| state.foreign_kdamond());
    let mut session = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap();
    let error = session.turn_on().unwrap_err();
    assert!(
        error.to_string().contains("by the kdamond thread 800"),
        "{error}"
    );
}

#[test]
fn nothing_is_written_for_what_cannot_be() {
    let refused = |change: fn(&mut Params), root: bool, says: &str| {
        let kernel = kernel(Version::V6_12);
        let mut params = params();
        change(&mut params);
        let mut system = kernel.system();
        system.is_root = root;
        let error = Session::prepare(&system, &params, PAUSE).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(kernel.writes(), 0, "{says}");
    };
    refused(|_| {}, false, "sudo");
    refused(
        |params| params.kdamonds[0].contexts[0].nr_regions.min = 2,
        true,
        "--minr 2: must be at least 3 (kdamonds[0].contexts[0].nr_regions.min)",
    );
    refused(
        |params| params.kdamonds[0].contexts[0].targets[0].pid = Some(9),
        true,
        "no such process: 9",
    );
}

#[test]
fn a_kernel_without_damon_is_named() {
    let kernel = FakeKernel::new(Version::V6_12);
    let mut system = kernel.system();
    system.sysfs_admin = "/nowhere/admin".into();
    let error = Session::prepare(&system, &params(), PAUSE).unwrap_err();
    assert!(
        error.to_string().contains("no DAMON sysfs interface"),
        "{error}"
    );
    assert!(error.to_string().contains("CONFIG_DAMON_SYSFS"), "{error}");
}

#[test]
fn an_operations_set_that_was_not_built_is_named() {
    let kernel = FakeKernel::new(Version::V7_3);
    kernel.start_process(PID, "victim");
    let before = kernel.dump();
    kernel.state(|state| state.only_paddr = true);
    let error = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--ops vaddr: this kernel's DAMON has only paddr"
    );
    unharmed(&kernel, &before, "refused");
}
