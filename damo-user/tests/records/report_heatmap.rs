//! `report heatmap`: rates, ages, what is not known and ranges.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::report_common;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use damo_user::model::{
    Intervals, Known, Mapping, Meta, Note, Region, Snapshot, TargetInfo, TargetKey,
};
use damo_user::store::Writer;

use report_common::*;

mod pictures;
mod targets;
mod terminal;

const MS: u64 = 1_000_000;
const PAGE: u64 = 4096;

/// First page, end, nr_accesses and age of a region.
type Pages = (u64, u64, u32, u32);

fn intervals() -> Option<Intervals> {
    Some(Intervals {
        sample_us: 5_000,
        aggr_us: 100_000,
        update_us: 1_000_000,
    })
}

fn snapshot(target: TargetKey, times_ms: (u64, u64), pages: &[Pages]) -> Snapshot {
    let region = |(start, end, nr_accesses, age): &Pages| Region {
        start: start * PAGE,
        end: end * PAGE,
        nr_accesses: *nr_accesses,
        age: Some(*age),
    };
    Snapshot {
        target,
        start_ns: times_ms.0 * MS,
        end_ns: times_ms.1 * MS,
        intervals: intervals(),
        missing: 0,
        regions: pages.iter().map(region).collect(),
        extra: None,
    }
}

const TARGET: TargetKey = TargetKey {
    kdamond: 7,
    target_id: 0,
};

fn write(folder: &tempfile::TempDir, name: &str, meta: &Meta, snapshots: &[Snapshot]) -> PathBuf {
    let mut writer = Writer::new(Vec::new(), meta).unwrap();
    for snapshot in snapshots {
        writer.snapshot(snapshot).unwrap();
    }
    for (pages, name) in [(10..14, "/usr/lib/libhot.so.6"), (18..20, "[heap]")] {
        let mapping = Mapping {
            pid: 42,
            start: pages.start * PAGE,
            end: pages.end * PAGE,
            permissions: 3,
            offset: 0,
            name: name.into(),
        };
        let note = Note {
            time_ns: 2_000 * MS,
            what: Known::Mapping(mapping),
        };
        writer.note(&note).unwrap();
    }
    writer.finish().unwrap();
    file(folder, name, writer.into_sink())
}

/// A process with two mappings, the smaller one the hotter; ages from 0.7 s on.
fn process(folder: &tempfile::TempDir) -> PathBuf {
    let meta = Meta {
        targets: vec![TargetInfo {
            target_id: 0,
            pid: Some(42),
            comm: Some("worker".to_owned()),
            ..TargetInfo::default()
        }],
        ..Meta::default()
    };
    let snapshots = [
        snapshot(TARGET, (1000, 1100), &[(10, 20, 2, 3), (1000, 1004, 10, 1)]),
        snapshot(TARGET, (1100, 1200), &[(10, 20, 2, 4), (1000, 1004, 0, 0)]),
        // 100 ms of which nothing is known but by ages.
        snapshot(TARGET, (1300, 1400), &[(10, 20, 4, 9), (1000, 1002, 20, 0)]),
    ];
    write(folder, "damon.data", &meta, &snapshots)
}

/// Heats alone, by rows.
fn heats(args: &[&str], record: &Path) -> Vec<String> {
    let args = [&["heatmap", "--output", "raw"], args].concat();
    let text = stdout(&args, record);
    let heat = |line: &str| line.split('\t').nth(2).unwrap().to_owned();
    text.lines().map(heat).collect()
}

