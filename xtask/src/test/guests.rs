//! Tests in guests: which ones on which kernel, and two guests at a time.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, ensure};

use super::{counting, some};
use crate::steps::{Done, Steps};
use crate::tally::Tally;
use crate::{built, kernels};

/// A guest's whole test run, under emulation and next to another one. A test
/// that hangs ends long before (tests/guest/process.rs).
const GUEST_TIMEOUT: &str = "1500";

/// All tests of all guests.
pub fn all(steps: &mut Steps, myself: &Path, lines: &[String], repeat: u32) {
    let newest = lines.last().map_or(kernels::NEWEST, String::as_str);
    let oldest = lines.first().map_or(newest, String::as_str);
    let thorough = repeat > 1;
    // It has guests that must be up within seconds: alone.
    steps.step("guest selftest", || {
        counting(Command::new(myself).args(["guest-selftest", "--kernel", newest]))
    });
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
            let mut spare = |modules: &[&'static str]| {
                filters.extend(modules.iter().flat_map(|module| ["--skip", module]));
            };
            if !thorough && line != oldest {
                spare(&ON_OLDEST);
            }
            if !thorough && line != newest {
                spare(&ON_NEWEST);
            }
            if !thorough && !ends.contains(&line) {
                spare(&ON_BOTH);
            }
            jobs.push(Job {
                name: of(&format!("guest {line}: tests")),
                work: Box::new(move || again(myself, line, &filters)),
            });
        }
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

/// Tests that kernels make little difference to run on one, in release-check on all.
/// Those of the oldest kernel…
const ON_OLDEST: [&str; 6] = [
    "badinput::",
    "endings::",
    "faults::",
    "process::",
    "rotation::",
    "summary::",
];

/// …and of the newest, which has DAMON_STAT.
const ON_NEWEST: [&str; 5] = [
    "access::",
    "documents::",
    "effects::",
    "follow::",
    "monitor::",
];

/// What the kernels in between do as those at the ends.
const ON_BOTH: [&str; 2] = ["revival::", "service::"];

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
