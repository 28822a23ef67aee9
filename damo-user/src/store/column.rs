//! A frame's payload: a table of columns, their bytes, and one zstd stream
//! that the small ones share (a stream of their own would cost more than it
//! saves).

use std::io;
use std::ops::Range;

use super::varint;

/// Bytes of a column below which it goes into the shared stream.
const SHARE_BELOW: usize = 1024;
const LEVEL: i32 = 3;

mod codec {
    pub const STORED: u8 = 0;
    pub const ZSTD: u8 = 1;
    pub const SHARED: u8 = 2;
}

/// Bytes whose checksum holds but that break a rule of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corrupt(pub &'static str);

/// Collects columns into a payload; its buffers are used again and again.
pub(super) struct Payload {
    zstd: zstd::bulk::Compressor<'static>,
    table: Vec<u8>,
    body: Vec<u8>,
    shared: Vec<u8>,
    packed: Vec<u8>,
    columns: u16,
    raw_len: usize,
}

impl Payload {
    pub fn new() -> io::Result<Self> {
        Ok(Payload {
            zstd: zstd::bulk::Compressor::new(LEVEL)?,
            table: Vec::new(),
            body: Vec::new(),
            shared: Vec::new(),
            packed: Vec::new(),
            columns: 0,
            raw_len: 0,
        })
    }

    pub fn clear(&mut self) {
        self.table.clear();
        self.body.clear();
        self.shared.clear();
        self.columns = 0;
        self.raw_len = 0;
    }

    /// Adds a column of values; one that is all zeros is left out.
    pub fn values(&mut self, id: u8, raw: &[u8]) -> io::Result<()> {
        if raw.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        self.bytes(id, raw)
    }

    /// Adds a column whatever its bytes are, unless it is empty.
    pub fn bytes(&mut self, id: u8, raw: &[u8]) -> io::Result<()> {
        if raw.is_empty() {
            return Ok(());
        }
        if raw.len() < SHARE_BELOW {
            self.entry(id, codec::SHARED, raw.len());
            self.shared.extend_from_slice(raw);
            return Ok(());
        }
        pack(&mut self.zstd, raw, &mut self.packed)?;
        if self.packed.len() >= raw.len() {
            self.stored(id, raw);
            return Ok(());
        }
        self.entry(id, codec::ZSTD, raw.len());
        varint::put(&mut self.table, self.packed.len() as u64);
        self.body.extend_from_slice(&self.packed);
        Ok(())
    }

    /// Adds a column that stands in the file as it is.
    pub fn stored(&mut self, id: u8, raw: &[u8]) {
        self.entry(id, codec::STORED, raw.len());
        varint::put(&mut self.table, raw.len() as u64);
        self.body.extend_from_slice(raw);
    }

    fn entry(&mut self, id: u8, codec: u8, raw_len: usize) {
        self.columns += 1;
        self.raw_len += raw_len;
        self.table.extend_from_slice(&[id, codec]);
        varint::put(&mut self.table, raw_len as u64);
    }

    /// Appends the payload to `out`; gives the columns and their raw bytes.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<(u16, usize)> {
        out.extend_from_slice(&self.table);
        out.extend_from_slice(&self.body);
        if !self.shared.is_empty() {
            pack(&mut self.zstd, &self.shared, &mut self.packed)?;
            out.extend_from_slice(&self.packed);
        }
        Ok((self.columns, self.raw_len))
    }
}

fn pack(
    zstd: &mut zstd::bulk::Compressor<'static>,
    raw: &[u8],
    packed: &mut Vec<u8>,
) -> io::Result<()> {
    packed.clear();
    packed.reserve(zstd::zstd_safe::compress_bound(raw.len()));
    zstd.compress_to_buffer(raw, packed)?;
    Ok(())
}

/// A payload taken apart. Memory is the frame's `raw_len`, used again.
#[derive(Default)]
pub(super) struct Columns {
    zstd: zstd::bulk::Decompressor<'static>,
    raw: Vec<u8>,
    /// Where each column is in `raw`; `None` for an unknown codec.
    table: Vec<(u8, Option<Range<usize>>)>,
}

struct Entry {
    id: u8,
    codec: u8,
    raw_len: usize,
    len: usize,
}

impl Columns {
    /// Takes `payload` apart. `raw_len` was checked against the limit.
    pub fn read(&mut self, payload: &[u8], columns: u16, raw_len: u32) -> Result<(), Corrupt> {
        self.read_without(&[], payload, columns, raw_len)
    }

