//! Which of DAMON's features the running kernel has, found by reading only.
//!
//! Where there is a folder to look into, what is in it counts. Most of sysfs's
//! folders exist only once somebody has asked for a kdamond, a context and so
//! on; tracefs may not be mounted or not be ours to see. What cannot be looked at
//! is inferred from the kernel's version, and marked so. Nothing is written to
//! find out, and nothing kept.

mod table;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::files::{Files, Kind, LiveFiles};
use super::module::Version;
use crate::sys::host::Host;

pub use table::{Feature, Group, Sign, all};

/// How it is known whether a feature is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Its file is there, or is missing in a folder that is.
    Seen,
    /// From the kernel's version.
    Inferred,
    /// Its interface is missing.
    NoInterface,
}

/// A feature, and whether it is there.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Which.
    pub feature: Feature,
    /// Whether the kernel has it.
    pub available: bool,
    /// How that is known.
    pub evidence: Evidence,
}

/// The kernel's files, and its release.
#[derive(Clone)]
pub struct Look {
    files: Arc<dyn Files>,
    root: PathBuf,
    release: String,
}

const ADMIN: &str = "sys/kernel/mm/damon/admin";
const EVENTS: &str = "sys/kernel/tracing/events";
const DEBUGFS: &str = "sys/kernel/debug";

impl Look {
    /// The running kernel.
    pub fn live() -> Look {
        Look::new(Arc::new(LiveFiles), Path::new("/"), Host::here().kernel)
    }

    /// Another kernel: its files below `root`.
    pub fn new(files: Arc<dyn Files>, root: &Path, release: String) -> Look {
        let root = root.to_owned();
        Look {
            files,
            root,
            release,
        }
    }

    /// The kernel's release, as `7.3.4-cloud-amd64`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Its version.
    pub fn version(&self) -> Option<Version> {
        Version::parse(&self.release)
    }

    /// Whether there is such a file below the root.
    pub fn exists(&self, path: &str) -> bool {
        self.files.exists(&self.root.join(path))
    }

    /// A file's text; `None` if it cannot be read.
    pub fn read(&self, path: &str) -> Option<String> {
        self.files.read(&self.root.join(path)).ok()
    }

    /// Whether a folder may be looked into; an empty one says nothing.
    fn visible(&self, folder: &str) -> Visible {
        match self.files.list(&self.root.join(folder)) {
            Ok(entries) if entries.is_empty() => Visible::No,
            Ok(_) => Visible::Yes,
            Err(error) if is_refused(&error) => Visible::Refused,
            Err(_) => Visible::No,
        }
    }

    /// Whether tracefs is mounted at its place, and ours to see.
    pub fn tracefs(&self) -> Visible {
        self.visible(EVENTS)
    }

    /// Whether debugfs is mounted at its place, and ours to see.
    pub fn debugfs(&self) -> Visible {
        self.visible(DEBUGFS)
    }

    /// Whether sysfs is mounted at its place.
    pub fn sysfs(&self) -> Visible {
        self.visible("sys/kernel")
    }

    /// Whether this kernel has DAMON in any form that can be seen.
    pub fn has_damon(&self) -> bool {
        self.exists(ADMIN)
            || self.exists("sys/kernel/debug/damon")
            || super::Module::ALL
                .iter()
                .any(|module| self.exists(&format!("sys/module/{}", module.switch())))
            || self.exists("sys/kernel/tracing/events/damon")
    }

    /// Every feature.
    pub fn features(&self) -> Vec<Found> {
        let has_damon = self.has_damon();
        let find = |feature: Feature| {
            let (available, evidence) = self.find(&feature, has_damon);
            Found {
                feature,
                available,
                evidence,
            }
        };
        all().into_iter().map(find).collect()
    }

    fn find(&self, feature: &Feature, has_damon: bool) -> (bool, Evidence) {
        let seen = |there| (there, Evidence::Seen);
        let no_interface = (false, Evidence::NoInterface);
        let inferred = || {
            let known = self.version().is_some_and(|version| {
                version >= feature.since && feature.until.is_none_or(|until| version < until)
            });
            (known, Evidence::Inferred)
        };
        match feature.sign {
            Sign::Path(path) => seen(self.exists(path)),
            Sign::Param(module, name) => {
                let params = format!("sys/module/{}/parameters", module.name());
                match self.exists(&params) {
                    true => seen(self.exists(&format!("{params}/{name}"))),
                    false => no_interface,
                }
            }
            Sign::Sysfs(_) | Sign::Keyword if !self.exists(ADMIN) => no_interface,
            Sign::Keyword => inferred(),
            Sign::Sysfs(path) => {
                let kdamonds = self.root.join(ADMIN).join("kdamonds");
                self.below(&kdamonds, path).map_or_else(inferred, seen)
            }
            Sign::Event(name) => match self.tracefs() {
                Visible::Yes => seen(self.exists(&format!("{EVENTS}/damon/{name}"))),
                _ if has_damon => inferred(),
                _ => no_interface,
            },
            Sign::Debugfs(name) => match self.debugfs() {
                Visible::Yes => seen(self.exists(&format!("{DEBUGFS}/damon/{name}"))),
                // Few kernels are built with it, so that its version says little.
                _ => no_interface,
            },
        }
    }

    /// Whether `path` is there, `*` being any numbered folder; `None` if no
    /// folder is there in which it would have to be.
    fn below(&self, folder: &Path, path: &str) -> Option<bool> {
        let Some((before, after)) = path.split_once('*') else {
            let file = folder.join(path);
            // A level may itself be what an older kernel lacks: that is seen, too.
            return Some(self.files.exists(&file));
        };
        let folder = folder.join(before.trim_end_matches('/'));
        if !self.files.exists(&folder) {
            return Some(false);
        }
        let entries = self.files.list(&folder).ok()?;
        let numbered = entries.iter().filter(|entry| {
            entry.kind == Kind::Folder && entry.name.bytes().all(|byte| byte.is_ascii_digit())
        });
        let after = after.trim_start_matches('/');
        let mut answers = numbered.filter_map(|entry| self.below(&folder.join(&entry.name), after));
        // Others may be making or removing folders meanwhile.
        let first = answers.next()?;
        Some(first || answers.any(|there| there))
    }

    /// The newest version of which a feature is there; `None` without DAMON.
    pub fn damon_version(found: &[Found]) -> Option<Version> {
        let available = found.iter().filter(|found| found.available);
        available.map(|found| found.feature.since).max()
    }
}

/// Whether a folder can be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// It can.
    Yes,
    /// It is there, but only for root.
    Refused,
    /// It is not there, or empty.
    No,
}

fn is_refused(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ACCESS | Errno::PERM)
    )
}
