//! What was exported, read again.

// Clippy knows only functions marked #[test] as tests.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use damo_user::analyze::Losses;
use damo_user::export::{COLUMNS, Exported, Filter, write_csv, write_ndjson, write_parquet};
use damo_user::model::{Intervals, Record};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use super::Memory;

/// A row, as texts by the columns' names; nulls are not there.
pub type Row = BTreeMap<String, String>;

pub fn csv(record: &mut Memory) -> (Exported, Vec<Row>) {
    let mut out = Vec::new();
    let exported = write_csv(record, &Filter::default(), &mut out).unwrap();
    let mut reader = csv::Reader::from_reader(out.as_slice());
    let names = reader.headers().unwrap().clone();
    assert_eq!(
        names.iter().collect::<Vec<_>>(),
        COLUMNS.iter().map(|column| column.name).collect::<Vec<_>>()
    );
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let cells = names.iter().zip(row.iter());
        let cells = cells.filter(|(_, text)| !text.is_empty());
        cells
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect()
    });
    (exported, rows.collect())
}

pub fn parquet_file(record: &mut dyn Record) -> (Exported, SerializedFileReader<Bytes>) {
    let mut out = Vec::new();
    let exported = write_parquet(record, &Filter::default(), &mut out).unwrap();
    let reader = SerializedFileReader::new(Bytes::from(out)).unwrap();
    (exported, reader)
}

fn text(field: &Field) -> Option<String> {
    Some(match field {
        Field::Null => return None,
        Field::UInt(number) => number.to_string(),
        Field::ULong(number) => number.to_string(),
        Field::Double(number) => number.to_string(),
        // The reader knows no nanoseconds.
        Field::Long(number) => number.to_string(),
        Field::Str(text) => text.clone(),
        other => panic!("{other:?}"),
    })
}

pub fn parquet_rows(reader: &SerializedFileReader<Bytes>) -> Vec<Row> {
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| {
        let row = row.unwrap();
        let cells = row.get_column_iter();
        cells
            .filter_map(|(name, field)| Some((name.clone(), text(field)?)))
            .collect()
    })
    .collect()
}

pub fn ndjson(record: &mut Memory) -> (Exported, Vec<serde_json::Value>) {
    let mut out = Vec::new();
    let exported = write_ndjson(record, &Filter::default(), &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(out.ends_with('\n'));
    let lines = out.lines().map(|line| serde_json::from_str(line).unwrap());
    (exported, lines.collect())
}

/// What both tables must say of each sample.
pub fn expected(record: &Memory) -> Vec<Row> {
    let mut rows = Vec::new();
    for (snapshot, _, region) in record.samples() {
        let mut row = Row::new();
        let mut put = |name: &str, value: u64| row.insert(name.to_owned(), value.to_string());
        put("kdamond", snapshot.target.kdamond.into());
        put("target_id", snapshot.target.target_id);
        put("start_ns", snapshot.start_ns);
        put("end_ns", snapshot.end_ns);
        put("start_address", region.start);
        put("end_address", region.end);
        put("size_bytes", region.end - region.start);
        put("nr_accesses", region.nr_accesses.into());
        if let Some(age) = region.age {
            put("age_aggrs", age.into());
        }
        if let Some(Intervals {
            sample_us,
            aggr_us,
            update_us,
        }) = snapshot.intervals
        {
            put("sample_us", sample_us);
            put("aggr_us", aggr_us);
            put("update_us", update_us);
            if let Some(age_us) = region
                .age
                .and_then(|age| u64::from(age).checked_mul(aggr_us))
            {
                put("age_us", age_us);
            }
        }
        rows.push(row);
    }
    rows
}

/// Of a row only what [`expected`] has.
pub fn plain(row: &Row) -> Row {
    let others = [
        "record",
        "hostname",
        "boot_id",
        "pid",
        "comm",
        "kind",
        "snapshot",
        "start_time",
        "end_time",
        "access_hz",
        "filter_passed_bytes",
        "probe_hits",
        "lost_samples",
        "lost_cause",
    ];
    let mut row = row.clone();
    row.retain(|name, _| !others.contains(&name.as_str()));
    row
}

pub fn losses(record: &Memory) -> Losses {
    let mut losses = Losses::default();
    record.items.iter().for_each(|item| losses.add(item));
    losses
}
