//! Walks a file's frames and steps over whatever is damaged. Reads only.

use std::io;

use super::format::{FrameHeader, HEADER_LEN, SYNC};
use super::source::{ReadAt, Source};

/// Bytes looked through at a time when searching for the next frame.
const WINDOW: usize = 64 << 10;

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

    /// The next frame or damaged place. Payloads that are `wanted` are read
    /// into `payload` and checked; of others, only headers are looked at.
    pub fn next<R: ReadAt>(
        &mut self,
        source: &mut Source<R>,
        payload: &mut Vec<u8>,
        wanted: impl FnOnce(&FrameHeader) -> bool,
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
        let intact = match wanted(&header) {
            true => source.payload(offset, &header, payload)?,
            false => offset.saturating_add(header.frame_len()) <= source.len(),
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

    fn step_over<R: ReadAt>(
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
    fn search<R: ReadAt>(
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
