//! Reads the peer's legacy binary record (DAMO.md 3.4), for tests and
//! benchmarks: the fixture is GPL data that is read in place, never copied.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use damo_user::model::{Region, Snapshot, TargetKey};

/// The fixture's snapshots, or `None` where the shared folder is not beside the
/// checkout.
pub fn zigzag() -> Option<Vec<Snapshot>> {
    let shared = match std::env::var_os("DAMO_SHARED") {
        Some(shared) => PathBuf::from(shared),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    match std::fs::read(shared.join("fixtures/v1/zigzag.record-v2")) {
        Ok(bytes) => Some(parse(&bytes)),
        Err(_) => {
            println!("skipped: ../shared/fixtures is not here");
            None
        }
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn u32(&mut self) -> u32 {
        let (head, rest) = self.0.split_at(4);
        self.0 = rest;
        u32::from_ne_bytes(head.try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        let (head, rest) = self.0.split_at(8);
        self.0 = rest;
        u64::from_ne_bytes(head.try_into().unwrap())
    }
}

fn parse(bytes: &[u8]) -> Vec<Snapshot> {
    let mut bytes = Bytes(bytes);
    bytes.0 = &bytes.0[16..];
    assert_eq!(bytes.u32(), 2, "version");
    let mut snapshots = Vec::new();
    let mut ends = HashMap::new();
    while !bytes.0.is_empty() {
        let end_ns = bytes.u64() * 1_000_000_000 + bytes.u64();
        for _ in 0..bytes.u32() {
            let target_id = bytes.u64();
            let regions = (0..bytes.u32())
                .map(|_| Region {
                    start: bytes.u64(),
                    end: bytes.u64(),
                    nr_accesses: bytes.u32(),
                    age: None,
                })
                .collect();
            let start_ns = ends.insert(target_id, end_ns).unwrap_or(end_ns);
            let target = TargetKey {
                kdamond: 0,
                target_id,
            };
            snapshots.push(Snapshot {
                target,
                start_ns,
                end_ns,
                intervals: None,
                missing: 0,
                regions,
                extra: None,
            });
        }
    }
    snapshots
}
