//! The reports of numbers: `wss`, `nr_regions`, `mappings`, `footprints`, `times`,
//! and their forms for programs.

// Clippy knows only functions marked #[test] as tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod report_common;

use std::path::{Path, PathBuf};

use damo_user::model::{
    Happened, Happening, Intervals, Item, Known, Mapping, Meta, Note, ProcessMemory, Region,
    Snapshot, SystemMemory, TargetInfo, TargetKey,
};
use damo_user::store::Writer;
use report_common::*;

const MS: u64 = 1_000_000;
const PAGE: u64 = 4096;

fn target(target_id: u64) -> TargetKey {
    TargetKey {
        kdamond: 1,
        target_id,
    }
}

/// A snapshot of 100 ms; regions as first page, pages and accesses.
fn snapshot(target_id: u64, start_ms: u64, regions: &[(u64, u64, u32)]) -> Item {
    Item::Snapshot(Snapshot {
        target: target(target_id),
        start_ns: start_ms * MS,
        end_ns: (start_ms + 100) * MS,
        intervals: Some(Intervals {
            sample_us: 5_000,
            aggr_us: 100_000,
            update_us: 1_000_000,
        }),
        missing: 0,
        regions: (regions.iter())
            .map(|&(start, pages, nr_accesses)| Region {
                start: start * PAGE,
                end: (start + pages) * PAGE,
                nr_accesses,
                age: Some(0),
            })
            .collect(),
        extra: None,
    })
}

fn note(time_ms: u64, what: Known) -> Item {
    Item::Note(Note {
        time_ns: time_ms * MS,
        what,
    })
}

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

fn record(folder: &tempfile::TempDir, targets: Vec<TargetInfo>, items: &[Item]) -> PathBuf {
    let meta = Meta {
        targets,
        ..Meta::default()
    };
    let mut writer = Writer::new(Vec::new(), &meta).unwrap();
    for item in items {
        writer.item(item).unwrap();
    }
    writer.finish().unwrap();
    file(folder, "damon.data", writer.into_sink())
}

/// Rows of csv without the head, and the head.
fn csv(args: &[&str], record: &Path) -> (String, Vec<Vec<String>>) {
    let text = stdout(&[args, &["--format", "csv"]].concat(), record);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader
        .headers()
        .unwrap()
        .iter()
        .collect::<Vec<_>>()
        .join(",");
    let rows = reader
        .into_records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect());
    (head, rows.collect())
}

/// The last column of csv.
fn last_column(args: &[&str], record: &Path) -> Vec<u64> {
    let (_, rows) = csv(args, record);
    rows.iter()
        .map(|row| row.last().unwrap().parse().unwrap())
        .collect()
}

/// Two targets that are never large at the same time.
fn in_turn(folder: &tempfile::TempDir) -> PathBuf {
    let mut items = Vec::new();
    for i in 0..60 {
        let (one, other) = if i % 2 == 0 { (10, 1) } else { (1, 10) };
        items.push(snapshot(0, i * 100, &[(0, one, 5), (100, 7, 0)]));
        items.push(snapshot(1, i * 100, &[(1000, other, 2)]));
    }
    record(folder, Vec::new(), &items)
}

#[test]
fn sums_of_the_same_moments_are_not_sums_of_extremes() {
    let folder = folder();
    let record = in_turn(&folder);
    let pages = |args: &[&str]| -> Vec<u64> {
        let all = [&["wss", "-r", "0", "101", "50"], args].concat();
        last_column(&all, &record)
            .into_iter()
            .map(|it| it / PAGE)
            .collect()
    };
    // The mean, then percentiles 0, 50 and 100.
    assert_eq!(pages(&["--simultaneous"]), [11, 11, 11, 11]);
    assert_eq!(pages(&["--collapse_targets"]), [11, 2, 20, 20]);
    assert_eq!(pages(&[]), [5, 1, 10, 10, 5, 1, 10, 10]);
    assert_eq!(pages(&["--per_target"]), pages(&[]));
    let text = stdout(&["wss", "--simultaneous", "--nr_cols_bar", "0"], &record);
    assert!(
        text.starts_with("# <percentile> <wss>\n# all targets at the same moments\n# avr:\t44.000 KiB\n  0      44.000 KiB\n"),
        "{text}"
    );
    let (head, rows) = csv(&["wss", "--simultaneous"], &record);
    assert_eq!(head, "kdamond,target_id,percentile,wss_bytes");
    assert_eq!(rows[1][..3], ["", "", "0"]);
}

