//! Columns of DATA frames that only tried regions and tuned intervals need: none
//! of them is there in a frame without.

use std::io;

use crate::model::Extra;

use super::column::{Columns, Corrupt, Payload, Values, text};
use super::format::limit;
use super::varint::put;

/// Column ids, after those that every DATA frame may have.
mod col {
    pub const PASSED: u8 = 21;
    pub const PROBES: u8 = 22;
    pub const HITS: u8 = 23;
    pub const TOTAL: u8 = 24;
    pub const NAMES: u8 = 25;
    pub const COUNTERS: u8 = 26;
    pub const COUNTER: u8 = 27;
    pub const AGE_UNIT: u8 = 28;
}

/// The longest name of a scheme's counter.
const NAME: usize = 64;

/// What a frame's rows have beside the rest, as columns that grow row by row.
#[derive(Default)]
pub(super) struct Columned {
    /// Rows and regions so far, of which some may have nothing.
    rows: usize,
    regions: usize,
    passed: Vec<u8>,
    probes: Vec<u8>,
    hits: Vec<u8>,
    total: Vec<u8>,
    age_unit: Vec<u8>,
    names: Vec<String>,
    counters: Vec<u8>,
    counter: Vec<u8>,
    nr_counters: u64,
    any: bool,
}

impl Columned {
    pub fn clear(&mut self) {
        if self.any {
            *self = Columned::default();
        } else {
            (self.rows, self.regions) = (0, 0);
        }
    }

    /// Bytes that all this takes, about.
    pub fn weight(&self) -> usize {
        self.passed.len() + self.hits.len() + self.counter.len() + self.probes.len()
    }

    /// Whether no more counters fit.
    pub fn is_full(&self) -> bool {
        self.nr_counters >= limit::COUNTERS / 2
    }

    /// Adds a row's regions `from..to`; what is said of all regions goes with
    /// the first.
    pub fn push(&mut self, extra: Option<&Extra>, from: usize, to: usize) {
        let (row, region) = (self.rows, self.regions);
        self.rows += 1;
        self.regions += to - from;
        let Some(extra) = extra else {
            if self.any {
                self.nothing(1, to - from);
            }
            return;
        };
        if !self.any {
            self.any = true;
            self.nothing(row, region);
        }
        for i in from..to {
            let passed = extra.filter_passed.get(i).copied().flatten();
            put(
                &mut self.passed,
                passed.map_or(0, |it| it.saturating_add(1)),
            );
            let hits = extra.probe_hits.get(i).map_or(&[][..], Vec::as_slice);
            put(&mut self.probes, hits.len() as u64);
            for count in hits {
                put(&mut self.hits, u64::from(*count));
            }
        }
        let first = from == 0;
        let total = extra.total_bytes.filter(|_| first);
        put(&mut self.total, total.map_or(0, |it| it.saturating_add(1)));
        let unit = extra.age_unit_us.filter(|_| first);
        put(&mut self.age_unit, unit.unwrap_or(0));
        let stats = extra.scheme_stats.as_ref().filter(|_| first);
        put(
            &mut self.counters,
            stats.map_or(0, |it| it.len() as u64 + 1),
        );
        for (name, value) in stats.into_iter().flatten() {
            let name = name
                .get(..name.floor_char_boundary(NAME))
                .unwrap_or_default();
            let index = self.names.iter().position(|known| known == name);
            let index = index.unwrap_or_else(|| {
                self.names.push(name.to_owned());
                self.names.len() - 1
            });
            put(&mut self.counter, index as u64);
            put(&mut self.counter, *value);
            self.nr_counters += 1;
        }
    }

    fn nothing(&mut self, rows: usize, regions: usize) {
        for column in [&mut self.passed, &mut self.probes] {
            column.resize(column.len() + regions, 0);
        }
        for column in [&mut self.total, &mut self.age_unit, &mut self.counters] {
            column.resize(column.len() + rows, 0);
        }
    }

    pub fn encode(&self, payload: &mut Payload) -> io::Result<()> {
        if !self.any {
            return Ok(());
        }
        let mut names = Vec::new();
        for name in &self.names {
            put(&mut names, name.len() as u64);
            names.extend_from_slice(name.as_bytes());
        }
        payload.values(col::PASSED, &self.passed)?;
        payload.values(col::PROBES, &self.probes)?;
        payload.bytes(col::HITS, &self.hits)?;
        payload.values(col::TOTAL, &self.total)?;
        payload.values(col::AGE_UNIT, &self.age_unit)?;
        payload.bytes(col::NAMES, &names)?;
        payload.values(col::COUNTERS, &self.counters)?;
        payload.bytes(col::COUNTER, &self.counter)
    }
}

