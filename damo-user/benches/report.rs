//! An hour of 1000 regions, reported of: how long it takes beside plain
//! decompression and beside the peer, and in how much memory.
//! `cargo xtask bench report [PART]…` runs it in the sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark ends where something is wrong"
)]

#[path = "report/measure.rs"]
mod measure;
#[path = "report/ours.rs"]
mod ours;
#[path = "report/peer.rs"]
mod peer;
#[path = "report/record.rs"]
mod record;
#[allow(dead_code, reason = "other benchmarks use the other workloads")]
#[path = "samples/simulate.rs"]
mod simulate;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(command) = arguments.strip_prefix(&[measure::ALONE.to_owned()]) {
        return measure::alone(command);
    }
    let given = |word: &str| arguments.iter().any(|argument| argument == word);
    // `cargo test --benches` only wants to know that it runs; `cargo bench`
    // gives --bench.
    let quick = given("--test") || !given("--bench");
    let named: Vec<&String> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    for name in &named {
        assert!(
            ["ours", "peer"].contains(&name.as_str()),
            "no part {name:?}: ours, peer"
        );
    }
    let records = record::written(if quick { 360_000 } else { 36_000_000 });
    let ours = ours::run(&records, quick);
    if (named.is_empty() || given("peer")) && !quick {
        peer::run(&records, &ours);
    }
    let fat: Vec<&str> = ours
        .iter()
        .filter(|it| it.cost.rss_mib > ours::MOST_MIB)
        .map(|it| it.name)
        .collect();
    assert!(
        fat.is_empty(),
        "above {} MiB: {}",
        ours::MOST_MIB,
        fat.join(", ")
    );
}
