//! Names from files, and of files, steer no terminal.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, File};
use std::process::Output;

use damo_user::model::{Intervals, Meta, Region, Snapshot, TargetInfo, TargetKey};
use damo_user::store::Writer;

use crate::convert_common;
use crate::report_common;
use convert_common::names;
use report_common::command;

const EVIL: &str = "a\u{1b}]0;b\u{7}\nc\u{9b}31m\u{202e}d";
const SHOWN: &str = "a\\u{1b}]0;b\\u{7}\\nc\\u{9b}31m\\u{202e}d";

/// A record in which every name is evil.
fn record(path: &std::path::Path) {
    let evil = || EVIL.to_owned();
    let meta = Meta {
        tool: evil(),
        command: vec!["damo".to_owned(), evil()],
        hostname: evil(),
        kernel: evil(),
        machine: evil(),
        boot_id: evil(),
        intervals: Some(Intervals {
            sample_us: 1,
            aggr_us: 2,
            update_us: 3,
        }),
        targets: vec![TargetInfo {
            pid: Some(7),
            comm: Some(evil()),
            ..TargetInfo::default()
        }],
        ..Meta::default()
    };
    let mut writer = Writer::new(File::create(path).unwrap(), &meta).unwrap();
    let region = Region {
        start: 0,
        end: 4096,
        nr_accesses: 1,
        age: None,
    };
    let snapshot = Snapshot {
        target: TargetKey {
            kdamond: 0,
            target_id: 0,
        },
        start_ns: 1,
        end_ns: 2,
        intervals: None,
        missing: 0,
        regions: vec![region],
        extra: None,
    };
    writer.snapshot(&snapshot).unwrap();
    writer.finish().unwrap();
}

#[track_caller]
fn harmless(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(steers), "{text:?}");
    text
}

#[test]
fn names_in_a_record_are_shown_and_not_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damon.data");
    record(&path);
    let output = command(&["record_info"]).arg(&path).output().unwrap();
    let text = harmless(&output);
    for name in [
        "recorded by:",
        "command:",
        "host:",
        "kernel:",
        "boot id:",
        "target 0",
    ] {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains(SHOWN), "{line}");
    }
    // Machines read it as it is.
    let output = command(&["record_info", "--json"])
        .arg(&path)
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json.pointer("/targets/0/comm").unwrap(), EVIL);
    assert_eq!(json.pointer("/host").unwrap(), EVIL);
}

#[test]
fn names_of_files_are_shown_and_not_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = command(args);
        command.current_dir(&folder).env_remove("SUDO_UID");
        let output = command.output().expect("the damo binary");
        (output.status.code(), harmless(&output))
    };
    // Nothing there, something else there, a record there.
    let shown_inline = SHOWN.replace("\\n", " ");
    for (args, code) in [
        (&["report", "raw", "-i", EVIL][..], 1),
        (&["record_info", EVIL], 1),
        (&["convert", EVIL, "out.csv"], 1),
        (&["verify", EVIL], 1),
        (&["report", EVIL], 2),
        (&["report", "raw", "--nonsense", EVIL], 2),
    ] {
        for there in [false, true] {
            let file = folder.path().join(EVIL);
            match there {
                true => fs::write(&file, "no record").unwrap(),
                false => drop(fs::remove_file(&file)),
            }
            let (ended, text) = run(args);
            assert_eq!(ended, Some(code), "{args:?}: {text}");
            let shown = text.contains(SHOWN) || text.contains(&shown_inline);
            assert!(shown || code == 2, "{args:?}: {text}");
        }
    }
    record(&folder.path().join(EVIL));
    let (ended, text) = run(&["verify", EVIL]);
    assert_eq!(ended, Some(0));
    assert!(text.starts_with(&format!("{SHOWN}: ok")), "{text}");
    let copy = format!("{EVIL}2");
    let (ended, text) = run(&["convert", EVIL, &copy, "--format", "damo"]);
    assert_eq!(ended, Some(0), "{text}");
    assert!(
        text.starts_with(&format!("{SHOWN}2: 1 snapshots")),
        "{text}"
    );
    // The file itself has the name that was asked for.
    assert!(names(&folder).contains(&copy));
}
