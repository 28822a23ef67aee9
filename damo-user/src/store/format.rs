//! The fixed parts of the file: its header and the header of each frame.
//! Byte offsets are docs/FORMAT.md's.

/// The first eight bytes of every record. The high bit, CR LF and 0x1A show
/// damage by text conversion, as PNG's do.
pub const MAGIC: [u8; 8] = *b"\x89DMOR\r\n\x1a";

/// Format version that this code writes, and the latest that it reads.
pub const VERSION: u16 = 1;

/// Begins every frame.
pub(super) const SYNC: [u8; 8] = *b"\xf5\xdfDMOF\r\n";
/// Ends a file that was closed properly.
pub(super) const END_MAGIC: [u8; 8] = *b"DMOR-END";

/// Bytes of the file header and of a frame header.
pub(super) const HEADER_LEN: usize = 72;

/// Incompatible features that this code knows: none yet.
pub(super) const KNOWN_INCOMPAT: u64 = 0;

/// What a frame may hold at most, so that a reader knows before it allocates.
pub(super) mod limit {
    pub const PAYLOAD: u32 = 1 << 20;
    pub const RAW: u32 = 4 << 20;
    /// Of META and TARGET frames: JSON can take many times its size.
    pub const JSON: u32 = 1 << 20;
    /// Bytes of JSON that a value of it counts as, at least.
    pub const JSON_VALUE: usize = 8;
    pub const SAMPLES: u32 = 1 << 18;
    pub const SNAPSHOTS: u32 = 1 << 14;
    pub const GAPS: u32 = 1 << 14;
    /// Regions of one snapshot, over all the frames that it is split over.
    pub const REGIONS: u64 = 1 << 19;
    /// Rows of a frame of notes.
    pub const NOTES: usize = 1 << 16;
    /// Bytes of a name in a table of names.
    pub const NAME: usize = 4096;
    /// Scheme counters of all snapshots of a frame.
    pub const COUNTERS: u64 = 1 << 16;
}

/// Types of frames.
pub(super) mod kind {
    pub const META: u8 = 1;
    pub const TARGET: u8 = 2;
    pub const DATA: u8 = 3;
    pub const CLOCK: u8 = 5;
    pub const INDEX: u8 = 6;
    pub const END: u8 = 7;
    pub const TUNED: u8 = 9;
    pub const SCHEME: u8 = 10;
    pub const FOOTPRINT: u8 = 11;
    pub const SYSTEM: u8 = 12;
    pub const MAPPING: u8 = 13;
    pub const CPU_TIME: u8 = 14;
    pub const APPLIED: u8 = 15;
    pub const HAPPENED: u8 = 16;
    pub const QUOTA: u8 = 17;
    pub const SUMMED: u8 = 18;
}

/// Bits of a frame's `flags`.
pub(super) mod flag {
    /// A reader that does not know the frame's type must stop.
    pub const CRITICAL: u8 = 1;
    /// The frame's last snapshot goes on in the next DATA frame.
    pub const SPLIT: u8 = 2;
    /// The frame's first snapshot began in the DATA frame before.
    pub const CONTINUES: u8 = 4;
}

/// What stands at the start of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileHeader {
    /// Format version that a reader needs; the writer sets it.
    pub version: u16,
    /// Page size of the recorded machine, as a power of two; 0 if not known.
    pub page_shift: u8,
    /// Position of this file in a record of several segments.
    pub segment: u32,
    /// Features without which the file cannot be understood.
    pub incompat: u64,
    /// Features that a reader may ignore.
    pub compat: u64,
    /// Identifies the record; the same in all its segments.
    pub uuid: [u8; 16],
    /// The kernel's boot id; zeros if not known.
    pub boot_id: [u8; 16],
}

impl FileHeader {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&[self.page_shift, 0]);
        out.extend_from_slice(&self.segment.to_le_bytes());
        out.extend_from_slice(&self.incompat.to_le_bytes());
        out.extend_from_slice(&self.compat.to_le_bytes());
        out.extend_from_slice(&self.uuid);
        out.extend_from_slice(&self.boot_id);
        out.extend_from_slice(&[0; 4]);
        seal(out, start);
    }

    /// `None` where the checksum or the magic does not hold.
    pub(super) fn parse(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let mut fields = Fields(sealed(bytes)?);
        if fields.take()? != MAGIC {
            return None;
        }
        let version = u16::from_le_bytes(fields.take()?);
        let [page_shift, _] = fields.take()?;
        Some(FileHeader {
            version,
            page_shift,
            segment: fields.u32()?,
            incompat: fields.u64()?,
            compat: fields.u64()?,
            uuid: fields.take()?,
            boot_id: fields.take()?,
        })
    }
}