#[test]
fn a_target_that_is_gone_has_no_working_set() {
    let folder = folder();
    let mut items = Vec::new();
    for i in 0..40 {
        items.push(snapshot(0, i * 100, &[(0, 10, 5)]));
        if i < 30 {
            items.push(snapshot(1, i * 100, &[(1000, 100, 2)]));
        }
        if i == 29 {
            let gone = Happened {
                kdamond: 1,
                target_id: Some(1),
                what: Happening::TargetGone,
                value: 0,
            };
            items.push(note(3020, Known::Happened(gone)));
        }
    }
    let record = record(&folder, Vec::new(), &items);
    let args = [
        "wss",
        "--simultaneous",
        "--exclude_samples",
        "0",
        "--all_wss",
        "-s",
        "time",
    ];
    let all = last_column(&args, &record);
    let pages: Vec<u64> = all.iter().map(|it| it / PAGE).collect();
    assert_eq!(pages, [[110; 30].as_slice(), &[10; 10]].concat());
}

#[test]
fn time_counts_and_not_snapshots() {
    let folder = folder();
    let mut items = Vec::new();
    let mut now = 0;
    // 30 short ones of 1 page, then 10 long ones of 50.
    for i in 0..40 {
        let (ms, pages) = if i < 30 { (100, 1) } else { (900, 50) };
        let Item::Snapshot(mut it) = snapshot(0, now, &[(0, pages, 1)]) else {
            panic!();
        };
        now += ms;
        it.end_ns = now * MS;
        items.push(Item::Snapshot(it));
    }
    let record = record(&folder, Vec::new(), &items);
    let pages = |args: &[&str]| -> Vec<u64> {
        let all = [
            &["wss", "--exclude_samples", "0", "-r", "20", "101", "40"],
            args,
        ]
        .concat();
        last_column(&all, &record)
            .into_iter()
            .map(|it| it / PAGE)
            .collect()
    };
    // 3 of 12 seconds have a page, 9 have 50: the mean is 37.75.
    assert_eq!(pages(&["--time-weighted"]), [37, 1, 50, 50]);
    assert_eq!(pages(&[]), [13, 1, 1, 50]);
    assert_eq!(
        pages(&["--time-weighted", "--simultaneous"]),
        [37, 1, 50, 50]
    );
    let (code, said) = failure(&["wss", "--time-weighted", "-s", "time"], &record);
    assert_eq!(code, Some(2));
    assert!(said.contains("leave one of"), "{said}");
}

#[test]
fn thresholds_may_be_accesses_per_second() {
    let folder = folder();
    let items: Vec<Item> = (0..30)
        .map(|i| snapshot(0, i * 100, &[(0, 1, 1), (1, 10, 2), (20, 100, 3)]))
        .collect();
    let record = record(&folder, Vec::new(), &items);
    let pages = |args: &[&str]| last_column(&[&["wss"], args].concat(), &record)[0] / PAGE;
    assert_eq!(pages(&[]), 111);
    assert_eq!(pages(&["-t", "3"]), 100);
    for args in [
        &["-t", "10 hz"][..],
        &["--acc_thres", "10hz"],
        &["--acc_thres_hz", "10"],
    ] {
        assert_eq!(pages(args), 111, "{args:?}");
    }
    assert_eq!(pages(&["--acc_thres_hz", "10.5"]), 110);
    assert_eq!(pages(&["--acc_thres", "20.1 hz"]), 100);
    // Over three snapshots, 30 hz are 9 accesses, and 20 hz 6.
    let work = |hz: &str| pages(&["--work_time", "300ms", "--acc_thres_hz", hz]);
    assert_eq!([work("30"), work("20"), work("31")], [100, 110, 0]);
    let (code, said) = failure(&["wss", "-t", "fast"], &record);
    assert_eq!(code, Some(2));
    assert!(said.contains("'10 hz' for accesses per second"), "{said}");
    let unknown = file(&folder, "legacy", legacy(2, &two_targets(30)));
    let (code, said) = failure(&["wss", "--acc_thres_hz", "1"], &unknown);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("20 snapshots do not tell their intervals"),
        "{said}"
    );
}

