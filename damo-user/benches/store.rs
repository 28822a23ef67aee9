//! The record file beside what else there is: how small, how quick, how much
//! of it is read. `cargo xtask bench store [PART]…` runs it in the sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark ends where something is wrong"
)]

#[path = "store/big.rs"]
mod big;
#[path = "samples/fixture.rs"]
mod fixture;
#[path = "samples/noise.rs"]
mod noise;
#[path = "store/peer.rs"]
mod peer;
#[path = "samples/simulate.rs"]
mod simulate;
#[path = "store/sizes.rs"]
mod sizes;
#[path = "store/speed.rs"]
mod speed;
#[path = "store/work.rs"]
mod work;

/// A part's name, and what it does: quickly, or in full.
type Part = (&'static str, fn(bool));

/// What can be asked for by name; without a name, all.
const PARTS: [Part; 5] = [
    ("sizes", sizes::run),
    ("speed", speed::one_core),
    ("cores", speed::two_cores),
    ("peer", peer::run),
    ("big", big::run),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    // `cargo test --benches` only wants to know that it runs; `cargo bench`
    // gives --bench.
    let quick = given("--test") || !given("--bench");
    let named: Vec<&String> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    for name in &named {
        let known = PARTS.iter().any(|(part, _)| part == name);
        assert!(known, "no part {name:?}: sizes, speed, cores, peer, big");
    }
    for (part, run) in PARTS {
        if named.is_empty() || given(part) {
            run(quick);
            println!();
        }
    }
}
