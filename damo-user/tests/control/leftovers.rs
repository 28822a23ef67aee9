//! Ways in which undoing can get stuck, and does not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::common;

use std::path::Path;

use common::fake_kernel::{FakeKernel, Fault, STAT, Version};
use common::fixtures::{PAUSE, PID, edit_note, kernel, noted, params, start};
use damo_user::control::{Commit, ControlError, Options, Saved, Session, Stop, Tuning};
use rustix::io::Errno;

const FORCE: Options = Options {
    force: true,
    ..PAUSE
};

/// As if its writer had been killed after it wrote this.
fn leave_note(run: &Path, text: &[u8]) {
    let note = run.join("damo/kdamonds");
    std::fs::write(&note, text).unwrap();
    edit_note(run, |note| note["by"]["start_ticks"] = 1.into());
}

/// Somebody else's kdamond 0, on.
fn theirs(kernel: &FakeKernel, pid: Option<u32>) {
    kernel.start_process(PID, "victim");
    kernel.configure();
    kernel.set("kdamonds/0/contexts/nr_contexts", "1");
    let context = "kdamonds/0/contexts/0";
    match pid {
        None => kernel.set(&format!("{context}/operations"), "paddr"),
        Some(pid) => {
            kernel.start_process(pid, "theirs");
            kernel.set(&format!("{context}/targets/nr_targets"), "1");
            let target = format!("{context}/targets/0/pid_target");
            kernel.set(&target, &pid.to_string());
        }
    }
    kernel.set("kdamonds/0/state", "on");
}

#[test]
fn start_again_after_its_targets_ended_with_damon_stat_paused() {
    let run = tempfile::tempdir().unwrap();
    let kernel = kernel(Version::V7_3);
    let system = noted(&kernel, run.path());
    start(&system);
    kernel.state(|state| state.end_process(PID));
    kernel.start_process(PID, "victim");
    let mut session = Session::prepare(&system, &params(), PAUSE).unwrap();
    session.turn_on().unwrap();
    session.restore().unwrap();
    assert_eq!(kernel.get(STAT), "Y");
}

#[test]
fn a_forced_kdamond_whose_target_has_ended_is_told_of_once() {
    let run = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new(Version::V7_3);
    theirs(&kernel, Some(77));
    let system = noted(&kernel, run.path());
    let mut session = Session::prepare(&system, &params(), FORCE).unwrap();
    session.turn_on().unwrap();
    kernel.state(|state| state.end_process(77));
    let left = session.restore().unwrap_err().to_string();
    assert!(
        left.contains("somebody else's kdamond 0 is still off"),
        "{left}"
    );
    drop(session);
    assert!(!run.path().join("damo/kdamonds").exists());
    Session::check(&system, PAUSE).unwrap();
}

#[test]
fn killed_after_others_came_on_again() {
    let run = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new(Version::V7_3);
    theirs(&kernel, None);
    let system = noted(&kernel, run.path());
    let mut session = Session::prepare(&system, &params(), FORCE).unwrap();
    session.turn_on().unwrap();
    // How many writes a restore has; the last is theirs, coming on again.
    kernel.fail_write(None);
    session.restore().unwrap();
    let writes = kernel.writes();
    drop(session);
    let mut session = Session::prepare(&system, &params(), FORCE).unwrap();
    session.turn_on().unwrap();
    kernel.fail_write(Some(Fault {
        at: writes,
        times: usize::MAX - writes,
        errno: Errno::IO,
    }));
    session.restore().unwrap_err();
    let note = run.path().join("damo/kdamonds");
    let last = std::fs::read(&note).unwrap();
    drop(session);
    kernel.fail_write(None);
    // It came on after all, just before the kill.
    kernel.set("kdamonds/0/state", "on");
    leave_note(run.path(), &last);
    Stop::find(&system, true, false).unwrap().run().unwrap();
    assert_eq!(kernel.get("kdamonds/0/state"), "on");
    assert!(!note.exists());
}

#[test]
fn damon_stat_is_not_stopped_by_force_and_nobody_says_so() {
    let run = tempfile::tempdir().unwrap();
    let kernel = kernel(Version::V7_3);
    let system = noted(&kernel, run.path());
    for force in [false, true] {
        let said = Stop::find(&system, false, force).unwrap_err().to_string();
        assert!(said.contains("damo module stat disable"), "{said}");
        assert!(!said.contains("--force stops that too"), "{said}");
    }
    assert_eq!(kernel.get(STAT), "Y");
}

#[test]
fn stale_is_not_what_start_began() {
    let run = tempfile::tempdir().unwrap();
    let kernel = kernel(Version::V7_3);
    let system = noted(&kernel, run.path());
    start(&system);
    let said = Stop::find(&system, true, false).unwrap_err();
    assert!(matches!(said, ControlError::NotStale(_)), "{said}");
    assert!(!said.to_string().contains("force"), "{said}");
}

#[test]
fn a_tune_killed_at_any_write_is_put_back_by_the_next() {
    let mut at = 0;
    loop {
        at += 1;
        let run = tempfile::tempdir().unwrap();
        let kernel = kernel(Version::V7_3);
        let system = noted(&kernel, run.path());
        start(&system);
        let before = kernel.dump();
        let former = serde_json::to_vec(&Saved::read(&kernel.system().admin()).unwrap()).unwrap();
        let tuning = Tuning::begin(&system, false, Commit::Everything).unwrap();
        let mut params = tuning.before().clone();
        params.kdamonds[0].contexts[0].nr_regions.max = 777;
        params.kdamonds[0].refresh_ms = 50;
        kernel.fail_write(Some(Fault {
            at,
            times: usize::MAX - at,
            errno: Errno::IO,
        }));
        let done = tuning.commit(&params).is_ok();
        kernel.fail_write(None);
        if done {
            assert!(at > 10, "only {at} writes");
            break;
        }
        // Killed, it would not have taken its note back, nor the files.
        let saved: serde_json::Value = serde_json::from_slice(&former).unwrap();
        edit_note(run.path(), |note| note["tuning"] = saved);
        let next = Tuning::begin(&system, false, Commit::Everything).unwrap();
        assert_eq!(next.before().kdamonds[0].contexts[0].nr_regions.max, 1000);
        assert!(before == kernel.dump(), "not put back, killed at {at}");
        drop(next);
        Stop::find(&system, false, false).unwrap().run().unwrap();
    }
}
