//! Whatever is written is read back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::snapshot::STATS;
use super::tests::{Memory, read, written};
use crate::model::{Extra, Intervals, Item, Origin, Region, Snapshot, TargetInfo, TargetKey};

/// Bytes that three decimals of a unit tell exactly.
fn told_exactly() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..=1024u64,
        Just(u64::MAX),
        (9..8192u64, 1..5u32).prop_map(|(eighths, unit)| (eighths << (10 * unit)) / 8),
    ]
}

fn intervals() -> impl Strategy<Value = Intervals> {
    (1..1u64 << 40, 0..=u64::MAX, 0..=u64::MAX).prop_map(|(sample_us, aggr_us, update_us)| {
        Intervals {
            sample_us,
            aggr_us,
            update_us,
        }
    })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let region = (
        0..=u64::MAX,
        0..=u64::MAX,
        any::<u32>(),
        any::<Option<u32>>(),
        told_exactly(),
        prop::collection::vec(any::<u32>(), 0..3),
    );
    let name = prop::sample::select(&["nr_tried", "sz_applied", "max_nr_snapshots"][..]);
    let stats = prop::collection::btree_map(name.prop_map(str::to_owned), any::<u64>(), 0..3);
    (
        any::<[u64; 2]>(),
        prop::collection::vec(region, 0..6),
        prop::option::of(any::<u64>()),
        prop::option::of(stats),
    )
        .prop_map(|(mut times, rows, total, stats)| {
            times.sort_unstable();
            let mut bounds: Vec<u64> = rows.iter().flat_map(|row| [row.0, row.1]).collect();
            bounds.sort_unstable();
            let regions: Vec<Region> = bounds
                .chunks_exact(2)
                .zip(&rows)
                .map(|(at, row)| Region {
                    start: at[0],
                    end: at[1],
                    nr_accesses: row.2,
                    age: row.3,
                })
                .collect();
            let sum: u64 = regions.iter().map(Region::len).sum();
            let mut extra = Extra {
                filter_passed: rows.iter().map(|row| Some(row.4)).collect(),
                probe_hits: rows.iter().map(|row| row.5.clone()).collect(),
                age_unit_us: None,
                total_bytes: total.filter(|total| *total != sum),
                scheme_stats: stats,
            };
            // Nothing is as good as zeros to the peer.
            if rows.iter().all(|row| row.4 == 0) {
                extra.filter_passed.clear();
            }
            if rows.iter().all(|row| row.5.is_empty()) {
                extra.probe_hits.clear();
            }
            // The peer writes all counters, known or not.
            if let Some(stats) = &mut extra.scheme_stats {
                for (name, _) in STATS {
                    stats.entry(name.to_owned()).or_default();
                }
            }
            Snapshot {
                target: TargetKey {
                    kdamond: 0,
                    target_id: 0,
                },
                start_ns: times[0],
                end_ns: times[1],
                intervals: None,
                missing: 0,
                regions,
                extra: (extra != Extra::default()).then(|| Box::new(extra)),
            }
        })
}

fn memory() -> impl Strategy<Value = Memory> {
    let target = (
        any::<u64>(),
        prop::option::of(intervals()),
        any::<[Option<u16>; 2]>(),
        prop::option::of(-1..3i32),
        any::<bool>(),
        prop::collection::vec(snapshot(), 0..4),
    );
    prop::collection::vec(target, 0..4).prop_map(|targets| {
        let mut memory = Memory::default();
        for (number, (id, intervals, [context, scheme], kdamond, all, found)) in
            targets.into_iter().enumerate()
        {
            let key = TargetKey {
                kdamond: number as u32,
                target_id: if all { 0 } else { id },
            };
            let origin = Origin {
                // Null is 0 to the peer, which writes it so.
                kdamond_idx: Some(kdamond.unwrap_or(0)),
                // Tells the records apart, as the key does.
                context_idx: Some(u32::from(context.unwrap_or(0)) * 16 + number as u32),
                scheme_idx: scheme.map(u32::from),
                all_targets: all,
                intervals,
                intervals_goal: None,
                scheme_filters: Vec::new(),
                data_source: Some("unknown \"\\\n\u{1}é\u{10ffff}".to_owned()),
            };
            memory.meta.targets.push(TargetInfo {
                target_id: key.target_id,
                kdamond: key.kdamond,
                origin: Some(origin),
                ..TargetInfo::default()
            });
            memory.items.extend(found.into_iter().map(|snapshot| {
                Item::Snapshot(Snapshot {
                    target: key,
                    intervals,
                    ..snapshot
                })
            }));
        }
        memory
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(mut memory in memory()) {
        let text = written(&mut memory);
        let mut back = read(&text).unwrap();
        prop_assert_eq!(&back.items, &memory.items);
        for (back, told) in back.meta.targets.iter().zip(&memory.meta.targets) {
            let (back, told) = (back.origin.as_ref().unwrap(), told.origin.as_ref().unwrap());
            prop_assert_eq!(back.kdamond_idx, told.kdamond_idx);
            prop_assert_eq!(back.scheme_idx, told.scheme_idx);
            prop_assert_eq!(back.all_targets, told.all_targets);
            prop_assert_eq!(&back.data_source, &told.data_source);
        }
        prop_assert_eq!(written(&mut back), text);
    }

    #[test]
    fn no_text_makes_it_panic(text in r#"[\[\]{}",:0-9a-z -]{0,200}"#) {
        let _ = read(text.as_bytes());
    }

    #[test]
    fn no_change_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = include_bytes!("tests_form.json").to_vec();
        let at = at.index(text.len());
        text[at] = byte;
        let _ = read(&text);
    }
}
