//! `report summary`, and what the other reports say of a summary.

// Clippy knows only functions marked #[test] as tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use crate::report_common;

use std::path::{Path, PathBuf};

use damo_user::model::{
    Figure, Gap, Intervals, Item, Known, LossCause, Meta, Note, Region, Snapshot, Summed,
    TargetInfo, TargetKey,
};
use damo_user::store::Writer;
use report_common::*;

const SECOND: u64 = 1_000_000_000;
const MIB: u64 = 1 << 20;

fn target(target_id: u64) -> TargetKey {
    TargetKey {
        kdamond: 7,
        target_id,
    }
}

fn record(folder: &tempfile::TempDir, name: &str, every: Option<u64>, items: &[Item]) -> PathBuf {
    let info = TargetInfo {
        target_id: 1,
        pid: Some(42),
        comm: Some("work\u{1b}er".to_owned()),
        kdamond: 7,
        ..TargetInfo::default()
    };
    let meta = Meta {
        summary_ns: every,
        targets: vec![info],
        mono_ns: 100 * SECOND,
        ..Meta::default()
    };
    let mut writer = Writer::new(Vec::new(), &meta).unwrap();
    for item in items {
        writer.item(item).unwrap();
    }
    writer.finish().unwrap();
    file(folder, name, writer.into_sink())
}

/// Ten snapshots of two regions, of a minute, told at `at_s`: 100 MiB in use and
/// 300 MiB idle for 2 s; the working set is 100 MiB.
fn summary(target_id: u64, at_s: u64) -> Vec<Item> {
    let rows = [
        (Figure::Length, 0, 60 * SECOND),
        (Figure::Snapshots, 0, 10),
        (Figure::Regions, 0, 20),
        (Figure::Rate, 0, 10 * 300 * MIB / 4096),
        (Figure::Rate, 5, 10 * 90 * MIB / 4096),
        (Figure::Rate, 100, 10 * 10 * MIB / 4096),
        (Figure::Idle, 151, 10 * 300 * MIB / 4096),
        (Figure::WorkingSet, 185, 10),
        // Of a later version, and what no summary has.
        (Figure::Other(9), 1, 1),
        (Figure::WorkingSet, u32::MAX, 5),
    ];
    let note = |(figure, step, value)| {
        Item::Note(Note {
            time_ns: at_s * SECOND,
            what: Known::Summed(Summed {
                target: target(target_id),
                figure,
                step,
                value,
            }),
        })
    };
    rows.map(note).to_vec()
}

fn of_two(folder: &tempfile::TempDir) -> PathBuf {
    let items = [summary(1, 160), summary(2, 160), summary(1, 220)].concat();
    record(folder, "s.damo", Some(60 * SECOND), &items)
}

fn rows(args: &[&str], input: &Path) -> Vec<serde_json::Value> {
    let args = [&["summary", "--format", "json"], args].concat();
    serde_json::from_str(&stdout(&args, input)).unwrap()
}

/// The value of a figure, of the first or only target.
fn value(rows: &[serde_json::Value], figure: &str, at: Option<u64>) -> u64 {
    let found = rows
        .iter()
        .find(|row| row["figure"] == figure && row["at"].as_u64() == at);
    found.expect(figure)["value"].as_u64().unwrap()
}

