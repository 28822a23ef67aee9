//! `report heatmap`: rates, ages, what is not known, ranges, targets and terminals.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::report_common;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use damo_user::model::{
    Extra, Intervals, Known, Mapping, Meta, Note, Origin, Region, Snapshot, TargetInfo, TargetKey,
};
use damo_user::store::Writer;
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use report_common::*;

mod pictures;

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
fn the_text_in_a_terminal_has_damo_3s_form() {
    let folder = folder();
    let record = process(&folder);
    let args = ["heatmap", "--resol", "7", "2"];
    let expected = "  \n  \n44\n44\n00\n  \n8 \n\
        # access_frequency: 0123456789 (0.000-200.000 hz)\n\
        # x-axis: space [3.906250 MiB, 3.921875 MiB) (16.000 KiB)\n\
        # y-axis: time [700 ms, 1.400 s) (700 ms)\n\
        # resolution: 2x7 (8.000 KiB and 100 ms for each character)\n";
    assert_eq!(stdout(&args, &record), expected);
    let without = [&args[..], &["--stdout_skip_colorset_example"]].concat();
    assert_eq!(stdout(&without, &record).lines().count(), 10);
    let colored = |colorterm: &str, args: &[&str]| {
        let mut command = command(&["report", "heatmap", "--resol", "7", "2"]);
        command.args(args).arg("-i").arg(&record);
        command.env("COLORTERM", colorterm).env_remove("NO_COLOR");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let gray = colored("", &["--color", "always"]);
    assert!(
        gray.starts_with("\x1b[48;5;232m\x1b[38;5;245m "),
        "{gray:?}"
    );
    assert!(gray.contains("\x1b[38;5;253m8"), "{gray:?}");
    for colors in ["gray", "flame", "emotion"] {
        let text = colored(
            "truecolor",
            &["--color", "always", "--stdout_colorset", colors],
        );
        assert!(
            text.contains("\x1b[48;2;") && !text.contains("\x1b[48;5;"),
            "{text:?}"
        );
        // The hottest is not shown as another heat of the same digit.
        assert_ne!(text.find("8").unwrap(), 0);
    }
    // The peer asks nobody.
    let peers = colored("truecolor", &["--compat", "damo"]);
    assert!(peers.contains("\x1b[48;5;232m"), "{peers:?}");
    assert!(!colored("truecolor", &[]).contains('\x1b'));
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

/// Two kdamonds, two schemes and equal target ids, as the peer's json has them.
fn several(folder: &tempfile::TempDir) -> PathBuf {
    let known = [
        (0, 0, None, 3, 4),
        (0, 0, Some(1), 3, 6),
        (1, 0, None, 3, 8),
        (1, 0, None, 5, 2),
    ];
    let mut meta = Meta::default();
    let mut snapshots = Vec::new();
    for (number, (kdamond, context, scheme, target_id, pages)) in (0..).zip(known) {
        let key = TargetKey {
            kdamond: number,
            target_id,
        };
        meta.targets.push(TargetInfo {
            target_id,
            kdamond: number,
            origin: Some(Origin {
                kdamond_idx: Some(kdamond),
                context_idx: Some(context),
                scheme_idx: scheme,
                ..Origin::default()
            }),
            ..TargetInfo::default()
        });
        for nth in 0..2 {
            let times = (1000 + nth * 100, 1100 + nth * 100);
            snapshots.push(snapshot(key, times, &[(10, 10 + pages, number + 1, 0)]));
        }
    }
    write(folder, "several.data", &meta, &snapshots)
}

#[test]
fn targets_are_chosen_by_their_indices() {
    let folder = folder();
    let record = several(&folder);
    let chosen = |args: &[&str]| heats(&[&["--resol", "1", "1"], args].concat(), &record);
    // The one with the most memory.
    assert_eq!(chosen(&[]), ["30.0"]);
    assert_eq!(chosen(&["--kdamond_idx", "0"]), ["10.0"]);
    assert_eq!(
        chosen(&["--kdamond_idx", "0", "--scheme_idx", "1"]),
        ["20.0"]
    );
    assert_eq!(chosen(&["--tid", "5"]), ["40.0"]);
    let guide = stdout(&["heatmap", "--guide"], &record);
    let heads: Vec<&str> = guide.lines().filter(|line| line.contains("idx")).collect();
    assert_eq!(
        heads,
        [
            "kdamond_idx: 1",
            "context_idx: 0",
            "kdamond_idx: 0",
            "context_idx: 0",
            "scheme_idx: 1",
            "kdamond_idx: 0",
            "context_idx: 0",
            "kdamond_idx: 1",
            "context_idx: 0",
        ]
    );
    let (code, message) = failure(&["heatmap", "--scheme_idx", "4"], &record);
    assert_eq!(code, Some(2));
    assert!(
        message.contains("--kdamond_idx 0 --context_idx 0 --scheme_idx 1 --tid 3"),
        "{message}"
    );
    // Of a record without indices, the peer says 0.
    let plain = process(&folder);
    let peers = stdout(&["heatmap", "--guide", "--compat", "damo"], &plain);
    assert!(
        peers.starts_with("kdamond_idx: 0\ncontext_idx: 0\ntarget_id: 0\n"),
        "{peers}"
    );
}

#[test]
fn several_records_are_one() {
    let folder = folder();
    let meta = Meta::default();
    let of = |name: &str, start, nr_accesses| {
        let snapshots = [
            snapshot(TARGET, (start, start + 100), &[(10, 20, nr_accesses, 0)]),
            snapshot(
                TARGET,
                (start + 100, start + 200),
                &[(10, 20, nr_accesses, 50)],
            ),
        ];
        write(&folder, name, &meta, &snapshots)
    };
    let (first, second) = (of("first", 1000, 1), of("second", 1200, 2));
    let second = second.to_str().unwrap();
    let args = ["--resol", "4", "1", "-i", second];
    assert_eq!(heats(&args, &first), ["10.0", "10.0", "20.0", "20.0"]);
}

#[test]
fn only_what_passed_filters_counts_where_asked_for() {
    let folder = folder();
    let mut one = snapshot(TARGET, (1000, 1100), &[(10, 14, 4, 0), (14, 18, 4, 0)]);
    one.extra = Some(Box::new(Extra {
        filter_passed: vec![Some(PAGE), None],
        ..Extra::default()
    }));
    let record = write(&folder, "passed", &Meta::default(), &[one.clone()]);
    assert_eq!(heats(&["--resol", "1", "2"], &record), ["40.0", "40.0"]);
    assert_eq!(
        heats(&["--resol", "1", "2", "--df_passed"], &record),
        ["10.0", "0.0"]
    );
}

#[test]
fn regions_can_be_sorted_by_temperature() {
    let folder = folder();
    let pages = [
        (10, 12, 4, 0),
        (12, 14, 0, 9),
        (14, 16, 20, 5),
        (16, 18, 0, 1),
    ];
    let snapshots = [snapshot(TARGET, (1000, 1100), &pages)];
    let record = write(&folder, "sorted", &Meta::default(), &snapshots);
    let args = [
        "--resol",
        "1",
        "4",
        "--time_range",
        "1s",
        "1100ms",
        "--sort_temperature",
    ];
    // Idle for long, idle, a little in use, in use.
    assert_eq!(heats(&args, &record), ["0.0", "0.0", "40.0", "200.0"]);
    // With negative weights the hottest come first; idleness counts nothing.
    let other = [&args[..], &["--temperature_weights", "-1", "0"]].concat();
    assert_eq!(heats(&other, &record), ["200.0", "40.0", "0.0", "0.0"]);
    let plain = file(&folder, "plain", legacy(2, &two_targets(3)));
    let (code, message) = failure(&["heatmap", "--sort_temperature"], &plain);
    assert_eq!(code, Some(2));
    assert!(message.contains("does not tell its intervals"), "{message}");
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

/// A terminal of so many rows and columns: its other end, and the programs' one.
fn terminal(rows: u16, columns: u16) -> (File, OwnedFd) {
    let other = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&other).unwrap();
    unlockpt(&other).unwrap();
    let name = ptsname(&other, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let name = OsStr::from_bytes(name.to_bytes());
    let end = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
    let size = rustix::termios::Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&end, size).unwrap();
    (File::from(other), end)
}

#[test]
fn a_terminal_is_filled_and_asks_what_is_next() {
    let folder = folder();
    let record = process(&folder);
    let (mut other, end) = terminal(18, 57);
    // Typed ahead, so that nobody has to wait for questions.
    other
        .write_all(b"nonsense\nzoom space 50\nzoom 0.0000001\nq\n")
        .unwrap();
    let mut command = command(&[
        "report",
        "heatmap",
        "--interactive_edit",
        "--color",
        "never",
        "-i",
    ]);
    command.arg(&record).stdin(end.try_clone().unwrap());
    command.stdout(end.try_clone().unwrap()).stderr(end);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut text = Vec::new();
    let mut bytes = [0; 4096];
    // Ends with an error once nobody has the programs' end any more.
    while let Ok(read @ 1..) = other.read(&mut bytes) {
        text.extend_from_slice(&bytes[..read]);
    }
    assert!(child.wait().unwrap().success());
    let text = String::from_utf8_lossy(&text).replace('\r', "");
    let digits = |line: &&str| line.len() == 57 && !line.contains(char::is_alphabetic);
    // As a whole, and zoomed in: there the first row is in the question's line. The
    // last zoom has nothing for each pixel.
    assert_eq!(text.lines().filter(digits).count(), 12 + 11, "{text}");
    assert!(text.contains("nonsense: not understood"), "{text}");
    assert!(text.contains("# x-axis: space [3.910156 MiB, "), "{text}");
    assert!(
        text.contains("has no nanosecond for each of 12 pixels"),
        "{text}"
    );
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
