//! The project's own commands: `cargo xtask --help`.

use std::process::ExitCode;

use clap::Parser;

mod bench;
mod build;
mod built;
mod cache;
mod conformance;
mod console;
mod debian;
mod demo;
mod ebpf;
mod files;
mod fuzz;
mod guest;
mod initramfs;
mod kernels;
mod qemu;
mod sandbox;
mod selftest;
mod steps;
mod tally;
mod test;
mod tools;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    BuildEbpf(ebpf::Args),
    Bench(bench::Args),
    Conformance(conformance::Args),
    Guest(guest::Args),
    GuestSelftest(selftest::Args),
    Test(test::Args),
    ReleaseCheck(test::ReleaseArgs),
    Demo(demo::Args),
    FilesTable(files::Args),
    Fuzz(fuzz::Args),
    Sandbox(sandbox::Args),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::BuildEbpf(args) => ebpf::main(&args),
        Command::Bench(args) => bench::main(&args),
        Command::Conformance(args) => conformance::main(&args),
        Command::Guest(args) => guest::main(&args),
        Command::GuestSelftest(args) => selftest::main(&args),
        Command::Test(args) => test::main(&args),
        Command::ReleaseCheck(args) => test::release_check(&args),
        Command::Demo(args) => demo::main(&args),
        Command::FilesTable(args) => files::main(&args),
        Command::Fuzz(args) => fuzz::main(&args),
        Command::Sandbox(args) => sandbox::main(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
