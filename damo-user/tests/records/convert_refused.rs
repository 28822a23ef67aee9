//! What `damo convert` refuses or cannot do, and what it leaves alone then.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::convert_common;
use crate::report_common;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use convert_common::*;
use report_common::{Block, command, file, folder, legacy};

#[test]
fn no_link_is_followed_and_no_device_replaced() {
    let folder = folder();
    record(&folder);
    let treasure = file(&folder, "treasure", "gold");
    symlink(&treasure, folder.path().join("out.csv")).unwrap();
    let said = ends(1, &["in.data", "out.csv"], &folder);
    assert!(said.contains("out.csv: this is a symbolic link"), "{said}");
    assert_eq!(fs::read(&treasure).unwrap(), b"gold");
    let said = ends(1, &["in.data", "/dev/full", "--format", "csv"], &folder);
    assert!(said.contains("/dev/full: this is a device"), "{said}");
    let said = ends(1, &["in.data", "nowhere/out.csv"], &folder);
    assert!(said.contains("cannot use the folder nowhere"), "{said}");
    assert_eq!(names(&folder), ["in.data", "out.csv", "treasure"]);
}

#[test]
fn a_record_is_not_replaced_by_its_own_conversion() {
    let folder = folder();
    let record = record(&folder);
    let bytes = fs::read(&record).unwrap();
    fs::hard_link(&record, folder.path().join("same.csv")).unwrap();
    symlink(&record, folder.path().join("link")).unwrap();
    fs::write(folder.path().join("out.csv"), "old").unwrap();
    fs::copy(&record, folder.path().join("out.csv.old")).unwrap();
    let all = names(&folder);
    for args in [
        &["in.data", "in.data"][..],
        &["in.data", "./in.data", "--format", "csv"],
        &["link", "in.data"],
        &["in.data", "same.csv"],
        // The old file of that name would become this one.
        &["out.csv.old", "out.csv"],
    ] {
        let said = ends(2, args, &folder);
        assert!(
            said.contains("would replace the record that is read"),
            "{said}"
        );
    }
    let out = fs::OpenOptions::new().append(true).open(&record).unwrap();
    let mut command = command(&["convert", "in.data", "-", "--format", "csv"]);
    let output = command.current_dir(&folder).stdout(out).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    // Nor through standard input.
    for to in ["in.data", "-"] {
        let args = ["convert", "-", to, "--format", "damo"];
        let mut command = report_common::command(&args);
        command.stdin(fs::File::open(&record).unwrap());
        if to == "-" {
            let out = fs::OpenOptions::new().append(true).open(&record).unwrap();
            command.stdout(out);
        }
        let output = command.current_dir(&folder).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    assert_eq!((names(&folder), fs::read(&record).unwrap()), (all, bytes));
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let folder = folder();
    record(&folder);
    file(&folder, "out.csv", "old");
    for format in ["csv", "ndjson", "parquet", "damo"] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut to_stdout = command(&["convert", "in.data", "-", "--format", format]);
        let output = to_stdout
            .current_dir(&folder)
            .stdout(full)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{format}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            said,
            "damo: cannot write to standard output: No space left on device (os error 28)\n"
        );
        // No file may be larger than a block: the system refuses as a full disk does.
        let script =
            "trap '' XFSZ; ulimit -f 1; exec \"$0\" convert in.data out.csv --format \"$1\"";
        let output = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_damo"), format])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{format}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            said,
            "damo: out.csv: cannot write: File too large (os error 27)\n"
        );
        assert_eq!(names(&folder), ["in.data", "out.csv"], "{format}");
        assert_eq!(fs::read(folder.path().join("out.csv")).unwrap(), b"old");
    }
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let folder = folder();
    // More than a pipe takes.
    let blocks: Vec<Block> = (1..5000)
        .map(|i| (i * 1_000_000, vec![(7, vec![(0, 4096, 1)])]))
        .collect();
    file(&folder, "in.data", legacy(2, &blocks));
    for format in ["csv", "ndjson"] {
        let mut command = command(&["convert", "in.data", "-", "--format", format]);
        command
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut damo = command.spawn().unwrap();
        drop(damo.stdout.take());
        let output = damo.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), &*output.stderr),
            (Some(0), &b""[..]),
            "{format}"
        );
    }
}

#[test]
fn arguments_that_cannot_be_right() {
    let folder = folder();
    record(&folder);
    for (args, what) in [
        (
            &["--time", "2s", "1s"][..],
            "--time 2s 1s ends before it starts",
        ),
        (
            &["--time", "-1s", "-2s"],
            "--time -1s -2s ends before it starts",
        ),
        (
            &["--time", "1 fortnight", "max"],
            "'1 fortnight' is not a time",
        ),
        (&["--time", "-1x", "max"], "'-1x' is not a time"),
        (&["--time", "--target", "7"], "'--target' is not a time"),
        (&["--time", "1s"], "2 values"),
        (
            &["--abs_time", "--time", "-1s", "max"],
            "'-1s' is not a time",
        ),
        (&["--abs_time"], "--time"),
        (
            &["--address", "2", "1"],
            "--address 2 1 ends before it starts",
        ),
        (&["--address", "0xg", "1"], "'0xg' is not hexadecimal"),
        (&["--address", "4k", "8K"], "'4k' is not a size"),
        (&["--target", "seven"], "seven"),
        (&["--format", "xml"], "xml"),
        (&["--output_permission", "999"], "must be an octal number"),
    ] {
        let said = ends(2, &[&["in.data", "out.csv"], args].concat(), &folder);
        assert!(said.contains(what), "{args:?}: {said}");
    }
    assert_eq!(names(&folder), ["in.data"]);
}

#[test]
fn input_that_cannot_be_read() {
    let folder = folder();
    file(&folder, "noise", "no record");
    let said = ends(1, &["missing", "out.csv"], &folder);
    assert_eq!(
        said,
        "damo: missing: there is no such file; make a record with `sudo damo record ...`, or name another file\n"
    );
    let said = ends(1, &["noise", "out.csv"], &folder);
    assert!(
        said.starts_with("damo: noise: ") && said.lines().count() == 1,
        "{said}"
    );
    assert_eq!(names(&folder), ["noise"]);
}
#[test]
fn nothing_fits() {
    let folder = folder();
    record(&folder);
    for args in [&["--target", "8"][..], &["--time", "100s", "max"]] {
        let said = ends(1, &[&["in.data", "out.csv"], args].concat(), &folder);
        assert!(
            said.contains("in.data: nothing of this record is within "),
            "{said}"
        );
        assert_eq!(names(&folder), ["in.data"]);
    }
}

#[test]
fn a_folder_of_segments_is_not_written_into() {
    let folder = folder();
    let record = record(&folder);
    let segments = folder.path().join("segments");
    fs::create_dir(&segments).unwrap();
    let bytes = fs::read(&record).unwrap();
    fs::write(segments.join("segment-00000000.damo"), &bytes).unwrap();
    for to in ["segments/segment-00000000.damo", "segments/new.damo"] {
        let said = ends(2, &["segments", to], &folder);
        assert!(said.contains("would replace the record"), "{said}");
    }
    assert_eq!(fs::read_dir(&segments).unwrap().count(), 1);
}

#[test]
fn addresses_that_nothing_lies_in_are_told() {
    let folder = folder();
    record(&folder);
    let said = ends(1, &["in.data", "out.csv", "--address", "1", "2"], &folder);
    assert!(said.contains("nothing of this record is within"), "{said}");
    assert_eq!(names(&folder), ["in.data"]);
}
