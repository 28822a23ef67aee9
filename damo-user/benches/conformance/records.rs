//! The files that both read, all of them json_compressed: what the peer tells by
//! `file`.

use std::fs;
use std::path::{Path, PathBuf};

use damo_user::export::{Filter, JsonForm, write_json_compressed};
use damo_user::model::{Intervals, Meta, Record, Snapshot};
use damo_user::store::{Reader, Writer};

use crate::simulate::{S0, S1, Simulation, Workload};

/// How much is in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A few snapshots: for what prints all regions.
    Small,
    /// Many: for what is counted and drawn.
    Long,
}

pub struct File {
    pub name: &'static str,
    pub kind: Kind,
    pub bytes: Vec<u8>,
    pub is_fixture: bool,
}

/// Every one that is here.
pub fn all() -> Vec<File> {
    let mut files: Vec<File> = [
        ("snapshot.nofilter", Kind::Small),
        ("snapshot.anon", Kind::Small),
        ("zigzag.json_compressed", Kind::Long),
    ]
    .into_iter()
    .filter_map(|(name, kind)| {
        let bytes = fs::read(shared().join("fixtures/v3").join(name)).ok()?;
        Some(File {
            name,
            kind,
            bytes,
            is_fixture: true,
        })
    })
    .collect();
    if files.is_empty() {
        println!("../shared/fixtures is not here: simulated records only");
    }
    let simulated = [
        ("S0", Kind::Long, simulated(&[S0], 300)),
        ("S1", Kind::Long, simulated(&[S1], 60)),
        ("two-targets", Kind::Long, simulated(&[S0, S0], 80)),
        ("few", Kind::Small, simulated(&[S0], 4)),
    ];
    files.extend(simulated.map(|(name, kind, bytes)| File {
        name,
        kind,
        bytes,
        is_fixture: false,
    }));
    files.extend(recorded());
    files
}

fn shared() -> PathBuf {
    match std::env::var_os("DAMO_SHARED") {
        Some(shared) => PathBuf::from(shared),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    }
}

/// A record of targets that do these things, `count` snapshots each.
fn simulated(works: &[Workload], count: usize) -> Vec<u8> {
    let intervals = Intervals {
        sample_us: 5_000,
        aggr_us: 100_000,
        update_us: 1_000_000,
    };
    let mut snapshots: Vec<Snapshot> = Vec::new();
    for (target, work) in works.iter().enumerate() {
        let simulation = Simulation::new(*work, target as u64 + 1).take(count);
        snapshots.extend(simulation.map(|mut snapshot| {
            snapshot.target.target_id = target as u64;
            snapshot.intervals = Some(intervals);
            snapshot
        }));
    }
    snapshots.sort_by_key(|snapshot| snapshot.end_ns);
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &Meta::default()).expect("memory takes it");
    for snapshot in &snapshots {
        writer.snapshot(snapshot).expect("memory takes it");
    }
    writer.finish().expect("memory takes it");
    let source = std::io::Cursor::new(bytes.as_slice());
    compressed(&mut Reader::from_source(source, "memory").expect("just written"))
}

fn compressed(record: &mut dyn Record) -> Vec<u8> {
    let mut json = Vec::new();
    write_json_compressed(record, &Filter::default(), JsonForm::File, &mut json)
        .expect("memory takes it");
    json
}

/// What guests left below target/guest-out: the first record of each kernel.
fn recorded() -> Vec<File> {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("guest-out");
    let names = [
        ("6.12", "guest-6.12"),
        ("6.17", "guest-6.17"),
        ("7.2", "guest-7.2"),
        ("7.3", "guest-7.3"),
    ];
    let record = |(folder, name): (&str, &'static str)| {
        let path = first_record(&out.join(folder))?;
        let mut record = damo_user::import::open(&path).ok()?;
        println!("{name}: {}", path.display());
        Some(File {
            name,
            kind: Kind::Long,
            bytes: compressed(&mut *record),
            is_fixture: false,
        })
    };
    names.into_iter().filter_map(record).collect()
}

/// By name, so that each run takes the same.
fn first_record(folder: &Path) -> Option<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    let is_record = |path: &PathBuf| path.extension().is_some_and(|it| it == "data");
    let below = |path: &PathBuf| first_record(path);
    let here = paths.iter().find(|path| is_record(path)).cloned();
    here.or_else(|| paths.iter().filter(|path| path.is_dir()).find_map(below))
}
