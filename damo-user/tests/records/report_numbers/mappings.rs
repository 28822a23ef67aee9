//! Of a record that knows its processes' mappings: `report mappings`, `wss --by`.

use std::path::PathBuf;

use damo_user::model::{Known, Mapping, TargetInfo};

use super::*;

fn mapping(pid: u32, start: u64, pages: u64, name: &str) -> Known {
    Known::Mapping(Mapping {
        pid,
        start: start * PAGE,
        end: (start + pages) * PAGE,
        permissions: 3,
        offset: 0,
        name: name.into(),
    })
}

fn process(target_id: u64, pid: u32, comm: &str) -> TargetInfo {
    TargetInfo {
        target_id,
        pid: Some(pid),
        comm: Some(comm.to_owned()),
        ..TargetInfo::default()
    }
}

/// A process with a hot heap, a cold file, and a library that comes later.
fn mapped(folder: &tempfile::TempDir) -> PathBuf {
    let mut items = vec![
        note(0, mapping(5, 0, 100, "/bin/work")),
        note(0, mapping(5, 200, 50, "[heap]")),
        note(0, mapping(5, 1000, 10, "")),
        note(0, mapping(6, 0, 40, "[heap]")),
    ];
    for i in 0..40 {
        let ms = i * 100;
        if i == 30 {
            items.extend([
                note(ms + 50, mapping(5, 0, 100, "/bin/work")),
                note(ms + 50, mapping(5, 200, 50, "[heap]")),
                note(ms + 50, mapping(5, 500, 20, "/lib/new, \"er\" \u{1b}")),
            ]);
        }
        let heap = if i < 35 { 20 } else { 0 };
        items.push(snapshot(
            0,
            ms,
            &[(0, 100, 0), (200, 50, heap), (500, 20, 1), (1000, 10, 4)],
        ));
        items.push(snapshot(1, ms, &[(0, 20, 10), (20, 20, 0)]));
    }
    record(
        folder,
        vec![process(0, 5, "work"), process(1, 6, "other")],
        &items,
    )
}

#[test]
fn mappings_have_their_heat_and_their_size() {
    let folder = folder();
    let record = mapped(&folder);
    let text = stdout(&["mappings", "--raw_number"], &record);
    let fields: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        fields[0],
        [
            "#",
            "access_hz",
            "wss",
            "bytes",
            "idle",
            "pid",
            "kind",
            "mapping"
        ]
    );
    // Of 20 snapshots, 15 saw the heap at 200 hz, the last of them 500 ms before the end.
    assert_eq!(
        fields[1],
        [
            "150.000",
            "153600",
            "204800",
            "500000000",
            "5",
            "heap",
            "[heap]"
        ]
    );
    // Half of it at 100 hz all the time.
    assert_eq!(
        fields[2],
        ["50.000", "81920", "163840", "0", "6", "heap", "[heap]"]
    );
    // The anonymous memory was there for the first half; its addresses are watched on.
    assert_eq!(
        fields[3],
        ["40.000", "40960", "40960", "0", "5", "anonymous", "-"]
    );
    let named = |kind: &str| {
        fields
            .iter()
            .find(|it| it.get(5) == Some(&kind))
            .unwrap()
            .clone()
    };
    assert_eq!(named("unmapped")[..3], ["20.000", "61440", "61440"]);
    let cold = text
        .lines()
        .find(|line| line.contains("/bin/work"))
        .unwrap();
    assert!(cold.contains(" >=2000000000 "), "{cold}");
    assert!(text.contains("/lib/new, \"er\" \\u{1b}\n"), "{text}");
    let coldest = stdout(&["mappings", "--sort", "coldest"], &record);
    assert!(
        coldest.lines().nth(1).unwrap().contains("/bin/work"),
        "{coldest}"
    );
}

#[test]
fn mappings_add_up_to_processes() {
    let folder = folder();
    let record = mapped(&folder);
    let json = stdout(
        &["mappings", "--by", "process", "--format", "json"],
        &record,
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["comm"], &rows[0]["pid"]),
        (&"other".into(), &"6".into())
    );
    assert_eq!(rows[1]["bytes"], 180 * PAGE);
    assert_eq!(rows[1]["kind"], serde_json::Value::Null);
    assert_eq!(rows[1]["accessed"], true);
    let lines = stdout(&["mappings", "--format", "ndjson"], &record);
    let names: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["mapping"].clone())
        .collect();
    assert!(
        names.contains(&"/lib/new, \"er\" \u{1b}".into()),
        "{names:?}"
    );
    let kinds = stdout(&["mappings", "--by", "kind", "--format", "csv"], &record);
    assert_eq!(
        kinds.lines().filter(|line| line.contains(",file,")).count(),
        1
    );
}

#[test]
fn wss_of_mappings_adds_up_to_the_targets() {
    let folder = folder();
    let record = mapped(&folder);
    let (head, rows) = csv(
        &["wss", "--by", "mapping", "-r", "0", "101", "100"],
        &record,
    );
    assert_eq!(head, "pid,kind,mapping,percentile,wss_bytes");
    let of = |pid: &str, kind: &str| -> Vec<u64> {
        let rows = rows.iter().filter(|row| row[0] == pid && row[1] == kind);
        rows.map(|row| row.last().unwrap().parse::<u64>().unwrap() / PAGE)
            .collect()
    };
    // Mean, least and most; what was never in use is not there.
    assert_eq!(of("6", "heap"), [20, 20, 20]);
    assert_eq!(of("5", "heap"), [37, 0, 50]);
    assert_eq!(of("5", "anonymous"), [5, 0, 10]);
    assert!(!rows.iter().any(|row| row[2] == "/bin/work"));
    let means: u64 = rows
        .iter()
        .filter(|row| row[3].is_empty())
        .map(|row| row.last().unwrap().parse::<u64>().unwrap())
        .sum();
    let by_target = last_column(&["wss", "-r", "0", "1", "2"], &record);
    assert!(
        means.abs_diff(by_target[0] + by_target[2]) <= 5,
        "{means} {by_target:?}"
    );
    let text = stdout(&["wss", "--by", "process"], &record);
    assert!(text.contains("\n# pid 5\n# avr:"), "{text}");
}
