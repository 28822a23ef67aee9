//! perf.data is read as its own text is; what perf counted as lost is told; and
//! no damage makes it panic, hang or allocate what the file promises.

// Clippy knows only functions marked #[test] as tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use damo_user::import;
use damo_user::model::{Item, Known, LossCause, Meta, Snapshot};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/perf")
        .join(name)
}

struct Contents {
    meta: Meta,
    snapshots: Vec<Snapshot>,
    others: Vec<Item>,
}

fn read(path: &Path) -> Contents {
    let mut record = import::open(path).unwrap_or_else(|error| panic!("{error}"));
    let meta = record.meta().clone();
    let (mut snapshots, mut others) = (Vec::new(), Vec::new());
    for item in record.items().unwrap() {
        match item.unwrap() {
            Item::Snapshot(snapshot) => snapshots.push(snapshot),
            other => others.push(other),
        }
    }
    Contents {
        meta,
        snapshots,
        others,
    }
}

/// What is in a fixture, decompressed.
fn bytes(name: &str) -> Vec<u8> {
    let packed = fs::read(data(name)).unwrap();
    let mut bytes = Vec::new();
    if name.ends_with(".gz") {
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut bytes)
            .unwrap();
    } else {
        bytes = zstd::decode_all(&packed[..]).unwrap();
    }
    bytes
}

#[test]
fn it_has_the_snapshots_of_its_text() {
    for (file, text, count) in [
        ("thread.data.gz", "thread.txt.gz", 18),
        ("all-events.data.zst", "all-events.txt.gz", 8),
        ("pipe.data.zst", "pipe.txt.gz", 24),
        ("pipe-zstd.data.zst", "pipe-zstd.txt.gz", 18),
    ] {
        let (file, text) = (read(&data(file)), read(&data(text)));
        assert_eq!(file.snapshots, text.snapshots);
        assert_eq!(file.snapshots.len(), count);
        assert!(file.snapshots.iter().all(|s| s.missing == 0));
        assert!(file.others.is_empty() && text.others.is_empty());
        assert_eq!(file.meta.targets, text.meta.targets);
        assert_eq!(file.meta.kdamond, text.meta.kdamond);
        assert_eq!(file.meta.kernel, "7.3.4+deb13-cloud-amd64");
        assert_eq!(file.meta.tool, "perf 6.1.187");
        assert_eq!(file.meta.machine, "x86_64");
        assert_eq!(file.meta.hostname, "damo-guest");
        let command: Vec<&str> = file.meta.command.iter().map(String::as_str).collect();
        assert!(matches!(command[..], [_, "record", ..]), "{command:?}");
        assert!(file.meta.event_format.contains("nr_accesses"));
    }
}

#[test]
fn it_tells_what_perf_lost() {
    let read = read(&data("lost.data.gz"));
    let stored: usize = read.snapshots.iter().map(|s| s.regions.len()).sum();
    assert_eq!(stored, 200);
    let missing: u64 = read.snapshots.iter().map(|s| u64::from(s.missing)).sum();
    let gaps: u64 = read
        .others
        .iter()
        .map(|item| match item {
            Item::Gap(gap) => {
                assert_eq!(gap.cause, LossCause::RingFull);
                gap.events.unwrap()
            }
            other => panic!("{other:?}"),
        })
        .sum();
    // As its LOST records say; the end of the last snapshot was cut off here.
    let told = 993 + 987 + 989 + 274 + 679;
    assert!(missing + gaps >= told, "{missing} + {gaps}");
    assert!(missing + gaps <= told + 1026, "{missing} + {gaps}");
}

#[test]
fn trace_cmds_text_is_read_with_and_without_flags() {
    let (plain, latency) = (
        read(&data("trace-cmd.txt.gz")),
        read(&data("trace-cmd-latency.txt.gz")),
    );
    assert_eq!(plain.snapshots, latency.snapshots);
    assert!(plain.meta.kdamond.is_some());
    assert!(plain.snapshots.len() > 5);
}

/// Where a u64 of a fixture is, that a test changes.
fn put(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
}

fn u64_at(bytes: &[u8], at: usize) -> usize {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

/// Opens and reads changed bytes; the error, or how many snapshots there are
/// and whether a gap is told.
fn reads(bytes: &[u8]) -> Result<(usize, bool), String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let mut record = import::open(file.path()).map_err(|error| error.to_string())?;
    let (mut snapshots, mut gap) = (0, false);
    for item in record.items().map_err(|error| error.to_string())? {
        match item.map_err(|error| error.to_string())? {
            Item::Snapshot(_) => snapshots += 1,
            Item::Gap(_) => gap = true,
            Item::Note(_) => {}
        }
    }
    Ok((snapshots, gap))
}

