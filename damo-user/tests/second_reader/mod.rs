//! What it takes to hold the second reader against ours.

mod python;
pub mod records;
mod words;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use damo_user::model::{Meta, Record};
use damo_user::store::{Reader, Segments, segment_name};
use serde_json::{Value, json};

use python::{python, second};
use words::{header, items};

fn first(path: &Path, time: Option<&Range<u64>>) -> Vec<Value> {
    if path.is_dir() {
        let mut segments = Segments::open(path).unwrap();
        let one = Reader::open(path.join(segment_name(segments.numbers()[0]))).unwrap();
        let meta = serde_json::to_value(segments.meta()).unwrap();
        let items = items(&mut segments, time);
        return [header(&one), vec![meta], items].concat();
    }
    match Reader::open(path) {
        Ok(mut reader) => {
            let meta = serde_json::to_value(reader.meta()).unwrap();
            [header(&reader), vec![meta], items(&mut reader, time)].concat()
        }
        Err(_) => vec![json!({"item": "refused"})],
    }
}

/// Both readers, item by item; gives how many payloads the second one read of
/// each record.
pub fn compare(records: &[PathBuf], time: Option<Range<u64>>) -> Vec<u64> {
    let Some(python) = python() else {
        return Vec::new();
    };
    let text = second(&python, records, time.as_ref());
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut next = || lines.next().unwrap();
    let mut payloads = Vec::new();
    for path in records {
        let mut refused = false;
        for expected in first(path, time.as_ref()) {
            let mut got = next();
            match got["item"].as_str().unwrap() {
                // As it is understood: what is not there has its zero value.
                "meta" => {
                    let meta: Meta = serde_json::from_value(got["meta"].take()).unwrap();
                    got = serde_json::to_value(meta).unwrap();
                }
                "refused" => got = json!({"item": "refused"}),
                _ => {}
            }
            if got != expected {
                let cut = |value: Value| value.to_string().chars().take(600).collect::<String>();
                panic!(
                    "{} {time:?}:\nthe second reader has {}\nours has {}",
                    path.display(),
                    cut(got),
                    cut(expected)
                );
            }
            refused = expected["item"] == "refused";
        }
        if !refused {
            let read = next();
            assert_eq!(read["item"], "read", "{}: {read}", path.display());
            payloads.push(read["payloads"].as_u64().unwrap());
        }
    }
    assert_eq!(lines.next(), None);
    payloads
}

/// Where records are put.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}
