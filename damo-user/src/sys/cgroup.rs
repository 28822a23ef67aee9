//! Control groups, version 2: which processes are in one. Reading only.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::statfs;

/// Where it is mounted: alone, or beside version 1.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// The file system's number (`CGROUP2_SUPER_MAGIC`).
const MAGIC: u64 = 0x6367_7270;

/// Why a cgroup cannot be looked for.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// There is no hierarchy of version 2.
    #[error(
        "no cgroup v2 is mounted at /sys/fs/cgroup: mount one (mount -t cgroup2 none /sys/fs/cgroup)"
    )]
    NotMounted,
    /// It is not below the hierarchy.
    #[error(
        "{}: is not below {}: give such a path, or one relative to it, as system.slice/nginx.service",
        typed.display(), root.display()
    )]
    Elsewhere {
        /// What was typed.
        typed: PathBuf,
        /// Where cgroups are.
        root: PathBuf,
    },
}

/// Where the hierarchy is mounted.
///
/// # Errors
/// [`CgroupError::NotMounted`].
pub fn root() -> Result<PathBuf, CgroupError> {
    let mut roots = ROOTS.iter().map(PathBuf::from);
    let is_one = |root: &PathBuf| statfs(root).is_ok_and(|it| it.f_type.cast_unsigned() == MAGIC);
    roots.find(is_one).ok_or(CgroupError::NotMounted)
}

/// The folder of a cgroup, which need not be there, by its path below `root` or
/// relative to it.
///
/// # Errors
/// [`CgroupError::Elsewhere`].
pub fn folder(root: &Path, typed: &Path) -> Result<PathBuf, CgroupError> {
    let elsewhere = || CgroupError::Elsewhere {
        typed: typed.to_owned(),
        root: root.to_owned(),
    };
    let relative = match typed.is_absolute() {
        true => typed.strip_prefix(root).map_err(|_| elsewhere())?,
        false => typed,
    };
    let mut folder = root.to_owned();
    for component in relative.components() {
        match component {
            Component::Normal(name) => folder.push(name),
            Component::CurDir => {}
            _ => return Err(elsewhere()),
        }
    }
    match typed.as_os_str().is_empty() {
        true => Err(elsewhere()),
        false => Ok(folder),
    }
}

/// The processes in a cgroup and in those below it; none if it is not there.
pub fn processes(folder: &Path) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // It may be removed at any time. A threaded one cannot be read: its
        // processes are told by the one that they belong to.
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        let pids = text.lines().filter_map(|line| line.parse::<u32>().ok());
        // 0 is a process of another pid namespace.
        found.extend(pids.filter(|pid| *pid != 0));
        // A folder has two links, and one more for each folder in it.
        if fs::metadata(&folder).is_ok_and(|about| about.nlink() == 2) {
            continue;
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|about| about.is_dir());
        folders.extend(entries.filter(is_folder).map(|entry| entry.path()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_below_the_hierarchy() {
        let root = Path::new("/sys/fs/cgroup");
        let of = |typed: &str| folder(root, Path::new(typed)).map_err(|it| it.to_string());
        for (typed, expected) in [
            ("a.slice/b", "/sys/fs/cgroup/a.slice/b"),
            ("./a/", "/sys/fs/cgroup/a"),
            ("/sys/fs/cgroup/a", "/sys/fs/cgroup/a"),
            ("/sys/fs/cgroup", "/sys/fs/cgroup"),
            (".", "/sys/fs/cgroup"),
        ] {
            assert_eq!(of(typed), Ok(PathBuf::from(expected)), "{typed}");
        }
        for typed in [
            "",
            "/a",
            "../a",
            "a/../../b",
            "/sys/fs/cgroup/..",
            "/sys/fs",
        ] {
            let error = of(typed).unwrap_err();
            assert!(error.contains("/sys/fs/cgroup"), "{typed}: {error}");
        }
    }

    #[test]
    fn processes_are_those_of_all_below() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert!(processes(&root.join("missing")).is_empty());
        let deep = root.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir(root.join("c")).unwrap();
        fs::write(root.join("cgroup.procs"), "1\n0\n").unwrap();
        fs::write(root.join("c/cgroup.procs"), "nonsense\n7\n").unwrap();
        fs::write(deep.join("cgroup.procs"), "12\n11\n12\n").unwrap();
        assert_eq!(processes(root), BTreeSet::from([1, 7, 11, 12]));
        assert_eq!(processes(&deep), BTreeSet::from([11, 12]));
    }
}
