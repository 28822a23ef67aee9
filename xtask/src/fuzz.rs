//! `cargo xtask fuzz`: bytes of all kinds to what reads files of others.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::build;
use crate::debian;
use crate::tally::Tally;

/// The targets, in fuzz/fuzz_targets.
const TARGETS: [&str; 4] = ["reader", "sealed", "columns", "import"];

/// Targets that run at once, if nothing else does.
const JOBS: usize = 2;

/// What cargo-fuzz gives rustc without a sanitizer: all of it is stable.
const FLAGS: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
];

/// Named, so that what only runs here (build scripts) is built without the flags.
const MACHINE: &str = "x86_64-unknown-linux-gnu";

/// A target that has not had its time on a CPU after so many times that time, and
/// a minute, hangs; or the machine is overloaded.
const PATIENCE: u32 = 10;
const GRACE: Duration = Duration::from_secs(60);

/// Feeds bytes of all kinds to everything that reads files.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seconds on a CPU, of all targets together
    #[arg(long, default_value_t = SECONDS)]
    seconds: u64,
    /// Which targets; all of them by default
    #[arg(value_parser = TARGETS)]
    targets: Vec<String>,
}

/// What `cargo xtask test` gives it.
pub const SECONDS: u64 = 120;

/// Runs the targets.
pub fn main(args: &Args) -> Result<ExitCode> {
    let targets = match args.targets.is_empty() {
        true => TARGETS.map(str::to_owned).to_vec(),
        false => args.targets.clone(),
    };
    // Cargo may replace this program's file.
    let dir = tempfile::tempdir_in(build::target_dir("xtask")?)?;
    let myself = dir.path().join("xtask");
    fs::copy(std::env::current_exe()?, &myself).context("cannot copy this program")?;
    let tally = run(&myself, &targets, args.seconds, JOBS)?;
    Ok(ExitCode::from(u8::from(tally.failed > 0)))
}

/// All targets, as a step of `cargo xtask test`: one at a time, since guests run
/// beside it.
pub fn all(myself: &Path) -> Result<Tally> {
    run(myself, &TARGETS.map(str::to_owned), SECONDS, 1)
}

fn run(myself: &Path, targets: &[String], seconds: u64, jobs: usize) -> Result<Tally> {
    let binaries = built()?;
    let corpus = build::target_dir("fuzz/corpus")?;
    let said = Command::new(binaries.join("seeds"))
        .env("DAMO_FUZZ_SEEDS", &corpus)
        .stdin(Stdio::null())
        .output()
        .context("what the targets begin with cannot be written")?;
    ensure!(said.status.success(), "seeds: {said:?}");
    let each = Duration::from_secs(seconds) / u32::try_from(targets.len().max(1))?;
    let mut tally = Tally::default();
    for together in targets.chunks(jobs.max(1)) {
        let mut runs = Vec::new();
        for target in together {
            runs.push(Run::start(myself, &binaries, &corpus, target, each)?);
        }
        for run in runs {
            match run.end() {
                Ok(line) => {
                    println!("{line}");
                    tally.passed += 1;
                }
                Err(error) => {
                    eprintln!("fuzz: {error:#}");
                    tally.failed += 1;
                    tally.names.push(format!("{error:#}"));
                }
            }
        }
    }
    Ok(tally)
}

/// Builds the targets, and gives the folder that they are in.
fn built() -> Result<PathBuf> {
    let cxx = || {
        let mut command = Command::new("c++");
        command.arg("--version").stdin(Stdio::null());
        command.output().is_ok_and(|output| output.status.success())
    };
    // libFuzzer is built from its source.
    if !cxx() {
        debian::install(&["g++"])?;
    }
    let folder = build::target_dir("fuzz")?;
    let status = build::cargo()
        .args(["build", "--quiet", "--release", "--bins"])
        .args(["--manifest-path", "fuzz/Cargo.toml", "--target", MACHINE])
        .arg("--target-dir")
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .status()
        .context("cargo")?;
    ensure!(status.success(), "the fuzz targets cannot be built");
    Ok(folder.join(MACHINE).join("release"))
}

/// A target that runs.
struct Run {
    target: String,
    child: Child,
    log: PathBuf,
    /// Time on a CPU that it gets.
    share: Duration,
    until: Instant,
}

