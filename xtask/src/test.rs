//! `cargo xtask test`: everything that must hold before a commit.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

mod guests;

use anyhow::{Context, Result, bail, ensure};

use crate::kernels::{self, Fetch};
use crate::steps::{Done, Steps};
use crate::tally::Tally;
use crate::{build, cache::Cache, fuzz, guest, qemu, sandbox};

/// Runs all tests: native ones in a sandbox, the others in guest kernels.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// No guests
    #[arg(long, conflicts_with = "guests_only")]
    native_only: bool,
    /// Guests only
    #[arg(long)]
    guests_only: bool,
    /// The guests' kernel: 6.12, 6.17, 7.2, 7.3 or all
    #[arg(long, default_value = "all")]
    kernel: String,
    #[command(flatten)]
    fetch: Fetch,
}

/// All tests, the guests' three times over; then DAMON's debugfs interface on a
/// kernel that is built for it, and a thousand rounds of races.
#[derive(Debug, clap::Args)]
pub struct ReleaseArgs {
    #[command(flatten)]
    fetch: Fetch,
}

/// Runs `test`.
pub fn main(args: &Args) -> Result<ExitCode> {
    run(args, 1)
}

/// Runs `release-check`.
pub fn release_check(args: &ReleaseArgs) -> Result<ExitCode> {
    let args = Args {
        native_only: false,
        guests_only: false,
        kernel: "all".to_owned(),
        fetch: args.fetch.clone(),
    };
    run(&args, 3)
}

fn run(args: &Args, repeat: u32) -> Result<ExitCode> {
    let lines = kernels::lines(&args.kernel)?;
    // Cargo may replace this program's file while it tests the workspace.
    let dir = tempfile::tempdir_in(build::target_dir("xtask")?)?;
    let myself = dir.path().join("xtask");
    std::fs::copy(std::env::current_exe()?, &myself).context("cannot copy this program")?;
    let mut steps = Steps::default();
    if !args.guests_only {
        ensure!(
            rustix::process::geteuid().is_root(),
            "run it as root: native tests run in a sandbox that only root can make"
        );
        steps.step("format", || {
            passing(build::cargo().args(["fmt", "--check"]))
        });
    }
    let guests_run = !args.native_only
        && steps.step("fetch kernels", || fetch(&lines, &args.fetch))
        && steps.step("build for guests", || {
            // First of all, so that guests begin early.
            guest::build_into(&guests::programs(&myself)).map(|()| Tally::default())
        });
    thread::scope(|scope| {
        let aside = !args.guests_only;
        let aside = aside.then(|| scope.spawn(|| aside_of_guests(&myself, guests_run)));
        if guests_run {
            guests::beside(&mut steps, &myself, &lines, repeat);
        }
        let done = aside.map_or(Ok(Vec::new()), thread::ScopedJoinHandle::join);
        match done {
            Ok(done) => {
                for done in done {
                    steps.add(done);
                }
            }
            Err(_) => {
                steps.step("what is done beside the guests", || bail!("it panicked"));
            }
        }
    });
    if guests_run {
        guests::by_the_clock(&mut steps, &myself, &lines, repeat);
    }
    Ok(steps.finish())
}

/// What leaves the machine to a guest that wants it. Guests wait a good part of
/// their time, and one alone emulates with one core.
fn aside_of_guests(myself: &Path, guests_run: bool) -> Vec<Done> {
    if guests_run {
        // Of this thread, and so of all that it starts.
        let _ = rustix::process::nice(19);
    }
    let tests = || {
        vec![
            Done::of("native tests", || native(myself)),
            // It waits for the same folder.
            Done::of("clippy", || {
                passing(build::as_for_guests("clippy", false).args(CLIPPY))
            }),
        ]
    };
    let others = || {
        vec![
            Done::of("fuzz targets", || fuzz::all(myself)),
            Done::of("BPF object", || {
                crate::ebpf::check(&Cache::open()?).map(|()| Tally::default())
            }),
        ]
    };
    // A build's last crate has one core, and tests wait for each other.
    thread::scope(|scope| {
        let others = scope.spawn(others);
        let mut done = tests();
        match others.join() {
            Ok(more) => done.extend(more),
            Err(_) => done.push(Done::of("fuzz targets", || bail!("it panicked"))),
        }
        done
    })
}

