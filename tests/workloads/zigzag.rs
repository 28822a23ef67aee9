//! `zigzag`: uses two areas in turn.

use clap::Parser;
use damo_tests::workload::{Options, Plan, run};

/// Uses two areas in turn
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    options: Options,
}

fn main() -> anyhow::Result<()> {
    run(&Plan::zigzag(), &Args::parse().options)
}
