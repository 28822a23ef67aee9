//! DAMON's debugfs files are as they were, whatever goes wrong in between.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::debugfs_fake;

use std::sync::Arc;

use damo_user::control::debugfs::{Lost, OffError, SavedDebugfs};
use damo_user::control::params::*;
use debugfs_fake::{FakeDebugfs, Fault, Version};
use rustix::io::Errno;

const SCHEME: &str = "4096 8192 0 5 10 20 2 10 1073741824 1000 0 0 100 1 5000000 600 500 300";

/// Somebody's configuration, off: as much as the kernel has.
fn configured(version: Version) -> Arc<FakeDebugfs> {
    let kernel = FakeDebugfs::new(version);
    let pids = [5, 6, 7, 8].map(|pid| (pid, false));
    kernel.state(|state| state.processes.extend(pids));
    kernel.set("attrs", "1000 20000 3000000 4 500");
    kernel.set("target_ids", "5 6");
    if version > Version::V5_15 {
        let names = match version {
            Version::V5_16 | Version::V5_17 => (5, 6),
            _ => (0, 1),
        };
        let lines = format!("{0} 1 9\n{0} 9 20\n{1} 3 4\n", names.0, names.1);
        kernel.set("init_regions", &lines);
        kernel.set("schemes", &format!("{SCHEME}\n{SCHEME}"));
        for name in ["theirs", "physical", "damo.2"] {
            kernel.set("mk_contexts", name);
        }
        kernel.set("physical/target_ids", "paddr\n");
        kernel.set("theirs/attrs", "7 70 700 7 70");
        kernel.set("damo.2/target_ids", "7");
    }
    kernel
}

/// What we want instead.
fn ours(version: Version) -> Params {
    let context = |pid| Context {
        targets: vec![Target {
            pid: Some(pid),
            ..Target::default()
        }],
        schemes: match version {
            Version::V5_15 => Vec::new(),
            _ => vec![Scheme::default()],
        },
        ..Context::default()
    };
    let mut params = Params::of(context(8));
    if version > Version::V5_15 {
        params.kdamonds.extend(Params::of(context(7)).kdamonds);
    }
    params
}

#[test]
fn everything_comes_back_after_a_run() {
    for version in Version::ALL {
        let kernel = configured(version);
        let (before, debugfs) = (kernel.dump(), kernel.debugfs());
        let saved = debugfs.save().unwrap();
        debugfs
            .apply(&debugfs.plan(&ours(version)).unwrap())
            .unwrap();
        debugfs.turn_on().unwrap();
        assert_ne!(kernel.dump(), before);
        debugfs.turn_off().unwrap();
        let json = serde_json::to_string(&saved).unwrap();
        let saved: SavedDebugfs = serde_json::from_str(&json).unwrap();
        debugfs.restore(&saved).unwrap();
        assert_eq!(kernel.dump(), before, "{version:?}");
        // What is as it was is left alone.
        kernel.fail_write(None);
        debugfs.restore(&saved).unwrap();
        assert_eq!(kernel.state(|state| state.writes), 0);
    }
}

#[test]
fn what_was_empty_is_empty_again() {
    for version in Version::ALL {
        let kernel = FakeDebugfs::new(version);
        kernel.state(|state| state.processes.extend([(7, false), (8, false)]));
        let (before, debugfs) = (kernel.dump(), kernel.debugfs());
        let saved = debugfs.save().unwrap();
        let writes = debugfs.plan(&ours(version)).unwrap();
        debugfs.apply(&writes).unwrap();
        debugfs.restore(&saved).unwrap();
        assert_eq!(kernel.dump(), before, "{version:?}");
    }
}

#[test]
fn a_failure_at_any_write_leaves_everything_as_it_was() {
    for version in Version::ALL {
        let mut at = 1;
        loop {
            let kernel = configured(version);
            let (before, debugfs) = (kernel.dump(), kernel.debugfs());
            let saved = debugfs.save().unwrap();
            let writes = debugfs.plan(&ours(version)).unwrap();
            let errno = Errno::NOMEM;
            kernel.fail_write(Some(Fault {
                at,
                times: 1,
                errno,
            }));
            let applied = debugfs.apply(&writes);
            assert_eq!(applied.is_err(), at <= writes.len());
            debugfs.restore(&saved).unwrap();
            assert_eq!(kernel.dump(), before, "{version:?}, write {at}");
            if kernel.state(|state| state.writes) < at {
                break;
            }
            at += 1;
        }
        assert!(at > 4, "{version:?}: {at}");
    }
}

