//! Records cut, flipped, overwritten, made by a later version or by an
//! enemy: docs/FORMAT.md, "Recovery" and "Versions".

use std::io::Cursor;

use damo_user::model::{
    Gap, Item, LossCause, Meta, ReadError, Record, Region, Snapshot, TargetInfo, TargetKey,
};
use damo_user::store::{Reader, Writer};

const HEADER: usize = 72;

fn snapshot(i: u64) -> Snapshot {
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
    }
}

/// Frames: META, TARGET, CLOCK, nine of DATA (with two snapshots each, and a
/// gap in one), META, INDEX, END.
fn sample() -> Vec<u8> {
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

fn ring_full() -> Gap {
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

fn open(file: &[u8]) -> Result<Reader<Cursor<&[u8]>>, ReadError> {
    Reader::from_source(Cursor::new(file), "memory")
}

fn items(file: &[u8]) -> Vec<Item> {
    open(file)
        .unwrap()
        .items()
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Where each frame begins, and where the last one ends.
fn frames(file: &[u8]) -> Vec<usize> {
    let mut at = vec![HEADER];
    while let Some(&last) = at.last().filter(|last| **last < file.len()) {
        at.push(last + HEADER + u32_at(file, last + 12));
    }
    at
}

fn is_damage(item: &Item) -> bool {
    matches!(
        item,
        Item::Gap(Gap {
            cause: LossCause::Damaged,
            ..
        })
    )
}

/// Makes a frame's checksums hold again.
fn seal(frame: &mut [u8]) {
    let payload = crc32c::crc32c(&frame[HEADER..]);
    frame[64..68].copy_from_slice(&payload.to_le_bytes());
    let header = crc32c::crc32c(&frame[..68]);
    frame[68..72].copy_from_slice(&header.to_le_bytes());
}

#[test]
fn cut_at_every_length() {
    let file = sample();
    let whole = items(&file);
    let frames = frames(&file);
    assert_eq!(frames.len(), 3 + 9 + 3 + 1);
    for len in 0..file.len() {
        let cut = &file[..len];
        let mut reader = match open(cut) {
            Ok(reader) => reader,
            Err(ReadError::Malformed { offset, .. }) if len < HEADER => {
                assert_eq!(offset, len as u64);
                continue;
            }
            Err(ReadError::Unsupported { .. }) if len < 8 => continue,
            Err(error) => panic!("{len}: {error}"),
        };
        assert!(!reader.was_clean(), "{len}");
        assert_eq!(reader.meta().tool == "damo", len >= frames[1], "{len}");
        // DATA frames are 3 to 11; number 4 of them holds a gap, too.
        let data = frames[4..13].iter().filter(|end| **end <= len).count();
        let count = 2 * data + usize::from(data > 4);
        let got: Vec<Item> = reader.items().unwrap().map(Result::unwrap).collect();
        let on_boundary = frames.contains(&len);
        assert_eq!(got[..count], whole[..count], "{len}");
        assert_eq!(got[count..].len(), usize::from(!on_boundary), "{len}");
        assert!(got[count..].iter().all(is_damage), "{len}");
        if let Some(Item::Gap(gap)) = got.get(count) {
            let begun = frames.iter().rfind(|start| **start <= len).unwrap();
            // A header that is whole tells how much is lost.
            let known = (len >= begun + HEADER).then(|| match data {
                4 => 24,
                _ if (3..12)
                    .contains(&(frames.iter().filter(|start| **start <= len).count() - 1)) =>
                {
                    20
                }
                _ => 0,
            });
            assert_eq!(gap.events, known, "{len}");
        }
    }
}

#[test]
fn every_bit_flipped() {
    let file = sample();
    let whole = items(&file);
    let workers = 4;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (mut bytes, whole) = (file.clone(), &whole);
            scope.spawn(move || {
                for bit in (worker..bytes.len() * 8).step_by(workers) {
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    check_flip(&bytes, whole, bit);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            });
        }
    });
}

/// One flip is told by a gap, and costs the items of one frame at most.
fn check_flip(bytes: &[u8], whole: &[Item], bit: usize) {
    let mut reader = open(bytes).unwrap_or_else(|error| panic!("bit {bit}: {error}"));
    assert_eq!(reader.meta().tool, "damo", "bit {bit}");
    assert_eq!(reader.meta().targets.len(), 1, "bit {bit}");
    let got: Vec<Item> = reader.items().unwrap().map(Result::unwrap).collect();
    let gaps = got.iter().filter(|item| is_damage(item)).count();
    assert_eq!(gaps, 1, "bit {bit}");
    let at = got.iter().position(is_damage).unwrap();
    let rest = got.len() - at - 1;
    assert_eq!(got[..at], whole[..at], "bit {bit}");
    assert_eq!(got[at + 1..], whole[whole.len() - rest..], "bit {bit}");
    let lost = whole.len() - (got.len() - 1);
    assert!(lost <= 3, "bit {bit}: {lost} items are gone");
    let Item::Gap(gap) = &got[at] else { return };
    if lost > 0 {
        let Item::Snapshot(first) = &whole[at] else {
            panic!("frames begin with a snapshot")
        };
        assert!(
            gap.start_ns <= first.start_ns && gap.end_ns >= first.start_ns,
            "bit {bit}: {gap:?}"
        );
    }
    match gap.events {
        Some(events) => assert_eq!(events, [0, 0, 20, 24][lost], "bit {bit}"),
        None => assert!(bit / 8 >= HEADER, "bit {bit}"),
    }
}

#[test]
fn bytes_missing_or_added_cost_what_they_hit() {
    let file = sample();
    let whole = items(&file);
    let frames = frames(&file);
    let inside = frames[5] + HEADER + 20;
    for bytes in [
        [&file[..inside], &file[inside + 9..]].concat(),
        [&file[..inside], &[0xaa; 300], &file[inside..]].concat(),
    ] {
        let got = items(&bytes);
        assert_eq!(got.iter().filter(|item| is_damage(item)).count(), 1);
        assert_eq!(got.len(), whole.len() - 2 + 1);
        assert_eq!(got[got.len() - 13..], whole[whole.len() - 13..]);
    }
    // Whole frames gone: nothing is damaged, but the numbers tell.
    let bytes = [&file[..frames[5]], &file[frames[7]..]].concat();
    let got = items(&bytes);
    let Item::Gap(gap) = &got[4] else {
        panic!("{:?}", got[4])
    };
    assert_eq!((gap.start_ns, gap.end_ns, gap.events), (1400, 1800, None));
    assert_eq!(got.len(), whole.len() - 4 + 1);
    // Frames twice: the numbers tell, too.
    let bytes = [&file[..frames[7]], &file[frames[5]..]].concat();
    let got = items(&bytes);
    assert_eq!(
        got.iter()
            .filter(|item| !is_damage(item))
            .cloned()
            .collect::<Vec<_>>(),
        whole
    );
    assert_eq!(got.iter().filter(|item| is_damage(item)).count(), 1);
}

#[test]
fn a_long_hole_is_stepped_over() {
    let file = sample();
    let frames = frames(&file);
    let bytes = [&file[..frames[6]], &vec![0; 3 << 20], &file[frames[6]..]].concat();
    let got = items(&bytes);
    assert_eq!(got.iter().filter(|item| is_damage(item)).count(), 1);
    assert_eq!(got.len(), items(&file).len() + 1);
}

#[test]
fn garbage_after_the_end_does_not_matter() {
    let file = sample();
    let whole = items(&file);
    for garbage in [&[0u8; 5][..], &[0xf5; 100_000], &file] {
        let bytes = [&file, garbage].concat();
        assert!(open(&bytes).unwrap().was_clean());
        assert_eq!(items(&bytes), whole);
        assert_eq!(open(&bytes).unwrap().meta(), open(&file).unwrap().meta());
    }
}

#[test]
fn other_files_are_not_taken_for_records() {
    for bytes in [
        &b""[..],
        b"\x89",
        b"# comment\n",
        &[0; 4096],
        b"\x89PNG\r\n\x1a\n",
    ] {
        assert!(matches!(open(bytes), Err(ReadError::Unsupported { .. })));
    }
}

fn reseal_file_header(file: &mut [u8]) {
    let crc = crc32c::crc32c(&file[..68]);
    file[68..72].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn later_versions_and_features() {
    let file = sample();
    let whole = items(&file);
    let changed = |at: usize, value: u8| {
        let mut file = file.clone();
        file[at] = value;
        reseal_file_header(&mut file);
        file
    };
    // compat: any bit is ignored. incompat and version: refused by name.
    for at in 24..32 {
        assert_eq!(items(&changed(at, 0x80)), whole);
    }
    for (at, value) in [(8, 2), (16, 1), (23, 0x80)] {
        let error = open(&changed(at, value)).err().unwrap();
        assert!(matches!(error, ReadError::Unsupported { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with("memory: ") && text.contains("version"),
            "{text}"
        );
    }
    // A damaged header's flags are not believed.
    let mut damaged = file.clone();
    damaged[16] = 1;
    assert_eq!(items(&damaged)[1..], whole);
}

/// A file in which a frame of type `kind` stands before the DATA frames.
fn with_frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let file = sample();
    let at = frames(&file)[2];
    // Take CLOCK's place, and its number.
    let mut frame = file[at..at + HEADER].to_vec();
    (frame[8], frame[9], frame[10], frame[11]) = (kind, flags, 0, 0);
    frame[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    frame[16..20].fill(0);
    frame.extend_from_slice(payload);
    seal(&mut frame);
    [&file[..at], &frame, &file[frames(&file)[3]..]].concat()
}

#[test]
fn unknown_frame_types() {
    let whole = items(&sample());
    for kind in [0, 4, 9, 200] {
        assert_eq!(items(&with_frame(kind, 0, b"of a later version")), whole);
        let bytes = with_frame(kind, 1, b"of a later version");
        let mut reader = open(&bytes).unwrap();
        let mut items = reader.items().unwrap();
        let error = items.next().unwrap().unwrap_err();
        assert!(matches!(error, ReadError::Unsupported { .. }), "{error}");
        assert!(
            error.to_string().contains(&format!("type {kind}")),
            "{error}"
        );
        assert!(items.next().is_none());
    }
}

/// Puts a column with bytes of its own before all others of the first DATA
/// frame, whose columns all share one stream.
fn with_column(entry: &[u8], raw_len: usize, body: &[u8]) -> Vec<u8> {
    let file = sample();
    let (at, end) = (frames(&file)[3], frames(&file)[4]);
    let mut frame = file[at..end].to_vec();
    let columns = usize::from(frame[10]);
    let table = 3 * columns;
    assert!(
        frame[HEADER..HEADER + table]
            .chunks(3)
            .all(|it| it[1] == 2 && it[2] < 128)
    );
    frame[10] += 1;
    frame.splice(HEADER + table..HEADER + table, body.iter().copied());
    frame.splice(HEADER..HEADER, entry.iter().copied());
    let payload_len = (frame.len() - HEADER) as u32;
    frame[12..16].copy_from_slice(&payload_len.to_le_bytes());
    let raw = (u32_at(&frame, 16) + raw_len) as u32;
    frame[16..20].copy_from_slice(&raw.to_le_bytes());
    seal(&mut frame);
    [&file[..at], &frame, &file[end..]].concat()
}

#[test]
fn unknown_columns_and_codecs() {
    let whole = items(&sample());
    // An unknown column, stored and in an unknown codec, is skipped.
    assert_eq!(items(&with_column(&[200, 0, 3, 3], 3, b"new")), whole);
    assert_eq!(items(&with_column(&[200, 9, 60, 3], 60, b"new")), whole);
    // A known one in an unknown codec (15: gap positions) costs the frame.
    let got = items(&with_column(&[15, 9, 60, 3], 60, b"new"));
    let Item::Gap(gap) = &got[0] else {
        panic!("{:?}", got[0])
    };
    assert_eq!((gap.cause, gap.events), (LossCause::Damaged, Some(20)));
    assert_eq!(got[1..], whole[2..]);
    // Numbers that no row uses: the frame is not what it says.
    assert!(is_damage(&items(&with_column(&[15, 0, 1, 1], 1, &[0]))[0]));
}

#[test]
fn broken_payloads_with_good_checksums_cost_a_frame() {
    let file = sample();
    let (at, end) = (frames(&file)[3], frames(&file)[4]);
    let mut wrong = Vec::new();
    for byte in at + 8..end {
        // Counts, table and stream; but not what changes nothing or only
        // the frame's place among others.
        let field = byte - at;
        if (9..10).contains(&field) || (32..HEADER).contains(&field) || field == 8 {
            continue;
        }
        let mut bytes = file.clone();
        bytes[byte] ^= 0x41;
        seal(&mut bytes[at..end]);
        let Ok(mut reader) = open(&bytes) else {
            panic!("byte {byte}")
        };
        let got: Vec<_> = reader.items().unwrap().collect();
        assert!(got.len() >= 10, "byte {byte}");
        wrong.push(got.iter().flatten().any(is_damage));
    }
    // Most are noticed even so; that none panics is the point.
    assert!(wrong.iter().filter(|noticed| **noticed).count() * 2 > wrong.len());
}
