//! Frames of notes: rows of numbers, each as its difference from the row
//! before it that is about the same process or kdamond.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::model::{
    Applied, CpuTime, Figure, Happened, Happening, Intervals, Known, Mapping, Note, ProcessMemory,
    Quota, Region, SchemeCounts, Summed, SystemMemory, TargetKey, Tuned,
};

use super::column::{Columns, Corrupt, Payload, text};
use super::format::{FrameHeader, kind, limit};
use super::varint::{put, unzigzag, zigzag};

/// Columns of CLOCK frames.
const CLOCK_MONO: u8 = 1;
const CLOCK_WALL: u8 = 2;

/// Columns of all others; the values follow the key.
const NAMES: u8 = 1;
const TIME: u8 = 2;
const KEY: u8 = 3;
/// Values of the kind that has the most.
const WIDTH: usize = 9;

/// A frame is full with so many rows…
const FRAME_ROWS: usize = 4096;
/// …or so many bytes of names.
const FRAME_NAMES: usize = 256 << 10;

/// Whether frames of type `number` hold notes.
pub(super) fn is_one(number: u8) -> bool {
    matches!(number, kind::CLOCK | kind::TUNED..=kind::SUMMED)
}

/// The type of frame that a note belongs into.
pub(super) fn kind_of(what: &Known) -> u8 {
    match what {
        Known::Clock(_) => kind::CLOCK,
        Known::Tuned(_) => kind::TUNED,
        Known::Scheme(_) => kind::SCHEME,
        Known::ProcessMemory(_) => kind::FOOTPRINT,
        Known::SystemMemory(_) => kind::SYSTEM,
        Known::Mapping(_) => kind::MAPPING,
        Known::CpuTime(_) => kind::CPU_TIME,
        Known::Applied(_) => kind::APPLIED,
        Known::Happened(_) => kind::HAPPENED,
        Known::Quota(_) => kind::QUOTA,
        Known::Summed(_) => kind::SUMMED,
    }
}

/// Notes of one type that are not written yet.
#[derive(Default)]
pub(super) struct Pending {
    rows: Vec<(u64, u64, [u64; WIDTH])>,
    names: Vec<u8>,
    numbers: HashMap<Arc<str>, u64>,
    first_ns: u64,
    last_ns: u64,
}

impl Pending {
    pub fn is_full(&self) -> bool {
        self.rows.len() >= FRAME_ROWS || self.names.len() >= FRAME_NAMES
    }

    /// First and last time of what is pending; `None` if nothing is.
    pub fn times(&self) -> Option<(u64, u64)> {
        (!self.rows.is_empty()).then_some((self.first_ns, self.last_ns))
    }

    /// Adds a note, which must be of this type of frame.
    pub fn push(&mut self, note: &Note) {
        let (key, values) = self.row(&note.what);
        let times = self.times().unwrap_or((note.time_ns, note.time_ns));
        self.first_ns = times.0.min(note.time_ns);
        self.last_ns = times.1.max(note.time_ns);
        self.rows.push((note.time_ns, key, values));
    }

    pub fn encode(&self, payload: &mut Payload) -> io::Result<()> {
        let mut columns = [const { Vec::new() }; WIDTH + 2];
        let [times, keys, values @ ..] = &mut columns;
        let mut last_ns = self.first_ns;
        let mut last = HashMap::new();
        for (time_ns, key, row) in &self.rows {
            put(times, zigzag(time_ns.wrapping_sub(last_ns)));
            last_ns = *time_ns;
            put(keys, *key);
            let before = last.insert(*key, *row).unwrap_or_default();
            for ((column, value), before) in values.iter_mut().zip(row).zip(before) {
                put(column, zigzag(value.wrapping_sub(before)));
            }
        }
        payload.bytes(NAMES, &self.names)?;
        let [times, rest @ ..] = &columns;
        // The number of its values is the number of rows: it must be there.
        payload.bytes(TIME, times)?;
        for (id, column) in (KEY..).zip(rest) {
            payload.values(id, column)?;
        }
        Ok(())
    }

    /// 1 + the place of `name` in the table; 0 for an empty one.
    fn number(&mut self, name: &str) -> u64 {
        let name = name
            .get(..name.floor_char_boundary(limit::NAME))
            .unwrap_or_default();
        if name.is_empty() {
            return 0;
        }
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.numbers.len() as u64 + 1;
        self.numbers.insert(name.into(), number);
        put(&mut self.names, name.len() as u64);
        self.names.extend_from_slice(name.as_bytes());
        number
    }

