use std::fs;
use std::time::Duration;

use super::*;
use crate::import;
use crate::model::{Region, Snapshot, TargetKey};

const MS: u64 = 1_000_000;

/// Ten regions each 100 ms.
fn snapshot(i: u64) -> Item {
    let region = |j: u64| Region {
        start: j << 20,
        end: (j << 20) + (i.wrapping_mul(j) % 97 + 1) * 4096,
        nr_accesses: (i * j % 21) as u32,
        age: Some((i % 50) as u32),
    };
    Item::Snapshot(Snapshot {
        target: TargetKey {
            kdamond: 7,
            target_id: 0,
        },
        start_ns: i * 100 * MS,
        end_ns: (i + 1) * 100 * MS,
        intervals: None,
        missing: 0,
        regions: (0..10).map(region).collect(),
        extra: None,
    })
}

/// Records so many snapshots, at the pace of their times.
fn record(path: &Path, snapshots: u64, rotation: Option<Rotation>) -> Stats {
    let place = Place::create(path, 0o600, None, rotation).unwrap();
    let mut record = Destination::begin(place, &Meta::default()).unwrap();
    assert!(!path.exists(), "nothing is there yet");
    record.keep().unwrap();
    for i in 0..snapshots {
        // Time runs faster here than a disk may be.
        record.disks.iter().for_each(DiskState::wait_for_room);
        record.item(&snapshot(i));
        record.tick(i * 100 * MS);
        while record.closing.iter().any(|thread| !thread.is_finished()) {
            std::thread::yield_now();
        }
    }
    record.check_disk().unwrap();
    record.close(None).unwrap()
}

fn items(path: &Path) -> Vec<Item> {
    let mut record = import::open(path).unwrap();
    let items = record.items().unwrap().map(|item| item.unwrap());
    let note = |item: &Item| matches!(item, Item::Note(_));
    items.filter(|item| !note(item)).collect()
}

#[test]
fn a_file_of_a_frame_each_second_is_made_full_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damon.data");
    let stats = record(&path, 1000, None);
    assert_eq!((stats.snapshots, stats.samples), (1000, 10_000));
    assert_eq!(stats.bytes, fs::metadata(&path).unwrap().len());
    let reader = Reader::open(&path).unwrap();
    assert!(reader.was_clean());
    // 100 frames of a second each would not be.
    assert!(reader.totals().frames < 10, "{:?}", reader.totals());
    assert!(items(&path) == (0..1000).map(snapshot).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn segments_by_age_hold_everything_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let rotation = Rotation {
        age: Some(Duration::from_secs(20)),
        ..Rotation::default()
    };
    let stats = record(&path, 1000, Some(rotation));
    assert_eq!(
        (stats.snapshots, stats.samples, stats.lost),
        (1000, 10_000, 0)
    );
    let segments = Segments::open(&path).unwrap();
    assert_eq!(segments.numbers(), [0, 1, 2, 3, 4]);
    assert!(segments.was_clean());
    assert_eq!(segments.totals().samples, 10_000);
    assert!(items(&path) == (0..1000).map(snapshot).collect::<Vec<_>>());
    for number in segments.numbers() {
        let segment = Reader::open(path.join(segment_name(*number))).unwrap();
        assert!(segment.totals().frames < 8, "{:?}", segment.totals());
        assert_eq!(segment.header().unwrap().segment, *number);
    }
    assert_eq!(fs::read_dir(&path).unwrap().count(), 5);
}

#[test]
fn the_oldest_segments_go_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let rotation = Rotation {
        age: Some(Duration::from_secs(10)),
        keep_total: Some(9000),
        ..Rotation::default()
    };
    let stats = record(&path, 2000, Some(rotation));
    assert_eq!(stats.samples, 20_000, "what was removed had been recorded");
    let segments = Segments::open(&path).unwrap();
    let numbers = segments.numbers();
    assert!(numbers.len() > 2 && numbers.len() < 12, "{numbers:?}");
    assert_eq!(*numbers.last().unwrap(), 19);
    assert_eq!(
        numbers.len() as u32,
        20 - numbers[0],
        "none in between is missing"
    );
    let closed: u64 = numbers[..numbers.len() - 1]
        .iter()
        .map(|number| {
            fs::metadata(path.join(segment_name(*number)))
                .unwrap()
                .len()
        })
        .sum();
    assert!(closed <= 9000, "{closed}");
    // The rest reads as a record without a loss.
    // (A tick comes after the snapshot of its time.)
    let first = u64::from(numbers[0]) * 100 + 1;
    assert!(items(&path) == (first..2000).map(snapshot).collect::<Vec<_>>());
}

#[test]
fn a_segment_that_cannot_be_begun_leaves_the_last_one_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let rotation = Rotation {
        age: Some(Duration::from_secs(1)),
        ..Rotation::default()
    };
    let place = Place::create(&path, 0o600, None, Some(rotation)).unwrap();
    let mut record = Destination::begin(place, &Meta::default()).unwrap();
    record.keep().unwrap();
    // Something has its name.
    fs::create_dir(path.join(segment_name(1))).unwrap();
    for i in 0..40 {
        record.item(&snapshot(i));
        record.tick(i * 100 * MS);
    }
    fs::remove_dir(path.join(segment_name(1))).unwrap();
    for i in 40..60 {
        record.item(&snapshot(i));
        record.tick(i * 100 * MS);
    }
    record.close(None).unwrap();
    assert!(path.join(segment_name(1)).exists());
    assert!(items(&path) == (0..60).map(snapshot).collect::<Vec<_>>());
}
