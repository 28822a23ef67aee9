//! What the export tests share: records that are lists, and ones of every kind.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod read;

use damo_user::model::{
    Extra, Gap, Intervals, Item, Items, LossCause, Meta, ReadError, Record, Region, Snapshot,
    TargetInfo, TargetKey,
};

/// A record in memory.
pub struct Memory {
    pub meta: Meta,
    pub items: Vec<Item>,
}

impl Record for Memory {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        Ok(Box::new(self.items.iter().cloned().map(Ok)))
    }
}

impl Memory {
    /// All regions, with their snapshots.
    pub fn samples(&self) -> impl Iterator<Item = (&Snapshot, usize, &Region)> {
        let snapshots = self.items.iter().filter_map(|item| match item {
            Item::Snapshot(snapshot) => Some(snapshot),
            Item::Gap(_) | Item::Note(_) => None,
        });
        snapshots.flat_map(|snapshot| {
            let regions = snapshot.regions.iter().enumerate();
            regions.map(move |(i, region)| (snapshot, i, region))
        })
    }
}

pub const INTERVALS: Intervals = Intervals {
    sample_us: 5_000,
    aggr_us: 100_000,
    update_us: 1_000_000,
};

pub fn key(kdamond: u32, target_id: u64) -> TargetKey {
    TargetKey { kdamond, target_id }
}

pub fn region(start: u64, end: u64, nr_accesses: u32, age: Option<u32>) -> Region {
    Region {
        start,
        end,
        nr_accesses,
        age,
    }
}

/// The `i`-th snapshot of a target, of 100 ms.
pub fn snapshot(target: TargetKey, i: u64, regions: Vec<Region>) -> Snapshot {
    Snapshot {
        target,
        start_ns: 1_000_000_000 + i * 100_000_000,
        end_ns: 1_100_000_000 + i * 100_000_000,
        intervals: Some(INTERVALS),
        missing: 0,
        regions,
        extra: None,
    }
}

/// Two kdamonds, a snapshot without regions, one that lacks regions, gaps of known
/// and unknown size, and what only tried regions tell.
pub fn of_everything() -> Memory {
    let (one, two) = (key(41, 0), key(42, 0));
    let first = vec![
        region(4096, 8192, 3, Some(7)),
        region(8192, 1 << 40, 0, Some(0)),
    ];
    let incomplete = Snapshot {
        missing: 5,
        ..snapshot(one, 1, first.clone())
    };
    let extra = Extra {
        filter_passed: vec![Some(4096), None],
        probe_hits: vec![vec![2, 0, 5], vec![]],
        ..Extra::default()
    };
    let tried = Snapshot {
        extra: Some(Box::new(extra)),
        intervals: None,
        ..snapshot(
            two,
            1,
            vec![
                region(0, 4096, 1, None),
                region(1 << 63, u64::MAX, 20, None),
            ],
        )
    };
    let gap = |target, events, cause| {
        Item::Gap(Gap {
            target,
            start_ns: 1_200_000_000,
            end_ns: 1_250_000_000,
            events,
            cause,
        })
    };
    let target = |kdamond, pid, comm: &str| TargetInfo {
        pid: Some(pid),
        comm: Some(comm.to_owned()),
        kdamond,
        ..TargetInfo::default()
    };
    Memory {
        meta: Meta {
            tool: "a test".to_owned(),
            command: vec!["damo".to_owned(), "record".to_owned()],
            hostname: "host, \"one\"".to_owned(),
            boot_id: "b007".to_owned(),
            intervals: Some(INTERVALS),
            targets: vec![target(41, 7, "seven"), target(42, 8, "eight")],
            wall_ns: 1_795_205_565_000_000_000,
            mono_ns: 1_000_000_000,
            ..Meta::default()
        },
        items: vec![
            Item::Snapshot(snapshot(one, 0, first)),
            Item::Snapshot(snapshot(two, 0, vec![])),
            Item::Snapshot(incomplete),
            Item::Snapshot(tried),
            gap(Some(one), Some(9), LossCause::RingFull),
            gap(None, None, LossCause::Damaged),
            Item::Snapshot(snapshot(
                one,
                3,
                vec![region(4096, 8192, 0, Some(u32::MAX))],
            )),
        ],
    }
}
