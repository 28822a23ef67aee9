//! What a recorder needs of its privileges, once everything is attached.

use std::path::{Path, PathBuf};

use rustix::fs::stat;

use crate::control::System;
use crate::control::params::Release;
use crate::sys::caller::Caller;
use crate::sys::privileges::Needs;

/// The first release that lets go of CAP_BPF for the use of maps.
const MAPS_FOR_ALL: Release = Release(5, 19);

/// Modules that a recorder switches off and on again.
const MODULES: [&str; 3] = ["damon_stat", "damon_reclaim", "damon_lru_sort"];

/// What is to be done yet.
#[derive(Clone, Copy, Debug)]
pub struct Ahead<'a> {
    /// The file or folder that is recorded into, with its name or still without:
    /// the folder around it stays writable.
    pub out: &'a Path,
    /// Whom it is given to.
    pub owner: Option<&'a Caller>,
    /// A command was started as another user, and may have to be ended.
    pub command_of_other: bool,
    /// Mappings of targets are recorded.
    pub mappings: bool,
}

/// What this takes: putting DAMON back, writing the record, and keeping the
/// notes in `/run/damo`, which is made if it is missing.
pub fn needs(system: &System, ahead: Ahead<'_>) -> Needs {
    let folder = match ahead.out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let others_folders = is_others(&folder) || is_others(ahead.out);
    let mut write_below = vec![folder];
    write_below.extend(system.run.iter().filter(|run| run.is_dir()).cloned());
    let mut change = vec![system.sysfs_admin.clone(), system.debugfs.clone()];
    let parameters = |module| system.modules.join(module).join("parameters");
    change.extend(MODULES.map(parameters));
    Needs {
        write_below,
        change,
        give_away: ahead.owner.is_some(),
        others_folders,
        end_others: ahead.command_of_other,
        look_into_others: ahead.mappings,
        // Of an unknown release the worst is assumed.
        bpf: system.release.is_none_or(|release| release < MAPS_FOR_ALL),
    }
}

/// Whether a folder is ours to write only because root may write everything.
/// The system itself cannot be asked, for as long as we have that right.
fn is_others(folder: &Path) -> bool {
    let Ok(about) = stat(folder) else {
        return false;
    };
    let me = rustix::process::geteuid().as_raw();
    if about.st_uid == me {
        return about.st_mode & 0o300 != 0o300;
    }
    // A folder for everybody is one for us, too.
    about.st_mode & 0o003 != 0o003
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown};

    use rustix::thread::CapabilitySet;

    fn ahead(out: &Path) -> Ahead<'_> {
        Ahead {
            out,
            owner: None,
            command_of_other: false,
            mappings: false,
        }
    }

    #[test]
    fn in_a_folder_of_our_own_no_capability_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let mut system = System::live();
        system.release = Some(MAPS_FOR_ALL);
        system.run = None;
        let out = dir.path().join("damon.data");
        let needs = needs(&system, ahead(&out));
        assert_eq!(needs.capabilities(), CapabilitySet::empty());
        assert_eq!(needs.write_below, [dir.path()]);
        let change: Vec<_> = needs.change.iter().map(|p| p.to_str().unwrap()).collect();
        assert_eq!(
            change,
            [
                "/sys/kernel/mm/damon/admin",
                "/sys/kernel/debug/damon",
                "/sys/module/damon_stat/parameters",
                "/sys/module/damon_reclaim/parameters",
                "/sys/module/damon_lru_sort/parameters",
            ]
        );
    }

    #[test]
    fn each_need_has_its_capabilities() {
        let mut system = System::live();
        system.release = Some(MAPS_FOR_ALL);
        let owner = Caller {
            uid: 1000,
            gid: 1000,
            groups: vec![],
            name: "user".to_owned(),
            home: None,
        };
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("damon.data");
        let kept = |ahead| needs(&system, ahead).capabilities();
        let given = Ahead {
            owner: Some(&owner),
            ..ahead(&out)
        };
        assert_eq!(
            kept(given),
            CapabilitySet::CHOWN | CapabilitySet::FOWNER | CapabilitySet::DAC_OVERRIDE
        );
        let started = Ahead {
            command_of_other: true,
            ..ahead(&out)
        };
        assert_eq!(kept(started), CapabilitySet::KILL);
        let looking = Ahead {
            mappings: true,
            ..ahead(&out)
        };
        assert_eq!(kept(looking), CapabilitySet::SYS_PTRACE);
        system.release = Some(Release(5, 18));
        assert_eq!(
            needs(&system, ahead(&out)).capabilities(),
            CapabilitySet::BPF
        );
    }

    #[test]
    fn whose_a_folder_is_tells_whether_writing_is_a_right_of_roots() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |bits| {
            let permissions = PermissionsExt::from_mode(bits);
            std::fs::set_permissions(dir.path(), permissions).unwrap();
            is_others(dir.path())
        };
        assert!(!mode(0o700));
        assert!(mode(0o500));
        if rustix::process::geteuid().is_root() {
            chown(dir.path(), Some(1000), Some(1000)).unwrap();
            assert!(mode(0o700) && mode(0o755));
            assert!(!mode(0o1777));
        }
        assert!(!is_others(&dir.path().join("missing")));
    }
}
