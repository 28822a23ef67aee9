//! The power goes, at any write: what a disk has by then is any part of what
//! was not synced. Only the last six seconds may be gone.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::cell::RefCell;
use std::io::{self, Cursor, Write};
use std::rc::Rc;

use damo_user::model::{Item, Meta, Record, Snapshot};
use damo_user::store::{Reader, Sink, Writer};

use crate::store_sample;
use store_sample::snapshot;

/// A disk, and what it was told but need not have done.
#[derive(Clone, Default)]
struct Disk {
    safe: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
    len: usize,
    syncs: usize,
}

/// What is on the disk after each write and sync.
#[derive(Clone, Default)]
struct Machine {
    disk: Disk,
    history: Vec<(u64, Disk)>,
    now_ns: u64,
}

#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Machine>>);

impl Machine {
    fn note(&mut self) {
        self.history.push((self.now_ns, self.disk.clone()));
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut machine = self.0.borrow_mut();
        let disk = &mut machine.disk;
        disk.pending.push((disk.len, bytes.to_vec()));
        disk.len += bytes.len();
        machine.note();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Shared {
    fn sync(&mut self) -> io::Result<()> {
        let mut machine = self.0.borrow_mut();
        let all = vec![true; machine.disk.pending.len()];
        machine.disk.safe = machine.disk.after(&all, usize::MAX);
        machine.disk.pending.clear();
        machine.disk.syncs += 1;
        machine.note();
        Ok(())
    }
}

impl Disk {
    /// What is there if only the `kept` writes got there, of the last of them
    /// `torn` bytes.
    fn after(&self, kept: &[bool], torn: usize) -> Vec<u8> {
        let mut file = self.safe.clone();
        let last = kept.iter().rposition(|it| *it);
        for (n, (at, bytes)) in self.pending.iter().enumerate() {
            if !kept[n] {
                continue;
            }
            let len = if Some(n) == last {
                torn.min(bytes.len())
            } else {
                bytes.len()
            };
            if file.len() < at + len {
                file.resize(at + len, 0);
            }
            file[*at..at + len].copy_from_slice(&bytes[..len]);
        }
        file
    }
}

const SECOND: u64 = 1_000_000_000;
const EACH: u64 = SECOND / 10;

fn at(i: u64) -> Snapshot {
    Snapshot {
        start_ns: i * EACH,
        end_ns: (i + 1) * EACH,
        ..snapshot(i)
    }
}

/// Records 23 s of snapshots, ten each second.
fn machine() -> Machine {
    let shared = Shared::default();
    let mut writer = Writer::new(shared.clone(), &Meta::default()).unwrap();
    for i in 0..230 {
        let now_ns = i * EACH;
        shared.0.borrow_mut().now_ns = now_ns;
        writer.tick(now_ns).unwrap();
        if i > 0 {
            writer.snapshot(&at(i - 1)).unwrap();
        }
        shared.0.borrow_mut().note();
    }
    writer.finish().unwrap();
    drop(writer);
    shared.0.take()
}

fn check(now_ns: u64, disk: &Disk, kept: &[bool], torn: usize) {
    let file = disk.after(kept, torn);
    let context = || format!("at {now_ns} ns: of {kept:?} {torn} bytes of the last");
    let mut reader = match Reader::from_source(Cursor::new(&file), "disk") {
        Ok(reader) => reader,
        Err(error) => {
            assert!(
                disk.syncs == 0 && now_ns < 6 * SECOND,
                "{}: {error}",
                context()
            );
            return;
        }
    };
    let mut there = vec![false; 230];
    for item in reader.items().unwrap() {
        match item.unwrap() {
            Item::Snapshot(it) => {
                let i = it.start_ns / EACH;
                assert!(it == at(i), "{}: another snapshot {i}", context());
                there[i as usize] = true;
            }
            Item::Gap(_) | Item::Note(_) => {}
        }
    }
    for (i, there) in there.iter().enumerate() {
        let end_ns = (i as u64 + 1) * EACH;
        // Given at its end, or at the first tick after it.
        if end_ns + 6 * SECOND <= now_ns {
            assert!(there, "{}: snapshot {i} is gone", context());
        }
    }
    // What was synced is a record by itself, and none of it may be gone.
    if disk.syncs > 0 {
        let mut synced = Reader::from_source(Cursor::new(&disk.safe), "disk").unwrap();
        for item in synced.items().unwrap() {
            let Item::Snapshot(it) = item.unwrap() else {
                panic!("{}: damage in what was synced", context())
            };
            assert!(there[(it.start_ns / EACH) as usize], "{}", context());
        }
    }
}

#[test]
fn at_most_six_seconds_are_gone() {
    let machine = machine();
    let states = &machine.history;
    assert!(states.len() > 250 && states.iter().any(|it| it.1.pending.len() > 4));
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for (now_ns, disk) in states {
        let writes = disk.pending.len();
        // None, and each prefix with a last write that is whole or torn.
        for prefix in 0..=writes {
            let kept: Vec<bool> = (0..writes).map(|n| n < prefix).collect();
            for torn in [usize::MAX, 1, 71, 72, 73, 512] {
                check(*now_ns, disk, &kept, torn);
            }
        }
        // Any of them.
        for _ in 0..20 {
            let bits = random();
            let kept: Vec<bool> = (0..writes).map(|n| bits >> n & 1 == 1).collect();
            check(*now_ns, disk, &kept, (random() % 1000) as usize);
        }
    }
    // At the end everything is synced.
    let (_, disk) = states.last().unwrap();
    assert!(disk.pending.is_empty());
    assert!(
        Reader::from_source(Cursor::new(&disk.safe), "disk")
            .unwrap()
            .was_clean()
    );
}
