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

/// A place in a text: what comes next stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes before it.
    pub offset: u64,
    /// Of the last byte before it, from 1 on.
    pub line: u64,
    /// Bytes of that line before it.
    pub column: u64,
}

/// How far reading has got, and how far it may. Copies share it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Rc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Bytes that were read, up to a buffer ahead of what was understood.
    read: Cell<u64>,
    /// How many bytes of the text at hand were given out.
    at: Cell<usize>,
    limit: Cell<Option<u64>>,
    /// Bytes of text of the values that were kept.
    kept: Cell<u64>,
    /// Values that make no sense.
    odd: Cell<u64>,
    /// Where in the text at hand the first of them ended.
    odd_at: Cell<Option<usize>>,
    /// The same, once that text is no longer at hand.
    first_odd: Cell<Option<Place>>,
}

impl Progress {
    /// From here on a value is kept as it is.
    pub fn keep(&self) {
        let limit = self.0.read.get().saturating_add(MAX_VALUE);
        self.0.limit.set(Some(limit));
    }

    /// The value has ended.
    pub fn kept(&self) {
        self.0.limit.set(None);
    }

    /// Whether a value of so many bytes may be kept beside the others.
    pub fn has_room_for(&self, len: usize) -> bool {
        let kept = self.0.kept.get().saturating_add(len as u64);
        self.0.kept.set(kept);
        kept <= MAX_KEPT
    }

    /// A value that makes no sense has ended here.
    pub fn odd(&self) {
        let before = self.0.odd.get();
        self.0.odd.set(before.saturating_add(1));
        if before == 0 {
            self.0.odd_at.set(Some(self.0.at.get()));
        }
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
    /// `raw` without margins.
    text: Vec<u8>,
    /// `raw` begins, and ends, in a margin.
    margin_before: bool,
    margin: bool,
    /// Length of the byte-order mark with which `raw` begins.
    mark: usize,
    /// Where the line began in which `raw` begins.
    line_start: u64,
    /// Lines that ended before `raw`.
    lines: u64,
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
            margin_before: false,
            margin: false,
            mark: 0,
            line_start: 0,
            lines: 0,
            progress: Progress::default(),
            unquoted: 0,
            failed: None,
        }
    }

    /// Shares how far reading has got.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Up to where the input was given out.
    pub fn place(&self) -> Place {
        self.place_of(self.progress.0.at.get())
    }

    /// How many values make no sense, and where the first of them ended.
    pub fn odd(&self) -> Option<(u64, Place)> {
        self.settle();
        let shared = &self.progress.0;
        Some((shared.odd.get(), shared.first_odd.get()?))
    }

    /// Remembers a place of the text at hand.
    fn settle(&self) {
        if let Some(at) = self.progress.0.odd_at.take() {
            self.progress.0.first_odd.set(Some(self.place_of(at)));
        }
    }

    /// Where `at` bytes of the text at hand end.
    fn place_of(&self, at: usize) -> Place {
        let raw = self.raw.get(self.mark..self.len).unwrap_or_default();
        // The mark is before it.
        let base = self.progress.0.read.get().saturating_sub(raw.len() as u64);
        let (mut line, mut line_start) = (self.lines + 1, self.line_start);
        let (mut left, mut margin) = (at, self.margin_before);
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
                line += 1;
            }
        }
        let column = offset.saturating_sub(line_start);
        Place {
            offset,
            line,
            column,
        }
    }

    /// Reads the next piece; false at the end.
    #[cold]
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            self.settle();
            let shared = &self.progress.0;
            if shared
                .limit
                .get()
                .is_some_and(|limit| shared.read.get() > limit)
            {
                return Err(too_long("a value"));
            }
            let old = self.raw.get(..self.len).unwrap_or_default();
            if let Some(newline) = old.iter().rposition(|byte| *byte == b'\n') {
                let behind = (old.len() - newline - 1) as u64;
                self.line_start = shared.read.get().saturating_sub(behind);
                self.lines += old.iter().filter(|byte| **byte == b'\n').count() as u64;
            }
            self.len = 0;
            shared.at.set(0);
            self.text.clear();
            self.margin_before = self.margin;
            self.len = self.read_raw()?;
            let read = &self.progress.0.read;
            let before = read.get();
            read.set(before.saturating_add(self.len as u64));
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
        let mut at = self.progress.0.at.get();
        if at >= self.text.len() {
            if !self.fill()? {
                return Ok(0);
            }
            at = 0;
        }
        let left = self.text.get(at..).unwrap_or_default();
        let count = left.len().min(into.len());
        for (to, from) in into.iter_mut().zip(left) {
            *to = *from;
        }
        self.progress.0.at.set(at + count);
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
            let place = guard.place();
            let (before, _) = text.split_at(place.offset as usize);
            assert_eq!(before.last(), Some(&byte[0]));
            let lines = || before.split(|byte| *byte == b'\n');
            assert_eq!(place.line as usize, lines().count());
            let line = lines().next_back();
            assert_eq!(Some(place.column as usize), line.map(<[u8]>::len));
        }
        assert_eq!(given, bare);
    }
}