    /// A note as numbers: what it is about, and the rest.
    fn row(&mut self, what: &Known) -> (u64, [u64; WIDTH]) {
        match what {
            Known::Clock(wall_ns) => (0, numbers([*wall_ns])),
            Known::Tuned(it) => {
                let Intervals {
                    sample_us,
                    aggr_us,
                    update_us,
                } = it.intervals;
                (it.kdamond.into(), numbers([sample_us, aggr_us, update_us]))
            }
            Known::Scheme(it) => {
                let values = [
                    it.context.into(),
                    it.scheme.into(),
                    it.nr_tried,
                    it.sz_tried,
                    it.nr_applied,
                    it.sz_applied,
                    it.sz_ops_filter_passed,
                    it.qt_exceeds,
                    it.nr_snapshots,
                ];
                (it.kdamond.into(), values)
            }
            Known::ProcessMemory(it) => {
                let values = [it.virtual_bytes, it.resident_bytes, it.shared_bytes];
                (it.pid.into(), numbers(values))
            }
            Known::SystemMemory(it) => {
                let values = [
                    it.total_bytes,
                    it.free_bytes,
                    it.available_bytes,
                    it.buffers_bytes,
                    it.cached_bytes,
                    it.swap_total_bytes,
                    it.swap_free_bytes,
                ];
                (0, numbers(values))
            }
            Known::Mapping(it) => {
                let length = it.end.saturating_sub(it.start);
                let name = self.number(&it.name);
                let values = [it.start, length, it.permissions.into(), it.offset, name];
                (it.pid.into(), numbers(values))
            }
            Known::CpuTime(it) => {
                let values = [it.kdamond.into(), it.user_us, it.system_us];
                (it.pid.into(), numbers(values))
            }
            Known::Applied(it) => {
                let values = [
                    it.target.target_id,
                    it.context.into(),
                    it.scheme.into(),
                    it.region.start,
                    it.region.len(),
                    it.region.nr_accesses.into(),
                    it.region.age.map_or(0, |age| u64::from(age) + 1),
                ];
                (it.target.kdamond.into(), numbers(values))
            }
            Known::Happened(it) => {
                // Ids count from 0; the largest number is none of them.
                let target = it.target_id.map_or(0, |id| id.saturating_add(1));
                let values = [target, it.what.code().into(), it.value];
                (it.kdamond.into(), numbers(values))
            }
            Known::Quota(it) => {
                let values = [it.context.into(), it.scheme.into(), it.bytes];
                (it.kdamond.into(), numbers(values))
            }
            Known::Summed(it) => {
                let values = [
                    it.target.target_id,
                    it.figure.code().into(),
                    it.step.into(),
                    it.value,
                ];
                (it.target.kdamond.into(), numbers(values))
            }
        }
    }
}

fn numbers<const N: usize>(values: [u64; N]) -> [u64; WIDTH] {
    let mut all = [0; WIDTH];
    for (place, value) in all.iter_mut().zip(values) {
        *place = value;
    }
    all
}

/// What a CLOCK frame says.
pub(super) fn encode_clock(mono_ns: u64, wall_ns: u64, payload: &mut Payload) -> io::Result<()> {
    for (id, ns) in [(CLOCK_MONO, mono_ns), (CLOCK_WALL, wall_ns)] {
        let mut bytes = Vec::new();
        put(&mut bytes, ns);
        payload.values(id, &bytes)?;
    }
    Ok(())
}

