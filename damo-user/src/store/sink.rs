//! Where a writer's bytes go.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// Takes a record's bytes. Writes must not be buffered in the process: what
/// was written must survive the end of the process.
pub trait Sink: Write {
    /// Brings what was written to stable storage (fdatasync).
    ///
    /// # Errors
    /// The system says that it may not have got there.
    fn sync(&mut self) -> io::Result<()>;

    /// Takes back a half-written frame: cuts at `len` bytes and continues there.
    ///
    /// # Errors
    /// The sink cannot; the half frame stays, and readers step over it.
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let _ = len;
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.seek(SeekFrom::Start(len)).map(drop)
    }
}

impl Sink for Vec<u8> {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        Vec::truncate(self, usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn sync(&mut self) -> io::Result<()> {
        (**self).sync()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        (**self).truncate(len)
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn sync(&mut self) -> io::Result<()> {
        (**self).sync()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        (**self).truncate(len)
    }
}
