//! Bytes per sample and samples per second of the record file:
//! `cargo bench -p damo-user --bench store`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark ends where something is wrong"
)]

use std::io::Cursor;
use std::time::{Duration, Instant};

use damo_user::model::{Item, Meta, Record, Snapshot};
use damo_user::store::{Reader, Writer};

#[path = "samples/fixture.rs"]
mod fixture;
#[path = "samples/simulate.rs"]
mod simulate;

use simulate::{S0, S1, Simulation};

/// Samples put through for a speed measurement.
const SAMPLES: usize = 4_000_000;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    println!("input       regions  samples  bytes/sample  at 120 events/s  M written/s  M read/s");
    if let Some(snapshots) = fixture::zigzag() {
        measure("R (fixture)", snapshots, quick);
    }
    for (name, work) in [("S0", S0), ("S1", S1)] {
        let mut samples = 0;
        let enough = |snapshot: &Snapshot| {
            samples += snapshot.regions.len();
            samples < 400_000
        };
        measure(
            name,
            Simulation::new(work, 1).take_while(enough).collect(),
            quick,
        );
    }
}

fn measure(name: &str, snapshots: Vec<Snapshot>, quick: bool) {
    let samples: usize = snapshots
        .iter()
        .map(|snapshot| snapshot.regions.len())
        .sum();
    let rounds = if quick { 1 } else { SAMPLES.div_ceil(samples) };
    let mut file = Vec::new();
    let mut read = 0;
    let written_in = best(|| {
        for _ in 0..rounds {
            file.clear();
            write(&mut file, &snapshots, usize::MAX);
        }
    });
    let read_in = best(|| {
        read = (0..rounds).map(|_| read_samples(&file)).sum();
    });
    assert_eq!(read, samples * rounds);
    let mut slow = Vec::new();
    write(&mut slow, &snapshots, 120);
    let per_sample = |bytes: &[u8]| bytes.len() as f64 / samples as f64;
    let speed = |took: Duration| (samples * rounds) as f64 / took.as_secs_f64() / 1e6;
    println!(
        "{name:<12}{:7.1}{samples:9}{:14.2}{:17.2}{:13.1}{:10.1}",
        samples as f64 / snapshots.len() as f64,
        per_sample(&file),
        per_sample(&slow),
        speed(written_in),
        speed(read_in),
    );
}

/// The shortest of three runs.
fn best(mut run: impl FnMut()) -> Duration {
    let took = (0..3).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    took.min().unwrap_or_default()
}

/// Writes a record, with a frame flushed each `per_frame` samples at the latest.
fn write(file: &mut Vec<u8>, snapshots: &[Snapshot], per_frame: usize) {
    let mut writer = Writer::new(file, &Meta::default()).expect("memory takes it");
    let mut held = 0;
    for snapshot in snapshots {
        writer.snapshot(snapshot).expect("memory takes it");
        held += snapshot.regions.len();
        if held >= per_frame {
            writer.flush().expect("memory takes it");
            held = 0;
        }
    }
    writer.finish().expect("memory takes it");
}

fn read_samples(file: &[u8]) -> usize {
    let mut reader = Reader::from_source(Cursor::new(file), "memory").expect("just written");
    let items = reader.items().expect("just written");
    items
        .map(|item| match item.expect("just written") {
            Item::Snapshot(snapshot) => snapshot.regions.len(),
            other => panic!("{other:?}"),
        })
        .sum()
}
