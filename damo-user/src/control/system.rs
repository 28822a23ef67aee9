//! Where the kernel's files are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::ControlError;
use super::files::{Files, LiveFiles};
use super::ownership::{By, Lock, LockError, Notes};
use super::params::Release;
use super::sysfs::Tree;
use crate::sys::host::Host;
use crate::sys::process::Stat;

/// Where damo keeps what it must know after its process is gone.
pub const RUN: &str = "/run/damo";

/// How long DAMON's lock is waited for: commands of other tools hold it for a
/// sampling interval, rarely longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The kernel as control sees it. Tests give other roots or other [`Files`].
#[derive(Clone)]
pub struct System {
    /// How files are read and written.
    pub files: Arc<dyn Files>,
    /// DAMON's `admin` folder.
    pub sysfs_admin: PathBuf,
    /// The folder of kernel modules, built-in ones included.
    pub modules: PathBuf,
    /// DAMON's folder in debugfs.
    pub debugfs: PathBuf,
    /// procfs.
    pub proc: PathBuf,
    /// The folder of damo's own notes and lock; `None` for none of these.
    pub run: Option<PathBuf>,
    /// Id of this boot.
    pub boot_id: String,
    /// The kernel's release.
    pub release: Option<Release>,
    /// Whether the effective user is root.
    pub is_root: bool,
    /// How long EBUSY is waited for, per file.
    pub patience: Duration,
}

impl System {
    /// The running kernel.
    pub fn live() -> System {
        let host = Host::here();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        System {
            files: Arc::new(LiveFiles),
            sysfs_admin: "/sys/kernel/mm/damon/admin".into(),
            modules: "/sys/module".into(),
            debugfs: debugfs_mount(&mounts).join("damon"),
            proc: "/proc".into(),
            run: Some(RUN.into()),
            boot_id: host.boot_id,
            release: host.kernel.parse().ok(),
            is_root: rustix::process::geteuid().is_root(),
            patience: PATIENCE,
        }
    }

    /// Another kernel: `files` answers for the usual paths below `root`. Nothing
    /// is written down, and nothing locked.
    pub fn fake(files: Arc<dyn Files>, root: &Path, patience: Duration) -> System {
        System {
            files,
            sysfs_admin: root.join("sys/kernel/mm/damon/admin"),
            modules: root.join("sys/module"),
            debugfs: root.join("sys/kernel/debug/damon"),
            proc: root.join("proc"),
            run: None,
            boot_id: String::new(),
            release: None,
            is_root: true,
            patience,
        }
    }

    /// DAMON's parameters, if there are any and we may reach them.
    ///
    /// # Errors
    /// [`ControlError::NotRoot`], [`ControlError::NoDamon`].
    pub fn damon(&self) -> Result<Tree, ControlError> {
        if !self.is_root {
            return Err(ControlError::NotRoot);
        }
        let tree = self.admin();
        if !tree.exists("kdamonds/nr_kdamonds") {
            return Err(ControlError::NoDamon(tree.root().to_owned()));
        }
        Ok(tree)
    }

    /// The right to change DAMON's parameters, while it is kept.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn lock(&self) -> Result<Option<Lock>, LockError> {
        let take = |run: &PathBuf| Lock::take(run, &By::myself(), self.patience);
        self.run.as_ref().map(take).transpose()
    }

    /// What damo wrote down, if it does so.
    pub fn notes(&self) -> Option<Notes> {
        let run = self.run.as_ref()?;
        Some(Notes::new(run, self.boot_id.clone()))
    }

    /// DAMON's parameters.
    pub fn admin(&self) -> Tree {
        self.tree(&self.sysfs_admin)
    }

    /// Kernel modules.
    pub fn module_tree(&self) -> Tree {
        self.tree(&self.modules)
    }

    /// DAMON's folder in debugfs.
    pub fn debugfs_tree(&self) -> Tree {
        self.tree(&self.debugfs)
    }

    /// Processes.
    pub fn proc_tree(&self) -> Tree {
        self.tree(&self.proc)
    }

    /// Whether kernel threads can be seen, kdamonds among them: not from within a
    /// PID namespace of one's own, as containers have.
    pub fn sees_kernel_threads(&self) -> bool {
        let kthreadd = self.proc_tree().read("2/stat");
        kthreadd.is_ok_and(|text| Stat::parse(&text).is_some_and(|stat| stat.kernel_thread))
    }

    fn tree(&self, root: &Path) -> Tree {
        Tree::new(Arc::clone(&self.files), root.to_owned(), self.patience)
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("sysfs_admin", &self.sysfs_admin)
            .field("modules", &self.modules)
            .field("debugfs", &self.debugfs)
            .field("proc", &self.proc)
            .field("is_root", &self.is_root)
            .finish_non_exhaustive()
    }
}

/// Where debugfs is, by the text of `/proc/self/mounts`; its usual place if it
/// is not mounted.
fn debugfs_mount(mounts: &str) -> PathBuf {
    let mut points = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (_, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "debugfs").then_some(point)
    });
    let point = points.next().unwrap_or("/sys/kernel/debug");
    // What the kernel writes for characters that would break the line.
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let unescaped = escapes
        .iter()
        .fold(point.to_owned(), |point, (code, sign)| {
            point.replace(code, sign)
        });
    unescaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debugfs_is_where_it_is_mounted() {
        for (mounts, point) in [
            ("", "/sys/kernel/debug"),
            ("none /d debugfs rw 0 0\n", "/d"),
            (
                "debugfs /a tmpfs rw 0 0\nx /sys/kernel/debug debugfs rw 0 0\n",
                "/sys/kernel/debug",
            ),
            ("x /my\\040debug debugfs rw 0 0\n", "/my debug"),
        ] {
            assert_eq!(debugfs_mount(mounts), Path::new(point), "{mounts}");
        }
    }
}
