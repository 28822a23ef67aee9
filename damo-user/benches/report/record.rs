//! The record: simulated once, and kept in target/ for the next time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use damo_user::model::{Meta, Snapshot, TargetInfo};
use damo_user::store::{Reader, Writer, decompress_only};

use crate::simulate::{KDAMOND, S2, Simulation};

/// To be changed with what is simulated: older files are not used then.
const VERSION: u32 = 2;

/// A quarter, a half and the whole of it.
pub struct Records {
    pub parts: Vec<Part>,
}

pub struct Part {
    pub record: PathBuf,
    /// The same columns in one zstd stream of level 3.
    pub stream: PathBuf,
    pub samples: u64,
}

/// The records; what is not there is made.
pub fn written(samples: u64) -> Records {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-report");
    std::fs::create_dir_all(&folder).expect("a folder in target/");
    let part = |samples: u64| Part {
        record: folder.join(format!("v{VERSION}-{samples}.damo")),
        stream: folder.join(format!("v{VERSION}-{samples}.zst")),
        samples,
    };
    let parts: Vec<Part> = [4, 2, 1].map(|divisor| part(samples / divisor)).into();
    if parts.iter().any(|part| !part.stream.exists()) {
        println!("simulating {samples} samples; they are kept in target/");
        simulate(&parts);
        parts.iter().for_each(stream);
    }
    Records { parts }
}

fn simulate(parts: &[Part]) {
    type Open<'a> = (&'a Part, u64, Writer<File>);
    let mut open: Vec<Open<'_>> = (parts.iter())
        .map(|part| {
            let file = File::create(&part.record).expect("it is written");
            // As `damo record` writes it: with its one target named.
            let meta = Meta {
                targets: vec![TargetInfo {
                    kdamond: KDAMOND,
                    ..TargetInfo::default()
                }],
                ..Meta::default()
            };
            let writer = Writer::new(file, &meta);
            (part, 0, writer.expect("it is written"))
        })
        .collect();
    for snapshot in Simulation::new(S2, 1) {
        let snapshot: Snapshot = snapshot;
        let mut any = false;
        for (part, written, writer) in &mut open {
            if *written < part.samples {
                writer.snapshot(&snapshot).expect("it is written");
                *written += snapshot.regions.len() as u64;
                any = true;
            }
        }
        if !any {
            break;
        }
    }
    for (_, _, mut writer) in open {
        writer.finish().expect("it is written");
    }
}

/// Written under another name first, so that half a file is none.
fn stream(part: &Part) {
    let file = Arc::new(File::open(&part.record).expect("just written"));
    let mut reader = Reader::from_source(file, "the benchmark's record").expect("just written");
    let unfinished = part.stream.with_extension("part");
    let out = BufWriter::new(File::create(&unfinished).expect("it is written"));
    let mut zstd = zstd::Encoder::new(out, 3).expect("zstd");
    decompress_only(&mut reader, |columns| {
        zstd.write_all(columns).expect("it is written");
    })
    .expect("intact");
    zstd.finish().expect("zstd").flush().expect("it is written");
    std::fs::rename(&unfinished, &part.stream).expect("it is written");
}
