//! One snapshot of a record, and the rules that it must keep.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::guard::Progress;
use super::region::{RegionSeed, RegionTold};
use super::value::{Number, Skip, Told, otherwise};
use crate::import::ingest::tuned_sample;
use crate::model::{Extra, Gap, Intervals, Item, LossCause, Region, Snapshot, TargetKey};

/// As many as the record file takes; more are counted as missing.
const MAX_REGIONS: usize = 524_288;

/// Counters of a scheme, as the peer names them, and what they count.
pub const STATS: [(&str, Number); 8] = [
    ("nr_tried", Number::Count),
    ("sz_tried", Number::Bytes),
    ("nr_applied", Number::Count),
    ("sz_applied", Number::Bytes),
    ("sz_ops_filter_passed", Number::Bytes),
    ("qt_exceeds", Number::Count),
    ("nr_snapshots", Number::Count),
    ("max_nr_snapshots", Number::Count),
];

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    StartTime,
    EndTime,
    Regions,
    TotalBytes,
    DamosStats,
    SampleIntervalUs,
    #[serde(other)]
    Other,
}

/// What a snapshot is read into.
pub struct SnapshotTold {
    intervals: Option<Intervals>,
    progress: Progress,
    start_ns: Told,
    end_ns: Told,
    regions: Vec<Region>,
    filter_passed: Vec<Option<u64>>,
    probe_hits: Vec<Vec<u32>>,
    /// What an age of 1 is, by the first region that tells.
    age_unit_us: Option<u64>,
    /// Regions that cannot be kept.
    missing: u32,
    /// Regions overlap, go down or end before they start.
    out_of_order: bool,
    is_mark: bool,
    total_bytes: Option<u64>,
    stats: Option<BTreeMap<String, u64>>,
    sample_us: Option<u64>,
}

impl SnapshotTold {
    /// Nothing is known but the record's intervals.
    pub fn new(intervals: Option<Intervals>, progress: Progress) -> Self {
        Self {
            intervals,
            progress,
            start_ns: Told::Nothing,
            end_ns: Told::Nothing,
            regions: Vec::new(),
            filter_passed: Vec::new(),
            probe_hits: Vec::new(),
            age_unit_us: None,
            missing: 0,
            out_of_order: false,
            is_mark: false,
            total_bytes: None,
            stats: None,
            sample_us: None,
        }
    }

    /// A region that cannot be kept.
    fn miss(&mut self) {
        self.missing = self.missing.saturating_add(1);
        self.progress.odd();
    }

    fn add(&mut self, told: Option<RegionTold>) {
        let Some(told) = told else {
            return self.miss();
        };
        if self.regions.is_empty() && told.is_mark() {
            self.is_mark = true;
            self.missing = self.missing.saturating_add(1);
            return;
        }
        let (Some(start), Some(end)) = (told.start.get(), told.end.get()) else {
            return self.miss();
        };
        let last = self.regions.last().map_or(0, |region| region.end);
        if !self.out_of_order && (start < last || end < start) {
            self.out_of_order = true;
            self.progress.odd();
        }
        let accesses = told.nr_accesses(self.intervals);
        let (Some(nr_accesses), true) = (accesses, self.regions.len() < MAX_REGIONS) else {
            return self.miss();
        };
        let region = Region {
            start,
            end,
            nr_accesses,
            age: told.age(self.intervals),
        };
        self.age_unit_us = self.age_unit_us.or_else(|| told.age_unit_us());
        let before = self.regions.len();
        self.regions.push(region);
        // Rows of nothing are not kept until one says something.
        if told.filter_passed.is_some_and(|bytes| bytes > 0) || !self.filter_passed.is_empty() {
            if self.filter_passed.is_empty() {
                self.filter_passed.resize(before, Some(0));
            }
            self.filter_passed.push(told.filter_passed.or(Some(0)));
        }
        if !told.probe_hits.is_empty() || !self.probe_hits.is_empty() {
            self.probe_hits.resize(before, Vec::new());
            self.probe_hits.push(told.probe_hits);
        }
    }

