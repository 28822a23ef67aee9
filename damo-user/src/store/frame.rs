//! The DATA frame: snapshots and gaps to columns. `decode` has the way back.

use crate::model::{Gap, Intervals, LossCause, Region, Snapshot, TargetKey};

use super::column::Payload;
use super::extra::Columned;
use super::format::{FrameHeader, flag, kind};
use super::varint::{put, zigzag};

/// Largest address unit that the writer uses: a 4 KiB page.
const MAX_SHIFT: u32 = 12;

/// Bytes of what only tried regions have with which a frame is full.
const HEAVY: usize = 256 << 10;

/// Column ids of DATA frames.
pub(super) mod col {
    pub const SHIFT: u8 = 1;
    pub const TARGETS: u8 = 2;
    pub const INTERVALS: u8 = 3;
    pub const TARGET: u8 = 4;
    pub const START: u8 = 5;
    pub const DURATION: u8 = 6;
    pub const INTERVAL: u8 = 7;
    pub const NR_REGIONS: u8 = 8;
    pub const MISSING: u8 = 9;
    pub const FIRST: u8 = 10;
    pub const HOLE: u8 = 11;
    pub const LENGTH: u8 = 12;
    pub const NR_ACCESSES: u8 = 13;
    pub const AGE: u8 = 14;
    pub const GAP_AT: u8 = 15;
    pub const GAP_TARGET: u8 = 16;
    pub const GAP_START: u8 = 17;
    pub const GAP_DURATION: u8 = 18;
    pub const GAP_EVENTS: u8 = 19;
    pub const GAP_CAUSE: u8 = 20;
}

/// A snapshot, or the part of one that this frame holds.
struct Row {
    target: usize,
    start_ns: u64,
    end_ns: u64,
    /// 1 + index of the intervals; 0 for none.
    interval: usize,
    missing: u32,
    /// Regions from here to the snapshot's end; more than `held` if it goes on.
    nr_regions: usize,
    held: usize,
}

struct GapRow {
    /// Rows before it.
    at: usize,
    /// 1 + index of the target; 0 for none.
    target: usize,
    gap: Gap,
}

/// What both ways remember of a target within a frame.
#[derive(Clone, Copy)]
pub(super) struct Last {
    /// End of its previous snapshot.
    pub end_ns: u64,
    /// First address of its previous snapshot, in the frame's unit.
    pub first: u64,
    /// How many snapshots of it the frame holds so far.
    pub ordinal: u64,
}

impl Last {
    pub fn new(first_ns: u64) -> Self {
        Last {
            end_ns: first_ns,
            first: 0,
            ordinal: 0,
        }
    }
}

/// A DATA frame that is being filled.
#[derive(Default)]
pub(super) struct DataFrame {
    targets: Vec<TargetKey>,
    intervals: Vec<Intervals>,
    rows: Vec<Row>,
    regions: Vec<Region>,
    gaps: Vec<GapRow>,
    /// All addresses or-ed: its trailing zeros are what all have.
    address_bits: u64,
    /// Regions of the first snapshot that earlier frames hold.
    earlier: usize,
    extras: Columned,
    columns: Vec<Vec<u8>>,
    last: Vec<Last>,
}

