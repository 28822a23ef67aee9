//! perf.data: what `perf record -e damon:damon_aggregated` writes, to a file or
//! into a pipe, compressed (`-z`) or not.
//!
//! Samples are decoded with the events' `format` texts that the file itself
//! holds. What perf counted as lost becomes gaps.
//!
//! Read without the crate linux-perf-data: of its 0.13, a pipe's tracing data is
//! taken for records, counts are allocated as the file promises them, rounds
//! and compressed records are kept whole in memory, and an error takes with it
//! what was read before. Here lengths are checked, at most one record, one
//! block of compressed records and [`order::MOST`] events are in memory, and
//! what comes before damage is read.

mod attr;
mod header;
mod order;
mod records;
mod tracing;

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::path::Path;

use bytes::Buf;
use damo_ebpf::RECORD_FROM;

use super::Watcher;
use super::events::{EventRecord, Events, Seen, Source};
use super::grouping::RegionEvent;
use crate::model::{Intervals, Known, Note, ReadError, Region, TargetKey, Tuned};
use crate::source::Aggregated;
use attr::{Attrs, Role};
use header::Header;
use order::Order;
use records::{Records, kind};
use tracing::Formats;

/// First bytes of a perf.data of a machine with this byte order…
pub const MAGIC: [u8; 8] = u64::from_le_bytes(*b"PERFILE2").to_ne_bytes();
/// …and of one with the other.
pub const SWAPPED: [u8; 8] = u64::from_be_bytes(*b"PERFILE2").to_ne_bytes();

/// Samples that a BPF filter left out on purpose.
const MISC_FILTERED: u16 = 1 << 15;

/// Why reading stops.
#[derive(Debug)]
enum Stop {
    Io(io::Error),
    /// Damage, at an offset.
    Damaged(u64, &'static str),
    /// What cannot be read although it is intact.
    Unsupported(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Io(error)
    }
}

/// A perf.data.
#[derive(Debug)]
pub struct PerfData {
    file: File,
    header: Header,
    /// `damon_aggregated` events that perf says it lost, once counted.
    lost: Cell<Option<u64>>,
}

impl PerfData {
    /// Opens a perf.data and looks once at all of its events.
    ///
    /// # Errors
    /// It cannot be read, or there is no `damon_aggregated` event in it.
    pub fn open(
        path: &Path,
        file: File,
        watcher: Watcher<'_>,
    ) -> Result<EventRecord<Self>, ReadError> {
        let path_buf = || path.to_owned();
        let header = Header::read(&file).map_err(|stop| match stop {
            Stop::Io(source) => ReadError::Io {
                path: path_buf(),
                source,
            },
            Stop::Damaged(offset, what) => ReadError::Malformed {
                path: path_buf(),
                offset,
                what: format!("{what}; nothing of this perf.data can be read"),
            },
            Stop::Unsupported(what) => ReadError::Unsupported {
                path: path_buf(),
                what,
            },
        })?;
        let meta = header.meta.clone();
        let lost = Cell::new(None);
        let nothing =
            "looks like perf.data, but there is no sample of damon:damon_aggregated in it";
        EventRecord::open(path, Self { file, header, lost }, meta, nothing, watcher)
    }
}

impl Source for PerfData {
    const FORMAT: &'static str = "perf.data";

    type Pass<'a> = Samples<'a>;

    fn pass(&self) -> io::Result<Samples<'_>> {
        let Header { data, whole, .. } = &self.header;
        Ok(Samples {
            records: Records::new(&self.file, data.clone())?,
            attrs: &self.header.attrs,
            formats: &self.header.formats,
            order: Order::default(),
            cut_off: !whole,
            ended: false,
            known_lost: &self.lost,
            lost: 0,
            lost_told: 0,
            last_ns: 0,
        })
    }
}

/// One pass over a perf.data's records.
pub struct Samples<'a> {
    records: Records<'a>,
    attrs: &'a Attrs,
    formats: &'a Formats,
    order: Order<Seen>,
    cut_off: bool,
    ended: bool,
    known_lost: &'a Cell<Option<u64>>,
    /// Of `LOST_SAMPLES`: how many events of ours, in all.
    lost: u64,
    /// Of `LOST`: how many events, at their places.
    lost_told: u64,
    last_ns: u64,
}

impl Events for Samples<'_> {
    fn next_event(&mut self) -> io::Result<Option<Seen>> {
        loop {
            if let Some(seen) = self.order.pop() {
                return Ok(Some(seen));
            }
            if self.ended {
                return Ok(match std::mem::take(&mut self.cut_off) {
                    true => Some(Seen::CutOff),
                    false => None,
                });
            }
            match self.records.advance() {
                Ok(true) => self.take_record(),
                Ok(false) => self.end(),
                Err(Stop::Io(error)) => return Err(error),
                Err(Stop::Damaged(..) | Stop::Unsupported(_)) => {
                    self.cut_off = true;
                    self.end();
                }
            }
        }
    }
}

