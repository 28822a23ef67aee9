//! Events → snapshots and gaps. Pure: no clock, no I/O.
//!
//! What is lost is told apart exactly: regions missing from a snapshot of
//! which something arrived are counted in [`Snapshot::missing`], snapshots of
//! which nothing arrived in a [`Gap`]. Together they add up to what the kernel
//! side counted.

use std::collections::HashMap;

use damo_ebpf::Kdamond;

use super::Event;
use crate::model::{Gap, Intervals, Item, LossCause, Region, Snapshot, TargetKey};

/// Puts the events of any number of kdamonds together.
#[derive(Debug)]
pub struct Assembler {
    intervals: Option<Intervals>,
    addr_unit: u64,
    started_ns: Option<u64>,
    streams: HashMap<u32, Stream>,
}

/// What is known of one kdamond's events so far.
#[derive(Debug, Default)]
struct Stream {
    open: Option<Open>,
    /// Where each target's latest snapshot ended.
    ends: HashMap<u64, u64>,
    /// Of the latest event: its time, its loss count, the regions after it.
    time_ns: u64,
    lost: u32,
    left: u32,
    /// Lost events that snapshots and gaps have told of so far.
    accounted: u64,
}

/// A snapshot whose regions are still coming.
#[derive(Debug)]
struct Open {
    number: u32,
    nr_regions: u32,
    snapshot: Snapshot,
}

impl Assembler {
    /// `intervals`: those that DAMON runs with, where known. `addr_unit`: bytes
    /// that one unit of an event's address means.
    pub fn new(intervals: Option<Intervals>, addr_unit: u64) -> Assembler {
        Assembler {
            intervals,
            addr_unit,
            started_ns: None,
            streams: HashMap::new(),
        }
    }

    /// DAMON was switched on at this time: the first aggregation starts there.
    pub fn started(&mut self, time_ns: u64) {
        self.started_ns = Some(time_ns);
    }

    /// Takes one event; gives `out` what became complete through it.
    pub fn push(&mut self, event: &Event, out: &mut impl FnMut(Item)) {
        let stream = self.streams.entry(event.kdamond).or_default();
        let region = Region {
            start: event.start.saturating_mul(self.addr_unit),
            end: event.end.max(event.start).saturating_mul(self.addr_unit),
            nr_accesses: event.nr_accesses,
            age: event.age,
        };
        match &mut stream.open {
            Some(open) if open.number == event.snapshot => open.snapshot.regions.push(region),
            _ => {
                stream.close(out);
                let whole = stream.lost_whole(event);
                if whole > 0 {
                    stream.accounted += whole;
                    out(Item::Gap(Gap {
                        target: None,
                        start_ns: stream.time_ns.max(self.started_ns.unwrap_or(0)),
                        end_ns: event.time_ns,
                        events: Some(whole),
                        cause: LossCause::RingFull,
                    }));
                }
                let aggr_ns = self.intervals.map_or(0, |i| i.aggr_us.saturating_mul(1000));
                let begun = event.time_ns.saturating_sub(aggr_ns);
                let start_ns = match stream.ends.get(&event.target_id) {
                    _ if whole > 0 => begun,
                    Some(&end) => end,
                    None => self.started_ns.unwrap_or(begun),
                };
                let mut regions = Vec::with_capacity(event.nr_regions.min(4096) as usize);
                regions.push(region);
                stream.open = Some(Open {
                    number: event.snapshot,
                    nr_regions: event.nr_regions,
                    snapshot: Snapshot {
                        target: TargetKey {
                            kdamond: event.kdamond,
                            target_id: event.target_id,
                        },
                        start_ns: start_ns.min(event.time_ns),
                        end_ns: event.time_ns,
                        intervals: self.intervals,
                        missing: 0,
                        regions,
                        extra: None,
                    },
                });
            }
        }
        stream.time_ns = event.time_ns;
        stream.lost = event.lost;
        stream.left = event.left;
        if event.left == 0 {
            stream.close(out);
        }
    }

    /// Ends the record of one kdamond: `counters` are the BPF program's last
    /// word. Whatever it lost beyond what the events told becomes a gap.
    pub fn finish(
        &mut self,
        kdamond: u32,
        counters: Option<&Kdamond>,
        now_ns: u64,
        out: &mut impl FnMut(Item),
    ) {
        let mut stream = self.streams.remove(&kdamond).unwrap_or_default();
        stream.close(out);
        let Some(counters) = counters else { return };
        let unseen = counters.unseen + u64::from(counters.left);
        let rest = (counters.lost + unseen).saturating_sub(stream.accounted);
        if rest > 0 {
            out(Item::Gap(Gap {
                target: None,
                start_ns: stream.time_ns.max(self.started_ns.unwrap_or(0)),
                end_ns: now_ns.max(stream.time_ns),
                events: Some(rest),
                cause: if counters.lost > 0 {
                    LossCause::RingFull
                } else {
                    LossCause::Unseen
                },
            }));
        }
    }
}

impl Stream {
    /// Gives out the open snapshot, if there is one.
    fn close(&mut self, out: &mut impl FnMut(Item)) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        let got = u32::try_from(open.snapshot.regions.len()).unwrap_or(u32::MAX);
        open.snapshot.missing = open.nr_regions.saturating_sub(got);
        self.accounted += u64::from(open.snapshot.missing);
        self.ends
            .insert(open.snapshot.target.target_id, open.snapshot.end_ns);
        out(Item::Snapshot(open.snapshot));
    }

    /// How many events of snapshots of which nothing arrived lie before this
    /// event: what was lost, less the rest of the snapshot before and less the
    /// head of this one.
    fn lost_whole(&self, event: &Event) -> u64 {
        let head = event
            .nr_regions
            .saturating_sub(event.left)
            .saturating_sub(1);
        event
            .lost
            .wrapping_sub(self.lost)
            .saturating_sub(self.left)
            .saturating_sub(head)
            .into()
    }
}

#[cfg(test)]
mod tests;
