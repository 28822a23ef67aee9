//! Events → snapshots, gaps and notes. Pure: no clock, no I/O.
//!
//! What is lost is told apart exactly: regions missing from a snapshot of
//! which something arrived are counted in [`Snapshot::missing`], snapshots of
//! which nothing arrived in a [`Gap`]. Together they add up to what the kernel
//! side counted.

use std::collections::HashMap;

use damo_ebpf::Kdamond;

use super::{Event, Told, What};
use crate::model::{
    Applied, Extra, Gap, Happened, Happening, Intervals, Item, Known, LossCause, Note, Quota,
    Region, SchemeCounts, Snapshot, TargetKey, Tuned,
};

/// So many times its length an aggregation may take, and so much more, before
/// it counts as a time without monitoring and an aggregation after it.
const SILENCE: u64 = 3;
const SLACK_NS: u64 = 100_000_000;

/// Puts the events of any number of kdamonds together.
#[derive(Debug)]
pub struct Assembler {
    /// Of kdamonds that nothing was said of.
    usual: Terms,
    started_ns: Option<u64>,
    streams: HashMap<u32, Stream>,
}

/// How a kdamond's numbers are meant.
#[derive(Clone, Copy, Debug)]
struct Terms {
    intervals: Option<Intervals>,
    addr_unit: u64,
}

/// What is known of one kdamond's events so far.
#[derive(Debug)]
struct Stream {
    terms: Terms,
    tuned: Option<Tuning>,
    open: Option<Open>,
    /// Where each target's latest snapshot ended.
    ends: HashMap<u64, u64>,
    /// How long the latest snapshot took.
    duration_ns: u64,
    /// Of the latest event: its time, its loss count, the regions after it.
    time_ns: u64,
    lost: u32,
    left: u32,
    /// Lost events that snapshots and gaps have told of so far.
    accounted: u64,
    /// Schemes' counters as they were told last, by context and scheme.
    schemes: HashMap<(u32, u32), [u64; 7]>,
}

/// DAMON has tuned its intervals.
#[derive(Clone, Copy, Debug)]
struct Tuning {
    at_ns: u64,
    before: Option<Intervals>,
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
    /// that one unit of an event's address means. What the kernel tells of a
    /// kdamond ([`What::Context`]) counts more.
    pub fn new(intervals: Option<Intervals>, addr_unit: u64) -> Assembler {
        Assembler {
            usual: Terms {
                intervals,
                addr_unit,
            },
            started_ns: None,
            streams: HashMap::new(),
        }
    }

    /// DAMON was switched on at this time: the first aggregation starts there.
    pub fn started(&mut self, time_ns: u64) {
        self.started_ns = Some(time_ns);
    }

    /// What is known of a kdamond before its first event.
    pub fn kdamond(&mut self, tid: u32, intervals: Option<Intervals>, addr_unit: u64) {
        let terms = Terms {
            intervals,
            addr_unit,
        };
        let stream = self.streams.entry(tid);
        let stream = stream.or_insert_with(|| Stream::new(terms));
        if stream.time_ns == 0 {
            stream.terms = terms;
        }
    }

    fn stream(&mut self, kdamond: u32) -> &mut Stream {
        let usual = self.usual;
        let stream = self.streams.entry(kdamond);
        stream.or_insert_with(|| Stream::new(usual))
    }

