//! On a terminal, what takes over a second says how far it has come. The record
//! comes through a pipe, for as long as it takes to see that.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

mod report_common;
use report_common::{command, script, two_targets};

/// Nothing waits for this long but a test that fails.
const LIMIT: Duration = Duration::from_secs(60);

/// A terminal: its other end, and the one that programs get.
fn terminal() -> (File, OwnedFd) {
    let other = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&other).unwrap();
    unlockpt(&other).unwrap();
    let name = ptsname(&other, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let name = OsStr::from_bytes(name.to_bytes());
    let end = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
    (File::from(other), end)
}

/// What is drawn within 20 ms.
fn drawn(terminal: &mut File, seen: &mut String) {
    let mut fds = [PollFd::new(terminal, PollFlags::IN)];
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: 20_000_000,
    };
    if poll(&mut fds, Some(&timeout)).unwrap() > 0 {
        let mut bytes = [0; 4096];
        // Nothing more once nobody has the other end.
        let read = terminal.read(&mut bytes).unwrap_or(0);
        seen.push_str(&String::from_utf8_lossy(bytes.get(..read).unwrap()));
    }
}

/// What a program draws that reads a record that comes slowly, and prints.
fn reading(mut command: Command) -> (String, Vec<u8>) {
    let (mut other, end) = terminal();
    let mut stdout = tempfile::tempfile().unwrap();
    let mut child = command
        .env_remove("SUDO_UID")
        .stdin(Stdio::piped())
        .stdout(stdout.try_clone().unwrap())
        .stderr(end)
        .spawn()
        .expect("the damo binary");
    drop(command);
    let mut record = child.stdin.take().unwrap();
    let text = script(&two_targets(2));
    // More than decides what it is.
    record.write_all(text.repeat(1000).as_bytes()).unwrap();
    let (begun, mut seen) = (Instant::now(), String::new());
    while !seen.contains(" read") {
        assert!(begun.elapsed() < LIMIT, "nothing is drawn but {seen:?}");
        record.write_all(text.as_bytes()).unwrap();
        drawn(&mut other, &mut seen);
    }
    drop(record);
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < LIMIT, "it does not end");
        drawn(&mut other, &mut seen);
    }
    let status = child.wait().unwrap();
    let mut before = usize::MAX;
    while before != seen.len() {
        before = seen.len();
        drawn(&mut other, &mut seen);
    }
    assert!(matches!(status.code(), Some(0 | 3)), "{status}: {seen:?}");
    let mut printed = Vec::new();
    std::io::Seek::rewind(&mut stdout).unwrap();
    stdout.read_to_end(&mut printed).unwrap();
    (seen, printed)
}

#[track_caller]
fn is_drawn_and_cleared(seen: &str) {
    let (before, _) = seen.split_once(" read\u{1b}[K").unwrap();
    assert!(before.starts_with('\r'), "{seen:?}");
    let (_, last) = seen.rsplit_once('\r').unwrap();
    // The line is gone before anything else is told.
    let drawn_over = seen.matches("\r\u{1b}[K").count();
    assert!(drawn_over >= 1, "{seen:?}");
    assert!(!last.contains(" read"), "{seen:?}");
}

#[test]
fn convert_tells_how_far_it_has_come() {
    let (seen, printed) = reading(command(&["convert", "-", "-", "--format", "csv"]));
    is_drawn_and_cleared(&seen);
    assert!(seen.contains("standard output: "), "{seen:?}");
    assert!(printed.starts_with(b"record,"), "{:?}", printed.get(..40));
}

#[test]
fn reports_tell_how_far_they_have_come() {
    let (seen, printed) = reading(command(&["report", "wss", "-i", "-"]));
    is_drawn_and_cleared(&seen);
    assert!(
        String::from_utf8_lossy(&printed).contains("# avr"),
        "{printed:?}"
    );
}
