//! The peer's json, as it was and is, whole and broken.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::json_common;
use crate::report_common;

use damo_user::model::{Item, Origin, TargetKey};
use json_common::*;
use report_common::stdout;

#[test]
fn a_record_of_the_first_form_is_read() {
    let regions = [region(0, 4096, 3), region(4096, 12288, 0)];
    let text = format!(
        "[{}]",
        record(
            r#""target_id": 18446623438842320000"#,
            &[
                snapshot(100, 200, &regions),
                snapshot(200, 300, &regions[..1])
            ]
        )
    );
    for bytes in [text.clone().into_bytes(), zlib(text.as_bytes())] {
        let (meta, items) = read(&bytes).unwrap();
        let key = TargetKey {
            kdamond: 0,
            target_id: 18446623438842320000,
        };
        assert_eq!(meta.targets.len(), 1);
        assert_eq!(meta.targets[0].target_id, key.target_id);
        assert_eq!(meta.targets[0].origin, Some(Origin::default()));
        assert_eq!(meta.intervals, None);
        let found = snapshots(&items);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].start_ns, found[0].end_ns), (100, 200));
        assert_eq!(found[0].target, key);
        assert_eq!(found[0].intervals, None);
        assert_eq!(found[0].regions.len(), 2);
        assert_eq!(found[0].regions[0].nr_accesses, 3);
        assert_eq!(found[0].regions[0].age, None);
        assert_eq!((found[1].start_ns, found[1].regions.len()), (200, 1));
    }
}

#[test]
fn records_are_told_in_order_of_time_and_never_mixed() {
    let one = |end| snapshot(end - 1, end, &[region(0, 4096, end as u32)]);
    let intervals = r#""intervals": {"sample_us": 5000, "aggr_us": "100 ms", "ops_update_us": "1,000,000", "intervals_goal": {"aggrs": "3"}}"#;
    let head = |kdamond: &str, context: &str, scheme: &str, target: &str| {
        format!(
            r#""kdamond_idx": {kdamond}, "context_idx": {context}, "scheme_idx": {scheme}, "target_id": {target}, {intervals}"#
        )
    };
    let text = format!(
        "[{}, {}, {}, {}, {}]",
        record(&head("0", "0", "null", "1"), &[one(10), one(40)]),
        record(&head("0", "0", "null", "2"), &[one(20), one(50)]),
        record(&head("1", "0", "2", "1"), &[one(30)]),
        record(&head("null", "null", "2", "null"), &[one(35)]),
        // The same again is another target nevertheless.
        record(&head("0", "0", "null", "1"), &[one(15)]),
    );
    let (meta, items) = read(text.as_bytes()).unwrap();
    let keys: Vec<_> = meta
        .targets
        .iter()
        .map(|t| (t.kdamond, t.target_id))
        .collect();
    assert_eq!(keys, [(0, 1), (0, 2), (1, 1), (2, 0), (3, 1)]);
    let origin = |at: usize| meta.targets[at].origin.as_ref().unwrap();
    assert_eq!(origin(2).kdamond_idx, Some(1));
    assert_eq!(origin(2).scheme_idx, Some(2));
    assert_eq!(origin(3).kdamond_idx, None);
    assert!(origin(3).all_targets && !origin(2).all_targets);
    assert_eq!(origin(0).intervals_goal.as_ref().unwrap()["aggrs"], "3");
    let intervals = meta.intervals.unwrap();
    assert_eq!((intervals.sample_us, intervals.aggr_us), (5_000, 100_000));
    assert_eq!(intervals.update_us, 1_000_000);
    let told: Vec<_> = snapshots(&items)
        .iter()
        .map(|s| (s.end_ns, s.target.kdamond, s.target.target_id, s.intervals))
        .collect();
    let all = Some(intervals);
    assert_eq!(
        told,
        [
            (10, 0, 1, all),
            (15, 3, 1, all),
            (20, 0, 2, all),
            (30, 1, 1, all),
            (35, 2, 0, all),
            (40, 0, 1, all),
            (50, 0, 2, all)
        ]
    );
}

