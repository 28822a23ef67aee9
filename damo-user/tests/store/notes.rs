//! What a record holds beside samples comes back as it was given.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::collections::BTreeMap;
use std::io::Cursor;

use damo_user::model::{
    Applied, CpuTime, Extra, Figure, Happened, Happening, Intervals, Item, Known, Mapping, Meta,
    Note, ProcessMemory, Quota, Record, Region, SchemeCounts, Summed, SystemMemory, TargetKey,
    Tuned,
};
use damo_user::store::{Reader, Writer};
use proptest::prelude::*;

use crate::store_sample;
use store_sample::{giant, snapshot};

fn write(items: &[Item]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    for item in items {
        writer.item(item).unwrap();
    }
    writer.finish().unwrap();
    writer.into_sink()
}

fn read(file: Vec<u8>) -> Vec<Item> {
    let mut reader = Reader::from_source(Cursor::new(file), "memory").unwrap();
    let items = reader.items().unwrap();
    items.map(Result::unwrap).collect()
}

fn note(time_ns: u64, what: Known) -> Item {
    Item::Note(Note { time_ns, what })
}

fn region() -> impl Strategy<Value = Region> {
    (
        any::<u64>(),
        any::<u64>(),
        any::<u32>(),
        any::<Option<u32>>(),
    )
        .prop_map(|(a, b, nr_accesses, age)| Region {
            start: a.min(b),
            end: a.max(b),
            nr_accesses,
            age,
        })
}

