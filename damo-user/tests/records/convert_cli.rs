//! `damo convert` as it is typed: what it writes, and what it says of it.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::convert_common;
use crate::export_common;
use crate::report_common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use convert_common::*;
use damo_user::export::{Filter, write_damo};
use report_common::{command, file, folder, script, stdout, two_targets};
use tempfile::TempDir;

/// The csv of a part of the record.
fn csv(args: &[&str], folder: &TempDir) -> Vec<Vec<String>> {
    let output = convert(
        &[&["in.data", "-", "--format", "csv"], args].concat(),
        folder,
    );
    assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    let names = reader.headers().unwrap().clone();
    let wanted = [
        "target_id",
        "start_ns",
        "end_ns",
        "start_address",
        "end_address",
        "nr_accesses",
    ];
    let wanted = wanted.map(|name| names.iter().position(|n| n == name).unwrap());
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        wanted.iter().map(|at| row[*at].to_owned()).collect()
    });
    rows.collect()
}

#[test]
fn by_way_of_its_own_format_a_record_is_the_same() {
    let folder = folder();
    let record = record(&folder);
    let said = ends(0, &["in.data", "out.damo"], &folder);
    assert!(
        said.starts_with("out.damo: 80 snapshots, 200 region samples, ")
            && said.ends_with(" 0 lost\n"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1);
    for args in [&["raw"][..], &["wss"], &["heats", "--resol", "9", "9"]] {
        assert_eq!(
            stdout(args, &folder.path().join("out.damo")),
            stdout(args, &record),
            "{args:?}"
        );
    }
    for format in ["csv", "ndjson"] {
        let of = |input: &str| convert(&[input, "-", "--format", format], &folder).stdout;
        let (from_own, from_first) = (of("out.damo"), of("in.data"));
        let rows = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            // What the importer calls itself makes the record's name.
            let rows = text.lines().skip(1).map(|line| match format {
                "csv" => line.split_once(',').unwrap().1.to_owned(),
                _ => line.to_owned(),
            });
            rows.collect::<Vec<String>>()
        };
        let (from_own, from_first) = (rows(from_own), rows(from_first));
        assert_eq!(from_own.len(), if format == "csv" { 200 } else { 80 });
        assert_eq!(from_own, from_first);
    }
    let text = file(&folder, "text", script(&two_targets(40)));
    ends(0, &["text", "text.damo"], &folder);
    assert_eq!(
        stdout(&["raw"], &folder.path().join("text.damo")),
        stdout(&["raw"], &text)
    );
}

#[test]
fn time_is_from_the_first_start_or_before_the_end() {
    let folder = folder();
    record(&folder);
    let times = |args: &[&str]| {
        let rows = csv(args, &folder);
        let seconds = |text: &String| text.parse::<f64>().unwrap() / 1e9;
        (
            seconds(&rows[0][1]),
            seconds(&rows.last().unwrap()[2]),
            rows.len(),
        )
    };
    assert_eq!(times(&[]), (4.9, 8.9, 200));
    assert_eq!(times(&["--time", "min", "max"]), (4.9, 8.9, 200));
    // Snapshots that reach into it are whole; the end is not in it.
    assert_eq!(times(&["--time", "1s", "2s"]), (5.9, 6.9, 50));
    assert_eq!(times(&["--time", "1.05", "2.05"]), (5.9, 7.0, 55));
    assert_eq!(times(&["--time", "0 s 50 ms", "3s"]), (4.9, 7.9, 150));
    assert_eq!(times(&["--time", "-1s", "max"]), (7.9, 8.9, 50));
    assert_eq!(times(&["--time", "-2s", "-1000ms"]), (6.9, 7.9, 50));
    assert_eq!(times(&["--time", "3s", "-500ms"]), (7.9, 8.4, 25));
    assert_eq!(times(&["--time", "-9s", "1s"]), (4.9, 5.9, 50));
    assert_eq!(
        times(&["--abs_time", "--time", "5900000000", "6.9s"]),
        (5.9, 6.9, 50)
    );
}

