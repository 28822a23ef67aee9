//! Several files that read as one record, passes in a thread, and full frames
//! instead of small ones.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::fs;
use std::io::Cursor;
use std::path::Path;

use damo_user::model::{
    Gap, Intervals, Item, Known, LossCause, Meta, Note, Record, Snapshot, TargetInfo, Tuned,
    touches,
};
use damo_user::store::{
    Options, Reader, Segments, Writer, compact, is_worth_compacting, segment_name, segment_number,
};

use crate::store_sample;
use store_sample::{giant, snapshot};

fn item(i: u64) -> Item {
    Item::Snapshot(snapshot(i))
}

/// Segments of ten snapshots each.
fn write(folder: &Path, numbers: &[u32], uuid: [u8; 16]) {
    for &segment in numbers {
        let options = Options {
            uuid: Some(uuid),
            segment,
            ..Options::default()
        };
        let meta = Meta {
            tool: format!("segment {segment}"),
            // The record's clock when the segment was begun.
            mono_ns: snapshot(u64::from(segment) * 10).start_ns,
            ..Meta::default()
        };
        let mut writer = Writer::with_options(Vec::new(), &meta, options).unwrap();
        for i in 0..10 {
            writer.item(&item(u64::from(segment) * 10 + i)).unwrap();
        }
        writer.finish().unwrap();
        fs::write(folder.join(segment_name(segment)), writer.into_sink()).unwrap();
    }
}

fn items(record: &mut dyn Record) -> Vec<Item> {
    record.items().unwrap().map(|item| item.unwrap()).collect()
}

#[test]
fn segments_read_as_one_record() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[3, 4, 5], [1; 16]);
    fs::write(dir.path().join("notes.txt"), "whatever").unwrap();
    fs::write(dir.path().join(".segment-00000003.damo.compact"), "half").unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    assert_eq!(segments.numbers(), [3, 4, 5]);
    assert!(segments.was_clean());
    assert_eq!(segments.totals().snapshots, 30);
    // What began it, and what was known last.
    assert_eq!(
        (segments.meta().tool.as_str(), segments.meta().mono_ns),
        ("segment 5", snapshot(30).start_ns)
    );
    let expected: Vec<Item> = (30..60).map(item).collect();
    assert!(items(&mut segments) == expected);
    let time = 4850..5200;
    let within: Vec<Item> = segments
        .items_in(time.clone())
        .unwrap()
        .map(|it| it.unwrap())
        .collect();
    assert!(
        within
            == expected
                .iter()
                .filter(|it| touches(it, &time))
                .cloned()
                .collect::<Vec<_>>()
    );
    assert!(within.len() > 2);
    // Through the front door.
    let mut opened = damo_user::import::open(dir.path()).unwrap();
    assert!(items(&mut *opened) == expected);
}

#[test]
fn a_segment_that_is_missing_in_between_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[0, 1, 3], [1; 16]);
    let mut segments = Segments::open(dir.path()).unwrap();
    let got = items(&mut segments);
    assert_eq!(got.len(), 31);
    let Item::Gap(gap) = &got[20] else {
        panic!("{:?}", got[20])
    };
    let expected = Gap {
        target: None,
        start_ns: snapshot(19).end_ns,
        end_ns: snapshot(30).start_ns,
        events: None,
        cause: LossCause::Damaged,
    };
    assert_eq!(gap, &expected);
    // A part in time tells of it where it lies, and nowhere else.
    let gaps = |time| {
        let mut segments = Segments::open(dir.path()).unwrap();
        let items: Vec<Item> = segments
            .items_in(time)
            .unwrap()
            .map(|it| it.unwrap())
            .collect();
        items
            .iter()
            .filter(|item| matches!(item, Item::Gap(_)))
            .count()
    };
    let (lost, after) = (snapshot(25).start_ns, snapshot(31).start_ns);
    assert_eq!(
        (
            gaps(lost..lost + 1),
            gaps(after..after + 100),
            gaps(0..1000)
        ),
        (1, 0, 0)
    );
    // One that goes while it is being read is one, too; the first ones are not.
    fs::remove_file(dir.path().join(segment_name(1))).unwrap();
    assert_eq!(items(&mut segments).len(), 21);
    fs::remove_file(dir.path().join(segment_name(0))).unwrap();
    assert_eq!(items(&mut segments).len(), 10);
}

