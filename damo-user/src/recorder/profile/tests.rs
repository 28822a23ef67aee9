//! With a script in perf's place: it does with output and signals what perf does.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::process::{Pid, test_kill_process};

use super::*;
use crate::sys::process::Process;

/// Opens its output anew, by the path given, tells there how it was called, and
/// ends by SIGINT when its file is finished.
const PERF: &str = r#"#!/usr/bin/env python3
import os, signal, sys
assert sys.argv[1:5] == ["record", "--quiet", "--clockid=mono", "--output"], sys.argv
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
with open(sys.argv[5], "w") as out:
    print(*sys.argv[6:], file=out, flush=True)
    caught = signal.sigwait({signal.SIGINT, signal.SIGTERM})
    print(signal.Signals(caught).name, file=out)
signal.signal(caught, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, {})
os.kill(os.getpid(), caught)
"#;

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    /// `script` is perf.
    fn new(script: &str) -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let perf = dir.path().join("perf");
        fs::write(&perf, script).unwrap();
        fs::set_permissions(&perf, fs::Permissions::from_mode(0o700)).unwrap();
        Desk { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn begin(&self, pids: &[u32]) -> Result<Profile, ProfileError> {
        let (perf, out) = (self.path("perf"), self.path("out"));
        loop {
            match Profile::begin(perf.as_os_str(), &out, 0o600, None, pids) {
                // Another test, which starts something just now, holds the
                // script as we wrote it.
                Err(ProfileError::Io(error)) if error.kind() == ErrorKind::ExecutableFileBusy => {}
                other => return other,
            }
        }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

/// It has opened its output, and will hear of signals.
fn until_ready(profile: &Profile) {
    while profile.output.file().metadata().unwrap().len() == 0 {
        std::thread::yield_now();
    }
}

fn is_there(pid: u32) -> bool {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    test_kill_process(pid).is_ok()
}

#[test]
fn perf_is_ended_as_it_likes_and_an_older_profile_is_kept() {
    let desk = Desk::new(PERF);
    fs::write(desk.path("out.profile"), "older").unwrap();
    let profile = desk.begin(&[]).unwrap();
    until_ready(&profile);
    assert_eq!(
        desk.text("out.profile"),
        "older",
        "until there is a new one"
    );
    profile.interrupt();
    assert_eq!(profile.finish(GRACE).unwrap(), desk.path("out.profile"));
    assert_eq!(desk.text("out.profile"), "--all-cpus\nSIGINT\n");
    assert_eq!(desk.text("out.profile.old"), "older");
    let mode = fs::metadata(desk.path("out.profile"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o7777, 0o600);
}

#[test]
fn of_processes_if_there_are_some() {
    let desk = Desk::new(PERF);
    let profile = desk.begin(&[7, 8]).unwrap();
    until_ready(&profile);
    profile.finish(GRACE).unwrap();
    assert_eq!(desk.text("out.profile"), "--pid 7,8\nSIGINT\n");
}

#[test]
fn dropped_it_leaves_neither_perf_nor_a_file() {
    let desk = Desk::new(PERF);
    let profile = desk.begin(&[]).unwrap();
    let pid = profile.perf.pid();
    until_ready(&profile);
    assert!(is_there(pid));
    drop(profile);
    assert!(!is_there(pid));
    assert_eq!(fs::read_dir(desk.dir.path()).unwrap().count(), 1, "perf");
}

#[test]
fn one_that_does_not_end_is_killed() {
    let desk = Desk::new(
        "#!/bin/sh\ntrap '' INT\necho > \"$5\"\nwhile :; do read -r line || kill -STOP $$; done\n",
    );
    let profile = desk.begin(&[]).unwrap();
    until_ready(&profile);
    let error = profile.finish(Duration::from_millis(1)).unwrap_err();
    assert!(error.to_string().contains("signal: 9"), "{error}");
    assert!(!desk.path("out.profile").exists());
}

#[test]
fn without_perf_or_with_one_that_fails_there_is_a_reason() {
    let desk = Desk::new("#!/bin/sh\necho Error: >&2\necho '  not for you' >&2\nexit 7\n");
    let profile = desk.begin(&[]).unwrap();
    // Our signal must not come before its end.
    while Process::find(profile.perf.pid()).is_ok() {
        std::thread::yield_now();
    }
    let error = profile.finish(GRACE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "perf record failed (exit status: 7): Error: not for you"
    );
    fs::remove_file(desk.path("perf")).unwrap();
    assert!(matches!(desk.begin(&[]), Err(ProfileError::Missing)));
    assert_eq!(fs::read_dir(desk.dir.path()).unwrap().count(), 0);
}

#[test]
fn a_link_in_its_place_is_refused_before_perf_is_started() {
    let desk = Desk::new(PERF);
    symlink(desk.path("perf"), desk.path("out.profile")).unwrap();
    let error = Profile::start(&desk.path("out"), 0o600, None, &[]).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert_eq!(desk.text("perf"), PERF);
}
