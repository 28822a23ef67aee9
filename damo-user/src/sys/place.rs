//! A name in a folder, whatever happens to the path that led there.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat, fstat, linkat, open, openat, renameat,
    renameat_with, statat,
};
use rustix::io::Errno;

use super::output::OutputError;

/// Only the owner reads and writes, whatever is asked for later.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// How many hidden names are tried, on file systems that need one.
const HIDDEN_NAMES: u32 = 100;

/// Where an output file is to be.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) folder: OwnedFd,
    pub(super) name: OsString,
    /// Who else than this process may own what is replaced.
    owner: Option<u32>,
}

impl Place {
    pub(super) fn find(path: &Path, owner: Option<u32>) -> Result<Place, OutputError> {
        let no_name = || OutputError::NoName(path.to_owned());
        if path.as_os_str().as_bytes().ends_with(b"/") {
            return Err(no_name());
        }
        let name = path.file_name().ok_or_else(no_name)?;
        let folder_path = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder =
            open(folder_path, flags, Mode::empty()).map_err(|error| OutputError::Folder {
                path: path.to_owned(),
                folder: folder_path.to_owned(),
                source: error.into(),
            })?;
        Ok(Place {
            path: path.to_owned(),
            folder,
            name: name.to_owned(),
            owner,
        })
    }

    pub(super) fn old_name(&self) -> OsString {
        let mut name = self.name.clone();
        name.push(".old");
        name
    }

    /// A hidden name that nothing has now.
    pub(super) fn free_name(&self) -> OsString {
        let name = |number| OsString::from(format!(".damo-{}-{number}", std::process::id()));
        let free = |name: &OsString| {
            let there = statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW);
            matches!(there, Err(Errno::NOENT))
        };
        // If none is free, using one fails, and says so.
        (0..HIDDEN_NAMES)
            .map(name)
            .find(free)
            .unwrap_or_else(|| name(0))
    }

    /// Checks that the name can be used; whether a file must make way for it.
    pub(super) fn check(&self) -> Result<bool, OutputError> {
        let Some(present) = self.stat(&self.name)? else {
            return Ok(false);
        };
        self.check_replaceable(&self.path, &present, false)?;
        let old = self.old_name();
        if let Some(present) = self.stat(&old)? {
            self.check_replaceable(&self.path.with_file_name(&old), &present, true)?;
        }
        Ok(true)
    }

    pub(super) fn stat(&self, name: &OsStr) -> Result<Option<Stat>, OutputError> {
        match statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("look for an old file", error)),
        }
    }

    /// A rename replaces a link itself, never what it points to.
    fn check_replaceable(&self, path: &Path, stat: &Stat, link: bool) -> Result<(), OutputError> {
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => None,
            FileType::Symlink if link => None,
            FileType::Symlink => Some("symbolic link"),
            FileType::Directory => Some("folder"),
            FileType::Fifo => Some("named pipe"),
            FileType::Socket => Some("socket"),
            FileType::BlockDevice | FileType::CharacterDevice => Some("device"),
            FileType::Unknown => Some("special file"),
        };
        let path = || path.to_owned();
        if let Some(what) = what {
            return Err(OutputError::NotAFile { path: path(), what });
        }
        self.check_owner(&path(), stat)
    }

    /// In a folder for everybody, only one's own makes way.
    pub(super) fn check_owner(&self, path: &Path, stat: &Stat) -> Result<(), OutputError> {
        let me = rustix::process::geteuid().as_raw();
        if stat.st_uid != me && self.owner != Some(stat.st_uid) && self.is_for_everybody()? {
            return Err(OutputError::Foreign {
                path: path.to_owned(),
                uid: stat.st_uid,
            });
        }
        Ok(())
    }

    /// Whether the folder is sticky and others may write it. Root is not held
    /// to what that means, so we hold ourselves to it.
    fn is_for_everybody(&self) -> Result<bool, OutputError> {
        let stat = fstat(&self.folder).map_err(|error| self.failed("look at its folder", error))?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        Ok(mode.contains(Mode::SVTX) && mode.intersects(Mode::WGRP | Mode::WOTH))
    }

    /// A file in the folder without a name, or with a hidden one.
    pub(super) fn new_file(&self) -> Result<(File, Option<OsString>), OutputError> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE;
        match openat(&self.folder, ".", flags, PRIVATE) {
            Ok(fd) => Ok((File::from(fd), None)),
            // Most often a file system that has no such thing; if not, making
            // a named file fails for the same reason and says so.
            Err(_) => self.hidden_file(),
        }
    }

    pub(super) fn hidden_file(&self) -> Result<(File, Option<OsString>), OutputError> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mut result = Err(Errno::EXIST);
        for number in 0..HIDDEN_NAMES {
            let name = OsString::from(format!(".damo-{}-{number}", std::process::id()));
            result =
                openat(&self.folder, &name, flags, PRIVATE).map(|fd| (File::from(fd), Some(name)));
            if !matches!(result, Err(Errno::EXIST)) {
                break;
            }
        }
        result.map_err(|error| self.failed("create the file", error))
    }

    /// Names a file that has none; never replaces anything.
    pub(super) fn link(&self, file: &File, name: &OsStr) -> Result<(), Errno> {
        // The direct way needs a right, the way round needs procfs.
        linkat(file, "", &self.folder, name, AtFlags::EMPTY_PATH).or_else(|error| {
            if error == Errno::EXIST {
                return Err(error);
            }
            let by_proc = format!("/proc/self/fd/{}", file.as_raw_fd());
            linkat(CWD, by_proc, &self.folder, name, AtFlags::SYMLINK_FOLLOW)
        })
    }

    /// Renames without replacing, where the file system can promise that.
    pub(super) fn rename_new(&self, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
        let folder = &self.folder;
        match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => match statat(folder, to, AtFlags::SYMLINK_NOFOLLOW)
            {
                Ok(_) => Err(Errno::EXIST),
                Err(_) => renameat(folder, from, folder, to),
            },
            other => other,
        }
    }

    pub(super) fn failed(&self, action: &'static str, error: Errno) -> OutputError {
        self.failed_with(action, error.into())
    }

    pub(super) fn failed_with(&self, action: &'static str, source: io::Error) -> OutputError {
        OutputError::Io {
            path: self.path.clone(),
            action,
            source,
        }
    }

    pub(super) fn again(&self) -> io::Result<Place> {
        Ok(Place {
            path: self.path.clone(),
            folder: self.folder.try_clone()?,
            name: self.name.clone(),
            owner: self.owner,
        })
    }

    /// `name` in `folder`, which is this place's.
    pub(super) fn inside(&self, folder: OwnedFd, name: &str) -> Place {
        Place {
            path: self.path.join(name),
            folder,
            name: name.into(),
            owner: self.owner,
        }
    }
}