#[test]
fn of_short_records_the_first_half_is_left_out() {
    let folder = folder();
    let record = file(&folder, "record", legacy(2, &two_targets(5)));
    for args in [&["wss"][..], &["nr_regions"]] {
        let ran = report(args, &record);
        assert_eq!(ran.status.code(), Some(0));
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(
            said.contains("2 targets have at most 20 snapshots") && said.contains("(2 at most"),
            "{said}"
        );
        let explicit = stdout(&[args, &["--exclude_samples", "2"]].concat(), &record);
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), explicit);
    }
    // 21 are enough for the peer's rule, and nothing is said.
    let enough = file(&folder, "enough", legacy(2, &two_targets(21)));
    let one = stdout(&["wss"], &enough);
    assert_eq!(one, stdout(&["wss", "--exclude_samples", "20"], &enough));
}

#[test]
fn all_sizes_are_printed_with_their_places() {
    let folder = folder();
    let record = file(&folder, "record", legacy(2, &two_targets(23)));
    let text = stdout(&["wss", "--all_wss", "--raw_number", "-s", "time"], &record);
    assert!(
        text.starts_with(
            "# <percentile> <wss>\n# target_id\t7\n# avr:\t60074\n0 45056\n1 45056\n2 90112\n"
        ),
        "{text}"
    );
    let (head, rows) = csv(&["wss", "--all_wss"], &record);
    assert_eq!(head, "kdamond,target_id,index,wss_bytes");
    assert_eq!((rows.len(), rows[2][2].as_str()), (6, "2"));
}

#[test]
fn regions_are_counted_as_the_peer_does() {
    let folder = folder();
    let blocks: Vec<Block> = (0..40)
        .map(|i| {
            let regions = (0..1 + i % 5).map(|r| (r * 4096, (r + 1) * 4096, 1));
            (
                i * 100_000_000 + 5_000_000_000,
                vec![(3, regions.collect())],
            )
        })
        .collect();
    let record = file(&folder, "record", legacy(2, &blocks));
    let head = "# <percentile> <# regions>\n# target_id\t3\n# avr:\t3\n";
    assert_eq!(
        stdout(&["nr_regions"], &record),
        format!("{head}0\t1\n25\t2\n50\t3\n75\t4\n100\t5\n")
    );
    assert_eq!(
        stdout(&["nr_regions", "-s", "time", "-r", "0", "10", "5"], &record),
        format!("{head}0\t1\n5\t2\n")
    );
    let json = stdout(
        &["nr_regions", "--format", "json", "-r", "50", "51", "1"],
        &record,
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["nr_regions"], 3);
    assert_eq!(json[0]["percentile"], serde_json::Value::Null);
    assert_eq!(json[1]["percentile"], 50);
    assert_eq!(json[1]["target_id"], "3");
}

