//! One of several kdamonds of ours that somebody else has switched off, on again: nothing
//! else is touched, whatever goes wrong.

use crate::common;

use std::path::PathBuf;
use std::sync::Arc;

use common::fake_kernel::{FakeKernel, Fault, Version};
use common::fixtures::{PAUSE, kernel, params, unharmed};
use damo_user::control::params::Params;
use damo_user::control::{ControlError, Session};
use rustix::io::Errno;

const OPERATIONS: &str = "kdamonds/1/contexts/0/operations";

/// Two kdamonds, of which somebody else has switched off the second.
fn half_off(kernel: &Arc<FakeKernel>) -> (Session, Params, u32) {
    let mut params = params();
    params.kdamonds.push(params.kdamonds[0].clone());
    let mut session = Session::prepare(&kernel.system(), &params, PAUSE).unwrap();
    let tids = session.turn_on().unwrap();
    session.remember();
    assert_eq!(session.off().unwrap(), [0usize; 0]);
    kernel.set("kdamonds/1/state", "off");
    assert_eq!(session.off().unwrap(), [1]);
    assert!(session.is_on().unwrap());
    (session, params, tids[0])
}

#[test]
fn one_comes_on_again_and_the_other_is_not_touched() {
    for version in Version::ALL {
        let kernel = kernel(version);
        let before = kernel.dump();
        let (mut session, params, first) = half_off(&kernel);
        assert_eq!(session.who_else().unwrap(), None);
        let begun = kernel.state(|state| state.log.len());
        let tids = session.turn_on_again(&[1], &params).unwrap();
        assert_eq!(kernel.get("kdamonds/1/pid"), tids[0].to_string());
        assert_eq!(kernel.get("kdamonds/0/pid"), first.to_string());
        let written: Vec<PathBuf> = kernel.state(|state| {
            let log = state.log[begun..].iter();
            log.map(|(path, _)| path.clone()).collect()
        });
        let of_second = |path: &PathBuf| path.to_str().unwrap().contains("kdamonds/1/");
        assert!(
            written.len() > 5 && written.iter().all(of_second),
            "{written:?}"
        );
        assert_eq!(session.off().unwrap(), [0usize; 0]);
        // Nobody else has set anything: what was there first is put back.
        session.restore().unwrap();
        unharmed(&kernel, &before, "restored");
    }
}

#[test]
fn what_somebody_else_has_set_is_put_back() {
    let kernel = kernel(Version::V7_3);
    let (mut session, params, _) = half_off(&kernel);
    kernel.set(OPERATIONS, "paddr");
    session.turn_on_again(&[1], &params).unwrap();
    assert_eq!(kernel.get(OPERATIONS), "vaddr");
    session.restore().unwrap();
    assert_eq!(kernel.get(OPERATIONS), "paddr");
}

#[test]
fn somebody_elses_in_its_place_is_left_alone() {
    let kernel = kernel(Version::V6_12);
    let (mut session, params, first) = half_off(&kernel);
    kernel.set(OPERATIONS, "paddr");
    kernel.set("kdamonds/1/contexts/0/targets/nr_targets", "1");
    kernel.set("kdamonds/1/state", "on");
    let theirs = kernel.get("kdamonds/1/pid");
    assert_eq!(session.off().unwrap(), [1]);
    let who = session.who_else().unwrap().unwrap();
    assert!(who.contains("kdamond 1") && who.contains(&theirs), "{who}");
    let writes = kernel.writes();
    let refused = session.turn_on_again(&[1], &params).unwrap_err();
    assert!(matches!(refused, ControlError::KdamondRuns(_)), "{refused}");
    assert_eq!(kernel.writes(), writes);
    assert_eq!(kernel.get("kdamonds/1/pid"), theirs);
    assert_eq!(kernel.get("kdamonds/0/pid"), first.to_string());
    kernel.set("kdamonds/1/state", "off");
    session.turn_on_again(&[1], &params).unwrap();
    assert_eq!(kernel.get(OPERATIONS), "vaddr");
}

#[test]
fn one_that_fails_at_any_write_leaves_the_other_on() {
    let mut at = 0;
    loop {
        at += 1;
        let kernel = kernel(Version::V7_3);
        let before = kernel.dump();
        let (mut session, params, first) = half_off(&kernel);
        kernel.fail_write(Some(Fault {
            at,
            times: 1,
            errno: Errno::IO,
        }));
        let again = session.turn_on_again(&[1], &params);
        let failed = kernel.writes() >= at;
        assert_eq!(again.is_err(), failed, "{at}");
        assert_eq!(kernel.get("kdamonds/0/pid"), first.to_string(), "{at}");
        let off = session.off().unwrap();
        assert_eq!(off.is_empty(), !failed, "{at}");
        if failed {
            // It may be tried again.
            session.turn_on_again(&[1], &params).unwrap();
        }
        session.restore().unwrap();
        unharmed(&kernel, &before, &format!("failed at {at}"));
        if !failed {
            break;
        }
    }
    assert!(at > 5, "only {at} writes");
}
