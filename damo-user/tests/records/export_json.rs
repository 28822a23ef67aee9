//! The peer's formats, as we write them, and what comes back from them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::json_common;

use damo_user::export::{Filter, JsonForm, write_json, write_json_compressed, write_perf_script};
use damo_user::model::{
    Gap, Intervals, Item, Items, LossCause, Meta, Origin, ReadError, Record, Region, Snapshot,
    TargetInfo, TargetKey,
};
use damo_user::store::{Reader, Writer};
use json_common::*;
use proptest::prelude::*;

fn key(kdamond: u32, target_id: u64) -> TargetKey {
    TargetKey { kdamond, target_id }
}

fn snap(target: TargetKey, start_ns: u64, end_ns: u64, regions: &[(u64, u64, u32)]) -> Snapshot {
    let region = |(start, end, nr_accesses): &(u64, u64, u32)| Region {
        start: *start,
        end: *end,
        nr_accesses: *nr_accesses,
        age: Some(1234),
    };
    Snapshot {
        target,
        start_ns,
        end_ns,
        intervals: None,
        missing: 0,
        regions: regions.iter().map(region).collect(),
        extra: None,
    }
}

/// A record file of ours.
fn ours(meta: &Meta, items: &[Item]) -> Reader<std::io::Cursor<Vec<u8>>> {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, meta).unwrap();
    for item in items {
        writer.item(item).unwrap();
    }
    writer.finish().unwrap();
    Reader::from_source(std::io::Cursor::new(file), "memory").unwrap()
}

/// As `damo record` leaves it: two targets of one kdamond, and something lost.
fn live() -> (Meta, Vec<Item>) {
    let meta = Meta {
        intervals: Some(Intervals {
            sample_us: 5_000,
            aggr_us: 100_000,
            update_us: 1_000_000,
        }),
        targets: vec![
            TargetInfo {
                target_id: 0,
                pid: Some(7),
                ..TargetInfo::default()
            },
            TargetInfo {
                target_id: 1,
                ..TargetInfo::default()
            },
        ],
        ..Meta::default()
    };
    let mut tuned = snap(key(99, 1), 200, 300, &[(0, 4096, 2)]);
    tuned.intervals = Some(Intervals {
        sample_us: 10_000,
        aggr_us: 200_000,
        update_us: 1_000_000,
    });
    let mut lacking = snap(
        key(99, 0),
        100,
        200,
        &[(4096, 1 << 20, 3), (1 << 20, 2 << 20, 0)],
    );
    lacking.missing = 2;
    let gap = Gap {
        target: None,
        start_ns: 200,
        end_ns: 250,
        events: Some(5),
        cause: LossCause::RingFull,
    };
    let items = vec![
        Item::Snapshot(lacking),
        Item::Gap(gap),
        Item::Snapshot(tuned),
        Item::Snapshot(snap(key(99, 0), 200, 300, &[(4096, 8192, 0)])),
    ];
    (meta, items)
}

