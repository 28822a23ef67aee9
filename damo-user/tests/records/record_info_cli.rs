//! `damo record_info` and `damo verify`, as they are run.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use damo_user::model::{
    Gap, Intervals, Item, Known, LossCause, Meta, Note, Ops, ProcessMemory, Snapshot, TargetInfo,
};
use damo_user::store::{Options, Writer, segment_name};

use crate::store_sample;
use store_sample::{sample, snapshot};

/// Exit code, what it printed, and what it said.
fn damo(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_damo"))
        .args(args)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        out.status.code().unwrap(),
        text(out.stdout),
        text(out.stderr),
    )
}

fn tuned(i: u64, sample_us: u64) -> Item {
    Item::Snapshot(Snapshot {
        intervals: Some(Intervals {
            sample_us,
            aggr_us: 20 * sample_us,
            update_us: 1_000_000,
        }),
        ..snapshot(i)
    })
}

fn write(path: &Path, items: &[Item], options: Options) {
    let meta = Meta {
        tool: "damo 9.9".to_owned(),
        command: vec!["damo".to_owned(), "record".to_owned(), "a b".to_owned()],
        hostname: "box".to_owned(),
        kernel: "7.3.4".to_owned(),
        ops: Some(Ops::Vaddr),
        wall_ns: 1_000_000_000_000_000_000,
        mono_ns: 1000,
        targets: vec![TargetInfo {
            pid: Some(77),
            comm: Some("worker".to_owned()),
            ..TargetInfo::default()
        }],
        ..Meta::default()
    };
    let mut writer = Writer::with_options(Vec::new(), &meta, options).unwrap();
    for item in items {
        writer.item(item).unwrap();
    }
    writer.finish().unwrap();
    fs::write(path, writer.into_sink()).unwrap();
}

#[test]
fn tells_what_is_in_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damon.data");
    let gap = Item::Gap(Gap {
        target: None,
        start_ns: 1300,
        end_ns: 1400,
        events: Some(9),
        cause: LossCause::RingFull,
    });
    let items = [tuned(0, 5000), tuned(1, 5000), tuned(2, 10_000), gap];
    write(&path, &items, Options::default());
    let file = path.to_str().unwrap();
    let (code, text, _) = damo(&["record_info", file]);
    assert_eq!(code, 3, "something was lost");
    for line in [
        "recorded by: damo 9.9",
        "command:     damo record 'a b'",
        "host:        box",
        "operations:  vaddr",
        "began:       2001-09-09T01:46:40Z",
        "duration:    400 ns (1 us to 1.400 us of the record's clock)",
        "snapshots:   3",
        "samples:     30, ",
        "lost:        9 region samples are missing from this record (ring full: 9)",
        "intervals:   sample 5 ms, aggregation 100 ms, update 1 s, from 1 us on",
        "intervals:   sample 10 ms, aggregation 200 ms, update 1 s, from 1.200 us on",
        "target 0 of kdamond 7, process 77 (worker): 3 snapshots of 10 to 10 regions",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    let (_, again, _) = damo(&["report", "record_info", "--input", file]);
    assert_eq!(again, text);
    let (code, json, _) = damo(&["record_info", "--json", "-i", file]);
    assert_eq!(code, 3);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["samples"], 30);
    assert_eq!(json["lost"]["ring_full"], 9);
    assert_eq!(json["nr_intervals"], 2);
    assert_eq!(json["intervals"][1]["intervals"]["sample_us"], 10_000);
    assert_eq!(json["targets"][0]["comm"], "worker");
    assert_eq!(json["duration_ns"], "400");
    assert!(json["targets"][0]["address_ranges"][0]["start"].is_string());
    assert_eq!(
        json["bytes"].as_u64().unwrap(),
        fs::metadata(&path).unwrap().len()
    );
}

#[test]
fn tells_of_the_memory_of_a_target() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damon.data");
    let memory = |time_ns: u64, pid: u32, resident_mib: u64| {
        let what = Known::ProcessMemory(ProcessMemory {
            pid,
            virtual_bytes: 64 << 20,
            resident_bytes: resident_mib << 20,
            shared_bytes: 0,
        });
        Item::Note(Note { time_ns, what })
    };
    let items = [
        memory(1000, 77, 5),
        memory(1001, 77, 9),
        memory(1002, 77, 7),
        memory(1003, 78, 1),
        tuned(0, 5000),
    ];
    write(&path, &items, Options::default());
    let file = path.to_str().unwrap();
    let (code, text, _) = damo(&["record_info", file]);
    assert_eq!(code, 0);
    for line in [
        "notes:       4 process memory",
        "  memory: at last 7.000 MiB resident (at most 9.000 MiB), 64.000 MiB mapped",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    let (_, json, _) = damo(&["record_info", "--json", file]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["notes"]["process memory"], 4);
    let memory = &json["targets"][0]["memory"];
    assert_eq!(memory["resident_bytes"], 7 << 20);
    assert_eq!(memory["resident_bytes_max"], 9 << 20);
    assert_eq!(memory["virtual_bytes"], 64 << 20);
}

