//! What is measured once, beside the recorders.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use damo_tests::usage::wait;

use crate::{damon, peer_json, tools};

/// Whoever uses perf beside us still gets the events.
///
/// # Errors
/// They do not.
pub fn perf_counts_too() -> Result<()> {
    let mut damo = Command::new("damo")
        .args([
            "record",
            "-o",
            "/tmp/beside.data",
            "--timeout",
            "6",
            "paddr",
        ])
        .stderr(Stdio::null())
        .spawn()?;
    let tid = damon::kdamond(|| Ok(damo.try_wait()?.is_none()))?;
    sleep(Duration::from_secs(1));
    let stat = tools::command(&[
        "perf",
        "stat",
        "-a",
        "-x",
        ",",
        "-e",
        "damon:damon_aggregated",
        "sleep",
        "2",
    ]);
    let (program, args) = stat.split_first().map_or(("", &[][..]), |(p, a)| (p, a));
    let stat = Command::new(program).args(args).output()?;
    wait(&mut damo)?;
    let text = String::from_utf8_lossy(&stat.stderr);
    let count = text.lines().find(|line| line.contains("damon_aggregated"));
    let count = count.and_then(|line| line.split(',').next()?.parse::<u64>().ok());
    ensure!(
        count.is_some_and(|count| count > 0),
        "perf beside damo counts nothing: {text}"
    );
    println!(
        "perf stat beside damo record: {} of {} events",
        count.unwrap_or(0),
        damon::emitted(tid)?
    );
    Ok(())
}

/// Bytes per sample of a recording of one program, beside the same samples in
/// the peer's form.
///
/// # Errors
/// It cannot be recorded, or read.
pub fn zigzag() -> Result<()> {
    let file = "/tmp/zigzag.data";
    let status = Command::new("damo")
        .args(["record", "-o", file])
        .arg("zigzag --size 100M --period 2s --duration 20s --flush-tlb")
        .status()?;
    ensure!(status.success(), "damo record: {status}");
    let mut snapshots = Vec::new();
    for item in damo_user::import::open(file.as_ref())?.items()? {
        if let damo_user::model::Item::Snapshot(snapshot) = item? {
            snapshots.push(snapshot);
        }
    }
    let samples: usize = snapshots.iter().map(|s| s.regions.len()).sum();
    let per_sample = |bytes: u64| bytes as f64 / samples.max(1) as f64;
    let ours = per_sample(fs::metadata(file)?.len());
    let peers = per_sample(peer_json::compressed_len(&snapshots)?);
    println!(
        "zigzag, {samples} samples in {} snapshots: {ours:.2} bytes per sample, the whole file counted; \
         as the peer's json_compressed {peers:.2}, {:.1} times as many",
        snapshots.len(),
        peers / ours
    );
    Ok(())
}
