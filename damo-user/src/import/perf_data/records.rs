//! The records of a perf.data, one at a time, decompressed where need be.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Buf;
use zstd::stream::raw::{Decoder, Operation};

use super::Stop;

const BUFFER: usize = 256 << 10;
/// How much is decompressed at a time: more than the longest record.
const BLOCK: usize = 128 << 10;
/// Type, flags and length.
const HEAD: usize = 8;

/// Types of records.
pub mod kind {
    /// Events are missing.
    pub const LOST: u32 = 2;
    /// An event.
    pub const SAMPLE: u32 = 9;
    /// How many of an event's samples were lost.
    pub const LOST_SAMPLES: u32 = 13;
    /// A pipe's `perf_event_attr`.
    pub const HEADER_ATTR: u32 = 64;
    /// A pipe's tracing data follows.
    pub const HEADER_TRACING_DATA: u32 = 66;
    /// All rings have been read once.
    pub const FINISHED_ROUND: u32 = 68;
    /// A hardware trace follows.
    pub const AUXTRACE: u32 = 71;
    /// A pipe's feature section.
    pub const HEADER_FEATURE: u32 = 80;
    /// Compressed records.
    pub const COMPRESSED: u32 = 81;
    /// The same, with padding.
    pub const COMPRESSED2: u32 = 83;
}

/// Walks over records. Compressed ones are one zstd stream that goes on from
/// record to record.
pub struct Records<'a> {
    input: BufReader<&'a File>,
    offset: u64,
    end: u64,
    kind: u32,
    misc: u16,
    /// The file's last record.
    body: Vec<u8>,
    decoder: Option<Decoder<'static>>,
    /// What follows the file's last record without being one.
    data: Range<u64>,
    /// What of `body` is still to be decompressed.
    packed: Range<usize>,
    /// Whether the decoder may have more than it had room for.
    more: bool,
    unpacked: Vec<u8>,
    /// The record in `unpacked` that is the current one.
    current: Option<Range<usize>>,
    /// What of `unpacked` comes after it.
    next: usize,
}

impl<'a> Records<'a> {
    /// Of a part of a file.
    pub fn new(file: &'a File, part: Range<u64>) -> io::Result<Self> {
        let mut input = BufReader::with_capacity(BUFFER, file);
        input.seek(SeekFrom::Start(part.start))?;
        Ok(Self {
            input,
            offset: part.start,
            end: part.end,
            kind: 0,
            misc: 0,
            body: Vec::new(),
            decoder: None,
            data: 0..0,
            packed: 0..0,
            more: false,
            unpacked: Vec::new(),
            current: None,
            next: 0,
        })
    }

    /// Where the next record of the file is.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the data are that follow the current record without being one.
    pub fn data(&self) -> Range<u64> {
        self.data.clone()
    }

    /// Type, flags and what follows them of the current record.
    pub fn current(&self) -> (u32, u16, &[u8]) {
        let body = match &self.current {
            Some(place) => self.unpacked.get(place.clone()).unwrap_or_default(),
            None => &self.body,
        };
        (self.kind, self.misc, body)
    }

    /// Goes to the next record; false at the end.
    pub fn advance(&mut self) -> Result<bool, Stop> {
        loop {
            if self.next_unpacked()? {
                return Ok(true);
            }
            if self.unpack()? {
                continue;
            }
            self.current = None;
            if self.offset == self.end {
                return match self.unpacked.len() == self.next {
                    true => Ok(false),
                    false => Err(self.damaged("compressed records end within one")),
                };
            }
            self.next_of_file()?;
            let body = self.body.as_slice();
            match self.kind {
                kind::COMPRESSED => self.packed = 0..body.len(),
                kind::COMPRESSED2 => {
                    let len = (&mut &*body).try_get_u64_ne().ok();
                    let end = len.and_then(|len| usize::try_from(len).ok()?.checked_add(HEAD));
                    let end = end.filter(|end| *end <= body.len());
                    self.packed = HEAD..end.ok_or_else(|| {
                        self.damaged("a compressed record is longer than it can be")
                    })?;
                }
                _ => return Ok(true),
            }
        }
    }

    fn damaged(&self, what: &'static str) -> Stop {
        Stop::Damaged(self.offset, what)
    }

    /// Bytes of the file have been read, or will be.
    fn passed(&mut self, len: u64) -> Result<(), Stop> {
        if len > self.end.saturating_sub(self.offset) {
            return Err(self.damaged("it ends within a record"));
        }
        self.offset += len;
        Ok(())
    }

    fn next_of_file(&mut self) -> Result<(), Stop> {
        if !self.data.is_empty() {
            self.input.seek(SeekFrom::Start(self.offset))?;
        }
        self.passed(HEAD as u64)?;
        let mut head = [0; HEAD];
        self.input.read_exact(&mut head)?;
        let len = self.take_head(&head)?;
        self.passed(len as u64)?;
        self.body.resize(len, 0);
        self.input.read_exact(&mut self.body)?;
        let body = &mut self.body.as_slice();
        let data = match self.kind {
            kind::AUXTRACE => body.try_get_u64_ne().unwrap_or(0),
            kind::HEADER_TRACING_DATA => body.try_get_u32_ne().unwrap_or(0).into(),
            _ => 0,
        };
        let start = self.offset;
        self.passed(data)?;
        self.data = start..self.offset;
        Ok(())
    }

    /// Takes a record's head; gives the length of what follows it.
    fn take_head(&mut self, mut head: &[u8]) -> Result<usize, Stop> {
        self.kind = head.try_get_u32_ne().unwrap_or(0);
        self.misc = head.try_get_u16_ne().unwrap_or(0);
        let len = usize::from(head.try_get_u16_ne().unwrap_or(0));
        len.checked_sub(HEAD)
            .ok_or_else(|| self.damaged("a record is shorter than it can be"))
    }

    /// Goes to the next record of what is decompressed, if it is all there.
    fn next_unpacked(&mut self) -> Result<bool, Stop> {
        let rest = self.unpacked.get(self.next..).unwrap_or_default();
        let Some(head) = rest.first_chunk::<HEAD>().copied() else {
            return Ok(false);
        };
        let room = rest.len() - HEAD;
        let len = self.take_head(&head)?;
        if len > room {
            return Ok(false);
        }
        let start = self.next + HEAD;
        self.current = Some(start..start + len);
        self.next = start + len;
        Ok(true)
    }

    /// Decompresses a block; false if there is nothing more.
    fn unpack(&mut self) -> Result<bool, Stop> {
        if self.packed.is_empty() && !self.more {
            return Ok(false);
        }
        self.unpacked.drain(..self.next);
        self.next = 0;
        self.current = None;
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(Decoder::new()?),
        };
        // A record is below 64 KiB, so that less than that was left.
        let filled = self.unpacked.len();
        self.unpacked.resize(filled + BLOCK, 0);
        let room = self.unpacked.get_mut(filled..).unwrap_or_default();
        let input = self.body.get(self.packed.clone()).unwrap_or_default();
        let status = decoder.run_on_buffers(input, room);
        let (read, written) = status.map_or((0, 0), |s| (s.bytes_read, s.bytes_written));
        self.packed.start += read;
        self.unpacked.truncate(filled + written);
        self.more = written == BLOCK;
        if read == 0 && written == 0 && !self.packed.is_empty() {
            self.packed = 0..0;
            return Err(self.damaged("compressed records cannot be decompressed"));
        }
        Ok(written > 0 || !self.packed.is_empty())
    }
}
