//! Where a reader's bytes come from, at any place and in any order.

use std::fs::File;
use std::io::{self, Cursor};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::format::{FrameHeader, HEADER_LEN};

/// Bytes read ahead at most, when a file is read from front to back.
const MOST_AHEAD: usize = 64 << 10;
/// Bytes read ahead after a jump: perhaps the next one is near.
const LEAST_AHEAD: usize = 4 << 10;

/// Something that can be read at any place, without a position of its own.
pub trait ReadAt {
    /// Reads into `buffer` what is at `offset`; how much, 0 at the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// How much there is now.
    ///
    /// # Errors
    /// What the system says.
    fn size(&self) -> io::Result<u64>;
}

impl ReadAt for File {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }
}

impl<T: AsRef<[u8]>> ReadAt for Cursor<T> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let all = self.get_ref().as_ref();
        let rest = usize::try_from(offset).ok().and_then(|at| all.get(at..));
        io::Read::read(&mut rest.unwrap_or_default(), buffer)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.get_ref().as_ref().len() as u64)
    }
}

impl<R: ReadAt> ReadAt for Arc<R> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buffer)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }
}

/// A file that is being read, with what was read ahead of it.
#[derive(Clone, Debug)]
pub(super) struct Source<R> {
    input: R,
    len: u64,
    /// Read ahead, from `buffered_at` on.
    buffer: Vec<u8>,
    buffered_at: u64,
    /// End of the last read.
    at: u64,
    ahead: usize,
}

impl<R: ReadAt> Source<R> {
    pub fn new(input: R) -> io::Result<Self> {
        let len = input.size()?;
        Ok(Source {
            input,
            len,
            buffer: Vec::new(),
            buffered_at: 0,
            at: 0,
            ahead: LEAST_AHEAD,
        })
    }

    /// Length when it was opened: what is appended later is not looked at.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buffer` from `offset` on; gives how much of it there was.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let known = offset
            .checked_sub(self.buffered_at)
            .and_then(|skip| self.buffer.get(usize::try_from(skip).ok()?..))
            .unwrap_or_default();
        let held = known.len().min(buffer.len());
        let (front, rest) = buffer.split_at_mut(held);
        front.copy_from_slice(known.get(..held).unwrap_or_default());
        let from = offset.saturating_add(held as u64);
        let read = match rest.is_empty() {
            true => 0,
            false => self.read_on(from, offset, rest)?,
        };
        self.at = from.saturating_add(read as u64);
        Ok(held + read)
    }

    /// Reads on at `offset`, for a read that began at `began`.
    fn read_on(&mut self, offset: u64, began: u64, rest: &mut [u8]) -> io::Result<usize> {
        if began != self.at {
            self.ahead = LEAST_AHEAD;
            return fill(&self.input, offset, rest);
        }
        if rest.len() >= self.ahead {
            self.ahead = (self.ahead * 2).min(MOST_AHEAD);
            return fill(&self.input, offset, rest);
        }
        self.buffer.clear();
        self.buffer.resize(self.ahead, 0);
        self.buffered_at = offset;
        let filled = fill(&self.input, offset, &mut self.buffer);
        self.buffer.truncate(*filled.as_ref().unwrap_or(&0));
        filled?;
        self.ahead = (self.ahead * 2).min(MOST_AHEAD);
        let held = self.buffer.len().min(rest.len());
        if let (Some(to), Some(from)) = (rest.get_mut(..held), self.buffer.get(..held)) {
            to.copy_from_slice(from);
        }
        Ok(held)
    }

    /// The frame header at `offset`, if a valid one is there.
    pub fn header_at(&mut self, offset: u64) -> io::Result<Option<FrameHeader>> {
        let mut bytes = [0; HEADER_LEN];
        let whole = self.read_at(offset, &mut bytes)? == HEADER_LEN;
        Ok(if whole {
            FrameHeader::parse(&bytes)
        } else {
            None
        })
    }

    /// Reads the payload of the frame at `offset`; whether it is whole and its
    /// checksum holds. The header's parsing has bounded the length.
    pub fn payload(
        &mut self,
        offset: u64,
        header: &FrameHeader,
        payload: &mut Vec<u8>,
    ) -> io::Result<bool> {
        payload.clear();
        if offset.saturating_add(header.frame_len()) > self.len {
            return Ok(false);
        }
        payload.resize(header.payload_len as usize, 0);
        let read = self.read_at(offset + HEADER_LEN as u64, payload)?;
        Ok(read == payload.len() && crc32c::crc32c(payload) == header.payload_crc)
    }
}

/// Reads until `buffer` is full or the input ends.
fn fill(input: &impl ReadAt, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match input.read_at(offset.saturating_add(done as u64), rest) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_same_whatever_the_order() {
        let all: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        let mut source = Source::new(Cursor::new(&all)).unwrap();
        let mut state = 1u64;
        let mut next = 0;
        for round in 0..5000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let jump = (state >> 33) as usize % 210_000;
            // Mostly on, as a walk does, and now and then elsewhere.
            let at = if round % 7 == 0 { jump } else { next };
            let mut buffer = vec![0; (state >> 20) as usize % 9000];
            let read = source.read_at(at as u64, &mut buffer).unwrap();
            let there = all.get(at..).unwrap_or_default();
            assert_eq!(read, there.len().min(buffer.len()));
            assert_eq!(buffer[..read], there[..read]);
            next = at + read;
        }
        assert_eq!(source.read_at(u64::MAX, &mut [0; 9]).unwrap(), 0);
    }
}