#[test]
fn promises_of_huge_sizes_are_refused_in_one_line() {
    let sound = bytes("thread.data.gz");
    assert_eq!(reads(&sound), Ok((18, false)));
    let data_end = u64_at(&sound, 40) + u64_at(&sound, 48);
    for (at, value) in [
        (16, 0),
        (16, u64::MAX),
        (24, u64::MAX),
        (32, u64::MAX),
        (32, 1 << 40),
        (40, u64::MAX),
        (48, u64::MAX),
        (48, 1 << 62),
        (48, 0),
        (data_end, u64::MAX),
        (data_end + 8, 1),
        (u64_at(&sound, 24) + 128 + 8, u64::MAX),
    ] {
        let mut bytes = sound.clone();
        put(&mut bytes, at, value);
        let error = reads(&bytes).expect_err(&format!("{value:#x} at {at}"));
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_damaged_record_costs_what_comes_after_it() {
    let mut bytes = bytes("thread.data.gz");
    let (start, len) = (u64_at(&bytes, 40), u64_at(&bytes, 48));
    let mut at = start;
    while at < start + len / 2 {
        at += usize::from(u16::from_ne_bytes([bytes[at + 6], bytes[at + 7]]));
    }
    bytes[at + 6..at + 8].copy_from_slice(&[3, 0]);
    let (snapshots, gap) = reads(&bytes).unwrap();
    assert!(gap && (7..12).contains(&snapshots), "{snapshots}");
}

#[test]
fn a_pipe_that_was_cut_off_is_read_as_far_as_it_goes() {
    let whole = bytes("pipe.data.zst");
    let (mut most, mut cut_off) = (0, 0);
    for len in (0..whole.len()).step_by(1777) {
        match reads(&whole[..len]) {
            Ok((snapshots, gap)) => {
                assert!(snapshots >= most);
                most = snapshots;
                cut_off += usize::from(gap);
            }
            Err(error) => assert_eq!(error.lines().count(), 1, "{error}"),
        }
    }
    assert!(most > 0 && cut_off > 5, "{most} {cut_off}");
}

#[test]
fn no_changed_byte_makes_it_panic() {
    for name in [
        "thread.data.gz",
        "pipe-zstd.data.zst",
        "all-events.data.zst",
    ] {
        let sound = bytes(name);
        let mut number = 1u64;
        // The header and what follows it densely, the rest at random.
        for round in 0..900usize {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = match round {
                0..500 => round,
                _ => (number >> 33) as usize % sound.len(),
            };
            let mut bytes = sound.clone();
            bytes[at] ^= match number >> 61 {
                0 => 0xff,
                bit => 1 << bit,
            };
            if let Err(error) = reads(&bytes) {
                assert_eq!(error.lines().count(), 1, "{error}");
            }
        }
    }
}

#[test]
fn intervals_that_damon_tuned_are_notes() {
    // damos_before_apply is of no matter; the tuner's event is made out of it.
    let mut bytes = bytes("all-events.data.zst");
    let attr = u64_at(&bytes, 24);
    let id = |index: usize| u64_at(&bytes, attr + index * 144 + 8) as u64;
    let (aggregated, tuned) = (id(0), id(2));
    let ids = u64_at(&bytes, attr + 2 * 144 + 128);
    let tuned_id = u64_at(&bytes, ids) as u64;
    let (start, len) = (u64_at(&bytes, 40), u64_at(&bytes, 48));
    let mut at = start;
    loop {
        assert!(at < start + len);
        let kind = u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        let size = usize::from(u16::from_ne_bytes([bytes[at + 6], bytes[at + 7]]));
        // identifier, ip, tid, time, cpu, period, length of raw, raw
        let raw = at + 8 + 6 * 8 + 4;
        if kind == 9 && bytes[raw..raw + 2] == (aggregated as u16).to_ne_bytes() {
            put(&mut bytes, at + 8, tuned_id);
            bytes[raw..raw + 2].copy_from_slice(&(tuned as u16).to_ne_bytes());
            put(&mut bytes, raw + 8, 7000);
            break;
        }
        at += size;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &bytes).unwrap();
    let read = read(file.path());
    match &read.others[..] {
        [Item::Note(note)] => match note.what {
            Known::Tuned(tuned) => {
                assert_eq!(tuned.intervals.sample_us, 7000);
                assert_eq!(Some(tuned.kdamond), read.meta.kdamond);
            }
            ref other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_snapshot_that_was_lost_whole_is_a_gap_with_its_count() {
    let mut bytes = bytes("thread.data.gz");
    let (start, len) = (u64_at(&bytes, 40), u64_at(&bytes, 48));
    let (mut at, mut left, mut lost, mut snapshot) = (start, 0, 0u64, 0);
    while at < start + len {
        let size = usize::from(u16::from_ne_bytes([bytes[at + 6], bytes[at + 7]]));
        if bytes[at] == 9 {
            // ip, tid, time, cpu, period, length of raw, raw: nr_regions
            if left == 0 {
                left = u64_at(&bytes, at + 8 + 5 * 8 + 4 + 16) as u32;
                snapshot += 1;
            }
            left -= 1;
            if snapshot == 6 {
                // Its samples are gone but for the last, which is told of.
                bytes[at] = if left == 0 { 2 } else { 8 };
                lost += 1;
                if left == 0 {
                    let time = u64_at(&bytes, at + 24) as u64;
                    put(&mut bytes, at + 16, lost);
                    put(&mut bytes, at + size - 16, time);
                }
            }
        }
        at += size;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &bytes).unwrap();
    let read = read(file.path());
    assert_eq!(read.snapshots.len(), 17);
    assert!(read.snapshots.iter().all(|s| s.missing == 0));
    let [Item::Gap(gap)] = &read.others[..] else {
        panic!("{:?}", read.others);
    };
    assert_eq!((gap.events, gap.cause), (Some(lost), LossCause::RingFull));
    // Between the snapshot before and the one after it.
    assert!(read.snapshots[4].end_ns < gap.start_ns && gap.start_ns < gap.end_ns);
    assert!(gap.end_ns < read.snapshots[5].end_ns);
}
