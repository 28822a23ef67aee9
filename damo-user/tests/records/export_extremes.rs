//! Whatever a record's numbers are, every format holds them.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::export_common;

use damo_user::export::{Filter, write_damo};
use damo_user::model::{
    Gap, Intervals, Item, LossCause, Meta, Record, Region, Snapshot, TargetKey,
};
use damo_user::store::Reader;
use export_common::read::*;
use export_common::*;
use proptest::prelude::*;

fn any_region() -> impl Strategy<Value = (u64, u64, u32, Option<u32>)> {
    let number = prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), 0..1u64 << 48];
    let age = prop_oneof![
        Just(None),
        any::<u32>().prop_map(Some),
        Just(Some(u32::MAX))
    ];
    (number.clone(), number, any::<u32>(), age)
}

fn any_snapshot() -> impl Strategy<Value = Item> {
    let intervals = prop_oneof![
        Just(None),
        Just(Some(INTERVALS)),
        Just(Some(Intervals {
            sample_us: 0,
            aggr_us: 0,
            update_us: 0
        })),
        Just(Some(Intervals {
            sample_us: u64::MAX,
            aggr_us: u64::MAX,
            update_us: u64::MAX
        })),
    ];
    let times = (any::<u64>(), any::<u64>());
    let target = (0u32..3, prop_oneof![0u64..2, Just(u64::MAX)]);
    let regions = prop::collection::vec(any_region(), 0..6);
    (target, times, intervals, regions, any::<u32>()).prop_map(
        |((kdamond, target_id), (start, end), intervals, regions, missing)| {
            // As the model has them: ascending, without overlap.
            let mut bounds: Vec<u64> = regions.iter().flat_map(|r| [r.0, r.1]).collect();
            bounds.sort_unstable();
            let regions = bounds.chunks_exact(2).zip(&regions);
            Item::Snapshot(Snapshot {
                target: TargetKey { kdamond, target_id },
                start_ns: start.min(end),
                end_ns: start.max(end),
                intervals,
                missing,
                regions: regions
                    .map(|(bounds, r)| Region {
                        start: bounds[0],
                        end: bounds[1],
                        nr_accesses: r.2,
                        age: r.3,
                    })
                    .collect(),
                extra: None,
            })
        },
    )
}

fn any_gap() -> impl Strategy<Value = Item> {
    (any::<u64>(), any::<Option<u64>>(), any::<bool>()).prop_map(|(at, events, known)| {
        Item::Gap(Gap {
            target: known.then_some(TargetKey {
                kdamond: 1,
                target_id: u64::MAX,
            }),
            start_ns: at,
            end_ns: at.saturating_add(5),
            events,
            cause: LossCause::Unseen,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the numbers are, all formats hold the same of them.
    #[test]
    fn extremes_are_kept(
        items in prop::collection::vec(prop_oneof![4 => any_snapshot(), 1 => any_gap()], 0..12),
        wall_ns in any::<u64>(), mono_ns in any::<u64>(),
    ) {
        let meta = Meta { wall_ns, mono_ns, ..Meta::default() };
        let mut record = Memory { meta, items };
        let (exported, rows) = csv(&mut record);
        let expected = expected(&record);
        prop_assert_eq!(rows.iter().map(plain).collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!(exported.losses, losses(&record));

        let (by_parquet, reader) = parquet_file(&mut record);
        prop_assert_eq!(by_parquet, exported);
        let rows = parquet_rows(&reader);
        let mut regions: Vec<Row> =
            rows.iter().filter(|row| row["kind"] == "region").map(plain).collect();
        let mut wanted = expected;
        regions.sort();
        wanted.sort();
        prop_assert_eq!(regions, wanted);
        let others = rows.iter().filter(|row| row["kind"] != "region").count();
        let without = |item: &&Item| !matches!(item, Item::Snapshot(s) if !s.regions.is_empty());
        prop_assert_eq!(others, record.items.iter().filter(without).count());

        let (by_ndjson, lines) = ndjson(&mut record);
        prop_assert_eq!(by_ndjson, exported);
        prop_assert_eq!(lines.len(), record.items.len() + 1);
        let starts = lines.iter().flat_map(|line| line["regions"].as_array().into_iter().flatten());
        let starts: Vec<u64> =
            starts.map(|r| r["start_address"].as_str().unwrap().parse().unwrap()).collect();
        let wanted: Vec<u64> = record.samples().map(|(_, _, region)| region.start).collect();
        prop_assert_eq!(starts, wanted);

        // And damo's own, item by item.
        let mut file = Vec::new();
        prop_assert_eq!(write_damo(&mut record, &Filter::default(), &mut file).unwrap(), exported);
        let mut reader = Reader::from_source(std::io::Cursor::new(file), "memory").unwrap();
        let items: Vec<Item> = reader.items().unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(items, record.items);
    }
}
