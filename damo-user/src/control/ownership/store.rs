//! Small notes in a folder of root's, each written whole or not at all.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most that a note may hold: DAMON's whole configuration is in one.
const MOST_BYTES: u64 = 64 << 20;

/// Reads a note; `None` if there is none, or it is damaged.
pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    if fs::symlink_metadata(path).ok()?.len() > MOST_BYTES {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Writes a note in place of the one that is there; makes its folder.
///
/// # Errors
/// What the system said; the older note is still there then.
pub fn write(path: &Path, note: &impl Serialize) -> io::Result<()> {
    make_folder(path)?;
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", std::process::id()));
    let new = Path::new(&new);
    // A process of this id may have been killed here.
    remove(new)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(new)?;
    let written = serde_json::to_vec(note)
        .map_err(io::Error::from)
        .and_then(|mut text| {
            text.push(b'\n');
            file.write_all(&text)
        })
        .and_then(|()| fs::rename(new, path));
    if written.is_err() {
        // The first error counts.
        let _ = fs::remove_file(new);
    }
    written
}

/// Removes a note, if there is one.
///
/// # Errors
/// What the system said.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the folder of `path`, for its owner alone.
///
/// # Errors
/// It cannot be made, or it is somebody else's: what stands in it could not be
/// trusted.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let Some(dir) = path.parent() else {
        return Ok(());
    };
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let about = fs::symlink_metadata(dir)?;
    if !about.is_dir() || about.uid() != rustix::process::geteuid().as_raw() {
        let text = format!("{} is not a folder of our own", dir.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(())
}
