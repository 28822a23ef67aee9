//! Tests in guests: which ones on which kernel, and two guests at a time.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, ensure};

use super::{counting, some};
use crate::built;
use crate::steps::{Done, Steps};
use crate::tally::Tally;

/// A guest's whole test run, under emulation and next to another one, on a slow
/// machine. A test that hangs ends long before (tests/guest/process.rs).
const GUEST_TIMEOUT: &str = "2700";

/// The guests' tests, while other things are done, too.
pub fn beside(steps: &mut Steps, myself: &Path, lines: &[String], repeat: u32) {
    for round in 1..=repeat {
        for done in side_by_side(jobs(myself, lines, &Round { round, of: repeat })) {
            steps.add(done);
        }
    }
}

/// What is measured against a clock, and so has nothing beside it but another guest.
pub fn by_the_clock(steps: &mut Steps, myself: &Path, lines: &[String], repeat: u32) {
    let (Some(newest), Some(oldest)) = (lines.last(), lines.first()) else {
        return;
    };
    let mut jobs = vec![Job {
        // It has guests that must be up within seconds.
        name: "guest selftest".to_owned(),
        work: Box::new(move || {
            counting(Command::new(myself).args(["guest-selftest", "--kernel", newest]))
        }),
    }];
    for round in 1..=repeat {
        let round = Round { round, of: repeat };
        for line in lines.iter().rev() {
            // The other workloads prove the same path, and the kernels in
            // between the same arithmetic.
            let filter = match line {
                _ if round.is_thorough() => "timing::",
                line if line == newest => "timing::",
                line if line == oldest => "timing::zigzag",
                _ => continue,
            };
            jobs.push(Job {
                name: round.named(&format!("guest {line}: timing")),
                work: Box::new(move || again(myself, line, &[filter])),
            });
        }
    }
    for done in side_by_side(jobs) {
        steps.add(done);
    }
    if repeat > 1 {
        rarely(steps, myself, newest);
    }
}

/// What takes long, or needs what few have.
fn rarely(steps: &mut Steps, myself: &Path, newest: &str) {
    steps.step("guest 6.1-debugfs: tests", || {
        guest(myself, built::LINE, &DEBUGFS_TESTS, &[], GUEST_TIMEOUT)
    });
    // Recorders that run for long, or are stopped for long.
    steps.step(&format!("guest {newest}: soak"), || {
        let soak = ["--include-ignored", "soak::", "faults::a_stopped"];
        guest(myself, newest, &soak, &SOAK, SOAK_TIMEOUT)
    });
    // The kernel whose BUG damo must not run into.
    steps.step("guest 6.17: 1000 rounds of races", || {
        let rounds = ["env", "DAMO_ROUNDS=1000"];
        guest(myself, "6.17", &["races::"], &rounds, ROUNDS_TIMEOUT)
    });
}

/// One of several.
struct Round {
    round: u32,
    of: u32,
}

impl Round {
    /// Whether everything runs on every kernel.
    fn is_thorough(&self) -> bool {
        self.of > 1
    }

    fn named(&self, what: &str) -> String {
        match self.of {
            1 => what.to_owned(),
            of => format!("{what}, round {} of {of}", self.round),
        }
    }
}

/// The tests of each kernel, the longest first.
fn jobs<'a>(myself: &'a Path, lines: &'a [String], round: &Round) -> Vec<Job<'a>> {
    let (ends, between): (Vec<_>, Vec<_>) = lines.iter().partition(|line| is_end(line, lines));
    let job = |line: &'a String| {
        let mut filters = vec!["--skip", "timing::", "--skip", "soak::"];
        if !round.is_thorough() {
            let skipped = left_out(line, lines).into_iter();
            filters.extend(skipped.flat_map(|module| ["--skip", module]));
        }
        Job {
            name: round.named(&format!("guest {line}: tests")),
            work: Box::new(move || again(myself, line, &filters)),
        }
    };
    ends.into_iter().chain(between).map(job).collect()
}

/// Whether it is the oldest or the newest of these kernels.
fn is_end(line: &str, lines: &[String]) -> bool {
    let ends = [lines.first(), lines.last()];
    ends.into_iter().flatten().any(|end| end == line)
}

/// The modules that need not run on a kernel since they run on others of these.
fn left_out(line: &str, lines: &[String]) -> Vec<&'static str> {
    let runs = |home: &str| lines.iter().any(|line| line == home);
    let elsewhere = ONCE.iter().filter(|(home, _)| *home != line && runs(home));
    let mut left_out: Vec<_> = elsewhere
        .flat_map(|(_, modules)| *modules)
        .copied()
        .collect();
    if !is_end(line, lines) {
        left_out.extend(AT_THE_ENDS);
    }
    left_out
}

/// Tests that kernels make little difference to, and the one to run them on; in
/// release-check all run on all. Some want DAMON_STAT, or swap; the rest is where
/// time is.
const ONCE: [(&str, &[&str]); 4] = [
    (
        "6.12",
        &[
            "badinput::",
            "endings::",
            "faults::",
            "process::",
            "rotation::",
            "summary::",
        ],
    ),
    ("6.17", &["lifecycle::", "ownership::"]),
    ("7.2", &["others::", "revival::", "service::"]),
    (
        "7.3",
        &[
            "access::",
            "documents::",
            "effects::",
            "follow::",
            "monitor::",
        ],
    ),
];

/// What the kernels in between do as those at the ends.
const AT_THE_ENDS: [&str; 4] = ["children::", "counting::", "recorder::", "snapshots::"];

/// What a kernel with both of DAMON's interfaces proves.
const DEBUGFS_TESTS: [&str; 3] = ["debugfs::", "lifecycle::", "ownership::"];

/// How long the soak takes, and how long a recorder is stopped.
const SOAK: [&str; 3] = ["env", "DAMO_SOAK_SECONDS=600", "DAMO_STOPPED_SECONDS=30"];

/// For ten minutes, and reading what was recorded.
const SOAK_TIMEOUT: &str = "1800";

/// For a thousand rounds, about a second each.
const ROUNDS_TIMEOUT: &str = "3600";

/// Where guests' programs are, beside this one.
pub fn programs(myself: &Path) -> PathBuf {
    myself.with_file_name("guest-programs")
}

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
        .arg("--programs")
        .arg(programs(myself))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_left_out_runs_on_another_kernel() {
        let all = crate::kernels::lines("all").unwrap();
        let mut modules: Vec<_> = ONCE.iter().flat_map(|(_, modules)| *modules).collect();
        modules.extend(&AT_THE_ENDS);
        for module in modules {
            let runs = all
                .iter()
                .filter(|line| !left_out(line, &all).contains(module));
            assert!(runs.count() > 0, "{module}");
        }
        for line in &all {
            assert!(
                left_out(line, std::slice::from_ref(line)).is_empty(),
                "alone"
            );
        }
    }
}
