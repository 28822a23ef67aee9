//! What is read, before it is kept anywhere; and that writing it gives it back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;

use super::document::Taker;
use super::head::Head;
use super::{about, parse};
use crate::export::{Filter, JsonForm, write_json};
use crate::import::ingest::told;
use crate::model::{
    Gap, Item, Items, LossCause, Meta, ReadError, Record, Region, Snapshot, TargetKey,
};

/// A record in memory, in the order in which it was found.
#[derive(Debug, Default)]
pub struct Memory {
    heads: Vec<Head>,
    pub meta: Meta,
    pub items: Vec<Item>,
    damage: Option<ReadError>,
}

impl Taker for Memory {
    fn record(&mut self, head: Head) -> bool {
        self.heads.push(head);
        true
    }

    fn item(&mut self, item: Item) -> bool {
        self.items.push(item);
        true
    }
}

impl Record for Memory {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        Ok(Box::new(self.items.iter().cloned().map(Ok)))
    }
}

pub fn read(text: &[u8]) -> Result<Memory, ReadError> {
    let mut memory = Memory::default();
    memory.damage = parse(Path::new("memory"), text, "json", &mut memory)?;
    let (meta, targets) = about(std::mem::take(&mut memory.heads));
    memory.meta = meta;
    let items = std::mem::take(&mut memory.items).into_iter();
    memory.items = items.map(|item| told(item, &targets)).collect();
    Ok(memory)
}

pub fn written(record: &mut dyn Record) -> Vec<u8> {
    let mut text = Vec::new();
    write_json(record, &Filter::default(), JsonForm::File, &mut text).unwrap();
    text
}

fn snapshots(memory: &Memory) -> Vec<Snapshot> {
    let snapshot = |item: &Item| match item {
        Item::Snapshot(snapshot) => snapshot.clone(),
        other => unreachable!("{other:?}"),
    };
    memory.items.iter().map(snapshot).collect()
}

/// A record around the fields of one snapshot.
fn around(fields: &str) -> String {
    format!(
        r#"[{{"intervals": {{"sample_us": "5 ms", "aggr_us": 100000, "ops_update_us": "1 s"}},
             "target_id": 3, "snapshots": [{{"start_time": 10, "end_time": "20", {fields}}}]}}]"#
    )
}

#[test]
fn everything_of_a_snapshot_is_read() {
    let text = around(
        r#""regions": [
            {"start": "4,096", "end": "12 KiB", "nr_accesses": {"samples": 3, "percent": null},
             "age": {"usec": null, "aggr_intervals": "1,234"}, "probe_hits": [1, "2"],
             "sz_filter_passed": "1.500 KiB"},
            {"start": 12288, "end": 16384.0, "nr_accesses": {"percent": "40 %"},
             "age": {"usec": "1 s 200 ms", "aggr_intervals": null}}],
           "total_bytes": "99.000 KiB", "sample_interval_us": "10 ms", "unknown": [{}],
           "damos_stats": {"nr_tried": "1,000", "sz_tried": "2.000 MiB", "else": [1]}"#,
    );
    let found = &snapshots(&read(text.as_bytes()).unwrap())[0];
    let region = |start, end, nr_accesses, age| Region {
        start,
        end,
        nr_accesses,
        age: Some(age),
    };
    assert_eq!(
        found.regions,
        [region(4096, 12288, 3, 1234), region(12288, 16384, 8, 12)]
    );
    assert_eq!((found.start_ns, found.end_ns, found.missing), (10, 20, 0));
    let intervals = found.intervals.unwrap();
    assert_eq!((intervals.sample_us, intervals.aggr_us), (10_000, 200_000));
    assert_eq!(intervals.update_us, 1_000_000);
    let extra = found.extra.as_deref().unwrap();
    assert_eq!(extra.filter_passed, [Some(1536), Some(0)]);
    assert_eq!(extra.probe_hits, [vec![1, 2], vec![]]);
    assert_eq!(extra.total_bytes, Some(99 << 10));
    let stats = BTreeMap::from([
        ("nr_tried".to_owned(), 1000),
        ("sz_tried".to_owned(), 2 << 20),
    ]);
    assert_eq!(extra.scheme_stats, Some(stats));
}

#[test]
fn what_says_nothing_is_not_kept() {
    let text = around(
        r#""regions": [{"start": "0", "end": "4,096", "nr_accesses": {"samples": 3, "percent": 15},
            "age": {"usec": "0 ns", "aggr_intervals": "0"}, "probe_hits": [],
            "sz_filter_passed": "0 B"}],
           "total_bytes": "4096", "damos_stats": null, "sample_interval_us": null"#,
    );
    assert_eq!(snapshots(&read(text.as_bytes()).unwrap())[0].extra, None);
}

