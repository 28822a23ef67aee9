//! A second reader, in Python and from docs/FORMAT.md alone, gives what ours
//! gives: tests/second_reader.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use damo_user::model::Item;
use damo_user::store::{Segments, segment_name};

use crate::second_reader;
use crate::store_sample;
use second_reader::records::{notes, segment, split, varied, write};
use second_reader::{Folder, compare};
use store_sample::{HEADER, frames, sample, seal, snapshot};

#[test]
fn whole_records() {
    let folder = Folder::new();
    let mut records = vec![folder.put("sample", &sample())];
    for (n, each) in [1, 3, 7, 1000].into_iter().enumerate() {
        let items = varied(n as u64 * 1000);
        records.push(folder.put(&format!("{each}"), &write(&items, each, true, 0)));
        records.push(folder.put(&format!("{each}, open"), &write(&items, each, false, 0)));
    }
    let giants = [
        varied(5),
        vec![split(40_000, 62)],
        notes(7200),
        vec![split(16_385, 65), split(33_000, 67)],
    ];
    records.push(folder.put("giants", &write(&giants.concat(), 1000, true, 0)));
    compare(&records, None);
}

#[test]
fn damaged_records() {
    let folder = Folder::new();
    let mut records = Vec::new();
    let mut add = |bytes: &[u8]| {
        let name = records.len().to_string();
        records.push(folder.put(&name, bytes));
    };
    let sample = sample();
    // Parts of a snapshot, and notes in between.
    let giants = [vec![split(33_000, 1)], notes(1500), varied(3)[..3].to_vec()].concat();
    let giants = write(&giants, 1000, true, 0);
    let parts = frames(&giants);
    for part in 1..5 {
        for places in [&[8][..], &[HEADER], &[8, HEADER], &[HEADER, 8]] {
            let mut bytes = giants.clone();
            for (n, at) in places.iter().enumerate() {
                bytes[parts[part + n] + at] ^= 1;
            }
            add(&bytes);
        }
    }
    for file in [&sample, &write(&varied(9), 5, true, 0)] {
        let frames = frames(file);
        let step = frames.len() / 10;
        for pair in frames.windows(2).step_by(step) {
            let (start, end) = (pair[0], pair[1]);
            for at in [start, start + 40, start + HEADER, end - 1] {
                let mut bytes = file.clone();
                bytes[at] ^= 0x10;
                add(&bytes);
            }
            for cut in [start, start + 5, start + HEADER, end - 1] {
                add(&file[..cut]);
            }
            // Gone, and there twice.
            add(&[&file[..start], &file[end..]].concat());
            add(&[&file[..end], &file[start..]].concat());
            add(&[
                &file[..start + 90.min(end - start)],
                b"inserted",
                &file[end..],
            ]
            .concat());
            // Checksums that hold over something else.
            for at in [
                8,
                9,
                10,
                20,
                24,
                28,
                HEADER,
                HEADER + 2,
                HEADER + 5,
                end - start - 1,
            ] {
                let mut bytes = file.clone();
                bytes[start + at] ^= 1;
                seal(&mut bytes[start..end]);
                add(&bytes);
            }
        }
        // Two frames in a row.
        for triple in frames.windows(3).step_by(step) {
            for (a, b) in [(8, 8), (HEADER, 8), (8, HEADER), (HEADER, HEADER)] {
                let mut bytes = file.clone();
                bytes[triple[0] + a] ^= 4;
                bytes[triple[1] + b] ^= 4;
                add(&bytes);
            }
        }
        for len in [0, 1, 7, 8, 9, 71, 72, 73] {
            add(&file[..len]);
        }
        for (at, bit) in [(0, 1), (8, 2), (16, 1), (24, 1), (40, 1), (68, 1)] {
            let mut bytes = file.clone();
            bytes[at] ^= bit;
            add(&bytes);
            let crc = crc32c::crc32c(&bytes[..68]);
            bytes[68..72].copy_from_slice(&crc.to_le_bytes());
            add(&bytes);
        }
    }
    assert!(records.len() > 300, "{}", records.len());
    compare(&records, None);
}

#[test]
fn records_read_for_a_time() {
    let folder = Folder::new();
    let snapshots: Vec<Item> = (0..2000).map(|i| Item::Snapshot(snapshot(i))).collect();
    let file = write(&snapshots, 20, true, 0);
    let giants = [
        varied(4),
        vec![split(17_000, 62)],
        notes(7200),
        vec![split(16_385, 65)],
    ]
    .concat();
    let mut records = vec![
        folder.put("long", &file),
        folder.put("cut", &file[..file.len() - 1]),
        folder.put("varied", &write(&varied(8), 4, true, 0)),
        folder.put("giants", &write(&giants, 4, true, 0)),
    ];
    let frames = frames(&file);
    for (n, at) in [8, HEADER].into_iter().enumerate() {
        let mut bytes = file.clone();
        bytes[frames[50] + at] ^= 1;
        records.push(folder.put(&format!("damaged {n}"), &bytes));
    }
    for time in [
        0..1,
        1000..1001,
        90_000..101_000,
        95_000..95_000,
        99_050..99_150,
        150_000..u64::MAX,
        7200..7701,
    ] {
        let payloads = compare(&records, Some(time.clone()));
        if let Some(read) = payloads.first().filter(|_| time.end - time.start <= 20_000) {
            // END and INDEX twice each, META, and the frames that hold it.
            assert!(*read < 25, "{time:?}: {read} payloads are read");
        }
    }
}

#[test]
fn segments_in_a_folder() {
    let folder = Folder::new();
    for (n, segment) in [2u32, 3, 5].into_iter().enumerate() {
        let items = varied(n as u64);
        folder.put(
            &segment_name(segment),
            &write(&items, 9, segment != 5, segment),
        );
    }
    folder.put(".segment-00000003.damo.compact", b"half");
    folder.put("segment-4.damo", b"of somebody else");
    compare(&[folder.0.path().to_owned()], None);
}

/// Recordings that follow each other in a folder, over several boots.
#[test]
fn recordings_in_a_folder() {
    let folder = Folder::new();
    let put = |number, recording, boot, times, finish| {
        let bytes = segment(number, recording, boot, times, finish);
        folder.put(&segment_name(number), &bytes);
    };
    let path = [folder.0.path().to_owned()];
    put(4, 1, 1, [1_000_000, 50_000], true);
    put(5, 2, 2, [2_000_000, 100], true);
    put(6, 3, 3, [3000, 90_000], true);
    let (first, second, third) = (50_000, 1_050_000, 1_053_000);
    for time in [
        0..first,
        first + 500..second + 500,
        second + 500..third + 500,
        third - 100..u64::MAX,
    ] {
        compare(&path, Some(time));
    }
    compare(&path, None);
    // The same boot; killed, and gone on with.
    put(5, 2, 1, [1_010_000, 60_000], false);
    put(6, 3, 1, [1_020_000, 70_000], true);
    compare(&path, None);
    // Another boot; then one with a clock that was set back; then one that is not known.
    put(7, 4, 2, [2_000_000, 100], false);
    put(8, 4, 2, [2_000_500, 600], true);
    put(10, 5, 3, [3000, 20], true);
    compare(&path, None);
    // A recording that was over already.
    put(11, 4, 2, [2_100_000, 9000], true);
    let error = Segments::open(&path[0]).unwrap_err().to_string();
    assert!(error.contains("segment-00000011.damo"), "{error}");
}
