//! What is ours, what a killed damo left, and who may change it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::common;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::fake_kernel::{FakeKernel, Fault, STAT, State, Version, When};
use common::fixtures::{PAUSE, PID, edit_note, kernel, noted, params, start, unharmed};
use damo_user::control::ownership::Whose;
use damo_user::control::params::Params;
use damo_user::control::{Commit, ControlError, Entry, Files, Options, Session, Stop, Tuning};
use rustix::io::Errno;

/// As if the process that wrote the note had been killed since.
fn kill_its_writer(run: &Path) {
    edit_note(run, |note| note["by"]["start_ticks"] = 1.into());
}

#[test]
fn start_stays_and_stop_puts_back() {
    for version in Version::ALL {
        let run = tempfile::tempdir().unwrap();
        let kernel = kernel(version);
        let before = kernel.dump();
        let system = noted(&kernel, run.path());
        start(&system);
        assert_eq!(kernel.get("kdamonds/0/state"), "on");
        let again = Session::prepare(&system, &params(), PAUSE).unwrap_err();
        assert!(matches!(again, ControlError::OursRuns { .. }), "{again}");
        let stop = Stop::find(&system, false, false).unwrap();
        let planned = stop.plan();
        assert!(planned[0].0.ends_with("kdamonds/0/state"), "{planned:?}");
        assert!(stop.run().unwrap().is_empty());
        unharmed(&kernel, &before, "stopped");
        let nothing = Stop::find(&system, false, false).unwrap_err();
        assert!(matches!(nothing, ControlError::NothingOfOurs { .. }));
    }
}

/// A kernel whose user is killed just before a write: what was written down by
/// then is all that there will be, and nothing more gets through.
struct Killing {
    kernel: Arc<FakeKernel>,
    /// Writes until then.
    left: AtomicUsize,
    note: PathBuf,
    /// The note as it was then, if there was one.
    noted: Mutex<Option<Vec<u8>>>,
}

impl Files for Killing {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.kernel.read(path)
    }

    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        match self.left.load(Ordering::SeqCst) {
            0 => return Err(Errno::IO.into()),
            1 => *self.noted.lock().unwrap() = std::fs::read(&self.note).ok(),
            _ => {}
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            return Err(Errno::IO.into());
        }
        self.kernel.write(path, value)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.kernel.list(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.kernel.exists(path)
    }
}

#[test]
fn what_a_killed_damo_left_is_known_after_every_write() {
    let mut at = 0;
    loop {
        at += 1;
        let run = tempfile::tempdir().unwrap();
        let kernel = kernel(Version::V7_3);
        let before = kernel.dump();
        let system = noted(&kernel, run.path());
        let note = run.path().join("damo/kdamonds");
        let killing = Arc::new(Killing {
            kernel: Arc::clone(&kernel),
            left: AtomicUsize::new(at),
            note: note.clone(),
            noted: Mutex::new(None),
        });
        let mut doomed = system.clone();
        doomed.files = Arc::clone(&killing) as Arc<dyn Files>;
        let session = Session::prepare(&doomed, &params(), PAUSE).and_then(|mut session| {
            session.turn_on()?;
            Ok(session)
        });
        let done = session.is_ok();
        std::mem::forget(session);
        if done {
            assert!(at > 15, "only {at} writes");
            break;
        }
        // The kernel lets go of a lock whose process is killed.
        std::fs::remove_file(run.path().join("damo/lock")).unwrap();
        let noted_then = killing.noted.lock().unwrap().take();
        let noted_then = noted_then.unwrap_or_else(|| panic!("no note before write {at}"));
        std::fs::write(&note, noted_then).unwrap();
        kill_its_writer(run.path());
        let said = Session::check(&system, PAUSE).unwrap_err().to_string();
        assert!(said.contains("damo stop --stale"), "{said}");
        Stop::find(&system, true, false).unwrap().run().unwrap();
        unharmed(&kernel, &before, &format!("put back, killed at {at}"));
    }
}

#[test]
fn notes_of_another_boot_and_damaged_ones_are_none() {
    let run = tempfile::tempdir().unwrap();
    let kernel = kernel(Version::V7_3);
    let mut system = noted(&kernel, run.path());
    start(&system);
    assert!(matches!(system.notes().unwrap().read(), Whose::Ours(_)));
    system.boot_id = "another".to_owned();
    assert!(matches!(system.notes().unwrap().read(), Whose::Nobodys));
    system.boot_id = "this boot".to_owned();
    for damaged in ["", "{", "[]", "{\"boot_id\": 1}"] {
        std::fs::write(run.path().join("damo/kdamonds"), damaged).unwrap();
        assert!(matches!(system.notes().unwrap().read(), Whose::Nobodys));
        let stop = Stop::find(&system, false, false).unwrap_err();
        assert!(stop.to_string().contains("kdamond 0"), "{stop}");
    }
}

#[test]
fn another_kdamond_in_its_place_is_not_ours() {
    let run = tempfile::tempdir().unwrap();
    let kernel = kernel(Version::V6_12);
    let system = noted(&kernel, run.path());
    start(&system);
    kernel.set("kdamonds/0/state", "off");
    kernel.set("kdamonds/0/state", "on");
    let theirs = kernel.get("kdamonds/0/pid");
    let tune = Tuning::begin(&system, false, Commit::Everything).unwrap_err();
    assert!(matches!(tune, ControlError::NothingToTune { .. }), "{tune}");
    let stop = Stop::find(&system, false, false).unwrap().run();
    assert!(stop.unwrap_err().to_string().contains(&theirs));
    assert_eq!(kernel.get("kdamonds/0/pid"), theirs);
}

