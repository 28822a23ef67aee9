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
use damo_user::store::{Reader, Writer, verify};

/// Snapshots and gaps of a frame.
const MOST_ROWS: u32 = 1 << 14;

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
    fn zeros(self, id: u8, len: usize) -> Self {
        self.packed(&[(id, &vec![0; len])])
    }

    /// Adds columns as zstd streams, before anything else.
    fn packed(mut self, columns: &[(u8, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (id, raw) in columns {
            let packed = zstd::bulk::compress(raw, 3).unwrap();
            self.payload.extend([*id, 1]);
            self.payload.extend(varint(raw.len() as u64));
            self.payload.extend(varint(packed.len() as u64));
            body.extend(packed);
            self.raw_len += raw.len() as u32;
            self.columns += 1;
        }
        self.payload.extend(body);
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

/// As [`read`], of what is not samples: peak, notes and gaps.
fn read_notes(file: &[u8]) -> (usize, usize, usize) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let mut reader = Reader::from_source(Cursor::new(file), "memory").unwrap();
    let (mut notes, mut gaps) = (0, 0);
    for item in reader.items().unwrap() {
        match item.unwrap() {
            Item::Note(_) => notes += 1,
            Item::Gap(_) => gaps += 1,
            Item::Snapshot(_) => {}
        }
    }
    let peak = PEAK.load(Ordering::Relaxed) - before;
    drop(reader);
    let mut reader = Reader::from_source(Cursor::new(file), "memory").unwrap();
    verify(&mut reader).unwrap();
    (peak.max(PEAK.load(Ordering::Relaxed) - before), notes, gaps)
}

/// Rows that hold as much as a row can.
fn tried_regions() {
    let rows = MOST_ROWS;
    let counters = vec![2; rows as usize];
    let counter = [0, 1].repeat(rows as usize);
    let name: Vec<u8> = [&[64][..], &[b'a'; 64]].concat();
    let each = vec![1; rows as usize];
    let columns: &[(u8, &[u8])] = &[
        (2, &[1, 1]),
        (8, &each),
        (12, &each),
        (21, &each),
        (22, &each),
        (23, &each),
        (24, &each),
        (25, &name),
        (26, &counters),
        (27, &counter),
    ];
    let frame = Frame {
        snapshots: rows,
        samples: rows,
        gaps: rows,
        ..Frame::data().packed(columns)
    };
    let (peak, snapshots, regions, damage) = read(&file(std::slice::from_ref(&frame)));
    assert_eq!(
        (snapshots, regions, damage),
        (rows as usize, rows as usize, 0)
    );
    assert!(peak < 48 * MIB, "{peak}");
    let (peak, ..) = read_notes(&file(&[frame]));
    assert!(peak < 48 * MIB, "{peak}");
    // One region with all hits; and hits without a column of them.
    let hits = vec![1; 4_000_000];
    let one: &[(u8, &[u8])] = &[(2, &[1, 1]), (8, &[1])];
    let many = varint(4_000_000);
    for (columns, damage) in [
        ([one, &[(22, &many), (23, &hits)]].concat(), 0),
        ([one, &[(22, &varint(u64::MAX))]].concat(), 1),
        ([one, &[(26, &varint(u64::MAX))]].concat(), 1),
    ] {
        let frame = Frame {
            snapshots: 1,
            samples: 1,
            ..Frame::data().packed(&columns)
        };
        let (peak, .., told) = read(&file(&[frame]));
        assert!(peak < 48 * MIB && told == damage, "{peak} {told}");
    }
}

/// Notes, of as many processes and names as there can be.
fn notes() {
    let rows = 65_536u32;
    let keys: Vec<u8> = (0..rows).flat_map(|it| varint(it.into())).collect();
    let each = vec![1; rows as usize];
    let zigzag_name = vec![2; rows as usize];
    let names = b"\x01a".repeat(rows as usize);
    let full: &[(u8, &[u8])] = &[
        (1, &names),
        (2, &each),
        (3, &keys),
        (4, &each),
        (5, &each),
        (8, &zigzag_name),
    ];
    let mapping = Frame {
        kind: 13,
        ..Frame::default().packed(full)
    };
    // Mappings that end beyond the last address.
    assert_eq!(read_notes(&file(&[mapping])).1, 0);
    let full: &[(u8, &[u8])] = &[(1, &names), (2, &each), (3, &keys), (8, &zigzag_name)];
    let mapping = Frame {
        kind: 13,
        ..Frame::default().packed(full)
    };
    let (peak, notes, gaps) = read_notes(&file(&[mapping]));
    assert_eq!((notes, gaps), (rows as usize, 0));
    assert!(peak < 48 * MIB, "{peak}");
    for kind in 9..=15 {
        for (id, len) in [(1, 4 << 20), (2, 65_537), (3, 4 << 20), (12, 4 << 20)] {
            let frame = Frame {
                kind,
                ..Frame::default().zeros(id, len)
            };
            let (peak, notes, gaps) = read_notes(&file(&[frame]));
            assert!(peak < 32 * MIB, "{kind} {id}: {peak}");
            assert_eq!((notes, gaps), (0, 1), "{kind} {id}");
        }
    }
}

/// What a record says about itself: little JSON that takes much memory.
fn json() {
    let fill = |begin: &str, each: &str, end: &str| {
        let times = ((1 << 20) - 100) / each.len();
        let text = [
            begin,
            &vec![each.trim_end_matches(','); times].join(","),
            end,
        ]
        .concat();
        assert!(text.len() <= 1 << 20);
        text.into_bytes()
    };
    for (kind, text) in [
        (1, fill(r#"{"targets":["#, "{},", "]}")),
        (
            1,
            fill(
                r#"{"targets":[{"origin":{"scheme_filters":["#,
                "[0],",
                "]}}]}",
            ),
        ),
        (1, fill(r#"{"command":["#, r#""","#, "]}")),
        (
            2,
            fill(r#"{"origin":{"intervals_goal":["#, r#"{"":0},"#, "]}}"),
        ),
    ] {
        let frame = Frame {
            kind,
            ..Frame::default().packed(&[(1, &text)])
        };
        let (peak, ..) = read_notes(&file(&[frame]));
        assert!(peak < 48 * MIB, "{peak}");
    }
    // Each within the limits, but a hundred of them.
    let targets: Vec<Frame> = (0..100)
        .map(|id| {
            let filters = vec!["[0]"; 60_000].join(",");
            let text = format!(r#"{{"target_id":{id},"origin":{{"scheme_filters":[{filters}]}}}}"#);
            Frame {
                kind: 2,
                ..Frame::default().packed(&[(1, text.as_bytes())])
            }
        })
        .collect();
    let (peak, ..) = read_notes(&file(&targets));
    assert!(peak < 64 * MIB, "{peak}");
}

/// Files of others that promise much.
fn imported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let mut binary = [&b"damon_recfmt_ver"[..], &2i32.to_le_bytes()].concat();
    let begin = binary.clone();
    binary.extend([1i64.to_le_bytes(), 5i64.to_le_bytes()].concat());
    let block = |targets: u32, regions: u32| {
        let id = 7u64.to_le_bytes();
        [
            &binary[..],
            &targets.to_le_bytes(),
            &id,
            &regions.to_le_bytes(),
            &[1; 400],
        ]
        .concat()
    };
    let line = |nr: &str, more: &str| {
        let event = "kdamond.0 9 [001] 1.5: damon:damon_aggregated: target_id=0";
        format!("{event} nr_regions={nr} 4096-8192: 1 1{more}\n").into_bytes()
    };
    for bytes in [
        begin,
        block(u32::MAX, 1),
        block(1, u32::MAX),
        block(u32::MAX, u32::MAX),
        line("18446744073709551615", ""),
        line("4294967295", ""),
        line("2", &"x".repeat(8 << 20)),
        vec![b'\n'; 8 << 20],
        [line("1", ""), vec![b'a'; 32 << 20]].concat(),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        drop(bytes);
        let before = NOW.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        if let Ok(mut record) = damo_user::import::open(&path) {
            record.items().unwrap().for_each(drop);
        }
        let peak = PEAK.load(Ordering::Relaxed) - before;
        assert!(peak < 32 * MIB, "{peak}");
    }
}

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
        snapshots: MOST_ROWS,
        gaps: MOST_ROWS,
        ..Frame::data().stored(one_target)
    };
    let (peak, snapshots, _, damage) = read(&file(&[rows]));
    assert!(
        peak < 48 * MIB && (snapshots, damage) == (MOST_ROWS as usize, 0),
        "{peak} {snapshots} {damage}"
    );

    tried_regions();
    notes();
    json();
    imported();

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
