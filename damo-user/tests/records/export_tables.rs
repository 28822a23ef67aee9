//! CSV, NDJSON and Parquet hold what the record holds, as docs/PARQUET.md says.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::export_common;

use damo_user::export::{COLUMNS, Filter, Kind, write_csv};
use damo_user::model::{
    Applied, Figure, Item, Known, Mapping, Meta, Note, SchemeCounts, Snapshot, Summed, Tuned,
};
use export_common::read::*;
use export_common::*;
use parquet::file::reader::FileReader;

#[test]
fn csv_has_every_sample_and_tells_the_rest() {
    let mut record = of_everything();
    let (exported, rows) = csv(&mut record);
    assert_eq!(
        rows.iter().map(plain).collect::<Vec<_>>(),
        expected(&record)
    );
    assert_eq!((exported.snapshots, exported.samples), (5, 7));
    assert_eq!(exported.losses, losses(&record));
    assert_eq!(exported.losses.samples(), 14);
    assert_eq!(exported.losses.uncounted_gaps, 1);

    let get = |row: usize, name: &str| rows[row].get(name).map(String::as_str);
    assert_eq!(get(0, "hostname"), Some("host, \"one\""));
    assert_eq!(get(0, "start_time"), Some("2026-11-20T20:12:45.000000000Z"));
    assert_eq!(get(0, "end_time"), Some("2026-11-20T20:12:45.100000000Z"));
    // 3 in 100 ms, and 7 times 100 ms.
    assert_eq!(
        (get(0, "access_hz"), get(0, "age_us")),
        (Some("30"), Some("700000"))
    );
    assert_eq!((get(0, "pid"), get(0, "comm")), (Some("7"), Some("seven")));
    assert_eq!((get(4, "pid"), get(4, "comm")), (Some("8"), Some("eight")));
    // Its number tells that a snapshot without regions came before it.
    assert_eq!(
        (get(4, "snapshot"), get(6, "snapshot")),
        (Some("1"), Some("2"))
    );
    assert_eq!((get(4, "access_hz"), get(4, "age_us")), (None, None));
    assert_eq!(
        (get(4, "probe_hits"), get(4, "filter_passed_bytes")),
        (Some("2 0 5"), Some("4096"))
    );
    assert_eq!(
        (get(5, "probe_hits"), get(5, "filter_passed_bytes")),
        (None, None)
    );
    assert_eq!(get(5, "end_address"), Some("18446744073709551615"));
    // Once for the snapshot.
    assert_eq!(
        (get(2, "lost_samples"), get(2, "lost_cause")),
        (Some("5"), Some("incomplete"))
    );
    assert_eq!((get(3, "lost_samples"), get(3, "lost_cause")), (None, None));
}

#[test]
fn parquet_has_the_samples_the_empty_snapshots_and_the_gaps() {
    let mut record = of_everything();
    let (exported, reader) = parquet_file(&mut record);
    assert_eq!(exported, csv(&mut record).0);
    let rows = parquet_rows(&reader);
    let of_kind = |kind: &str| {
        let rows = rows.iter().filter(|row| row["kind"] == kind);
        rows.cloned().collect::<Vec<Row>>()
    };
    // As the csv, but for the form of the wall clock and the order.
    let mut wanted = csv(&mut record).1;
    let mut regions = of_kind("region");
    for row in wanted.iter_mut().chain(&mut regions) {
        row.remove("start_time");
        row.remove("end_time");
    }
    wanted.sort();
    regions.sort();
    assert_eq!(regions, wanted);
    assert_eq!(of_kind("region")[0]["start_time"], "1795205565000000000");

    let empty = &of_kind("snapshot")[..];
    assert_eq!(empty.len(), 1);
    assert_eq!((&*empty[0]["kdamond"], &*empty[0]["snapshot"]), ("42", "0"));
    assert!(!empty[0].contains_key("nr_accesses") && !empty[0].contains_key("size_bytes"));

    let gaps = of_kind("gap");
    assert_eq!(gaps.len(), 2);
    assert!(gaps.iter().all(|gap| !gap.contains_key("snapshot")));
    // The one of unknown target comes first.
    assert_eq!(
        (gaps[0].get("kdamond"), &*gaps[0]["lost_cause"]),
        (None, "damaged")
    );
    assert_eq!(
        (gaps[0].get("lost_samples"), &*gaps[1]["lost_samples"]),
        (None, "9")
    );
    assert_eq!(
        (&*gaps[1]["pid"], &*gaps[1]["lost_cause"]),
        ("7", "ring_full")
    );

    let lost = rows.iter().filter_map(|row| row.get("lost_samples"));
    let lost: u64 = lost.map(|text| text.parse::<u64>().unwrap()).sum();
    assert_eq!(lost, exported.losses.samples());
}

