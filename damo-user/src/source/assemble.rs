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
    Applied, Gap, Happened, Happening, Intervals, Item, Known, LossCause, Note, Quota, Region,
    SchemeCounts, TargetKey, Tuned,
};

mod stream;

use stream::{Stream, Terms};

/// Puts the events of any number of kdamonds together.
#[derive(Debug)]
pub struct Assembler {
    /// Of kdamonds that nothing was said of.
    usual: Terms,
    streams: HashMap<u32, Stream>,
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
                started_ns: None,
            },
            streams: HashMap::new(),
        }
    }

    /// DAMON was switched on at this time: the first aggregation of kdamonds that
    /// are not known yet starts there.
    pub fn started(&mut self, time_ns: u64) {
        self.usual.started_ns = Some(time_ns);
    }

    /// What is known of a kdamond before its first event.
    pub fn kdamond(&mut self, tid: u32, intervals: Option<Intervals>, addr_unit: u64) {
        let terms = Terms {
            intervals,
            addr_unit,
            ..self.usual
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
                stream.open(event, region, out);
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
                start_ns: stream.time_ns.max(stream.terms.started_ns.unwrap_or(0)),
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
