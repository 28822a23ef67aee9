//! `bench-guest`: what recording costs, measured inside a guest, as root:
//! `cargo xtask bench record` and `cargo xtask bench bpf`.

mod aggregations;
mod beside;
mod bpf;
mod damon;
mod peer_json;
mod record;
mod recorders;
mod recordings;
mod tools;
mod tree;

use anyhow::Result;
use clap::Parser;

/// What recording costs.
#[derive(Parser)]
enum Command {
    /// damo beside other recorders
    Record(record::Args),
    /// The BPF programs
    Bpf(bpf::Args),
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Record(args) => record::main(&args),
        Command::Bpf(args) => bpf::main(&args),
    }
}
