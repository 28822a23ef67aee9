//! `/proc/PID/maps`: a line is a mapping. Whatever the file's size, it goes
//! through one buffer of the caller's.

use std::io::{self, ErrorKind, Read};

/// Readable, as [`Mapped::permissions`] has it.
pub const READ: u8 = 1;
/// Writable.
pub const WRITE: u8 = 2;
/// Executable.
pub const EXECUTE: u8 = 4;
/// Shared.
pub const SHARED: u8 = 8;

/// A mapping, as a line tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped<'a> {
    /// First address, in bytes.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Bits: [`READ`], [`WRITE`], [`EXECUTE`], [`SHARED`].
    pub permissions: u8,
    /// Offset into the file, in bytes.
    pub offset: u64,
    /// The name as the kernel writes it: any bytes but a newline, for which it
    /// writes `\012`. That may as well be what the file is called, so it stays;
    /// so does ` (deleted)`, which the kernel appends.
    pub name: &'a [u8],
}

impl Mapped<'_> {
    /// Parses a line without its newline; `None` if it is no such line.
    pub fn parse(line: &[u8]) -> Option<Mapped<'_>> {
        // `55d0-55d2 r--p 00000000 fd:01 131078      /usr/bin/cat`
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let mut range = fields.next()?.splitn(2, |&byte| byte == b'-');
        let (start, end) = (hex(range.next()?)?, hex(range.next()?)?);
        let permissions = permissions(fields.next()?)?;
        let offset = hex(fields.next()?)?;
        let _device = fields.next()?;
        let inode = fields.next()?;
        if start >= end || inode.is_empty() || !inode.iter().all(u8::is_ascii_digit) {
            return None;
        }
        // Padded with spaces up to a column; none of the kernel's names begins
        // with one.
        let rest = fields.next().unwrap_or_default();
        let padding = rest.iter().take_while(|&&byte| byte == b' ').count();
        Some(Mapped {
            start,
            end,
            permissions,
            offset,
            name: rest.get(padding..).unwrap_or_default(),
        })
    }
}

fn permissions(text: &[u8]) -> Option<u8> {
    let &[read, write, execute, shared] = text else {
        return None;
    };
    let bit = |byte, letter, bit| match byte {
        b'-' => Some(0),
        byte if byte == letter => Some(bit),
        _ => None,
    };
    let shared = match shared {
        b'p' => 0,
        b's' => SHARED,
        _ => return None,
    };
    Some(bit(read, b'r', READ)? | bit(write, b'w', WRITE)? | bit(execute, b'x', EXECUTE)? | shared)
}

fn hex(text: &[u8]) -> Option<u64> {
    if !(1..=16).contains(&text.len()) {
        return None;
    }
    text.iter().try_fold(0, |value: u64, &byte| {
        Some(value << 4 | u64::from(char::from(byte).to_digit(16)?))
    })
}

/// By what a text is known again, without keeping it: its length and checksum.
/// Two texts of equal length have the same by accident once in 2^32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print {
    bytes: u64,
    crc: u32,
}

impl Print {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.crc = crc32c::crc32c_append(self.crc, bytes);
    }
}

/// Reads all of `text` through `buffer`, only to know it again.
///
/// # Errors
/// It cannot be read.
pub fn print(text: &mut impl Read, buffer: &mut [u8]) -> io::Result<Print> {
    let mut print = Print::default();
    loop {
        let read = read(text, buffer)?;
        match buffer.get(..read) {
            None | Some([]) => return Ok(print),
            Some(bytes) => print.add(bytes),
        }
    }
}

/// Reads all of `text` through `buffer` and gives each line, without its
/// newline, to `line`. One that `buffer` cannot hold is left out.
///
/// # Errors
/// It cannot be read; the lines before have been given by then.
pub fn lines(
    text: &mut impl Read,
    buffer: &mut [u8],
    mut line: impl FnMut(&[u8]),
) -> io::Result<Print> {
    let mut print = Print::default();
    let mut held = 0;
    let mut too_long = false;
    loop {
        if held == buffer.len() {
            (held, too_long) = (0, true);
        }
        let read = read(text, buffer.get_mut(held..).unwrap_or_default())?;
        let filled = held + read;
        let (before, new) = buffer.get(..filled).unwrap_or_default().split_at(held);
        if new.is_empty() {
            if !before.is_empty() && !too_long {
                line(before);
            }
            return Ok(print);
        }
        print.add(new);
        let mut rest = buffer.get(..filled).unwrap_or_default();
        // What was held has no newline.
        let mut from = held;
        while let Some(at) = rest
            .get(from..)
            .and_then(|new| new.iter().position(|&byte| byte == b'\n'))
        {
            let (whole, after) = rest.split_at(from + at);
            if !std::mem::take(&mut too_long) {
                line(whole);
            }
            rest = after.get(1..).unwrap_or_default();
            from = 0;
        }
        let left = rest.len();
        buffer.copy_within(filled - left..filled, 0);
        held = left;
    }
}

fn read(text: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match text.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