/// What stands before each frame's payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub kind: u8,
    pub flags: u8,
    /// Entries of the column table.
    pub columns: u16,
    /// Bytes that follow the header.
    pub payload_len: u32,
    /// Bytes of all columns when decompressed.
    pub raw_len: u32,
    pub snapshots: u32,
    pub samples: u32,
    pub gaps: u32,
    /// Frames written before this one.
    pub seq: u64,
    pub first_ns: u64,
    pub last_ns: u64,
    /// Samples that this frame says are missing.
    pub lost: u64,
    pub payload_crc: u32,
}

impl FrameHeader {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&SYNC);
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.columns.to_le_bytes());
        for word in [
            self.payload_len,
            self.raw_len,
            self.snapshots,
            self.samples,
            self.gaps,
        ] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for word in [self.seq, self.first_ns, self.last_ns, self.lost] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.payload_crc.to_le_bytes());
        seal(out, start);
    }

    /// `None` where sync word, checksum or a limit does not hold.
    pub(super) fn parse(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        if !bytes.starts_with(&SYNC) {
            return None;
        }
        let mut fields = Fields(sealed(bytes)?);
        let _: [u8; 8] = fields.take()?;
        let [kind, flags] = fields.take()?;
        let header = FrameHeader {
            kind,
            flags,
            columns: u16::from_le_bytes(fields.take()?),
            payload_len: fields.u32()?,
            raw_len: fields.u32()?,
            snapshots: fields.u32()?,
            samples: fields.u32()?,
            gaps: fields.u32()?,
            seq: fields.u64()?,
            first_ns: fields.u64()?,
            last_ns: fields.u64()?,
            lost: fields.u64()?,
            payload_crc: fields.u32()?,
        };
        let fits = header.payload_len <= limit::PAYLOAD
            && header.raw_len <= limit::RAW
            && header.snapshots <= limit::SNAPSHOTS
            && header.samples <= limit::SAMPLES
            && header.gaps <= limit::GAPS;
        fits.then_some(header)
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of header and payload.
    pub(super) fn frame_len(&self) -> u64 {
        HEADER_LEN as u64 + u64::from(self.payload_len)
    }

    /// Snapshots that end in this frame.
    pub(super) fn whole_snapshots(&self) -> u64 {
        u64::from(self.snapshots).saturating_sub(u64::from(self.has(flag::SPLIT)))
    }

    /// Samples that are gone if this frame is: its own, and those it says are.
    pub(super) fn weight(&self) -> u64 {
        u64::from(self.samples).saturating_add(self.lost)
    }
}

/// Appends the checksum of what was appended since `start`.
fn seal(out: &mut Vec<u8>, start: usize) {
    let crc = crc32c::crc32c(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
}

/// What stands before a checksum that holds.
fn sealed(bytes: &[u8; HEADER_LEN]) -> Option<&[u8]> {
    let (body, crc) = bytes.split_last_chunk()?;
    (crc32c::crc32c(body) == u32::from_le_bytes(*crc)).then_some(body)
}

/// Takes fixed-size little-endian fields off the front.
pub(super) struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    pub fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back() {
        let file = FileHeader {
            version: 1,
            page_shift: 12,
            segment: 7,
            incompat: 1 << 63,
            compat: 2,
            uuid: [3; 16],
            boot_id: [4; 16],
        };
        let frame = FrameHeader {
            kind: kind::DATA,
            flags: flag::CRITICAL,
            columns: 300,
            payload_len: 5,
            raw_len: 6,
            snapshots: 7,
            samples: 8,
            gaps: 9,
            seq: 10,
            first_ns: 11,
            last_ns: u64::MAX,
            lost: 12,
            payload_crc: 13,
        };
        let (mut a, mut b) = (Vec::new(), Vec::new());
        file.encode(&mut a);
        frame.encode(&mut b);
        assert_eq!(
            FileHeader::parse(a.as_slice().try_into().unwrap()),
            Some(file)
        );
        assert_eq!(
            FrameHeader::parse(b.as_slice().try_into().unwrap()),
            Some(frame)
        );
    }

    #[test]
    fn a_header_over_a_limit_is_refused() {
        for header in [
            FrameHeader {
                payload_len: limit::PAYLOAD + 1,
                ..Default::default()
            },
            FrameHeader {
                raw_len: limit::RAW + 1,
                ..Default::default()
            },
            FrameHeader {
                samples: limit::SAMPLES + 1,
                ..Default::default()
            },
            FrameHeader {
                snapshots: limit::SNAPSHOTS + 1,
                ..Default::default()
            },
            FrameHeader {
                gaps: limit::GAPS + 1,
                ..Default::default()
            },
        ] {
            let mut bytes = Vec::new();
            header.encode(&mut bytes);
            assert_eq!(
                FrameHeader::parse(bytes.as_slice().try_into().unwrap()),
                None
            );
        }
    }
}