#[test]
fn numbers_of_the_fixture_are_the_peers() {
    let Some(v1) = fixtures() else { return };
    let v3 = v1.join("../v3/zigzag.json_compressed");
    let expected = "# <percentile> <# regions>\n# target_id\t18446623438842320000\n# avr:\t18\n\
         0\t16\n25\t17\n50\t18\n75\t19\n100\t21\n";
    assert_eq!(stdout(&["nr_regions"], &v3), expected);
    assert_eq!(
        stdout(&["times"], &v3),
        "539.809434-596.606619\n# (seconds)\n"
    );
    let args = ["times", "--snapshot_time", "539914032967", "540437986000"];
    assert_eq!(stdout(&args, &v3), "539.914033-540.333995\n# (seconds)\n");
    let args = ["times", "--snapshot_idx", "3", "5"];
    assert_eq!(stdout(&args, &v3), "540.122014-540.437986\n# (seconds)\n");
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

#[test]
fn records_without_mappings_say_what_to_do() {
    let folder = folder();
    let record = in_turn(&folder);
    let (code, said) = failure(&["mappings"], &record);
    assert_eq!(code, Some(1));
    assert!(said.contains("--do_record access vmas"), "{said}");
    let (code, said) = failure(&["footprints"], &record);
    assert_eq!(code, Some(1));
    assert!(said.contains("--do_record access mem_footprint"), "{said}");
}

#[test]
fn footprints_are_those_of_all_processes() {
    let folder = folder();
    let mut items = Vec::new();
    for i in 0..5_u64 {
        for pid in [5, 6] {
            items.push(note(
                i * 1000,
                Known::ProcessMemory(ProcessMemory {
                    pid,
                    virtual_bytes: 1 << 20,
                    resident_bytes: (i + 1) * 64 * 1024,
                    shared_bytes: 0,
                }),
            ));
        }
        items.push(note(
            i * 1000,
            Known::SystemMemory(SystemMemory {
                total_bytes: 1 << 30,
                free_bytes: 1 << 29,
                ..SystemMemory::default()
            }),
        ));
    }
    let record = record(&folder, Vec::new(), &items);
    assert_eq!(
        stdout(&["footprints", "rss", "--nr_cols_bar", "10"], &record),
        "# <percentile> <rss>\n# avr:\t384.000 KiB\n  0     128.000 KiB |**        |\n \
         25     256.000 KiB |****      |\n 50     384.000 KiB |******    |\n 75     512.000 KiB |********  |\n\
         100     640.000 KiB |**********|\n"
    );
    assert_eq!(
        stdout(
            &["footprints", "vsz", "--all_footprint", "--raw_number"],
            &record
        ),
        "# <percentile> <vsz>\n# avr:\t2097152\n0 2097152\n1 2097152\n2 2097152\n3 2097152\n4 2097152\n"
    );
    let (head, rows) = csv(&["footprints"], &record);
    assert_eq!(head, "metric,percentile,bytes");
    assert_eq!(
        rows.iter()
            .filter(|row| row[0] == "sys_used" && row[2] == "536870912")
            .count(),
        6
    );
}

/// As damo 3 writes it, with other numbers.
const SIDE_FILE: &str = r#"[
    {"time": 100.5, "footprints": [
        {"pid": 77, "footprint": {"size": 10, "resident": 5, "shared": 1, "trs": 1, "lrs": 0, "drs": 1, "dt": 0}},
        {"pid": 78, "footprint": {"size": 20, "resident": 6, "shared": 1, "trs": 1, "lrs": 0, "drs": 1, "dt": 0}},
        {"pid": null, "footprint": {"total": 1000, "free": 400, "available": 5, "buffers": 1, "cached": 2}}]},
    {"time": 101.5, "footprints": [
        {"pid": 77, "footprint": {"size": 40, "resident": 8, "shared": 1, "trs": 1, "lrs": 0, "drs": 1, "dt": 0}},
        {"pid": null, "footprint": {"total": 1000, "free": 300, "available": 5, "buffers": 1, "cached": 2}}]}
]"#;

#[test]
fn the_peers_side_file_is_read() {
    let folder = folder();
    let side = file(&folder, "old.data.mem_footprint", SIDE_FILE);
    let record = file(&folder, "old.data", legacy(2, &two_targets(3)));
    let expected = "# <percentile> <vsz>\n# avr:\t143360\n0 122880\n1 163840\n\
        # <percentile> <rss>\n# avr:\t38912\n0 32768\n1 45056\n\
        # <percentile> <sys_used>\n# avr:\t665600\n0 614400\n1 716800\n";
    for input in [&side, &record] {
        let args = ["footprints", "all", "--all_footprint", "--raw_number"];
        assert_eq!(stdout(&args, input), expected);
    }
    let broken = file(&folder, "broken.mem_footprint", &SIDE_FILE[..400]);
    let (code, said) = failure(&["footprints"], &broken);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("broken.mem_footprint") && said.contains("line"),
        "{said}"
    );
}