#[test]
fn a_summary_is_told_for_each_target() {
    let folder = folder();
    let path = of_two(&folder);
    let text = stdout(&["summary"], &path);
    for line in [
        "# target_id\t1 of kdamond 7, process 42 (work\\u{1b}er)",
        "# 20 snapshots, 40 region samples, 2 m",
        "# target_id\t2 of kdamond 7",
        "   0  300.000 MiB  |****************************************|",
        "1-10   90.000 MiB  |************                            |",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    let found = rows(&["-r", "0", "101", "5"], &path);
    assert_eq!(value(&found, "snapshots", None), 20);
    assert_eq!(value(&found, "time_ns", None), 120 * SECOND);
    assert_eq!(value(&found, "bytes_by_access_percent", Some(5)), 90 * MIB);
    // Three quarters are idle.
    assert_eq!(value(&found, "idle_us_percentile", Some(25)), 0);
    let idle = value(&found, "idle_us_percentile", Some(30));
    assert!(idle.abs_diff(2_000_000) < 2_000_000 / 8, "{idle}");
    let wss = value(&found, "wss_bytes_percentile", Some(50));
    assert!(wss.abs_diff(100 * MIB) < 100 * MIB / 16, "{wss}");
    assert_eq!(found[0]["target_id"], "1");
}

#[test]
fn summaries_and_streams_of_several_files_add_up() {
    let folder = folder();
    let path = of_two(&folder);
    let snapshot = |i: u64| {
        let region = |start, end, nr_accesses| Region {
            start,
            end,
            nr_accesses,
            age: Some(19),
        };
        Item::Snapshot(Snapshot {
            target: target(3),
            start_ns: i * SECOND,
            end_ns: (i + 1) * SECOND,
            intervals: Some(Intervals {
                sample_us: 5000,
                aggr_us: 100_000,
                update_us: 0,
            }),
            missing: 0,
            regions: vec![region(0, 100 * MIB, 1), region(200 * MIB, 500 * MIB, 0)],
            extra: None,
        })
    };
    let stream: Vec<Item> = (0..30).map(snapshot).collect();
    let other = record(&folder, "stream.damo", None, &stream);
    let args = ["--collapse_targets", "-i", path.to_str().unwrap()];
    let found = rows(&args, &other);
    assert_eq!(value(&found, "snapshots", None), 60);
    assert_eq!(value(&found, "samples", None), 120);
    assert_eq!(value(&found, "bytes_by_access_percent", Some(0)), 300 * MIB);
    assert_eq!(found[0]["target_id"], serde_json::Value::Null);
    let apart = rows(&["-i", path.to_str().unwrap()], &other);
    let mut files: Vec<&str> = apart
        .iter()
        .map(|it| it["file"].as_str().unwrap())
        .collect();
    files.dedup();
    assert_eq!(files, [path.to_str().unwrap(), other.to_str().unwrap()]);
}

#[test]
fn other_reports_say_that_there_are_no_regions() {
    let folder = folder();
    let path = of_two(&folder);
    let (code, said) = failure(&["wss", "--raw_number"], &path);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("to within a 16th"), "{said}");
    for args in [&["raw"][..], &["heats", "--guide"]] {
        let (code, said) = failure(args, &path);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains("s.damo: a summary, which has no regions"),
            "{said}"
        );
    }
    for option in [
        &["--acc_thres", "2"][..],
        &["--sz_thres", "4096"],
        &["--work_time", "1s"],
        &["--sortby", "time"],
        &["--collapse_targets"],
    ] {
        let (code, said) = failure(&[&["wss"], option].concat(), &path);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(option[0]), "{said}");
    }
    let convert = |format: &str| {
        let input = path.to_str().unwrap();
        let output = command(&["convert", "--format", format, input, "-"]).output();
        output.expect("the damo binary")
    };
    let refused = convert("csv");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let lines = String::from_utf8(convert("ndjson").stdout).unwrap();
    assert_eq!(lines.matches("\"type\":\"summed\"").count(), 30);
    assert!(
        lines.contains("\"figure\":\"pages_by_idle_step\",\"step\":151"),
        "{lines}"
    );
    let info = command(&["record_info", path.to_str().unwrap()])
        .output()
        .unwrap();
    let info = String::from_utf8(info.stdout).unwrap();
    for line in [
        "summary:     every 1 m, of 30 snapshots, 60 region samples in all",
        "duration:    2 m (1 m 40 s to 3 m 40 s of the record's clock)",
    ] {
        assert!(info.contains(line), "{line}:\n{info}");
    }
}

#[test]
fn what_a_summary_lost_is_told() {
    let folder = folder();
    let mut items = summary(1, 160);
    items.push(Item::Gap(Gap {
        target: None,
        start_ns: 100 * SECOND,
        end_ns: 160 * SECOND,
        events: Some(3),
        cause: LossCause::Unseen,
    }));
    let path = record(&folder, "lost.damo", Some(60 * SECOND), &items);
    for args in [&["summary"][..], &["wss"]] {
        let (code, said) = failure(args, &path);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains('3'), "{said}");
    }
    let path = record(&folder, "none.damo", Some(60 * SECOND), &[]);
    assert_eq!(stdout(&["summary"], &path), "# no snapshot\n");
}
