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
        System {
            files: Arc::new(LiveFiles),
            sysfs_admin: "/sys/kernel/mm/damon/admin".into(),
            modules: "/sys/module".into(),
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

    /// Processes.
    pub fn proc_tree(&self) -> Tree {
        self.tree(&self.proc)
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
            .field("proc", &self.proc)
            .field("is_root", &self.is_root)
            .finish_non_exhaustive()
    }
}