#[test]
fn a_segment_that_cannot_be_read_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = |number| dir.path().join(segment_name(number));
    write(dir.path(), &[0, 1, 2], [1; 16]);
    // Only about to be begun: nothing is missing.
    for rest in [0, 71] {
        fs::write(path(3), vec![0; rest]).unwrap();
        let mut segments = Segments::open(dir.path()).unwrap();
        assert!(!segments.was_clean());
        assert_eq!(segments.meta().tool, "segment 2");
        assert!(items(&mut segments) == (0..30).map(item).collect::<Vec<_>>());
    }
    // A header and no more: it says nothing of the record either.
    let whole = fs::read(path(2)).unwrap();
    let options = Options {
        uuid: Some([1; 16]),
        segment: 3,
        ..Options::default()
    };
    let writer = Writer::with_options(Vec::new(), &Meta::default(), options).unwrap();
    let mut header = writer.into_sink();
    header.truncate(72);
    fs::write(path(3), header).unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    assert_eq!(segments.meta().tool, "segment 2");
    assert_eq!(items(&mut segments).len(), 30);
    // Overwritten: a gap, at the end and in between.
    fs::write(path(3), vec![7; 200]).unwrap();
    let is_gap = |item: &Item| matches!(item, Item::Gap(gap) if gap.events.is_none());
    let got = items(&mut Segments::open(dir.path()).unwrap());
    assert!(got.len() == 31 && is_gap(&got[30]));
    fs::write(path(1), vec![7; 200]).unwrap();
    let got = items(&mut Segments::open(dir.path()).unwrap());
    assert!(got.len() == 22 && is_gap(&got[10]) && is_gap(&got[21]));
    fs::write(path(0), "").unwrap();
    let got = items(&mut Segments::open(dir.path()).unwrap());
    assert!(got.len() == 12 && is_gap(&got[0]) && got[1] == item(20));
    // Another record's, by the time it is read: as good as removed.
    write(dir.path(), &[0, 1], [1; 16]);
    fs::write(path(2), &whole).unwrap();
    fs::remove_file(path(3)).unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    write(dir.path(), &[2], [2; 16]);
    assert!(items(&mut segments) == (0..20).map(item).collect::<Vec<_>>());
}

#[test]
fn recordings_follow_each_other_in_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let put = |segment, uuid, boot: &str, times: [u64; 2], items: u64, finish| {
        let options = Options {
            uuid: Some([uuid; 16]),
            segment,
            ..Options::default()
        };
        let meta = Meta {
            tool: format!("segment {segment}"),
            boot_id: boot.to_owned(),
            targets: vec![TargetInfo {
                kdamond: segment,
                ..TargetInfo::default()
            }],
            wall_ns: times[0],
            mono_ns: times[1],
            ..Meta::default()
        };
        let mut writer = Writer::with_options(Vec::new(), &meta, options).unwrap();
        for i in 0..items {
            writer.item(&at(times[1] + i * 100)).unwrap();
        }
        match finish {
            true => drop(writer.finish().unwrap()),
            false => writer.flush().unwrap(),
        }
        fs::write(dir.path().join(segment_name(segment)), writer.into_sink()).unwrap();
    };
    let starts = || -> Vec<(u64, bool)> {
        let mut segments = Segments::open(dir.path()).unwrap();
        let items = items(&mut segments);
        let is_gap = |item: &Item| matches!(item, Item::Gap(_));
        items
            .iter()
            .map(|item| (item.times().0, is_gap(item)))
            .collect()
    };
    let [one, two] = [
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3302",
    ];
    put(0, 1, one, [50_000, 1000], 2, true);
    put(1, 2, one, [52_000, 3000], 2, true);
    // What was closed lacks nothing, however long nobody recorded.
    let expected = [1000, 1100, 3000, 3100].map(|start| (start, false));
    assert_eq!(starts(), expected);
    // Another boot, by the wall clock; and one whose clock is behind.
    put(2, 3, two, [60_000, 20], 1, false);
    put(3, 4, one, [7, 5], 1, true);
    assert_eq!(starts()[..4], expected);
    // Of one that was not closed only the beginning is known without reading it.
    assert_eq!(
        starts()[4..],
        [(11_000, false), (11_100, true), (11_000, false)]
    );
    let segments = Segments::open(dir.path()).unwrap();
    assert_eq!(segments.uuid(), Some([4; 16]));
    assert!(!segments.was_clean());
    let meta = segments.meta();
    let kdamonds: Vec<u32> = meta.targets.iter().map(|it| it.kdamond).collect();
    assert_eq!(kdamonds, [0, 1, 2, 3]);
    assert_eq!(
        (meta.tool.as_str(), meta.boot_id.as_str()),
        ("segment 3", one)
    );
    assert_eq!((meta.wall_ns, meta.mono_ns), (50_000, 1000));
    let mut of_one = segments.clone().recording([2; 16]);
    assert_eq!(of_one.numbers(), [1]);
    assert_eq!(items(&mut of_one).len(), 2);
    // A part in time, on the record's clock.
    let within = |time: std::ops::Range<u64>| {
        let mut segments = segments.clone();
        let items = segments.items_in(time).unwrap();
        items
            .filter(|item| matches!(item, Ok(Item::Snapshot(_))))
            .count()
    };
    assert_eq!((within(3000..3050), within(10_990..11_000)), (1, 0));
    assert_eq!((within(11_050..11_060), within(5..30)), (2, 0));
}

/// A snapshot of 100 ns.
fn at(start_ns: u64) -> Item {
    let mut it = snapshot(0);
    (it.start_ns, it.end_ns) = (start_ns, start_ns + 100);
    Item::Snapshot(it)
}

