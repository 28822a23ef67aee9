//! Bytes per sample, of the same samples in every format.

use std::fs;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::Command;

use damo_user::export::{self, ExportError, Exported, Filter, JsonForm};
use damo_user::import;
use damo_user::model::{Item, Record};
use damo_user::store::compact;

use crate::work::{self, Work};

/// Events of a second that a slow record has.
const PER_SECOND: usize = 120;

type Export = fn(&mut dyn Record, &Filter, &mut Vec<u8>) -> Result<Exported, ExportError>;

const EXPORTS: [(&str, Export); 3] = [
    ("the peer's json_compressed", |record, all, out| {
        export::write_json_compressed(record, all, JsonForm::File, out)
    }),
    ("perf script text", |record, all, out| {
        export::write_perf_script(record, all, out)
    }),
    ("Parquet", |record, all, out| {
        export::write_parquet(record, all, out)
    }),
];

pub fn run(quick: bool) {
    let works = work::all(quick);
    let row = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
        println!("{name:<36}{cells}");
    };
    let each = |cell: &dyn Fn(&Work) -> String| works.iter().map(cell).collect::<Vec<_>>();
    let sized = |bytes: &dyn Fn(&Work) -> usize| {
        each(&|work| format!("{:.2}", bytes(work) as f64 / work.samples as f64))
    };
    row("bytes per sample", each(&|work| work.name.to_owned()));
    row("(samples)", each(&|work| work.samples.to_string()));
    row(
        "(regions per snapshot)",
        each(&|work| format!("{:.1}", work.samples as f64 / work.snapshots.len() as f64)),
    );
    row("ours", sized(&|work| ours(work, usize::MAX).len()));
    row("  at most", each(&|work| format!("{:.2}", work.target)));
    let live = |work: &Work| ours(work, PER_SECOND);
    row(
        "ours, live: a frame per 120 samples",
        sized(&|work| live(work).len()),
    );
    row(
        "  and then compacted",
        sized(&|work| compacted(&live(work)).len()),
    );
    for (name, export) in EXPORTS {
        row(name, sized(&|work| exported(work, export)));
    }
    match xz(b"") {
        Some(_) => row(
            "xz -9 of raw columns",
            sized(&|work| xz(&columns(work)).expect("it ran before")),
        ),
        None => println!("xz -9 of raw columns: skipped, there is no `xz`"),
    }
    let (bytes, samples) = perf_data();
    println!(
        "{:<36}{:10.2}  (another recording, of {samples} samples)",
        "perf.data",
        bytes as f64 / samples as f64
    );
    for work in works.iter().filter(|_| !quick) {
        let size = ours(work, usize::MAX).len() as f64 / work.samples as f64;
        let Work { name, target, .. } = work;
        assert!(size <= *target, "{name}: {size:.3} bytes, not {target}");
    }
}

fn ours(work: &Work, per_frame: usize) -> Vec<u8> {
    let mut file = Vec::new();
    work::write(&mut file, &work.snapshots, per_frame);
    file
}

fn compacted(file: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    compact(&mut work::reader(file), &mut out).expect("just written");
    out
}

fn exported(work: &Work, export: Export) -> usize {
    let file = ours(work, usize::MAX);
    let mut out = Vec::new();
    let exported = export(&mut work::reader(&file), &Filter::default(), &mut out);
    assert_eq!(exported.expect("just written").samples, work.samples as u64);
    out.len()
}

/// What a region is, field by field, in little-endian arrays; nothing of when
/// it was, and no ages where there are none.
fn columns(work: &Work) -> Vec<u8> {
    let regions = || work.snapshots.iter().flat_map(|it| &it.regions);
    let mut raw = Vec::new();
    raw.extend(regions().flat_map(|region| region.start.to_le_bytes()));
    raw.extend(regions().flat_map(|region| region.end.to_le_bytes()));
    raw.extend(regions().flat_map(|region| region.nr_accesses.to_le_bytes()));
    raw.extend(
        regions()
            .filter_map(|region| region.age)
            .flat_map(u32::to_le_bytes),
    );
    raw
}

/// What xz makes of it; `None` without xz.
fn xz(raw: &[u8]) -> Option<usize> {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(raw).expect("it is written");
    file.rewind().expect("it is a file");
    let output = Command::new("xz").args(["-9", "-c"]).stdin(file).output();
    let output = output.ok()?;
    assert!(output.status.success(), "{output:?}");
    Some(output.stdout.len())
}

/// Size and samples of a perf.data of DAMON's samples alone.
fn perf_data() -> (usize, usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/perf/thread.data.gz");
    let mut bytes = Vec::new();
    let packed = fs::read(&path).expect("it is in the repository");
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_end(&mut bytes)
        .expect("it is gzip");
    let mut record = import::open(&path).expect("a perf.data");
    let samples = record.items().expect("readable").map(|item| {
        // What its first and last snapshot lack is there, too.
        match item.expect("readable") {
            Item::Snapshot(snapshot) => snapshot.regions.len(),
            Item::Gap(gap) => gap.events.unwrap_or(0) as usize,
            Item::Note(_) => 0,
        }
    });
    let samples = samples.sum();
    (bytes.len(), samples)
}
