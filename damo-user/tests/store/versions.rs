//! Records of a later version, and frames whose checksums hold although they
//! are wrong: docs/FORMAT.md, "Versions".
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use damo_user::model::{Item, LossCause, ReadError, Record};

use crate::store_sample;

use store_sample::{HEADER, frames, is_damage, items, open, sample, seal, u32_at};

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
    // It stands where CLOCK was, the first item.
    let whole = &items(&sample())[1..];
    for kind in [0, 4, 8, 19, 200] {
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
    let Item::Gap(gap) = &got[1] else {
        panic!("{:?}", got[1])
    };
    assert_eq!((gap.cause, gap.events), (LossCause::Damaged, Some(20)));
    assert_eq!(got[2..], whole[3..]);
    // Numbers that no row uses: the frame is not what it says.
    assert!(is_damage(&items(&with_column(&[15, 0, 1, 1], 1, &[0]))[1]));
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
