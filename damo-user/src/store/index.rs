//! The frames that close a file: INDEX (where to start reading for a time)
//! and END (totals, and the way back to INDEX from the file's end).

use std::io;

use super::Stats;
use super::column::{Columns, Corrupt, Payload};
use super::format::{END_MAGIC, Fields};
use super::varint::put;

/// Entries that the index holds at most: it thins itself out, so that it stays
/// small beside any file.
const MAX_ENTRIES: usize = 4096;

/// Bytes of END's trailer, that stand at the very end of the file.
pub(super) const TRAILER_LEN: usize = 12;

/// Column ids.
mod col {
    pub const OFFSET: u8 = 1;
    pub const SEQ: u8 = 2;
    pub const BEFORE: u8 = 3;
    pub const META: u8 = 4;
    pub const FROM: u8 = 5;

    pub const TOTALS: u8 = 1;
    pub const TRAILER: u8 = 2;
}

/// A frame at which reading may start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub offset: u64,
    pub seq: u64,
    /// No frame before it holds anything later than this.
    pub before_ns: u64,
    /// Earliest time of the frames from it to the next entry; when it was read,
    /// of all from it on.
    pub from_ns: u64,
}

/// Where DATA frames and the last META frame are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub entries: Vec<Entry>,
    /// Offset of the META frame that says everything; 0 for none.
    pub meta_offset: u64,
    /// One entry for so many DATA frames.
    stride: u64,
    seen: u64,
}

impl Default for Index {
    fn default() -> Self {
        Index {
            entries: Vec::new(),
            meta_offset: 0,
            stride: 1,
            seen: 0,
        }
    }
}

impl Index {
    /// Where to start for what is at `time_ns` or later.
    pub fn start(&self, time_ns: u64) -> Option<&Entry> {
        let after = self
            .entries
            .partition_point(|entry| entry.before_ns < time_ns);
        self.entries.get(after.checked_sub(1)?)
    }

    /// From where on nothing is before `time_ns`.
    pub fn stop(&self, time_ns: u64) -> Option<&Entry> {
        let at = self
            .entries
            .partition_point(|entry| entry.from_ns < time_ns);
        self.entries.get(at)
    }

    /// A frame that has no entry of its own begins then.
    pub fn note_time(&mut self, first_ns: u64) {
        if let Some(entry) = self.entries.last_mut() {
            entry.from_ns = entry.from_ns.min(first_ns);
        }
    }

    /// Notes a DATA frame.
    pub fn note(&mut self, entry: Entry) {
        if self.seen.is_multiple_of(self.stride) && self.entries.len() == MAX_ENTRIES {
            let mut pairs = std::mem::take(&mut self.entries).into_iter();
            while let Some(mut kept) = pairs.next() {
                if let Some(dropped) = pairs.next() {
                    kept.from_ns = kept.from_ns.min(dropped.from_ns);
                }
                self.entries.push(kept);
            }
            self.stride *= 2;
        }
        if self.seen.is_multiple_of(self.stride) {
            self.entries.push(entry);
        } else {
            self.note_time(entry.from_ns);
        }
        self.seen += 1;
    }

    pub fn encode(&self, payload: &mut Payload) -> io::Result<()> {
        let [mut offsets, mut seqs, mut befores, mut froms, mut meta] = [const { Vec::new() }; 5];
        let mut last = Entry::default();
        // What is before the next entry is before none of those after it.
        let mut earliest = u64::MAX;
        let mut entries = self.entries.clone();
        for entry in entries.iter_mut().rev() {
            earliest = earliest.min(entry.from_ns);
            entry.from_ns = earliest;
        }
        for entry in &entries {
            put(&mut offsets, entry.offset.wrapping_sub(last.offset));
            put(&mut seqs, entry.seq.wrapping_sub(last.seq));
            put(&mut befores, entry.before_ns.wrapping_sub(last.before_ns));
            put(&mut froms, entry.from_ns.wrapping_sub(last.from_ns));
            last = *entry;
        }
        put(&mut meta, self.meta_offset);
        payload.bytes(col::OFFSET, &offsets)?;
        payload.values(col::SEQ, &seqs)?;
        payload.values(col::BEFORE, &befores)?;
        payload.values(col::META, &meta)?;
        payload.values(col::FROM, &froms)
    }