    /// Takes what else the kernel told; gives `out` what is worth a note.
    pub fn told(&mut self, told: &Told, out: &mut impl FnMut(Item)) {
        let kdamond = told.kdamond;
        let known = match told.what {
            What::Tuned(sample_us) => {
                let stream = self.stream(kdamond);
                stream
                    .tune(told.time_ns, sample_us)
                    .map(|intervals| Known::Tuned(Tuned { kdamond, intervals }))
            }
            What::Context {
                intervals,
                addr_unit,
                ..
            } => {
                let stream = self.stream(kdamond);
                stream.terms.addr_unit = addr_unit;
                let before = stream.terms.intervals.replace(intervals);
                let changed = before.is_some_and(|before| before != intervals);
                changed.then_some(Known::Tuned(Tuned { kdamond, intervals }))
            }
            What::Quota {
                context,
                scheme,
                bytes,
            } => Some(Known::Quota(Quota {
                kdamond,
                context,
                scheme,
                bytes,
            })),
            What::Scheme {
                context,
                scheme,
                counters,
            } => {
                let stream = self.stream(kdamond);
                let before = stream.schemes.insert((context, scheme), counters);
                (before != Some(counters))
                    .then(|| Known::Scheme(counts(kdamond, context, scheme, counters)))
            }
            What::Applied {
                context,
                scheme,
                target_id,
                region,
            } => {
                let unit = self.stream(kdamond).terms.addr_unit;
                Some(Known::Applied(Applied {
                    target: TargetKey { kdamond, target_id },
                    context,
                    scheme,
                    region: Region {
                        start: region.start.saturating_mul(unit),
                        end: region.end.saturating_mul(unit),
                        ..region
                    },
                }))
            }
            What::Target { .. } | What::Fork(_) | What::Exec | What::Exit => None,
        };
        if let Some(what) = known {
            out(Item::Note(Note {
                time_ns: told.time_ns,
                what,
            }));
        }
    }

    /// Takes one event; gives `out` what became complete through it.
    pub fn push(&mut self, event: &Event, out: &mut impl FnMut(Item)) {
        let started_ns = self.started_ns;
        let stream = self.stream(event.kdamond);
        let unit = stream.terms.addr_unit;
        let region = Region {
            start: event.start.saturating_mul(unit),
            end: event.end.max(event.start).saturating_mul(unit),
            nr_accesses: event.nr_accesses,
            age: event.age,
        };
        match &mut stream.open {
            Some(open) if open.number == event.snapshot => open.snapshot.regions.push(region),
            _ => {
                stream.close(out);
                stream.open(event, region, started_ns, out);
            }
        }
        stream.time_ns = event.time_ns;
        stream.lost = event.lost;
        stream.left = event.left;
        if event.left == 0 {
            stream.close(out);
        }
    }