#[test]
fn times_are_those_of_what_fits() {
    let folder = folder();
    let mut items = Vec::new();
    for i in 0..10 {
        let hot = if (3..6).contains(&i) { 20 } else { 1 };
        items.push(snapshot(0, 1000 + i * 100, &[(0, 10, hot)]));
    }
    let record = record(&folder, Vec::new(), &items);
    let times = |args: &[&str]| stdout(&[&["times"], args].concat(), &record);
    assert_eq!(times(&[]), "1.000000-2.000000\n# (seconds)\n");
    assert_eq!(
        times(&["--access_rate", "50", "100"]),
        "1.300000-1.600000\n# (seconds)\n"
    );
    assert_eq!(
        times(&["--access_rate", "0", "50"]),
        "1.000000-1.300000\n# (seconds)\n1.600000-2.000000\n# (seconds)\n"
    );
    assert_eq!(
        times(&["--snapshot_idx", "8", "20"]),
        "1.800000-2.000000\n# (seconds)\n"
    );
    assert_eq!(times(&["--sz_snapshot", "41K", "max"]), "");
    assert_eq!(
        times(&["--temperature", "1000", "max"].map(|it| if it == "max" { "99999" } else { it })),
        "1.300000-1.600000\n# (seconds)\n"
    );
    let (head, rows) = csv(&["times"], &record);
    assert_eq!(head, "kdamond,target_id,start_ns,end_ns");
    assert_eq!(rows, [["1", "0", "1000000000", "2000000000"]]);
    let (code, said) = failure(&["times", "--snapshot_idx", "9", "8"], &record);
    assert_eq!(code, Some(2));
    assert!(said.contains("--snapshot_idx 9 8"), "{said}");
}

