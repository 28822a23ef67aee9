//! Output folders, made with the care of [`Output`]: hidden until they are
//! worth their name, never through a link, an older one kept as `NAME.old`.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Gid, Mode, OFlags, Uid, fchmod, fchown, flock, fstat,
    fsync, mkdirat, openat, unlinkat,
};
use rustix::io::Errno;

use super::output::{Output, OutputError};
use super::place::Place;

/// How many hidden names are tried.
const HIDDEN_NAMES: u32 = 100;

/// A new folder of output files.
#[derive(Debug)]
pub struct OutputFolder {
    folder: OwnedFd,
    place: Place,
    /// The name it has until it is kept.
    hidden: Mutex<Option<OsString>>,
    mode: u32,
    owner: Option<(u32, u32)>,
    /// Which files of an older folder's older folder may go with it.
    ours: fn(&str) -> bool,
}

impl OutputFolder {
    /// Makes a folder that [`OutputFolder::keep`] will call `path`, for files
    /// with the permissions `mode` (the folder can be entered by whoever may
    /// read them), and gives it to `owner` (user, group).
    ///
    /// A folder of that name will become `NAME.old`; an older `NAME.old` goes,
    /// if it holds nothing but files whose names are `ours`.
    ///
    /// # Errors
    /// See [`OutputError`]; nothing was changed then.
    pub fn create(
        path: &Path,
        mode: u32,
        owner: Option<(u32, u32)>,
        ours: fn(&str) -> bool,
    ) -> Result<OutputFolder, OutputError> {
        let place = Place::find(path, owner.map(|(uid, _)| uid))?;
        place.check_folder(ours)?;
        let (folder, hidden) = hidden_folder(&place)?;
        lock(&folder, path)?;
        let made = OutputFolder {
            folder,
            place,
            hidden: Mutex::new(Some(hidden)),
            mode,
            owner,
            ours,
        };
        if let Some((uid, gid)) = owner {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            fchown(&made.folder, Some(uid), Some(gid))
                .map_err(|error| made.place.failed("give it to the calling user", error))?;
        }
        // Whoever may read may look in.
        let enter = mode | (mode & 0o444) >> 2;
        fchmod(&made.folder, Mode::from_raw_mode(enter & 0o777))
            .map_err(|error| made.place.failed("set its permissions", error))?;
        Ok(made)
    }

    /// Goes on in the folder that is there, if it holds nothing but files whose names
    /// are `ours`; without one, as [`OutputFolder::create`].
    ///
    /// # Errors
    /// See [`OutputError`]: among others, another process has this folder.
    pub fn go_on(
        path: &Path,
        mode: u32,
        owner: Option<(u32, u32)>,
        ours: fn(&str) -> bool,
    ) -> Result<OutputFolder, OutputError> {
        let place = Place::find(path, owner.map(|(uid, _)| uid))?;
        let Some(present) = place.stat(&place.name)? else {
            return OutputFolder::create(path, mode, owner, ours);
        };
        if FileType::from_raw_mode(present.st_mode) != FileType::Directory {
            let path = place.path;
            return Err(OutputError::NotAFolder { path });
        }
        let folder = open_folder(&place, &place.name)?;
        // What was opened counts, whatever the name means by now.
        let opened = fstat(&folder).map_err(|error| place.failed(LOOK, error))?;
        place.check_owner(&place.path, &opened)?;
        lock(&folder, path)?;
        check_files(&place, &place.path, &folder, ours)?;
        Ok(OutputFolder {
            folder,
            place,
            hidden: Mutex::new(None),
            mode,
            owner,
            ours,
        })
    }

    /// Makes a file in the folder; [`Output::keep`] will call it `name`.
    ///
    /// # Errors
    /// See [`OutputError`].
    pub fn file(&self, name: &str) -> Result<Output, OutputError> {
        let folder = self
            .folder
            .try_clone()
            .map_err(|error| self.place.failed_with("open the folder", error))?;
        let place = self.place.inside(folder, name);
        Output::create_at(place, self.mode, self.owner)
    }

    /// Where the folder is, or will be.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// The folder itself, wherever it is moved to.
    pub fn as_fd(&self) -> &OwnedFd {
        &self.folder
    }

