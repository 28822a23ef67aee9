//! Frames out: what the writer holds back, written and accounted for.

use super::super::about::json_weight;
use super::super::append::{JSON_COLUMN, Stats, WriteError, write_failed};
use super::super::format::{FrameHeader, HEADER_LEN, flag, kind, limit};
use super::super::index::{End, Entry};
use super::super::sink::Sink;
use super::Writer;
use crate::model::{Gap, LossCause};

/// A frame is written when it holds so many samples…
const FRAME_SAMPLES: usize = 4096;
/// …or so many snapshots and gaps, for snapshots that hold next to nothing.
const FRAME_ROWS: usize = 1024;

impl<S: Sink> Writer<S> {
    /// Writes what is held back, as a frame of its own.
    ///
    /// # Errors
    /// It could not be written, and counts as lost.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let noted = self.flush_notes();
        self.flush_samples().and(noted)
    }

    pub(super) fn flush_samples(&mut self) -> Result<(), WriteError> {
        self.begin();
        if self.frame.is_empty() {
            return Ok(());
        }
        let header = self.frame.header();
        let offset = self.file.bytes;
        let entry = Entry {
            offset,
            seq: self.file.seq,
            before_ns: self.file.latest_ns,
            from_ns: header.first_ns,
        };
        self.file.payload.clear();
        let encoded = self
            .frame
            .encode(header.first_ns, &mut self.file.payload)
            .map_err(write_failed);
        let gone = u64::from(header.samples) + self.frame.earlier() as u64;
        self.frame.clear();
        let result = encoded.and_then(|()| self.file.put_frame(header));
        if result.is_ok() {
            self.index.note(entry);
            return Ok(());
        }
        self.stats.snapshots = self
            .stats
            .snapshots
            .saturating_sub(header.whole_snapshots());
        self.stats.samples = self.stats.samples.saturating_sub(gone);
        self.stats.lost = self.stats.lost.saturating_add(gone);
        // A frame of which the header stays behind tells its loss itself.
        if self.file.bytes < offset + HEADER_LEN as u64 {
            self.not_written(header.first_ns, header.last_ns, header.weight());
        }
        result
    }

    /// Writes the notes that are held back, each kind as a frame of its own.
    pub(super) fn flush_notes(&mut self) -> Result<(), WriteError> {
        let mut result = Ok(());
        for (kind, pending) in std::mem::take(&mut self.notes) {
            let Some((first_ns, last_ns)) = pending.times() else {
                continue;
            };
            self.file.payload.clear();
            let encoded = pending.encode(&mut self.file.payload).map_err(write_failed);
            let header = FrameHeader {
                kind,
                first_ns,
                last_ns,
                ..FrameHeader::default()
            };
            let offset = self.file.bytes;
            let written = encoded.and_then(|()| self.file.put_frame(header));
            if written.is_ok() {
                self.index.note_time(first_ns);
            } else if self.file.bytes < offset + HEADER_LEN as u64 {
                // No samples, but something that is not there.
                self.not_written(first_ns, last_ns, 0);
            }
            result = result.and(written);
        }
        result
    }

    /// Writes what is held back, the last META, INDEX and END, and syncs.
    /// Calling it again does nothing. After an error, too, the file is
    /// readable and [`Writer::stats`] says what is in it.
    ///
    /// # Errors
    /// The first one of the steps; the others are tried nevertheless.
    pub fn finish(&mut self) -> Result<Stats, WriteError> {
        if self.finished {
            return Ok(self.stats());
        }
        let flushed = self.flush();
        let told = if self.meta_stale {
            self.write_meta()
        } else {
            Ok(())
        };
        if self.meta_stale {
            // Readers must then look at all frames.
            self.index.meta_offset = 0;
        }
        let mut end = End {
            index_offset: self.file.bytes,
            stats: self.stats(),
        };
        self.file.payload.clear();
        let indexed = self
            .index
            .encode(&mut self.file.payload)
            .map_err(write_failed);
        let indexed = indexed.and_then(|()| self.file.put_frame(self.file.timeless(kind::INDEX)));
        if indexed.is_err() {
            end.index_offset = 0;
        }
        end.stats = self.stats();
        self.file.payload.clear();
        end.encode(HEADER_LEN, &mut self.file.payload);
        let header = FrameHeader {
            flags: flag::CRITICAL,
            ..self.file.timeless(kind::END)
        };
        let ended = self.file.put_frame(header);
        self.finished = true;
        let synced = self.file.sync();
        flushed.and(told).and(indexed).and(ended).and(synced)?;
        Ok(self.stats())
    }

    pub(super) fn write_meta(&mut self) -> Result<(), WriteError> {
        let offset = self.file.bytes;
        let meta = std::mem::take(&mut self.meta);
        let result = self.json_frame(kind::META, &meta);
        self.meta = meta;
        self.meta_stale = result.is_err();
        result?;
        self.index.meta_offset = offset;
        Ok(())
    }

    /// Puts what an earlier failure lost at the front of an empty frame.
    pub(super) fn begin(&mut self) {
        if self.frame.is_empty()
            && let Some(gap) = self.unwritten.take()
        {
            self.frame.push_gap(&gap);
        }
    }

    pub(super) fn not_written(&mut self, start_ns: u64, end_ns: u64, events: u64) {
        let gap = self.unwritten.get_or_insert(Gap {
            target: None,
            start_ns,
            end_ns,
            events: Some(0),
            cause: LossCause::Unwritten,
        });
        gap.start_ns = gap.start_ns.min(start_ns);
        gap.end_ns = gap.end_ns.max(end_ns);
        gap.events = gap.events.map(|sum| sum.saturating_add(events));
    }

    pub(super) fn flush_if_full(&mut self) -> Result<(), WriteError> {
        let full = self.frame.samples() >= FRAME_SAMPLES || self.frame.rows() >= FRAME_ROWS;
        if full || self.frame.is_heavy() {
            return self.flush();
        }
        Ok(())
    }

    pub(super) fn json_frame<T: serde::Serialize>(
        &mut self,
        kind: u8,
        value: &T,
    ) -> Result<(), WriteError> {
        let json = serde_json::to_vec(value).map_err(|error| write_failed(error.into()))?;
        if json_weight(&json) > limit::JSON as usize {
            return Err(WriteError::Invalid(
                "what it says about itself is over 1 MiB of JSON",
            ));
        }
        self.file.payload.clear();
        self.file
            .payload
            .bytes(JSON_COLUMN, &json)
            .map_err(write_failed)?;
        self.file.put_frame(self.file.timeless(kind))
    }
}
