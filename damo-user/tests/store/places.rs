//! Passes that do not look at everything there is of regions.

use std::fs;
use std::path::Path;

use damo_user::import;
use damo_user::model::{Detail, Item, Record};
use damo_user::store::{Segments, Writer, segment_name};

use crate::store_sample::{giant, sample, snapshot};

/// All items, as a pass over places gives them.
fn bare(record: &mut dyn Record) -> Vec<Item> {
    let items = record.items().unwrap().map(|item| {
        let mut item = item.unwrap();
        if let Item::Snapshot(snapshot) = &mut item {
            for region in &mut snapshot.regions {
                (region.nr_accesses, region.age) = (0, None);
            }
            snapshot.regions.dedup_by(|next, last| {
                let adjacent = next.start == last.end;
                if adjacent {
                    last.end = next.end;
                }
                adjacent
            });
        }
        item
    });
    items.collect()
}

fn without_ages(record: &mut dyn Record) -> Vec<Item> {
    let items = record.items().unwrap().map(|item| {
        let mut item = item.unwrap();
        if let Item::Snapshot(snapshot) = &mut item {
            snapshot.regions.iter_mut().for_each(|it| it.age = None);
        }
        item
    });
    items.collect()
}

fn places(record: &mut dyn Record) -> Vec<Item> {
    record
        .items_with(Detail::Places)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn regions_are_where_they_are_without_counts_and_ages() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damon.data");
    // With columns that are large, small, and split over frames.
    let mut writer = Writer::new(Vec::new(), &Default::default()).unwrap();
    for i in 0..20_000 {
        let mut snapshot = snapshot(i);
        if i % 2 == 0 {
            snapshot.regions[3].end = snapshot.regions[4].start;
        }
        writer.snapshot(&snapshot).unwrap();
    }
    writer.snapshot(&giant(300_000)).unwrap();
    writer.snapshot(&snapshot(20_001)).unwrap();
    writer.finish().unwrap();
    let large = writer.into_sink();
    // A second thread reads the large one.
    assert!(large.len() > 256 << 10, "{}", large.len());
    for file in [&sample(), &large] {
        fs::write(&path, file).unwrap();
        let mut record = import::open(&path).unwrap();
        let expected = bare(&mut *record);
        assert!(places(&mut *record) == expected, "of {}", file.len());
        let counts = record.items_with(Detail::Counts).unwrap();
        let counts: Vec<_> = counts.map(Result::unwrap).collect();
        assert!(counts == without_ages(&mut *record), "of {}", file.len());
    }
}

#[test]
fn damage_is_a_gap_there_too_and_segments_are_one_record() {
    let dir = tempfile::tempdir().unwrap();
    let segment = |number: u32, file: &[u8]| {
        let path = dir.path().join(segment_name(number));
        fs::write(Path::new(&path), file).unwrap();
    };
    let mut broken = sample();
    let middle = broken.len() / 2;
    broken[middle] ^= 0x55;
    segment(0, &broken);
    let mut segments = Segments::open(dir.path()).unwrap();
    let expected = bare(&mut segments);
    assert!(expected.iter().any(|item| matches!(item, Item::Gap(_))));
    assert_eq!(places(&mut segments), expected);
}