#[test]
fn parquet_says_what_it_is() {
    let (_, reader) = parquet_file(&mut of_everything());
    let metadata = reader.metadata().file_metadata();
    let pairs = metadata.key_value_metadata().unwrap();
    let value = |key: &str| {
        let pair = pairs.iter().find(|pair| pair.key == format!("damo.{key}"));
        pair.and_then(|pair| pair.value.clone()).unwrap_or_default()
    };
    for (key, expected) in [
        ("schema_version", "1"),
        ("recorded_by", "a test"),
        ("command", "damo record"),
        ("hostname", "host, \"one\""),
        ("boot_id", "b007"),
        ("kernel", ""),
        ("aggr_us", "100000"),
        ("wall_ns", "1795205565000000000"),
        ("record_ns", "1000000000"),
        ("snapshots", "5"),
        ("samples", "7"),
        ("lost_samples", "14"),
        ("lost_incomplete", "5"),
        ("lost_ring_full", "9"),
        ("gaps_of_unknown_size", "1"),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
    let group = reader.metadata().row_group(0);
    let sorted: Vec<&str> = group
        .sorting_columns()
        .unwrap()
        .iter()
        .map(|sorting| {
            assert!(!sorting.descending && sorting.nulls_first);
            COLUMNS[sorting.column_idx as usize].name
        })
        .collect();
    assert_eq!(sorted, ["end_ns", "kdamond", "target_id", "start_address"]);
    for column in group.columns() {
        assert!(column.statistics().is_some(), "{column:?}");
    }
    let addresses = group.column(16).statistics().unwrap();
    // As unsigned numbers: the largest has the top bit set.
    assert_eq!(
        addresses.max_bytes_opt().unwrap(),
        (1u64 << 63).to_le_bytes()
    );
    assert_eq!(addresses.null_count_opt(), Some(3));
}

#[test]
fn ndjson_has_everything_in_its_order() {
    let mut record = of_everything();
    let (exported, lines) = ndjson(&mut record);
    assert_eq!(exported, csv(&mut record).0);
    let types: Vec<&str> = lines
        .iter()
        .map(|line| line["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "record", "snapshot", "snapshot", "snapshot", "snapshot", "gap", "gap", "snapshot"
        ]
    );
    assert_eq!(lines[0]["meta"]["hostname"], "host, \"one\"");
    assert_eq!(lines[0]["meta"]["targets"][1]["target_id"], "0");
    assert_eq!(lines[0]["meta"]["wall_ns"], "1795205565000000000");
    assert_eq!(lines[1]["start_time"], "2026-11-20T20:12:45.000000000Z");
    assert_eq!(lines[1]["intervals"]["aggr_us"], 100_000);
    assert_eq!(lines[2]["regions"], serde_json::json!([]));
    assert_eq!(lines[3]["missing_samples"], 5);
    assert_eq!(
        lines[4]["regions"][0]["probe_hits"],
        serde_json::json!([2, 0, 5])
    );
    assert_eq!(
        lines[4]["regions"][1]["end_address"],
        "18446744073709551615"
    );
    assert_eq!(lines[4]["regions"][1]["age_aggrs"], serde_json::Value::Null);
    assert_eq!(
        (&lines[5]["lost_samples"], &lines[5]["kdamond"]),
        (&9.into(), &41.into())
    );
    assert_eq!(
        (&lines[6]["lost_samples"], &lines[6]["target_id"]),
        (&().into(), &().into())
    );
}

#[test]
fn notes_are_lines_of_ndjson_alone() {
    let mut record = of_everything();
    let mapping = Mapping {
        pid: 7,
        start: 1 << 63,
        end: u64::MAX,
        permissions: 5,
        offset: 4096,
        name: "/bin/a \"b\"".into(),
    };
    let tuned = Tuned {
        kdamond: 41,
        intervals: INTERVALS,
    };
    let applied = Applied {
        target: key(41, u64::MAX),
        context: 0,
        scheme: 2,
        region: region(4096, 8192, 1, None),
    };
    let counts = SchemeCounts {
        sz_applied: 8192,
        ..SchemeCounts::default()
    };
    let summed = Summed {
        target: key(41, 3),
        figure: Figure::Idle,
        step: 9,
        value: 10,
    };
    record.items = [
        Known::Clock(5),
        Known::Mapping(mapping),
        Known::Tuned(tuned),
        Known::Applied(applied),
        Known::Scheme(counts),
        Known::Summed(summed),
    ]
    .map(|what| {
        Item::Note(Note {
            time_ns: 2_000_000_000,
            what,
        })
    })
    .to_vec();
    let (_, lines) = ndjson(&mut record);
    let types: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["type"].as_str())
        .collect();
    assert_eq!(
        types,
        [
            "record", "clock", "mapping", "tuned", "applied", "scheme", "summed"
        ]
    );
    assert_eq!(lines[1]["wall_ns"], "5");
    assert_eq!(lines[1]["time_ns"], "2000000000");
    assert_eq!(lines[1]["time"], "2026-11-20T20:12:46.000000000Z");
    assert_eq!(lines[2]["end_address"], "18446744073709551615");
    assert_eq!(lines[2]["name"], "/bin/a \"b\"");
    assert_eq!(lines[3]["intervals"]["update_us"], 1_000_000);
    assert_eq!(lines[4]["target_id"], "18446744073709551615");
    assert_eq!(lines[4]["region"]["start_address"], "4096");
    assert_eq!(lines[5]["sz_applied_bytes"], 8192);
    assert_eq!(lines[6]["figure"], "pages_by_idle_step");
    assert_eq!(
        (&lines[6]["step"], &lines[6]["value"]),
        (&9.into(), &10.into())
    );
    assert!(csv(&mut record).1.is_empty());
    assert!(parquet_rows(&parquet_file(&mut record).1).is_empty());
}

