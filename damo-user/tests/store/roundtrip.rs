//! What goes into a record comes back, whatever it is, in few bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::fs::File;
use std::io::Cursor;

use damo_user::model::{
    Gap, Intervals, Item, LossCause, Meta, Ops, ReadError, Record, Region, Snapshot, TargetInfo,
    TargetKey,
};
use damo_user::store::{MAGIC, Reader, Stats, Writer};
use proptest::prelude::*;

use crate::fixture;
use crate::simulate;

fn write(items: &[Item], flush_each: usize) -> (Vec<u8>, Stats) {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, &Meta::default()).unwrap();
    for (i, item) in items.iter().enumerate() {
        writer.item(item).unwrap();
        if i % flush_each == flush_each - 1 {
            writer.flush().unwrap();
        }
    }
    let stats = writer.finish().unwrap();
    (file, stats)
}

fn open(file: &[u8]) -> Reader<Cursor<&[u8]>> {
    Reader::from_source(Cursor::new(file), "memory").unwrap()
}

fn read(file: &[u8]) -> Vec<Item> {
    open(file).items().unwrap().map(Result::unwrap).collect()
}

fn snapshots(items: &[Snapshot]) -> Vec<Item> {
    items.iter().cloned().map(Item::Snapshot).collect()
}

/// Small numbers mostly, and all the extremes.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..300u64, 2 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn age() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![
        Just(None),
        any::<u32>().prop_map(Some),
        Just(Some(0)),
        Just(Some(u32::MAX))
    ]
}

fn regions() -> impl Strategy<Value = Vec<Region>> {
    let address = prop_oneof![
        4 => (0..1u64 << 35).prop_map(|page| page << 12),
        2 => any::<u64>(),
        1 => Just(u64::MAX),
        1 => Just(0),
    ];
    let tail = prop::collection::vec((any::<u32>(), age()), 8);
    (prop::collection::vec(address, 0..16), tail, any::<bool>()).prop_map(
        |(mut ends, tail, adjacent)| {
            ends.sort_unstable();
            let at = |i: usize| ends.get(i).copied();
            let bounds = |i: usize| {
                if adjacent {
                    (at(i), at(i + 1))
                } else {
                    (at(2 * i), at(2 * i + 1))
                }
            };
            let whole = (0..8).zip(tail).map_while(|(i, (nr_accesses, age))| {
                let (start, end) = bounds(i);
                Some(Region {
                    start: start?,
                    end: end?,
                    nr_accesses,
                    age,
                })
            });
            whole.collect()
        },
    )
}

fn target() -> impl Strategy<Value = TargetKey> {
    (
        prop_oneof![0..3u32, any::<u32>()],
        prop_oneof![0..3u64, any::<u64>()],
    )
        .prop_map(|(kdamond, target_id)| TargetKey { kdamond, target_id })
}

fn item() -> impl Strategy<Value = Item> {
    let intervals =
        (number(), number(), number()).prop_map(|(sample_us, aggr_us, update_us)| Intervals {
            sample_us,
            aggr_us,
            update_us,
        });
    let snapshot = (
        target(),
        number(),
        number(),
        prop::option::of(intervals),
        any::<u32>(),
        regions(),
    )
        .prop_map(|(target, start_ns, end_ns, intervals, missing, regions)| {
            Item::Snapshot(Snapshot {
                target,
                start_ns,
                end_ns,
                intervals,
                missing,
                regions,
                extra: None,
            })
        });
    let cause = prop::sample::select(vec![
        LossCause::RingFull,
        LossCause::Unseen,
        LossCause::Damaged,
        LossCause::Unwritten,
    ]);
    let gap = (
        prop::option::of(target()),
        number(),
        number(),
        prop::option::of(number()),
        cause,
    )
        .prop_map(|(target, start_ns, end_ns, events, cause)| {
            Item::Gap(Gap {
                target,
                start_ns,
                end_ns,
                events,
                cause,
            })
        });
    prop_oneof![4 => snapshot, 1 => gap]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_items_come_back(items in prop::collection::vec(item(), 0..24), flush_each in 1..12usize) {
        let (file, stats) = write(&items, flush_each);
        prop_assert_eq!(&read(&file), &items);
        let mut reader = open(&file);
        prop_assert!(reader.was_clean());
        // A second pass gives the same, and totals are what was given.
        prop_assert_eq!(reader.items().unwrap().count(), items.len());
        let (mut samples, mut lost) = (0, 0u64);
        for item in &items {
            match item {
                Item::Snapshot(snapshot) => {
                    samples += snapshot.regions.len() as u64;
                    lost = lost.saturating_add(u64::from(snapshot.missing));
                }
                Item::Gap(gap) => lost = lost.saturating_add(gap.events.unwrap_or(0)),
                Item::Note(_) => {}
            }
        }
        prop_assert_eq!((stats.samples, stats.lost), (samples, lost));
        prop_assert_eq!((reader.totals().samples, reader.lost()), (samples, lost));
        prop_assert_eq!(stats.bytes, file.len() as u64);
    }
}

fn many_regions(count: u64) -> Snapshot {
    let region = |i| Region {
        start: 0x7f00_0000_0000 + i * 12_288,
        end: 0x7f00_0000_0000 + i * 12_288 + 8_192,
        nr_accesses: (i % 21) as u32,
        age: Some(i as u32),
    };
    Snapshot {
        target: TargetKey {
            kdamond: 1,
            target_id: 2,
        },
        start_ns: 100,
        end_ns: 200,
        intervals: None,
        missing: 3,
        regions: (0..count).map(region).collect(),
        extra: None,
    }
}

