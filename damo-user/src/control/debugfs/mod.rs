//! DAMON's debugfs interface, of Linux 5.15 to 6.13: one folder with a context,
//! and a folder below it for each further one.
//!
//! A file takes a single write, refuses it with EBUSY while its context runs,
//! and has all of its value in one line per target, region or scheme. There is
//! no lock to wait for: EBUSY lasts as long as DAMON is on.

mod error;
mod plan;
mod read;
mod refuse;
mod save;
mod text;

use std::path::PathBuf;

use rustix::io::Errno;

pub use error::{Lost, NotBack, OffError, PlanError};
pub use save::{SavedContext, SavedDebugfs, SavedRegion};
pub use text::SchemeStats;

use super::files::Kind;
use super::others;
use super::params::Release;
use super::plan::Write;
use super::sysfs::{FileError, Tree, insist};
use super::system::System;

/// What switches DAMON on, from 6.9 on by the second name.
const SWITCHES: [&str; 2] = ["monitor_on", "monitor_on_DEPRECATED"];

/// What the further contexts that we make are called, with a number from 1.
const PREFIX: &str = "damo.";

/// The first kernel that names targets in `init_regions` by index.
const BY_INDEX: Release = Release(5, 18);

/// How `init_regions` names a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TargetName {
    /// By its index.
    Index,
    /// By its process, or 42 for the physical address space. Read, it is an
    /// address of the kernel's instead.
    Pid,
}

/// DAMON's debugfs interface.
#[derive(Clone, Debug)]
pub struct Debugfs {
    tree: Tree,
    proc: Tree,
    switch: &'static str,
    target_name: TargetName,
}

impl Debugfs {
    /// The interface, if this kernel has it and its file system is mounted.
    pub fn find(system: &System) -> Option<Debugfs> {
        let (tree, proc) = (system.debugfs_tree(), system.proc_tree());
        let switch = SWITCHES.into_iter().find(|switch| tree.exists(switch))?;
        let release = proc.read("sys/kernel/osrelease").unwrap_or_default();
        let target_name = match release.parse::<Release>() {
            Ok(release) if release < BY_INDEX => TargetName::Pid,
            _ => TargetName::Index,
        };
        Some(Debugfs {
            tree,
            proc,
            switch,
            target_name,
        })
    }

    /// The folder with all of its files.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Does the writes of [`Debugfs::plan`], in order, up to the first that fails.
    ///
    /// # Errors
    /// [`FileError::Write`]; ENOMEM for `target_ids` is a process that is not there.
    pub fn apply(&self, writes: &[Write]) -> Result<(), FileError> {
        let mut writes = writes.iter();
        writes.try_for_each(|Write { path, value }| self.tree.write_once(path, value))
    }

    /// The write that switches all contexts `on` or `off`.
    pub fn switch(&self, value: &str) -> Write {
        Write {
            path: self.switch.to_owned(),
            value: value.to_owned(),
        }
    }

    /// Starts all contexts, if nobody else uses DAMON.
    ///
    /// # Errors
    /// [`FileError::Write`]: EBUSY if DAMON is in use, EINVAL if a context has
    /// no target.
    pub fn turn_on(&self) -> Result<(), FileError> {
        self.tree.write_once(self.switch, "on")
    }

    /// Stops all contexts. Those that watch processes have no targets then.
    ///
    /// # Errors
    /// DAMON's files cannot be read or written, or a context cannot be stopped.
    pub fn turn_off(&self) -> Result<(), OffError> {
        match insist(|| self.tree.write_once(self.switch, "off")) {
            // One of them is off already.
            Err(error) if error.errno() == Some(Errno::PERM) => {
                let tids: Vec<u32> = self.tids()?.into_iter().flatten().collect();
                if tids.is_empty() {
                    Ok(())
                } else {
                    Err(OffError::Stuck(tids))
                }
            }
            result => Ok(result?),
        }
    }

    /// Whether one of these contexts runs; where no file tells, whether anybody
    /// uses DAMON.
    ///
    /// # Errors
    /// A file cannot be read, or says something unknown.
    pub fn is_on(&self) -> Result<bool, FileError> {
        if self.tree.exists("kdamond_pid") {
            return Ok(self.tids()?.iter().any(Option::is_some));
        }
        let value = self.tree.read(self.switch)?;
        match value.trim() {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(self.odd(self.switch, value, "on or off")),
        }
    }

    /// The thread of each context's kdamond, in the order of [`Debugfs::read`];
    /// `None` if it is off.
    ///
    /// # Errors
    /// A file cannot be read, or says something unknown.
    pub fn tids(&self) -> Result<Vec<Option<u32>>, FileError> {
        let contexts = self.contexts()?;
        if !self.tree.exists("kdamond_pid") {
            // 5.15 has one context, and nobody else can be on beside it.
            let threads = match self.is_on()? {
                true => others::threads_in(&self.proc)?,
                false => Vec::new(),
            };
            return Ok((0..contexts.len())
                .map(|n| threads.get(n).copied())
                .collect());
        }
        contexts.iter().map(|context| self.tid(context)).collect()
    }

    fn tid(&self, context: &str) -> Result<Option<u32>, FileError> {
        let path = at(context, "kdamond_pid");
        if !self.tree.exists(&path) {
            return Ok(None);
        }
        let value = self.tree.read(&path)?;
        match value.trim() {
            "none" => Ok(None),
            tid => match tid.parse() {
                Ok(tid) => Ok(Some(tid)),
                Err(_) => Err(self.odd(&path, value, "a thread id or none")),
            },
        }
    }

    /// The contexts' folders: the root folder is "", then ours by number, then
    /// others by name.
    fn contexts(&self) -> Result<Vec<String>, FileError> {
        let mut names: Vec<String> = self
            .tree
            .list("")?
            .into_iter()
            .filter(|entry| entry.kind == Kind::Folder)
            .map(|entry| entry.name)
            .filter(|name| self.tree.exists(at(name, "target_ids")))
            .collect();
        names.sort_by_cached_key(|name| {
            let number = name
                .strip_prefix(PREFIX)
                .and_then(|n| n.parse::<u32>().ok());
            (number.is_none(), number, name.clone())
        });
        names.insert(0, String::new());
        Ok(names)
    }

    fn odd(&self, path: impl Into<PathBuf>, value: String, expected: &'static str) -> FileError {
        FileError::Odd {
            path: self.tree.root().join(path.into()),
            value,
            expected,
        }
    }
}

/// A context's file.
fn at(context: &str, file: &str) -> String {
    if context.is_empty() {
        file.to_owned()
    } else {
        format!("{context}/{file}")
    }
}
