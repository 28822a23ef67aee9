//! The few file operations that control needs, so that a test can stand in for
//! the kernel.

use std::fs;
use std::io::{self, Write};
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

/// The running kernel's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiveFiles;

impl Files for LiveFiles {
    fn read(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
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
            let about = entry.metadata()?;
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
