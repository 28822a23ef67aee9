//! Records made by hand, and what reports of them say.

use std::path::{Path, PathBuf};

use damo_user::model::{
    Intervals, Item, Known, Mapping, Meta, Note, Region, Snapshot, TargetInfo, TargetKey,
};
use damo_user::store::Writer;

use super::report_common::*;

pub const MS: u64 = 1_000_000;

pub const PAGE: u64 = 4096;

pub fn target(target_id: u64) -> TargetKey {
    TargetKey {
        kdamond: 1,
        target_id,
    }
}

/// A snapshot of 100 ms; regions as first page, pages and accesses.
pub fn snapshot(target_id: u64, start_ms: u64, regions: &[(u64, u64, u32)]) -> Item {
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

pub fn note(time_ms: u64, what: Known) -> Item {
    Item::Note(Note {
        time_ns: time_ms * MS,
        what,
    })
}

pub fn mapping(pid: u32, start: u64, pages: u64, name: &str) -> Known {
    Known::Mapping(Mapping {
        pid,
        start: start * PAGE,
        end: (start + pages) * PAGE,
        permissions: 3,
        offset: 0,
        name: name.into(),
    })
}

pub fn process(target_id: u64, pid: u32, comm: &str) -> TargetInfo {
    TargetInfo {
        target_id,
        pid: Some(pid),
        comm: Some(comm.to_owned()),
        ..TargetInfo::default()
    }
}

pub fn record(folder: &tempfile::TempDir, targets: Vec<TargetInfo>, items: &[Item]) -> PathBuf {
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
pub fn csv(args: &[&str], record: &Path) -> (String, Vec<Vec<String>>) {
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
pub fn last_column(args: &[&str], record: &Path) -> Vec<u64> {
    let (_, rows) = csv(args, record);
    rows.iter()
        .map(|row| row.last().unwrap().parse().unwrap())
        .collect()
}

/// Runs `damo ARGS`.
pub fn damo(args: &[&str]) -> (Option<i32>, String, String) {
    let output = command(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Two targets that are never large at the same time.
pub fn in_turn(folder: &tempfile::TempDir) -> PathBuf {
    let mut items = Vec::new();
    for i in 0..60 {
        let (one, other) = if i % 2 == 0 { (10, 1) } else { (1, 10) };
        items.push(snapshot(0, i * 100, &[(0, one, 5), (100, 7, 0)]));
        items.push(snapshot(1, i * 100, &[(1000, other, 2)]));
    }
    record(folder, Vec::new(), &items)
}