    /// What it is; `None` for damo's mark behind a lone snapshot. `last_ns` is
    /// when the snapshot before it ended.
    pub fn finish(self, target: TargetKey, last_ns: u64) -> Option<Item> {
        if self.is_mark && self.regions.is_empty() && self.missing == 1 {
            return None;
        }
        if self.is_mark {
            // Not alone, it is no mark.
            self.progress.odd();
        }
        let count = self.regions.len() as u64;
        let end_ns = self.end_ns.get();
        if end_ns.is_none() {
            self.progress.odd();
        }
        let Some(end_ns) = end_ns.filter(|_| !self.out_of_order) else {
            let end_ns = end_ns.unwrap_or(last_ns);
            return Some(Item::Gap(Gap {
                target: Some(target),
                start_ns: self.start_ns.get().unwrap_or(last_ns).min(end_ns),
                end_ns,
                events: Some(count.saturating_add(self.missing.into())),
                cause: LossCause::Damaged,
            }));
        };
        let bytes = self.regions.iter().map(Region::len);
        // No overflow: regions do not overlap.
        let sum: u64 = bytes.sum();
        let extra = Extra {
            filter_passed: self.filter_passed,
            probe_hits: self.probe_hits,
            total_bytes: self.total_bytes.filter(|total| *total != sum),
            scheme_stats: self.stats,
            // `damo adjust` leaves ages as they were.
            age_unit_us: self.age_unit_us.filter(|unit| {
                let intervals = self.intervals;
                intervals.is_some_and(|it| it.aggr_us != *unit)
            }),
        };
        Some(Item::Snapshot(Snapshot {
            target,
            start_ns: self.start_ns.get().unwrap_or(last_ns).min(end_ns),
            end_ns,
            intervals: self.sample_us.map(tuned_sample),
            missing: self.missing,
            regions: self.regions,
            extra: (extra != Extra::default()).then(|| Box::new(extra)),
        }))
    }
}

/// Reads a snapshot; false for what is none.
pub struct SnapshotSeed<'a>(pub &'a mut SnapshotTold);

impl<'de> DeserializeSeed<'de> for SnapshotSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SnapshotSeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snapshot")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let told = self.0;
        while let Some(key) = map.next_key()? {
            match key {
                Key::StartTime => told.start_ns = map.next_value_seed(Number::Ns)?,
                Key::EndTime => told.end_ns = map.next_value_seed(Number::Ns)?,
                Key::Regions => map.next_value_seed(RegionsSeed(told))?,
                Key::TotalBytes => told.total_bytes = map.next_value_seed(Number::Bytes)?.get(),
                Key::DamosStats => told.stats = map.next_value_seed(StatsSeed)?,
                Key::SampleIntervalUs => {
                    // Without unit the peer writes nanoseconds, whatever the name says.
                    let told_ns = map.next_value_seed(Number::Ns)?.get();
                    told.sample_us = told_ns.map(|ns| ns / 1000);
                }
                Key::Other => map.next_value_seed(Skip)?,
            }
        }
        Ok(true)
    }

    otherwise!(false; scalar seq);
}

struct RegionsSeed<'a>(&'a mut SnapshotTold);

impl<'de> DeserializeSeed<'de> for RegionsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RegionsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of regions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(region) = seq.next_element_seed(RegionSeed)? {
            self.0.add(region);
        }
        Ok(())
    }

    otherwise!((); scalar map);
}

#[derive(Clone, Copy)]
struct StatsSeed;

impl<'de> DeserializeSeed<'de> for StatsSeed {
    type Value = Option<BTreeMap<String, u64>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StatsSeed {
    type Value = Option<BTreeMap<String, u64>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scheme's counters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut stats = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            match STATS.iter().find(|(known, _)| *known == name) {
                Some((_, number)) => {
                    if let Some(value) = map.next_value_seed(*number)?.get() {
                        stats.insert(name, value);
                    }
                }
                None => map.next_value_seed(Skip)?,
            }
        }
        Ok(Some(stats))
    }

    otherwise!(None; scalar seq);
}
