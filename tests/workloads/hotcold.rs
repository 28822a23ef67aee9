//! `hotcold`: uses a hot area all the time, and a cold one only at the start.

use clap::Parser;
use damo_tests::workload::{Options, Plan, run};

/// Uses one area all the time, and another one only once, at the start
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    options: Options,
}

fn main() -> anyhow::Result<()> {
    run(&Plan::hot_cold(), &Args::parse().options)
}
