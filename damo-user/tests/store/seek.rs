//! Reading for a time: by the index, without what lies before and after.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::io::{self, Cursor};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use damo_user::model::{Gap, Item, LossCause, Meta, Note, Record, Snapshot, touches};
use damo_user::model::{Known, Tuned};
use damo_user::store::{ReadAt, Reader, Writer};
use proptest::prelude::*;

use crate::noise;
use crate::store_sample;
use noise::noise;
use store_sample::{giant, snapshot};

/// Counts the bytes that are read.
struct Counting<'a>(Cursor<&'a [u8]>, &'a AtomicU64);

impl ReadAt for Counting<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(offset, buffer)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}

fn within(file: &[u8], time: Range<u64>) -> (Vec<Item>, u64) {
    let read = AtomicU64::new(0);
    let source = Counting(Cursor::new(file), &read);
    let mut reader = Reader::from_source(source, "memory").unwrap();
    let items = reader.items_in(time).unwrap().map(Result::unwrap).collect();
    (items, read.load(Ordering::Relaxed))
}

fn all(file: &[u8]) -> Vec<Item> {
    let mut reader = Reader::from_source(Cursor::new(file), "memory").unwrap();
    reader.items().unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_last_second_of_a_big_record_is_read_alone() {
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    let snapshots = 9000;
    for i in 0..snapshots {
        writer.snapshot(&noise(i)).unwrap();
    }
    writer.finish().unwrap();
    let file = writer.into_sink();
    assert!(file.len() > 24 << 20, "{}", file.len());
    let end = snapshots * 100_000_000;
    for (time, count) in [
        (end - 1_000_000_000..end, 10),
        (0..1_000_000_000, 10),
        (end / 2..end / 2 + 1, 1),
        (end..end + 1, 0),
    ] {
        let (items, read) = within(&file, time.clone());
        assert_eq!(items.len(), count, "{time:?}");
        assert!(read < 1 << 20, "{time:?}: {read} bytes are read");
    }
    // Without the index, headers alone are read of what lies before.
    let cut = &file[..file.len() - 1];
    let (items, read) = within(cut, end - 1_000_000_000..end);
    assert!(items.len() >= 10);
    assert!(read < 2 << 20, "{read} bytes are read of a cut file");
}

/// A reader that starts at a lost frame knows when it was, from the index.
#[test]
fn a_lost_frame_is_told_where_it_was() {
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    for i in 0..9 {
        writer.snapshot(&snapshot(i)).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    let mut file = writer.into_sink();
    let lost = store_sample::frames(&file)[5];
    file[lost] ^= 1;
    let (items, _) = within(&file, 1400..1500);
    let gap =
        |item: &Item| matches!(item, Item::Gap(it) if (it.start_ns, it.end_ns) == (1400, 1500));
    assert!(items.len() == 1 && gap(&items[0]), "{items:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the order of times: the same as all items, filtered.
    #[test]
    fn gives_what_a_filter_gives(
        given in prop::collection::vec((0u64..1000, 0u64..60, 0..6u8, any::<bool>()), 1..120),
        from in 0u64..1100, len in 0u64..300, damaged in any::<Option<prop::sample::Index>>()
    ) {
        let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
        for (start_ns, duration, kind, flush) in given {
            let end_ns = start_ns + duration;
            let item = match kind {
                0 => Item::Gap(Gap { target: None, start_ns, end_ns, events: Some(1), cause: LossCause::RingFull }),
                1 => Item::Note(Note { time_ns: start_ns, what: Known::Clock(5) }),
                2 => Item::Note(Note { time_ns: start_ns, what: Known::Tuned(Tuned { kdamond: 1, intervals: damo_user::model::Intervals { sample_us: 1, aggr_us: 2, update_us: 3 } }) }),
                3 => Item::Snapshot(Snapshot { start_ns, end_ns, ..giant(20_000) }),
                _ => Item::Snapshot(Snapshot { start_ns, end_ns, ..snapshot(start_ns) }),
            };
            writer.item(&item).unwrap();
            if flush { writer.flush().unwrap(); }
        }
        writer.finish().unwrap();
        let mut file = writer.into_sink();
        let time = from..from + len;
        let expected: Vec<Item> = all(&file).into_iter().filter(|item| touches(item, &time)).collect();
        prop_assert!(within(&file, time.clone()).0 == expected);
        // With damage, nothing is told that the whole does not tell.
        if let Some(at) = damaged {
            let at = at.index(file.len());
            file[at] ^= 0x10;
            if let Ok(mut reader) = Reader::from_source(Cursor::new(&file), "memory") {
                let seen = reader.items_in(time).unwrap().map(Result::unwrap);
                let snapshots: Vec<Item> = seen.filter(|item| matches!(item, Item::Snapshot(_))).collect();
                prop_assert!(snapshots.iter().all(|item| expected.contains(item)));
            }
        }
    }
}
