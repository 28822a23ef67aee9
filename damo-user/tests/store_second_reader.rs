//! A second reader, in Python and from docs/FORMAT.md alone, gives what ours
//! gives: tests/second_reader.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use damo_user::model::{
    Applied, CpuTime, Extra, Gap, Intervals, Item, Known, LossCause, Mapping, Meta, Note, Ops,
    Origin, ProcessMemory, Record, Region, SchemeCounts, Snapshot, SystemMemory, TargetInfo,
    TargetKey, Tuned,
};
use damo_user::store::{Options, Reader, Segments, Writer, segment_name};
use serde_json::{Value, json};

mod store_sample;
use store_sample::{HEADER, frames, giant, sample, seal, snapshot};

/// The package that the second reader decompresses with.
const ZSTANDARD: &str = "zstandard==0.25.0";

/// A Python with that package, in the cache; `None` where there is none.
fn python() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = match (set("DAMO_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), _, _) => PathBuf::from(cache),
        (None, Some(xdg), _) => PathBuf::from(xdg).join("damo"),
        (None, None, home) => PathBuf::from(home?).join(".cache/damo"),
    };
    let folder = cache.join("second-reader");
    fs::create_dir_all(&folder).ok()?;
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let venv = folder.join(ZSTANDARD);
    let (python, done) = (venv.join("bin/python"), venv.join("done"));
    if done.exists() && python.exists() {
        return Some(python);
    }
    let run = |command: &mut Command| {
        let output = command.stdin(Stdio::null()).output().ok()?;
        output.status.success().then_some(())
    };
    let install = ["-m", "pip", "install", "--quiet", "--retries=1"];
    let made = run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&venv))
    .and_then(|()| run(Command::new(&python).args(install).arg(ZSTANDARD)));
    if made.is_none() {
        println!("skipped: no python3 with venv, or no {ZSTANDARD} from pip");
        return None;
    }
    fs::write(done, "").unwrap();
    Some(python)
}