fn known() -> impl Strategy<Value = Known> {
    let pid = 0..5u32;
    prop_oneof![
        any::<u64>().prop_map(Known::Clock),
        (
            pid.clone(),
            region(),
            any::<u8>(),
            any::<u64>(),
            "[a-zé/]{0,12}"
        )
            .prop_map(
                |(pid, region, permissions, offset, name)| Known::Mapping(Mapping {
                    pid,
                    start: region.start,
                    end: region.end,
                    permissions,
                    offset,
                    name: name.into(),
                })
            ),
        (pid.clone(), any::<[u64; 3]>()).prop_map(|(pid, [a, b, c])| {
            Known::ProcessMemory(ProcessMemory {
                pid,
                virtual_bytes: a,
                resident_bytes: b,
                shared_bytes: c,
            })
        }),
        any::<[u64; 7]>().prop_map(|[a, b, c, d, e, f, g]| Known::SystemMemory(SystemMemory {
            total_bytes: a,
            free_bytes: b,
            available_bytes: c,
            buffers_bytes: d,
            cached_bytes: e,
            swap_total_bytes: f,
            swap_free_bytes: g,
        })),
        (pid.clone(), any::<bool>(), any::<[u64; 2]>()).prop_map(|(pid, kdamond, [a, b])| {
            Known::CpuTime(CpuTime {
                pid,
                kdamond,
                user_us: a,
                system_us: b,
            })
        }),
        (pid.clone(), any::<[u64; 3]>()).prop_map(|(kdamond, [a, b, c])| Known::Tuned(Tuned {
            kdamond,
            intervals: Intervals {
                sample_us: a,
                aggr_us: b,
                update_us: c,
            },
        })),
        (pid.clone(), any::<u64>(), any::<[u32; 2]>(), region()).prop_map(
            |(kdamond, target_id, [context, scheme], region)| Known::Applied(Applied {
                target: TargetKey { kdamond, target_id },
                context,
                scheme,
                region,
            })
        ),
        (pid.clone(), 0..u64::MAX, any::<(bool, u8, u64)>()).prop_map(
            |(kdamond, id, (is_one, code, value))| Known::Happened(Happened {
                kdamond,
                target_id: is_one.then_some(id),
                what: Happening::of_code(code),
                value,
            })
        ),
        (pid.clone(), any::<[u32; 2]>(), any::<u64>()).prop_map(
            |(kdamond, [context, scheme], bytes)| Known::Quota(Quota {
                kdamond,
                context,
                scheme,
                bytes,
            })
        ),
        (pid.clone(), any::<[u64; 2]>(), any::<(u8, u32)>()).prop_map(
            |(kdamond, [target_id, value], (figure, step))| Known::Summed(Summed {
                target: TargetKey { kdamond, target_id },
                figure: Figure::of_code(figure),
                step,
                value,
            })
        ),
        (pid, any::<[u32; 2]>(), any::<[u64; 7]>()).prop_map(
            |(kdamond, [context, scheme], [a, b, c, d, e, f, g])| Known::Scheme(SchemeCounts {
                kdamond,
                context,
                scheme,
                nr_tried: a,
                sz_tried: b,
                nr_applied: c,
                sz_applied: d,
                sz_ops_filter_passed: e,
                qt_exceeds: f,
                nr_snapshots: g,
            })
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn notes_come_back(given in prop::collection::vec((any::<u64>(), known()), 0..200)) {
        let items: Vec<Item> = given.into_iter().map(|(time_ns, what)| note(time_ns, what)).collect();
        let mut got = read(write(&items));
        prop_assert_eq!(got.len(), items.len());
        // Each kind in its order; the kinds one after the other.
        for item in &items {
            let Item::Note(Note { what, .. }) = item else { unreachable!() };
            let same = |other: &Item| matches!(other, Item::Note(it)
                if std::mem::discriminant(&it.what) == std::mem::discriminant(what));
            let first = got.iter().position(same).unwrap();
            prop_assert_eq!(&got.remove(first), item);
        }
    }

    #[test]
    fn what_tried_regions_tell_comes_back(
        given in prop::collection::vec((
            any::<bool>(),
            prop::collection::vec(any::<Option<u32>>(), 3),
            prop::collection::vec(prop::collection::vec(any::<u32>(), 0..3), 3),
            any::<Option<u32>>(),
            any::<Option<bool>>(),
        ), 1..60)
    ) {
        let items: Vec<Item> = given.into_iter().enumerate().map(|(i, (any, passed, hits, total, stats))| {
            let extra = Extra {
                filter_passed: match passed.iter().any(Option::is_some) {
                    true => passed.into_iter().map(|it| it.map(u64::from)).collect(),
                    false => Vec::new(),
                },
                probe_hits: match hits.iter().any(|it| !it.is_empty()) {
                    true => hits,
                    false => Vec::new(),
                },
                age_unit_us: (i % 2 == 1).then_some(i as u64),
                total_bytes: total.map(u64::from),
                scheme_stats: stats.map(|full| match full {
                    true => BTreeMap::from([("nr_tried".to_owned(), i as u64), ("qt_exceeds".to_owned(), u64::MAX)]),
                    false => BTreeMap::new(),
                }),
            };
            let mut snapshot = snapshot(i as u64);
            snapshot.regions.truncate(3);
            snapshot.extra = (any && extra != Extra::default()).then(|| Box::new(extra));
            Item::Snapshot(snapshot)
        }).collect();
        prop_assert_eq!(read(write(&items)), items);
    }
}

#[test]
fn a_split_snapshot_keeps_what_its_tried_regions_tell() {
    let mut giant = giant(40_000);
    giant.extra = Some(Box::new(Extra {
        filter_passed: (0..40_000).map(|i| (i > 20_000).then_some(i)).collect(),
        age_unit_us: Some(200_000),
        total_bytes: Some(7),
        ..Extra::default()
    }));
    let items = [
        Item::Snapshot(snapshot(0)),
        Item::Snapshot(giant),
        Item::Snapshot(snapshot(2)),
    ];
    assert!(read(write(&items)) == items);
}

#[test]
fn many_mappings_are_split_into_frames() {
    let mapping = |i: u64| {
        note(
            5,
            Known::Mapping(Mapping {
                pid: 9,
                start: i << 20,
                end: (i << 20) + 4096,
                permissions: 5,
                offset: i,
                name: format!("/usr/lib/a-rather-long-name-of-a-library-{}.so", i % 3000).into(),
            }),
        )
    };
    let items: Vec<Item> = (0..70_000).map(mapping).collect();
    let file = write(&items);
    assert!(read(file) == items);
}

#[test]
fn notes_stand_before_the_samples_they_were_given_with() {
    let tuned = note(
        1050,
        Known::Tuned(Tuned {
            kdamond: 7,
            intervals: Intervals {
                sample_us: 1,
                aggr_us: 2,
                update_us: 3,
            },
        }),
    );
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    for i in 0..4u64 {
        writer.snapshot(&snapshot(i)).unwrap();
        if i == 1 {
            writer.item(&tuned).unwrap();
            writer.flush().unwrap();
        }
    }
    writer.finish().unwrap();
    let of = |i| Item::Snapshot(snapshot(i));
    assert_eq!(
        read(writer.into_sink()),
        [tuned, of(0), of(1), of(2), of(3)]
    );
}