impl Run {
    fn start(
        myself: &Path,
        binaries: &Path,
        corpus: &Path,
        target: &str,
        share: Duration,
    ) -> Result<Self> {
        let found = build::target_dir(&format!("fuzz/found/{target}"))?;
        let log = found.with_extension("log");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(myself)
            .args(["sandbox", "--"])
            .arg(binaries.join(target))
            .arg(corpus.join(target))
            // It ends when it has had its share, and is asked to.
            .arg(format!(
                "-max_total_time={}",
                (share * PATIENCE).as_secs() + 1
            ))
            .arg(format!("-artifact_prefix={}/", found.display()))
            // One allocation is limited here; all together, by the targets.
            .args(["-rss_limit_mb=512", "-malloc_limit_mb=64", "-timeout=10"])
            .args(["-max_len=65536", "-print_final_stats=1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("{target} cannot be started"))?;
        Ok(Run {
            target: target.to_owned(),
            child,
            log,
            share,
            until: Instant::now() + share * PATIENCE + GRACE,
        })
    }

    /// Waits for it; gives what it did.
    fn end(mut self) -> Result<String> {
        let mut used = Duration::ZERO;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            used = on_cpu(self.child.id()).unwrap_or(used);
            if used >= self.share {
                // libFuzzer then ends as if its time were up.
                let pid = Pid::from_child(&self.child);
                let _ = kill_process(pid, Signal::USR1);
            }
            if Instant::now() > self.until {
                let _ = self.child.kill();
                let _ = self.child.wait();
                bail!("{} hangs: see {}", self.target, self.log.display());
            }
            thread::sleep(Duration::from_millis(100));
        };
        let log = fs::read(&self.log).context("what the target said")?;
        let log = String::from_utf8_lossy(&log);
        if !status.success() {
            bail!("{}", failure(&self.target, &log, &self.log));
        }
        let count = executions(&log).context("the target does not say how often it ran")?;
        Ok(format!(
            "fuzz {}: {count} executions in {:.0} s on a CPU",
            self.target,
            used.as_secs_f64()
        ))
    }
}

/// Time that a process has had on a CPU so far.
fn on_cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before them may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()? + ticks()?;
    Some(Duration::from_millis(
        ticks * 1000 / rustix::param::clock_ticks_per_second(),
    ))
}

/// How often libFuzzer ran its target.
fn executions(log: &str) -> Option<u64> {
    let number = |line: &str| {
        let rest = line.strip_prefix("stat::number_of_executed_units:")?;
        rest.trim().parse().ok()
    };
    log.lines().find_map(number)
}

/// What went wrong, and how to see it again.
fn failure(target: &str, log: &str, path: &Path) -> String {
    let why = log.lines().find(|line| line.contains("panicked at"));
    let why = why.or_else(|| log.lines().find(|line| line.contains("ERROR: libFuzzer")));
    let input = log
        .lines()
        .find_map(|line| Some(line.split_once("Test unit written to ")?.1));
    let again = match input {
        Some(input) => format!(
            "again with `target/fuzz/{MACHINE}/release/{target} {}`",
            input.trim()
        ),
        None => "it left no input".to_owned(),
    };
    format!(
        "{target}: {}; {again}; all it said is in {}",
        why.unwrap_or("it failed").trim(),
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says() {
        let good = "INFO: Seed: 1\nstat::number_of_executed_units: 4096\nstat::x: 1\n";
        assert_eq!(executions(good), Some(4096));
        assert_eq!(executions("INFO: Seed: 1\n"), None);
        let bad = "thread '<unnamed>' panicked at src/a.rs:1:2:\n\
                   ==1== ERROR: libFuzzer: deadly signal\n\
                   artifact_prefix='x/'; Test unit written to x/crash-1\n";
        let said = failure("reader", bad, Path::new("reader.log"));
        assert!(said.contains("src/a.rs:1:2"), "{said}");
        assert!(said.contains("release/reader x/crash-1`"), "{said}");
        assert!(said.ends_with("reader.log"), "{said}");
    }

    #[test]
    fn every_target_is_run() {
        let folder = build::root().join("fuzz/fuzz_targets");
        let mut files: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let mut known = TARGETS.map(|name| format!("{name}.rs"));
        known.sort();
        assert_eq!(files, known);
    }
}
