//! Everything of a recorder but the kernel: a ring as the kernel's, with events as the BPF
//! program frames them, through decoding, snapshots and the writer into a file.
//! `cargo xtask bench stress` runs it in the sandbox.
//!
//! Time is what the recorder's threads use of a processor, as if they had exactly one, and
//! what they need not wait for is skipped: a busy machine changes nothing. The disk is not
//! measured. It fails if a region is lost, or if memory goes beyond its bound; never on a time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark ends where something is wrong"
)]

#[path = "stress/ring.rs"]
mod ring;
#[path = "stress/run.rs"]
mod run;

use std::process::Command;

use damo_ebpf::{RingEvent, RingTold};
use ring::{DEFAULT, Kernel, Ring, framed};
use run::Run;

/// What a recorder may take, in KiB.
const MOST_KIB: u64 = 32 << 10;

/// Regions of a burst that the default ring must take.
const BURST: u64 = 20_000;

/// Events per second, and for how long: 60 million at most, or an hour.
const RATES: [(u64, u64); 4] = [
    (10_000, 3600),
    (100_000, 600),
    (1_000_000, 60),
    (1_000_000, 5),
];

/// A run in a process of its own, which tells its peak of memory.
const ONE: &str = "--one";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, one, rate, seconds] = arguments.as_slice()
        && one == ONE
    {
        let [rate, seconds] = [rate, seconds].map(|it| it.parse().unwrap());
        Run::of(rate, seconds).print();
        return;
    }
    // `cargo test --benches` only wants to know that it runs.
    let quick = !arguments.iter().any(|argument| argument == "--bench");
    burst();
    println!("events/s  seconds    CPU   one core takes  bytes/sample   lost    peak of memory");
    let mut worst_kib = 0;
    for (rate, seconds) in RATES {
        // What is built without optimisation cannot keep up with all of them.
        let (rate, seconds) = match quick {
            true => (rate.min(10_000), 1),
            false => (rate, seconds),
        };
        let output = Command::new(std::env::current_exe().unwrap())
            .args([ONE, &rate.to_string(), &seconds.to_string()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        print!("{said}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let kib = said.trim().rsplit(' ').nth(1).unwrap();
        worst_kib = worst_kib.max(kib.parse().unwrap());
    }
    assert!(
        worst_kib <= MOST_KIB,
        "{worst_kib} KiB of memory, {MOST_KIB} are allowed"
    );
}

/// What comes at once, before the recorder has looked.
fn burst() {
    let [region, told] = [size_of::<RingEvent>(), size_of::<RingTold>()].map(framed);
    println!(
        "a ring of {} KiB takes {} regions ({region} bytes each), or {} other items ({told})",
        DEFAULT >> 10,
        (DEFAULT - 1) / region,
        (DEFAULT - 1) / told
    );
    let (mut ring, mut kernel) = (Ring::new(DEFAULT), Kernel::new(BURST));
    kernel.snapshot(&mut ring, 1);
    println!("a burst of {BURST}: {} lost\n", kernel.counters.lost);
    assert_eq!((kernel.counters.seen, kernel.counters.lost), (BURST, 0));
    // And the one before it, if that is not taken yet.
    kernel.snapshot(&mut ring, 2);
    assert_eq!(kernel.counters.lost, 0);
    // It can be full.
    kernel.snapshot(&mut ring, 3);
    let fits = ((DEFAULT - 1) / region) as u64;
    assert_eq!(kernel.counters.lost, BURST * 3 - fits);
}