#[test]
fn intervals_that_differ_stay_with_their_record() {
    let one = [snapshot(1, 2, &[region(0, 4096, 1)])];
    let head = |us: u64, id: u64| {
        format!(
            r#""target_id": {id}, "intervals": {{"sample_us": {us}, "aggr_us": 100, "ops_update_us": 1000}}"#
        )
    };
    let text = format!(
        "[{}, {}, {}]",
        record(&head(5, 1), &one),
        record(&head(10, 2), &one),
        record(r#""target_id": 3, "intervals": null"#, &one)
    );
    let (meta, items) = read(text.as_bytes()).unwrap();
    assert_eq!(meta.intervals, None);
    let of = |at: usize| meta.targets[at].origin.as_ref().unwrap().intervals;
    let sample = |at: usize| of(at).map(|intervals| intervals.sample_us);
    assert_eq!((sample(0), sample(1), sample(2)), (Some(5), Some(10), None));
    let found = snapshots(&items);
    assert_eq!(
        found.iter().map(|s| s.intervals).collect::<Vec<_>>(),
        [of(0), of(1), None]
    );
}

#[test]
fn what_stands_behind_the_snapshots_counts_too() {
    let text = format!(
        r#"[{{"snapshots": [{}], "target_id": 9, "kdamond_idx": 4,
             "intervals": {{"sample_us": 5, "aggr_us": 100, "ops_update_us": 1}}}}]"#,
        snapshot(1, 2, &[region(0, 4096, 1)])
    );
    let (meta, items) = read(text.as_bytes()).unwrap();
    assert_eq!(meta.targets[0].target_id, 9);
    let found = snapshots(&items)[0];
    assert_eq!(found.target.target_id, 9);
    assert_eq!(found.intervals.unwrap().aggr_us, 100);
}