/// Takes a frame of notes apart.
pub(super) fn decode(header: &FrameHeader, columns: &Columns) -> Result<Vec<Note>, Corrupt> {
    if header.kind == kind::CLOCK {
        let time_ns = columns.values(CLOCK_MONO)?.next()?;
        let what = Known::Clock(columns.values(CLOCK_WALL)?.next()?);
        return Ok(vec![Note { time_ns, what }]);
    }
    let names = read_names(columns)?;
    let mut times = columns.values(TIME)?;
    let mut keys = columns.values(KEY)?;
    let mut values = Vec::new();
    for id in (KEY + 1..).take(WIDTH) {
        values.push(columns.values(id)?);
    }
    let mut time_ns = header.first_ns;
    let mut last: HashMap<u64, [u64; WIDTH]> = HashMap::new();
    let mut notes = Vec::new();
    while !times.is_empty() {
        if notes.len() == limit::NOTES {
            return Err(Corrupt("number of notes"));
        }
        time_ns = time_ns.wrapping_add(unzigzag(times.next()?));
        let key = keys.next()?;
        let row = last.entry(key).or_default();
        for (place, column) in row.iter_mut().zip(&mut values) {
            *place = place.wrapping_add(unzigzag(column.next()?));
        }
        let what = known(header.kind, key, *row, &names).ok_or(Corrupt("a note"))?;
        notes.push(Note { time_ns, what });
    }
    keys.end()?;
    values.iter().try_for_each(|column| column.end())?;
    Ok(notes)
}

fn read_names(columns: &Columns) -> Result<Vec<Arc<str>>, Corrupt> {
    let mut rest = columns.bytes(NAMES)?.unwrap_or_default();
    let mut names = Vec::new();
    while !rest.is_empty() {
        let name = text(&mut rest, limit::NAME).ok_or(Corrupt("a name"))?;
        if names.len() == limit::NOTES {
            return Err(Corrupt("number of names"));
        }
        names.push(name.into());
    }
    Ok(names)
}

fn known(kind: u8, key: u64, values: [u64; WIDTH], names: &[Arc<str>]) -> Option<Known> {
    let small = |value: u64| u32::try_from(value).ok();
    let of = small(key)?;
    let [a, b, c, d, e, f, g, h, i] = values;
    Some(match kind {
        kind::TUNED => Known::Tuned(Tuned {
            kdamond: of,
            intervals: Intervals {
                sample_us: a,
                aggr_us: b,
                update_us: c,
            },
        }),
        kind::SCHEME => Known::Scheme(SchemeCounts {
            kdamond: of,
            context: small(a)?,
            scheme: small(b)?,
            nr_tried: c,
            sz_tried: d,
            nr_applied: e,
            sz_applied: f,
            sz_ops_filter_passed: g,
            qt_exceeds: h,
            nr_snapshots: i,
        }),
        kind::FOOTPRINT => Known::ProcessMemory(ProcessMemory {
            pid: of,
            virtual_bytes: a,
            resident_bytes: b,
            shared_bytes: c,
        }),
        kind::SYSTEM => Known::SystemMemory(SystemMemory {
            total_bytes: a,
            free_bytes: b,
            available_bytes: c,
            buffers_bytes: d,
            cached_bytes: e,
            swap_total_bytes: f,
            swap_free_bytes: g,
        }),
        kind::MAPPING => Known::Mapping(Mapping {
            pid: of,
            start: a,
            end: a.checked_add(b)?,
            permissions: u8::try_from(c).ok()?,
            offset: d,
            name: match e.checked_sub(1) {
                None => Arc::default(),
                Some(index) => names.get(usize::try_from(index).ok()?)?.clone(),
            },
        }),
        kind::CPU_TIME => Known::CpuTime(CpuTime {
            pid: of,
            kdamond: a != 0,
            user_us: b,
            system_us: c,
        }),
        kind::APPLIED => Known::Applied(Applied {
            target: TargetKey {
                kdamond: of,
                target_id: a,
            },
            context: small(b)?,
            scheme: small(c)?,
            region: Region {
                start: d,
                end: d.checked_add(e)?,
                nr_accesses: small(f)?,
                age: match g.checked_sub(1) {
                    None => None,
                    Some(age) => Some(small(age)?),
                },
            },
        }),
        kind::HAPPENED => Known::Happened(Happened {
            kdamond: of,
            target_id: a.checked_sub(1),
            what: Happening::of_code(u8::try_from(b).ok()?),
            value: c,
        }),
        kind::QUOTA => Known::Quota(Quota {
            kdamond: of,
            context: small(a)?,
            scheme: small(b)?,
            bytes: c,
        }),
        kind::SUMMED => Known::Summed(Summed {
            target: TargetKey {
                kdamond: of,
                target_id: a,
            },
            figure: Figure::of_code(u8::try_from(b).ok()?),
            step: small(c)?,
            value: d,
        }),
        _ => return None,
    })
}
