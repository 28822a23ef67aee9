//! Output files that root writes into folders that others may write too.
//!
//! The file gets its name only when [`Output::keep`] is called, so that a
//! recording that fails before its first sample leaves the folder as it was, an
//! older file of that name included. Until then it has no name at all (or a
//! hidden one, on file systems without O_TMPFILE). It is never opened by a name
//! that somebody else could have made, no link is followed, and it is
//! unreadable to others before its first byte.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, Stat, Uid, fchmod, fchown, fstat, fsync, renameat, unlinkat};
use rustix::io::Errno;

use super::place::Place;

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
    #[error("{}: cannot use the folder {}: {source}; create it, or name another", path.display(), folder.display())]
    Folder {
        /// The output file.
        path: PathBuf,
        /// Its folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something of this name is not a file.
    #[error("{}: this is a {what}, which is not written over; name another file", path.display())]
    NotAFile {
        /// The output file, or its `.old`.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Something of this name is not a folder.
    #[error("{}: this is no folder, as a record in segments needs it; name another with --out", path.display())]
    NotAFolder {
        /// The output folder, or its `.old`.
        path: PathBuf,
    },
    /// The `.old` folder is not all ours to remove.
    #[error("{}: holds {}, which is not a record's; move it away, or name another folder with --out", path.display(), other.display())]
    Others {
        /// The `.old` folder.
        path: PathBuf,
        /// A file in it.
        other: OsString,
    },
    /// Another recorder's folder, now.
    #[error("{}: another damo records into it; end that first, or name another folder with --out", .0.display())]
    InUse(PathBuf),
    /// A stranger's file in a folder for everybody.
    #[error("{}: this belongs to user {uid}, in a folder where only owners may rename; name another file", path.display())]
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

impl OutputError {
    /// What the system said, if it did.
    pub fn into_io(self) -> io::Error {
        match self {
            OutputError::Io { source, .. } | OutputError::Folder { source, .. } => source,
            other => io::Error::other(other),
        }
    }
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
    mode: u32,
    owner: Option<(u32, u32)>,
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
        Self::create_at(Place::find(path, owner.map(|(uid, _)| uid))?, mode, owner)
    }

    pub(super) fn create_at(
        place: Place,
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> Result<Output, OutputError> {
        place.check()?;
        let (file, hidden) = place.new_file()?;
        let output = Output {
            file,
            place,
            hidden,
            kept: false,
            mode,
            owner,
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
            None => place.link(&self.file, &place.name),
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
        match fsync(&self.place.folder) {
            // Some file systems know no such thing for a folder.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(self.place.failed("write the folder to disk", error)),
        }
    }

    /// Another file for the same place, to [`Output::replace`] this one.
    ///
    /// # Errors
    /// As for [`Output::create`].
    pub fn again(&self) -> Result<Output, OutputError> {
        let place = self
            .place
            .again()
            .map_err(|error| self.place.failed_with("open its folder", error))?;
        Self::create_at(place, self.mode, self.owner)
    }

    /// Gives the file its name in place of `original`, which has it now, in one
    /// step and durably; nothing is kept of that.
    ///
    /// # Errors
    /// The name is no longer `original`'s, or the system refused; then
    /// nothing has changed.
    pub fn replace(mut self, original: &File) -> Result<(), OutputError> {
        let place = &self.place;
        let failed = |error| place.failed("put the file in place of another", error);
        let theirs = fstat(original).map_err(failed)?;
        let named = place.stat(&place.name)?;
        let same = |stat: &Stat| (stat.st_dev, stat.st_ino) == (theirs.st_dev, theirs.st_ino);
        if !named.as_ref().is_some_and(same) {
            return Err(failed(Errno::STALE));
        }
        let hidden = match self.hidden.clone() {
            Some(hidden) => hidden,
            None => {
                let hidden = place.free_name();
                place.link(&self.file, &hidden).map_err(failed)?;
                hidden
            }
        };
        let renamed = renameat(&place.folder, &hidden, &place.folder, &place.name);
        self.hidden = renamed.is_err().then_some(hidden);
        renamed.map_err(|error| self.place.failed("put the file in place of another", error))?;
        self.kept = true;
        // It is the same record, whichever of the two a power cut leaves.
        let _ = fsync(&self.place.folder);
        Ok(())
    }

    /// Whether the file has its name.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Whether the file had its name, and has none any more: somebody removed it.
    pub fn is_removed(&self) -> bool {
        self.kept && fstat(&self.file).is_ok_and(|stat| stat.st_nlink == 0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// As on a file system without O_TMPFILE.
    fn create(path: &Path) -> Output {
        let place = Place::find(path, None).unwrap();
        let (file, hidden) = place.hidden_file().unwrap();
        Output {
            file,
            place,
            hidden,
            kept: false,
            mode: 0o600,
            owner: None,
        }
    }

    #[test]
    fn a_hidden_name_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("damon.data");
        let count = || fs::read_dir(dir.path()).unwrap().count();
        create(&path).discard();
        assert_eq!(count(), 0);

        fs::write(&path, "old").unwrap();
        let (mut first, second) = (create(&path), create(&path));
        assert_eq!(count(), 3);
        first.keep().unwrap();
        drop((first, second));
        assert_eq!(count(), 2);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        assert_eq!(
            fs::read_to_string(dir.path().join("damon.data.old")).unwrap(),
            "old"
        );
    }

    #[test]
    fn a_name_taken_at_the_last_moment_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("damon.data");
        let mut output = create(&path);
        let hidden = output.hidden.take().unwrap();
        fs::write(&path, "theirs").unwrap();
        assert_eq!(
            output.place.rename_new(&hidden, &output.place.name),
            Err(Errno::EXIST)
        );
        assert_eq!(
            output.place.link(&output.file, &output.place.name),
            Err(Errno::EXIST)
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    }
}