#[test]
fn ages_reach_back_to_the_snapshot_before() {
    let folder = folder();
    let record = process(&folder);
    let guide = "target_id: 0\ntime: [700000000, 1400000000) (700000000)\n\
                 region\t 0: [40960, 81920) (40960)\nregion\t 1: [4096000, 4112384) (16384)\n";
    assert_eq!(stdout(&["heatmap", "--guide"], &record), guide);
    let human = stdout(&["heatmap", "--guide_human"], &record);
    assert!(
        human.contains("time: [700 ms, 1.400 s) (700 ms)\nregion\t 0: [40.000000 KiB, "),
        "{human}"
    );
    // Seven times 100 ms, from 0.7 s on: 2 of 100 ms are 20 per second.
    let large = ["--resol", "7", "1", "--address_range", "40960", "81920"];
    assert_eq!(
        heats(&large, &record),
        ["20.0", "20.0", "20.0", "20.0", "20.0", "40.0", "40.0"]
    );
    // The hottest range is the default; what is not covered is not known.
    assert_eq!(
        heats(&["--resol", "7", "2"], &record),
        [
            "NaN", "NaN", "NaN", "NaN", "100.0", "100.0", "100.0", "100.0", "0.0", "0.0", "NaN",
            "NaN", "200.0", "NaN"
        ]
    );
}

#[test]
fn times_and_addresses_are_relative_or_absolute() {
    let folder = folder();
    let record = process(&folder);
    let lines = |args: &[&str]| -> Vec<String> {
        let args = [&["heatmap", "--output", "raw", "--resol", "2", "2"], args].concat();
        let text = stdout(&args, &record);
        text.lines()
            .map(|line| line.rsplit_once('\t').unwrap().0.to_owned())
            .collect()
    };
    assert_eq!(
        lines(&[]),
        ["0\t0", "0\t8192", "350000000\t0", "350000000\t8192"]
    );
    assert_eq!(
        lines(&["--abs_time", "--abs_addr"]),
        [
            "700000000\t4096000",
            "700000000\t4104192",
            "1050000000\t4096000",
            "1050000000\t4104192"
        ]
    );
    let based = [
        "--time_range",
        "100ms",
        "300ms",
        "guided",
        "--address_range",
        "0",
        "8K",
        "4096000",
        "--abs_time",
        "--abs_addr",
    ];
    assert_eq!(
        lines(&based),
        [
            "800000000\t4096000",
            "800000000\t4100096",
            "900000000\t4096000",
            "900000000\t4100096"
        ]
    );
    let from_the_end = [
        "--time_range",
        "-200000000",
        "0",
        "guided_end",
        "--abs_time",
    ];
    assert_eq!(lines(&from_the_end)[0], "1200000000\t0");
    // Each one is after its own range of the guide.
    let guided = [
        "--draw_range",
        "all",
        "--address_range",
        "0",
        "4K",
        "guided",
        "--address_range",
        "4K",
        "8K",
        "guided",
        "--abs_addr",
    ];
    let addresses: Vec<String> = lines(&guided);
    assert_eq!((&*addresses[0], &*addresses[4]), ("0\t40960", "0\t4100096"));
}

#[test]
fn nothing_known_is_said_and_drawn() {
    let folder = folder();
    let record = process(&folder);
    let args = [
        "heatmap",
        "--resol",
        "2",
        "3",
        "--address_range",
        "8M",
        "9M",
    ];
    let text = stdout(&args, &record);
    assert!(
        text.starts_with("   \n   \n# access_frequency: 0123456789 (nothing was watched here)\n"),
        "{text}"
    );
    let drawn = folder.path().join("nothing.svg");
    let picture = [&args[..], &["--output", drawn.to_str().unwrap()]].concat();
    stdout(&picture, &record);
    assert!(
        std::fs::read_to_string(drawn)
            .unwrap()
            .contains(">not watched<")
    );
}

#[test]
fn the_peers_mistakes_are_made_where_asked_for() {
    let folder = folder();
    let record = process(&folder);
    // Half a millisecond before the picture, and a pixel behind a region's end.
    let args = ["--resol", "2", "2", "--time_range", "1100ms", "1300ms"];
    assert_eq!(heats(&args, &record), ["0.0", "0.0", "NaN", "NaN"]);
    let peers = [&args[..], &["--compat", "damo"]].concat();
    assert_eq!(heats(&peers, &record)[2..], ["0.0", "0.0"]);
    let late = ["--resol", "1", "1", "--time_range", "1s", "2s"];
    let late = [&late[..], &["--address_range", "40960", "81920"]].concat();
    assert_eq!(heats(&late, &record), ["12.0"]);
}

