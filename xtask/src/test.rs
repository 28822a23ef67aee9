//! `cargo xtask test`: everything that must hold before a commit.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use crate::kernels::{self, Fetch};
use crate::steps::{Done, Steps};
use crate::tally::Tally;
use crate::{build, built, cache::Cache, fuzz, qemu, sandbox};

/// A guest's whole test run, under emulation and next to another one. A test
/// that hangs ends long before (tests/guest/process.rs).
const GUEST_TIMEOUT: &str = "900";

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
        steps.step("native tests", || native(&myself));
    }
    let guests_run = !args.native_only;
    let fetched = guests_run && steps.step("fetch kernels", || fetch(&lines, &args.fetch));
    thread::scope(|scope| {
        let aside = !args.guests_only;
        let aside = aside.then(|| scope.spawn(|| aside_of_guests(&myself, guests_run)));
        if fetched {
            guests(&mut steps, &myself, &lines, repeat);
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
    Ok(steps.finish())
}

/// What leaves the machine to a guest that wants it. Guests wait a good part of
/// their time, and one alone emulates with one core.
fn aside_of_guests(myself: &Path, guests_run: bool) -> Vec<Done> {
    if guests_run {
        // Of this thread, and so of all that it starts.
        let _ = rustix::process::nice(19);
    }
    vec![
        Done::of("fuzz targets", || fuzz::all(myself)),
        Done::of("clippy", || {
            passing(build::as_for_guests("clippy", false).args(CLIPPY))
        }),
        Done::of("BPF object", || {
            crate::ebpf::check(&Cache::open()?).map(|()| Tally::default())
        }),
    ]
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
    own.args(["test", "--package", "xtask", "--config", &runner]);
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

fn guests(steps: &mut Steps, myself: &Path, lines: &[String], repeat: u32) {
    let newest = lines.last().map_or(kernels::NEWEST, String::as_str);
    let oldest = lines.first().map_or(newest, String::as_str);
    let thorough = repeat > 1;
    for round in 1..=repeat {
        let of = |what: &str| match repeat {
            1 => what.to_owned(),
            _ => format!("{what}, round {round} of {repeat}"),
        };
        for line in lines {
            // The other workloads prove the same path, and the kernels in
            // between the same arithmetic.
            let filter = match line.as_str() {
                _ if thorough => "timing::",
                line if line == newest => "timing::",
                line if line == oldest => "timing::zigzag",
                _ => continue,
            };
            // What is measured against a clock must have the machine to itself.
            steps.step(&of(&format!("guest {line}: timing")), || {
                guest(myself, line, &[filter], &[], GUEST_TIMEOUT)
            });
        }
        // The longest first.
        let mut jobs: Vec<Job<'_>> = Vec::new();
        let ends = [oldest, newest];
        let between = lines.iter().map(String::as_str);
        let between = between.filter(|line| !ends.contains(line));
        let first = ends.into_iter().take(if oldest == newest { 1 } else { 2 });
        for line in first.chain(between) {
            let mut filters = vec!["--skip", "timing::", "--skip", "soak::"];
            if !thorough && line != oldest {
                filters.extend(SAME_ANYWHERE);
            }
            if !thorough && !ends.contains(&line) {
                filters.extend(SAME_BETWEEN);
            }
            jobs.push(Job {
                name: of(&format!("guest {line}: tests")),
                work: Box::new(move || again(myself, line, &filters)),
            });
        }
        jobs.push(Job {
            name: of("guest selftest"),
            work: Box::new(move || {
                quiet(Command::new(myself).args(["guest-selftest", "--kernel", newest]))
            }),
        });
        for done in side_by_side(jobs) {
            steps.add(done);
        }
    }
    if thorough {
        steps.step("guest 6.1-debugfs: tests", || {
            guest(myself, built::LINE, &DEBUGFS_TESTS, &[], GUEST_TIMEOUT)
        });
        // What takes its time: recorders that run for long, or are stopped for long.
        steps.step(&format!("guest {newest}: soak"), || {
            let soak = ["--include-ignored", "soak::", "faults::a_stopped"];
            guest(myself, newest, &soak, &SOAK, SOAK_TIMEOUT)
        });
        // The kernel whose BUG damo must not run into.
        steps.step("guest 6.17: 1000 rounds of races", || {
            guest(
                myself,
                "6.17",
                &["races::"],
                &["env", "DAMO_ROUNDS=1000"],
                ROUNDS_TIMEOUT,
            )
        });
    }
}

/// Tests that no kernel's DAMON makes a difference to: the oldest one's guest,
/// which has the fewest others, runs them, and in release-check all.
const SAME_ANYWHERE: [&str; 10] = [
    "--skip",
    "badinput::",
    "--skip",
    "endings::",
    "--skip",
    "faults::",
    "--skip",
    "process::",
    "--skip",
    "rotation::",
];

/// Tests that need not run on each kernel: the oldest and the newest run them,
/// and in release-check all.
const SAME_BETWEEN: [&str; 16] = [
    "--skip",
    "access::",
    "--skip",
    "documents::",
    "--skip",
    "effects::",
    "--skip",
    "faults::",
    "--skip",
    "follow::",
    "--skip",
    "monitor::",
    "--skip",
    "service::",
    "--skip",
    "summary::",
];

/// What a kernel with both of DAMON's interfaces proves.
const DEBUGFS_TESTS: [&str; 3] = ["debugfs::", "lifecycle::", "ownership::"];

/// How long the soak takes, and how long a recorder is stopped.
const SOAK: [&str; 3] = ["env", "DAMO_SOAK_SECONDS=600", "DAMO_STOPPED_SECONDS=30"];

/// For ten minutes, and reading what was recorded.
const SOAK_TIMEOUT: &str = "1800";

/// For a thousand rounds, about a second each.
const ROUNDS_TIMEOUT: &str = "3600";

/// Something for a guest to do.
struct Job<'a> {
    name: String,
    work: Box<dyn FnOnce() -> Result<Tally> + Send + 'a>,
}

/// Guests that may run at once: each emulates with one core or a little more.
const GUESTS: usize = 2;

/// Does jobs in their order, some at once.
fn side_by_side(jobs: Vec<Job<'_>>) -> Vec<Done> {
    let (queue, done) = (Mutex::new(VecDeque::from(jobs)), Mutex::new(Vec::new()));
    let next = || queue.lock().ok()?.pop_front();
    thread::scope(|scope| {
        for _ in 0..GUESTS {
            scope.spawn(|| {
                while let Some(job) = next() {
                    let result = Done::of(&job.name, job.work);
                    if let Ok(mut done) = done.lock() {
                        done.push(result);
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_default()
}

/// How many failed tests get another go.
const FEW: usize = 3;

/// A guest's tests. A few that fail are run once more, in a guest of their own:
/// what passes then is told as flaky, with what it said, and is a bug all the
/// same; what fails again has failed.
fn again(myself: &Path, line: &str, filter: &[&str]) -> Result<Tally> {
    let first = guest(myself, line, filter, &[], GUEST_TIMEOUT)?;
    if first.failed == 0 || first.names.len() > FEW || first.failed != first.names.len() as u64 {
        return Ok(first);
    }
    let mut names: Vec<&str> = first.names.iter().map(String::as_str).collect();
    names.push("--exact");
    let mut second = guest(myself, line, &names, &[], GUEST_TIMEOUT)?;
    for name in first.names.iter().filter(|it| !second.names.contains(it)) {
        second.flaky.push(format!("{line}: {name}"));
    }
    second.flaky.extend(first.panics);
    second.passed += first.passed;
    Ok(second)
}

fn guest(
    myself: &Path,
    line: &str,
    filter: &[&str],
    prefix: &[&str],
    timeout: &str,
) -> Result<Tally> {
    let output = tied(myself)
        .args(["guest", "--kernel", line, "--timeout", timeout])
        .args(["--tests", "--"])
        .args(prefix)
        // What the tests measured is worth reading, also when they pass.
        .args(["guest", "--test-threads=1", "--show-output"])
        .args(filter)
        .stdin(Stdio::null())
        .output()
        .context("a guest cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tally = Tally::of_output(&text);
    show(&format!("guest {line}"), &text, &output.stderr, &tally)?;
    ensure!(
        output.status.success() || tally.failed > 0,
        "the guest failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    some(tally)
}

/// As [`counting`], but shown as a whole at the end: others run beside it.
fn quiet(command: &mut Command) -> Result<Tally> {
    let output = command.stdin(Stdio::null()).output().context("tests")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tally = Tally::of_output(&text);
    show("guest selftest", &text, &output.stderr, &tally)?;
    ensure!(
        output.status.success() || tally.failed > 0,
        "{}",
        output.status
    );
    some(tally)
}

/// Prints what a guest said, in one piece.
fn show(what: &str, text: &str, stderr: &[u8], tally: &Tally) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "--- {what} ---\n{}", told(text, tally.failed > 0))?;
    out.write_all(stderr)?;
    Ok(())
}

/// What is worth reading of a guest's output: everything if it failed, else
/// without the pictures.
fn told(text: &str, failed: bool) -> String {
    let picture =
        |line: &str| line.len() > PICTURE && line.bytes().all(|b| b.is_ascii_digit() || b == b' ');
    let lines = text.trim().lines().filter(|line| failed || !picture(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// Lines of digits that are longer than this are a heatmap's.
const PICTURE: usize = 60;

/// A command that ends when the thread that starts it does.
fn tied(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
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
        assert_eq!(
            quiet(Command::new("sh").args(["-c", result]))
                .unwrap()
                .failed,
            1
        );
        assert!(quiet(&mut Command::new("false")).is_err());
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
