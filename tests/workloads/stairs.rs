//! `stairs`: uses several areas, one after another.

use clap::Parser;
use damo_tests::workload::{Options, Plan, run};

/// Uses several areas, one after another, and again from the first
#[derive(Parser)]
struct Args {
    /// How many
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    areas: u16,
    #[command(flatten)]
    options: Options,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    run(&Plan::stairs(args.areas.into()), &args.options)
}
