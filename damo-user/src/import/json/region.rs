//! One region of a snapshot.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::value::{Number, Percent, Skip, Told, otherwise};
use crate::model::Intervals;

/// Probes whose hits are kept for a region; DAMON has 4.
const MAX_PROBES: usize = 16;

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Start,
    End,
    NrAccesses,
    Age,
    ProbeHits,
    SzFilterPassed,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum AccessKey {
    Samples,
    Percent,
    Usec,
    AggrIntervals,
    #[serde(other)]
    Other,
}

/// What is said of a region.
#[derive(Debug, Default)]
pub struct RegionTold {
    pub start: Told,
    pub end: Told,
    pub accesses: Accesses,
    pub age: Accesses,
    pub probe_hits: Vec<u32>,
    pub filter_passed: Option<u64>,
}

/// `nr_accesses` and `age` have two units each.
#[derive(Debug, Default)]
pub struct Accesses {
    samples: Told,
    percent: Option<f64>,
    usec: Told,
    aggr_intervals: Told,
}

impl RegionTold {
    /// Checks that found an access; a share of them needs the intervals.
    pub fn nr_accesses(&self, intervals: Option<Intervals>) -> Option<u32> {
        match self.accesses.samples {
            Told::Is(samples) => u32::try_from(samples).ok(),
            Told::Minus(_) => None,
            Told::Nothing | Told::Other => {
                let intervals = intervals.filter(|i| i.sample_us > 0)?;
                // In floats, as the peer reckons it.
                let most = intervals.aggr_us as f64 / intervals.sample_us as f64;
                let samples = self.accesses.percent? * most / 100.0;
                (samples <= f64::from(u32::MAX)).then_some(samples as u32)
            }
        }
    }

    /// Age in aggregations; a time needs the intervals.
    pub fn age(&self, intervals: Option<Intervals>) -> Option<u32> {
        let age = match (self.age.aggr_intervals, self.age.usec) {
            (Told::Is(age), _) => age,
            // DAMON_STAT's idle times are below zero while memory is in use.
            (_, Told::Is(usec) | Told::Minus(usec)) => {
                usec / intervals.map(|i| i.aggr_us).filter(|us| *us > 0)?
            }
            _ => return None,
        };
        u32::try_from(age).ok()
    }

    /// Microseconds of an age of 1, where it tells both.
    pub fn age_unit_us(&self) -> Option<u64> {
        match (self.age.usec, self.age.aggr_intervals) {
            (Told::Is(usec), Told::Is(age)) if age > 0 && usec % age == 0 => Some(usec / age),
            _ => None,
        }
    }

    /// Whether it is the mark that damo puts behind a lone snapshot: `0-0: -1 -1`.
    pub fn is_mark(&self) -> bool {
        (self.start, self.end) == (Told::Is(0), Told::Is(0))
            && self.accesses.samples == Told::Minus(1)
            && self.age.aggr_intervals == Told::Minus(1)
    }
}

/// Reads a region; `None` for what is none.
#[derive(Clone, Copy)]
pub struct RegionSeed;

impl<'de> DeserializeSeed<'de> for RegionSeed {
    type Value = Option<RegionTold>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RegionSeed {
    type Value = Option<RegionTold>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a region")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut told = RegionTold::default();
        while let Some(key) = map.next_key()? {
            match key {
                Key::Start => told.start = map.next_value_seed(Number::Bytes)?,
                Key::End => told.end = map.next_value_seed(Number::Bytes)?,
                Key::NrAccesses => told.accesses = map.next_value_seed(AccessesSeed)?,
                Key::Age => told.age = map.next_value_seed(AccessesSeed)?,
                Key::ProbeHits => told.probe_hits = map.next_value_seed(HitsSeed)?,
                Key::SzFilterPassed => {
                    told.filter_passed = map.next_value_seed(Number::Bytes)?.get();
                }
                Key::Other => map.next_value_seed(Skip)?,
            }
        }
        Ok(Some(told))
    }

    otherwise!(None; scalar seq);
}

#[derive(Clone, Copy)]
struct AccessesSeed;

impl<'de> DeserializeSeed<'de> for AccessesSeed {
    type Value = Accesses;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Accesses, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AccessesSeed {
    type Value = Accesses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nr_accesses or age")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Accesses, A::Error> {
        let mut told = Accesses::default();
        while let Some(key) = map.next_key()? {
            match key {
                AccessKey::Samples => told.samples = map.next_value_seed(Number::Count)?,
                AccessKey::Percent => told.percent = map.next_value_seed(Percent)?,
                AccessKey::Usec => told.usec = map.next_value_seed(Number::Us)?,
                AccessKey::AggrIntervals => {
                    told.aggr_intervals = map.next_value_seed(Number::Count)?;
                }
                AccessKey::Other => map.next_value_seed(Skip)?,
            }
        }
        Ok(told)
    }

    otherwise!(Accesses::default(); scalar seq);
}

#[derive(Clone, Copy)]
struct HitsSeed;

impl<'de> DeserializeSeed<'de> for HitsSeed {
    type Value = Vec<u32>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<u32>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for HitsSeed {
    type Value = Vec<u32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u32>, A::Error> {
        let mut hits = Vec::new();
        while let Some(told) = seq.next_element_seed(Number::Count)? {
            if hits.len() < MAX_PROBES {
                let count = told.get().unwrap_or(0);
                hits.push(u32::try_from(count).unwrap_or(u32::MAX));
            }
        }
        Ok(hits)
    }

    otherwise!(Vec::new(); scalar map);
}
