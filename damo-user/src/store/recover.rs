//! Walks a file's frames and steps over whatever is damaged. Reads only.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::format::{FrameHeader, HEADER_LEN, SYNC};

/// Bytes looked through at a time when searching for the next frame.
const WINDOW: usize = 64 << 10;

/// A file that can be read at any place.
pub(super) struct Source<R> {
    inner: BufReader<R>,
    at: u64,
    len: u64,
}

impl<R: Read + Seek> Source<R> {
    pub fn new(mut inner: R) -> io::Result<Self> {
        let len = inner.seek(SeekFrom::End(0))?;
        inner.seek(SeekFrom::Start(0))?;
        Ok(Source {
            inner: BufReader::with_capacity(WINDOW, inner),
            at: 0,
            len,
        })
    }

    /// Length when it was opened: what is appended later is not looked at.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buffer` from `offset` on; gives how much of it there was.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let distance =
            i64::try_from(i128::from(offset) - i128::from(self.at)).map_err(io::Error::other)?;
        self.inner.seek_relative(distance)?;
        self.at = offset;
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.inner.read(rest) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.at += done as u64;
        Ok(done)
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

/// What a walk comes upon.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// A frame at this offset.
    Frame(u64, FrameHeader),
    /// Something that is no valid frame, or the place of missing ones.
    Damage {
        /// The lost frame's header, where it can still be read.
        lost: Option<FrameHeader>,
        /// The next frame's.
        next: Option<FrameHeader>,
    },
}

/// Where a walk is. The caller owns the source, so that it may read elsewhere
/// in between.
pub(super) struct Walk {
    at: u64,
    /// The next frame's number, once one was seen.
    seq: Option<u64>,
}

impl Walk {
    /// Starts at `offset`, where a frame with number `seq` should be.
    pub fn new(offset: u64, seq: u64) -> Self {
        Walk {
            at: offset,
            seq: Some(seq),
        }
    }

    /// The next frame or damaged place. With a `payload` buffer, payloads are
    /// read into it and checked; without one, only headers are looked at.
    pub fn next<R: Read + Seek>(
        &mut self,
        source: &mut Source<R>,
        payload: Option<&mut Vec<u8>>,
    ) -> io::Result<Option<Found>> {
        if self.at >= source.len() {
            return Ok(None);
        }
        let offset = self.at;
        let header = source
            .header_at(offset)?
            .filter(|header| self.accepts(header));
        let Some(header) = header else {
            return self.step_over(source, None, offset + 1).map(Some);
        };
        if self.seq.is_some_and(|seq| header.seq > seq) {
            // Whole frames are missing; this one comes with the next call.
            self.seq = Some(header.seq);
            return Ok(Some(Found::Damage {
                lost: None,
                next: Some(header),
            }));
        }
        let intact = match payload {
            Some(payload) => source.payload(offset, &header, payload)?,
            None => offset.saturating_add(header.frame_len()) <= source.len(),
        };
        self.seq = header.seq.checked_add(1);
        if !intact {
            // Bytes may be missing from the payload: search it, too.
            return self
                .step_over(source, Some(header), offset + HEADER_LEN as u64)
                .map(Some);
        }
        self.at = offset + header.frame_len();
        Ok(Some(Found::Frame(offset, header)))
    }

    /// Numbers only go up: a frame from before is a stray copy.
    fn accepts(&self, header: &FrameHeader) -> bool {
        self.seq.is_none_or(|seq| header.seq >= seq)
    }

    fn step_over<R: Read + Seek>(
        &mut self,
        source: &mut Source<R>,
        lost: Option<FrameHeader>,
        from: u64,
    ) -> io::Result<Found> {
        let next = self.search(source, from)?;
        self.at = next.map_or(source.len(), |(at, _)| at);
        let next = next.map(|(_, header)| header);
        // The damage accounts for the frames that are missing here.
        if let Some(next) = next {
            self.seq = Some(next.seq);
        }
        Ok(Found::Damage { lost, next })
    }

    /// The first valid frame header at `from` or after it.
    fn search<R: Read + Seek>(
        &self,
        source: &mut Source<R>,
        from: u64,
    ) -> io::Result<Option<(u64, FrameHeader)>> {
        let mut window = vec![0; WINDOW];
        let mut at = from;
        loop {
            let read = source.read_at(at, &mut window)?;
            let bytes = window.get(..read).unwrap_or_default();
            for (i, candidate) in bytes.windows(HEADER_LEN).enumerate() {
                if !candidate.starts_with(&SYNC) {
                    continue;
                }
                let header = candidate.first_chunk().and_then(FrameHeader::parse);
                if let Some(header) = header.filter(|header| self.accepts(header)) {
                    return Ok(Some((at + i as u64, header)));
                }
            }
            if read < WINDOW {
                return Ok(None);
            }
            at += (WINDOW - HEADER_LEN + 1) as u64;
        }
    }
}