    /// Gives the folder its name, durably; from now on dropping this keeps it.
    /// Further calls do nothing.
    ///
    /// # Errors
    /// Somebody took the name since, or the system refused; a former folder of
    /// that name then still has it.
    pub fn keep(&self) -> Result<(), OutputError> {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(from) = hidden.clone() else {
            return Ok(());
        };
        let place = &self.place;
        let mut moved = Moved::default();
        let named = self.make_way(&mut moved).and_then(|()| {
            place
                .rename_new(&from, &place.name)
                .map_err(|error| place.failed("give the folder its name", error))
        });
        if let Err(error) = named {
            moved.back(place);
            return Err(error);
        }
        *hidden = None;
        if let Some(aside) = moved.aside {
            remove(place, &aside, self.ours)?;
        }
        match fsync(&place.folder) {
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(place.failed("write the folder to disk", error)),
        }
    }

    /// The folder that has the name becomes `NAME.old`, and what was that goes
    /// aside.
    fn make_way(&self, moved: &mut Moved) -> Result<(), OutputError> {
        let place = &self.place;
        if !place.check_folder(self.ours)? {
            return Ok(());
        }
        let old = place.old_name();
        if place.stat(&old)?.is_some() {
            let aside = place.free_name();
            place
                .rename_new(&old, &aside)
                .map_err(|error| place.failed("rename the older folder", error))?;
            moved.aside = Some(aside);
        }
        place
            .rename_new(&place.name, &old)
            .map_err(|error| place.failed("rename the old folder", error))?;
        moved.old = true;
        Ok(())
    }
}

/// What has made way so far.
#[derive(Default)]
struct Moved {
    /// The name that `NAME.old` has now.
    aside: Option<OsString>,
    /// `NAME` is `NAME.old` now.
    old: bool,
}

impl Moved {
    /// Each its former name. If even this fails, all is safe under its new one.
    fn back(self, place: &Place) {
        if self.old {
            let _ = place.rename_new(&place.old_name(), &place.name);
        }
        if let Some(aside) = self.aside {
            let _ = place.rename_new(&aside, &place.old_name());
        }
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        let hidden = self
            .hidden
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(hidden) = hidden.take() {
            // Nobody will read what was begun in it. What cannot be removed
            // stays hidden.
            let _ = remove(&self.place, &hidden, self.ours);
        }
    }
}

impl Place {
    /// As [`Place::check`], for a folder.
    fn check_folder(&self, ours: fn(&str) -> bool) -> Result<bool, OutputError> {
        let Some(present) = self.stat(&self.name)? else {
            return Ok(false);
        };
        let is_folder = |mode| FileType::from_raw_mode(mode) == FileType::Directory;
        if !is_folder(present.st_mode) {
            return Err(OutputError::NotAFolder {
                path: self.path.clone(),
            });
        }
        self.check_owner(&self.path, &present)?;
        check_unused(&open_folder(self, &self.name)?, &self.path)?;
        let old = self.old_name();
        if let Some(present) = self.stat(&old)? {
            let path = self.path.with_file_name(&old);
            if !is_folder(present.st_mode) {
                return Err(OutputError::NotAFolder { path });
            }
            self.check_owner(&path, &present)?;
            let folder = open_folder(self, &old)?;
            check_unused(&folder, &path)?;
            check_files(self, &path, &folder, ours)?;
        }
        Ok(true)
    }
}

/// Refuses a folder with files that are not ours.
fn check_files(
    place: &Place,
    path: &Path,
    folder: &OwnedFd,
    ours: fn(&str) -> bool,
) -> Result<(), OutputError> {
    let files = names(folder).map_err(|error| place.failed(LOOK, error))?;
    let is_other = |name: &OsString| !name.to_str().is_some_and(ours);
    match files.into_iter().find(is_other) {
        Some(other) => Err(OutputError::Others {
            path: path.to_owned(),
            other,
        }),
        None => Ok(()),
    }
}

/// Takes a folder for this process, for as long as it is open.
fn lock(folder: &OwnedFd, path: &Path) -> Result<(), OutputError> {
    match flock(folder, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(OutputError::InUse(path.to_owned())),
        // Some file systems know no such thing for a folder.
        _ => Ok(()),
    }
}

/// Refuses a folder that another process writes into.
fn check_unused(folder: &OwnedFd, path: &Path) -> Result<(), OutputError> {
    match flock(folder, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => Err(OutputError::InUse(path.to_owned())),
        _ => Ok(()),
    }
}

const LOOK: &str = "look into the old folder";

