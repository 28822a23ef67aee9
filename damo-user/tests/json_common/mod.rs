//! What the tests of the peer's json share.

#![allow(dead_code, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::path::{Path, PathBuf};

use damo_user::export::{Filter, JsonForm, write_json};
use damo_user::model::{Item, LossCause, Meta, Record, Snapshot};
use damo_user::store::{Reader, Writer};

/// A region as the peer writes it; `age` and `percent` are json.
pub fn region(start: u64, end: u64, samples: u32) -> String {
    format!(
        r#"{{"start": "{start}", "end": "{end}", "nr_accesses": {{"samples": {samples}, "percent": null}}, "age": {{"usec": null, "aggr_intervals": null}}}}"#
    )
}

/// A snapshot as the peer writes it.
pub fn snapshot(start_ns: u64, end_ns: u64, regions: &[String]) -> String {
    format!(
        r#"{{"start_time": "{start_ns}", "end_time": "{end_ns}", "regions": [{}]}}"#,
        regions.join(",")
    )
}

/// A record: `head` are its other fields.
pub fn record(head: &str, snapshots: &[String]) -> String {
    format!(r#"{{{head}, "snapshots": [{}]}}"#, snapshots.join(","))
}

pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn unzlib(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(bytes), &mut text).unwrap();
    text
}

pub fn file(folder: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("record");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Meta and items of a file's bytes, or the one line that says why not.
pub fn read(bytes: &[u8]) -> Result<(Meta, Vec<Item>), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, bytes);
    let mut record = damo_user::import::open(&path).map_err(|error| error.to_string())?;
    let meta = record.meta().clone();
    let items = record.items().unwrap().map(Result::unwrap).collect();
    Ok((meta, items))
}

pub fn snapshots(items: &[Item]) -> Vec<&Snapshot> {
    let snapshots = items.iter().filter_map(|item| match item {
        Item::Snapshot(snapshot) => Some(snapshot),
        _ => None,
    });
    snapshots.collect()
}

pub fn is_damage(item: &Item) -> bool {
    matches!(item, Item::Gap(gap) if gap.cause == LossCause::Damaged)
}

/// The record as our own file holds it.
pub fn stored(record: &mut dyn Record) -> Reader<std::io::Cursor<Vec<u8>>> {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, &record.meta().clone()).unwrap();
    for item in record.items().unwrap() {
        writer.item(&item.unwrap()).unwrap();
    }
    writer.finish().unwrap();
    Reader::from_source(std::io::Cursor::new(file), "memory").unwrap()
}

pub fn exported(record: &mut dyn Record) -> String {
    let mut text = Vec::new();
    write_json(record, &Filter::default(), JsonForm::File, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// The shared folder with the peer's records, or a word that it is not here.
pub fn fixtures() -> Option<PathBuf> {
    let shared = match std::env::var_os("DAMO_SHARED") {
        Some(shared) => PathBuf::from(shared),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let folder = shared.join("fixtures");
    if folder.join("v3").is_dir() {
        return Some(folder);
    }
    println!("skipped: ../shared/fixtures is not here");
    None
}

/// First line that differs, for a message shorter than the texts.
pub fn assert_same(what: &str, ours: &str, theirs: &str) {
    for (number, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours, theirs, "{what}: line {}", number + 1);
    }
    assert!(ours == theirs, "{what}: one text is longer");
}