#[test]
fn the_wrapper_is_looked_into() {
    let list = format!(
        "[{}]",
        record(
            r#""target_id": 1"#,
            &[snapshot(1, 2, &[region(0, 4096, 1)])]
        )
    );
    for text in [
        format!(r#"{{"damon_records": {{"kdamonds": [{{}}], "record_list": {list}}}}}"#),
        format!(
            r#"{{"damo_record_ver": 1, "damo_records": {{"damon_records": {{"record_list": {list}}}}}}}"#
        ),
    ] {
        assert_eq!(snapshots(&read(text.as_bytes()).unwrap().1).len(), 1);
    }
}

#[test]
fn the_mark_behind_a_lone_snapshot_is_none() {
    let mark = r#"{"start": "0", "end": "0", "nr_accesses": {"samples": -1, "percent": null}, "age": {"usec": null, "aggr_intervals": "-1"}}"#;
    let text = format!(
        "[{}]",
        record(
            r#""target_id": 1"#,
            &[
                snapshot(1, 2, &[region(0, 4096, 1)]),
                snapshot(2, 3, &[mark.to_owned()])
            ]
        )
    );
    let (_, items) = read(text.as_bytes()).unwrap();
    assert_eq!(items.len(), 1);
}

#[test]
fn more_records_than_files_are_read() {
    let records: Vec<String> = (0..70)
        .map(|id| {
            let regions = [region(0, 4096, id)];
            let times = u64::from(id) * 10;
            record(
                &format!(r#""target_id": {id}"#),
                &[
                    snapshot(times, times + 5, &regions),
                    snapshot(times + 5, times + 2000, &regions),
                ],
            )
        })
        .collect();
    let (meta, items) = read(format!("[{}]", records.join(",")).as_bytes()).unwrap();
    assert_eq!(meta.targets.len(), 70);
    let found = snapshots(&items);
    assert_eq!(found.len(), 140);
    for snapshot in found {
        let id = snapshot.regions[0].nr_accesses;
        assert_eq!(u64::from(id), snapshot.target.target_id);
    }
}

#[test]
fn what_is_no_record_is_refused_in_one_line() {
    for (text, says) in [
        (r#"{"kdamonds": []}"#, "there is no record of damo's in it"),
        ("[1, 2, [3]]", "there is no record of damo's in it"),
        (
            r#"[{"target_id": 1}]"#,
            "there is no record of damo's in it",
        ),
        ("{}", "there is no record of damo's in it"),
        (
            "[{\"target_id\": 1,\n \"snapshots\" [",
            "at offset 31: expected `:` at line 2 column 14; nothing of this",
        ),
        ("[", "EOF while parsing a list at line 1 column 1"),
    ] {
        for bytes in [text.as_bytes().to_vec(), zlib(text.as_bytes())] {
            let error = read(&bytes).unwrap_err();
            assert!(error.contains(says), "{error}");
            assert!(error.contains("/record: "), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
    assert_eq!(read(b"[]").unwrap().1, []);
    let error = read(b"x\x9c\xed\xbd").unwrap_err();
    assert!(
        error.ends_with("nothing of this compressed json can be read"),
        "{error}"
    );
    // Begins as zlib data may, but is text.
    let error = read(b"x^2 + y^2\n").unwrap_err();
    assert!(error.contains("looks like text"), "{error}");
}

#[test]
fn broken_compression_keeps_what_was_whole() {
    let regions: Vec<String> = (0..50)
        .map(|i| region(i * 4096, (i + 1) * 4096, (i * 7919 % 97) as u32))
        .collect();
    let all: Vec<String> = (0..200)
        .map(|i| snapshot(i * 977, i * 977 + 900, &regions))
        .collect();
    let whole = zlib(format!("[{}]", record(r#""target_id": 1"#, &all)).as_bytes());
    assert_eq!(read(&whole).unwrap().1.len(), 200);
    let cut = &whole[..whole.len() / 2];
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x55;
    // The last four bytes are a checksum: what came last is not believed.
    let mut unsure = whole.clone();
    *unsure.last_mut().unwrap() ^= 1;
    for (bytes, least) in [(cut, 20), (&flipped, 20), (&unsure, 150)] {
        let (_, items) = read(bytes).unwrap();
        assert!(items.len() > least, "{}", items.len());
        assert!(is_damage(items.last().unwrap()));
        assert_eq!(items.iter().filter(|item| is_damage(item)).count(), 1);
    }
}

#[test]
fn records_beside_strangers_are_read() {
    let good = record(
        r#""target_id": 1"#,
        &[
            "7".to_owned(),
            snapshot(1, 2, &[region(0, 4096, 1)]),
            "{}".to_owned(),
        ],
    );
    let (_, items) = read(format!("[3, {good}, {{\"a\": 1}}]").as_bytes()).unwrap();
    let kinds: Vec<bool> = items
        .iter()
        .map(|item| matches!(item, Item::Snapshot(_)))
        .collect();
    // An empty object is a snapshot that tells no time: a gap.
    assert_eq!(kinds, [true, false, false]);
}

#[test]
fn every_fixture_of_the_peer_reports_as_expected() {
    let Some(fixtures) = fixtures() else { return };
    let (v1, v3) = (fixtures.join("v1"), fixtures.join("v3"));
    let zigzag = v3.join("zigzag.json_compressed");
    let text = |path| std::fs::read_to_string(path).unwrap();
    let args = [
        "wss",
        "-r",
        "1",
        "101",
        "1",
        "--raw_number",
        "--collapse_targets",
    ];
    assert_same("wss", &stdout(&args, &zigzag), &text(v3.join("wss.txt")));
    let args = &args[..args.len() - 1];
    assert_same("v1 wss", &stdout(args, &zigzag), &text(v1.join("wss.txt")));
    let raw = String::from_utf8(report_common::gunzip(&v1.join("raw.txt.gz"))).unwrap();
    assert_same("raw", &stdout(&["raw"], &zigzag), &raw);
    let guide = stdout(&["heats", "--guide"], &zigzag);
    assert_same("guide", &guide, &text(v1.join("guide.txt")));
    for (name, regions) in [("snapshot.nofilter", 132), ("snapshot.anon", 105)] {
        let raw = stdout(&["raw"], &v3.join(name));
        assert!(raw.contains(&format!("nr_regions: {regions}\n")), "{raw}");
        let (meta, items) = read(&std::fs::read(v3.join(name)).unwrap()).unwrap();
        assert_eq!(items.len(), 1);
        assert!(meta.targets[0].origin.as_ref().unwrap().all_targets);
        assert_eq!(snapshots(&items)[0].intervals, meta.intervals);
    }
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let text = format!(
        "[{}]",
        record(
            r#""target_id": 7"#,
            &[snapshot(1, 2, &[region(0, 4096, 3)])]
        )
    );
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    assert_eq!(read(&marked), read(text.as_bytes()));
    let error = read(b"\xef\xbb\xbf[{\"x\": ?}]").unwrap_err();
    assert!(error.contains("offset 10"), "{error}");
}

#[test]
fn what_is_kept_of_all_records_is_bounded() {
    let filters = |nr: usize| format!(r#""scheme_filters": [{}]"#, vec!["1"; nr].join(","));
    let one = record(&filters(50_000), &[snapshot(1, 2, &[region(0, 4096, 3)])]);
    let (meta, items) = read(format!("[{one}, {one}]").as_bytes()).unwrap();
    assert_eq!((meta.targets.len(), snapshots(&items).len()), (2, 2));
    let (meta, items) = read(format!("[{}]", [&*one; 9].join(",")).as_bytes()).unwrap();
    assert!(meta.targets.len() < 4, "{}", meta.targets.len());
    assert!(is_damage(items.last().unwrap()));
}

#[test]
fn what_follows_compressed_json_is_told_and_a_wrong_checksum_costs_nothing() {
    let text = r#"[{"target_id": 0, "snapshots": [{"start_time": "0", "end_time": "100",
        "regions": [{"start": "0", "end": "4,096", "nr_accesses": {"samples": 1}, "age": null}]}]}]"#;
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, text.as_bytes()).unwrap();
    let whole = packer.finish().unwrap();
    let mut wrong = whole.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed");
    for (bytes, gaps) in [
        (whole.clone(), 0),
        (wrong, 1),
        ([&whole[..], &whole[..]].concat(), 1),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let mut record = damo_user::import::open(&path).unwrap();
        let items: Vec<_> = record.items().unwrap().map(|item| item.unwrap()).collect();
        let is_gap =
            |item: &&damo_user::model::Item| matches!(item, damo_user::model::Item::Gap(_));
        assert_eq!(items.iter().filter(is_gap).count(), gaps);
        assert_eq!(items.len() - gaps, 1, "the snapshot is whole");
    }
}