#[test]
fn a_live_record_becomes_what_the_peer_records() {
    let (meta, items) = live();
    let mut record = ours(&meta, &items);
    let mut text = Vec::new();
    let told = write_json(&mut record, &Filter::default(), JsonForm::File, &mut text).unwrap();
    assert_eq!((told.snapshots, told.samples), (3, 4));
    assert_eq!((told.losses.incomplete, told.losses.ring_full), (2, 5));
    let text = String::from_utf8(text).unwrap();
    let first = r#"[
    {
        "kdamond_idx": 0,
        "context_idx": 0,
        "intervals": {
            "sample_us": "5000",
            "aggr_us": "100000",
            "ops_update_us": "1000000",
            "intervals_goal": {
                "access_bp": "0.000000",
                "aggrs": "0",
                "min_sample_us": "0",
                "max_sample_us": "0"
            }
        },
        "scheme_idx": null,
        "target_id": 0,
        "scheme_filters": [],
        "snapshots": [
            {
                "start_time": "100",
                "end_time": "200",
                "regions": [
                    {
                        "start": "4,096",
                        "end": "1,048,576",
                        "nr_accesses": {
                            "samples": 3,
                            "percent": null
                        },
                        "age": {
                            "usec": null,
                            "aggr_intervals": "1,234"
                        },
                        "probe_hits": [],
                        "sz_filter_passed": "0 B"
                    },
"#;
    assert!(text.starts_with(first), "{text}");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value.as_array().unwrap().len(), 2);
    assert_eq!(
        value[0]["snapshots"][1]["sample_interval_us"],
        serde_json::Value::Null
    );
    // In nanoseconds, as the peer has it.
    assert_eq!(value[1]["snapshots"][0]["sample_interval_us"], "10000000");
    assert_eq!(value[0]["snapshots"][0]["total_bytes"], "2093056");
    assert_eq!(value[1]["target_id"], 1);
    // And back: all but what is lost and whose pid it is.
    let (back, found) = read(text.as_bytes()).unwrap();
    assert_eq!(back.intervals, meta.intervals);
    let found = snapshots(&found);
    assert_eq!(found.len(), 3);
    let tuned = found.iter().find(|s| s.target.target_id == 1).unwrap();
    assert_eq!(tuned.intervals.unwrap().aggr_us, 200_000);
}

#[test]
fn only_what_is_wanted_is_written() {
    let (meta, items) = live();
    let filter = Filter {
        targets: vec![1],
        ..Filter::default()
    };
    let mut text = Vec::new();
    let told = write_json(&mut ours(&meta, &items), &filter, JsonForm::File, &mut text).unwrap();
    assert_eq!((told.snapshots, told.losses.incomplete), (1, 0));
    let filter = Filter {
        time: Some(250..1000),
        addresses: vec![4096..6144, 7168..8192],
        targets: vec![0],
        ..Filter::default()
    };
    let mut text = Vec::new();
    let told = write_perf_script(&mut ours(&meta, &items), &filter, &mut text).unwrap();
    assert_eq!((told.snapshots, told.samples), (1, 2));
    let lines = String::from_utf8(text).unwrap();
    let event = "kdamond.x xxxx xxxx 0.000000: damon:damon_aggregated: target_id=0";
    assert_eq!(
        lines,
        format!(
            "{event} nr_regions=2 4096-6144: 0 1234\n{event} nr_regions=2 7168-8192: 0 1234\n{event} nr_regions=1 0-0: -1 -1\n"
        )
    );
}

#[test]
fn a_record_of_nothing_is_an_empty_list() {
    assert_eq!(exported(&mut ours(&Meta::default(), &[])), "[]");
    assert_eq!(read(b"[]").unwrap().1, []);
    // A target that the peer had stays, with nothing in it.
    let info = TargetInfo {
        origin: Some(Origin::default()),
        ..TargetInfo::default()
    };
    let meta = Meta {
        targets: vec![info],
        ..Meta::default()
    };
    let text = exported(&mut ours(&meta, &[]));
    assert!(text.contains("\"intervals\": null,") && text.contains("\"snapshots\": [],"));
    assert_eq!(exported(&mut reread(text.as_bytes())), text);
}

/// Imports a text and puts it into a file of ours.
fn reread(text: &[u8]) -> Reader<std::io::Cursor<Vec<u8>>> {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, text);
    stored(&mut *damo_user::import::open(&path).unwrap())
}

#[test]
fn equal_ids_of_several_kdamonds_stay_apart() {
    let one = |end| [snapshot(end - 1, end, &[region(0, 4096, 1)])];
    let head = |kdamond| format!(r#""kdamond_idx": {kdamond}, "target_id": 0"#);
    let text = format!(
        "[{}, {}]",
        record(&head(0), &one(10)),
        record(&head(1), &one(5))
    );
    let again = exported(&mut reread(text.as_bytes()));
    let value: serde_json::Value = serde_json::from_str(&again).unwrap();
    let told: Vec<_> = value
        .as_array()
        .unwrap()
        .iter()
        .map(|record| {
            (
                record["kdamond_idx"].as_u64(),
                record["snapshots"][0]["end_time"].as_str(),
            )
        })
        .collect();
    assert_eq!(told, [(Some(0), Some("10")), (Some(1), Some("5"))]);
}

#[test]
fn compressed_is_the_same_text() {
    let (meta, items) = live();
    let mut compressed = Vec::new();
    let mut record = ours(&meta, &items);
    write_json_compressed(
        &mut record,
        &Filter::default(),
        JsonForm::File,
        &mut compressed,
    )
    .unwrap();
    assert_eq!(unzlib(&compressed), exported(&mut record).as_bytes());
}

#[test]
fn text_of_perf_script_is_the_peers() {
    let (meta, items) = live();
    let mut text = Vec::new();
    let mut record = ours(&meta, &items[..1]);
    write_perf_script(&mut record, &Filter::default(), &mut text).unwrap();
    let event = "kdamond.x xxxx xxxx 0.000000: damon:damon_aggregated: target_id=0";
    assert_eq!(
        String::from_utf8(text).unwrap(),
        format!(
            "{event} nr_regions=2 4096-1048576: 3 1234\n{event} nr_regions=2 1048576-2097152: 0 1234\n{event} nr_regions=1 0-0: -1 -1\n"
        )
    );
    // Durations of lone snapshots and of several survive.
    let second = 1_000_000_000;
    for count in [1u64, 3] {
        let items: Vec<Item> = (0..count)
            .map(|i| {
                let (start, end) = (
                    5 * second + i * second / 10,
                    5 * second + (i + 1) * second / 10,
                );
                let mut snapshot = snap(key(0, 4), start, end, &[(0, 4096, 2), (8192, 12288, 1)]);
                snapshot.regions[1].age = None;
                Item::Snapshot(snapshot)
            })
            .collect();
        let mut text = Vec::new();
        write_perf_script(
            &mut ours(&Meta::default(), &items),
            &Filter::default(),
            &mut text,
        )
        .unwrap();
        assert_eq!(read(&text).unwrap().1, items);
    }
}

#[test]
fn snapshots_without_regions_are_no_text_of_perf_script() {
    let write = |items: &[Item]| {
        let mut text = Vec::new();
        let filter = Filter::default();
        write_perf_script(&mut ours(&Meta::default(), items), &filter, &mut text)
    };
    let empty = Item::Snapshot(snap(key(0, 1), 0, 100, &[]));
    let full = Item::Snapshot(snap(key(0, 1), 100, 200, &[(0, 4096, 1)]));
    assert_eq!(write(&[empty.clone(), full]).unwrap().snapshots, 1);
    let error = write(&[empty]).unwrap_err().to_string();
    assert!(error.contains("no snapshot has any"), "{error}");
}

fn regions() -> impl Strategy<Value = Vec<Region>> {
    let row = (any::<[u64; 2]>(), any::<u32>(), any::<Option<u32>>());
    prop::collection::vec(row, 0..8).prop_map(|rows| {
        let mut bounds: Vec<u64> = rows.iter().flat_map(|row| row.0).collect();
        bounds.sort_unstable();
        let rows = bounds.chunks_exact(2).zip(rows);
        rows.map(|(at, (_, nr_accesses, age))| Region {
            start: at[0],
            end: at[1],
            nr_accesses,
            age,
        })
        .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Through the importer's temporary files and ours: the same snapshots.
    #[test]
    fn snapshots_come_back(
        rows in prop::collection::vec((0..3u64, any::<[u64; 2]>(), regions()), 1..12),
        sample_us in 1..1u64 << 32,
        factor in 1..1u64 << 20,
    ) {
        let intervals = Intervals { sample_us, aggr_us: sample_us * factor, update_us: u64::MAX };
        let meta = Meta { intervals: Some(intervals), ..Meta::default() };
        let mut items: Vec<Snapshot> = rows
            .into_iter()
            .enumerate()
            .map(|(i, (id, [a, b], regions))| Snapshot {
                target: key(0, u64::MAX - id),
                start_ns: a.min(b),
                end_ns: a.max(b),
                // Every third one was tuned.
                intervals: Some(match i % 3 {
                    0 => Intervals { sample_us: sample_us * 2, aggr_us: sample_us * factor * 2, ..intervals },
                    _ => intervals,
                }),
                missing: 0,
                regions,
                extra: None,
            })
            .collect();
        items.sort_by_key(|snapshot| snapshot.end_ns);
        let given: Vec<Item> = items.iter().cloned().map(Item::Snapshot).collect();
        let text = exported(&mut ours(&meta, &given));
        let (_, back) = read(text.as_bytes()).unwrap();
        let mut back: Vec<Snapshot> = snapshots(&back).into_iter().cloned().collect();
        // Of one moment in any order.
        let order = |s: &Snapshot| (s.end_ns, s.target, s.start_ns, s.regions.len());
        back.sort_by_key(order);
        items.sort_by_key(order);
        prop_assert_eq!(back, items);
        prop_assert_eq!(exported(&mut reread(text.as_bytes())), text);
    }
}

/// Counts its passes.
struct Counted<'a>(&'a mut dyn Record, usize);

impl Record for Counted<'_> {
    fn meta(&self) -> &Meta {
        self.0.meta()
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        self.1 += 1;
        self.0.items()
    }
}

/// However many targets there are: what is written of each alone, and no pass for
/// each.
#[test]
fn many_targets_are_written_in_few_passes() {
    const TARGETS: u64 = 3000;
    let mut items = Vec::new();
    for round in 0..3 {
        for id in 0..TARGETS {
            let regions = [
                (id << 12, (id + 1) << 12, round as u32),
                (1 << 40, 2 << 40, 0),
            ];
            let start = round * 1_000_000 + id;
            // Some snapshots without regions, but no target without any.
            let end = (id + round) as usize % (regions.len() + 1);
            items.push(Item::Snapshot(snap(
                key((id % 7) as u32, id),
                start,
                start + 500,
                regions.get(..end).unwrap(),
            )));
        }
    }
    let mut record = ours(&Meta::default(), &items);
    let of = |id| Filter {
        targets: vec![id],
        ..Filter::default()
    };
    type Write = fn(&mut dyn Record, &Filter, &mut Vec<u8>);
    let json: Write = |record, filter, out| {
        let _ = write_json(record, filter, JsonForm::File, out).unwrap();
    };
    let text: Write = |record, filter, out| {
        let _ = write_perf_script(record, filter, out).unwrap();
    };
    for write in [json, text] {
        let (mut all, mut one) = (Vec::new(), Vec::new());
        let mut counted = Counted(&mut record, 0);
        write(&mut counted, &Filter::default(), &mut all);
        assert_eq!(counted.1, 2);
        let all = String::from_utf8(all).unwrap();
        let mut at = 0;
        // Of each hundredth, what is written if there is nothing else.
        for id in (1..TARGETS).step_by(101) {
            one.clear();
            write(&mut record, &of(id), &mut one);
            let one = std::str::from_utf8(&one).unwrap();
            let one = one
                .trim_start_matches('[')
                .trim_end_matches("\n]")
                .trim_end();
            let found = all[at..].find(one);
            at += found.unwrap_or_else(|| panic!("target {id} is not there or not in order"));
        }
    }
}
