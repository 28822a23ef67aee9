//! Appends frames to a sink: each is one write, whole or taken back.

use std::io;

use super::column::Payload;
use super::format::{FrameHeader, HEADER_LEN, limit};
use super::sink::Sink;

/// Interrupted writes in a row after which the system is not believed.
const MAX_INTERRUPTS: u32 = 100;

/// The one column of META and TARGET frames.
pub(super) const JSON_COLUMN: u8 = 1;

/// Why something is not in the record.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system refused. What the frame held is counted as lost, the file
    /// stays readable, and going on is possible.
    #[error("cannot {doing} the record: {source}")]
    Io {
        /// "write" or "sync".
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The record is finished, or what it is to say about itself breaks the
    /// format's rules; nothing was changed.
    #[error("cannot record this: {0}")]
    Invalid(&'static str),
}

pub(super) fn write_failed(source: io::Error) -> WriteError {
    WriteError::Io {
        doing: "write",
        source,
    }
}

/// Counts of what was written; of what a writer still holds, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes in the file.
    pub bytes: u64,
    /// Snapshots kept.
    pub snapshots: u64,
    /// Region samples kept.
    pub samples: u64,
    /// Region samples known to be lost: those of gaps, those that snapshots
    /// say are missing, and those that could not be written.
    pub lost: u64,
    /// Frames in the file.
    pub frames: u64,
}

/// The end of a growing file.
pub(super) struct Appender<S: Sink> {
    sink: S,
    /// What the next frame will hold.
    pub payload: Payload,
    /// What the next write will write.
    pub out: Vec<u8>,
    /// Bytes in the file.
    pub bytes: u64,
    /// Frames in the file.
    pub frames: u64,
    /// The next frame's number.
    pub seq: u64,
    /// Latest time in the file; the time of frames that have none of their own.
    pub latest_ns: u64,
    /// Something is not synced.
    pub dirty: bool,
}

/// Of several files; never beyond the largest number.
impl std::ops::Add for Stats {
    type Output = Stats;

    fn add(self, other: Stats) -> Stats {
        Stats {
            bytes: self.bytes.saturating_add(other.bytes),
            snapshots: self.snapshots.saturating_add(other.snapshots),
            samples: self.samples.saturating_add(other.samples),
            lost: self.lost.saturating_add(other.lost),
            frames: self.frames.saturating_add(other.frames),
        }
    }
}

impl<S: Sink> Appender<S> {
    pub fn new(sink: S) -> Result<Self, WriteError> {
        Ok(Appender {
            sink,
            payload: Payload::new().map_err(write_failed)?,
            out: Vec::new(),
            bytes: 0,
            frames: 0,
            seq: 0,
            latest_ns: 0,
            dirty: false,
        })
    }

    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    pub fn into_sink(self) -> S {
        self.sink
    }

    /// A header for a frame without times of its own.
    pub fn timeless(&self, kind: u8) -> FrameHeader {
        FrameHeader {
            kind,
            first_ns: self.latest_ns,
            last_ns: self.latest_ns,
            ..FrameHeader::default()
        }
    }

    /// Writes `header` and the collected payload as the next frame.
    pub fn put_frame(&mut self, mut header: FrameHeader) -> Result<(), WriteError> {
        self.out.clear();
        self.out.resize(HEADER_LEN, 0);
        let (columns, raw_len) = self.payload.finish(&mut self.out).map_err(write_failed)?;
        let (_, payload) = self.out.split_at_checked(HEADER_LEN).unwrap_or_default();
        if payload.len() > limit::PAYLOAD as usize || raw_len > limit::RAW as usize {
            return Err(WriteError::Invalid("it does not fit into a frame"));
        }
        header.columns = columns;
        header.payload_len = payload.len() as u32;
        header.raw_len = raw_len as u32;
        header.seq = self.seq;
        header.payload_crc = crc32c::crc32c(payload);
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        header.encode(&mut bytes);
        if let Some(place) = self.out.get_mut(..HEADER_LEN) {
            place.copy_from_slice(&bytes);
        }
        let offset = self.bytes;
        let result = self.write_out();
        // A sequence number that can be seen in the file is used up.
        if result.is_ok() || self.bytes >= offset + HEADER_LEN as u64 {
            self.seq += 1;
            self.latest_ns = self.latest_ns.max(header.last_ns);
        }
        self.frames += u64::from(result.is_ok());
        result
    }

    /// Writes `out` whole, or takes back what was written of it.
    pub fn write_out(&mut self) -> Result<(), WriteError> {
        let start = self.bytes;
        let mut rest = self.out.as_slice();
        let mut interrupts = 0;
        let error = loop {
            if rest.is_empty() {
                self.dirty = true;
                return Ok(());
            }
            match self.sink.write(rest) {
                Ok(0) => break io::ErrorKind::WriteZero.into(),
                Ok(n) => {
                    rest = rest.get(n..).unwrap_or_default();
                    self.bytes += n as u64;
                    interrupts = 0;
                }
                Err(error)
                    if error.kind() == io::ErrorKind::Interrupted
                        && interrupts < MAX_INTERRUPTS =>
                {
                    interrupts += 1;
                }
                Err(error) => break error,
            }
        };
        if self.bytes > start {
            match self.sink.truncate(start) {
                Ok(()) => self.bytes = start,
                Err(_) => self.dirty = true,
            }
        }
        Err(write_failed(error))
    }

    /// Brings everything to stable storage.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        let mut interrupts = 0;
        let result = loop {
            match self.sink.sync() {
                Err(error)
                    if error.kind() == io::ErrorKind::Interrupted
                        && interrupts < MAX_INTERRUPTS =>
                {
                    interrupts += 1;
                }
                result => break result,
            }
        };
        self.dirty &= result.is_err();
        result.map_err(|source| WriteError::Io {
            doing: "sync",
            source,
        })
    }
}
