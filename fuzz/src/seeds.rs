//! Writes what the fuzz targets begin with into the folder $DAMO_FUZZ_SEEDS.
//!
//! It looks like a target itself, since what was built to be fuzzed only links
//! with libFuzzer.
#![no_main]

use std::io::Read;
use std::path::Path;
use std::{env, fs, io};

use damo_user::model::{Intervals, Item, Known, Meta, Note, Tuned};
use damo_user::store::Writer;

#[path = "../../damo-user/tests/store_sample/mod.rs"]
mod store_sample;

use store_sample::{frames, giant, sample, snapshot};

libfuzzer_sys::fuzz_target!(
    init: end(write().is_ok()),
    |_bytes: &[u8]| {}
);

fn end(good: bool) {
    std::process::exit(i32::from(!good));
}

fn write() -> io::Result<()> {
    let folder = env::var_os("DAMO_FUZZ_SEEDS").unwrap_or_else(|| "corpus".into());
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };
    let (sample, small) = (sample(), small());
    for target in ["reader", "sealed", "import"] {
        put(target, "sample", &sample)?;
        put(target, "small", &small)?;
        put(target, "cut", &sample[..sample.len() / 2])?;
    }
    put("sealed", "split", &split())?;
    for (n, columns) in columns().iter().enumerate() {
        put("columns", &format!("columns-{n}"), columns)?;
    }
    put("import", "script", script().as_bytes())?;
    put(
        "import",
        "trace",
        script().replace(": damon:", ": ").as_bytes(),
    )?;
    put("import", "json", JSON.as_bytes())?;
    for version in 0..3 {
        put("import", &format!("binary-{version}"), &binary(version))?;
    }
    recordings(|name, bytes| put("import", name, bytes))?;
    assert!(frames(&sample).len() > 12);
    Ok(())
}

/// perf's and trace-cmd's own recordings, as they were before they were
/// compressed.
fn recordings(mut put: impl FnMut(&str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../damo-user/tests/data/perf");
    for entry in fs::read_dir(folder)? {
        let (entry, mut bytes) = (entry?, Vec::new());
        let (file, name) = (fs::File::open(entry.path())?, entry.file_name());
        let Some((name, kind)) = name.to_str().and_then(|name| name.rsplit_once('.')) else {
            continue;
        };
        match kind {
            "gz" => flate2::read::GzDecoder::new(file).read_to_end(&mut bytes)?,
            "zst" => zstd::Decoder::new(file)?.read_to_end(&mut bytes)?,
            _ => continue,
        };
        put(name, &bytes)?;
    }
    Ok(())
}

/// Two frames of samples, and notes.
fn small() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &Meta::default()).expect("memory");
    for i in 0..4 {
        let intervals = Intervals {
            sample_us: i,
            aggr_us: 20,
            update_us: 1,
        };
        let what = Known::Tuned(Tuned {
            kdamond: 1,
            intervals,
        });
        let note = Item::Note(Note {
            time_ns: 1000 + i,
            what,
        });
        writer.item(&note).expect("memory");
        writer.snapshot(&snapshot(i)).expect("memory");
        if i == 1 {
            writer.flush().expect("memory");
        }
    }
    writer.finish().expect("memory");
    writer.into_sink()
}

fn split() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &Meta::default()).expect("memory");
    writer.snapshot(&giant(17_000)).expect("memory");
    writer.finish().expect("memory");
    writer.into_sink()
}

/// One frame each: samples with a gap and counters, and notes of all types.
fn columns() -> Vec<Vec<u8>> {
    let frame = |kind: u8, counts: [u16; 5], columns: &[(u8, &[u8])]| {
        let mut bytes = vec![kind, 0, columns.len() as u8];
        bytes.extend(counts.iter().flat_map(|it| it.to_le_bytes()));
        for (id, raw) in columns {
            bytes.push(*id);
            bytes.extend((raw.len() as u16).to_le_bytes());
            bytes.extend(*raw);
        }
        bytes
    };
    let regions: &[(u8, &[u8])] = &[
        (2, &[1, 1]),
        (8, &[2, 1]),
        (11, &[5]),
        (12, &[1, 2, 3]),
        (14, &[1, 0, 3]),
        (17, &[4]),
        (20, &[3]),
        (21, &[1, 0, 7]),
        (22, &[0, 2, 1]),
        (23, &[4, 5, 6]),
        (24, &[9, 0]),
        (25, b"\x02ab\x01c"),
        (26, &[3, 0]),
        (27, &[0, 7, 1, 8]),
    ];
    let data = frame(3, [2, 3, 1, 10, 90], regions);
    let mut all = vec![data];
    for kind in 9..=15 {
        let mut note: Vec<(u8, &[u8])> = vec![(1, b"\x01a\x02bc"), (2, &[0, 2]), (3, &[5, 5])];
        note.extend((4..=12).map(|id| (id, &[2u8, 0][..])));
        all.push(frame(kind, [0, 0, 0, 10, 90], &note));
    }
    let all_of_them = all.concat();
    all.push(all_of_them);
    all
}

/// As the peer writes it.
const JSON: &str = r#"[{"kdamond_idx": 0, "context_idx": 0, "intervals": {"sample_us": "5 ms",
"aggr_us": "100 ms", "ops_update_us": "1 s"}, "scheme_idx": null, "target_id": "0", "scheme_filters": [],
"snapshots": [{"start_time": "0 ns", "end_time": "100 ms", "total_bytes": null, "sample_interval_us": "5 ms",
"aggr_interval_us": "100 ms", "ops_update_interval_us": "1 s", "regions": [{"start": "4,096", "end": "8,192",
"nr_accesses": {"samples": "3", "percent": null}, "age": {"usec": null, "aggr_intervals": "7"},
"sz_filter_passed": "0"}]}]}]"#;

fn script() -> String {
    let line = |i: u64| {
        let (time, start) = (1000 + i / 3, i % 3 * 8192);
        format!(
            "kdamond.0  9 [001]  {time}.000005: damon:damon_aggregated: target_id=0 nr_regions=3 {start}-{}: {} {}\n",
            start + 4096,
            i % 20,
            i % 7
        )
    };
    (0..12).map(line).collect()
}

fn binary(version: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    if version > 0 {
        bytes.extend(b"damon_recfmt_ver");
        bytes.extend(version.to_le_bytes());
    }
    for block in 0..3i64 {
        bytes.extend((1000 + block).to_le_bytes());
        bytes.extend(5i64.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        match version {
            1 => bytes.extend(7i32.to_le_bytes()),
            _ => bytes.extend(7u64.to_le_bytes()),
        }
        bytes.extend(2u32.to_le_bytes());
        for region in 0..2u64 {
            bytes.extend((region * 8192).to_le_bytes());
            bytes.extend((region * 8192 + 4096).to_le_bytes());
            bytes.extend(3u32.to_le_bytes());
        }
    }
    bytes
}
