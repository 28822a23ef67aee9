//! Single files of the kernel's, with a bound on how long its lock is waited for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::files::{Entry, Files};

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How often a write that undoes is tried before it counts as failed.
const INSISTENCE: u32 = 3;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}{}", path.display(), meaning(.source))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write '{value}' to {}: {source}{}", path.display(), meaning(.source))]
    Write {
        /// The file.
        path: PathBuf,
        /// The value.
        value: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel answered EBUSY for as long as we were willing to wait.
    #[error(
        "{} was busy for {}: somebody holds DAMON's lock, or a kdamond runs; try again, and if it stays like this look for a kernel BUG in dmesg",
        path.display(), seconds(.waited)
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long it was tried.
        waited: Duration,
    },
    /// The kernel gave something that cannot be.
    #[error("{}: '{value}' is not {expected}", path.display())]
    Odd {
        /// The file.
        path: PathBuf,
        /// What was read.
        value: String,
        /// What a reader may expect there.
        expected: &'static str,
    },
}

impl FileError {
    /// The kernel's error number, where there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            FileError::Read { source, .. } | FileError::Write { source, .. } => {
                Errno::from_io_error(source)
            }
            FileError::Busy { .. } => Some(Errno::BUSY),
            FileError::Odd { .. } => None,
        }
    }
}

fn seconds(time: &Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn meaning(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => "; only root may do that, and not to every file",
        Some(Errno::INVAL) => "; DAMON does not take such a value here",
        Some(Errno::RANGE) => "; the number is too large",
        Some(Errno::NOENT) => "; this kernel's DAMON has no such file",
        Some(Errno::NOMEM) => "; DAMON found no memory for it",
        _ => "",
    }
}

/// A folder of the kernel's, whose files are named by paths below it.
#[derive(Clone)]
pub struct Tree {
    files: Arc<dyn Files>,
    root: PathBuf,
    patience: Duration,
}

impl Tree {
    /// The tree at `root`; EBUSY is retried for up to `patience` per file.
    pub fn new(files: Arc<dyn Files>, root: PathBuf, patience: Duration) -> Tree {
        Tree {
            files,
            root,
            patience,
        }
    }

    /// Where the tree starts.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is such a file or folder.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.files.exists(&self.root.join(path))
    }

    /// A file's value, without the one newline that the kernel ends it with:
    /// a path that was written with a newline keeps its own.
    ///
    /// # Errors
    /// [`FileError::Read`] or [`FileError::Busy`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<String, FileError> {
        let path = self.root.join(path);
        let mut value = self
            .patiently(|| self.files.read(&path))
            .map_err(|error| error.about(&path, None))?;
        if value.ends_with('\n') {
            value.pop();
        }
        Ok(value)
    }

    /// A file's value as a number.
    ///
    /// # Errors
    /// As [`Tree::read`], and [`FileError::Odd`].
    pub fn read_number<N: std::str::FromStr>(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<N, FileError> {
        let value = self.read(path.as_ref())?;
        value.trim().parse().map_err(|_| FileError::Odd {
            path: self.root.join(path),
            value,
            expected: "a number that can stand there",
        })
    }

    /// A boolean file: `Y` or `N`.
    ///
    /// # Errors
    /// As [`Tree::read`], and [`FileError::Odd`].
    pub fn read_bool(&self, path: impl AsRef<Path>) -> Result<bool, FileError> {
        let value = self.read(path.as_ref())?;
        match value.trim() {
            "Y" | "1" => Ok(true),
            "N" | "0" => Ok(false),
            _ => Err(FileError::Odd {
                path: self.root.join(path),
                value,
                expected: "Y or N",
            }),
        }
    }

    /// Writes a value.
    ///
    /// # Errors
    /// [`FileError::Write`] or [`FileError::Busy`].
    pub fn write(&self, path: impl AsRef<Path>, value: &str) -> Result<(), FileError> {
        let path = self.root.join(path);
        self.patiently(|| self.files.write(&path, value))
            .map_err(|error| error.about(&path, Some(value)))
    }

    /// Writes a value without waiting for anybody.
    ///
    /// # Errors
    /// [`FileError::Write`], also for EBUSY.
    pub fn write_once(&self, path: impl AsRef<Path>, value: &str) -> Result<(), FileError> {
        let path = self.root.join(path);
        self.files
            .write(&path, value)
            .map_err(|error| Stopped::Failed(error).about(&path, Some(value)))
    }

    /// Writes a value that puts something back: other errors than EBUSY are
    /// given a second chance too, since nobody else will do it.
    ///
    /// # Errors
    /// As [`Tree::write`].
    pub fn insist(&self, path: impl AsRef<Path>, value: &str) -> Result<(), FileError> {
        insist(|| self.write(path.as_ref(), value))
    }

    /// A folder's entries, sorted by name, numbers by size.
    ///
    /// # Errors
    /// [`FileError::Read`] or [`FileError::Busy`].
    pub fn list(&self, path: impl AsRef<Path>) -> Result<Vec<Entry>, FileError> {
        let path = self.root.join(path);
        let mut entries = self
            .patiently(|| self.files.list(&path))
            .map_err(|error| error.about(&path, None))?;
        entries.sort_by(|a, b| {
            let key = |entry: &Entry| entry.name.parse::<u64>().ok();
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        Ok(entries)
    }

    /// How long EBUSY is waited for.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    fn patiently<T>(&self, operation: impl FnMut() -> io::Result<T>) -> Result<T, Stopped> {
        let busy = |error: &io::Error| Errno::from_io_error(error) == Some(Errno::BUSY);
        retry(self.patience, operation, busy).map_err(|error| {
            if busy(&error) {
                Stopped::Busy(self.patience)
            } else {
                Stopped::Failed(error)
            }
        })
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tree").field(&self.root).finish()
    }
}

/// Repeats `operation` while its error is `transient`, with growing pauses, for
/// `patience` in all; then the last error counts.
pub(super) fn retry<T, E>(
    patience: Duration,
    mut operation: impl FnMut() -> Result<T, E>,
    transient: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let begin = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match operation() {
            Err(error) if transient(&error) => {
                let left = patience.saturating_sub(begin.elapsed());
                if left.is_zero() {
                    return Err(error);
                }
                std::thread::sleep(pause.min(left));
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            other => return other,
        }
    }
}

/// Tries again what fails for another reason than a lock that is held: that one
/// has been waited for already.
pub(super) fn insist<T>(
    mut operation: impl FnMut() -> Result<T, FileError>,
) -> Result<T, FileError> {
    let mut tries = 1;
    loop {
        match operation() {
            Err(error) if tries < INSISTENCE && !matches!(error, FileError::Busy { .. }) => {
                tries += 1;
            }
            other => return other,
        }
    }
}

enum Stopped {
    Busy(Duration),
    Failed(io::Error),
}

impl Stopped {
    fn about(self, path: &Path, value: Option<&str>) -> FileError {
        let path = path.to_owned();
        match (self, value) {
            (Stopped::Busy(waited), _) => FileError::Busy { path, waited },
            (Stopped::Failed(source), None) => FileError::Read { path, source },
            (Stopped::Failed(source), Some(value)) => FileError::Write {
                path,
                value: value.to_owned(),
                source,
            },
        }
    }
}