/// What the second reader prints of some records, line by line.
fn second(python: &Path, records: &[PathBuf], time: Option<&Range<u64>>) -> String {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/second_reader/reader.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(reader);
    if let Some(time) = time {
        command.args(["--from", &time.start.to_string()]);
        command.args(["--to", &time.end.to_string()]);
    }
    let output = command.args(records).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn key(target: TargetKey) -> Value {
    json!([target.kdamond, target.target_id])
}

fn of_gap(gap: &Gap) -> Value {
    let cause = match gap.cause {
        LossCause::RingFull => "ring_full",
        LossCause::Unseen => "unseen",
        LossCause::Damaged => "damaged",
        LossCause::Unwritten => "unwritten",
    };
    json!({"item": "gap", "target": gap.target.map(key), "start_ns": gap.start_ns,
        "end_ns": gap.end_ns, "events": gap.events, "cause": cause})
}

fn of_snapshot(it: &Snapshot) -> Value {
    let extra = it.extra.clone().unwrap_or_default();
    let region = |it: &Region| json!([it.start, it.end, it.nr_accesses, it.age]);
    json!({"item": "snapshot", "target": key(it.target), "start_ns": it.start_ns,
        "end_ns": it.end_ns, "missing": it.missing,
        "intervals": it.intervals.map(|it| [it.sample_us, it.aggr_us, it.update_us]),
        "regions": it.regions.iter().map(region).collect::<Vec<_>>(),
        "filter_passed": extra.filter_passed, "probe_hits": extra.probe_hits,
        "total_bytes": extra.total_bytes, "scheme_stats": extra.scheme_stats})
}

fn of_note(note: &Note) -> Value {
    let mut value = match &note.what {
        Known::Clock(wall_ns) => json!({"note": "clock", "wall_ns": wall_ns}),
        Known::Tuned(it) => json!({"note": "tuned", "kdamond": it.kdamond,
            "sample_us": it.intervals.sample_us, "aggr_us": it.intervals.aggr_us,
            "update_us": it.intervals.update_us}),
        Known::Scheme(it) => json!({"note": "scheme", "kdamond": it.kdamond,
            "context": it.context, "scheme": it.scheme, "nr_tried": it.nr_tried,
            "sz_tried": it.sz_tried, "nr_applied": it.nr_applied,
            "sz_applied": it.sz_applied, "sz_ops_filter_passed": it.sz_ops_filter_passed,
            "qt_exceeds": it.qt_exceeds, "nr_snapshots": it.nr_snapshots}),
        Known::ProcessMemory(it) => json!({"note": "footprint", "pid": it.pid,
            "virtual": it.virtual_bytes, "resident": it.resident_bytes,
            "shared": it.shared_bytes}),
        Known::SystemMemory(it) => json!({"note": "system", "total": it.total_bytes,
            "free": it.free_bytes, "available": it.available_bytes,
            "buffers": it.buffers_bytes, "cached": it.cached_bytes,
            "swap_total": it.swap_total_bytes, "swap_free": it.swap_free_bytes}),
        Known::Mapping(it) => json!({"note": "mapping", "pid": it.pid, "start": it.start,
            "end": it.end, "permissions": it.permissions, "offset": it.offset,
            "name": it.name.as_ref()}),
        Known::CpuTime(it) => json!({"note": "cpu_time", "pid": it.pid, "kdamond": it.kdamond,
            "user_us": it.user_us, "system_us": it.system_us}),
        Known::Applied(it) => json!({"note": "applied", "kdamond": it.target.kdamond,
            "target_id": it.target.target_id, "context": it.context, "scheme": it.scheme,
            "start": it.region.start, "end": it.region.end,
            "nr_accesses": it.region.nr_accesses, "age": it.region.age}),
    };
    value["item"] = json!("note");
    value["time_ns"] = json!(note.time_ns);
    value
}

/// What our reader gives, in the second one's words.
fn items(record: &mut dyn Record, time: Option<&Range<u64>>) -> Vec<Value> {
    let items = match time {
        Some(time) => record.items_in(time.clone()),
        None => record.items(),
    };
    let value = |item| match item {
        Ok(Item::Snapshot(snapshot)) => of_snapshot(&snapshot),
        Ok(Item::Gap(gap)) => of_gap(&gap),
        Ok(Item::Note(note)) => of_note(&note),
        Err(_) => json!({"item": "refused"}),
    };
    items.unwrap().map(value).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

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

fn header(reader: &Reader) -> Vec<Value> {
    let of = reader.header().map(|it| {
        json!({"version": it.version, "page_shift": it.page_shift, "segment": it.segment,
            "compat": it.compat, "uuid": hex(&it.uuid), "boot_id": hex(&it.boot_id)})
    });
    vec![json!({"item": "header", "header": of})]
}

/// Both readers, item by item; gives how many payloads the second one read of
/// each record.
fn compare(records: &[PathBuf], time: Option<Range<u64>>) -> Vec<u64> {
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

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn tuned(time_ns: u64, kdamond: u32, n: u64) -> Item {
    let intervals = Intervals {
        sample_us: n,
        aggr_us: n.wrapping_mul(20),
        update_us: u64::MAX - n,
    };
    let what = Known::Tuned(Tuned { kdamond, intervals });
    Item::Note(Note { time_ns, what })
}

/// All kinds of notes, with several rows of each and the largest numbers.
fn notes(time_ns: u64) -> Vec<Item> {
    let mut notes = vec![tuned(time_ns, 1, 5000), tuned(time_ns + 1, u32::MAX, 0)];
    let mut add = |what| notes.push(Item::Note(Note { time_ns, what }));
    for n in [0, 7, u64::MAX] {
        let small = n as u32;
        add(Known::Clock(n));
        add(Known::ProcessMemory(ProcessMemory {
            pid: small,
            virtual_bytes: n,
            resident_bytes: n / 2,
            shared_bytes: n / 3,
        }));
        add(Known::SystemMemory(SystemMemory {
            total_bytes: n,
            free_bytes: n / 2,
            available_bytes: n / 3,
            buffers_bytes: 1,
            cached_bytes: n / 5,
            swap_total_bytes: n / 6,
            swap_free_bytes: n / 7,
        }));
        add(Known::CpuTime(CpuTime {
            pid: 5,
            kdamond: n == 7,
            user_us: n,
            system_us: n / 2,
        }));
        add(Known::Applied(Applied {
            target: TargetKey {
                kdamond: 5,
                target_id: n,
            },
            context: small,
            scheme: small / 2,
            region: Region {
                start: n / 2,
                end: n,
                nr_accesses: small,
                age: (n != 7).then_some(small),
            },
        }));
        add(Known::Scheme(SchemeCounts {
            kdamond: 5,
            context: small,
            scheme: 1,
            nr_tried: n,
            sz_tried: n / 2,
            nr_applied: n / 3,
            sz_applied: n / 4,
            sz_ops_filter_passed: n / 5,
            qt_exceeds: n / 6,
            nr_snapshots: n / 7,
        }));
        for name in ["", "[heap]", "/usr/lib/\u{fc}ber.so"] {
            add(Known::Mapping(Mapping {
                pid: 5,
                start: n / 3,
                end: n,
                permissions: small as u8,
                offset: n,
                name: name.into(),
            }));
        }
    }
    notes
}

/// What only tried regions tell, of `regions` regions.
fn extra(i: u64, regions: usize) -> Option<Box<Extra>> {
    let stats = || BTreeMap::from([("nr_tried".to_owned(), i), ("sz".to_owned(), u64::MAX)]);
    let extra = Extra {
        filter_passed: match i % 3 {
            0 => Vec::new(),
            _ => (0..regions as u64)
                .map(|n| (n % 4 != 1).then_some(n * i))
                .collect(),
        },
        probe_hits: match i % 4 {
            0 => Vec::new(),
            _ => (0..regions)
                .map(|n| vec![u32::MAX - n as u32; n % 3])
                .collect(),
        },
        total_bytes: (i % 2 == 1).then_some(u64::MAX - i),
        scheme_stats: (i % 3 != 1).then(|| {
            if i.is_multiple_of(2) {
                stats()
            } else {
                BTreeMap::new()
            }
        }),
    };
    (i % 5 != 4 && extra != Extra::default()).then(|| Box::new(extra))
}

/// Several targets of several kdamonds, with all that can be told of them.
fn varied(seed: u64) -> Vec<Item> {
    let mut items = Vec::new();
    for i in 0..60u64 {
        let n = seed + i;
        let mut it = snapshot(i);
        it.target = TargetKey {
            kdamond: (n % 3) as u32 * 1000,
            target_id: [0, 1, u64::MAX, 0xffff_8880_0000_0000][n as usize % 4],
        };
        it.regions.truncate((n * 5 % 11) as usize);
        if n % 7 == 3 {
            it.regions = vec![
                Region {
                    start: 0,
                    end: 0,
                    nr_accesses: 0,
                    age: Some(u32::MAX),
                },
                Region {
                    start: 1,
                    end: u64::MAX,
                    nr_accesses: u32::MAX,
                    age: None,
                },
            ];
        }
        if n % 13 == 5 {
            (it.start_ns, it.end_ns) = (u64::MAX - i, u64::MAX);
        }
        if n % 17 == 6 {
            (it.start_ns, it.end_ns) = (1000 + i * 100, 10);
        }
        it.missing = [0, 0, 3, u32::MAX][n as usize % 4];
        it.intervals = (!n.is_multiple_of(5)).then_some(Intervals {
            sample_us: 5000 + n / 9,
            aggr_us: 100_000,
            update_us: u64::MAX,
        });
        it.extra = extra(n, it.regions.len());
        if n % 6 == 2 {
            let causes = [
                LossCause::RingFull,
                LossCause::Unseen,
                LossCause::Damaged,
                LossCause::Unwritten,
            ];
            items.push(Item::Gap(Gap {
                target: (n % 4 > 1).then_some(TargetKey {
                    kdamond: 9,
                    target_id: n,
                }),
                start_ns: it.start_ns.wrapping_sub(n),
                end_ns: it.start_ns,
                events: [None, Some(0), Some(n), Some(u64::MAX)][n as usize / 6 % 4],
                cause: causes[n as usize / 6 % 4],
            }));
        }
        items.push(Item::Snapshot(it));
        if i % 20 == 11 {
            items.extend(notes(1000 + i * 100));
        }
    }
    items
}

fn meta() -> Meta {
    Meta {
        tool: "a \"test\" \u{1F600}".to_owned(),
        command: vec!["damo".to_owned(), "record".to_owned()],
        boot_id: "3f2504e0-4f89-11d3-9a0c-0305e82c3301".to_owned(),
        ops: Some(Ops::Fvaddr),
        kdamond: Some(7),
        nr_regions: Some((10, u64::MAX)),
        intervals: Some(Intervals {
            sample_us: 1,
            aggr_us: 2,
            update_us: 3,
        }),
        targets: vec![target(1, None), target(0, Some(3))],
        wall_ns: u64::MAX,
        mono_ns: 1000,
        ..Meta::default()
    }
}

fn target(kdamond: u32, pid: Option<u32>) -> TargetInfo {
    TargetInfo {
        target_id: 0,
        pid,
        comm: pid.map(|pid| format!("process {pid}")),
        kdamond,
        origin: pid.is_none().then(|| Origin {
            kdamond_idx: Some(kdamond as i32),
            intervals_goal: Some(json!({"access_bp": 400, "aggrs": [1, 2.5]})),
            ..Origin::default()
        }),
    }
}

/// A record of `items`, in frames of about `each` of them.
fn write(items: &[Item], each: usize, finish: bool, segment: u32) -> Vec<u8> {
    let options = Options {
        uuid: Some([segment as u8 / 16; 16]),
        segment,
        page_shift: 14,
    };
    let mut writer = Writer::with_options(Vec::new(), &meta(), options).unwrap();
    for (n, item) in items.iter().enumerate() {
        writer.item(item).unwrap();
        if n % each == each - 1 {
            writer.flush().unwrap();
        }
        // The same process under another name; another kdamond's.
        if n == 30 {
            let comm = Some("renamed".to_owned());
            writer
                .target(&TargetInfo {
                    comm,
                    ..target(0, Some(3))
                })
                .unwrap();
            writer.target(&target(2, None)).unwrap();
        }
    }
    match finish {
        true => drop(writer.finish().unwrap()),
        false => writer.flush().unwrap(),
    }
    writer.into_sink()
}

fn split(regions: u64, i: u64) -> Item {
    let mut it = giant(regions);
    (it.start_ns, it.end_ns, it.missing) = (1000 + i * 100, 1100 + i * 100, 5);
    it.extra = extra(i, it.regions.len());
    Item::Snapshot(it)
}

#[test]
fn whole_records() {
    let folder = Folder::new();
    let mut records = vec![folder.put("sample", &sample())];
    for (n, each) in [1, 3, 7, 1000].into_iter().enumerate() {
        let items = varied(n as u64 * 1000);
        records.push(folder.put(&format!("{each}"), &write(&items, each, true, 0)));
        records.push(folder.put(&format!("{each}, open"), &write(&items, each, false, 0)));
    }
    let giants = [
        varied(5),
        vec![split(40_000, 62)],
        notes(7200),
        vec![split(16_385, 65), split(33_000, 67)],
    ];
    records.push(folder.put("giants", &write(&giants.concat(), 1000, true, 0)));
    compare(&records, None);
}

#[test]
fn damaged_records() {
    let folder = Folder::new();
    let mut records = Vec::new();
    let mut add = |bytes: &[u8]| {
        let name = records.len().to_string();
        records.push(folder.put(&name, bytes));
    };
    let sample = sample();
    // Parts of a snapshot, and notes in between.
    let giants = [vec![split(33_000, 1)], notes(1500), varied(3)[..3].to_vec()].concat();
    let giants = write(&giants, 1000, true, 0);
    let parts = frames(&giants);
    for part in 1..5 {
        for places in [&[8][..], &[HEADER], &[8, HEADER], &[HEADER, 8]] {
            let mut bytes = giants.clone();
            for (n, at) in places.iter().enumerate() {
                bytes[parts[part + n] + at] ^= 1;
            }
            add(&bytes);
        }
    }
    for file in [&sample, &write(&varied(9), 5, true, 0)] {
        let frames = frames(file);
        let step = frames.len() / 10;
        for pair in frames.windows(2).step_by(step) {
            let (start, end) = (pair[0], pair[1]);
            for at in [start, start + 40, start + HEADER, end - 1] {
                let mut bytes = file.clone();
                bytes[at] ^= 0x10;
                add(&bytes);
            }
            for cut in [start, start + 5, start + HEADER, end - 1] {
                add(&file[..cut]);
            }
            // Gone, and there twice.
            add(&[&file[..start], &file[end..]].concat());
            add(&[&file[..end], &file[start..]].concat());
            add(&[
                &file[..start + 90.min(end - start)],
                b"inserted",
                &file[end..],
            ]
            .concat());
            // Checksums that hold over something else.
            for at in [
                8,
                9,
                10,
                20,
                24,
                28,
                HEADER,
                HEADER + 2,
                HEADER + 5,
                end - start - 1,
            ] {
                let mut bytes = file.clone();
                bytes[start + at] ^= 1;
                seal(&mut bytes[start..end]);
                add(&bytes);
            }
        }
        // Two frames in a row.
        for triple in frames.windows(3).step_by(step) {
            for (a, b) in [(8, 8), (HEADER, 8), (8, HEADER), (HEADER, HEADER)] {
                let mut bytes = file.clone();
                bytes[triple[0] + a] ^= 4;
                bytes[triple[1] + b] ^= 4;
                add(&bytes);
            }
        }
        for len in [0, 1, 7, 8, 9, 71, 72, 73] {
            add(&file[..len]);
        }
        for (at, bit) in [(0, 1), (8, 2), (16, 1), (24, 1), (40, 1), (68, 1)] {
            let mut bytes = file.clone();
            bytes[at] ^= bit;
            add(&bytes);
            let crc = crc32c::crc32c(&bytes[..68]);
            bytes[68..72].copy_from_slice(&crc.to_le_bytes());
            add(&bytes);
        }
    }
    assert!(records.len() > 300, "{}", records.len());
    compare(&records, None);
}

#[test]
fn records_read_for_a_time() {
    let folder = Folder::new();
    let snapshots: Vec<Item> = (0..2000).map(|i| Item::Snapshot(snapshot(i))).collect();
    let file = write(&snapshots, 20, true, 0);
    let giants = [
        varied(4),
        vec![split(17_000, 62)],
        notes(7200),
        vec![split(16_385, 65)],
    ]
    .concat();
    let mut records = vec![
        folder.put("long", &file),
        folder.put("cut", &file[..file.len() - 1]),
        folder.put("varied", &write(&varied(8), 4, true, 0)),
        folder.put("giants", &write(&giants, 4, true, 0)),
    ];
    let frames = frames(&file);
    for (n, at) in [8, HEADER].into_iter().enumerate() {
        let mut bytes = file.clone();
        bytes[frames[50] + at] ^= 1;
        records.push(folder.put(&format!("damaged {n}"), &bytes));
    }
    for time in [
        0..1,
        1000..1001,
        90_000..101_000,
        95_000..95_000,
        99_050..99_150,
        150_000..u64::MAX,
        7200..7701,
    ] {
        let payloads = compare(&records, Some(time.clone()));
        if let Some(read) = payloads.first().filter(|_| time.end - time.start <= 20_000) {
            // END and INDEX twice each, META, and the frames that hold it.
            assert!(*read < 25, "{time:?}: {read} payloads are read");
        }
    }
}

#[test]
fn segments_in_a_folder() {
    let folder = Folder::new();
    for (n, segment) in [2u32, 3, 5].into_iter().enumerate() {
        let items = varied(n as u64);
        folder.put(
            &segment_name(segment),
            &write(&items, 9, segment != 5, segment),
        );
    }
    folder.put(".segment-00000003.damo.compact", b"half");
    folder.put("segment-4.damo", b"of somebody else");
    compare(&[folder.0.path().to_owned()], None);
}