impl DataFrame {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.gaps.is_empty()
    }

    pub fn samples(&self) -> usize {
        self.regions.len()
    }

    /// Regions of the first snapshot that earlier frames hold; without this
    /// frame they are lost, too.
    pub fn earlier(&self) -> usize {
        self.earlier
    }

    /// Whether what only tried regions have fills it.
    pub fn is_heavy(&self) -> bool {
        self.extras.is_full() || self.extras.weight() > HEAVY
    }

    /// Snapshots and gaps.
    pub fn rows(&self) -> usize {
        self.rows.len() + self.gaps.len()
    }

    pub fn clear(&mut self) {
        self.targets.clear();
        self.intervals.clear();
        self.rows.clear();
        self.regions.clear();
        self.gaps.clear();
        self.address_bits = 0;
        self.earlier = 0;
        self.extras.clear();
    }

    /// Adds `snapshot`'s regions `from..to`.
    pub fn push(&mut self, snapshot: &Snapshot, from: usize, to: usize) {
        let regions = snapshot.regions.get(from..to).unwrap_or_default();
        if self.rows.is_empty() {
            self.earlier = from;
        }
        let row = Row {
            target: index_of(&mut self.targets, snapshot.target),
            start_ns: snapshot.start_ns,
            end_ns: snapshot.end_ns,
            interval: snapshot
                .intervals
                .map_or(0, |it| 1 + index_of(&mut self.intervals, it)),
            missing: if from == 0 { snapshot.missing } else { 0 },
            nr_regions: snapshot.regions.len() - from,
            held: regions.len(),
        };
        self.rows.push(row);
        self.regions.extend_from_slice(regions);
        self.extras
            .push(snapshot.extra.as_deref(), from, from + regions.len());
        self.address_bits = regions
            .iter()
            .fold(self.address_bits, |bits, r| bits | r.start | r.end);
    }

    pub fn push_gap(&mut self, gap: &Gap) {
        let target = gap
            .target
            .map_or(0, |key| 1 + index_of(&mut self.targets, key));
        self.gaps.push(GapRow {
            at: self.rows.len(),
            target,
            gap: gap.clone(),
        });
    }

    /// The counts and times of the frame's header; the payload's are not set.
    pub fn header(&self) -> FrameHeader {
        let times = || {
            let rows = self.rows.iter().map(|row| (row.start_ns, row.end_ns));
            rows.chain(
                self.gaps
                    .iter()
                    .map(|row| (row.gap.start_ns, row.gap.end_ns)),
            )
        };
        let missing = self.rows.iter().map(|row| u64::from(row.missing));
        let lost = missing.chain(self.gaps.iter().filter_map(|row| row.gap.events));
        let split = self
            .rows
            .last()
            .is_some_and(|row| row.held < row.nr_regions);
        FrameHeader {
            kind: kind::DATA,
            flags: flag::CRITICAL
                | if split { flag::SPLIT } else { 0 }
                | if self.earlier > 0 { flag::CONTINUES } else { 0 },
            snapshots: self.rows.len() as u32,
            samples: self.regions.len() as u32,
            gaps: self.gaps.len() as u32,
            first_ns: times().map(|(start, _)| start).min().unwrap_or(0),
            last_ns: times().map(|(_, end)| end).max().unwrap_or(0),
            lost: lost.fold(0, u64::saturating_add),
            ..FrameHeader::default()
        }
    }

    /// Puts everything into columns.
    pub fn encode(&mut self, first_ns: u64, payload: &mut Payload) -> std::io::Result<()> {
        let mut columns = std::mem::take(&mut self.columns);
        columns.resize(usize::from(col::GAP_CAUSE), Vec::new());
        columns.iter_mut().for_each(Vec::clear);
        self.fill(&mut columns, first_ns);
        for (id, raw) in (col::SHIFT..).zip(&columns) {
            match id {
                // Tables end where their bytes do: a zero counts.
                col::TARGETS | col::INTERVALS => payload.bytes(id, raw)?,
                _ => payload.values(id, raw)?,
            }
        }
        self.columns = columns;
        self.extras.encode(payload)
    }

    fn fill(&mut self, columns: &mut [Vec<u8>], first_ns: u64) {
        let [
            shift_column,
            targets,
            intervals,
            target,
            start,
            duration,
            interval,
            nr_regions,
            missing,
            first,
            hole,
            length,
            nr_accesses,
            age,
            gap_at,
            gap_target,
            gap_start,
            gap_duration,
            gap_events,
            gap_cause,
        ] = columns
        else {
            return;
        };
        let shift = self.address_bits.trailing_zeros().min(MAX_SHIFT);
        put(shift_column, u64::from(shift));
        for key in &self.targets {
            put(targets, u64::from(key.kdamond));
            put(targets, key.target_id);
        }
        for it in &self.intervals {
            for us in [it.sample_us, it.aggr_us, it.update_us] {
                put(intervals, us);
            }
        }
        self.last.clear();
        self.last.resize(self.targets.len(), Last::new(first_ns));
        let mut rest = self.regions.as_slice();
        for row in &self.rows {
            let (held, after) = rest.split_at(row.held.min(rest.len()));
            rest = after;
            put(target, row.target as u64);
            put(interval, row.interval as u64);
            put(nr_regions, row.nr_regions as u64);
            put(missing, u64::from(row.missing));
            put(duration, row.end_ns.wrapping_sub(row.start_ns));
            let Some(last) = self.last.get_mut(row.target) else {
                continue;
            };
            put(start, zigzag(row.start_ns.wrapping_sub(last.end_ns)));
            last.end_ns = row.end_ns;
            let mut end = 0;
            for (i, region) in held.iter().enumerate() {
                let begin = region.start >> shift;
                if i == 0 {
                    put(first, zigzag(begin.wrapping_sub(last.first)));
                    last.first = begin;
                } else {
                    put(hole, begin.wrapping_sub(end));
                }
                end = region.end >> shift;
                put(length, end.wrapping_sub(begin));
                put(nr_accesses, u64::from(region.nr_accesses));
                put(age, region.age.map_or(0, |age| birth(last.ordinal, age)));
            }
            last.ordinal += 1;
        }
        let mut at = 0;
        for row in &self.gaps {
            put(gap_at, row.at.wrapping_sub(at) as u64);
            at = row.at;
            put(gap_target, row.target as u64);
            put(gap_start, zigzag(row.gap.start_ns.wrapping_sub(first_ns)));
            put(gap_duration, row.gap.end_ns.wrapping_sub(row.gap.start_ns));
            put(gap_events, row.gap.events.unwrap_or(0));
            put(
                gap_cause,
                cause_number(row.gap.cause) << 1 | u64::from(row.gap.events.is_some()),
            );
        }
    }
}

/// An age as the time of birth, counted in the target's snapshots, so that the
/// number stays the same while the region does; 0 is left for no age.
fn birth(ordinal: u64, age: u32) -> u64 {
    1 + zigzag(ordinal.wrapping_sub(u64::from(age)))
}

/// Where `value` is in `table`, which it is appended to if it is new.
fn index_of<T: PartialEq>(table: &mut Vec<T>, value: T) -> usize {
    table
        .iter()
        .position(|other| *other == value)
        .unwrap_or_else(|| {
            table.push(value);
            table.len() - 1
        })
}

fn cause_number(cause: LossCause) -> u64 {
    match cause {
        LossCause::RingFull => 0,
        LossCause::Unseen => 1,
        LossCause::Damaged => 2,
        LossCause::Unwritten => 3,
    }
}
