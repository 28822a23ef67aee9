//! The few file operations that control needs, so that a test can stand in for
//! the kernel.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a folder's entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file, and whether its mode lets the owner write it. The mode is asked,
    /// not the right: root may open anything.
    File {
        /// Mode has the owner's write bit.
        writable: bool,
    },
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// Reads and writes files as the kernel's pseudo file systems want it: a value
/// is one read or one write.
pub trait Files: Send + Sync {
    /// The whole of a file, as the kernel gives it.
    ///
    /// # Errors
    /// What the kernel said.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// Replaces a file's value in a single write.
    ///
    /// # Errors
    /// What the kernel said.
    fn write(&self, path: &Path, value: &str) -> io::Result<()>;

    /// A folder's entries, in no order; links are left out.
    ///
    /// # Errors
    /// What the kernel said.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;

    /// Whether there is such a file or folder.
    fn exists(&self, path: &Path) -> bool;
}

/// Bytes to ask a file for at once, first and at most. DAMON's debugfs files
/// make all of their text for every read, and fail or cut it where it does not
/// fit: std's own short first read would be refused.
const READ: (usize, usize) = (1 << 16, 1 << 22);

/// The running kernel's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiveFiles;

impl Files for LiveFiles {
    fn read(&self, path: &Path) -> io::Result<String> {
        let (mut size, most) = READ;
        loop {
            match read_in_pieces(path, size) {
                Ok(text) if text.len() + 1 < size || size == most => {
                    return String::from_utf8(text)
                        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
                }
                Err(error) if error.kind() != io::ErrorKind::OutOfMemory || size == most => {
                    return Err(error);
                }
                _ => size = (size * 4).min(most),
            }
        }
    }

    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        // Neither created nor truncated: the file is the kernel's.
        let mut file = fs::OpenOptions::new().write(true).open(path)?;
        match file.write(value.as_bytes())? {
            written if written == value.len() => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::WriteZero)),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let about = match entry.metadata() {
                // It went between the two, as processes do.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                about => about?,
            };
            let kind = if about.is_dir() {
                Kind::Folder
            } else if about.is_file() {
                Kind::File {
                    writable: about.permissions().mode() & 0o200 != 0,
                }
            } else {
                continue;
            };
            // No file of the kernel's has such a name.
            let name = entry
                .file_name()
                .into_string()
                .map_err(|name| io::Error::new(io::ErrorKind::InvalidData, format!("{name:?}")))?;
            entries.push(Entry { name, kind });
        }
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}

fn read_in_pieces(path: &Path, size: usize) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let (mut piece, mut text) = (vec![0; size], Vec::new());
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(text),
            Ok(length) => text.extend(piece.iter().take(length)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_while_a_folder_is_listed_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..300)
            .map(|i| folder.path().join(i.to_string()))
            .collect();
        fs::write(folder.path().join("stays"), "").unwrap();
        let listing = std::sync::atomic::AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while listing.load(std::sync::atomic::Ordering::Relaxed) {
                    names.iter().for_each(|name| fs::write(name, "").unwrap());
                    names.iter().for_each(|name| fs::remove_file(name).unwrap());
                }
            });
            let listed = |_| LiveFiles.list(folder.path());
            let all: io::Result<Vec<_>> = (0..500).map(listed).collect();
            listing.store(false, std::sync::atomic::Ordering::Relaxed);
            for entries in all.unwrap() {
                assert!(entries.iter().any(|entry| entry.name == "stays"));
            }
        });
    }
}
