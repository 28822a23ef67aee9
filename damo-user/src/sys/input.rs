//! Files to read, opened such that nothing makes us wait.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Something that is no regular file.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "not a regular file; save the record to a file first, or give it to damo's standard input and name that `-`"
)]
pub struct NotRegular;

/// Opens a regular file for reading.
///
/// # Errors
/// The system's, or [`NotRegular`] inside of one.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Opening a device may do something.
    check(&fs::metadata(path)?)?;
    // Asked again of what was opened: it may be another by now, and opening a
    // pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    check(&file.metadata()?)?;
    Ok(file)
}

fn check(metadata: &Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::other(NotRegular)),
    }
}
