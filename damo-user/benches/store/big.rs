//! How much of a big file is read for its last second: counted, not timed.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use damo_user::model::{Item, Record};
use damo_user::store::{ReadAt, Reader};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::noise::{AGGREGATION_NS, REGIONS, noise};
use crate::work;

/// Bytes that a region of noise takes in the file, about.
const BYTES: u64 = 21;
/// At most so many bytes may be read.
const LIMIT: u64 = 1 << 20;

pub fn run(quick: bool) {
    let size: u64 = if quick { 8 << 20 } else { 1 << 30 };
    let folder = std::env::temp_dir();
    let space = rustix::fs::statvfs(&folder).expect("a file system");
    if space.f_bavail * space.f_frsize < 3 * size {
        println!(
            "the last second of 1 GiB: skipped, {} has less than 3 GiB",
            folder.display()
        );
        return;
    }
    let file = tempfile::NamedTempFile::new_in(&folder).expect("a temporary file");
    // A little more, so that it is not less.
    let snapshots = size / (REGIONS * BYTES) + size / (REGIONS * BYTES) / 8;
    let sink = file.reopen().expect("it is there");
    work::write(sink, (0..snapshots).map(noise), usize::MAX);
    let len = file.as_file().metadata().expect("it is there").len();
    assert!(quick || len >= size, "only {len} bytes");
    println!("the last second of {len} bytes ({} MiB):", len >> 20);

    let read = AtomicU64::new(0);
    let source = Counting(file.reopen().expect("it is there"), &read);
    let mut reader = Reader::from_source(source, file.path()).expect("just written");
    let end = snapshots * AGGREGATION_NS;
    let items = reader.items_in(end - 10 * AGGREGATION_NS..end);
    let regions = items.expect("just written").map(|item| match item {
        Ok(Item::Snapshot(snapshot)) => snapshot.regions.len(),
        other => panic!("{other:?}"),
    });
    let regions: usize = regions.sum();
    assert_eq!(regions as u64, 10 * REGIONS);
    let read = read.into_inner();
    println!("  Reader::items_in reads {read} bytes");
    assert!(read < LIMIT, "{read} bytes are read");

    let (read, lines) = convert(file.path());
    println!(
        "  damo convert --time -1s max reads {read} bytes, its program's and libraries' included"
    );
    assert_eq!(lines as u64, 1 + 10 * REGIONS);
    assert!(read < LIMIT, "{read} bytes are read");
}

/// Counts the bytes that are read.
struct Counting<'a>(File, &'a AtomicU64);

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

/// What the command reads, by its own account, and how many lines it prints.
fn convert(record: &Path) -> (u64, usize) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_damo"))
        .arg("convert")
        .arg(record)
        .args(["-", "--format", "csv", "--time", "-1s", "max"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("damo");
    let mut printed = String::new();
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_to_string(&mut printed).expect("text");
    // Until it is waited for, what it has used can still be read.
    let id = Pid::from_child(&child);
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(id), ended).expect("it ends");
    let io = std::fs::read_to_string(format!("/proc/{}/io", child.id())).expect("its account");
    assert!(child.wait().expect("it ended").success());
    let read = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    let read = read.and_then(|bytes| bytes.parse().ok()).expect("rchar");
    (read, printed.lines().count())
}