#[test]
fn verify_tells_whole_lossy_and_damaged_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (whole, lossy, bad, text) = (path("whole"), path("lossy"), path("bad"), path("text"));
    write(
        Path::new(&whole),
        &[tuned(0, 1), tuned(1, 1)],
        Options::default(),
    );
    let mut bytes = sample();
    fs::write(&lossy, &bytes).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&bad, bytes).unwrap();
    fs::write(&text, "hello\n").unwrap();

    let (code, out, _) = damo(&["verify", &whole]);
    assert_eq!(code, 0);
    assert!(
        out.contains("ok: 3 frames, 2 snapshots, 20 region samples, 0 lost"),
        "{out}"
    );
    let (code, out, _) = damo(&["verify", &whole, &lossy]);
    assert_eq!((code, out.lines().count()), (3, 2));
    let (code, out, said) = damo(&["verify", &bad, &text, &whole, "/nonexistent"]);
    assert_eq!(code, 1);
    assert!(
        out.contains("bad: at offset ") && out.contains("bad: DAMAGED in 1 places"),
        "{out}"
    );
    assert!(out.contains("whole: ok"), "all are looked at: {out}");
    assert!(
        said.contains("3 of 4 records are damaged or cannot be read"),
        "{said}"
    );
    assert!(
        said.contains("/nonexistent: there is no such file"),
        "{said}"
    );
    // Cut off by a kill between two frames: whole, as far as it goes.
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    writer.snapshot(&snapshot(1)).unwrap();
    writer.flush().unwrap();
    let open = path("open");
    fs::write(&open, writer.into_sink()).unwrap();
    let (code, out, _) = damo(&["verify", &open]);
    assert_eq!(code, 0);
    assert!(out.contains("not closed"), "{out}");
}

#[test]
fn segments_are_verified_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let segment = |number: u32| {
        let options = Options {
            uuid: Some([9; 16]),
            segment: number,
            ..Options::default()
        };
        let first = u64::from(number) * 10;
        let items: Vec<Item> = (first..first + 10).map(|i| tuned(i, 1)).collect();
        write(&dir.path().join(segment_name(number)), &items, options);
    };
    [4, 5, 6].into_iter().for_each(segment);
    let (code, out, _) = damo(&["verify", folder]);
    assert_eq!((code, out.lines().count()), (0, 3), "{out}");
    let (code, text, _) = damo(&["record_info", folder]);
    assert_eq!(code, 0);
    assert!(
        text.contains("segments:    4 to 6") && text.contains("snapshots:   30"),
        "{text}"
    );
    fs::remove_file(dir.path().join(segment_name(5))).unwrap();
    let (code, out, _) = damo(&["verify", folder]);
    assert_eq!(code, 1);
    assert!(out.contains("segments before 6 are missing"), "{out}");
    assert!(out.contains("segment-00000006.damo: ok"), "{out}");
    let (code, _, _) = damo(&["record_info", folder]);
    assert_eq!(code, 3);
}

#[test]
fn what_is_compressed_is_verified_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damon.data.zst");
    let whole = sample();
    let mut packed = zstd::Encoder::new(Vec::new(), 3).unwrap();
    // In two blocks, of which one survives a cut.
    packed.write_all(&whole[..whole.len() / 2]).unwrap();
    packed.flush().unwrap();
    packed.write_all(&whole[whole.len() / 2..]).unwrap();
    let packed = packed.finish().unwrap();
    fs::write(&path, &packed).unwrap();
    let (code, out, _) = damo(&["verify", path.to_str().unwrap()]);
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("ok: "), "{out}");
    fs::write(&path, &packed[..packed.len() - 20]).unwrap();
    let (code, out, _) = damo(&["verify", path.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(out.contains("cut off while it was compressed"), "{out}");
}

#[test]
fn a_full_disk_behind_standard_output_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damon.data");
    fs::write(&path, sample()).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_damo"))
        .args(["record_info", path.to_str().unwrap()])
        .stdout(
            fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap(),
        )
        .output()
        .unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(said.contains("cannot write to standard output: "), "{said}");
}
