//! What the tests share: running `damo`, and looking at the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use damo_tests::counted;
use damo_user::import;
use damo_user::model::{Item, Meta, Record, Snapshot};

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
            fs::write(STAT, "N").unwrap();
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
        Ran::from(self.damo(args).output().unwrap())
    }

    /// Starts `damo` with its output in files, for tests that interfere.
    pub fn start(&self, args: &[&str]) -> Started {
        let out = |name: &str| fs::File::create(self.path(name)).unwrap();
        let child = self
            .damo(args)
            .stdout(out("stdout"))
            .stderr(out("stderr"))
            .process_group(0)
            .spawn()
            .unwrap();
        Started {
            child,
            stderr: self.path("stderr"),
        }
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
    if stat_exists() && !stat_on() {
        let _ = fs::write(STAT, "Y");
    }
    counted::stop();
}

pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}{}",
            self.stdout,
            self.stderr
        );
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Ran {
        assert!(
            self.stderr.contains(text),
            "no '{text}' in: {}",
            self.stderr
        );
        self
    }
}

pub struct Started {
    child: Child,
    stderr: PathBuf,
}

impl Started {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    pub fn wait(mut self) -> Ran {
        Ran {
            status: self.child.wait().unwrap(),
            stdout: String::new(),
            stderr: fs::read_to_string(&self.stderr).unwrap(),
        }
    }
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
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let text = fs::read_to_string(entry.path()).unwrap_or_else(|e| e.to_string());
                found.insert(entry.path(), text);
            }
        }
    }
    found
}

/// A record, read through the library.
pub struct Read {
    pub meta: Meta,
    pub snapshots: Vec<Snapshot>,
    pub lost: u64,
}

impl Read {
    #[track_caller]
    pub fn open(path: &Path) -> Read {
        let mut record: Box<dyn Record> = import::open(path).unwrap();
        let meta = record.meta().clone();
        let mut read = Read {
            meta,
            snapshots: Vec::new(),
            lost: 0,
        };
        for item in record.items().unwrap() {
            match item.unwrap() {
                Item::Snapshot(snapshot) => {
                    read.lost += u64::from(snapshot.missing);
                    read.snapshots.push(snapshot);
                }
                Item::Gap(gap) => read.lost += gap.events.unwrap_or(0),
            }
        }
        read
    }

    pub fn samples(&self) -> u64 {
        self.snapshots.iter().map(|s| s.regions.len() as u64).sum()
    }

    pub fn kdamond(&self) -> u32 {
        self.meta.kdamond.unwrap()
    }
}
