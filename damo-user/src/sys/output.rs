//! Output files that root writes into folders that others may write too.
//!
//! The file gets its name only when [`Output::keep`] is called, so that a
//! recording that fails before its first sample leaves the folder as it was, an
//! older file of that name included. Until then it has no name at all (or a
//! hidden one, on file systems without O_TMPFILE). It is never opened by a name
//! that somebody else could have made, no link is followed, and it is
//! unreadable to others before its first byte.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid, fchmod, fchown, fsync,
    linkat, open, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

/// Only the owner reads and writes, whatever is asked for later.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// How many hidden names are tried, on file systems that need one.
const HIDDEN_NAMES: u32 = 100;

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A mode that is none.
    #[error("--output_permission {0}: must be an octal number from 0 to 777, such as 600")]
    Mode(String),
    /// A path without a file name.
    #[error("{}: this names a folder; give a file's name", .0.display())]
    NoName(PathBuf),
    /// The folder.
    #[error("{}: cannot use the folder {}: {source}; create it, or name another with --out", path.display(), folder.display())]
    Folder {
        /// The output file.
        path: PathBuf,
        /// Its folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something of this name is not a file.
    #[error("{}: this is a {what}, which is not written over; name another file with --out", path.display())]
    NotAFile {
        /// The output file, or its `.old`.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A stranger's file in a folder for everybody.
    #[error("{}: this belongs to user {uid}, in a folder where only owners may rename; name another file with --out", path.display())]
    Foreign {
        /// The output file, or its `.old`.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// Anything else.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The output file.
        path: PathBuf,
        /// What was to be done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads permissions as they are typed: octal, as chmod takes them.
///
/// # Errors
/// [`OutputError::Mode`].
pub fn parse_mode(text: &str) -> Result<u32, OutputError> {
    let bad = || OutputError::Mode(text.to_owned());
    // from_str_radix would take a sign too.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|&mode| mode <= 0o777)
        .ok_or_else(bad)
}

/// A new file that does not have its name yet.
#[derive(Debug)]
pub struct Output {
    file: File,
    place: Place,
    /// The name it has meanwhile, where the file system wants one.
    hidden: Option<OsString>,
    kept: bool,
}

/// A name in a folder, whatever happens to the path that led there.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    folder: OwnedFd,
    name: OsString,
    /// Who else than this process may own what is replaced.
    owner: Option<u32>,
}

impl Output {
    /// Makes a file that [`Output::keep`] will call `path`, with exactly the
    /// permissions `mode`, and gives it to `owner` (user, group). Everything
    /// that can be checked about the name is checked now.
    ///
    /// A file of that name will become `NAME.old`, in place of an older one.
    /// Anything else of that name is refused; so is, in a folder like /tmp
    /// (sticky, writable by others), a file of neither this process nor `owner`.
    ///
    /// # Errors
    /// See [`OutputError`]; nothing was changed then.
    pub fn create(
        path: &Path,
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> Result<Output, OutputError> {
        let place = Place::find(path, owner.map(|(uid, _)| uid))?;
        place.check()?;
        let (file, hidden) = place.new_file()?;
        let output = Output {
            file,
            place,
            hidden,
            kept: false,
        };
        if let Some((uid, gid)) = owner {
            fchown(
                &output.file,
                Some(Uid::from_raw(uid)),
                Some(Gid::from_raw(gid)),
            )
            .map_err(|error| output.place.failed("give it to the calling user", error))?;
        }
        fchmod(&output.file, Mode::from_raw_mode(mode & 0o777))
            .map_err(|error| output.place.failed("set its permissions", error))?;
        Ok(output)
    }

    /// The open file, for reading and writing.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where the file is, or will be.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// Gives the file its name, durably; from now on dropping this keeps it.
    /// To be called as soon as there is something worth keeping. Further calls
    /// do nothing.
    ///
    /// # Errors
    /// Somebody took the name since, or the system refused; a former file of
    /// that name then still has it.
    pub fn keep(&mut self) -> Result<(), OutputError> {
        if self.kept {
            return Ok(());
        }
        let place = &self.place;
        let old = if place.check()? {
            let old = place.old_name();
            renameat(&place.folder, &place.name, &place.folder, &old)
                .map_err(|error| place.failed("rename the old file", error))?;
            Some(old)
        } else {
            None
        };
        let named = match &self.hidden {
            None => place.link(&self.file),
            Some(hidden) => place.rename_new(hidden, &place.name),
        };
        if let Err(error) = named {
            if let Some(old) = old {
                // If even this fails, the old file is safe under its new name.
                let _ = place.rename_new(&old, &place.name);
            }
            return Err(place.failed("give the file its name", error));
        }
        self.hidden = None;
        self.kept = true;
        fsync(&self.place.folder)
            .map_err(|error| self.place.failed("write the folder to disk", error))
    }

    /// Whether the file has its name.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Gives the file up, unless it was kept. Dropping does the same.
    pub fn discard(self) {}
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(hidden) = &self.hidden {
            // Only an empty, hidden file would stay; there is nothing to do.
            let _ = unlinkat(&self.place.folder, hidden, AtFlags::empty());
        }
    }
}

impl Place {
    fn find(path: &Path, owner: Option<u32>) -> Result<Place, OutputError> {
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

    fn old_name(&self) -> OsString {
        let mut name = self.name.clone();
        name.push(".old");
        name
    }

    /// Checks that the name can be used; whether a file must make way for it.
    fn check(&self) -> Result<bool, OutputError> {
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

    fn stat(&self, name: &OsStr) -> Result<Option<Stat>, OutputError> {
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
        let me = rustix::process::geteuid().as_raw();
        if stat.st_uid != me && self.owner != Some(stat.st_uid) && self.is_for_everybody()? {
            return Err(OutputError::Foreign {
                path: path(),
                uid: stat.st_uid,
            });
        }
        Ok(())
    }

    /// Whether the folder is sticky and others may write it. Root is not held
    /// to what that means, so we hold ourselves to it.
    fn is_for_everybody(&self) -> Result<bool, OutputError> {
        let stat = rustix::fs::fstat(&self.folder)
            .map_err(|error| self.failed("look at its folder", error))?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        Ok(mode.contains(Mode::SVTX) && mode.intersects(Mode::WGRP | Mode::WOTH))
    }

    /// A file in the folder without a name, or with a hidden one.
    fn new_file(&self) -> Result<(File, Option<OsString>), OutputError> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        if let Ok(fd) = openat(&self.folder, ".", flags | OFlags::TMPFILE, PRIVATE) {
            return Ok((File::from(fd), None));
        }
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mut last = Errno::EXIST;
        for number in 0..HIDDEN_NAMES {
            let name = OsString::from(format!(".damo-{}-{number}", std::process::id()));
            match openat(&self.folder, &name, flags, PRIVATE) {
                Ok(fd) => return Ok((File::from(fd), Some(name))),
                Err(Errno::EXIST) => {}
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
        Err(self.failed("create the file", last))
    }

    /// Names a file that has none; never replaces anything.
    fn link(&self, file: &File) -> Result<(), Errno> {
        // The direct way needs a right, the way round needs procfs.
        linkat(file, "", &self.folder, &self.name, AtFlags::EMPTY_PATH).or_else(|error| {
            if error == Errno::EXIST {
                return Err(error);
            }
            use std::os::fd::AsRawFd;
            let by_proc = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
            linkat(
                CWD,
                by_proc,
                &self.folder,
                &self.name,
                AtFlags::SYMLINK_FOLLOW,
            )
        })
    }

    /// Renames without replacing, where the file system can promise that.
    fn rename_new(&self, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
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

    fn failed(&self, action: &'static str, error: Errno) -> OutputError {
        OutputError::Io {
            path: self.path.clone(),
            action,
            source: error.into(),
        }
    }
}