#[test]
fn a_giant_snapshot_is_split_and_joined() {
    let small = many_regions(5);
    let items = snapshots(&[small.clone(), many_regions(100_000), small]);
    let (file, stats) = write(&items, usize::MAX);
    assert!(stats.frames > 8, "{stats:?}");
    assert_eq!(
        (stats.snapshots, stats.samples, stats.lost),
        (3, 100_010, 9)
    );
    assert!(read(&file) == items);
    assert_eq!(open(&file).totals().snapshots, 3);
}

#[test]
fn what_a_reader_could_not_trust_becomes_a_gap_in_its_place() {
    let region = |start, end| Region {
        start,
        end,
        nr_accesses: 0,
        age: None,
    };
    let bad = [
        vec![region(2, 1)],
        vec![region(0, 5), region(4, 6)],
        vec![region(8, 9), region(0, 1)],
        vec![region(0, 0); 524_289],
    ];
    let given = bad.map(|regions| Snapshot {
        regions,
        ..many_regions(0)
    });
    let good = many_regions(5);
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    let mut expected = Vec::new();
    for snapshot in &given {
        writer.snapshot(snapshot).unwrap();
        writer.snapshot(&good).unwrap();
        expected.push(Item::Gap(Gap {
            target: Some(snapshot.target),
            start_ns: snapshot.start_ns,
            end_ns: snapshot.end_ns,
            events: Some(snapshot.regions.len() as u64 + 3),
            cause: LossCause::Unwritten,
        }));
        expected.push(Item::Snapshot(good.clone()));
    }
    let stats = writer.finish().unwrap();
    let bad_regions = 1 + 2 + 2 + 524_289;
    assert_eq!(
        (stats.snapshots, stats.samples, stats.lost),
        (4, 20, bad_regions + 8 * 3)
    );
    let file = writer.into_sink();
    assert!(read(&file) == expected);
    assert_eq!(open(&file).lost(), stats.lost);
}

fn some_meta() -> Meta {
    Meta {
        tool: "damo 0.1.0".to_owned(),
        command: vec!["damo".to_owned(), "record".to_owned()],
        boot_id: "8e8a1bd8-2b1c-4b8c-9b39-0a3f1a1f5e0c".to_owned(),
        ops: Some(Ops::Vaddr),
        mono_ns: 77,
        ..Meta::default()
    }
}

#[test]
fn the_latest_meta_holds_with_all_targets() {
    let targets = [
        TargetInfo {
            target_id: 0,
            pid: Some(10),
            comm: Some("a".to_owned()),
            ..TargetInfo::default()
        },
        TargetInfo {
            target_id: 1,
            pid: Some(11),
            comm: None,
            ..TargetInfo::default()
        },
        TargetInfo {
            target_id: 1,
            pid: Some(11),
            comm: Some("b".to_owned()),
            ..TargetInfo::default()
        },
    ];
    let told = |stop_after: usize, finish: bool| {
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file, &some_meta()).unwrap();
        writer.target(&targets[0]).unwrap();
        writer.clock(5, 6).unwrap();
        writer
            .meta(&Meta {
                kdamond: Some(99),
                ..some_meta()
            })
            .unwrap();
        targets[1..stop_after]
            .iter()
            .for_each(|target| writer.target(target).unwrap());
        if finish {
            writer.finish().unwrap();
        }
        drop(writer);
        let reader = open(&file);
        assert_eq!(reader.was_clean(), finish);
        assert_eq!(
            reader.header().unwrap().boot_id[..4],
            [0x8e, 0x8a, 0x1b, 0xd8]
        );
        reader.meta().clone()
    };
    for finish in [false, true] {
        let mut expected = Meta {
            kdamond: Some(99),
            targets: vec![targets[0].clone()],
            ..some_meta()
        };
        assert_eq!(told(1, finish), expected, "finish: {finish}");
        expected.targets.push(targets[2].clone());
        assert_eq!(told(3, finish), expected, "finish: {finish}");
    }
}

#[test]
fn a_file_on_disk_begins_with_the_magic_and_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damon.data");
    let mut writer = Writer::new(File::create_new(&path).unwrap(), &some_meta()).unwrap();
    writer.snapshot(&many_regions(10)).unwrap();
    let stats = writer.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.starts_with(&MAGIC));
    assert_eq!(bytes.len() as u64, stats.bytes);
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!(reader.items().unwrap().count(), 1);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);

    let missing = Reader::open(folder.path().join("none")).err().unwrap();
    assert!(
        matches!(&missing, ReadError::Io { .. }) && missing.to_string().contains("none"),
        "{missing}"
    );
}

/// The size that DESIGN.md asks for, on the peer's fixture and on simulated
/// records of about 16 and 140 regions with age.
#[test]
fn small() {
    let check = |name: &str, all: Vec<Snapshot>, per_snapshot: std::ops::Range<f64>, limit: f64| {
        let samples = all
            .iter()
            .map(|snapshot| snapshot.regions.len())
            .sum::<usize>() as f64;
        let mean = samples / all.len() as f64;
        assert!(
            per_snapshot.contains(&mean),
            "{name}: {mean} regions per snapshot"
        );
        let items = snapshots(&all);
        let (file, _) = write(&items, usize::MAX);
        assert!(read(&file) == items, "{name}");
        let bytes = file.len() as f64 / samples;
        assert!(bytes <= limit, "{name}: {bytes:.2} bytes per sample");
    };
    if let Some(zigzag) = fixture::zigzag() {
        check("R", zigzag, 17.0..19.0, 1.0);
    }
    check(
        "S0",
        simulate::Simulation::new(simulate::S0, 1)
            .take(2_000)
            .collect(),
        14.0..18.0,
        2.2,
    );
    check(
        "S1",
        simulate::Simulation::new(simulate::S1, 1)
            .take(400)
            .collect(),
        130.0..150.0,
        3.2,
    );
}