impl Samples<'_> {
    fn take_record(&mut self) {
        let (kind, misc, body) = self.records.current();
        let seen = match kind {
            kind::FINISHED_ROUND => return self.order.end_round(),
            kind::SAMPLE => self.sample(body),
            kind::LOST => self.lost(body),
            kind::LOST_SAMPLES if misc & MISC_FILTERED == 0 => {
                let count = body.first_chunk().map_or(0, |n| u64::from_ne_bytes(*n));
                if let (_, Some(Role::Aggregated)) = self.attrs.of_other(body) {
                    self.lost = self.lost.saturating_add(count);
                }
                return;
            }
            _ => return,
        };
        if let Some((time_ns, seen)) = seen {
            if let Seen::Lost {
                events: Some(count),
                ..
            } = seen
            {
                self.lost_told = self.lost_told.saturating_add(count);
            }
            self.last_ns = self.last_ns.max(time_ns);
            self.order.push(time_ns, seen);
        }
    }

    fn sample(&self, body: &[u8]) -> Option<(u64, Seen)> {
        let damaged = Some((self.last_ns, Seen::Damaged));
        let Some((sample, role)) = self.attrs.sample(body) else {
            return damaged;
        };
        let tracepoint = sample.raw.first_chunk().map(|n| u16::from_ne_bytes(*n));
        let record = sample.raw.get(RECORD_FROM..).unwrap_or_default();
        let is = |id: u64| tracepoint.map(u64::from) == Some(id);
        let seen = match (role, &self.formats.aggregated, &self.formats.tuned) {
            (Role::Aggregated, Some((id, layout)), _) => {
                let event = Aggregated::decode(layout, record).filter(|_| is(*id));
                event.and_then(|event| region(&event, sample.tid, sample.time_ns))
            }
            (Role::Tuned, _, Some((id, field))) => {
                let sample_us = field.read(record).filter(|_| is(*id));
                sample_us.map(|sample_us| tuned(sample_us, sample.tid, sample.time_ns))
            }
            _ => return None,
        };
        match seen {
            Some(seen) => Some((sample.time_ns, seen)),
            None => damaged,
        }
    }

    /// A ring was full. Its records may have been others than ours: what is
    /// told altogether is at most what perf counted of ours, if it did.
    fn lost(&self, body: &[u8]) -> Option<(u64, Seen)> {
        let mut fields = body;
        let (_id, count) = (fields.try_get_u64_ne().ok()?, fields.try_get_u64_ne().ok()?);
        let (time_ns, _) = self.attrs.of_other(body);
        let time_ns = time_ns.filter(|ns| *ns > 0).unwrap_or(self.last_ns);
        let most = self.known_lost.get().filter(|lost| *lost > 0);
        let left = most.unwrap_or(u64::MAX).saturating_sub(self.lost_told);
        let events = self.attrs.only_aggregated().then_some(count.min(left));
        let seen = Seen::Lost {
            events,
            time_ns,
            whole: false,
        };
        Some((time_ns, seen))
    }

    fn end(&mut self) {
        self.ended = true;
        self.known_lost.set(Some(self.lost));
        let untold = self.lost.saturating_sub(self.lost_told);
        if untold > 0 {
            let seen = Seen::Lost {
                events: Some(untold),
                time_ns: self.last_ns,
                whole: !self.attrs.only_aggregated(),
            };
            self.order.push(self.last_ns, seen);
        }
        self.order.end();
    }
}

fn region(event: &Aggregated, kdamond: u32, time_ns: u64) -> Option<Seen> {
    let sound = event.start <= event.end && event.nr_regions > 0;
    sound.then_some(Seen::Region(RegionEvent {
        target: TargetKey {
            kdamond,
            target_id: event.target_id,
        },
        time_ns,
        nr_regions: event.nr_regions.into(),
        region: Region {
            start: event.start,
            end: event.end,
            nr_accesses: event.nr_accesses,
            age: event.age,
        },
    }))
}

/// The tracepoint tells the sampling interval only; 0 is what it does not tell.
fn tuned(sample_us: u64, kdamond: u32, time_ns: u64) -> Seen {
    let intervals = Intervals {
        sample_us,
        aggr_us: 0,
        update_us: 0,
    };
    Seen::Note(Note {
        time_ns,
        what: Known::Tuned(Tuned { kdamond, intervals }),
    })
}