#[test]
fn one_process_at_a_time() {
    let run = tempfile::tempdir().unwrap();
    let kernel = kernel(Version::V7_3);
    let system = noted(&kernel, run.path());
    let first = Session::prepare(&system, &params(), PAUSE).unwrap();
    let writes = kernel.writes();
    for refused in [
        Tuning::begin(&system, true, Commit::Everything).map(drop),
        Stop::find(&system, true, true).map(drop),
    ] {
        let said = refused.unwrap_err().to_string();
        let pid = format!("process {}", std::process::id());
        assert!(said.contains(&pid), "{said}");
    }
    assert_eq!(kernel.writes(), writes);
    drop(first);
    drop(Session::prepare(&system, &params(), PAUSE).unwrap());
}

#[test]
fn a_folder_of_somebody_elses_is_not_trusted() {
    let run = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), run.path().join("damo")).unwrap();
    let kernel = kernel(Version::V7_3);
    let before = kernel.dump();
    let error = Session::prepare(&noted(&kernel, run.path()), &params(), PAUSE).unwrap_err();
    assert!(
        error.to_string().contains("not a folder of our own"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    unharmed(&kernel, &before, "refused");
}

#[test]
fn force_switches_others_off_and_on_again() {
    let run = tempfile::tempdir().unwrap();
    let kernel = kernel(Version::V7_3);
    kernel.set(STAT, "N");
    let module = "/sys/module/damon_reclaim/parameters/enabled";
    kernel.set(module, "Y");
    let before = kernel.dump();
    let system = noted(&kernel, run.path());
    let force = Options {
        force: true,
        ..PAUSE
    };
    let mut session = Session::prepare(&system, &params(), force).unwrap();
    assert_eq!(kernel.get(module), "N");
    session.turn_on().unwrap();
    session.restore().unwrap();
    drop(session);
    unharmed(&kernel, &before, "a module");

    kernel.set(module, "N");
    kernel.set("kdamonds/0/contexts/nr_contexts", "1");
    kernel.set("kdamonds/0/contexts/0/operations", "paddr");
    kernel.set("kdamonds/0/state", "on");
    let mut before = kernel.dump();
    let mut session = Session::prepare(&system, &params(), force).unwrap();
    session.turn_on().unwrap();
    session.restore().unwrap();
    let mut after = kernel.dump();
    for all in [&mut before, &mut after] {
        all.retain(|path, _| !path.ends_with("pid"));
    }
    assert!(before == after, "somebody else's kdamond");
    assert_eq!(kernel.get("kdamonds/0/state"), "on");
}

/// Starts, and changes the most regions; what is to happen does meanwhile.
fn tune(
    version: Version,
    meanwhile: impl FnOnce(&Arc<FakeKernel>),
) -> (Arc<FakeKernel>, Result<Params, ControlError>) {
    let run = tempfile::tempdir().unwrap();
    let kernel = kernel(version);
    let system = noted(&kernel, run.path());
    start(&system);
    meanwhile(&kernel);
    let tuned = Tuning::begin(&system, false, Commit::Everything).and_then(|mut tuning| {
        tuning.refresh()?;
        let mut params = tuning.before().clone();
        params.kdamonds[0].contexts[0].nr_regions.max = 777;
        if version >= Version::V6_17 {
            params.kdamonds[0].refresh_ms = 50;
        }
        tuning.commit(&params)?;
        Ok(params)
    });
    (kernel, tuned)
}

#[test]
fn tune_writes_and_commits_once() {
    for version in Version::ALL {
        let (kernel, tuned) = tune(version, |kernel| kernel.state(|state| state.log.clear()));
        tuned.unwrap();
        let max = "kdamonds/0/contexts/0/monitoring_attrs/nr_regions/max";
        assert_eq!(kernel.get(max), "777");
        let commands = kernel.state(|state| {
            let commands = state.log.iter().filter(|(path, _)| path.ends_with("state"));
            commands.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        });
        assert_eq!(commands, ["commit"]);
    }
}

#[test]
fn a_target_that_ends_at_any_moment_of_a_tune_is_no_bug() {
    for version in Version::ALL {
        let mut at = 0;
        loop {
            at += 1;
            let event = |kernel: &Arc<FakeKernel>| {
                kernel.before(When::Operation(at), |state: &mut State| {
                    state.end_process(PID);
                });
            };
            let (kernel, tuned) = tune(version, event);
            assert_eq!(kernel.state(|state| state.bug.clone()), None, "at {at}");
            if !kernel.event_is_over() {
                tuned.unwrap();
                break;
            }
            // After the last look at it, it may end as it likes.
            if let Err(error) = tuned {
                let said = error.to_string();
                let known = ["ended", "no such process", "is on"];
                assert!(known.iter().any(|word| said.contains(word)), "{said}");
            }
        }
    }
}

#[test]
fn a_tune_that_fails_leaves_the_files_as_they_were() {
    for version in Version::ALL {
        let mut at = 0;
        loop {
            at += 1;
            let mut before = None;
            let (kernel, tuned) = tune(version, |kernel| {
                before = Some(kernel.dump());
                kernel.fail_write(Some(Fault {
                    at,
                    times: 1,
                    errno: Errno::IO,
                }));
            });
            if tuned.is_ok() {
                assert!(at > 10, "only {at} writes");
                break;
            }
            unharmed(&kernel, &before.unwrap(), &format!("{version:?}, at {at}"));
        }
    }
}