#[test]
fn tables_have_addresses_as_text_and_nothing_for_the_unknown() {
    let folder = folder();
    let record = process(&folder);
    let args = ["heatmap", "--resol", "7", "2", "--format"];
    let json = stdout(&[&args[..], &["json"]].concat(), &record);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), 14);
    assert_eq!(
        rows[12],
        serde_json::json!({
            "kdamond": 7, "target_id": "0", "time_ns": "1300000000", "duration_ns": 100_000_000,
            "address": "4096000", "bytes": 8192, "nr_accesses": null, "accesses_per_second": 200.0,
        })
    );
    assert_eq!(rows[0]["accesses_per_second"], serde_json::Value::Null);
    let csv = stdout(&[&args[..], &["csv"]].concat(), &record);
    assert_eq!(csv.lines().count(), 15);
    let all = [&args[..], &["ndjson", "--draw_range", "all"]].concat();
    assert_eq!(stdout(&all, &record).lines().count(), 28);
    let heats = ["heats", "--resol", "2", "2", "--format", "csv"];
    let csv = stdout(&heats, &record);
    assert!(
        csv.lines()
            .nth(1)
            .unwrap()
            .starts_with("7,0,1100000000,150000000,40960,20480,"),
        "{csv}"
    );
    for command in ["heats", "heatmap"] {
        let guide = stdout(&[command, "--guide", "--format", "csv"], &record);
        assert!(
            guide.ends_with(",1400000000,1,4096000,4112384,16384\n"),
            "{guide}"
        );
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = folder();
    let record = process(&folder);
    for (args, what) in [
        (
            &["--output", "map.gif"][..],
            "end the name with png, jpeg, svg or pdf, or give stdout or raw",
        ),
        (&["--output", "raw", "--format", "csv"], "leave one out"),
        (&["--interactive_edit"], "on a terminal"),
        (&["--time_range", "5", "x"], "'x' is not a time"),
        (&["--time_range", "-5", "0"], "-5 is not between 0"),
        (&["--time_range", "9", "5"], "9-5"),
        (
            &[
                "--address_range",
                "0",
                "4K",
                "guided",
                "--address_range",
                "0",
                "4K",
                "guided",
            ],
            "no range for it; there are 1",
        ),
        (&["--address_range", "5"], "--address_range"),
        (&["--resol", "0", "5"], "--resol"),
        (
            &["--resol", "4294967295", "4294967295"],
            "at most 67108864 pixels",
        ),
        (&["--tid", "9"], "--tid 0"),
    ] {
        let args = [&["heatmap"], args].concat();
        let mut command = command(&["report"]);
        command
            .args(&args)
            .arg("-i")
            .arg(&record)
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(message.contains(what), "{args:?}: {message}");
    }
}

#[test]
fn the_peers_recording_looks_as_the_peer_shows_it() {
    let Some(v1) = fixtures() else { return };
    let v3 = v1.with_file_name("v3");
    let record = v3.join("zigzag.json_compressed");
    let raw = stdout(&["heatmap", "--output", "raw"], &record);
    assert_eq!(&blob_id(&raw)[..12], "49fc8566b18e");
    let guide = std::fs::read_to_string(v3.join("guide.txt")).unwrap();
    assert_eq!(stdout(&["heatmap", "--guide"], &record), guide);
    let text = stdout(&["heatmap", "--resol", "4", "20"], &record);
    assert_eq!(
        text,
        "55555555568888888881\n44444444446666666660\n66666666654444444440\n66666666654444444440\n\
         # access_frequency: 0123456789 (3.344-14.216 samples)\n\
         # x-axis: space [127.576196 TiB, 127.576384 TiB) (196.848 MiB)\n\
         # y-axis: time [8 m 59.809 s, 9 m 56.607 s) (56.797 s)\n\
         # resolution: 20x4 (9.842 MiB and 14.199 s for each character)\n"
    );
    // With the peer's mistakes it is the same: it has none of their causes.
    let raw = stdout(&["heatmap", "--output", "raw", "--compat", "damo"], &record);
    assert_eq!(&blob_id(&raw)[..12], "49fc8566b18e");
}
