//! A small record to damage and to change.
#![allow(dead_code, reason = "each test uses a part")]

use std::io::Cursor;

use damo_user::model::{
    Gap, Item, LossCause, Meta, ReadError, Record, Region, Snapshot, TargetInfo, TargetKey,
};
use damo_user::store::{Reader, Writer};

pub const HEADER: usize = 72;

pub fn snapshot(i: u64) -> Snapshot {
    let region = |j: u64| Region {
        start: 0x7000_0000 + j * 0x8000,
        end: 0x7000_0000 + j * 0x8000 + (1 + (i * j) % 7) * 0x1000,
        nr_accesses: ((i * 7 + j * 3) % 21) as u32,
        age: Some((i * j % 50) as u32),
    };
    Snapshot {
        target: TargetKey {
            kdamond: 7,
            target_id: 0,
        },
        start_ns: 1000 + i * 100,
        end_ns: 1100 + i * 100,
        intervals: None,
        missing: 0,
        regions: (0..10).map(region).collect(),
        extra: None,
    }
}

/// A snapshot that does not fit into a frame.
pub fn giant(regions: u64) -> Snapshot {
    let region = |i: u64| Region {
        start: i << 13,
        end: (i << 13) + 4096,
        nr_accesses: i as u32 % 7,
        age: None,
    };
    Snapshot {
        regions: (0..regions).map(region).collect(),
        ..snapshot(1)
    }
}

/// Frames: META, TARGET, CLOCK, nine of DATA (with two snapshots each, and a
/// gap in one), META, INDEX, END.
pub fn sample() -> Vec<u8> {
    let mut file = Vec::new();
    let meta = Meta {
        tool: "damo".to_owned(),
        mono_ns: 1000,
        ..Meta::default()
    };
    let mut writer = Writer::new(&mut file, &meta).unwrap();
    writer
        .target(&TargetInfo {
            target_id: 0,
            pid: Some(1),
            comm: None,
            ..TargetInfo::default()
        })
        .unwrap();
    writer.clock(1000, 5000).unwrap();
    for i in 0..9 {
        writer.snapshot(&snapshot(2 * i)).unwrap();
        if i == 4 {
            writer.gap(&ring_full()).unwrap();
        }
        writer.snapshot(&snapshot(2 * i + 1)).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    assert!(file.len() <= 16 << 10, "{}", file.len());
    file
}

pub fn ring_full() -> Gap {
    let target = Some(TargetKey {
        kdamond: 7,
        target_id: 0,
    });
    Gap {
        target,
        start_ns: 1900,
        end_ns: 1950,
        events: Some(4),
        cause: LossCause::RingFull,
    }
}

pub fn open(file: &[u8]) -> Result<Reader<Cursor<&[u8]>>, ReadError> {
    Reader::from_source(Cursor::new(file), "memory")
}

pub fn items(file: &[u8]) -> Vec<Item> {
    open(file)
        .unwrap()
        .items()
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

pub fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Where each frame begins, and where the last one ends.
pub fn frames(file: &[u8]) -> Vec<usize> {
    let mut at = vec![HEADER];
    while let Some(&last) = at.last().filter(|last| **last < file.len()) {
        at.push(last + HEADER + u32_at(file, last + 12));
    }
    at
}

pub fn is_damage(item: &Item) -> bool {
    matches!(
        item,
        Item::Gap(Gap {
            cause: LossCause::Damaged,
            ..
        })
    )
}

/// Makes a frame's checksums hold again.
pub fn seal(frame: &mut [u8]) {
    let payload = crc32c::crc32c(&frame[HEADER..]);
    frame[64..68].copy_from_slice(&payload.to_le_bytes());
    let header = crc32c::crc32c(&frame[..68]);
    frame[68..72].copy_from_slice(&header.to_le_bytes());
}