/// Gives each row what it has beside the rest.
pub(super) struct Extras<'a> {
    passed: Values<'a>,
    probes: Values<'a>,
    hits: Values<'a>,
    total: Values<'a>,
    age_unit: Values<'a>,
    names: Vec<&'a str>,
    counters: Values<'a>,
    counter: Values<'a>,
    left: u64,
}

impl<'a> Extras<'a> {
    /// `None` if the frame has nothing of the kind.
    pub fn new(columns: &'a Columns) -> Result<Option<Self>, Corrupt> {
        let ids = [
            col::PASSED,
            col::PROBES,
            col::TOTAL,
            col::AGE_UNIT,
            col::COUNTERS,
        ];
        if !ids.iter().any(|id| columns.has(*id)) {
            return Ok(None);
        }
        let mut rest = columns.bytes(col::NAMES)?.unwrap_or_default();
        let mut names = Vec::new();
        while !rest.is_empty() {
            names.push(text(&mut rest, NAME).ok_or(Corrupt("a counter's name"))?);
            if names.len() as u64 > limit::COUNTERS {
                return Err(Corrupt("number of names"));
            }
        }
        Ok(Some(Extras {
            passed: columns.values(col::PASSED)?,
            probes: columns.values(col::PROBES)?,
            hits: columns.values(col::HITS)?,
            total: columns.values(col::TOTAL)?,
            age_unit: columns.values(col::AGE_UNIT)?,
            names,
            counters: columns.values(col::COUNTERS)?,
            counter: columns.values(col::COUNTER)?,
            left: limit::COUNTERS,
        }))
    }

    /// What the next row, of `regions` regions, has.
    pub fn next(&mut self, regions: usize) -> Result<Option<Box<Extra>>, Corrupt> {
        let mut extra = Extra::default();
        for i in 0..regions {
            let passed = self.passed.next()?.checked_sub(1);
            if passed.is_some() && extra.filter_passed.is_empty() {
                extra.filter_passed.resize(regions, None);
            }
            if let Some(place) = extra.filter_passed.get_mut(i) {
                *place = passed;
            }
            let probes = self.probes.next()?;
            if probes > 0 && extra.probe_hits.is_empty() {
                extra.probe_hits.resize(regions, Vec::new());
            }
            for _ in 0..probes {
                // An absent column would give numbers without end.
                if self.hits.is_empty() {
                    return Err(Corrupt("probe hits"));
                }
                let count = self.hits.next_u32()?;
                if let Some(place) = extra.probe_hits.get_mut(i) {
                    place.push(count);
                }
            }
        }
        extra.total_bytes = self.total.next()?.checked_sub(1);
        extra.age_unit_us = Some(self.age_unit.next()?).filter(|unit| *unit > 0);
        if let Some(counters) = self.counters.next()?.checked_sub(1) {
            self.left = self
                .left
                .checked_sub(counters)
                .ok_or(Corrupt("number of counters"))?;
            let mut stats = std::collections::BTreeMap::new();
            for _ in 0..counters {
                let index = usize::try_from(self.counter.next()?).ok();
                let name = index.and_then(|index| self.names.get(index));
                let name = name.ok_or(Corrupt("a counter's name"))?;
                stats.insert((*name).to_owned(), self.counter.next()?);
            }
            extra.scheme_stats = Some(stats);
        }
        Ok((extra != Extra::default()).then(|| Box::new(extra)))
    }

    pub fn end(&self) -> Result<(), Corrupt> {
        [
            &self.passed,
            &self.probes,
            &self.hits,
            &self.total,
            &self.age_unit,
            &self.counters,
            &self.counter,
        ]
        .iter()
        .try_for_each(|values| values.end())
    }
}

/// Puts the parts of a split snapshot's `Extra` together: `later` follows the
/// `first` regions.
pub(super) fn join(
    extra: &mut Option<Box<Extra>>,
    first: usize,
    later: Option<Box<Extra>>,
    regions: usize,
) {
    if extra.is_none() && later.is_none() {
        return;
    }
    let all = extra.get_or_insert_default();
    let later = later.unwrap_or_default();
    if !(all.filter_passed.is_empty() && later.filter_passed.is_empty()) {
        all.filter_passed.resize(first, None);
        all.filter_passed.extend(later.filter_passed);
        all.filter_passed.resize(regions, None);
    }
    if !(all.probe_hits.is_empty() && later.probe_hits.is_empty()) {
        all.probe_hits.resize(first, Vec::new());
        all.probe_hits.extend(later.probe_hits);
        all.probe_hits.resize(regions, Vec::new());
    }
}