/// Runs `damo ARGS`.
fn damo(args: &[&str]) -> (Option<i32>, String, String) {
    let output = command(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn adjusting_joins_snapshots() {
    let folder = folder();
    let items: Vec<Item> = (0..9)
        .map(|i| snapshot(0, i * 100, &[(0, 10, 1), (10 + i, 10 - i, 2)]))
        .collect();
    let record = record(&folder, Vec::new(), &items);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (input, output) = (record.to_str().unwrap(), path("adjusted"));
    let adjust = |args: &[&str]| {
        let all = [&["adjust", "-i", input, "-o", &output], args].concat();
        let (code, _, said) = damo(&all);
        assert_eq!(code, Some(0), "{said}");
        stdout(&["raw", "--raw_number"], Path::new(&output))
    };
    let raw = adjust(&["--aggregate_interval", "300000", "--skip", "2"]);
    // Of seven snapshots, six make two; the third has its first regions.
    let lines: Vec<&str> = raw
        .lines()
        .filter(|line| line.contains('-') && line.contains('('))
        .collect();
    assert_eq!(
        lines,
        [
            "000000000000-00000000a000 (       40960)           3     0",
            "00000000c000-000000014000 (       32768)           6     0",
            "000000000000-00000000a000 (       40960)           3     0",
            "00000000f000-000000014000 (       20480)           6     0",
        ]
    );
    assert!(raw.contains("base_time_absolute: 200000000\n"), "{raw}");
    let json = std::fs::read(&output).unwrap();
    assert_eq!(json[0], 0x78, "zlib");
    // The default skips 20, but only with an interval.
    assert!(!adjust(&["--aggregate_interval", "300000"]).contains("nr_regions"));
    let all = adjust(&["--output_type", "damo", "--access_rate", "6", "100"]);
    assert_eq!(all.matches("nr_regions: 1\n").count(), 9, "{all}");
    let one = adjust(&["--output_type", "json", "--snapshot_idx", "3", "3"]);
    assert_eq!(one.matches("nr_regions: ").count(), 1);
    let (code, _, said) = damo(&["adjust", "-i", input, "-o", input]);
    assert_eq!(code, Some(2));
    assert!(said.contains("name another file"), "{said}");
    let Some(v1) = fixtures() else { return };
    let v3 = v1.join("../v3/zigzag.json_compressed");
    let args = [
        "adjust",
        "-i",
        v3.to_str().unwrap(),
        "-o",
        &output,
        "--output_type",
        "perf_script",
    ];
    let (code, _, said) = damo(&[&args[..], &["--aggregate_interval", "300000"]].concat());
    assert_eq!(code, Some(0), "{said}");
    let text = std::fs::read_to_string(&output).unwrap();
    assert_eq!(text.lines().count(), 3154);
}

#[test]
fn validating_tells_the_first_rule_that_is_broken() {
    let folder = folder();
    let items: Vec<Item> = (0..50)
        .map(|i| {
            let mut it = snapshot(0, i * 100, &[(1, 1, 1), (2, 1, 2), (3, 1, 20)]);
            if let (Item::Snapshot(it), true) = (&mut it, i % 10 == 9) {
                it.regions.pop();
            }
            it
        })
        .collect();
    let record = record(&folder, Vec::new(), &items);
    let validate = |args: &[&str]| {
        let input = ["validate", "-i", record.to_str().unwrap()];
        let (code, out, said) = damo(&[&input, args].concat());
        assert_eq!(said, "");
        (code.unwrap(), out)
    };
    // Five of 50 have two regions; one may, by default.
    let few = "invalid: expect 3<=nr_regions<=1200 but 2\n".to_owned();
    assert_eq!(validate(&[]), (1, few.clone()));
    assert_eq!(validate(&["--allow_error", "8"]), (1, few));
    assert_eq!(validate(&["--allow_error", "10"]), (0, String::new()));
    assert_eq!(validate(&["--nr_regions", "2", "3"]), (0, String::new()));
    for (args, said) in [
        (
            &["--aggr", "100001", "200000"][..],
            "invalid: expect 100001<=aggregate interval<=200000 but 100000\n",
        ),
        (
            &["--nr_accesses", "0", "19"],
            "invalid: expect 0<=nr_accesses<=19 but 20\n",
        ),
        (
            &["--regions_boundary", "4096-8192", "8192-16383"],
            "region 12288-16384 out of the boundary\n",
        ),
    ] {
        let args = [&["--nr_regions", "2", "3"], args].concat();
        assert_eq!(validate(&args), (1, said.to_owned()));
    }
    let inside = ["--nr_regions", "2", "3", "--regions_boundary", "0-16384"];
    assert_eq!(validate(&inside), (0, String::new()));
    let Some(v1) = fixtures() else { return };
    let v3 = v1.join("../v3/zigzag.json_compressed");
    let v3 = ["validate", "-i", v3.to_str().unwrap()];
    for (args, code, said) in [
        (&[][..], 0, ""),
        (
            &["--nr_regions", "3", "15"],
            1,
            "invalid: expect 3<=nr_regions<=15 but 17\n",
        ),
        (
            &["--nr_regions", "3", "18"],
            1,
            "invalid: expect 3<=nr_regions<=18 but 19\n",
        ),
        (
            &["--aggr", "1", "2"],
            1,
            "invalid: expect 1<=aggregate interval<=2 but 103990\n",
        ),
        (
            &["--nr_accesses", "1", "2"],
            1,
            "invalid: expect 1<=nr_accesses<=2 but 0\n",
        ),
        (
            &["--regions_boundary", "100-200"],
            1,
            "region 94827419009024-94827423150080 out of the boundary\n",
        ),
    ] {
        let (ours, out, _) = damo(&[&v3[..], args].concat());
        assert_eq!((ours, out.as_str()), (Some(code), said), "{args:?}");
    }
}
