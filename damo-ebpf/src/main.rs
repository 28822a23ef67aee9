//! The BPF program on `damon:damon_aggregated`.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

/// The program only exists for the BPF target.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
