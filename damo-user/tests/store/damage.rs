//! Records that were cut, flipped or overwritten: docs/FORMAT.md, "Recovery".
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use damo_user::model::{Item, Meta, ReadError, Record};
use damo_user::store::{Writer, verify};

use crate::store_sample;

use store_sample::{HEADER, frames, giant, is_damage, items, open, sample, snapshot};

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
        let clock = usize::from(frames[3] <= len);
        let count = clock + 2 * data + usize::from(data > 4);
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
fn a_whole_file_has_no_fault() {
    let file = sample();
    let mut reader = open(&file).unwrap();
    let verdict = verify(&mut reader).unwrap();
    assert_eq!(verdict.faults, []);
    assert!(verdict.closed);
    assert_eq!(verdict.found, reader.totals());
    // Giants, and a file that was not closed.
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    for giant in [giant(60_000), snapshot(3), giant(16_384), giant(16_385)] {
        writer.snapshot(&giant).unwrap();
    }
    writer.flush().unwrap();
    let open_file = writer.into_sink();
    let verdict = verify(&mut open(&open_file).unwrap()).unwrap();
    assert_eq!((verdict.faults, verdict.closed), (vec![], false));
    assert_eq!(verdict.found.snapshots, 4);
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
    let verdict = verify(&mut reader).unwrap();
    assert!(verdict.nr_faults > 0, "bit {bit}");
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
        let (first_ns, _) = whole[at].times();
        assert!(
            gap.start_ns <= first_ns && gap.end_ns >= first_ns,
            "bit {bit}: {gap:?}"
        );
    }
    match gap.events {
        // Nothing or a note; a frame's two snapshots; and its gap.
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
    let Item::Gap(gap) = &got[5] else {
        panic!("{:?}", got[5])
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
fn a_split_snapshot_that_lacks_a_part_is_a_loss() {
    let giant = giant(60_000);
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, &Meta::default()).unwrap();
    for it in [&snapshot(0), &giant, &snapshot(9)] {
        writer.snapshot(it).unwrap();
    }
    writer.finish().unwrap();
    let frames = frames(&file);
    assert_eq!(items(&file).len(), 3);
    // META, the first snapshot, four parts of the giant.
    for part in 2..6 {
        for byte in [frames[part] + 9, frames[part] + HEADER] {
            let mut bytes = file.clone();
            bytes[byte] ^= 1;
            let got = items(&bytes);
            let whole: Vec<&Item> = got.iter().filter(|item| !is_damage(item)).collect();
            assert_eq!(whole[0], &Item::Snapshot(snapshot(0)), "part {part}");
            assert_eq!(whole[1..], [&Item::Snapshot(snapshot(9))], "part {part}");
            let known: u64 = got
                .iter()
                .map(|item| match item {
                    Item::Gap(gap) => gap.events.unwrap_or(0),
                    Item::Snapshot(_) | Item::Note(_) => 0,
                })
                .sum();
            // A damaged header takes its count with it.
            let parts = [16_384, 16_384, 16_384, 60_000 - 3 * 16_384];
            let unknown = if byte == frames[part] + 9 {
                parts[part - 2]
            } else {
                0
            };
            assert_eq!(known, 60_000 - unknown, "part {part}");
        }
    }
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
