//! What a command takes, measured around it alone.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

/// First argument of this program when it is to measure a command.
pub const ALONE: &str = "--measure-alone";

/// What a command took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub wall_s: f64,
    pub cpu_s: f64,
    /// Most resident memory, in MiB.
    pub rss_mib: f64,
    pub succeeded: bool,
}

/// Runs a command from a process of its own: that way nothing of what else was
/// started, nor our own memory, is counted.
pub fn cost(command: &[&str], folder: &Path) -> Cost {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .arg(ALONE)
        .args(command)
        .current_dir(folder)
        .env("HOME", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    let text = String::from_utf8(output.stderr).expect("text");
    let last = text.lines().last().expect("what it took");
    let numbers: Vec<f64> = last.split(' ').map(|it| it.parse().expect(last)).collect();
    Cost {
        wall_s: numbers[0],
        cpu_s: numbers[1],
        rss_mib: numbers[2],
        succeeded: numbers[3] == 1.0,
    }
}

/// The best of some, by CPU time.
pub fn best(rounds: usize, command: &[&str], folder: &Path) -> Cost {
    let costs = (0..rounds).map(|_| cost(command, folder));
    let best = costs.min_by(|one, other| one.cpu_s.total_cmp(&other.cpu_s));
    let best = best.expect("a round");
    assert!(best.succeeded, "{command:?} failed");
    best
}

/// What the started process does.
pub fn alone(command: &[String]) {
    let (program, arguments) = command.split_first().expect("a command");
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("it starts");
    let wall = start.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("it is always there");
    let cpu: f64 = [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .sum();
    let rss = usage.max_rss() as f64 / 1024.0;
    eprintln!("{wall} {cpu} {rss} {}", u8::from(status.success()));
}