    /// For kdamonds of which no regions come: tells what the program could not
    /// count beyond what was told of.
    pub fn reconcile(
        &mut self,
        kdamond: u32,
        counters: &Kdamond,
        (since_ns, now_ns): (u64, u64),
        out: &mut impl FnMut(Item),
    ) {
        let stream = self.stream(kdamond);
        let all = counters.lost.saturating_add(counters.unseen);
        let rest = all.saturating_sub(stream.accounted);
        if rest > 0 {
            stream.accounted = all;
            out(Item::Gap(Gap {
                target: None,
                start_ns: since_ns,
                end_ns: now_ns,
                events: Some(rest),
                cause: LossCause::Unseen,
            }));
        }
        stream.time_ns = now_ns;
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
        let usual = self.usual;
        let stream = self.streams.remove(&kdamond);
        let mut stream = stream.unwrap_or_else(|| Stream::new(usual));
        stream.close(out);
        let Some(counters) = counters else { return };
        if counters.told_lost > 0 {
            out(Item::Note(Note {
                time_ns: now_ns,
                what: Known::Happened(Happened {
                    kdamond,
                    target_id: None,
                    what: Happening::Untold,
                    value: counters.told_lost,
                }),
            }));
        }
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
    fn new(terms: Terms) -> Stream {
        Stream {
            terms,
            tuned: None,
            open: None,
            ends: HashMap::new(),
            duration_ns: 0,
            time_ns: 0,
            lost: 0,
            left: 0,
            accounted: 0,
            schemes: HashMap::new(),
        }
    }

    /// DAMON has another sampling interval; the number of samples in an
    /// aggregation stays. Gives the intervals, if they are others.
    fn tune(&mut self, at_ns: u64, sample_us: u64) -> Option<Intervals> {
        let before = self.terms.intervals?;
        let samples = before.aggr_us / before.sample_us.max(1);
        let now = Intervals {
            sample_us,
            aggr_us: sample_us.saturating_mul(samples),
            ..before
        };
        if now == before {
            return None;
        }
        self.terms.intervals = Some(now);
        self.tuned = Some(Tuning {
            at_ns,
            before: Some(before),
        });
        Some(now)
    }

    /// Begins a snapshot.
    fn open(
        &mut self,
        event: &Event,
        region: Region,
        started_ns: Option<u64>,
        out: &mut impl FnMut(Item),
    ) {
        let whole = self.lost_whole(event);
        if whole > 0 {
            self.accounted += whole;
            out(Item::Gap(Gap {
                target: None,
                start_ns: self.time_ns.max(started_ns.unwrap_or(0)),
                end_ns: event.time_ns,
                events: Some(whole),
                cause: LossCause::RingFull,
            }));
        }
        let end = self.ends.get(&event.target_id).copied();
        // What comes next after tuning was counted before it, and yet its ages
        // are in aggregations as they are from now on.
        let tuned = self
            .tuned
            .filter(|tuned| end.is_none_or(|end| end <= tuned.at_ns));
        let intervals = tuned.map_or(self.terms.intervals, |tuned| tuned.before);
        let age_unit_us = tuned.and(self.terms.intervals).map(|now| now.aggr_us);
        let aggr_ns = intervals.map_or(0, |it| it.aggr_us.saturating_mul(1000));
        let begun = event.time_ns.saturating_sub(aggr_ns.max(self.duration_ns));
        let start_ns = match end {
            _ if whole > 0 => begun,
            Some(end) if self.is_silence(aggr_ns, event.time_ns.saturating_sub(end)) => {
                if self.is_silence(aggr_ns, event.time_ns.saturating_sub(self.time_ns)) {
                    out(Item::Note(Note {
                        time_ns: begun,
                        what: Known::Happened(Happened {
                            kdamond: event.kdamond,
                            target_id: None,
                            what: Happening::Silent,
                            value: self.time_ns,
                        }),
                    }));
                }
                begun
            }
            Some(end) => end,
            None => started_ns.unwrap_or(begun),
        };
        let mut regions = Vec::with_capacity(event.nr_regions.min(4096) as usize);
        regions.push(region);
        let extra = age_unit_us.map(|age_unit_us| {
            Box::new(Extra {
                age_unit_us: Some(age_unit_us),
                ..Extra::default()
            })
        });
        self.open = Some(Open {
            number: event.snapshot,
            nr_regions: event.nr_regions,
            snapshot: Snapshot {
                target: TargetKey {
                    kdamond: event.kdamond,
                    target_id: event.target_id,
                },
                start_ns: start_ns.min(event.time_ns),
                end_ns: event.time_ns,
                intervals,
                missing: 0,
                regions,
                extra,
            },
        });
    }

    /// Whether nothing was monitored for a while (DAMON paused, or its schemes'
    /// watermarks had it wait): an aggregation that takes its time, since the
    /// machine is busy, takes some times longer than it should, or than the last.
    fn is_silence(&self, aggr_ns: u64, since_ns: u64) -> bool {
        let usual = aggr_ns.max(self.duration_ns);
        usual > 0 && since_ns > usual.saturating_mul(SILENCE).saturating_add(SLACK_NS)
    }

    /// Gives out the open snapshot, if there is one.
    fn close(&mut self, out: &mut impl FnMut(Item)) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        let got = u32::try_from(open.snapshot.regions.len()).unwrap_or(u32::MAX);
        open.snapshot.missing = open.nr_regions.saturating_sub(got);
        self.accounted += u64::from(open.snapshot.missing);
        self.duration_ns = open.snapshot.duration_ns();
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

fn counts(kdamond: u32, context: u32, scheme: u32, counters: [u64; 7]) -> SchemeCounts {
    let [
        nr_tried,
        sz_tried,
        nr_applied,
        sz_applied,
        sz_ops_filter_passed,
        qt_exceeds,
        nr_snapshots,
    ] = counters;
    SchemeCounts {
        kdamond,
        context,
        scheme,
        nr_tried,
        sz_tried,
        nr_applied,
        sz_applied,
        sz_ops_filter_passed,
        qt_exceeds,
        nr_snapshots,
    }
}

#[cfg(test)]
mod tests;
