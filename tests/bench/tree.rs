//! A command and all that it starts, in a cgroup of their own: nothing they use
//! is missed, whoever waits for whom.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

const GROUPS: &str = "/sys/fs/cgroup";

/// Often enough to see what a process that is about to end has used.
const TICK: Duration = Duration::from_millis(100);

/// Some commands, one after the other.
pub struct Tree {
    group: PathBuf,
    running: Option<Child>,
    begin: Option<Instant>,
    end: Instant,
    peak_kib: u64,
}

/// What they used.
pub struct Used {
    /// CPU seconds of all.
    pub cpu_s: f64,
    /// Seconds from the first one's start to the last one's end.
    pub wall_s: f64,
    /// The most memory that was resident at one time, in KiB: each process's
    /// own peak, added up over those that ran then.
    pub peak_kib: u64,
}

impl Tree {
    /// With nothing in it.
    pub fn new() -> Result<Tree> {
        // One whose processes are still being ended stays until they are gone.
        let group = (0..1000)
            .map(|number| Path::new(GROUPS).join(format!("bench{number}")))
            .find(|group| fs::create_dir(group).is_ok())
            .context("no cgroup can be made")?;
        Ok(Tree {
            group,
            running: None,
            begin: None,
            end: Instant::now(),
            peak_kib: 0,
        })
    }

    /// Starts a command; what it prints goes to `out`, its errors to `out` with
    /// `.err`.
    pub fn start(&mut self, command: &[String], out: &Path) -> Result<()> {
        let child = Command::new("sh")
            .args(["-c", "echo $$ >\"$0\"/cgroup.procs && exec \"$@\""])
            .arg(&self.group)
            .args(command)
            .stdin(Stdio::null())
            .stdout(File::create(out)?)
            .stderr(File::create(out.with_extension("err"))?)
            .spawn()?;
        self.begin.get_or_insert_with(Instant::now);
        self.running = Some(child);
        Ok(())
    }

    /// Looks after it for a while; whether it still runs.
    pub fn watch(&mut self, time: Duration) -> Result<bool> {
        let until = Instant::now() + time;
        loop {
            self.peak_kib = self.peak_kib.max(self.resident_kib()?);
            let running = self.running.as_mut().context("nothing was started")?;
            if running.try_wait()?.is_some() {
                return Ok(false);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(true);
            }
            sleep(left.min(TICK));
        }
    }

    /// Waits for it.
    ///
    /// # Errors
    /// It failed: with what it said.
    pub fn wait(&mut self, out: &Path) -> Result<()> {
        while self.watch(TICK)? {}
        self.end = Instant::now();
        let mut ended = self.running.take().context("nothing was started")?;
        let status = ended.wait()?;
        ensure!(
            status.success(),
            "a measured command: {status}\n{}\n{}",
            last_words(out),
            last_words(&out.with_extension("err"))
        );
        Ok(())
    }

    /// Peaks of those who run now.
    fn resident_kib(&self) -> Result<u64> {
        let processes = fs::read_to_string(self.group.join("cgroup.procs"))?;
        let peak = |pid: &str| -> Option<u64> {
            // A process that is gone has none.
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let peak = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))?;
            peak.split_whitespace().next()?.parse().ok()
        };
        Ok(processes.lines().filter_map(peak).sum())
    }

    /// What all of them used. What is left running is ended.
    pub fn used(self) -> Result<Used> {
        let stat = fs::read_to_string(self.group.join("cpu.stat"))?;
        let us = stat
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "));
        let us: f64 = us.context("no usage_usec")?.parse()?;
        Ok(Used {
            cpu_s: us / 1e6,
            wall_s: (self.end - self.begin.unwrap_or(self.end)).as_secs_f64(),
            peak_kib: self.peak_kib,
        })
    }
}

/// The end of what a file says.
fn last_words(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let from = bytes.len().saturating_sub(2000);
    String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned()
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::write(self.group.join("cgroup.kill"), "1");
        let _ = fs::remove_dir(&self.group);
    }
}
