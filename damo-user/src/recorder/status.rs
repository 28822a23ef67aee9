//! How a running recorder does, in a small file of `/run/damo` for
//! `damo status --recorder`: written whole or not at all, at most once a second,
//! gone when the recorder ends.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cpu_budget::Level;
use crate::control::ownership::{By, store};

/// How often the file is written.
const EVERY: Duration = Duration::from_secs(1);

const SECOND: f64 = 1e9;

/// How a recorder does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The process: `pid`, `start_ticks`, `command`.
    #[serde(flatten)]
    pub by: By,
    /// Wall clock at the beginning of the recording, nanoseconds since 1970.
    pub begun_ns: u64,
    /// How long it has recorded, in nanoseconds.
    pub duration_ns: u64,
    /// CLOCK_MONOTONIC when this was written, in nanoseconds.
    pub updated_ns: u64,
    /// The file or folder.
    pub out: String,
    /// What is recorded.
    pub kdamonds: Vec<Recorded>,
    /// How many targets these have.
    pub targets: u64,
    /// How much detail is recorded, where `--max-cpu` limits it.
    pub detail: Level,
    /// Speeds of the last second or so.
    pub rate: Rate,
    /// Age of the oldest event that is not on its way to the disk yet, in
    /// milliseconds.
    pub lag_ms: u64,
    /// What came and what became of it.
    pub totals: Totals,
    /// Of the record, in all its segments.
    pub bytes: u64,
    /// How many files there are.
    pub segments: u64,
    /// Room on the disk; `None` where that is not known.
    pub free_bytes: Option<u64>,
    /// Resident memory of the recorder.
    pub rss_bytes: Option<u64>,
}

/// A kdamond that is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its thread.
    pub tid: u32,
    /// The thread's name, `kdamond.0` and so on.
    pub name: String,
}

/// Counts of region samples; `seen` is the sum of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// That DAMON reported.
    pub seen: u64,
    /// In the record.
    pub stored: u64,
    /// Lost, by cause: `ring_full`, `unseen`, `unwritten`.
    pub lost: BTreeMap<String, u64>,
    /// Left out on purpose, by cause: `max_cpu`, `filter`.
    pub left_out: BTreeMap<String, u64>,
}

impl Totals {
    /// All that were lost.
    pub fn all_lost(&self) -> u64 {
        self.lost.values().copied().fold(0, u64::saturating_add)
    }

    /// All that were left out.
    pub fn all_left_out(&self) -> u64 {
        self.left_out.values().copied().fold(0, u64::saturating_add)
    }
}

/// Speeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Events from the kernel, per second.
    pub events_per_s: f64,
    /// Region samples into the record, per second.
    pub samples_per_s: f64,
    /// Use of the processors by the recorder: 1 is all of one.
    pub cpu_share: f64,
}

/// What speeds are made of, as counted until some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// The moment, in nanoseconds of a clock that never goes back.
    pub now_ns: u64,
    /// Events from the kernel.
    pub events: u64,
    /// Region samples into the record.
    pub samples: u64,
    /// Processor time, in nanoseconds.
    pub cpu_ns: u64,
}

impl Counted {
    /// The speeds since `before`; zeros if no time has gone by.
    pub fn since(&self, before: &Counted) -> Rate {
        let seconds = self.now_ns.saturating_sub(before.now_ns) as f64 / SECOND;
        let per_second = |now: u64, then: u64| match seconds > 0.0 {
            true => now.saturating_sub(then) as f64 / seconds,
            false => 0.0,
        };
        Rate {
            events_per_s: per_second(self.events, before.events),
            samples_per_s: per_second(self.samples, before.samples),
            cpu_share: per_second(self.cpu_ns, before.cpu_ns) / SECOND,
        }
    }
}

/// The file of a running recorder. Dropping it removes the file.
#[derive(Debug)]
pub struct StatusFile {
    path: PathBuf,
    written: Option<Instant>,
}

impl StatusFile {
    /// Makes the file of this process in the folder `dir`
    /// ([`System::run`](crate::control::System::run)).
    ///
    /// # Errors
    /// It cannot be written: no reason not to record.
    pub fn create(dir: &Path, status: &Status) -> io::Result<StatusFile> {
        let mut file = StatusFile {
            path: dir.join(file_name(std::process::id())),
            written: None,
        };
        file.update(Instant::now(), || status.clone())?;
        Ok(file)
    }

    /// Writes the file anew, if the last time is a second ago; else `status` is
    /// not even asked for.
    ///
    /// # Errors
    /// It cannot be written, and says what it said before.
    pub fn update(&mut self, now: Instant, status: impl FnOnce() -> Status) -> io::Result<()> {
        let is_due = |at| now.saturating_duration_since(at) >= EVERY;
        if !self.written.is_none_or(is_due) {
            return Ok(());
        }
        // Also after an error: it is not to come ten times a second.
        self.written = Some(now);
        store::write(&self.path, &status())
    }
}

