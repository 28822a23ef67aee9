//! Where a converted record goes.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cli::UsageError;
use crate::store::Sink;
use crate::sys::caller::Caller;
use crate::sys::output::Output;

/// Stands for standard input or output.
pub const STANDARD: &str = "-";

/// A file that has no name yet, or standard output.
pub struct Target {
    output: Option<Output>,
}

impl Target {
    /// Makes sure that nothing that is to be read is written over, and opens
    /// `output`.
    pub fn create(input: &Path, output: &Path, mode: u32, binary: bool) -> Result<Target> {
        // Of what cannot be found here, opening tells more.
        let read = match input == Path::new(STANDARD) {
            true => of(&io::stdin()).ok().filter(Metadata::is_file),
            false => fs::metadata(input).ok(),
        };
        if output == Path::new(STANDARD) {
            let stdout = io::stdout();
            if binary && stdout.is_terminal() {
                return Err(UsageError(
                    "this format is no text for a terminal; name a file, or add `> FILE`".into(),
                )
                .into());
            }
            let stdout = of(&stdout)?;
            if stdout.is_file() && read.is_some_and(|read| same(&read, &stdout)) {
                return Err(onto_itself(input, output));
            }
            return Ok(Target { output: None });
        }
        // A file in the folder that is read would be one of its segments.
        let folder = output.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = fs::metadata(folder.unwrap_or(Path::new("."))).ok();
        if let (Some(read), Some(folder)) = (&read, &folder)
            && same(read, folder)
        {
            return Err(onto_itself(input, output));
        }
        let old = fs::symlink_metadata(output).ok();
        if let (Some(read), Some(_)) = (&read, &old) {
            // The old file's new name, too, makes another go.
            for path in [output.to_owned(), old_name(output)] {
                if fs::metadata(&path).is_ok_and(|there| same(read, &there)) {
                    return Err(onto_itself(input, output));
                }
            }
        }
        let caller = Caller::from_env()?;
        let owner = caller.as_ref().map(Caller::owner);
        let output = Output::create(output, mode, owner)?;
        Ok(Target {
            output: Some(output),
        })
    }

    /// The open file; what was written to it is lost unless [`Target::keep`] is
    /// called.
    pub fn writer(&self) -> Result<Counted> {
        let file = match &self.output {
            Some(output) => output.file().try_clone()?,
            None => File::from(io::stdout().as_fd().try_clone_to_owned()?),
        };
        Ok(Counted {
            file,
            named: self.output.is_some(),
            bytes: 0,
        })
    }

    /// Brings the file to the disk and gives it its name.
    pub fn keep(self) -> Result<()> {
        if let Some(mut output) = self.output {
            let sync = output.file().sync_all();
            sync.with_context(|| format!("{}: cannot write", output.path().display()))?;
            output.keep()?;
        }
        Ok(())
    }
}

fn of(stream: &impl AsFd) -> io::Result<Metadata> {
    File::from(stream.as_fd().try_clone_to_owned()?).metadata()
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn old_name(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".old");
    name.into()
}

fn onto_itself(input: &Path, output: &Path) -> anyhow::Error {
    UsageError(format!(
        "{}: writing {} would replace the record that is read; name another file to write",
        input.display(),
        output.display()
    ))
    .into()
}

/// A file that counts what is written to it.
pub struct Counted {
    file: File,
    /// Not standard output, which others may be writing to as well.
    named: bool,
    pub bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes = self.bytes.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for Counted {
    fn sync(&mut self) -> io::Result<()> {
        // Once, at the end: nobody has the file before.
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        if !self.named {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.bytes = len;
        Sink::truncate(&mut self.file, len)
    }
}
