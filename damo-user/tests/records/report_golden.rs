//! Byte for byte what v1.7.3 prints of its own test record.

use crate::report_common;

use std::io::Write;
use std::process::{Command, Stdio};

use report_common::*;

/// First line that differs, for a message shorter than the texts.
fn assert_same(ours: &str, theirs: &str) {
    for (number, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {}", number + 1);
    }
    assert_eq!(ours.len(), theirs.len(), "one text is longer");
}

#[test]
fn raw_is_the_peers() {
    let Some(v1) = fixtures() else { return };
    let theirs = String::from_utf8(gunzip(&v1.join("raw.txt.gz"))).unwrap();
    assert_same(&stdout(&["raw"], &v1.join("zigzag.record-v2")), &theirs);
}

#[test]
fn wss_is_the_peers() {
    let Some(v1) = fixtures() else { return };
    let theirs = std::fs::read_to_string(v1.join("wss.txt")).unwrap();
    let args = ["wss", "-r", "1", "101", "1", "--raw_number"];
    assert_same(&stdout(&args, &v1.join("zigzag.record-v2")), &theirs);
}

#[test]
fn guide_is_the_peers() {
    let Some(v1) = fixtures() else { return };
    let theirs = std::fs::read_to_string(v1.join("guide.txt")).unwrap();
    assert_same(
        &stdout(&["heats", "--guide"], &v1.join("zigzag.record-v2")),
        &theirs,
    );
}

#[test]
fn heats_are_the_peers_to_the_last_digit() {
    let Some(v1) = fixtures() else { return };
    for args in [&["heats"][..], &["heats", "--resol", "500", "500"]] {
        let ours = stdout(args, &v1.join("zigzag.record-v2"));
        let mut git = Command::new("git")
            .args(["hash-object", "--stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git");
        git.stdin
            .take()
            .unwrap()
            .write_all(ours.as_bytes())
            .unwrap();
        let id = git.wait_with_output().unwrap().stdout;
        assert!(
            id.starts_with(b"e21fda62db81"),
            "{}",
            String::from_utf8_lossy(&id)
        );
    }
}

#[test]
fn perf_script_text_is_read() {
    let Some(v1) = fixtures() else { return };
    let folder = folder();
    let text = gunzip(&v1.join("zigzag.perf-script.gz"));
    let record = file(&folder, "zigzag.txt", &text);
    let lines = text.iter().filter(|b| **b == b'\n').count();
    let raw = stdout(&["raw"], &record);
    assert_eq!(
        raw.lines().filter(|line| line.contains(" (")).count(),
        lines
    );
    // As v1.7.3 prints it.
    assert_eq!(
        stdout(&["heats", "--guide"], &record),
        "target_id:18446623435582458880\n\
         time: 82820952659000-82877315621000 (56.363 s)\n\
         region\t 0: 00000094253027950592-00000094253044256768 (15.551 MiB)\n\
         region\t 1: 00000139673765482496-00000139673971892224 (196.848 MiB)\n\
         region\t 2: 00000140731666935808-00000140731668037632 (1.051 MiB)\n"
    );
    let wss = stdout(&["wss"], &record);
    assert!(
        wss.contains("# avr:\t107.720 MiB\n  0      95.363 MiB |****************************  "),
        "{wss}"
    );
}
