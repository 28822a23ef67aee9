//! DAMON is as it was, whatever goes wrong, and whenever.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::common;

use std::sync::Arc;

use common::fake_kernel::{FakeKernel, Fault, STAT, State, Version, When};
use common::fixtures::{PAUSE, PID, kernel, params, unharmed};
use damo_user::control::{ControlError, Leftover, Session, others};
use rustix::io::Errno;

/// A whole recording; what it came to does not matter.
fn use_damon(kernel: &Arc<FakeKernel>) -> Result<(), ControlError> {
    let mut session = Session::prepare(&kernel.system(), &params(), PAUSE)?;
    session.turn_on()?;
    session.is_on()?;
    session.restore().map_err(|left| ControlError::AndLeft {
        error: Box::new(ControlError::Refused),
        left,
    })
}

#[test]
fn sets_up_switches_on_and_puts_back() {
    for version in Version::ALL {
        let kernel = kernel(version);
        let before = kernel.dump();
        let mut session = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap();
        assert!(!session.is_on().unwrap());
        let context = "kdamonds/0/contexts/0";
        for (path, value) in [
            ("kdamonds/nr_kdamonds".to_owned(), "1"),
            (format!("{context}/operations"), "vaddr"),
            (
                format!("{context}/monitoring_attrs/intervals/update_us"),
                "1000000",
            ),
            (format!("{context}/monitoring_attrs/nr_regions/max"), "1000"),
            (format!("{context}/targets/nr_targets"), "1"),
            (format!("{context}/targets/0/pid_target"), "4242"),
            (format!("{context}/targets/0/regions/1/start"), "8192"),
            (format!("{context}/schemes/nr_schemes"), "0"),
            ("kdamonds/0/state".to_owned(), "off"),
        ] {
            assert_eq!(kernel.get(&path), value, "{path}");
        }
        let tids = session.turn_on().unwrap();
        let [tid] = tids[..] else { panic!() };
        assert!(session.is_on().unwrap());
        assert_eq!(session.tids(), [tid]);
        assert_eq!(kernel.get("kdamonds/0/pid"), tid.to_string());
        assert_eq!(others::kdamond_threads(&kernel.system()).unwrap(), [tid]);

        session.restore().unwrap();
        unharmed(&kernel, &before, "restored");
        let writes = kernel.writes();
        session.restore().unwrap();
        drop(session);
        assert_eq!(kernel.writes(), writes, "restoring twice writes nothing");
    }
}

#[test]
fn dropping_restores() {
    let kernel = kernel(Version::V7_3);
    let before = kernel.dump();
    let system = kernel.system();
    let panicked = std::thread::spawn(move || {
        let mut session = Session::prepare(&system, &params(), PAUSE).unwrap();
        session.turn_on().unwrap();
        panic!("as a bug would");
    });
    panicked.join().unwrap_err();
    unharmed(&kernel, &before, "after a panic");
}

#[test]
fn one_failure_at_any_write_or_read_leaves_nothing() {
    for version in Version::ALL {
        for errno in [Errno::IO, Errno::BUSY, Errno::INVAL, Errno::PERM] {
            // A read has but one way to fail, and 7.3 has the most files.
            let reads = errno == Errno::IO && version == Version::V7_3;
            let kinds: &[bool] = if reads { &[true, false] } else { &[true] };
            for &write in kinds {
                let mut at = 0;
                loop {
                    at += 1;
                    let kernel = kernel(version);
                    let before = kernel.dump();
                    let fault = Some(Fault {
                        at,
                        times: 1,
                        errno,
                    });
                    if write {
                        kernel.fail_write(fault);
                    } else {
                        kernel.fail_read(fault);
                    }
                    let outcome = use_damon(&kernel);
                    let when = format!("{version:?}, {errno} at {at}, write: {write}");
                    unharmed(&kernel, &before, &when);
                    if matches!(outcome, Err(ControlError::AndLeft { .. })) {
                        panic!("reported as left: {when}");
                    }
                    let count = if write {
                        kernel.writes()
                    } else {
                        kernel.reads()
                    };
                    if count < at {
                        outcome.unwrap();
                        assert!(at > 25, "only {at} operations");
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn a_target_that_ends_at_any_moment_harms_nothing() {
    for version in Version::ALL {
        let mut at = 0;
        loop {
            at += 1;
            let kernel = kernel(version);
            let before = kernel.dump();
            kernel.before(When::Operation(at), |state: &mut State| {
                state.end_process(PID)
            });
            let outcome = use_damon(&kernel);
            unharmed(&kernel, &before, &format!("{version:?}, ended at {at}"));
            match outcome {
                Ok(()) | Err(ControlError::NoProcess(PID) | ControlError::EndedAtOnce) => {}
                Err(other) => panic!("{version:?}, ended at {at}: {other}"),
            }
            if !kernel.event_is_over() {
                break;
            }
        }
    }
}

#[test]
fn only_on_and_off_are_sent() {
    let kernel = kernel(Version::V7_3);
    use_damon(&kernel).unwrap();
    let commands: Vec<String> = kernel.state(|state| {
        let log = state.log.iter().filter(|(path, _)| path.ends_with("state"));
        log.map(|(_, value)| value.clone()).collect()
    });
    assert_eq!(commands, ["on", "off"]);
}

#[test]
fn what_stays_broken_is_reported_and_can_be_tried_again() {
    let kernel = kernel(Version::V6_17);
    let before = kernel.dump();
    let mut session = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap();
    session.turn_on().unwrap();
    let broken = Fault {
        at: 1,
        times: usize::MAX - 1,
        errno: Errno::IO,
    };
    kernel.fail_write(Some(broken));
    let left = session.restore().unwrap_err();
    assert!(
        matches!(
            left.0.as_slice(),
            [Leftover::StillOn(_), Leftover::ModuleOff { .. }]
        ),
        "{left}"
    );
    kernel.fail_write(None);
    session.restore().unwrap();
    unharmed(&kernel, &before, "healed");
}

#[test]
fn damon_stat_that_was_off_stays_off() {
    let kernel = kernel(Version::V7_3);
    kernel.set(STAT, "N");
    use_damon(&kernel).unwrap();
    assert_eq!(kernel.get(STAT), "N");
}

#[test]
fn another_kdamond_in_our_place_is_not_switched_off() {
    let kernel = FakeKernel::new(Version::V7_3);
    kernel.start_process(PID, "victim");
    let mut session = Session::prepare(&kernel.system(), &params(), PAUSE).unwrap();
    let ours = session.turn_on().unwrap()[0];
    kernel.set("kdamonds/0/state", "off");
    kernel.set("kdamonds/0/state", "on");
    let theirs = kernel.get("kdamonds/0/pid");
    assert_ne!(theirs, ours.to_string());

    assert!(!session.is_on().unwrap());
    let left = session.restore().unwrap_err();
    assert!(
        matches!(left.0.as_slice(), [Leftover::TakenOver(_)]),
        "{left}"
    );
    assert_eq!(kernel.get("kdamonds/0/pid"), theirs);
}
