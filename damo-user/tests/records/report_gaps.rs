//! Gaps in `report raw`: where they are printed, in what times, and which of them.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::report_common;

use std::path::PathBuf;

use damo_user::model::{Gap, Item, LossCause, Meta, Region, Snapshot, TargetKey};
use damo_user::store::Writer;
use report_common::*;

const MS: u64 = 1_000_000;

fn gap(target: Option<TargetKey>, start_ms: u64, end_ms: u64, events: u64) -> Item {
    Item::Gap(Gap {
        target,
        start_ns: start_ms * MS,
        end_ns: end_ms * MS,
        events: Some(events),
        cause: LossCause::RingFull,
    })
}

fn target(target_id: u64) -> TargetKey {
    TargetKey {
        kdamond: 1,
        target_id,
    }
}

fn snapshot(target: TargetKey, start_ms: u64) -> Item {
    Item::Snapshot(Snapshot {
        target,
        start_ns: start_ms * MS,
        end_ns: (start_ms + 100) * MS,
        intervals: None,
        missing: 0,
        regions: vec![Region {
            start: 4096,
            end: 8192,
            nr_accesses: 1,
            age: Some(1),
        }],
        extra: None,
    })
}

fn record(folder: &tempfile::TempDir, items: &[Item]) -> PathBuf {
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    for item in items {
        writer.item(item).unwrap();
    }
    writer.finish().unwrap();
    file(folder, "damon.data", writer.into_sink())
}

/// The lines of `report raw ARGS` that say when something is, or what is lost.
fn lines(args: &[&str], record: &std::path::Path) -> Vec<String> {
    let output = report(&[&["raw"], args].concat(), record);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let wanted = ["base_time", "monitoring_start", "target_id", "# lost"];
    text.lines()
        .filter(|line| wanted.iter().any(|word| line.starts_with(word)))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn a_gap_before_the_first_snapshot_comes_after_the_base_time() {
    let folder = folder();
    let items = [
        gap(None, 5000, 5200, 7),
        gap(Some(target(1)), 5100, 5150, 8),
        gap(Some(target(2)), 5250, 5350, 9),
        snapshot(target(1), 5200),
        gap(None, 5300, 5400, 10),
        snapshot(target(2), 5400),
    ];
    let record = record(&folder, &items);
    let first = [
        "base_time_absolute: 5.200 s",
        "# lost: 7 region samples between -200 ms and 0 ns (ring full)",
        "# lost: 8 region samples between -100 ms and -50 ms (ring full)",
        "monitoring_start: 0 ns",
        "target_id: 1",
        "# lost: 10 region samples between 100 ms and 200 ms (ring full)",
    ];
    let second = [
        "base_time_absolute: 5.400 s",
        "# lost: 7 region samples between -400 ms and -200 ms (ring full)",
        "# lost: 9 region samples between -150 ms and -50 ms (ring full)",
        "# lost: 10 region samples between -100 ms and 0 ns (ring full)",
        "monitoring_start: 0 ns",
        "target_id: 2",
    ];
    assert_eq!(lines(&[], &record), [first, second].concat());
}

#[test]
fn duration_takes_the_gaps_that_reach_into_it() {
    let folder = folder();
    let items = [
        gap(None, 5000, 5200, 1),
        snapshot(target(1), 5200),
        snapshot(target(1), 5300),
        gap(None, 5400, 5600, 2),
        snapshot(target(1), 5600),
    ];
    let record = record(&folder, &items);
    let lost = |from: &str, to: &str| {
        let lines = lines(&["--duration", from, to], &record);
        let count = |line: &String| Some(line.strip_prefix("# lost: ")?.split(' ').next()? == "1");
        lines.iter().filter_map(count).collect::<Vec<bool>>()
    };
    assert_eq!(lost("0", "0.1"), [true]);
    assert_eq!(lost("0.1", "0.15"), [false; 0]);
    assert_eq!(lost("0.3", "0.35"), [false]);
    assert_eq!(lost("0", "5"), [true, false]);
    // Absolute times are not durations.
    assert_eq!(lost("5", "6"), [false; 0]);
}

#[test]
fn a_record_of_gaps_alone_tells_their_own_times() {
    let folder = folder();
    let record = record(&folder, &[gap(Some(target(2)), 5000, 5200, 7)]);
    assert_eq!(
        lines(&["--raw_number"], &record),
        ["# lost: 7 region samples between 5000000000 and 5200000000 (ring full)"]
    );
}
