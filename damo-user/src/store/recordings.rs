//! Several recordings in one folder: a recorder that is started again makes segments of
//! its own there, with a uuid of their own. They follow each other and read as one record.
//!
//! The record's clock is that of the first segment. Each boot begins a monotonic clock
//! anew: times of another boot are put where the wall clock says, and never before the end
//! of what came before.

use std::collections::HashSet;
use std::fs::File;
use std::sync::Arc;

use crate::model::{KdamondInfo, Meta, Record, TargetInfo, shifted};

use super::Reader;

/// Targets and kdamonds that are kept of segments before the newest.
const MOST_KNOWN: usize = 1 << 16;

/// The recordings of a folder, in the order of their segments.
#[derive(Clone, Debug, Default)]
pub(super) struct Recordings {
    parts: Vec<Part>,
    seen: HashSet<[u8; 16]>,
    /// What the wall clock showed when the record's clock showed 0.
    base_ns: Option<i128>,
    /// Nothing of those so far is known to be later, on the record's clock.
    latest_ns: u64,
}

/// Segments of one recording and one boot.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// Its first segment.
    from: u32,
    uuid: [u8; 16],
    boot_id: [u8; 16],
    /// How much more the record's clock shows than theirs.
    later_ns: i64,
}

impl Recordings {
    /// Adds a segment behind those that were added; `false` if it cannot be of
    /// this record: its recording was over already.
    pub fn add(&mut self, number: u32, reader: &Reader<Arc<File>>) -> bool {
        let meta = reader.meta();
        let base_ns = (reader.is_told() && meta.wall_ns > 0)
            .then(|| i128::from(meta.wall_ns) - i128::from(meta.mono_ns));
        if let Some(header) = reader.header() {
            let (uuid, boot_id) = (header.uuid, header.boot_id);
            let last = self.parts.last().copied();
            let is_new = last.is_none_or(|last| last.uuid != uuid);
            if is_new && !self.seen.insert(uuid) {
                return false;
            }
            if is_new || last.is_some_and(|last| last.boot_id != boot_id) {
                let later_ns = match last {
                    Some(last) if is_another_boot(last.boot_id, boot_id) => {
                        self.later(meta.mono_ns, base_ns)
                    }
                    last => last.map_or(0, |last| last.later_ns),
                };
                self.parts.push(Part {
                    from: number,
                    uuid,
                    boot_id,
                    later_ns,
                });
            }
        }
        if self.base_ns.is_none() {
            self.base_ns = base_ns;
        }
        let end_ns = reader.about().end_ns;
        for time_ns in [Some(meta.mono_ns), end_ns].into_iter().flatten() {
            self.latest_ns = self.latest_ns.max(self.on_clock(number, time_ns));
        }
        true
    }

    /// How much more the record's clock shows than that of a boot, which showed
    /// `mono_ns` at its first segment's beginning.
    fn later(&self, mono_ns: u64, base_ns: Option<i128>) -> i64 {
        let least = i128::from(self.latest_ns) - i128::from(mono_ns);
        let by_wall = base_ns
            .zip(self.base_ns)
            .map(|(theirs, ours)| theirs - ours);
        let later_ns = by_wall.map_or(least, |it| it.max(least));
        let (least, most) = (i128::from(i64::MIN), i128::from(i64::MAX));
        i64::try_from(later_ns.clamp(least, most)).unwrap_or(0)
    }

    fn part(&self, number: u32) -> Option<&Part> {
        let after = self.parts.partition_point(|part| part.from <= number);
        self.parts.get(after.checked_sub(1)?)
    }

    /// How much more the record's clock shows than that of a segment.
    pub fn later_ns(&self, number: u32) -> i64 {
        self.part(number).map_or(0, |part| part.later_ns)
    }

    /// A time of a segment, on the record's clock.
    pub fn on_clock(&self, number: u32, time_ns: u64) -> u64 {
        shifted(time_ns, self.later_ns(number))
    }

    /// Which recording a segment belongs to.
    pub fn uuid(&self, number: u32) -> Option<[u8; 16]> {
        self.part(number).map(|part| part.uuid)
    }

    /// The latest recording.
    pub fn latest(&self) -> Option<[u8; 16]> {
        self.parts.last().map(|part| part.uuid)
    }
}

/// Zeros: not known.
fn is_another_boot(before: [u8; 16], now: [u8; 16]) -> bool {
    before != now && before != [0; 16] && now != [0; 16]
}

/// What a record says about itself whose newest segment says `now`: that, and the
/// targets and kdamonds that only earlier segments tell of, before those.
pub(super) fn merge(before: &Meta, now: &Meta) -> Meta {
    let mut merged = now.clone();
    let process = |it: &TargetInfo| (it.kdamond, it.target_id, it.pid);
    if before.targets != now.targets {
        let known: HashSet<_> = now.targets.iter().map(process).collect();
        let mut targets = before.targets.clone();
        targets.retain(|it| !known.contains(&process(it)));
        targets.truncate(MOST_KNOWN);
        targets.append(&mut merged.targets);
        merged.targets = targets;
    }
    if before.kdamonds != now.kdamonds {
        let known: HashSet<u32> = now.kdamonds.iter().map(|it| it.tid).collect();
        let mut kdamonds: Vec<KdamondInfo> = before.kdamonds.clone();
        kdamonds.retain(|it| !known.contains(&it.tid));
        kdamonds.truncate(MOST_KNOWN);
        kdamonds.append(&mut merged.kdamonds);
        merged.kdamonds = kdamonds;
    }
    merged
}
