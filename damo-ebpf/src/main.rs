//! The BPF program on `damon:damon_aggregated`: lets the recorded kdamonds'
//! events through to user space, each copied once and each counted.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod program;

/// The program only exists for the BPF target: `cargo xtask build-ebpf`.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