const CLIPPY: [&str; 6] = [
    "--quiet",
    "--workspace",
    "--all-targets",
    "--",
    "-D",
    "warnings",
];

/// Everything but the tests that only run in a guest.
fn native(myself: &Path) -> Result<Tally> {
    let runner = runner(myself);
    let mut tests = build::as_for_guests("test", false);
    // This program is built already, with the usual flags.
    tests.args(["--workspace", "--exclude", "xtask", "--no-fail-fast"]);
    tests.args(["--lib", "--bins"]);
    for name in build::test_targets()?
        .iter()
        .filter(|name| *name != "guest")
    {
        tests.args(["--test", name]);
    }
    tests.args(["--config", &runner]).env(sandbox::EXPECT, "1");
    let mut sum = counting(&mut tests)?;

    let mut own = build::cargo();
    own.args(["test", "--profile", "tool", "--package", "xtask"]);
    own.args(["--config", &runner]);
    sum += counting(own.env(sandbox::EXPECT, "1"))?;

    // rustdoc starts these itself, so it is inside as a whole.
    let cargo = build::as_for_guests("test", false);
    let mut docs = Command::new(myself);
    docs.args(["sandbox", "--"])
        .arg(cargo.get_program())
        .args(cargo.get_args())
        .args([
            "--workspace",
            "--exclude",
            "xtask",
            "--doc",
            "--no-fail-fast",
        ])
        .current_dir(build::root());
    for (name, value) in cargo.get_envs() {
        docs.env(name, value.unwrap_or_default());
    }
    sum += counting(&mut docs)?;
    some(sum)
}

/// What cargo is told, so that it starts every test by way of the sandbox,
/// whatever machine it builds for.
pub fn runner(myself: &Path) -> String {
    let myself = toml::Value::from(myself.display().to_string());
    format!("target.'cfg(all())'.runner=[{myself}, 'sandbox', '--']")
}

/// Refuses a run without any test: something else was started.
fn some(tally: Tally) -> Result<Tally> {
    ensure!(tally != Tally::default(), "no test ran");
    Ok(tally)
}

/// Once, so that guests side by side need not wait for each other.
fn fetch(lines: &[String], fetch: &Fetch) -> Result<Tally> {
    qemu::ensure_installed()?;
    let cache = Cache::open()?;
    for line in lines {
        kernels::get(&cache, line, fetch)?;
    }
    Ok(Tally::default())
}

fn passing(command: &mut Command) -> Result<Tally> {
    let status = command.status().context("cargo")?;
    ensure!(status.success(), "{status}");
    Ok(Tally::default())
}

/// Runs tests, passing their output on while counting them.
fn counting(command: &mut Command) -> Result<Tally> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("tests")?;
    let stdout = child.stdout.take().context("no output to read")?;
    let mut tally = Tally::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        tally.add_line(&line);
        println!("{line}");
    }
    let status = child.wait()?;
    ensure!(status.success() || tally.failed > 0, "{status}");
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_whatever_the_status() {
        let of = |script: &str| counting(Command::new("sh").args(["-c", script]));
        let result = "echo 'test result: FAILED. 1 passed; 1 failed;'; exit 101";
        assert_eq!(of(result).unwrap().failed, 1);
        assert!(of("exit 101").is_err());
        let none = of("true").unwrap();
        assert!(some(none).is_err());
        assert!(some(of(result).unwrap()).is_ok());
    }

    #[test]
    fn cargo_starts_tests_by_way_of_the_runner() {
        // A package of its own, and `echo` in place of this program.
        let dir = tempfile::tempdir().unwrap();
        let manifest = "[package]\nname = 'p'\nedition = '2024'\n[workspace]\n";
        std::fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
        std::fs::create_dir(dir.path().join("src")).unwrap();
        std::fs::write(dir.path().join("src/lib.rs"), "").unwrap();
        let output = build::cargo()
            .args(["test", "--quiet", "--offline", "--lib", "--config"])
            .arg(runner(Path::new("echo")))
            .arg("--target-dir")
            .arg(dir.path())
            .current_dir(dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with("sandbox -- "), "{output:?}");
    }
}
