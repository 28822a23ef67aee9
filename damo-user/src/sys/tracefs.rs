//! Where tracefs is; if it is nowhere, mounted for this process alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// The usual place, which every kernel with tracefs has as an empty folder.
const USUAL: &str = "/sys/kernel/tracing";

/// Below debugfs, where looking mounts it: for everybody, so only if there is
/// no other way.
const IN_DEBUGFS: &str = "/sys/kernel/debug/tracing";

/// Why there are no tracepoints.
#[derive(Debug, thiserror::Error)]
pub enum TracefsError {
    /// The kernel has none.
    #[error("this kernel has no tracefs ({USUAL} is missing): use one with CONFIG_TRACING")]
    Missing,
    /// It is not mounted, and we may not.
    #[error(
        "tracefs is not mounted, and mounting it for damo alone failed: {0}; \
         mount it (mount -t tracefs tracefs {USUAL}), or run damo as root"
    )]
    Mount(io::Error),
}

/// The folder of tracefs: where it is mounted already; else the usual place,
/// after mounting it there in a mount namespace of this thread's own, so that
/// nobody else sees it.
///
/// To be called before other threads start, which would stay outside, and after
/// commands are started, which are to stay outside. What is mounted and
/// unmounted elsewhere later goes on to be seen here.
///
/// # Errors
/// See [`TracefsError`].
pub fn find_or_mount() -> Result<PathBuf, TracefsError> {
    if is_tracefs(USUAL) {
        return Ok(USUAL.into());
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if is_mounted_at(IN_DEBUGFS, &mounts) {
        return Ok(IN_DEBUGFS.into());
    }
    match mount_privately() {
        Ok(()) => Ok(USUAL.into()),
        Err(_) if is_tracefs(IN_DEBUGFS) => Ok(IN_DEBUGFS.into()),
        Err(_) if !Path::new(USUAL).exists() => Err(TracefsError::Missing),
        Err(error) => Err(TracefsError::Mount(error.into())),
    }
}

fn is_tracefs(folder: &str) -> bool {
    Path::new(folder).join("events").is_dir()
}

/// Whether tracefs is mounted there, by the text of `/proc/self/mounts`. Asking
/// the folder itself would mount it.
fn is_mounted_at(folder: &str, mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(1);
        fields.next() == Some(folder) && fields.next() == Some("tracefs")
    })
}

fn mount_privately() -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    // Slaves rather than private: nothing of ours gets out, and what others
    // unmount is not kept busy by us for as long as we run.
    let slaves = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    mount(none, "/", none, slaves, none)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("tracefs"), USUAL, Some("tracefs"), flags, none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tracefs_itself_counts_as_mounted() {
        let mounts = "debugfs /sys/kernel/debug debugfs rw 0 0\n\
                      tmpfs /sys/kernel/debug/tracing tmpfs ro 0 0\n";
        assert!(!is_mounted_at(IN_DEBUGFS, mounts));
        let automounted = format!("{mounts}tracefs {IN_DEBUGFS} tracefs rw,nosuid 0 0\n");
        assert!(is_mounted_at(IN_DEBUGFS, &automounted));
        assert!(!is_mounted_at(USUAL, &automounted));
    }

    #[test]
    fn without_the_right_to_mount_it_says_what_to_do() {
        // Native tests run in a sandbox that takes the right away, and hides
        // tracefs; elsewhere this would mount.
        if std::env::var_os("DAMO_EXPECT_SANDBOX").is_none() {
            return;
        }
        let error = find_or_mount().unwrap_err().to_string();
        assert!(error.contains("mount -t tracefs"), "{error}");
    }
}