/// Removes a folder of which every file is ours. What else is in it stays, and
/// so does the folder then.
fn remove(place: &Place, name: &OsStr, ours: fn(&str) -> bool) -> Result<(), OutputError> {
    let failed = |error| place.failed("remove the older folder", error);
    let folder = open_folder(place, name)?;
    // What was opened is what is emptied, whatever its name means by now.
    place.check_owner(
        &place.path.with_file_name(name),
        &fstat(&folder).map_err(failed)?,
    )?;
    for file in names(&folder).map_err(failed)? {
        if file.to_str().is_some_and(ours) {
            unlinkat(&folder, &file, AtFlags::empty()).map_err(failed)?;
        }
    }
    unlinkat(&place.folder, name, AtFlags::REMOVEDIR).map_err(failed)
}

fn open_folder(place: &Place, name: &OsStr) -> Result<OwnedFd, OutputError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(&place.folder, name, flags, Mode::empty()).map_err(|error| place.failed(LOOK, error))
}

/// What a folder holds.
pub fn names(folder: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    use std::os::unix::ffi::OsStrExt;
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn hidden_folder(place: &Place) -> Result<(OwnedFd, OsString), OutputError> {
    let private = Mode::RWXU;
    let mut result = Err(Errno::EXIST);
    for number in 0..HIDDEN_NAMES {
        let name = OsString::from(format!(".damo-{}-{number}.d", std::process::id()));
        result = mkdirat(&place.folder, &name, private).map(|()| name);
        if !matches!(result, Err(Errno::EXIST)) {
            break;
        }
    }
    let name = result.map_err(|error| place.failed("create the folder", error))?;
    let opened = open_folder(place, &name);
    if opened.is_err() {
        let _ = unlinkat(&place.folder, &name, AtFlags::REMOVEDIR);
    }
    Ok((opened?, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn ours(name: &str) -> bool {
        name.starts_with("segment-")
    }

    fn create(path: &Path) -> Result<OutputFolder, OutputError> {
        OutputFolder::create(path, 0o640, None, ours)
    }

    #[test]
    fn is_hidden_until_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        let folder = create(&path).unwrap();
        let file = folder.file("segment-0").unwrap();
        drop((file, folder));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        let folder = create(&path).unwrap();
        folder.keep().unwrap();
        folder.file("segment-0").unwrap().keep().unwrap();
        drop(folder);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o750);
        assert_eq!(mode(&path.join("segment-0")), 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_older_one_is_kept_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        for round in 0..3 {
            let folder = create(&path).unwrap();
            folder.keep().unwrap();
            folder
                .file(&format!("segment-{round}"))
                .unwrap()
                .keep()
                .unwrap();
        }
        assert!(path.join("segment-2").exists());
        assert!(dir.path().join("record.old/segment-1").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        // Somebody's file in the oldest is not ours to remove.
        fs::write(dir.path().join("record.old/thesis"), "").unwrap();
        let error = create(&path).unwrap_err().to_string();
        assert!(error.contains("thesis"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn one_goes_on_in_a_folder_and_no_second_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        let go_on = || OutputFolder::go_on(&path, 0o640, None, ours);
        let first = go_on().unwrap();
        assert!(!path.exists(), "hidden, as any new one");
        first.file("segment-0").unwrap().keep().unwrap();
        first.keep().unwrap();
        for refused in [go_on(), create(&path)] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("another damo records"), "{error}");
        }
        drop(first);
        let second = go_on().unwrap();
        second.file("segment-1").unwrap().keep().unwrap();
        second.keep().unwrap();
        drop(second);
        assert!(path.join("segment-0").exists() && path.join("segment-1").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // It is no folder of segments.
        fs::write(path.join("thesis"), "").unwrap();
        let error = go_on().unwrap_err().to_string();
        assert!(error.contains("thesis"), "{error}");
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        let error = OutputFolder::go_on(&link, 0o640, None, ours).unwrap_err();
        assert!(matches!(error, OutputError::NotAFolder { .. }), "{error}");
    }

    #[test]
    fn links_and_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        symlink(elsewhere.path(), &path).unwrap();
        assert!(create(&path).is_err());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a record of one file").unwrap();
        let error = create(&path).unwrap_err().to_string();
        assert!(error.contains("is no folder"), "{error}");
        fs::remove_file(&path).unwrap();
        create(&path).unwrap().keep().unwrap();
        symlink(elsewhere.path(), dir.path().join("record.old")).unwrap();
        assert!(create(&path).is_err());
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
