//! What is known of one kdamond's events, and the snapshot that is being put together.

use std::collections::HashMap;

use crate::model::{
    Extra, Gap, Happened, Happening, Intervals, Item, Known, LossCause, Note, Region, Snapshot,
    TargetKey,
};
use crate::source::Event;

/// So many times its length an aggregation may take, and so much more, before
/// it counts as a time without monitoring and an aggregation after it.
const SILENCE: u64 = 3;
const SLACK_NS: u64 = 100_000_000;

/// How a kdamond's numbers are meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) intervals: Option<Intervals>,
    /// Bytes that a unit of an address means.
    pub(super) addr_unit: u64,
    /// When it was switched on, if that is known.
    pub(super) started_ns: Option<u64>,
}

/// What is known of one kdamond's events so far.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) terms: Terms,
    tuned: Option<Tuning>,
    pub(super) open: Option<Open>,
    /// Where each target's latest snapshot ended.
    ends: HashMap<u64, u64>,
    /// How long the latest snapshot took.
    duration_ns: u64,
    /// Of the latest event: its time, its loss count, the regions after it.
    pub(super) time_ns: u64,
    pub(super) lost: u32,
    pub(super) left: u32,
    /// Lost events that snapshots and gaps have told of so far.
    pub(super) accounted: u64,
    /// Schemes' counters as they were told last, by context and scheme.
    pub(super) schemes: HashMap<(u32, u32), [u64; 7]>,
}

/// DAMON has tuned its intervals.
#[derive(Clone, Copy, Debug)]
struct Tuning {
    at_ns: u64,
    before: Option<Intervals>,
}

/// A snapshot whose regions are still coming.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) number: u32,
    nr_regions: u32,
    pub(super) snapshot: Snapshot,
}

impl Stream {
    pub(super) fn new(terms: Terms) -> Stream {
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
    pub(super) fn tune(&mut self, at_ns: u64, sample_us: u64) -> Option<Intervals> {
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
    pub(super) fn open(&mut self, event: &Event, region: Region, out: &mut impl FnMut(Item)) {
        let whole = self.lost_whole(event);
        if whole > 0 {
            self.accounted += whole;
            out(Item::Gap(Gap {
                target: None,
                start_ns: self.time_ns.max(self.terms.started_ns.unwrap_or(0)),
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
            None => self.terms.started_ns.unwrap_or(begun),
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
    pub(super) fn close(&mut self, out: &mut impl FnMut(Item)) {
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
