//! Regions at random: each takes its room in a file, however it is compressed.

use damo_user::model::{Region, Snapshot, TargetKey};

/// Length of an aggregation.
pub const AGGREGATION_NS: u64 = 100_000_000;
/// Regions of each.
pub const REGIONS: u64 = 150;

/// The `i`-th aggregation, of regions that no compressor makes small.
pub fn noise(i: u64) -> Snapshot {
    let mut state = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut at = 0;
    let mut region = || {
        let start = at + (random() >> 20);
        at = start + 1 + (random() >> 20);
        Region {
            start,
            end: at,
            nr_accesses: random() as u32,
            age: Some((random() >> 33) as u32),
        }
    };
    Snapshot {
        target: TargetKey {
            kdamond: 1,
            target_id: 0,
        },
        start_ns: i * AGGREGATION_NS,
        end_ns: (i + 1) * AGGREGATION_NS,
        intervals: None,
        missing: 0,
        regions: (0..REGIONS).map(|_| region()).collect(),
        extra: None,
    }
}
