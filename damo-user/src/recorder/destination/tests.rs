use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::analyze::Losses;
use crate::import;
use crate::model::{KdamondInfo, Record, Region, Snapshot, TargetKey};
use crate::recorder::Rotation;
use crate::store::{Reader, Segments};

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

/// A record that has its name.
fn begun(path: &Path, rotation: Option<Rotation>) -> Destination {
    assert!(!path.exists(), "nothing is there yet");
    begun_in(path, rotation, false)
}

fn begun_in(path: &Path, rotation: Option<Rotation>, go_on: bool) -> Destination {
    let place = Place::create(path, 0o600, None, rotation, go_on).unwrap();
    let mut record = Destination::begin(place, &Meta::default()).unwrap();
    record.keep().unwrap();
    record
}

/// Records so many snapshots, at the pace of their times.
fn record(path: &Path, snapshots: u64, rotation: Option<Rotation>) -> Stats {
    let mut record = begun(path, rotation);
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
    let mut record = begun(&path, Some(rotation));
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

#[test]
fn segments_by_size_stay_below_it_and_in_their_total() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let rotation = Rotation {
        size: Some(8000),
        keep_total: Some(20_000),
        ..Rotation::default()
    };
    let stats = record(&path, 3000, Some(rotation));
    assert_eq!((stats.samples, stats.lost), (30_000, 0));
    let sizes: Vec<u64> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    assert!(sizes.len() > 1, "{sizes:?}");
    assert!(sizes.iter().sum::<u64>() <= 20_000, "{sizes:?}");
    assert_eq!(
        stats.bytes,
        sizes.iter().sum::<u64>(),
        "what is there is told"
    );
    let segments = Segments::open(&path).unwrap();
    assert!(segments.numbers()[0] > 0, "some were removed");
    assert!(segments.was_clean());
}

#[test]
fn what_is_too_old_goes_without_a_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let rotation = Rotation {
        age: Some(Duration::from_secs(25)),
        keep_age: Some(Duration::ZERO),
        ..Rotation::default()
    };
    let mut record = begun(&path, Some(rotation));
    record.item(&snapshot(0));
    record.tick(0);
    record.tick(26_000 * MS);
    record.item(&snapshot(261));
    for thread in record.closing.drain(..) {
        thread.join().unwrap();
    }
    // Put back, as if it had been too young when it was closed.
    assert!(!path.join(segment_name(0)).exists());
    fs::write(path.join(segment_name(0)), "old").unwrap();
    record.segments.as_ref().unwrap().close(0);
    record.tick(40_000 * MS);
    record.close(None).unwrap();
    assert!(!path.join(segment_name(0)).exists());
    assert!(path.join(segment_name(1)).exists());
}

#[test]
fn a_full_queue_at_a_rotation_loses_nothing_silently() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let rotation = Rotation {
        age: Some(Duration::from_secs(1)),
        ..Rotation::default()
    };
    let mut record = begun(&path, Some(rotation));
    let samples = 4000 * 10;
    // As fast as can be: queues fill, rotations come meanwhile.
    for i in 0..4000 {
        record.item(&snapshot(i));
        record.tick(i * 100 * MS);
    }
    let stats = record.close(None).unwrap();
    assert_eq!(stats.samples + stats.lost, samples);
    let segments = Segments::open(&path).unwrap();
    assert!(segments.was_clean(), "every segment has its end");
    let mut losses = Losses::default();
    let mut record = import::open(&path).unwrap();
    for item in record.items().unwrap() {
        losses.add(&item.unwrap());
    }
    assert_eq!(losses.stored + losses.samples(), samples);
    assert_eq!(
        (losses.stored, losses.samples()),
        (stats.samples, stats.lost)
    );
}

#[test]
fn a_recorder_goes_on_where_another_one_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let rotation = Rotation {
        age: Some(Duration::from_secs(1)),
        keep_total: Some(50_000),
        ..Rotation::default()
    };
    let mut uuids = Vec::new();
    for i in 0..3 {
        let mut record = begun_in(&path, Some(rotation), true);
        assert_eq!((record.segment(), record.files()), (i * 2, 1));
        record.item(&snapshot(u64::from(i) * 10));
        record.tick(1000 * MS);
        assert_eq!((record.segment(), record.files()), (i * 2 + 1, 2));
        record.item(&snapshot(u64::from(i) * 10 + 1));
        uuids.push(record.options.uuid);
        assert_eq!(record.close(None).unwrap().samples, 20);
    }
    let segments = Segments::open(&path).unwrap();
    assert_eq!(segments.numbers(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(segments.uuid(), uuids[2]);
    let expected = [0, 1, 10, 11, 20, 21].map(snapshot);
    assert!(items(&path) == expected);
    // What others have left is removed as what is our own.
    let record = begun_in(&path, Some(rotation), true);
    fs::write(path.join(segment_name(2)), vec![0; 100_000]).unwrap();
    let segments = record.segments.clone().unwrap();
    segments.remove_old();
    assert_eq!(segments.removed_samples(), 0, "it is not ours");
    drop(record);
    for number in 0..6 {
        let is_there = path.join(segment_name(number)).exists();
        assert_eq!(is_there, number > 2, "{number}");
    }
}

#[test]
fn what_is_removed_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damon.data");
    let mut record = begun(&path, None);
    record.item(&snapshot(0));
    record.check_disk().unwrap();
    fs::remove_file(&path).unwrap();
    assert!(record.check_disk().is_err());
    // Another one's of this name is not ours.
    let other = self::record(&path, 3, None);
    assert_eq!(other.samples, 30);
    let error = record.close(Some(12)).unwrap_err().to_string();
    let words = "somebody has removed it while it was being recorded into; 0 region samples";
    assert!(
        error.contains(words) && error.contains("12 are lost"),
        "{error}"
    );
    // A segment that has gone with its folder.
    let path = dir.path().join("record");
    let mut record = begun(&path, Some(Rotation::default()));
    record.item(&snapshot(0));
    fs::remove_dir_all(&path).unwrap();
    assert!(record.check_disk().is_err());
    let error = record.close(None).unwrap_err().to_string();
    assert!(error.contains("10 are lost"), "{error}");
}

#[test]
fn segments_do_not_tell_of_kdamonds_that_were_gone_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let mut record = begun(&path, Some(Rotation::default()));
    record.kdamonds(&[1, 2].map(|tid| KdamondInfo {
        tid,
        ..KdamondInfo::default()
    }));
    for kdamond in [1, 2] {
        record.target(&TargetInfo {
            kdamond,
            ..TargetInfo::default()
        });
    }
    record.forget(1);
    for now_ns in [0, 2000 * MS] {
        record.rotate_soon();
        record.item(&snapshot(now_ns));
        record.tick(now_ns);
    }
    record.close(None).unwrap();
    let told = |number| {
        let segment = Reader::open(path.join(segment_name(number))).unwrap();
        let tids = segment.meta().kdamonds.iter().map(|it| it.tid);
        let of = segment.meta().targets.iter().map(|it| it.kdamond);
        (tids.collect::<Vec<_>>(), of.collect::<Vec<_>>())
    };
    assert_eq!(told(0), (vec![1, 2], vec![1, 2]));
    assert_eq!(told(1), (vec![2], vec![2]));
    // And the record knows all.
    let all = Segments::open(&path).unwrap();
    assert_eq!(all.meta().kdamonds.len(), 2);
}