    /// As [`Columns::read`], but some columns are not even decompressed: it is as
    /// if they were not there.
    pub fn read_without(
        &mut self,
        unwanted: &[u8],
        payload: &[u8],
        columns: u16,
        raw_len: u32,
    ) -> Result<(), Corrupt> {
        let raw_len = raw_len as usize;
        self.table.clear();
        let mut rest = payload;
        let mut entries = Vec::new();
        let mut total = 0usize;
        for _ in 0..columns {
            let entry = Entry::parse(&mut rest).ok_or(Corrupt("column table"))?;
            total = total
                .checked_add(entry.raw_len)
                .ok_or(Corrupt("column lengths"))?;
            entries.push(entry);
        }
        if total != raw_len {
            return Err(Corrupt("column lengths"));
        }
        self.raw.clear();
        self.raw.resize(raw_len, 0);

        // Columns with bytes of their own come first in `raw`, as in the file.
        let mut at = 0;
        for entry in entries.iter().filter(|entry| entry.codec != codec::SHARED) {
            let (bytes, after) = rest
                .split_at_checked(entry.len)
                .ok_or(Corrupt("column length"))?;
            rest = after;
            let range = at..at + entry.raw_len;
            at = range.end;
            if unwanted.contains(&entry.id) {
                continue;
            }
            let raw = self
                .raw
                .get_mut(range.clone())
                .ok_or(Corrupt("column lengths"))?;
            match entry.codec {
                codec::STORED if bytes.len() == raw.len() => raw.copy_from_slice(bytes),
                codec::STORED => return Err(Corrupt("column length")),
                codec::ZSTD => unpack(&mut self.zstd, bytes, raw)?,
                _ => {
                    self.add(entry.id, None)?;
                    continue;
                }
            }
            self.add(entry.id, Some(range))?;
        }
        let shared = self.raw.get_mut(at..).ok_or(Corrupt("column lengths"))?;
        if !shared.is_empty() || !rest.is_empty() {
            unpack(&mut self.zstd, rest, shared)?;
        }
        for entry in entries.iter().filter(|entry| entry.codec == codec::SHARED) {
            let range = at..at + entry.raw_len;
            at = range.end;
            if !unwanted.contains(&entry.id) {
                self.add(entry.id, Some(range))?;
            }
        }
        Ok(())
    }

    fn add(&mut self, id: u8, range: Option<Range<usize>>) -> Result<(), Corrupt> {
        if self.table.iter().any(|(other, _)| *other == id) {
            return Err(Corrupt("a column twice"));
        }
        self.table.push((id, range));
        Ok(())
    }

    /// All columns' bytes, one after the other.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether there is such a column.
    pub fn has(&self, id: u8) -> bool {
        self.table.iter().any(|(other, _)| *other == id)
    }

    /// A column's bytes; `None` if it is not there.
    pub fn bytes(&self, id: u8) -> Result<Option<&[u8]>, Corrupt> {
        let Some((_, range)) = self.table.iter().find(|(other, _)| *other == id) else {
            return Ok(None);
        };
        let range = range.clone().ok_or(Corrupt("column codec"))?;
        self.raw
            .get(range)
            .map(Some)
            .ok_or(Corrupt("column lengths"))
    }

    /// A column as numbers.
    pub fn values(&self, id: u8) -> Result<Values<'_>, Corrupt> {
        let bytes = self.bytes(id)?;
        Ok(Values {
            rest: bytes.unwrap_or_default(),
            absent: bytes.is_none(),
        })
    }
}

impl Entry {
    fn parse(rest: &mut &[u8]) -> Option<Self> {
        let (&[id, codec], after) = rest.split_first_chunk()?;
        *rest = after;
        let raw_len = usize::try_from(varint::get(rest)?).ok()?;
        let len = match codec {
            codec::SHARED => 0,
            _ => usize::try_from(varint::get(rest)?).ok()?,
        };
        Some(Entry {
            id,
            codec,
            raw_len,
            len,
        })
    }
}

/// One shot into exactly as many bytes as were promised.
fn unpack(
    zstd: &mut zstd::bulk::Decompressor<'static>,
    packed: &[u8],
    raw: &mut [u8],
) -> Result<(), Corrupt> {
    match zstd.decompress_to_buffer(packed, raw) {
        Ok(len) if len == raw.len() => Ok(()),
        _ => Err(Corrupt("compressed bytes")),
    }
}

/// Takes a name off the front: its length, of at most `longest`, and as many
/// bytes of UTF-8.
pub(super) fn text<'a>(bytes: &mut &'a [u8], longest: usize) -> Option<&'a str> {
    let len = usize::try_from(varint::get(bytes)?).ok()?;
    let (name, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    (len <= longest).then_some(str::from_utf8(name).ok()?)
}

