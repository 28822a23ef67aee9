//! The bytes of a json text, watched: what is kept of them at a time is bounded.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use crate::import::sniff::BYTE_ORDER_MARK;

const BUFFER: usize = 64 << 10;
/// More bytes without a quotation mark than any record has: a string or a
/// number that would be kept as a whole.
const MAX_STRING: u64 = 1 << 20;
/// More than anything has that is kept as it is (filters of a scheme).
const MAX_VALUE: u64 = 1 << 20;
/// More text than all of them have in a file: a value takes some thirty times
/// its text, and all are kept to the end.
const MAX_KEPT: u64 = 256 << 10;

/// How far reading has got, and how far it may.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Bytes that were read, up to a buffer ahead of what was understood.
    read: Rc<Cell<u64>>,
    limit: Rc<Cell<Option<u64>>>,
    /// Bytes of text of the values that were kept.
    kept: Rc<Cell<u64>>,
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

    /// Whether a value of so many bytes may be kept beside the others.
    pub fn has_room_for(&self, len: usize) -> bool {
        self.kept.set(self.kept.get().saturating_add(len as u64));
        self.kept.get() <= MAX_KEPT
    }
}

/// Reads from `R`, in pieces, and remembers how it ended.
///
/// Blanks at the beginning of lines are left out: they are two thirds of what
/// the peer writes, and serde_json looks at each byte. A line never begins
/// within a string.
pub struct Guard<R> {
    inner: R,
    raw: Box<[u8]>,
    /// How much of `raw` is filled.
    len: usize,
    /// `raw` without margins, and what of it was given out.
    text: Vec<u8>,
    at: usize,
    /// `raw` begins, and ends, in a margin.
    margin_before: bool,
    margin: bool,
    /// Length of the byte-order mark with which `raw` begins.
    mark: usize,
    /// Where the line began in which `raw` begins.
    line_start: u64,
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
            raw: vec![0; BUFFER].into_boxed_slice(),
            len: 0,
            text: Vec::with_capacity(BUFFER),
            at: 0,
            margin_before: false,
            margin: false,
            mark: 0,
            line_start: 0,
            progress: Progress::default(),
            unquoted: 0,
            failed: None,
        }
    }

    /// Shares how far reading has got.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// How many bytes of the input were given out, and how many of them are
    /// of the last line.
    pub fn place(&self) -> (u64, u64) {
        let raw = self.raw.get(self.mark..self.len).unwrap_or_default();
        // The mark is before it.
        let base = self.progress.read.get().saturating_sub(raw.len() as u64);
        let mut line_start = self.line_start;
        let (mut left, mut margin) = (self.at, self.margin_before);
        let mut offset = base;
        for byte in raw {
            if left == 0 {
                break;
            }
            offset += 1;
            if margin && is_blank(byte) {
                continue;
            }
            left -= 1;
            margin = *byte == b'\n';
            if margin {
                line_start = offset;
            }
        }
        (offset, offset.saturating_sub(line_start))
    }

    /// Reads the next piece; false at the end.
    #[cold]
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            if let Some(limit) = self.progress.limit.get()
                && self.progress.read.get() > limit
            {
                return Err(too_long("a value"));
            }
            let old = self.raw.get(..self.len).unwrap_or_default();
            if let Some(newline) = old.iter().rposition(|byte| *byte == b'\n') {
                let behind = (old.len() - newline - 1) as u64;
                self.line_start = self.progress.read.get().saturating_sub(behind);
            }
            self.len = 0;
            self.at = 0;
            self.text.clear();
            self.margin_before = self.margin;
            self.len = self.read_raw()?;
            let before = self.progress.read.get();
            self.progress
                .read
                .set(before.saturating_add(self.len as u64));
            let raw = self.raw.get(..self.len).unwrap_or_default();
            let marked = before == 0 && raw.starts_with(BYTE_ORDER_MARK);
            self.mark = if marked { BYTE_ORDER_MARK.len() } else { 0 };
            let raw = raw.get(self.mark..).unwrap_or_default();
            // An escaped one is part of a string.
            let quoted = raw.first() == Some(&b'"')
                || raw
                    .windows(2)
                    .any(|pair| matches!(pair, [before, b'"'] if *before != b'\\'));
            self.unquoted = match quoted {
                true => 0,
                false => self.unquoted.saturating_add(self.len as u64),
            };
            if self.unquoted > MAX_STRING {
                return Err(too_long("a text or number"));
            }
            without_margins(raw, &mut self.margin, &mut self.text);
            if !self.text.is_empty() || self.len == 0 {
                return Ok(!self.text.is_empty());
            }
        }
    }

    fn read_raw(&mut self) -> io::Result<usize> {
        loop {
            match self.inner.read(&mut self.raw) {
                Ok(len) => return Ok(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // serde_json keeps only the error's text.
                    let copy = io::Error::new(error.kind(), error.to_string());
                    self.failed = Some(error);
                    return Err(copy);
                }
            }
        }
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Adds `raw` to `text`, but for blanks at the beginning of lines. `margin`:
/// whether `raw` begins among them, and then whether it ends so.
fn without_margins(mut raw: &[u8], margin: &mut bool, text: &mut Vec<u8>) {
    loop {
        if *margin {
            let blanks = raw.iter().position(|byte| !is_blank(byte));
            let Some(rest) = blanks.and_then(|blanks| raw.get(blanks..)) else {
                return;
            };
            raw = rest;
            *margin = false;
        }
        let newline = raw.iter().position(|byte| *byte == b'\n');
        match newline.and_then(|newline| raw.split_at_checked(newline + 1)) {
            Some((line, rest)) => {
                text.extend_from_slice(line);
                raw = rest;
                *margin = true;
            }
            None => {
                text.extend_from_slice(raw);
                return;
            }
        }
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
        if self.at >= self.text.len() && !self.fill()? {
            return Ok(0);
        }
        let left = self.text.get(self.at..).unwrap_or_default();
        let count = left.len().min(into.len());
        for (to, from) in into.iter_mut().zip(left) {
            *to = *from;
        }
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::Guard;

    /// Gives its bytes one, two, three… at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.1 += 1;
            let count = self.1.min(into.len());
            (&mut self.0).take(count as u64).read(into)
        }
    }

    #[test]
    fn margins_are_left_out_and_places_stay_true() {
        let text = b"[  1,\n \t  {\n\n    \"a b\":  \"c\" }\n   ]  \n  ";
        let bare = b"[  1,\n{\n\n\"a b\":  \"c\" }\n]  \n";
        let mut guard = Guard::new(Slow(text, 0));
        let mut given = Vec::new();
        let mut byte = [0];
        while guard.read(&mut byte).is_ok_and(|count| count > 0) {
            given.extend(byte);
            let (offset, column) = guard.place();
            let (before, _) = text.split_at(offset as usize);
            assert_eq!(before.last(), Some(&byte[0]));
            let line = before.rsplit(|byte| *byte == b'\n').next();
            assert_eq!(Some(column as usize), line.map(<[u8]>::len));
        }
        assert_eq!(given, bare);
    }
}
