//! What the tests share: running `damo`, and looking at the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use damo_tests::counted;
use damo_user::analyze::Losses;
use damo_user::import;
use damo_user::model::{Happened, Happening, Item, Known, Meta, Note, Record, Snapshot};

use crate::process::{Ran, Started};

pub const ADMIN: &str = "/sys/kernel/mm/damon/admin";
const STAT: &str = "/sys/module/damon_stat/parameters/enabled";

/// A folder of a test's own; and a kernel as it was after boot, before and after.
pub struct Scene {
    pub dir: PathBuf,
}

impl Scene {
    /// With DAMON_STAT switched off, where there is one.
    pub fn quiet(name: &str) -> Scene {
        let scene = Scene::as_booted(name);
        if stat_exists() {
            stat_set(false);
        }
        scene
    }

    pub fn as_booted(name: &str) -> Scene {
        assert!(
            fs::read_to_string("/proc/sys/kernel/hostname")
                .unwrap()
                .trim()
                == "damo-guest",
            "these tests change DAMON: run them in a guest (cargo xtask guest)"
        );
        reset();
        let dir = PathBuf::from("/tmp/scene").join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Scene { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// `damo ARGS…`, with the scene's folder as working directory.
    pub fn damo(&self, args: &[&str]) -> Command {
        let mut command = Command::new("damo");
        command
            .args(args)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .env_remove("SUDO_UID")
            .env_remove("SUDO_GID");
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.start(args).wait()
    }

    /// For what takes longer than [`process::LIMIT`](crate::process::LIMIT).
    pub fn run_for(&self, args: &[&str], limit: Duration) -> Ran {
        self.start(args).wait_for(limit)
    }

    /// Starts `damo record …` and waits until it records into damon.data.
    #[track_caller]
    pub fn record(&self, args: &[&str]) -> Started {
        let _ = fs::remove_file(self.path("damon.data"));
        let started = self.start(args);
        until("recording", || self.path("damon.data").exists());
        started
    }

    /// Starts `damo`, for tests that interfere.
    pub fn start(&self, args: &[&str]) -> Started {
        Started::new(&mut self.damo(args))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        reset();
    }
}

/// Everything off and empty, DAMON_STAT as after boot. By hand, so that one
/// failing test does not make the others fail.
fn reset() {
    for index in 0..8 {
        let state = format!("{ADMIN}/kdamonds/{index}/state");
        if fs::read_to_string(&state).is_ok_and(|state| state.trim() == "on") {
            let _ = fs::write(&state, "off");
        }
    }
    let _ = fs::write(format!("{ADMIN}/kdamonds/nr_kdamonds"), "0");
    let _ = fs::write("/sys/kernel/debug/damon/monitor_on", "off");
    let _ = fs::remove_dir_all("/run/damo");
    if stat_exists() && !stat_on() {
        let _ = fs::write(STAT, "Y");
    }
    counted::stop();
}

pub fn signal(pid: u32, name: &str) {
    let status = Command::new("busybox")
        .args(["kill", &format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Waits for something that must happen within half a minute.
#[track_caller]
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{what} does not happen"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `6.12`, `7.3`…
pub fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    release.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

pub fn stat_exists() -> bool {
    Path::new(STAT).exists()
}

pub fn stat_on() -> bool {
    fs::read_to_string(STAT).is_ok_and(|on| on.trim() == "Y")
}

pub fn stat_set(on: bool) {
    fs::write(STAT, if on { "Y" } else { "N" }).unwrap();
}

/// Whether there is such a file below `admin`.
pub fn exists(path: &str) -> bool {
    Path::new(ADMIN).join(path).exists()
}

/// Writes below `admin`.
#[track_caller]
pub fn set(path: &str, value: &str) {
    let path = format!("{ADMIN}/{path}");
    fs::write(&path, value).unwrap_or_else(|error| panic!("{value} > {path}: {error}"));
}

#[track_caller]
pub fn get(path: &str) -> String {
    let path = format!("{ADMIN}/{path}");
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{path}: {error}"))
        .trim()
        .to_owned()
}

pub fn damon_is_on() -> bool {
    fs::read_to_string(format!("{ADMIN}/kdamonds/0/state")).is_ok_and(|state| state.trim() == "on")
}

/// Every file below `admin` that can be read, with what it says.
pub fn parameters() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::from(ADMIN)];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            // Gone since it was listed: a recorder is at work.
            Err(error) if error.kind() == ErrorKind::NotFound && folder != Path::new(ADMIN) => {
                continue;
            }
            entries => entries.unwrap(),
        };
        for entry in entries {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path(), patiently(&entry.path()));
            }
        }
    }
    found
}

/// What a file says, or why it does not. `pid` is busy while another process
/// is reading it or writing `state`.
fn patiently(path: &Path) -> String {
    let mut text = String::new();
    until("an end of EBUSY", || {
        let read = fs::read_to_string(path);
        let busy = |error: &std::io::Error| error.kind() == ErrorKind::ResourceBusy;
        if read.as_ref().is_err_and(busy) {
            return false;
        }
        text = read.unwrap_or_else(|error| error.to_string());
        true
    });
    text
}

/// A record, read through the library.
pub struct Read {
    pub meta: Meta,
    pub snapshots: Vec<Snapshot>,
    pub notes: Vec<Note>,
    losses: Losses,
}

impl Read {
    #[track_caller]
    pub fn open(path: &Path) -> Read {
        let mut record: Box<dyn Record> = import::open(path).unwrap();
        let mut read = Read {
            meta: record.meta().clone(),
            snapshots: Vec::new(),
            notes: Vec::new(),
            losses: Losses::default(),
        };
        for item in record.items().unwrap() {
            let item = item.unwrap();
            read.losses.add(&item);
            match item {
                Item::Snapshot(snapshot) => read.snapshots.push(snapshot),
                Item::Note(note) => read.notes.push(note),
                Item::Gap(_) => {}
            }
        }
        read
    }

    /// Region samples in the file.
    pub fn stored(&self) -> u64 {
        self.losses.stored
    }

    /// Region samples that the file says are lost. A killed recorder's last
    /// frame may be cut off, and its samples unknown: these are not counted.
    pub fn lost(&self) -> u64 {
        self.losses.samples()
    }

    /// Region samples in the file, of one kdamond.
    pub fn stored_of(&self, kdamond: u32) -> u64 {
        let of = self
            .snapshots
            .iter()
            .filter(|it| it.target.kdamond == kdamond);
        of.map(|snapshot| snapshot.regions.len() as u64).sum()
    }

    /// What happened of a kind: when, to which kdamond and target, and its value.
    pub fn happened(&self, what: Happening) -> Vec<(u64, Happened)> {
        let notes = self.notes.iter().filter_map(|note| match note.what {
            Known::Happened(it) if it.what == what => Some((note.time_ns, it)),
            _ => None,
        });
        notes.collect()
    }

    pub fn kdamond(&self) -> u32 {
        self.meta.kdamond.unwrap()
    }
}
