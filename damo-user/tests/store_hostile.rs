//! Files that promise much: checksums hold, lengths lie. Memory is counted.
//! One test, so that nobody else's memory counts.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};

use damo_user::model::{Item, LossCause, Meta, Record};
use damo_user::store::{Reader, Writer};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A frame as docs/FORMAT.md has it.
#[derive(Clone, Default)]
struct Frame {
    kind: u8,
    flags: u8,
    columns: u16,
    raw_len: u32,
    snapshots: u32,
    samples: u32,
    gaps: u32,
    payload: Vec<u8>,
    /// What the header says, if not the payload's length.
    payload_len: Option<u32>,
}

impl Frame {
    fn data() -> Self {
        Frame {
            kind: 3,
            flags: 1,
            ..Frame::default()
        }
    }

    /// Adds columns that are stored as they are.
    fn stored(mut self, columns: &[(u8, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (id, bytes) in columns {
            self.payload.extend([*id, 0]);
            let len = varint(bytes.len() as u64);
            self.payload.extend([len.as_slice(), &len].concat());
            body.extend_from_slice(bytes);
            self.raw_len += bytes.len() as u32;
            self.columns += 1;
        }
        self.payload.extend(body);
        self
    }

    /// Adds a column of `len` zeros as a zstd stream, before anything else.
    fn zeros(mut self, id: u8, len: usize) -> Self {
        let packed = zstd::bulk::compress(&vec![0; len], 3).unwrap();
        self.payload.extend([id, 1]);
        self.payload.extend(varint(len as u64));
        self.payload.extend(varint(packed.len() as u64));
        self.payload.extend(packed);
        self.raw_len += len as u32;
        self.columns += 1;
        self
    }

    fn put(&self, file: &mut Vec<u8>, seq: u64) {
        let start = file.len();
        file.extend(b"\xf5\xdfDMOF\r\n");
        file.extend([self.kind, self.flags]);
        file.extend(self.columns.to_le_bytes());
        let payload_len = self.payload_len.unwrap_or(self.payload.len() as u32);
        for word in [
            payload_len,
            self.raw_len,
            self.snapshots,
            self.samples,
            self.gaps,
        ] {
            file.extend(word.to_le_bytes());
        }
        for word in [seq, 0, 0, 0] {
            file.extend(u64::to_le_bytes(word));
        }
        file.extend(crc32c::crc32c(&self.payload).to_le_bytes());
        file.extend(crc32c::crc32c(&file[start..]).to_le_bytes());
        file.extend_from_slice(&self.payload);
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// An empty record's beginning, followed by `frames`.
fn file(frames: &[Frame]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, &Meta::default()).unwrap();
    writer.flush().unwrap();
    drop(writer);
    for (frame, seq) in frames.iter().zip(1..) {
        frame.put(&mut file, seq);
    }
    file
}

/// Reads a file, dropping its items; gives the peak of memory, how many
/// snapshots with how many regions there were, and the gaps of cause Damaged.
fn read(file: &[u8]) -> (usize, usize, usize, usize) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let mut reader = Reader::from_source(Cursor::new(file), "memory").unwrap();
    let (mut snapshots, mut regions, mut damage) = (0, 0, 0);
    for item in reader.items().unwrap() {
        match item.unwrap() {
            Item::Snapshot(snapshot) => {
                snapshots += 1;
                regions += snapshot.regions.len();
            }
            Item::Gap(gap) => damage += usize::from(gap.cause == LossCause::Damaged),
            Item::Note(_) => {}
        }
    }
    (
        PEAK.load(Ordering::Relaxed) - before,
        snapshots,
        regions,
        damage,
    )
}

const MIB: usize = 1 << 20;

#[test]
fn promises_cost_no_memory() {
    let one_target: &[(u8, &[u8])] = &[(2, &[1, 1])];

    // Over a limit: not even a frame.
    for frame in [
        Frame {
            raw_len: u32::MAX,
            ..Frame::data()
        },
        Frame {
            payload_len: Some(u32::MAX),
            ..Frame::data()
        },
        Frame {
            samples: u32::MAX,
            ..Frame::data()
        },
        Frame {
            snapshots: u32::MAX,
            ..Frame::data()
        },
        Frame {
            gaps: u32::MAX,
            ..Frame::data()
        },
    ] {
        let (peak, snapshots, _, damage) = read(&file(&[frame]));
        assert!(
            peak < MIB && (snapshots, damage) == (0, 1),
            "{peak} {snapshots} {damage}"
        );
    }

    // Within the limits, but the bytes are not there.
    for frame in [
        Frame {
            raw_len: 4 << 20,
            ..Frame::data()
        },
        Frame {
            payload_len: Some(1 << 20),
            ..Frame::data()
        },
        Frame {
            columns: u16::MAX,
            ..Frame::data()
        },
        Frame {
            samples: 1 << 18,
            snapshots: 1,
            ..Frame::data().stored(one_target)
        },
    ] {
        let (peak, snapshots, _, damage) = read(&file(&[frame]));
        assert!(
            peak < 2 * MIB && (snapshots, damage) == (0, 1),
            "{peak} {snapshots} {damage}"
        );
    }

    // A stream that grows, to more or less than is promised.
    let bomb = Frame {
        raw_len: 100,
        ..Frame::data().zeros(200, 4 << 20)
    };
    let (peak, _, _, damage) = read(&file(&[bomb]));
    assert!(peak < 2 * MIB && damage == 1, "{peak} {damage}");
    let full = Frame::data().zeros(200, 4 << 20);
    let (peak, _, _, damage) = read(&file(&[full]));
    assert!(peak < 5 * MIB && damage == 0, "{peak} {damage}");

    // A table of targets that nobody uses.
    let (peak, _, _, damage) = read(&file(&[Frame::data().zeros(2, 4 << 20)]));
    assert!(peak < 5 * MIB && damage == 1, "{peak} {damage}");

    // As much as a frame can say: rows without a byte each.
    let rows = Frame {
        snapshots: 1 << 16,
        gaps: 1 << 16,
        ..Frame::data().stored(one_target)
    };
    let (peak, snapshots, _, damage) = read(&file(&[rows]));
    assert!(
        peak < 48 * MIB && (snapshots, damage) == (1 << 16, 0),
        "{peak} {snapshots} {damage}"
    );

    // One snapshot over as many frames as it may have, and over more.
    for (total, whole) in [(1u64 << 19, true), ((1 << 19) + 1, false)] {
        let parts: Vec<Frame> = (0..total.div_ceil(1 << 18))
            .map(|part| {
                let left = total - (part << 18);
                let columns: &[(u8, &[u8])] = &[(2, &[1, 1]), (8, &varint(left))];
                let flags = 1 | if left > 1 << 18 { 2 } else { 0 } | if part > 0 { 4 } else { 0 };
                let samples = left.min(1 << 18) as u32;
                Frame {
                    flags,
                    samples,
                    snapshots: 1,
                    ..Frame::data().stored(columns)
                }
            })
            .collect();
        let (peak, snapshots, regions, damage) = read(&file(&parts));
        assert!(peak < 64 * MIB, "{peak}");
        assert_eq!(
            (snapshots, regions),
            if whole { (1, 1 << 19) } else { (0, 0) }
        );
        assert_eq!(damage > 0, !whole);
    }
}
