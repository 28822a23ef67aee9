//! What the fuzz targets share.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};

use damo_user::model::{Item, Record, touches};
use damo_user::store::{Reader, verify};

/// Bytes that reading any file may ever hold.
const MOST: usize = 64 << 20;

/// Ends the process when reading takes too much: libFuzzer's own limit of a
/// single allocation needs a sanitizer.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        if now > MOST {
            NOW.store(0, Ordering::Relaxed);
            panic!("{now} bytes are allocated, over the limit of {MOST}");
        }
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

/// Reads a record file in every way there is.
pub fn read(file: &[u8]) {
    let Ok(mut reader) = Reader::from_source(Cursor::new(file), "fuzzed") else {
        return;
    };
    let mut first = None;
    for item in reader.items().into_iter().flatten().map_while(Result::ok) {
        keeps_the_rules(&item);
        first.get_or_insert(item.times().0);
    }
    let time = first.unwrap_or(0)..first.unwrap_or(0).saturating_add(1000);
    let inside = reader.items_in(time.clone());
    // How many there are is not compared: an index that lies with a good
    // checksum leads past an END at which the other way stops.
    for item in inside.into_iter().flatten().map_while(Result::ok) {
        keeps_the_rules(&item);
        assert!(touches(&item, &time));
    }
    let _ = verify(&mut reader);
}

/// What the model promises of every item.
fn keeps_the_rules(item: &Item) {
    let Item::Snapshot(snapshot) = item else {
        return;
    };
    let mut end = 0;
    for region in &snapshot.regions {
        assert!(end <= region.start && region.start <= region.end);
        end = region.end;
    }
    if let Some(extra) = &snapshot.extra {
        let whole = |len: usize| len == 0 || len == snapshot.regions.len();
        assert!(whole(extra.filter_passed.len()) && whole(extra.probe_hits.len()));
    }
}

/// Reads a record of any format in every way there is.
pub fn read_any(record: &mut dyn Record) {
    for item in record.items().into_iter().flatten().map_while(Result::ok) {
        keeps_the_rules(&item);
    }
    let inside = record.items_in(1000..2_000_000_000);
    inside
        .into_iter()
        .flatten()
        .map_while(Result::ok)
        .for_each(drop);
}

const HEADER: usize = 72;

/// Makes the checksums of a file's header and frames hold, and the frames
/// begin where readers look for them.
pub fn seal(file: &mut Vec<u8>) {
    if file.len() < HEADER {
        return;
    }
    file[..8].copy_from_slice(b"\x89DMOR\r\n\x1a");
    file[8..10].copy_from_slice(&1u16.to_le_bytes());
    file[16..24].fill(0);
    let crc = crc32c::crc32c(&file[..HEADER - 4]);
    file[HEADER - 4..HEADER].copy_from_slice(&crc.to_le_bytes());
    let (mut rest, mut seq) = (&mut file[HEADER..], 0u64);
    while rest.len() >= HEADER {
        let said = u32::from_le_bytes([rest[12], rest[13], rest[14], rest[15]]) as usize;
        let len = said.min(rest.len() - HEADER);
        let frame;
        (frame, rest) = rest.split_at_mut(HEADER + len);
        seal_frame(frame, seq);
        seq += 1;
    }
}

/// Makes a frame's length, number and checksums hold.
pub fn seal_frame(frame: &mut [u8], seq: u64) {
    let len = (frame.len() - HEADER) as u32;
    frame[..8].copy_from_slice(b"\xf5\xdfDMOF\r\n");
    frame[12..16].copy_from_slice(&len.to_le_bytes());
    frame[32..40].copy_from_slice(&seq.to_le_bytes());
    let crc = crc32c::crc32c(&frame[HEADER..]);
    frame[64..68].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32c::crc32c(&frame[..68]);
    frame[68..72].copy_from_slice(&crc.to_le_bytes());
}