#[test]
fn a_file_that_keeps_failing_costs_nothing_else() {
    let version = Version::V6_1;
    let mut at = 1;
    loop {
        let kernel = configured(version);
        let (before, debugfs) = (kernel.dump(), kernel.debugfs());
        let saved = debugfs.save().unwrap();
        debugfs
            .apply(&debugfs.plan(&ours(version)).unwrap())
            .unwrap();
        let errno = Errno::IO;
        kernel.fail_write(Some(Fault {
            at,
            times: 3,
            errno,
        }));
        let result = debugfs.restore(&saved);
        let writes = kernel.state(|state| state.writes);
        if writes < at {
            break;
        }
        if let Err(error) = result {
            assert!(error.to_string().contains("not as they were"), "{error}");
            kernel.fail_write(None);
            // What was told is all that is left to be done.
            debugfs.restore(&saved).unwrap();
            let again = kernel.state(|state| state.writes);
            assert!((1..8).contains(&again), "{again} more after {error}");
        }
        assert_eq!(kernel.dump(), before, "write {at}");
        at += 1;
    }
    assert!(at > 8, "{at}");
}

#[test]
fn an_ended_process_is_said_and_the_rest_comes_back() {
    for version in [Version::V5_17, Version::V6_12] {
        let kernel = configured(version);
        let debugfs = kernel.debugfs();
        let saved = debugfs.save().unwrap();
        debugfs
            .apply(&debugfs.plan(&ours(version)).unwrap())
            .unwrap();
        kernel.state(|state| state.processes.remove(&5));
        let lost = debugfs.restore(&saved).unwrap_err();
        let [Lost::Ended { file, pid: 5 }] = lost.0.as_slice() else {
            panic!("{lost}");
        };
        assert_eq!(file, "target_ids");
        assert!(lost.to_string().contains("the process 5, which has ended"));
        let now = debugfs.save().unwrap();
        assert_eq!(now.contexts[1..], saved.contexts[1..]);
        let root = &now.contexts[0];
        assert_eq!(root.pids, [6]);
        assert_eq!(root.regions.len(), 1);
        assert_eq!((root.regions[0].target, root.regions[0].start), (0, 3));
        assert_eq!(root.schemes, saved.contexts[0].schemes);
        assert_eq!(root.attrs, saved.contexts[0].attrs);
    }
}

#[test]
fn an_ended_process_that_was_never_taken_away_is_still_there() {
    let kernel = configured(Version::V6_1);
    let debugfs = kernel.debugfs();
    let saved = debugfs.save().unwrap();
    kernel.state(|state| state.processes.remove(&5));
    kernel.set("attrs", "5 50 500 10 100");
    debugfs.restore(&saved).unwrap();
    assert_eq!(debugfs.save().unwrap(), saved);
}

#[test]
fn nothing_is_written_while_damon_is_on() {
    let kernel = FakeDebugfs::new(Version::V6_1);
    let debugfs = kernel.debugfs();
    let saved = debugfs.save().unwrap();
    kernel.set("target_ids", "1");
    kernel.set("monitor_on", "on");
    kernel.fail_write(None);
    let lost = debugfs.restore(&saved).unwrap_err();
    assert!(matches!(lost.0.as_slice(), [Lost::Running]), "{lost}");
    assert_eq!(kernel.state(|state| state.writes), 0);
    debugfs.turn_off().unwrap();
    debugfs.restore(&saved).unwrap();
}

#[test]
fn contexts_that_cannot_be_stopped_are_said() {
    let kernel = FakeDebugfs::new(Version::V6_1);
    kernel.set("target_ids", "1");
    kernel.set("mk_contexts", "second");
    kernel.set("second/target_ids", "1");
    let debugfs = kernel.debugfs();
    debugfs.turn_on().unwrap();
    // The first has ended by itself: the kernel stops at it.
    kernel.state(|state| state.contexts.get_mut("").unwrap().tid = None);
    let error = debugfs.turn_off().unwrap_err();
    assert!(
        matches!(&error, OffError::Stuck(tids) if tids == &[901]),
        "{error}"
    );
    assert!(debugfs.is_on().unwrap());
}