/// The numbers of a column; endless zeros if the column is not there.
pub(super) struct Values<'a> {
    rest: &'a [u8],
    absent: bool,
}

impl Values<'_> {
    #[inline]
    pub fn next(&mut self) -> Result<u64, Corrupt> {
        if self.absent {
            return Ok(0);
        }
        varint::get(&mut self.rest).ok_or(Corrupt("a number"))
    }

    /// As [`Values::next`], for 32-bit values.
    #[inline]
    pub fn next_u32(&mut self) -> Result<u32, Corrupt> {
        u32::try_from(self.next()?).map_err(|_| Corrupt("a number over 32 bits"))
    }

    /// Whether nothing is left; a table's end.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Every number must have been used.
    pub fn end(&self) -> Result<(), Corrupt> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Corrupt("more numbers than rows"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(add: impl FnOnce(&mut Payload)) -> (Vec<u8>, u16, u32) {
        let mut payload = Payload::new().unwrap();
        add(&mut payload);
        let mut out = Vec::new();
        let (columns, raw_len) = payload.finish(&mut out).unwrap();
        (out, columns, raw_len as u32)
    }

    #[test]
    fn all_codecs_come_back() {
        let noise: Vec<u8> = (0..3000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let flat = vec![7; 3000];
        let (bytes, columns, raw_len) = payload(|p| {
            p.bytes(1, b"small").unwrap();
            p.bytes(2, &noise).unwrap();
            p.bytes(3, &flat).unwrap();
            p.values(4, &[0; 9]).unwrap();
            p.bytes(5, b"too").unwrap();
        });
        assert!(bytes.len() < 3200, "{}", bytes.len());
        let mut read = Columns::default();
        read.read(&bytes, columns, raw_len).unwrap();
        assert_eq!(read.bytes(1).unwrap().unwrap(), b"small");
        assert_eq!(read.bytes(2).unwrap().unwrap(), noise);
        assert_eq!(read.bytes(3).unwrap().unwrap(), flat);
        assert_eq!(read.bytes(4).unwrap(), None);
        assert_eq!(read.values(4).unwrap().next(), Ok(0));
        assert_eq!(read.bytes(5).unwrap().unwrap(), b"too");
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let (bytes, columns, raw_len) = payload(|p| {
            p.bytes(1, b"small").unwrap();
            p.bytes(3, &[7; 3000]).unwrap();
        });
        let mut read = Columns::default();
        assert!(read.read(&bytes, columns, raw_len + 1).is_err());
        assert!(read.read(&bytes, columns, raw_len - 1).is_err());
        assert!(read.read(&bytes, columns - 1, raw_len).is_err());
        assert!(read.read(&bytes, columns + 1, raw_len).is_err());
        assert!(
            read.read(&bytes[..bytes.len() - 1], columns, raw_len)
                .is_err()
        );
        assert!(
            read.read(&[bytes.as_slice(), &[0]].concat(), columns, raw_len)
                .is_err()
        );
    }

    #[test]
    fn a_stream_of_another_length_than_promised_is_refused() {
        let packed = zstd::bulk::compress(&[0; 99], 3).unwrap();
        let bytes = [
            &[1, codec::ZSTD, 100, packed.len() as u8],
            packed.as_slice(),
        ]
        .concat();
        assert_eq!(
            Columns::default().read(&bytes, 1, 100),
            Err(Corrupt("compressed bytes"))
        );

        let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 3).unwrap();
        let mut bytes = vec![1, codec::ZSTD];
        varint::put(&mut bytes, 100);
        varint::put(&mut bytes, bomb.len() as u64);
        bytes.extend(bomb);
        assert_eq!(
            Columns::default().read(&bytes, 1, 100),
            Err(Corrupt("compressed bytes"))
        );
    }

    #[test]
    fn unknown_codecs_only_matter_when_asked_for() {
        let mut bytes = vec![9, 77, 3, 2, 1, codec::STORED, 1, 1];
        bytes.extend([0xaa, 0xbb, 42]);
        let mut read = Columns::default();
        read.read(&bytes, 2, 4).unwrap();
        assert_eq!(read.values(1).unwrap().next(), Ok(42));
        assert_eq!(read.bytes(9), Err(Corrupt("column codec")));
    }

    #[test]
    fn a_column_twice_is_refused() {
        let (bytes, columns, raw_len) = payload(|p| {
            p.stored(1, b"a");
            p.stored(1, b"b");
        });
        assert!(Columns::default().read(&bytes, columns, raw_len).is_err());
    }
}