#[test]
fn a_large_record_is_sorted_row_groups_with_no_row_lost_between() {
    // The second snapshot does not fit into the first row group, and times go
    // back within the second.
    let regions = |n: u64| (0..n).map(|i| region(i << 12, (i + 1) << 12, i as u32 % 20, None));
    let target = key(1, 0);
    let snapshot = |i, n| {
        Item::Snapshot(Snapshot {
            missing: 1,
            ..snapshot(target, i, regions(n).collect())
        })
    };
    let mut record = Memory {
        meta: Meta::default(),
        items: vec![
            snapshot(0, 100_000),
            snapshot(2, 50_000),
            snapshot(1, 1_000),
        ],
    };
    let (exported, reader) = parquet_file(&mut record);
    assert_eq!((exported.samples, exported.losses.samples()), (151_000, 3));
    let groups: Vec<i64> = reader
        .metadata()
        .row_groups()
        .iter()
        .map(|g| g.num_rows())
        .collect();
    assert_eq!(groups, [131_072, 151_000 - 131_072]);
    let rows = parquet_rows(&reader);
    let place = |row: &Row| {
        let number = |name: &str| row[name].parse::<u64>().unwrap();
        (number("end_ns"), number("start_address"))
    };
    let (first, second) = rows.split_at(131_072);
    assert!(first.is_sorted_by_key(place) && second.is_sorted_by_key(place));
    assert_eq!(second[0]["snapshot"], "2");
    let mut places: Vec<_> = rows.iter().map(place).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 151_000);
    assert_eq!(
        rows.iter()
            .filter(|row| row.contains_key("lost_samples"))
            .count(),
        3
    );
}

#[test]
fn the_same_part_has_the_same_name_and_another_has_another() {
    let name = |record: &mut Memory, filter: &Filter| {
        let mut out = Vec::new();
        write_csv(record, filter, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines()
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap()
            .to_owned()
    };
    let all = Filter::default();
    let one = name(&mut of_everything(), &all);
    assert_eq!((one.len(), &one), (32, &name(&mut of_everything(), &all)));
    let mut other = of_everything();
    other.meta.hostname = "another".to_owned();
    assert_ne!(one, name(&mut other, &all));
    let late = Filter {
        time: Some(1_100_000_001..u64::MAX),
        ..Filter::default()
    };
    assert_ne!(one, name(&mut of_everything(), &late));
}

#[test]
fn the_document_names_every_column_with_its_type() {
    let document = include_str!("../../../docs/PARQUET.md");
    let (_, columns) = document.split_once("## Columns").unwrap();
    let (columns, _) = columns.split_once("\n## ").unwrap();
    let rows: Vec<(&str, &str)> = columns
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            Some((name, cells.next()?))
        })
        .collect();
    let kind = |kind| match kind {
        Kind::U32 => "uint32",
        Kind::U64 => "uint64",
        Kind::F64 => "double",
        Kind::Wall => "timestamp(ns, UTC)",
        Kind::Text => "string",
    };
    let columns: Vec<_> = COLUMNS
        .iter()
        .map(|column| (column.name, kind(column.kind)))
        .collect();
    assert_eq!(rows, columns);
}
