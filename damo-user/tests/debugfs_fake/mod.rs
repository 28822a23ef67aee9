//! DAMON's debugfs files in memory, with the rules of five kernels behind them.
//! What is modelled stands in DAMON-ABI.md, section 3, and in mm/damon/dbgfs.c.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use damo_user::control::debugfs::Debugfs;
use damo_user::control::params::{Params, Region, Target};
use damo_user::control::{Entry, Files, Kind, System, Write};
use rustix::io::Errno;

pub use rules::{State, Version};

pub const FOLDER: &str = "/sys/kernel/debug/damon";

/// Which writes fail, counted from 1, and how.
#[derive(Clone, Copy)]
pub struct Fault {
    pub at: usize,
    pub times: usize,
    pub errno: Errno,
}

pub struct FakeDebugfs(Mutex<State>);

impl FakeDebugfs {
    pub fn new(version: Version) -> Arc<FakeDebugfs> {
        Arc::new(FakeDebugfs(Mutex::new(State::new(version))))
    }

    pub fn debugfs(self: &Arc<Self>) -> Debugfs {
        let files = Arc::clone(self) as Arc<dyn Files>;
        let system = System::fake(files, Path::new("/"), Duration::from_millis(5));
        Debugfs::find(&system).unwrap()
    }

    pub fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// A write by somebody else, which must succeed.
    pub fn set(&self, file: &str, value: &str) {
        self.state(|state| state.store(file, value))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
    }

    pub fn get(&self, file: &str) -> String {
        self.state(|state| state.value(file)).unwrap()
    }

    pub fn fail_write(&self, fault: Option<Fault>) {
        self.state(|state| (state.fault, state.writes) = (fault, 0));
    }

    /// Everything that can be read now.
    pub fn dump(&self) -> BTreeMap<String, String> {
        self.state(|state| {
            let value = |file: String| Some((file.clone(), state.value(&file).ok()?));
            state.files().into_iter().filter_map(value).collect()
        })
    }
}

fn below(path: &Path, folder: &str) -> Option<String> {
    let rest = path.strip_prefix(folder).ok()?;
    Some(rest.to_str().unwrap().to_owned())
}

impl Files for FakeDebugfs {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.state(|state| {
            if let Some(file) = below(path, "/proc") {
                return Ok(state.proc(&file).ok_or(Errno::NOENT)?);
            }
            let file = below(path, FOLDER).ok_or(Errno::NOENT)?;
            Ok(state.value(&file)?)
        })
    }

    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        self.state(|state| {
            state.writes += 1;
            let now = |fault: &Fault| (fault.at..fault.at + fault.times).contains(&state.writes);
            if let Some(fault) = state.fault.filter(now) {
                return Err(fault.errno.into());
            }
            let file = below(path, FOLDER).ok_or(Errno::NOENT)?;
            Ok(state.store(&file, value)?)
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.state(|state| {
            if below(path, "/proc").is_some() {
                let threads = state.threads().into_iter();
                let folder = |tid: u32| Entry {
                    name: tid.to_string(),
                    kind: Kind::Folder,
                };
                return Ok(threads.map(folder).collect());
            }
            let folder = below(path, FOLDER).ok_or(Errno::NOENT)?;
            assert_eq!(folder, "", "only the root folder has folders");
            let mut entries = BTreeSet::new();
            for file in state.files() {
                entries.insert(match file.split_once('/') {
                    Some((folder, _)) => (folder.to_owned(), true),
                    None => (file, false),
                });
            }
            let entry = |(name, folder)| Entry {
                name,
                kind: match folder {
                    true => Kind::Folder,
                    false => Kind::File { writable: true },
                },
            };
            Ok(entries.into_iter().map(entry).collect())
        })
    }

    fn exists(&self, path: &Path) -> bool {
        self.state(|state| {
            if let Some(pid) = below(path, "/proc") {
                return state.proc(&pid).is_some();
            }
            let file = below(path, FOLDER);
            file.is_some_and(|file| state.files().contains(&file))
        })
    }
}

/// A target with ranges.
pub fn process(pid: u32, regions: &[(u64, u64)]) -> Target {
    Target {
        pid: Some(pid),
        regions: regions
            .iter()
            .map(|&(start, end)| Region { start, end })
            .collect(),
        obsolete: false,
    }
}

/// The writes for parameters: files and values.
pub fn plan(version: Version, params: &Params) -> Vec<(String, String)> {
    let writes = FakeDebugfs::new(version).debugfs().plan(params).unwrap();
    writes
        .into_iter()
        .map(|Write { path, value }| (path, value))
        .collect()
}
