//! The reports of numbers: `wss`, `nr_regions`, `mappings`, `footprints`, `times`,
//! and their forms for programs.

// Clippy knows only functions marked #[test] as tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use crate::report_common;

use std::path::{Path, PathBuf};

use damo_user::model::{
    Intervals, Item, Known, Meta, Note, Region, Snapshot, TargetInfo, TargetKey,
};
use damo_user::store::Writer;
use report_common::*;

mod adjust;
mod footprints;
mod mappings;
mod wss;

const MS: u64 = 1_000_000;
const PAGE: u64 = 4096;

fn target(target_id: u64) -> TargetKey {
    TargetKey {
        kdamond: 1,
        target_id,
    }
}

/// A snapshot of 100 ms; regions as first page, pages and accesses.
fn snapshot(target_id: u64, start_ms: u64, regions: &[(u64, u64, u32)]) -> Item {
    Item::Snapshot(Snapshot {
        target: target(target_id),
        start_ns: start_ms * MS,
        end_ns: (start_ms + 100) * MS,
        intervals: Some(Intervals {
            sample_us: 5_000,
            aggr_us: 100_000,
            update_us: 1_000_000,
        }),
        missing: 0,
        regions: (regions.iter())
            .map(|&(start, pages, nr_accesses)| Region {
                start: start * PAGE,
                end: (start + pages) * PAGE,
                nr_accesses,
                age: Some(0),
            })
            .collect(),
        extra: None,
    })
}

fn note(time_ms: u64, what: Known) -> Item {
    Item::Note(Note {
        time_ns: time_ms * MS,
        what,
    })
}

fn record(folder: &tempfile::TempDir, targets: Vec<TargetInfo>, items: &[Item]) -> PathBuf {
    let meta = Meta {
        targets,
        ..Meta::default()
    };
    let mut writer = Writer::new(Vec::new(), &meta).unwrap();
    for item in items {
        writer.item(item).unwrap();
    }
    writer.finish().unwrap();
    file(folder, "damon.data", writer.into_sink())
}

/// Rows of csv without the head, and the head.
fn csv(args: &[&str], record: &Path) -> (String, Vec<Vec<String>>) {
    let text = stdout(&[args, &["--format", "csv"]].concat(), record);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader
        .headers()
        .unwrap()
        .iter()
        .collect::<Vec<_>>()
        .join(",");
    let rows = reader
        .into_records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect());
    (head, rows.collect())
}

/// The last column of csv.
fn last_column(args: &[&str], record: &Path) -> Vec<u64> {
    let (_, rows) = csv(args, record);
    rows.iter()
        .map(|row| row.last().unwrap().parse().unwrap())
        .collect()
}

/// Two targets that are never large at the same time.
fn in_turn(folder: &tempfile::TempDir) -> PathBuf {
    let mut items = Vec::new();
    for i in 0..60 {
        let (one, other) = if i % 2 == 0 { (10, 1) } else { (1, 10) };
        items.push(snapshot(0, i * 100, &[(0, one, 5), (100, 7, 0)]));
        items.push(snapshot(1, i * 100, &[(1000, other, 2)]));
    }
    record(folder, Vec::new(), &items)
}

#[test]
fn regions_are_counted_as_the_peer_does() {
    let folder = folder();
    let blocks: Vec<Block> = (0..40)
        .map(|i| {
            let regions = (0..1 + i % 5).map(|r| (r * 4096, (r + 1) * 4096, 1));
            (
                i * 100_000_000 + 5_000_000_000,
                vec![(3, regions.collect())],
            )
        })
        .collect();
    let record = file(&folder, "record", legacy(2, &blocks));
    let head = "# <percentile> <# regions>\n# target_id\t3\n# avr:\t3\n";
    assert_eq!(
        stdout(&["nr_regions"], &record),
        format!("{head}0\t1\n25\t2\n50\t3\n75\t4\n100\t5\n")
    );
    assert_eq!(
        stdout(&["nr_regions", "-s", "time", "-r", "0", "10", "5"], &record),
        format!("{head}0\t1\n5\t2\n")
    );
    let json = stdout(
        &["nr_regions", "--format", "json", "-r", "50", "51", "1"],
        &record,
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["nr_regions"], 3);
    assert_eq!(json[0]["percentile"], serde_json::Value::Null);
    assert_eq!(json[1]["percentile"], 50);
    assert_eq!(json[1]["target_id"], "3");
}

