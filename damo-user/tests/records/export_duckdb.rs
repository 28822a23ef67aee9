//! DuckDB reads what `damo convert` writes, with the queries of docs/PARQUET.md,
//! and finds what `damo report` prints.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::duckdb;
use crate::export_common;
use crate::report_common;

use std::fs;
use std::path::Path;

use damo_user::export::{Filter, write_damo};
use damo_user::model::{Gap, Item, LossCause, Meta};
use duckdb::DuckDb;
use export_common::{Memory, key, region, snapshot};
use report_common::{command, fixtures, folder};

/// The `n`-th query of the document, on other files.
fn query(n: usize, files: &Path) -> String {
    let document = include_str!("../../../docs/PARQUET.md");
    let block = document.split("```sql\n").nth(n + 1).unwrap();
    let (sql, _) = block.split_once("```").unwrap();
    assert_eq!(sql.matches("'fleet/*.parquet'").count(), 1);
    sql.replace("fleet/*.parquet", files.to_str().unwrap())
}

fn convert(input: &Path, output: &Path, code: i32) {
    let mut command = command(&["convert"]);
    let output = command.arg(input).arg(output).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
}

/// Target id, percentile and size, for each that `damo report wss` prints.
fn reported(input: &Path) -> Vec<[String; 3]> {
    let mut command = command(&[
        "report",
        "wss",
        "--raw_number",
        "--nr_cols_bar",
        "0",
        "--input",
    ]);
    let output = command.arg(input).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut target = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(id) = line.strip_prefix("# target_id\t") {
            target = id.to_owned();
        } else if !line.starts_with('#') {
            let mut words = line.split_whitespace().map(str::to_owned);
            rows.push([target.clone(), words.next().unwrap(), words.next().unwrap()]);
        }
    }
    assert!(!rows.is_empty(), "{text}");
    rows
}

/// The same of rows of the document's query.
fn found(rows: &[Vec<String>]) -> Vec<[String; 3]> {
    let rows = rows.iter();
    rows.map(|row| [row[3].clone(), row[4].clone(), row[5].clone()])
        .collect()
}

/// Two targets of a host: of the first, each third snapshot has no region and each
/// fourth none that was accessed; sizes go up and down.
fn host(name: &str, snapshots: u64) -> Memory {
    let (one, two) = (key(7, 0), key(7, 1));
    let mut items = Vec::new();
    for i in 0..snapshots {
        let end = 4096 * (2 + i * 37 % 101);
        let used = u32::from(i % 4 != 0);
        let busy = vec![
            region(4096, end, used, Some(1)),
            region(end, 1 << 40, 0, None),
        ];
        let high = vec![region(u64::MAX - 4095 - i, u64::MAX, 20, Some(0))];
        let busy = if i % 3 == 0 { vec![] } else { busy };
        items.push(Item::Snapshot(snapshot(one, i, busy)));
        items.push(Item::Snapshot(snapshot(two, i, high)));
        if i == 30 {
            // Neither is a snapshot of 0 bytes.
            for (target, events) in [(Some(one), Some(4)), (None, None)] {
                items.push(Item::Gap(Gap {
                    target,
                    start_ns: 1,
                    end_ns: 2,
                    events,
                    cause: LossCause::RingFull,
                }));
            }
        }
    }
    let meta = Meta {
        hostname: name.to_owned(),
        wall_ns: 1_795_205_565_123_456_789,
        mono_ns: 1_000_000_000,
        ..Meta::default()
    };
    Memory { meta, items }
}