impl Drop for StatusFile {
    fn drop(&mut self) {
        // What stays is told as a dead recorder's.
        let _ = store::remove(&self.path);
    }
}

fn file_name(pid: u32) -> String {
    format!("recorder-{pid}.json")
}

/// A recorder that has written its status.
#[derive(Clone, Debug)]
pub struct Found {
    path: PathBuf,
    /// What it wrote last.
    pub status: Status,
}

impl Found {
    /// Whether it still runs. One that does not has ended without a word: it was
    /// killed, or its machine was.
    pub fn is_alive(&self) -> bool {
        self.status.by.is_alive()
    }

    /// Removes the file.
    ///
    /// # Errors
    /// What the system said.
    pub fn remove(&self) -> io::Result<()> {
        store::remove(&self.path)
    }
}

/// Every recorder that has written its status into `dir`, by process id. Files
/// that hold no such thing are passed over.
///
/// # Errors
/// The folder cannot be read; that it is missing means that there is none.
pub fn recorders(dir: &Path) -> io::Result<Vec<Found>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let Some(status) = store::read::<Status>(&path) else {
            continue;
        };
        // Only under its own name: removing one must not touch another.
        if path.file_name() == Some(file_name(status.by.pid).as_ref()) {
            found.push(Found { path, status });
        }
    }
    found.sort_by_key(|found| found.status.by.pid);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn status(duration_ns: u64) -> Status {
        Status {
            by: By::myself(),
            begun_ns: 1,
            duration_ns,
            updated_ns: 3,
            out: "/var/lib/damo/record".to_owned(),
            kdamonds: vec![Recorded {
                tid: 77,
                name: "kdamond.0".to_owned(),
            }],
            targets: 1,
            detail: Level::FewerSnapshots { one_in: 2 },
            rate: Rate {
                events_per_s: 20.5,
                samples_per_s: 10.25,
                cpu_share: 0.005,
            },
            lag_ms: 80,
            totals: Totals {
                seen: 20,
                stored: 10,
                lost: BTreeMap::from([("ring_full".to_owned(), 1), ("unseen".to_owned(), 2)]),
                left_out: BTreeMap::from([("max_cpu".to_owned(), 7)]),
            },
            bytes: 1000,
            segments: 2,
            free_bytes: Some(1 << 30),
            rss_bytes: None,
        }
    }

    #[test]
    fn is_there_while_recording_and_written_once_a_second() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("damo");
        assert!(recorders(&run).unwrap().is_empty());
        let begun = Instant::now();
        let mut file = StatusFile::create(&run, &status(5)).unwrap();
        let path = run.join(file_name(std::process::id()));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = || recorders(&run).unwrap().remove(0).status.duration_ns;
        assert_eq!(recorders(&run).unwrap()[0].status, status(5));
        file.update(begun, || panic!("too early")).unwrap();
        assert_eq!(read(), 5);
        let later = begun + Duration::from_secs(3600);
        file.update(later, || status(6)).unwrap();
        assert_eq!(read(), 6);
        assert!(recorders(&run).unwrap()[0].is_alive());
        // Only once, also when it fails.
        fs::rename(&run, dir.path().join("away")).unwrap();
        fs::write(&run, "no folder").unwrap();
        let later = later + EVERY;
        assert!(file.update(later, || status(7)).is_err());
        file.update(later, || panic!("too early")).unwrap();
        fs::remove_file(&run).unwrap();
        fs::rename(dir.path().join("away"), &run).unwrap();
        drop(file);
        assert_eq!(fs::read_dir(&run).unwrap().count(), 0);
    }

    #[test]
    fn one_that_was_killed_is_told_from_a_running_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut dead = status(5);
        // The same id, of another process.
        dead.by.start_ticks += 1;
        let file = StatusFile::create(dir.path(), &dead).unwrap();
        std::mem::forget(file);
        let found = recorders(dir.path()).unwrap();
        assert!(!found[0].is_alive());
        found[0].remove().unwrap();
        assert!(recorders(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_status_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("recorder-1.json", "{}"),
            ("recorder-2.json", "{"),
            ("kdamonds", "[]"),
            ("lock", ""),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        // A status under another's name.
        let text = serde_json::to_vec(&status(5)).unwrap();
        fs::write(dir.path().join("recorder-0.json"), text).unwrap();
        assert!(recorders(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn speeds_are_differences() {
        let before = Counted {
            now_ns: 1_000_000_000,
            events: 100,
            samples: 50,
            cpu_ns: 7,
        };
        let after = Counted {
            now_ns: 3_000_000_000,
            events: 300,
            samples: 60,
            cpu_ns: 10_000_007,
        };
        let rate = after.since(&before);
        assert_eq!((rate.events_per_s, rate.samples_per_s), (100.0, 5.0));
        assert!((rate.cpu_share - 0.005).abs() < 1e-12);
        assert_eq!(before.since(&before), Rate::default());
        assert_eq!(before.since(&after), Rate::default());
        assert_eq!(status(1).totals.all_lost(), 3);
        assert_eq!(status(1).totals.all_left_out(), 7);
    }
}