#[test]
fn segments_of_two_records_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[0, 2], [1; 16]);
    write(dir.path(), &[1], [2; 16]);
    let error = Segments::open(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("segment-00000002.damo") && error.contains("folder of their own"),
        "{error}"
    );
    let empty = tempfile::tempdir().unwrap();
    let error = Segments::open(empty.path()).unwrap_err().to_string();
    assert!(error.contains("without segments"), "{error}");
    // A file that was renamed is not what its name says.
    fs::rename(
        dir.path().join(segment_name(0)),
        dir.path().join(segment_name(7)),
    )
    .unwrap();
    assert!(Segments::open(dir.path()).is_err());
}

#[test]
fn names_tell_numbers() {
    assert_eq!(segment_number(&segment_name(0)), Some(0));
    assert_eq!(segment_number(&segment_name(u32::MAX)), Some(u32::MAX));
    for other in [
        "segment-1.damo",
        "segment-+0000001.damo",
        "segment-000000001.damo",
        "segment-00000001.damo.compact",
        "segment-99999999999.damo",
    ] {
        assert_eq!(segment_number(other), None, "{other}");
    }
}

#[test]
fn a_thread_gives_the_same_items() {
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    let mut expected: Vec<Item> = (0..200).map(item).collect();
    // Each as large as several batches, and enough for a thread to be worth it.
    expected.extend((1..20).map(|i| Item::Snapshot(noisy(i))));
    expected.push(Item::Note(Note {
        time_ns: 1,
        what: Known::Clock(5),
    }));
    expected.extend((200..400).map(item));
    for item in &expected {
        writer.item(item).unwrap();
    }
    writer.finish().unwrap();
    let (_dir, path) = file(writer.into_sink());
    assert!(fs::metadata(&path).unwrap().len() > 256 << 10);
    let mut direct = Reader::open(&path).unwrap();
    let mut threaded = damo_user::import::open(&path).unwrap();
    let expected = items(&mut direct);
    assert!(items(&mut *threaded) == expected);
    // Given up in the middle, and begun again.
    assert!(threaded.items().unwrap().nth(210).is_some());
    assert!(items(&mut *threaded) == expected);
}

/// A snapshot that is not compressed to next to nothing.
fn noisy(seed: u32) -> Snapshot {
    let mut snapshot = giant(60_000);
    for (i, region) in (0u32..).zip(&mut snapshot.regions) {
        region.nr_accesses = (i ^ seed).wrapping_mul(2_654_435_761) >> 20;
    }
    snapshot
}

fn file(bytes: Vec<u8>) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damon.data");
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn tuned(sample_us: u64) -> Known {
    Known::Tuned(Tuned {
        kdamond: 7,
        intervals: Intervals {
            sample_us,
            aggr_us: 100_000,
            update_us: 1_000_000,
        },
    })
}

#[test]
fn small_frames_become_full_ones() {
    let options = Options {
        uuid: Some([7; 16]),
        segment: 4,
        page_shift: 13,
    };
    let meta = Meta {
        tool: "damo".to_owned(),
        ..Meta::default()
    };
    let mut writer = Writer::with_options(Vec::new(), &meta, options).unwrap();
    let gap = Item::Gap(Gap {
        target: None,
        start_ns: 1,
        end_ns: 2,
        events: Some(9),
        cause: LossCause::RingFull,
    });
    for i in 0..300 {
        writer.item(&item(i)).unwrap();
        writer
            .item(&Item::Note(Note {
                time_ns: i * 100,
                what: tuned(i),
            }))
            .unwrap();
        if i == 100 {
            writer.item(&gap).unwrap();
        }
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    let small = writer.into_sink();
    let mut reader = Reader::from_source(Cursor::new(&small), "memory").unwrap();
    assert!(is_worth_compacting(&reader));
    let mut full = Vec::new();
    let stats = compact(&mut reader, &mut full).unwrap();
    assert_eq!((stats.snapshots, stats.samples, stats.lost), (300, 3000, 9));
    assert!(
        full.len() * 3 < small.len(),
        "{} of {}",
        full.len(),
        small.len()
    );
    let mut compacted = Reader::from_source(Cursor::new(&full), "memory").unwrap();
    assert!(!is_worth_compacting(&compacted));
    assert_eq!(compacted.header(), reader.header());
    assert_eq!(compacted.meta(), reader.meta());
    let samples = |items: Vec<Item>| -> Vec<Item> {
        items
            .into_iter()
            .filter(|item| !matches!(item, Item::Note(_)))
            .collect()
    };
    let notes = |items: Vec<Item>| -> Vec<Item> {
        items
            .into_iter()
            .filter(|item| matches!(item, Item::Note(_)))
            .collect()
    };
    assert!(samples(items(&mut compacted)) == samples(items(&mut reader)));
    assert!(notes(items(&mut compacted)) == notes(items(&mut reader)));
}