fn write(record: &mut Memory, path: &Path) {
    let mut bytes = Vec::new();
    write_damo(record, &Filter::default(), &mut bytes).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn working_sets_of_a_fleet_are_those_of_its_reports() {
    let Some(duckdb) = DuckDb::find() else { return };
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    for (name, snapshots) in [("alpha", 77), ("beta", 141)] {
        let record = at(&format!("{name}.damo"));
        write(&mut host(name, snapshots), &record);
        convert(&record, &at(&format!("{name}.parquet")), 3);
        let rows = duckdb.query(&query(0, &at(&format!("{name}.parquet"))));
        assert_eq!(found(&rows), reported(&record), "{name}");
        assert_eq!(rows.len(), 10);
        // A working set of nothing was found, too.
        assert_eq!(rows[0][5], "0");
    }
    let rows = duckdb.query(&query(0, &at("*.parquet")));
    assert_eq!(rows.len(), 20);
    for name in ["alpha", "beta"] {
        let rows: Vec<_> = rows.iter().filter(|row| row[0] == name).cloned().collect();
        assert_eq!(
            found(&rows),
            reported(&at(&format!("{name}.damo"))),
            "{name}"
        );
    }
    assert_eq!(
        duckdb.query(&query(1, &at("*.parquet"))),
        ["alpha", "beta"].map(|name| [name, "ring_full", "4", "1"].map(str::to_owned).to_vec())
    );
}

#[test]
fn working_sets_of_the_peers_record_are_those_of_the_report() {
    let Some(duckdb) = DuckDb::find() else { return };
    let Some(v1) = fixtures() else { return };
    let folder = folder();
    let (record, table) = (
        v1.join("zigzag.record-v2"),
        folder.path().join("zigzag.parquet"),
    );
    convert(&record, &table, 0);
    let rows = duckdb.query(&query(0, &table));
    assert_eq!(found(&rows), reported(&record));
    assert_eq!(rows.len(), 5);
}

#[test]
fn types_and_times_are_what_the_document_says() {
    let Some(duckdb) = DuckDb::find() else { return };
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    write(&mut host("alpha", 40), &at("in.damo"));
    for name in ["a.parquet", "a.csv", "a.ndjson"] {
        convert(&at("in.damo"), &at(name), 3);
    }
    let parquet = at("a.parquet").display().to_string();
    let types = duckdb.query(&format!("DESCRIBE SELECT * FROM '{parquet}'"));
    let kind = |name: &str| types.iter().find(|row| row[0] == name).unwrap()[1].clone();
    assert_eq!(kind("start_address"), "UBIGINT");
    assert_eq!(kind("nr_accesses"), "UINTEGER");
    assert_eq!(kind("access_hz"), "DOUBLE");
    assert_eq!(kind("end_time"), "TIMESTAMPTZ_NS");
    let sums = "count(*), max(end_address), sum(size_bytes), sum(nr_accesses), max(snapshot)";
    let of_parquet = duckdb.query(&format!(
        "SELECT {sums}, epoch_ns(min(start_time)) FROM '{parquet}' WHERE kind = 'region'"
    ));
    // All of the second target, two in three of the first with two regions each.
    assert_eq!(of_parquet[0][..2], ["92", "18446744073709551615"]);
    assert_eq!(of_parquet[0][4..], ["39", "1795205565123456789"]);
    let csv = at("a.csv").display().to_string();
    let types = "{'start_address': 'UBIGINT', 'end_address': 'UBIGINT', 'target_id': 'UBIGINT'}";
    let of_csv = duckdb.query(&format!(
        "SELECT {sums} FROM read_csv('{csv}', types = {types})"
    ));
    assert_eq!(of_csv[0][..], of_parquet[0][..5]);
    let ndjson = at("a.ndjson").display().to_string();
    let of_ndjson = duckdb.query(&format!(
        "SELECT count(*), max(end_address), sum(end_address - start_address), sum(nr_accesses) FROM (
           SELECT r.start_address::UBIGINT AS start_address, r.end_address::UBIGINT AS end_address, r.nr_accesses
           FROM (SELECT unnest(regions) AS r FROM read_json('{ndjson}', format = 'newline_delimited') WHERE type = 'snapshot'))"
    ));
    assert_eq!(of_ndjson[0][..], of_parquet[0][..4]);
}