#[test]
fn addresses_are_cut_and_targets_chosen() {
    let folder = folder();
    record(&folder);
    let seven = csv(&["--target", "7"], &folder);
    assert_eq!(seven.len(), 120);
    assert!(seven.iter().all(|row| row[0] == "7"));
    assert_eq!(csv(&["--target", "7", "--target", "9"], &folder).len(), 200);
    // Pages 35 to 39, in three ranges that overlap and touch, given in two units.
    let args = [
        "--address",
        "0x25000",
        "0x27000",
        "--address",
        "160K",
        "164KiB",
        "--address",
        "143360",
        "155648",
    ];
    let cut = csv(&args, &folder);
    assert!(
        cut.iter()
            .all(|row| row[3..5] == [(35 * 4096).to_string(), (39 * 4096).to_string()]),
        "{cut:?}"
    );
    assert_eq!(cut.len(), 40);
    let said = ends(0, &[&["in.data", "cut.csv"], &args[..]].concat(), &folder);
    assert!(
        said.starts_with("cut.csv: 80 snapshots, 40 region samples, "),
        "{said}"
    );
    assert!(
        said.contains(
            "damo: 40 snapshots without regions have no row in csv; parquet and ndjson have them\n"
        ),
        "{said}"
    );
    ends(
        0,
        &[&["in.data", "cut.parquet"], &args[..]].concat(),
        &folder,
    );
}

#[test]
fn the_name_tells_the_format() {
    let folder = folder();
    record(&folder);
    for (name, start) in [
        ("a.csv", &b"record,hostname"[..]),
        ("a.ndjson", b"{\"type\":\"record\""),
        ("a.parquet", b"PAR1"),
        ("a.damo", b"\x89DMOR"),
        ("a.data", b"\x89DMOR"),
    ] {
        ends(0, &["in.data", name], &folder);
        assert!(
            fs::read(folder.path().join(name))
                .unwrap()
                .starts_with(start),
            "{name}"
        );
    }
    // What is named comes first.
    ends(0, &["in.data", "b.csv", "--format", "damo"], &folder);
    assert!(
        fs::read(folder.path().join("b.csv"))
            .unwrap()
            .starts_with(b"\x89DMOR")
    );
    for name in ["a", "a.txt", "-"] {
        let said = ends(2, &["in.data", name], &folder);
        assert!(
            said.contains("damo, json, json_compressed, perf_script, csv, ndjson, parquet"),
            "{said}"
        );
    }
}

#[test]
fn the_peers_command_does_the_same() {
    let folder = folder();
    record(&folder);
    let run = |args: &[&str]| {
        let mut command = command(&["convert_record_format"]);
        command.current_dir(&folder).args(args).output().unwrap()
    };
    let output = run(&[
        "--record_file",
        "in.data",
        "--format",
        "csv",
        "--output_file",
        "theirs",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    ends(0, &["in.data", "ours.csv"], &folder);
    let bytes = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(bytes("theirs"), bytes("ours.csv"));
    let output = run(&["--record_file", "in.data", "--format", "csv"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn the_file_is_private_and_the_old_one_kept() {
    let folder = folder();
    record(&folder);
    let out = file(&folder, "out.csv", "old");
    ends(0, &["in.data", "out.csv"], &folder);
    assert_eq!(
        fs::metadata(&out).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(fs::read(folder.path().join("out.csv.old")).unwrap(), b"old");
    ends(
        0,
        &["in.data", "open.csv", "--output_permission", "644"],
        &folder,
    );
    assert_eq!(
        fs::metadata(folder.path().join("open.csv")).unwrap().mode() & 0o777,
        0o644
    );
}

#[test]
fn loss_is_told() {
    let folder = folder();
    let mut record = export_common::of_everything();
    let mut bytes = Vec::new();
    write_damo(&mut record, &Filter::default(), &mut bytes).unwrap();
    file(&folder, "in.damo", bytes);
    for format in ["csv", "ndjson", "parquet", "damo"] {
        let said = ends(3, &["in.damo", "out", "--format", format], &folder);
        assert!(
            said.contains("5 snapshots, 7 region samples, ") && said.contains(", 14 lost\n"),
            "{said}"
        );
        let line = "damo: 14 region samples are missing from this record (incomplete snapshots: 5, \
                    ring full: 9, gaps of unknown size: 1)\n";
        assert!(said.ends_with(line), "{format}: {said}");
    }
    assert_eq!(names(&folder), ["in.damo", "out", "out.old"]);
    // What is not in the part is not missing from it.
    let args = [
        "in.damo", "out", "--format", "csv", "--time", "-10ms", "max",
    ];
    let said = ends(0, &args, &folder);
    assert!(said.ends_with(", 0 lost\n"), "{said}");
    let args = ["in.damo", "out", "--format", "csv", "--target", "1"];
    let said = ends(3, &args, &folder);
    assert!(said.ends_with("(gaps of unknown size: 1)\n"), "{said}");
}