#[test]
fn regions_that_make_no_sense_are_missing() {
    for region in [
        r#"{"start": "-5", "end": "4096", "nr_accesses": {"samples": 3}}"#,
        r#"{"start": "x", "end": "4096", "nr_accesses": {"samples": 3}}"#,
        r#"{"start": 99999999999999999999999, "end": 1, "nr_accesses": {"samples": 3}}"#,
        r#"{"start": 0, "end": "18446744073709551616", "nr_accesses": {"samples": 3}}"#,
        r#"{"start": [], "end": {}, "nr_accesses": {"samples": 3}}"#,
        r#"{"end": 4096, "nr_accesses": {"samples": 3}}"#,
        r#"{"start": 0, "end": 4096}"#,
        r#"{"start": 0, "end": 4096, "nr_accesses": null}"#,
        r#"{"start": 0, "end": 4096, "nr_accesses": {"samples": -1}}"#,
        r#"{"start": 0, "end": 4096, "nr_accesses": {"samples": 4294967296}}"#,
        r#"{"start": 0, "end": 4096, "nr_accesses": {"percent": 1e300}}"#,
        r#"{"start": 0, "end": 4096, "nr_accesses": {"percent": -5}}"#,
        "7",
        "null",
        "[1, [2]]",
    ] {
        let good = r#"{"start": 8192, "end": 12288, "nr_accesses": {"samples": 1}, "age": 7}"#;
        let text = around(&format!(r#""regions": [{region}, {good}]"#));
        let found = &snapshots(&read(text.as_bytes()).unwrap())[0];
        assert_eq!((found.missing, found.regions.len()), (1, 1), "{region}");
        assert_eq!(found.regions[0].age, None);
    }
}

#[test]
fn regions_out_of_order_are_a_gap() {
    for regions in [
        r#"{"start": 8192, "end": 4096, "nr_accesses": {"samples": 1}},
           {"start": 8192, "end": 9000, "nr_accesses": {"samples": 1}}"#,
        r#"{"start": 0, "end": 4096, "nr_accesses": {"samples": 1}},
           {"start": 4095, "end": 9000, "nr_accesses": {"samples": 1}}"#,
        r#"{"start": 4096, "end": 8192, "nr_accesses": {"samples": 1}},
           {"start": 0, "end": 4096, "nr_accesses": {"samples": 1}}"#,
    ] {
        let text = around(&format!(r#""regions": [{regions}]"#));
        let gap = Gap {
            target: Some(TargetKey {
                kdamond: 0,
                target_id: 3,
            }),
            start_ns: 10,
            end_ns: 20,
            events: Some(2),
            cause: LossCause::Damaged,
        };
        let found = read(text.as_bytes()).unwrap().items;
        assert_eq!(found, [Item::Gap(gap)], "{regions}");
    }
}

#[test]
fn a_text_cut_anywhere_keeps_what_was_whole() {
    let region = r#"{"start": "0", "end": "4096", "nr_accesses": {"samples": 1}}"#;
    let snapshot =
        |end: u64| format!(r#"{{"start_time": 1, "end_time": {end}, "regions": [{region}]}}"#);
    let text = format!(
        r#"[{{"target_id": 5, "snapshots": [{}, {}]}}, {{"target_id": 6, "snapshots": [{}]}}]"#,
        snapshot(10),
        snapshot(20),
        snapshot(15)
    );
    let ends: Vec<usize> = text
        .match_indices("]}")
        .map(|(at, _)| at + 2)
        .filter(|at| text[..*at].ends_with("}]}"))
        .collect();
    for cut in 0..text.len() {
        let head = &text[..cut];
        let whole = ends.iter().filter(|end| **end <= cut).count();
        match read(head.as_bytes()) {
            Ok(memory) => {
                let kept = |item: &&Item| matches!(item, Item::Snapshot(_));
                assert!(whole >= 1, "{head}");
                let count = memory.items.iter().filter(kept).count();
                // Snapshots and records end alike in the list of ends.
                assert!((1..=3).contains(&count), "{head}");
                assert!(
                    matches!(memory.items.last(), Some(Item::Gap(gap)) if gap.cause == LossCause::Damaged),
                    "{head}"
                );
            }
            Err(ReadError::Malformed { offset, what, .. }) => {
                assert!(offset <= cut as u64, "{offset} of {cut}");
                assert!(what.ends_with("nothing of this json can be read"), "{what}");
            }
            Err(other) => unreachable!("{other}"),
        }
    }
    assert_eq!(snapshots(&read(text.as_bytes()).unwrap()).len(), 3);
}

/// What is told of a text that has one record, whose regions are `regions`, and
/// ends with `end`.
fn damage(regions: &str, end: &str) -> (String, String) {
    let text = format!(
        "[{{\"snapshots\": [\n  {{\"start_time\": 1, \"end_time\": 2, \"regions\": [{regions}]}}{end}"
    );
    let damage = read(text.as_bytes()).unwrap().damage;
    (text, damage.map(|it| it.to_string()).unwrap_or_default())
}

const GOOD: &str = r#"{"start": 0, "end": 4096, "nr_accesses": {"samples": 1}}"#;

#[test]
fn what_makes_no_sense_is_told_with_its_place() {
    assert_eq!(damage(GOOD, "]}]").1, "");
    for bad in [
        r#"{"start": "x", "end": 1, "nr_accesses": {"samples": 1}}"#,
        r#"{"start": 1}"#,
        "[7]",
        r#"{"start": 9, "end": 1, "nr_accesses": {"samples": 1}}"#,
    ] {
        let (text, told) = damage(&format!("{bad},\n  {GOOD}"), "]}]");
        let end = text.find(bad).unwrap() + bad.len();
        let column = end - text.find('\n').unwrap() - 1;
        let expected = format!(
            "memory: at offset {end}: a value that makes no sense ends at line 2 column {column}; it is counted as lost"
        );
        assert_eq!(told, expected, "{text}");
        // The first one's place, however long the text is behind it.
        let more = format!("{bad}, {}{bad}", format!("{GOOD},\n").repeat(5000));
        let (_, told) = damage(&more, "]}, 5]");
        assert!(
            told.contains(&format!("at offset {end}: the first of ")),
            "{told}"
        );
        assert!(
            told.contains(&format!(" line 2 column {column}; they")),
            "{told}"
        );
    }
    let (text, told) = damage(GOOD, ", 77 ]}]");
    let end = text.find("77").unwrap() + 2;
    assert!(told.contains(&format!("at offset {}", end + 1)), "{told}");
    // A snapshot without an end.
    let text = r#"[{"snapshots": [{"regions": []}, {"end_time": 5, "regions": []}]}]"#;
    let told = read(text.as_bytes()).unwrap().damage.unwrap().to_string();
    assert!(told.contains("at offset 31: a value"), "{told}");
}

#[test]
fn a_text_that_breaks_off_says_where() {
    let (text, told) = damage(GOOD, "\n  ?]}]");
    let offset = text.find('?').unwrap();
    assert!(
        told.starts_with(&format!("memory: at offset {offset}: expected")),
        "{told}"
    );
    assert!(
        told.ends_with(" at line 3 column 3; nothing behind that is read"),
        "{told}"
    );
    let (text, told) = damage(GOOD, ",");
    let (len, column) = (text.len(), text.len() - text.find('\n').unwrap() - 1);
    let expected = format!(
        "memory: at offset {len}: EOF while parsing a value at line 2 column {column}; nothing behind that is read"
    );
    assert_eq!(told, expected);
    // Both in one line.
    let (_, told) = damage("7", ",");
    assert!(
        told.contains("makes no sense ends at line 2") && told.contains("; and at offset "),
        "{told}"
    );
    assert!(!told.contains('\n'), "{told}");
}

#[test]
fn giants_are_refused_before_they_are_kept() {
    let long = "x".repeat(3 << 20);
    let deep = "[".repeat(3 << 20);
    let escaped = "\\\"".repeat(2 << 20);
    for text in [
        format!(r#"[{{"target_id": "{long}"}}]"#),
        format!(r#"[{{"target_id": "{escaped}"}}]"#),
        format!(r#"[{{"{long}": 1}}]"#),
        format!(r#"[{{"target_id": 1{}}}]"#, "0".repeat(3 << 20)),
        format!(r#"[{{"other": {deep}"#),
        format!(r#"[{{"other": {}"#, r#"{"a":"#.repeat(200)),
        format!(r#"[{{"scheme_filters": [{}"#, r#""a","#.repeat(1 << 20)),
    ] {
        let error = read(text.as_bytes()).err().unwrap().to_string();
        assert!(
            error.contains("longer than any of a record") || error.contains("recursion limit"),
            "{error}"
        );
    }
}

/// All that the peer has, in its own form.
#[test]
fn the_peers_form_comes_back_byte_for_byte() {
    let text = include_str!("tests_form.json").trim_end();
    let mut memory = read(text.as_bytes()).unwrap();
    assert_eq!(memory.items.len(), 3);
    let again = String::from_utf8(written(&mut memory)).unwrap();
    for (number, (ours, theirs)) in again.lines().zip(text.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {}", number + 1);
    }
    assert_eq!(again, text);
}