    pub fn decode(columns: &Columns) -> Result<Self, Corrupt> {
        let mut offsets = columns.values(col::OFFSET)?;
        let mut seqs = columns.values(col::SEQ)?;
        let mut befores = columns.values(col::BEFORE)?;
        let mut index = Index {
            meta_offset: columns.values(col::META)?.next()?,
            ..Index::default()
        };
        let mut froms = columns.values(col::FROM)?;
        let mut last = Entry::default();
        while !offsets.is_empty() {
            if index.entries.len() == MAX_ENTRIES {
                return Err(Corrupt("index length"));
            }
            last = Entry {
                offset: last
                    .offset
                    .checked_add(offsets.next()?)
                    .ok_or(Corrupt("index"))?,
                seq: last.seq.checked_add(seqs.next()?).ok_or(Corrupt("index"))?,
                before_ns: last
                    .before_ns
                    .checked_add(befores.next()?)
                    .ok_or(Corrupt("index"))?,
                from_ns: last
                    .from_ns
                    .checked_add(froms.next()?)
                    .ok_or(Corrupt("index"))?,
            };
            index.entries.push(last);
        }
        seqs.end()?;
        befores.end()?;
        froms.end()?;
        Ok(index)
    }
}

/// What END says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Offset of the INDEX frame; 0 for none.
    pub index_offset: u64,
    /// Of all frames before END.
    pub stats: Stats,
}

impl End {
    /// `header_len` is what will stand before the payload.
    pub fn encode(&self, header_len: usize, payload: &mut Payload) {
        let mut totals = Vec::new();
        let Stats {
            bytes,
            snapshots,
            samples,
            lost,
            frames,
        } = self.stats;
        for word in [self.index_offset, bytes, snapshots, samples, lost, frames] {
            totals.extend_from_slice(&word.to_le_bytes());
        }
        payload.stored(col::TOTALS, &totals);
        // Four bytes for each of the two entries of the column table.
        let frame_len = header_len + 8 + totals.len() + TRAILER_LEN;
        let mut trailer = (frame_len as u32).to_le_bytes().to_vec();
        trailer.extend_from_slice(&END_MAGIC);
        payload.stored(col::TRAILER, &trailer);
    }

    pub fn decode(columns: &Columns) -> Result<Self, Corrupt> {
        let totals = columns.bytes(col::TOTALS)?.ok_or(Corrupt("no totals"))?;
        Self::fields(totals).ok_or(Corrupt("totals"))
    }

    fn fields(totals: &[u8]) -> Option<Self> {
        let mut fields = Fields(totals);
        Some(End {
            index_offset: fields.u64()?,
            stats: Stats {
                bytes: fields.u64()?,
                snapshots: fields.u64()?,
                samples: fields.u64()?,
                lost: fields.u64()?,
                frames: fields.u64()?,
            },
        })
    }

    /// The END frame's length, from the file's last bytes.
    pub fn frame_len(trailer: &[u8; TRAILER_LEN]) -> Option<u64> {
        let mut fields = Fields(trailer);
        let len = fields.u32()?;
        (fields.take()? == END_MAGIC).then_some(u64::from(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_small_and_keeps_the_first() {
        let mut index = Index {
            meta_offset: 72,
            ..Index::default()
        };
        for i in 0..100_000 {
            index.note(Entry {
                offset: i * 10,
                seq: i,
                before_ns: i * 1000,
                from_ns: i * 1000,
            });
        }
        assert!(
            (MAX_ENTRIES / 2..=MAX_ENTRIES).contains(&index.entries.len()),
            "{}",
            index.entries.len()
        );
        assert_eq!(index.entries[0].seq, 0);
        assert!(
            index
                .entries
                .windows(2)
                .all(|pair| pair[1].seq - pair[0].seq == index.stride)
        );

        let mut payload = Payload::new().unwrap();
        index.encode(&mut payload).unwrap();
        let mut bytes = Vec::new();
        let (count, raw_len) = payload.finish(&mut bytes).unwrap();
        let mut columns = Columns::default();
        columns.read(&bytes, count, raw_len as u32).unwrap();
        let back = Index::decode(&columns).unwrap();
        assert_eq!((back.entries, back.meta_offset), (index.entries, 72));
    }
}