#[test]
fn numbers_of_the_fixture_are_the_peers() {
    let Some(v1) = fixtures() else { return };
    let v3 = v1.join("../v3/zigzag.json_compressed");
    let expected = "# <percentile> <# regions>\n# target_id\t18446623438842320000\n# avr:\t18\n\
         0\t16\n25\t17\n50\t18\n75\t19\n100\t21\n";
    assert_eq!(stdout(&["nr_regions"], &v3), expected);
    assert_eq!(
        stdout(&["times"], &v3),
        "539.809434-596.606619\n# (seconds)\n"
    );
    let args = ["times", "--snapshot_time", "539914032967", "540437986000"];
    assert_eq!(stdout(&args, &v3), "539.914033-540.333995\n# (seconds)\n");
    let args = ["times", "--snapshot_idx", "3", "5"];
    assert_eq!(stdout(&args, &v3), "540.122014-540.437986\n# (seconds)\n");
}

#[test]
fn records_without_mappings_say_what_to_do() {
    let folder = folder();
    let record = in_turn(&folder);
    let (code, said) = failure(&["mappings"], &record);
    assert_eq!(code, Some(1));
    assert!(said.contains("--do_record access vmas"), "{said}");
    let (code, said) = failure(&["footprints"], &record);
    assert_eq!(code, Some(1));
    assert!(said.contains("--do_record access mem_footprint"), "{said}");
}

#[test]
fn times_are_those_of_what_fits() {
    let folder = folder();
    let mut items = Vec::new();
    for i in 0..10 {
        let hot = if (3..6).contains(&i) { 20 } else { 1 };
        items.push(snapshot(0, 1000 + i * 100, &[(0, 10, hot)]));
    }
    let record = record(&folder, Vec::new(), &items);
    let times = |args: &[&str]| stdout(&[&["times"], args].concat(), &record);
    assert_eq!(times(&[]), "1.000000-2.000000\n# (seconds)\n");
    assert_eq!(
        times(&["--access_rate", "50", "100"]),
        "1.300000-1.600000\n# (seconds)\n"
    );
    assert_eq!(
        times(&["--access_rate", "0", "50"]),
        "1.000000-1.300000\n# (seconds)\n1.600000-2.000000\n# (seconds)\n"
    );
    assert_eq!(
        times(&["--snapshot_idx", "8", "20"]),
        "1.800000-2.000000\n# (seconds)\n"
    );
    assert_eq!(
        times(&["--snapshot_idx", "-1", "1"]),
        "1.000000-1.200000\n# (seconds)\n"
    );
    assert_eq!(times(&["--snapshot_idx", "1", "-1"]), "");
    assert_eq!(times(&["--sz_snapshot", "41K", "max"]), "");
    assert_eq!(
        times(&["--temperature", "1000", "max"].map(|it| if it == "max" { "99999" } else { it })),
        "1.300000-1.600000\n# (seconds)\n"
    );
    let (head, rows) = csv(&["times"], &record);
    assert_eq!(head, "kdamond,target_id,start_ns,end_ns");
    assert_eq!(rows, [["1", "0", "1000000000", "2000000000"]]);
    let (code, said) = failure(&["times", "--snapshot_idx", "9", "8"], &record);
    assert_eq!(code, Some(2));
    assert!(said.contains("--snapshot_idx 9 8"), "{said}");
}
