//! The bytes of a json text, watched: what is kept of them at a time is bounded.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

const BUFFER: usize = 64 << 10;
/// More bytes without a quotation mark than any record has: a string or a
/// number that would be kept as a whole.
const MAX_STRING: u64 = 1 << 20;
/// More than anything has that is kept as it is (filters of a scheme).
const MAX_VALUE: u64 = 1 << 20;

/// How far reading has got, and how far it may.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Bytes that were read, up to a buffer ahead of what was understood.
    read: Rc<Cell<u64>>,
    limit: Rc<Cell<Option<u64>>>,
}

impl Progress {
    /// From here on a value is kept as it is.
    pub fn keep(&self) {
        self.limit
            .set(Some(self.read.get().saturating_add(MAX_VALUE)));
    }

    /// The value has ended.
    pub fn kept(&self) {
        self.limit.set(None);
    }
}

/// Reads from `R`, in pieces, and remembers how it ended.
pub struct Guard<R> {
    inner: R,
    buffer: Box<[u8]>,
    /// What of the buffer is to be given out.
    at: usize,
    len: usize,
    progress: Progress,
    /// Bytes since the last piece with a quotation mark.
    unquoted: u64,
    /// Why the input could not be read on.
    pub failed: Option<io::Error>,
}

impl<R: Read> Guard<R> {
    /// Nothing is read yet.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            at: 0,
            len: 0,
            progress: Progress::default(),
            unquoted: 0,
            failed: None,
        }
    }

    /// Shares how far reading has got.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// How many bytes were given out.
    pub fn offset(&self) -> u64 {
        let ahead = self.len.saturating_sub(self.at) as u64;
        self.progress.read.get().saturating_sub(ahead)
    }

    /// Reads the next piece; false at the end.
    #[cold]
    fn fill(&mut self) -> io::Result<bool> {
        if let Some(limit) = self.progress.limit.get()
            && self.progress.read.get() > limit
        {
            return Err(too_long("a value"));
        }
        self.at = 0;
        self.len = 0;
        self.len = loop {
            match self.inner.read(&mut self.buffer) {
                Ok(len) => break len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // serde_json keeps only the error's text.
                    let copy = io::Error::new(error.kind(), error.to_string());
                    self.failed = Some(error);
                    return Err(copy);
                }
            }
        };
        let read = self.progress.read.get().saturating_add(self.len as u64);
        self.progress.read.set(read);
        let piece = self.buffer.get(..self.len).unwrap_or_default();
        // An escaped one is part of a string.
        let quoted = piece.first() == Some(&b'"')
            || piece
                .windows(2)
                .any(|pair| matches!(pair, [before, b'"'] if *before != b'\\'));
        self.unquoted = match quoted {
            true => 0,
            false => self.unquoted.saturating_add(self.len as u64),
        };
        if self.unquoted > MAX_STRING {
            return Err(too_long("a text or number"));
        }
        Ok(self.len > 0)
    }
}

fn too_long(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{what} is longer than any of a record"),
    )
}

impl<R: Read> Read for Guard<R> {
    /// serde_json asks for one byte at a time.
    #[inline]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.len && !self.fill()? {
            return Ok(0);
        }
        let left = self.buffer.get(self.at..self.len).unwrap_or_default();
        let count = left.len().min(into.len());
        for (to, from) in into.iter_mut().zip(left) {
            *to = *from;
        }
        self.at += count;
        Ok(count)
    }
}
